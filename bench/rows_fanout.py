"""The rows about fan-out: one assignment with 1, 50 and 500 followers, with shared answers, without, and by the relay.

Without means that each follower asks with a document of its own, so that nothing that is made for one serves another.
"""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from bench.measure import ROUNDS, Bench
from bench.rows import Found, Row
from bench.streams import Seen, Stream, Watch, product, relayed, told, watching
from bench.world import World

CALM: Final = 10.0
"""Events in a second at which the delay is measured: a burst would measure the queue."""

BURST: Final = 40
"""Events that four connections then commit as fast as they can, for the frames in a second."""

Side = tuple[str, Stream, Watch]


async def fan_out(followers: int, bench: Bench, world: World) -> Found:
    """Measure the three sides in turn, first calmly and then in a burst; judge the shared side's p99 by the relay's."""
    mine = product(bench, world)
    seen: dict[str, tuple[list[Seen], list[Seen]]] = {}
    async with relayed(bench, world) as relay:
        for name, stream, apart in (("shared", mine, False), ("apart", mine, True), ("relay", relay, False)):
            calm, burst = seen[name] = [], []
            async with watching(stream, followers, apart=apart) as watch:
                for _ in range(ROUNDS):
                    events = max(20, round(bench.seconds * CALM))
                    calm.append(await told(bench, world, stream, watch, events=events, rate=CALM))
                    burst.append(await told(bench, world, stream, watch, events=BURST, connections=4))
    texts = {name: _text(*rounds) for name, rounds in seen.items()}
    detail = {name: _figures(*rounds) for name, rounds in seen.items()}
    ours = f"shared: {texts['shared']}; each by itself: {texts['apart']}"
    return Found(detail["shared"]["p99"] / detail["relay"]["p99"], ours, texts["relay"], detail)


def _figures(calm: Sequence[Seen], burst: Sequence[Seen]) -> dict[str, float]:
    def middle(of: Callable[[Seen], float], rounds: Sequence[Seen]) -> float:
        return statistics.median(of(one) for one in rounds)

    return {
        "p50": middle(lambda one: one.delays[len(one.delays) // 2], calm),
        "p99": middle(lambda one: one.delays[int(len(one.delays) * 0.99)], calm),
        "cpu_frame": middle(lambda one: one.cpu / one.frames, calm),
        "frames": middle(lambda one: one.frames / one.seconds, burst),
        "deliveries": middle(lambda one: one.events / one.seconds, burst),
    }


def _text(calm: Sequence[Seen], burst: Sequence[Seen]) -> str:
    one = _figures(calm, burst)
    return (
        f"p50 {one['p50']:.1f} ms, p99 {one['p99']:.1f} ms, {one['cpu_frame']:,.0f} µs a frame, "
        f"{one['frames']:,.0f} frames/s, {one['deliveries']:,.0f} deliveries/s"
    )


def _row(followers: int) -> Row:
    measure: Callable[[Bench, World], Awaitable[Found]] = partial(fan_out, followers)
    title = f"fan-out {followers}, answers shared and not: p99 from commit to frame, shared"
    return Row(f"S6x{followers}", title, 2.0, 1.3, measure, most=True)


FAN_OUT: Sequence[Row] = tuple(_row(followers) for followers in (1, 50, 500))
