"""`make bench`: print the scoreboard of `docs/guides/performance.md`, and write it as JSON.

python -m bench [--quick] [--rows Q1,M1]
"""

import argparse
import asyncio
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench import chaos_site, world
from bench.measure import beside
from bench.rows import ROWS as READS_AND_WRITES
from bench.rows import Found, Row
from bench.rows_doors import DOORS
from bench.rows_fanout import FAN_OUT
from bench.rows_limits import LIMITS
from bench.rows_programmes import PROGRAMMES
from bench.rows_rooms import ROOMS
from bench.rows_start import START
from bench.rows_streams import STREAMS

ROWS = (*READS_AND_WRITES, *DOORS, *STREAMS, *FAN_OUT, *ROOMS, *PROGRAMMES, *LIMITS, *START)
RESULTS = Path(__file__).with_name("results") / "latest.json"
FULL, QUICK = 4.0, 0.6
"""Seconds of one round."""

console = Console(soft_wrap=True, highlight=False)


async def scoreboard(rows: list[Row], seconds: float) -> list[tuple[Row, Found]]:
    """Measure rows, one after the other."""
    measured: list[tuple[Row, Found]] = []
    async with chaos_site.built(1, redis=False) as site:
        there = await world.filled(site)
        async with beside(site, seconds) as bench:
            for row in rows:
                began = monotonic()
                found = await row.measure(bench, there)
                measured.append((row, found))
                console.print(f"{row.name:<6} {found.ratio:.2f}  ({monotonic() - began:.0f} s)")
    return measured


def _show(measured: list[tuple[Row, Found]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("row", "what", "ours", "reference", "ratio", "goal", "aim", "met"):
        table.add_column(column, overflow="fold")
    for row, found in measured:
        sign = "<=" if row.most else ">="
        verdict = "yes" if row.met(found.ratio) else "no"
        bounds = (f"{sign} {row.goal}", f"{sign} {row.aim}")
        table.add_row(row.name, row.title, found.ours, found.reference, f"{found.ratio:.2f}", *bounds, verdict)
    console.print(table)
    console.print("CPU is application+database, microseconds for each request (of M2: for each event).")


def _write(measured: list[tuple[Row, Found]]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = [
        {"row": row.name, "title": row.title, "goal": row.goal, "aim": row.aim, "met": row.met(found.ratio)}
        | asdict(found)
        for row, found in measured
    ]
    told = {"at": datetime.now(UTC).isoformat(), "load": os.getloadavg(), "processors": os.cpu_count(), "rows": rows}
    RESULTS.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, about a minute")
    parser.add_argument("--rows", default="", help="names of rows, with commas between; all without it")
    given = parser.parse_args()
    wanted = [name for name in given.rows.split(",") if name]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        sys.exit(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}.")
    rows = [row for row in ROWS if not wanted or row.name in wanted]
    measured = asyncio.run(scoreboard(rows, QUICK if given.quick else FULL))
    _show(measured)
    _write(measured)


if __name__ == "__main__":
    main()
