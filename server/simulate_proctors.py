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

PAUSES: Final = 0.05
"""Share of looks that end in a pause of one session."""

STOPPED: Final = (1.0, 5.0)
"""Seconds for which its clock then stands."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a proctor does beside watching: an operation document, its weight among the others, and its variables.

    `writes` tells that the variables are a mutation's input.
    """

    document: str
    weight: int
    given: Callable[["Proctor"], Mapping[str, Any]]
    writes: bool = False


ACTS: Sequence[Act] = (
    Act("AssignmentMonitor", 9, lambda one: {"id": one.some_assignment(), "first": PAGE}),
    Act("Sessions", 3, lambda one: {"filter": {"assignmentId": one.some_assignment()}}),
    Act(SUMMARY, 6, lambda one: {"id": one.some_session()}),
    Act("SessionMessage", 1, lambda one: {"ids": [one.some_session()], "text": "Simulated message."}, writes=True),
    Act("SessionNote", 1, lambda one: {"ids": [one.some_session()], "text": "Simulated note."}, writes=True),
)
"""What proctors read and write; only whoever sees a session already does any of it."""


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
        """Return one of the sessions that are seen, one that runs if there is any."""
        rows = [row for view in self.views for row in view.rows.items()]
        running = [session_id for session_id, (status, *_) in rows if status == "LIVE"]
        return self.chance.choice(running or [session_id for session_id, _ in rows])

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
                await self._look()
            except Refused:
                continue  # it is counted; a proctor goes on

    async def _look(self) -> None:
        """Do one thing."""
        what = self.chance.random()
        if what < DRILLS:
            await self._drill()
        elif what < DRILLS + PAUSES:
            await self._pause()
        else:
            (act,) = self.chance.choices(ACTS, [act.weight for act in ACTS])
            if act.writes:
                await self._act(act.document, act.given(self))
            else:
                await self.wire.ask(act.document, act.given(self), self.token)

    async def _act(self, name: str, given: Mapping[str, Any]) -> bool:
        """Act on sessions; true when all rows were done. What was refused by row is counted."""
        told = await self.wire.do(name, given, self.token)
        codes = [problem["code"] for row in told["results"] for problem in row["problems"]]
        for code in codes:
            self.wire.tally.failed(name, code)
        return not codes

    async def _pause(self) -> None:
        """Stop one session's clock for a moment."""
        target = {"sessions": [{"id": self.some_session()}], "category": "OTHER", "reason": "Simulated pause."}
        if await self._act("SessionPause", target):
            await asyncio.sleep(self.chance.uniform(*STOPPED))
            await self._act("SessionResume", target)

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
