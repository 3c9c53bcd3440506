"""Waiting until all that requests have left to be done behind them is done."""

import asyncio

import asyncpg

from services import jobs

BUSY = (
    "select (select count(*) from jobs.pgqueuer where status in ('queued', 'picked') and entrypoint = any($1) "
    "and execute_after < now() + interval '1 minute') + (select count(*) from activity a where not exists "
    "(select from activity_seals s where s.tenant_id = a.tenant_id and s.id = a.id))"
)
"""Jobs that services ask for, and rows that wait for their seal."""


async def quiet(owner: asyncpg.Connection) -> None:
    """Return when nothing is left to be done."""
    async with asyncio.timeout(30):
        while await owner.fetchval(BUSY, sorted(jobs.NAMES)):
            await asyncio.sleep(0.05)
