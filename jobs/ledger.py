"""Seals the activity ledger and signs its checkpoints, tenant by tenant (domain.md section 11)."""

from functools import partial
from uuid import UUID

import structlog
from prometheus_client import Gauge

from jobs.sessions import tenants
from services import ledger_keys, ledger_seal
from services.driver import is_away
from services.ledger import Notary
from services.viewer import Viewer
from services.work import Office, Work

MOST_BATCHES = 20
"""Batches sealed for one tenant in one run, so that no tenant keeps the others waiting."""

DEPTH = Gauge(
    "evalium_ledger_unsealed_rows", "Ledger rows that wait for their seal, all tenants.", multiprocess_mode="livemax"
)
AGE = Gauge(
    "evalium_ledger_unsealed_age_seconds",
    "Age of the oldest ledger row that waits for its seal.",
    multiprocess_mode="livemax",
)

log = structlog.get_logger(__name__)


async def seal(notary: Notary, office: Office) -> int:
    """Seal what waits in every tenant, and return how many rows this process sealed.

    Several processes may do so at once: whoever holds a tenant's lock seals, the others go on. A tenant that fails is
    logged and does not keep the others waiting.
    """
    sealed, depth, age = 0, 0, 0.0
    for tenant_id in await tenants(office):
        try:
            done, left, oldest = await seal_tenant(office, notary, tenant_id)
        except Exception as error:
            if is_away(error):  # so it is for everybody else
                raise
            log.exception("seal.failed", tenant=str(tenant_id))
            continue
        sealed, depth, age = sealed + done, depth + left, max(age, oldest)
    DEPTH.set(depth)
    AGE.set(age)
    return sealed


async def keep_key(notary: Notary, office: Office) -> int:
    """Keep the public key that signs here, and those before it; returns how many rows that took."""

    async def keep(work: Work) -> int:
        return await ledger_keys.keep(work, notary)

    return await office.perform(Viewer.anonymous(), keep, repeatable=True)


async def seal_tenant(office: Office, notary: Notary, tenant_id: UUID) -> tuple[int, int, float]:
    """Seal one tenant's rows; returns rows sealed, rows left and the age of the oldest of these in seconds."""
    viewer = Viewer.system(tenant_id, name="sealer")
    sealed = 0
    async with office.snapshot(viewer) as work:
        depth, age = await ledger_seal.lag(work)
        due = await ledger_seal.wants_checkpoint(work)
    if depth:
        for _ in range(MOST_BATCHES):
            done = await office.perform(viewer, _seal, repeatable=True)
            sealed += done
            if done < ledger_seal.LARGEST_BATCH:
                break
        async with office.snapshot(viewer) as work:
            depth, age = await ledger_seal.lag(work)
            due = due or await ledger_seal.wants_checkpoint(work)
    if due:
        await office.perform(viewer, partial(_sign, notary), repeatable=True)
    return sealed, depth, age


async def _seal(work: Work) -> int:
    return await ledger_seal.seal(work)


async def _sign(notary: Notary, work: Work) -> None:
    await ledger_seal.checkpoint(work, notary)
