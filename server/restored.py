"""After a logical restore: give every stored position a transaction id of the cluster that it now lives in.

A dump carries the transaction ids of the old cluster. In the new one they may lie above the horizon, where streams do
not read yet (docs/decisions/0003). One transaction of the owner gives all rows its own id; within it they keep the
order of their ids. Where every id lies below the horizon, nothing is changed: doing it on a living database would
deliver every event again.
"""

from functools import partial
from uuid import UUID

from jobs.sessions import tenants
from server import provision
from server.addresses import DatabaseAddress
from server.driver import Connection, connected
from server.setup_errors import UnsafeLogin
from services.viewer import Viewer
from services.work import Office, Work

_POSITIONED = """
select table_name::text as name from information_schema.columns
 where table_schema = 'public' and column_name = 'xid' order by 1
"""
_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")


async def settle(address: DatabaseAddress) -> dict[str, int]:
    """Move positions that lie in the future, note it in every tenant's ledger, and return the rows moved by table.

    The service must not run meanwhile. Needs an administrator's address.
    """
    if address.admin_dsn is None:
        raise UnsafeLogin("Positions are moved with an administrator's address.")
    async with connected(address.admin_dsn) as admin, admin.transaction():
        await _become_owner(admin)
        moved = {row["name"]: await _move(admin, row["name"]) for row in await admin.fetch(_POSITIONED)}
    if any(moved.values()):
        await _note(address, moved)
    return moved


async def _become_owner(admin: Connection) -> None:
    known = provision.limits((await provision.standing(admin)).version)
    for name in _LIMITS:
        if name in known:
            await admin.execute(f"SET LOCAL {name} = 0")
    await admin.execute(f"SET LOCAL ROLE {provision.OWNER}")


async def _move(admin: Connection, name: str) -> int:
    """Move one table's rows; its row security and triggers are off for this transaction, which nobody looks into."""
    table = provision.quoted(name)
    await admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    ahead = await admin.fetchval(
        f"select coalesce(max(xid) >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint, false) from {table}"  # noqa: S608 - a quoted name from the catalogue
    )
    moved = 0
    if ahead:
        await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        done = await admin.execute(f"update {table} set xid = pg_current_xact_id()::text::bigint")  # noqa: S608 - likewise
        moved = int(done.rpartition(" ")[2])
        await admin.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await admin.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    return moved


async def _note(address: DatabaseAddress, moved: dict[str, int]) -> None:
    office = Office(address.app, ring=lambda _topics: None, pool_size=2)
    try:
        for tenant_id in await tenants(office):
            act = partial(_record, tenant_id, moved)
            await office.perform(Viewer.system(tenant_id, name="evalium restored"), act)
    finally:
        await office.close()


async def _record(tenant_id: UUID, moved: dict[str, int], work: Work) -> None:
    work.record("database.restored", ("tenant", tenant_id), after={"rows": moved})
