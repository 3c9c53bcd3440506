"""The rows of the scoreboard about streams: what they cost writers, how soon they deliver, and what they hold."""

import asyncio
import statistics
from collections.abc import Sequence
from time import monotonic
from typing import Any

from bench import rows
from bench.measure import ROUNDS, Bench, cpu
from bench.rows import Found, Row
from bench.streams import Seen, Stream, established, memory, product, relayed, told, watching
from bench.world import World

WRITERS = 8
FEW, MANY = 50, 500
IDLE = 1_900
"""As many as leave room below the connections that one process takes."""

STUCK, FLOOD, LONG, SHORTEST = 20, 1_000, 15, 20.0
"""Sockets that are not read, events in a second, how many rounds long that lasts, and how many seconds at least."""

QUIET = 3.0
"""Seconds for which idle streams are watched."""

CALM = 10.0
"""Events in a second at which the delay is measured."""


async def commits(bench: Bench, world: World) -> Found:
    """Let 8 candidates record one event after the other, with 50 open streams of their assignment and with none."""
    requests = [[rows.batch(one, 1)] for one in world.candidates[:WRITERS]]
    with_streams, without = bench.ours(requests), bench.ours(requests)
    stream, frames = product(bench, world), 0
    for number in range(ROUNDS):
        for is_watched in (True, False) if number % 2 == 0 else (False, True):
            if not is_watched:
                await bench.measure(without)
                continue
            async with watching(stream, FEW) as watch:
                await bench.measure(with_streams)
                frames += (await watch.seen())["frames"]
    found = rows.by_rate(with_streams, without)
    detail = found.detail | {"frames": frames}
    return Found(found.ratio, found.ours, found.reference, detail)


async def delay(bench: Bench, world: World) -> Found:
    """Commit events at random times, ten in a second, to 50 readers; compare the 99th percentiles."""
    rounds = await _both(bench, world, FEW, events=max(20, round(bench.seconds * CALM * 1.5)), rate=CALM)
    ours, theirs = rounds
    return _found(rounds, _worst(ours) / _worst(theirs))


async def deliveries(bench: Bench, world: World) -> Found:
    """Commit events as fast as four connections can to 500 readers; compare how many reach a reader in a second."""
    rounds = await _both(bench, world, MANY, events=max(60, round(bench.seconds * 150)), connections=4)
    ours, theirs = rounds
    return _found(rounds, _rate(ours) / _rate(theirs))


async def _both(bench: Bench, world: World, sockets: int, **events: Any) -> tuple[list[Seen], list[Seen]]:
    ours, theirs = list[Seen](), list[Seen]()
    async with relayed(bench, world) as relay, watching(relay, sockets) as there:
        mine = product(bench, world)
        async with watching(mine, sockets) as here:
            for number in range(ROUNDS):
                sides = ((mine, here, ours), (relay, there, theirs))
                for stream, watch, seen in sides if number % 2 == 0 else sides[::-1]:
                    seen.append(await told(bench, world, stream, watch, **events))
    return ours, theirs


def _found(rounds: tuple[Sequence[Seen], Sequence[Seen]], ratio: float) -> Found:
    detail = {name: _told(seen) for name, seen in zip(("ours", "reference"), rounds, strict=True)}
    texts = [
        f"p50 {one['p50']:.1f} ms, p99 {one['p99']:.1f} ms, {one['rate']:,.0f} deliveries/s, "
        f"{one['frames_rate']:,.0f} frames/s, {one['cpu_frame']:.0f} µs/frame"
        for one in detail.values()
    ]
    return Found(ratio, texts[0], texts[1], detail)


def _told(seen: Sequence[Seen]) -> dict[str, float]:
    return {
        "p50": statistics.median(one.delays[len(one.delays) // 2] for one in seen),
        "p99": _worst(seen),
        "rate": _rate(seen),
        "frames_rate": statistics.median(one.frames / one.seconds for one in seen),
        "cpu_frame": statistics.median(one.cpu / one.frames for one in seen),
        "cpu_delivery": statistics.median(one.cpu / one.events for one in seen),
    }


def _worst(seen: Sequence[Seen]) -> float:
    return statistics.median(one.delays[int(len(one.delays) * 0.99)] for one in seen)


def _rate(seen: Sequence[Seen]) -> float:
    return statistics.median(one.events / one.seconds for one in seen)


async def idle(bench: Bench, world: World) -> Found:
    """Open 1,900 streams on which nothing happens; compare what each adds to the memory of a fresh process."""
    api = bench.site.apis[0]
    api.kill()
    api.start()
    await api.ready()
    ours = await _weighed(product(bench, world))
    async with relayed(bench, world) as relay:
        theirs = await _weighed(relay)
    detail = {"ours": ours, "reference": theirs}
    texts = [f"{one['bytes'] / 1024:.1f} KiB each, {one['cpu_second']:,.0f} µs/s idle" for one in detail.values()]
    return Found(ours["bytes"] / theirs["bytes"], texts[0], texts[1], detail)


async def _weighed(stream: Stream) -> dict[str, float]:
    async with watching(stream, FEW):
        before = memory(stream.pid)
    async with watching(stream, IDLE) as watch:
        held = memory(stream.pid) - before
        spent = cpu(stream.pid)
        await asyncio.sleep(QUIET)
        await watch.seen()
        return {"bytes": held / (IDLE - FEW), "cpu_second": (cpu(stream.pid) - spent) / QUIET}


async def paused(bench: Bench, world: World) -> Found:
    """Commit events as fast as the trial of promise 10 wants, with twenty sockets that are not read and with none."""
    stream = product(bench, world)
    seconds = max(SHORTEST, bench.seconds * LONG)
    events: dict[str, Any] = {"events": round(seconds * FLOOD), "connections": 8, "rate": FLOOD / 8}
    async with watching(stream, WRITERS) as watch:
        alone = await told(bench, world, stream, watch, **events)
        async with watching(stream, STUCK, paused=True):
            looking = Look(stream)
            watcher = asyncio.create_task(looking.run())
            beside = await told(bench, world, stream, watch, **events)
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
    found = _found(([beside], [alone]), _worst([beside]) / _worst([alone]))
    cut = looking.cut
    when = f"{len(cut)} of {STUCK} cut" + (f" after {cut[0]:.0f} to {cut[-1]:.0f} s" if cut else "")
    rate = len(beside.committed) / (max(beside.committed.values()) - min(beside.committed.values())) * 1e9
    told_of = f"{found.ours}, {rate:,.0f} events/s, grown by {looking.grown / 2**20:.1f} MiB at most, {when}"
    detail = found.detail | {"grown": looking.grown, "cut": cut, "commits": rate}
    return Found(found.ratio, told_of, found.reference, detail)


class Look:
    """Looks at a serving process until cancelled: how much its memory grows, and when sockets of it are cut."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._before = memory(stream.pid)
        self._open = established(stream.port)
        self.grown = 0
        self.cut: list[float] = []
        """After how many seconds, for each of them."""

    async def run(self) -> None:
        """Look five times a second."""
        began = monotonic()
        while True:
            await asyncio.sleep(0.2)
            self.grown = max(self.grown, memory(self._stream.pid) - self._before)
            still = established(self._stream.port)
            self.cut += [monotonic() - began] * (self._open - still)
            self._open = min(self._open, still)


STREAMS: Sequence[Row] = (
    Row("S1", "commits with 50 streams, 8 writers, against none", 0.85, 0.95, commits),
    Row("S2", "fan-out 50: p99 from commit to frame", 2.0, 1.3, delay, most=True),
    Row("S3", "fan-out 500: deliveries", 0.35, 0.6, deliveries),
    Row("S5", "p99 of 8 readers at 1,000 events/s beside 20 paused ones", 1.5, 1.0, paused, most=True),
    Row("S4", "memory of an idle subscription, 1,900 of them", 3.0, 1.5, idle, most=True),
)
