"""A writer of events in a process of its own: `python -m bench.commit` reads a plan as JSON from stdin.

It commits events one by one over so many connections, rings after each commit as a process of the product does, and
prints when each commit was acknowledged, by the event's stamp. The relay is rung with the event itself instead.
"""

import asyncio
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import orjson
import uvloop

INSERT: Final = """
insert into session_events (tenant_id, org_unit_id, session_id, assignment_id, at, id, seq, kind, client_at, payload)
values ($1, $2, $3, $4, now(), uuidv7(), $5, 'tab_switch', $6, '{}')
"""
SIZE: Final = 420
"""Bytes of the relay's messages: about as long as the product's frame of one event."""


class Writer:
    """Commits the events of a plan."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._first = random.randrange(10**9, 2 * 10**9)  # noqa: S311 - far from what the product gives out
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._ids = [UUID(plan[name]) for name in ("tenant", "unit")], UUID(plan["assignment"])
        self._sessions = [UUID(one) for one in plan["sessions"]]
        self.committed: dict[str, int] = {}

    async def write(self, connection: Any, number: int) -> None:
        """Commit one event and ring for it."""
        at = self._began + timedelta(microseconds=number + 1)
        stamp = at.isoformat()
        session = self._sessions[number % len(self._sessions)]
        (tenant, unit), assignment = self._ids
        await connection.execute(INSERT, tenant, unit, session, assignment, self._first + number, at)
        self.committed[stamp] = time.monotonic_ns()
        message = self._plan["message"] or f'{{"type":"next","clientAt":"{stamp}","filler":"{"x" * (SIZE - 70)}"}}'
        await connection.execute("select pg_notify($1, $2)", self._plan["channel"], message)

    async def run(self) -> None:
        """Commit all of them, by chance or as fast as it goes."""
        chance = random.Random(1)  # noqa: S311 - a measurement, and repeatable
        numbers = iter(range(self._plan["events"]))
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no types
        rate = self._plan["rate"]

        async def one() -> None:
            connection = await connect(self._plan["dsn"])
            try:
                for number in numbers:
                    if rate:
                        await asyncio.sleep(chance.expovariate(rate))
                    await self.write(connection, number)
            finally:
                await connection.close()

        await asyncio.gather(*(one() for _ in range(self._plan["connections"])))


async def _run() -> None:
    writer = Writer(orjson.loads(sys.stdin.buffer.read()))
    await writer.run()
    sys.stdout.buffer.write(orjson.dumps(writer.committed))


if __name__ == "__main__":
    uvloop.run(_run())
