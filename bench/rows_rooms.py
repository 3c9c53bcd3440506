"""The row of a simulated room: what `evalium simulate` sees of the product, judged by the promise on delays."""

from collections.abc import Sequence
from typing import Final

from bench.chaos_rooms import staff
from bench.measure import Bench
from bench.rows import Found, Row
from bench.world import World
from server import simulate
from server.simulate import Plan

PROMISED: Final = 0.5
"""Seconds within which an acknowledged write is on open streams, for 99 of 100 (promise 6 of reliability)."""


async def room(bench: Bench, world: World) -> Found:
    """Let 60 candidates and 6 proctors use the product for a while; a run that is not whole is no figure."""
    del world
    plan = Plan(sessions=60, proctors=6, seconds=max(12.0, bench.seconds * 8), rate=12, seed=1, follows=0.5)
    report = await simulate.run(plan, [bench.site.apis[0].base], await staff(bench.site, plan), lambda _: None)
    if not report.is_whole or report.refusals:
        raise RuntimeError(f"The simulation was not whole: {report.told()}")
    saved = report.operations["AnswerSave"]
    ours = (
        f"to a frame p50 {report.delay.p50 * 1e3:.1f}, p99 {report.delay.p99 * 1e3:.1f} ms; saving an answer "
        f"p50 {saved.p50 * 1e3:.1f}, p99 {saved.p99 * 1e3:.1f} ms; {report.verdict.deliveries} deliveries"
    )
    return Found(report.delay.p99 / PROMISED, ours, f"{PROMISED * 1e3:.0f} ms promised", {"report": report.told()})


ROOMS: Sequence[Row] = (
    Row("V1", "simulated room, 60 candidates, 6 proctors: p99 commit to frame", 1.0, 0.2, room, most=True),
)
