"""The candidates of a simulation: they come, look at items, think, answer, are distracted, drop out and hand in."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from server.simulate_wire import Cut, Refused, Wire

LOSES_FOCUS, SWITCHES_TAB, PASTES, DROPS_OUT = 0.08, 0.05, 0.03, 0.02
"""How likely each of these is at one item."""

AWAY: Final = (0.5, 4.0)
"""Seconds for which the connection of somebody who dropped out is gone."""

HEARTBEAT: Final = 10.0
"""Seconds between two signs of life of a candidate who thinks."""

DRIFT: Final = "STATE_DRIFT"
"""What is answered while a proctor has stopped the clock."""

MOST_WAITS: Final = 60

HANDING_IN: Final = 0.1
"""Share of the time, at its end, over which candidates hand in."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a candidate does beside answering: an operation document, how likely at one item, and its variables."""

    document: str
    likelihood: float
    given: Callable[["Candidate"], Mapping[str, Any]]


ACTS: Sequence[Act] = (Act("MySession", 0.05, lambda _: {}),)
"""What else a candidate's page does now and then: it is opened again."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When candidates come and go, by the monotonic clock, and how many seconds they think about an item."""

    opens: float
    arriving: float
    closes: float
    thinking: float

    def leaving(self, chance: random.Random) -> float:
        """Return when somebody begins to hand in."""
        return self.closes - chance.uniform(0, (self.closes - self.opens) * HANDING_IN)


@dataclass(slots=True)
class Candidate:
    """One person who was invited. `follows` tells whether their page keeps a stream of its own session open."""

    wire: Wire
    invitation: str
    chance: random.Random
    follows: bool
    token: str = ""
    session_id: str = ""
    items: Sequence[Any] = ()
    revision: int = 0
    gave_up: str | None = None
    _page: asyncio.Task[None] | None = field(default=None, repr=False)

    async def sit(self, hours: Hours) -> None:
        """Come, sit the paper until it is time, hand in. Whoever is refused something gives up, and says why."""
        await asyncio.sleep(max(0.0, hours.opens + self.chance.uniform(0, hours.arriving) - monotonic()))
        try:
            await self._begin()
            leaves = hours.leaving(self.chance)
            while monotonic() < leaves:
                await self._work_on(self.chance.choice(self.items), hours, leaves)
            await self._do("SessionSubmit", {})
        except Refused as refused:
            self.gave_up = str(refused)
        finally:
            await self._close_page()

    async def _begin(self) -> None:
        given = {"token": self.invitation, "nonce": uuid4().hex}
        redeemed = await self.wire.ask("InvitationRedeem", {"input": given})
        self.token, self.session_id = redeemed["sessionToken"], redeemed["session"]["id"]
        started = await self.wire.do("SessionStart", {}, self.token)
        self.items = started["session"]["paper"]["items"]
        self._open_page()

    async def _work_on(self, item: Any, hours: Hours, leaves: float) -> None:
        """Look at an item, be distracted, think, answer; perhaps drop out for a moment."""
        noticed = [("FOCUS_LOST", LOSES_FOCUS), ("TAB_SWITCH", SWITCHES_TAB), ("PASTE_DETECTED", PASTES)]
        kinds = ["ITEM_VIEWED", *(kind for kind, share in noticed if self.chance.random() < share)]
        if "FOCUS_LOST" in kinds:
            kinds.append("FOCUS_REGAINED")
        await self._report(item, kinds)
        await self._think(min(self.chance.expovariate(1 / hours.thinking), leaves - monotonic()))
        await self._answer(item)
        for act in ACTS:
            if self.chance.random() < act.likelihood:
                await self.wire.ask(act.document, act.given(self), self.token)
        if self.chance.random() < DROPS_OUT:
            await self._close_page()
            await asyncio.sleep(min(self.chance.uniform(*AWAY), hours.thinking))
            await self._report(item, ["DISCONNECTED", "RECONNECTED"])
            self._open_page()

    async def _think(self, seconds: float) -> None:
        until = monotonic() + seconds
        while (left := until - monotonic()) > HEARTBEAT:
            await asyncio.sleep(min(left, HEARTBEAT))
            await self._pulse()
        await asyncio.sleep(max(0.0, until - monotonic()))

    async def _pulse(self) -> str:
        """Give a sign of life; return the state of the session."""
        told = await self.wire.ask("SessionHeartbeat", {"input": {}}, self.token)
        return str(told["pulse"]["state"])

    async def _do(self, name: str, given: Mapping[str, Any]) -> Any:
        """Run a mutation; while a proctor has stopped the clock, wait until it runs again."""
        for _ in range(MOST_WAITS):
            try:
                return await self.wire.do(name, given, self.token)
            except Refused as refused:
                if refused.code != DRIFT or await self._pulse() not in ("ACTIVE", "PAUSED"):
                    raise
            await asyncio.sleep(self.chance.uniform(0.5, 1.5))
        raise Refused(name, "PAUSED_TOO_LONG")

    async def _report(self, item: Any, kinds: Sequence[str]) -> None:
        now = datetime.now(UTC).isoformat()
        events = [{"kind": kind, "position": item["position"], "clientAt": now} for kind in kinds]
        told = await self._do("SessionEventsRecord", {"batchId": str(uuid4()), "events": events})
        self.wire.tally.acknowledged(self.session_id, told["lastSeq"])

    async def _answer(self, item: Any) -> None:
        self.revision += 1
        choice = self.chance.choice(item["content"]["options"])["id"]
        given = {"itemId": item["id"], "revision": self.revision, "response": {"choice": choice}}
        await self._do("AnswerSave", given)

    def _open_page(self) -> None:
        if self.follows:
            self._page = asyncio.create_task(self._follow())

    async def _close_page(self) -> None:
        if self._page is not None:
            self._page.cancel()
            await asyncio.gather(self._page, return_exceptions=True)
            self._page = None

    async def _follow(self) -> None:
        """Follow one's own session until cancelled."""
        after: str | None = None
        while True:
            with contextlib.suppress(Cut):  # a page whose socket breaks opens it again
                async with self.wire.socket(self.token) as socket:
                    await socket.follow("1", "MySessionStream", {"after": after})
                    async for _, frame, code in socket.frames():
                        if code is not None:
                            break
                        after = frame["cursor"]
            await asyncio.sleep(self.chance.uniform(*AWAY))
