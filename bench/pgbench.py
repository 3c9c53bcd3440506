"""pgbench as a reference: the product's own insert of a batch of events, prepared, and a commit after each."""

import asyncio
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import Bench
from bench.world import World
from server import database
from server.postgres_files import carried_programs

_SCRIPT = """
\\set base random(1000000000000, 900000000000000)
begin;
{scope}
insert into session_events (org_unit_id, session_id, assignment_id, at, id, seq, kind, client_at, payload)
select '{unit}', '{session}', '{assignment}', now(), uuidv7(),
 cast(:base as bigint) + e.n, e.kind, e.client_at, e.payload
from jsonb_to_recordset('{events}') as e(n int, kind text, client_at timestamptz, payload jsonb);
commit;
"""
_RATE = re.compile(r"tps = ([0-9.]+)")


async def inserts(bench: Bench, world: World, clients: int, events: int, *, seconds: float) -> float:
    """Return how many batches of so many events pgbench inserts and commits in a second."""
    event = '"kind": "tab_switch", "client_at": "2026-01-01T00:00:00Z", "payload": {}'
    script = _SCRIPT.format(
        scope="select " + ", ".join(f"set_config('{k}', '{v}', true)" for k, v in world.scope.items()) + ";",
        unit=world.org_unit_id,
        session=world.candidates[0].session_id,
        assignment=world.assignment_id,
        events="[" + ", ".join(f'{{"n": {n}, {event}}}' for n in range(events)) + "]",
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "insert.sql"
        file.write_text(script, "utf-8")
        options = ["-n", "-c", str(clients), "-j", "1", "-M", "prepared", "-T", str(max(1, round(seconds)))]
        process = await asyncio.create_subprocess_exec(
            str(carried_programs() / "pgbench"),
            *options,
            "-f",
            str(file),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_address(bench)},
        )
        out, said = await process.communicate()
    found = _RATE.search(out.decode())
    if found is None:
        raise RuntimeError(f"pgbench told no rate: {said.decode()[-400:]}")
    return float(found[1])


def _address(bench: Bench) -> dict[str, str]:
    """Return the application's address as libpq reads it from the environment."""
    cluster = bench.site.cluster
    app: Any = database.address_in(cluster, database.DATABASE)
    user = app.app_dsn.removeprefix("postgresql://").partition("@")[0]
    return {"PGHOST": str(cluster.sockets), "PGUSER": user, "PGDATABASE": database.DATABASE}
