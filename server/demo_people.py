"""The people of the demonstration: candidates who hesitate, err and lose their connection, and a proctor."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import httpx2

from server.demo_client import Client, Cut, Subscription

THINKING: Final = 40.0
"""Seconds that a candidate thinks about a question, in life's time, on average."""

ARRIVING: Final = 240.0
"""Seconds over which candidates arrive, in life's time."""

LOSES_FOCUS, SWITCHES_TAB, PASTES, LOSES_CONNECTION = 0.08, 0.05, 0.03, 0.02
"""How likely each of these is at one question."""


class Fate(StrEnum):
    """What becomes of a candidate."""

    ORDINARY = "ordinary"
    ABSENT = "never comes"
    SLOW = "runs out of time"


@dataclass(slots=True)
class Candidate:
    """One person who was invited."""

    number: int
    email: str
    invitation: str
    fate: Fate
    chance: random.Random
    skill: float
    session_token: str = ""
    wrong: int = 0
    cuts: int = 0

    async def sit(self, base: str, keys: dict[str, str], speed: float) -> None:
        """Come, sit the paper, hand in; or whatever fate says."""
        await asyncio.sleep(self.chance.uniform(0, ARRIVING) / speed)
        if self.fate is Fate.ABSENT:
            return
        async with httpx2.AsyncClient(timeout=60) as http:
            self.session_token = await Client(base, http).redeem(self.invitation, uuid4().hex)
        revision = 0
        items: Sequence[Any] = ()
        at = 0
        while at < len(items) or not items:
            async with httpx2.AsyncClient(timeout=60) as http:  # a new one after each broken connection
                client = Client(base, http, self.session_token)
                if not items:
                    await client.do("SessionStart", {})
                    items = (await client.ask("MySession", {}))["paper"]["items"]
                while at < len(items):
                    revision += 1
                    broke = await self._work_on(client, items[at], keys, revision, speed)
                    at += 1
                    if self.fate is Fate.SLOW and at >= len(items) // 2:
                        return
                    if broke:
                        break
            if at < len(items):
                await asyncio.sleep(self.chance.uniform(5, 40) / speed)
        async with httpx2.AsyncClient(timeout=60) as http:
            await Client(base, http, self.session_token).do("SessionSubmit", {})

    async def _work_on(self, client: Client, item: Any, keys: dict[str, str], revision: int, speed: float) -> bool:
        """Look at an item, be distracted, think, answer; true when the connection breaks afterwards."""
        events = [self._event("ITEM_VIEWED", item)]
        if self.chance.random() < LOSES_FOCUS:
            events += [self._event("FOCUS_LOST", item), self._event("FOCUS_REGAINED", item)]
        if self.chance.random() < SWITCHES_TAB:
            events.append(self._event("TAB_SWITCH", item))
        if self.chance.random() < PASTES:
            events.append(self._event("PASTE_DETECTED", item))
        broke = self.chance.random() < LOSES_CONNECTION
        if broke:
            self.cuts += 1
            events += [self._event("DISCONNECTED", item), self._event("RECONNECTED", item)]
        await client.do("SessionEventsRecord", {"batchId": str(uuid4()), "events": events})
        await asyncio.sleep(self.chance.expovariate(1 / THINKING) / speed)
        response = {"choice": self._choose(item, keys)}
        given = {"itemId": item["id"], "revision": revision, "response": response}
        await client.do("AnswerSave", given)
        return broke

    def _choose(self, item: Any, keys: dict[str, str]) -> str:
        options: list[dict[str, str]] = item["content"]["options"]
        right = [o["id"] for o in options if o["text"] == keys[item["stem"]]]
        if self.chance.random() < self.skill:
            return right[0]
        self.wrong += 1
        return self.chance.choice([o["id"] for o in options if o["id"] not in right])

    def _event(self, kind: str, item: Any) -> dict[str, Any]:
        return {"kind": kind, "position": item["position"], "clientAt": datetime.now(UTC).isoformat()}


def candidates(invited: Sequence[tuple[str, str]], seed: int) -> list[Candidate]:
    """Make the candidates from their addresses and invitations; the first never comes, the second is too slow."""
    people: list[Candidate] = []
    for number, (email, invitation) in enumerate(invited, 1):
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a play, and repeatable
        fate = {1: Fate.ABSENT, 2: Fate.SLOW}.get(number, Fate.ORDINARY)
        people.append(Candidate(number, email, invitation, fate, chance, chance.uniform(0.55, 0.97)))
    return people


@dataclass(slots=True)
class Proctor:
    """Follows an assignment, is cut off again and again, and goes on from the last cursor."""

    base: str
    token: str
    assignment_id: str
    cursor: str
    received: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    rows: dict[str, Any] = field(default_factory=dict[str, Any])
    cuts: int = 0
    _open: Subscription | None = None

    async def watch(self) -> None:
        """Follow until cancelled."""
        while True:
            variables = {"assignmentId": self.assignment_id, "after": self.cursor}
            self._open = Subscription(self.base, self.token, "AssignmentStream", variables)
            try:
                async for frame in self._open.frames():
                    self._take(frame)
            except Cut:
                await asyncio.sleep(0.1)

    def cut(self) -> None:
        """Break the socket."""
        if self._open is not None:
            self.cuts += 1
            self._open.cut()

    def _take(self, frame: Any) -> None:
        for event in frame["events"]:
            session = event["session"]
            self.received.append((session["id"], event["seq"]))
            self.rows[session["id"]] = session
        self.cursor = frame["cursor"]
