"""Whoever uses the installation while it is broken: writers, candidates who save, readers who are cut."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx2
import orjson

from bench.chaos_site import Site
from server.demo_client import Client, Cut, DemoFailed, Subscription, document

GROUPS = 6


async def until_told(act: Any) -> Any:
    """Repeat a request until it is answered: what the people of the trial have to do when something breaks."""
    while True:
        with contextlib.suppress(DemoFailed, httpx2.TransportError, ValueError):
            return await act()
        await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the trial plays on: one assignment with running sessions."""

    assignment_id: str
    cursor: str
    sessions: list[tuple[str, str, list[Any]]]
    """Session token, session id and the items of its paper."""


async def staged(site: Site, people: int, chance: random.Random) -> Stage:
    """Publish, issue and start so many sessions, while everything is still whole."""
    async with httpx2.AsyncClient(timeout=30) as http:
        admin = site.client(http, site.tokens["admin"], chance)
        entries = [
            {"id": f"C{n}A01", "question": f"Question {n}?", "answers": ["a", "b", "c"], "correct": 0}
            for n in range(GROUPS)
        ]
        await admin.do("QuestionPoolImport", {"entries": entries, "publish": True})
        section = {"title": "All", "selector": {"referencePrefix": "C"}}
        given = {"title": "Chaos", "passMark": {"points": "1"}, "sections": [section]}
        created = await admin.do("EvaluationCreate", given)
        version = (await admin.do("EvaluationPublish", {"id": created["evaluation"]["id"]}))["version"]
        recipients = [{"email": f"{uuid4().hex}@chaos.example"} for _ in range(people)]
        issued = await admin.do("AssignmentIssue", {"evaluationVersionId": version["id"], "recipients": recipients})
        assignment = issued["assignment"]["id"]
        cursor = (await admin.ask("AssignmentMonitor", {"id": assignment}))["monitor"]["cursor"]
        sessions: list[tuple[str, str, list[Any]]] = []
        for row in issued["results"]:
            token = await admin.redeem(row["invitationToken"], uuid4().hex)
            candidate = site.client(http, token, chance)
            await candidate.do("SessionStart", {})
            mine = await candidate.ask("MySession", {})
            sessions.append((token, mine["id"], mine["paper"]["items"]))
        return Stage(assignment, cursor, sessions)


@dataclass(slots=True)
class Writer:
    """Sends telemetry batches; each is sent again under its own id until it is acknowledged."""

    site: Site
    token: str
    chance: random.Random
    acknowledged: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop."""
        async with httpx2.AsyncClient(timeout=10) as http:
            while not stop.is_set():
                event = {"kind": "FOCUS_REGAINED", "clientAt": "2026-01-01T00:00:00Z"}
                given = {"batchId": str(uuid4()), "events": [event, event]}

                async def send(given: dict[str, Any] = given) -> Any:
                    return await self.site.client(http, self.token, self.chance).do("SessionEventsRecord", given)

                await until_told(send)
                self.acknowledged += 2


@dataclass(slots=True)
class Saver:
    """A candidate who saves answers; remembers what was acknowledged."""

    site: Site
    token: str
    session_id: str
    items: list[Any]
    chance: random.Random
    acknowledged: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    answers: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Save until told to stop; an answer that was not acknowledged is sent again as it was."""
        revision = 0
        async with httpx2.AsyncClient(timeout=10) as http:
            while not stop.is_set():
                revision += 1
                item = self.chance.choice(self.items)
                choice = self.chance.choice(item["content"]["options"])["id"]
                given = {"itemId": item["id"], "revision": revision, "response": {"choice": choice}}

                async def send(given: dict[str, Any] = given) -> Any:
                    return await self.site.client(http, self.token, self.chance).do("AnswerSave", given)

                await until_told(send)
                self.acknowledged[item["id"]] = (revision, choice)
                self.answers += 1


@dataclass(slots=True)
class Reader:
    """Follows the assignment over WebSocket and SSE by turns, from its last cursor after each cut."""

    site: Site
    stage: Stage
    chance: random.Random
    patience: tuple[float, float]
    received: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    cursor: str = ""
    cuts: int = 0
    resumed: list[float] = field(default_factory=list[float])
    refused: list[str] = field(default_factory=list[str])

    async def run(self, stop: asyncio.Event) -> None:
        """Read until cancelled; cut oneself now and then until `stop` is set."""
        self.cursor = self.stage.cursor
        while True:
            wait = self.chance.uniform(*self.patience) if not stop.is_set() else 3600.0
            began = monotonic()
            try:
                async with asyncio.timeout(wait):
                    frames = self._by_socket() if self.cuts % 2 else self._by_sse()
                    first = True
                    async for frame in frames:
                        if first:
                            self.resumed.append(monotonic() - began)
                            first = False
                        self.received += [(event["session"]["id"], event["seq"]) for event in frame["events"]]
                        self.cursor = frame["cursor"]
            except DemoFailed as error:
                self.refused.append(error.message)
            except (TimeoutError, Cut, httpx2.TransportError):
                self.cuts += 1
            await asyncio.sleep(0.02)

    @property
    def _variables(self) -> dict[str, str]:
        return {"assignmentId": self.stage.assignment_id, "after": self.cursor}

    async def _by_socket(self) -> AsyncGenerator[Any, None]:
        base, token = self.chance.choice(self.site.apis).base, self.site.tokens["proctor"]
        async with contextlib.aclosing(
            Subscription(base, token, "AssignmentStream", self._variables).frames()
        ) as frames:
            async for frame in frames:
                yield frame

    async def _by_sse(self) -> AsyncGenerator[Any, None]:
        base = self.chance.choice(self.site.apis).base
        headers = {"authorization": f"Bearer {self.site.tokens['proctor']}", "accept": "text/event-stream"}
        body = {"query": document("AssignmentStream"), "variables": self._variables}
        async with (
            httpx2.AsyncClient(timeout=30) as http,
            http.stream("POST", f"{base}/graphql/stream", json=body, headers=headers) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    result = orjson.loads(line[5:])
                    if not result.get("data"):
                        raise Cut
                    (frame,) = result["data"].values()
                    yield frame
        raise Cut


async def ledger(client: Client, assignment_id: str) -> list[tuple[str, int]]:
    """Read every event of the assignment, in commit order."""
    found: list[tuple[str, int]] = []
    after: str | None = None
    while True:
        page = await client.ask("AssignmentEvents", {"assignmentId": assignment_id, "after": after, "first": 200})
        found += [(event["session"]["id"], event["seq"]) for event in page["events"]]
        after = page["cursor"]
        if not page["events"]:
            return found
