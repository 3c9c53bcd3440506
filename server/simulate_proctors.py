"""The proctors of a simulation: each keeps tables right by streams, is cut off, resumes, and looks into sessions."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from server.simulate_views import PAGE, View, table
from server.simulate_wire import SUMMARY, Cut, Refused, Socket, Wire

LOOKS_EVERY: Final = 10.0
"""Seconds between two things that a proctor does beside watching, on average."""

CUT_EVERY: Final = 60.0
"""Seconds after which a proctor's socket breaks, on average."""

DRILLS: Final = 0.4
"""Share of looks that go into one session."""

STAYS: Final = (3.0, 15.0)
"""Seconds for which a proctor follows that session."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a proctor does beside watching: an operation document, its weight among the others, and its variables."""

    document: str
    weight: int
    given: Callable[["Proctor"], Mapping[str, Any]]


ACTS: Sequence[Act] = (
    Act("AssignmentMonitor", 3, lambda one: {"id": one.some_assignment(), "first": PAGE}),
    Act("Sessions", 1, lambda one: {"filter": {"assignmentId": one.some_assignment()}}),
    Act(SUMMARY, 2, lambda one: {"id": one.some_session()}),
)
"""What proctors read; only whoever sees a session already does any of it."""


@dataclass(slots=True)
class Timeline:
    """One session that is looked into: how far its timeline was read, and whether anything was amiss in it."""

    session_id: str
    id: str
    seq: int = 0
    cursor: str | None = None
    missing: int = 0
    twice: int = 0

    @property
    def following(self) -> dict[str, str | None]:
        """What the stream is asked for."""
        return {"sessionId": self.session_id, "after": self.cursor}

    def take(self, page: Mapping[str, Any]) -> None:
        """Apply a page or a frame: within a session, `seq` counts from 1 without a gap."""
        for event in page["events"]:
            self.missing += max(0, event["seq"] - self.seq - 1)
            self.twice += event["seq"] <= self.seq
            self.seq = max(self.seq, event["seq"])
        self.cursor = page["cursor"]


@dataclass(slots=True)
class Proctor:
    """One person who watches some assignments over one socket."""

    wire: Wire
    token: str
    views: Sequence[View]
    chance: random.Random
    timelines: list[Timeline] = field(default_factory=list[Timeline])
    _open: Timeline | None = None
    _socket: Socket | None = None
    _cut_off: bool = False

    def some_assignment(self) -> str:
        """Return one of the assignments that are watched."""
        return self.chance.choice(self.views).assignment_id

    def some_session(self) -> str:
        """Return one of the sessions that are seen."""
        view = self.chance.choice([view for view in self.views if view.rows])
        return self.chance.choice(list(view.rows))

    async def read(self) -> None:
        """Read the tables, and note after which events the streams go on."""
        for view in self.views:
            view.rows, view.cursor = await table(self.wire, self.token, view.assignment_id)

    async def watch(self) -> None:
        """Follow until cancelled, from the last cursor after each break."""
        while True:
            try:
                async with self.wire.socket(self.token) as socket:
                    await self._follow(socket)
            except Cut as cut:
                if not self._cut_off:
                    self.wire.tally.failed("(socket)", cut.code)
            finally:
                self._socket, self._cut_off = None, False
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def look_around(self) -> None:
        """Read tables and look into sessions until cancelled, and lose the connection now and then."""
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / LOOKS_EVERY))
            if self.chance.random() < LOOKS_EVERY / CUT_EVERY and self._socket is not None:
                self.wire.tally.cuts += 1
                self._cut_off = True
                self._socket.cut()
            if not any(view.rows for view in self.views):
                continue
            try:
                if self.chance.random() < DRILLS:
                    await self._drill()
                else:
                    (act,) = self.chance.choices(ACTS, [act.weight for act in ACTS])
                    await self.wire.ask(act.document, act.given(self), self.token)
            except Refused:
                continue  # it is counted; a proctor goes on

    async def _follow(self, socket: Socket) -> None:
        for number, view in enumerate(self.views):
            given = {"assignmentId": view.assignment_id, "after": view.cursor}
            await socket.follow(str(number), "AssignmentStream", given)
        if self._open is not None:
            await socket.follow(self._open.id, "SessionStream", self._open.following)
        self._socket = socket
        async for name, frame, code in socket.frames():
            if name.isdecimal():
                if code is not None:
                    self.wire.tally.failed("AssignmentStream", code)
                    raise Cut("STREAM_ENDED")
                self.views[int(name)].take(frame)
            elif self._open is not None and name == self._open.id:
                if code is not None:
                    self.wire.tally.failed("SessionStream", code)
                    self._open = None
                else:
                    self._open.take(frame)

    async def _drill(self) -> None:
        """Look into one session: its summary, its timeline so far, and what happens in it for a while."""
        timeline = Timeline(self.some_session(), f"session-{len(self.timelines)}")
        self.timelines.append(timeline)
        await self.wire.ask(SUMMARY, {"id": timeline.session_id}, self.token)
        while True:
            given = {"sessionId": timeline.session_id, "after": timeline.cursor, "first": PAGE}
            page = await self.wire.ask("SessionEvents", given, self.token)
            timeline.take(page)
            if not page["events"]:
                break
        self._open = timeline
        with contextlib.suppress(Cut):  # `watch` notices, and follows it on the next socket
            if self._socket is not None:
                await self._socket.follow(timeline.id, "SessionStream", timeline.following)
        await asyncio.sleep(self.chance.uniform(*STAYS))
        self._open = None
        with contextlib.suppress(Cut):
            if self._socket is not None:
                await self._socket.leave(timeline.id)
