"""Waiting until all that requests have left to be done behind them is done."""

import asyncio

import asyncpg

from services import jobs

BUSY = (
    "select count(*) from jobs.pgqueuer where status in ('queued', 'picked') and entrypoint = any($1) "
    "and execute_after < now() + interval '1 minute'"
)
"""Jobs that services ask for."""

UNSEALED = (
    "select count(*) from activity a where not exists "
    "(select from activity_seals s where s.tenant_id = a.tenant_id and s.id = a.id)"
)
"""Rows that wait for their seal, which comes by the clock."""


async def quiet(owner: asyncpg.Connection, *, sealed: bool = True) -> None:
    """Return when nothing is left to be done; unless `sealed`, seals may be outstanding."""
    async with asyncio.timeout(30):
        while await owner.fetchval(BUSY, sorted(jobs.NAMES)) or (sealed and await owner.fetchval(UNSEALED)):
            await asyncio.sleep(0.02)
