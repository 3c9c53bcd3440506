"""Removes idempotency keys whose 24 hours are over (domain.md section 12)."""

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from services import idempotency
from services.viewer import Viewer
from services.work import Office, Work


async def prune(office: Office) -> int:
    """Remove expired keys tenant by tenant, in small transactions, and return how many were removed."""
    removed = 0
    for tenant_id in await tenants(office):
        viewer = Viewer.system(tenant_id, name="pruner")
        while done := await office.perform(viewer, _remove, repeatable=True):
            removed += done
    return removed


async def _remove(work: Work) -> int:
    return await idempotency.prune(work)


async def _prune(tools: Tools, _task: Task) -> None:
    await prune(tools.office)


PRUNE = Handler(name="idempotency.prune", act=_prune)
