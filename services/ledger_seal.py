"""The sealer: gives ledger rows their position and hash, in commit order, and signs checkpoints.

Writers never wait for it: it takes rows below the snapshot's horizon only, where every transaction has ended, and
writes into tables of its own (docs/decisions/0011). It does not remember where it was: it goes on from the last seal,
whose row's transaction id is durable as the row is and was handed out before that of any row to come.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, bindparam, insert, text
from sqlalchemy.dialects.postgresql import ARRAY

from models.activity import ActivityCheckpoint
from models.base import uuid7
from services import ledger
from services.ledger import Checkpoint, Notary
from services.work import Work

LARGEST_BATCH: Final = 500
CHECKPOINT_SECONDS: Final = 300
"""How old a checkpoint may be before a chain that went on gets the next one."""

COLUMNS: Final = (
    "a.tenant_id, a.id, a.at, a.actor_kind, a.actor_id, a.actor_name, a.org_unit_id, a.act, a.subject_kind, "
    "a.subject_id, a.reason, a.before::text as before, a.after::text as after"
)
_TRY = text("select pg_try_advisory_xact_lock(hashtextextended('activity/' || :tenant, 0))")
_WAIT = text("select pg_advisory_xact_lock(hashtextextended('activity/' || :tenant, 0))")
_SEAL = text(
    "insert into activity_seals (id, position, hash) select * from unnest(:ids, :positions, :hashes)"
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("positions", type_=ARRAY(BigInteger)),
    bindparam("hashes", type_=ARRAY(Text)),
)
_HEAD = (
    "select s.position, s.hash, coalesce(a.xid, 0) as xid from activity_seals s "
    "left join activity a on a.tenant_id = s.tenant_id and a.id = s.id order by s.position desc limit 1"
)
_HORIZON = "a.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_UNSEALED = "a.xid >= $1 and not exists (select from activity_seals s where s.tenant_id = a.tenant_id and s.id = a.id)"
_NEXT = f"select {COLUMNS} from activity a where {_UNSEALED} and {_HORIZON} order by a.xid, a.id limit $2"  # noqa: S608 - our own constants
_LAG = (
    "select count(*) as depth, coalesce(extract(epoch from evalium_now() - min(at)), 0)::float8 as age "  # noqa: S608 - likewise
    f"from (select a.at from activity a where {_UNSEALED} limit 10000) unsealed"
)
_LATEST = "select * from activity_checkpoints order by number desc limit 1"
_CHECKPOINTS = "select * from activity_checkpoints where count between $1 and $2 order by number"


async def head(work: Work) -> tuple[int, str, int]:
    """Return position and hash of the last seal, and the transaction id of its row; zeros before the first."""
    rows = await work.fetch(_HEAD)
    return (rows[0]["position"], rows[0]["hash"], rows[0]["xid"]) if rows else (0, ledger.GENESIS, 0)


async def lag(work: Work) -> tuple[int, float]:
    """Return how many rows are not sealed yet (counted up to 10,000), and the age of the oldest in seconds."""
    _, _, xid = await head(work)
    (row,) = await work.fetch(_LAG, xid)
    return row["depth"], row["age"]


async def seal(work: Work, limit: int = LARGEST_BATCH) -> int:
    """Seal the next rows of the viewer's tenant and return how many; 0 when there are none or another sealer is at it.

    The lock comes before the look, so that the look sees what the one before has sealed.
    """
    if not await work.session.scalar(_TRY, {"tenant": str(work.viewer.tenant_id)}):
        return 0
    position, previous, xid = await head(work)
    rows = await work.fetch(_NEXT, xid, limit)
    hashes: list[str] = []
    for place, row in enumerate(rows, position + 1):
        content = ledger.digest(ledger.content(SimpleNamespace(**row), place))
        previous = ledger.link(row["tenant_id"], place, previous, content)
        hashes.append(previous)
    if rows:
        places = list(range(position + 1, position + 1 + len(rows)))
        seals: dict[str, Any] = {"ids": [row["id"] for row in rows], "positions": places, "hashes": hashes}
        await work.session.execute(_SEAL, seals)
    return len(rows)


async def checkpoint(work: Work, notary: Notary, *, older_than: float = CHECKPOINT_SECONDS) -> Checkpoint | None:
    """Sign where the chain is, if it went on since a checkpoint that is `older_than` so many seconds.

    Returns the newest checkpoint, None for a chain that has not begun.
    """
    tenant_id = work.viewer.tenant_id
    if tenant_id is None:
        raise RuntimeError("A checkpoint is signed for one tenant.")
    await work.session.execute(_WAIT, {"tenant": str(tenant_id)})
    position, hash_, _ = await head(work)
    latest, now = await latest_checkpoint(work), await work.now()
    count, number = (0, 0) if latest is None else (latest["count"], latest["number"])
    is_fresh = latest is not None and (now - latest["at"]).total_seconds() < older_than
    if position <= count or is_fresh:
        return None if latest is None else told(latest)
    signed = notary.sign(tenant_id=tenant_id, number=number + 1, count=position, head=hash_, time=now)
    row = {"number": signed.number, "count": signed.count, "head": signed.head, "at": now}
    row |= {"id": uuid7(), "key_id": signed.key_id, "signature": signed.signature}
    await work.session.execute(insert(ActivityCheckpoint), [row])
    return signed


async def wants_checkpoint(work: Work) -> bool:
    """Whether the chain went on since a checkpoint that is old enough; so that an idle look takes no lock."""
    position, _, _ = await head(work)
    latest = await latest_checkpoint(work)
    if latest is None:
        return position > 0
    return position > latest["count"] and (await work.now() - latest["at"]).total_seconds() >= CHECKPOINT_SECONDS


async def latest_checkpoint(work: Work) -> Mapping[str, Any] | None:
    """Return the row of the newest checkpoint."""
    rows = await work.fetch(_LATEST)
    return rows[0] if rows else None


async def checkpoints(work: Work, first: int, last: int) -> Sequence[Checkpoint]:
    """Return the checkpoints whose count lies between two positions, oldest first."""
    return [told(row) for row in await work.fetch(_CHECKPOINTS, first, last)]


def told(row: Mapping[str, Any]) -> Checkpoint:
    """Return a stored checkpoint as it was signed."""
    tenant_id: UUID = row["tenant_id"]
    time = ledger.instant(row["at"])
    return Checkpoint(str(tenant_id), row["number"], row["count"], row["head"], time, row["key_id"], row["signature"])
