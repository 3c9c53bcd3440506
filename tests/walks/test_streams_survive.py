"""Streams under fire: writers, cuts, and a doorbell that is killed; every event once and in order."""

import asyncio
import random
from uuid import uuid4

import asyncpg
import httpx2
import orjson
import pytest
import websockets

from tests.walks import story
from tests.walks.conftest import Live, document

WRITERS, BATCHES, CUTS, KILLS = 12, 40, 100, 5


class Reader:
    """Follows an assignment over WebSocket and SSE by turns, and goes on from its last cursor after each cut."""

    def __init__(self, live: Live, assignment: str, token: str, cursor: str, seed: int) -> None:
        self.live, self.assignment, self.token, self.cursor = live, assignment, token, cursor
        self.chance = random.Random(seed)  # noqa: S311 - repeatable
        self.received: list[tuple[str, int]] = []
        self.cuts = 0
        self.done = asyncio.Event()
        self.wanted = 0

    def take(self, frame) -> None:
        self.received += [(event["session"]["id"], event["seq"]) for event in frame["events"]]
        self.cursor = frame["cursor"]
        if self.wanted and len(self.received) >= self.wanted:
            self.done.set()

    async def run(self, cuts: int) -> None:
        while not self.done.is_set():
            patience = self.chance.uniform(0.02, 0.4) if self.cuts < cuts else 60
            try:
                async with asyncio.timeout(patience):
                    await (self.by_socket() if self.cuts % 2 else self.by_sse())
            except (TimeoutError, websockets.ConnectionClosed, httpx2.TransportError):
                self.cuts += 1

    @property
    def payload(self):
        return {
            "query": document("AssignmentStream"),
            "variables": {"assignmentId": self.assignment, "after": self.cursor},
        }

    async def by_socket(self) -> None:
        async with self.live.stream("AssignmentStream", self.payload["variables"], self.token) as frames:
            async for frame in frames:
                self.take(frame)
                if self.done.is_set():
                    return

    async def by_sse(self) -> None:
        headers = {"authorization": f"Bearer {self.token}", "accept": "text/event-stream"}
        async with (
            httpx2.AsyncClient(timeout=30) as http,
            http.stream("POST", f"{self.live.base}/graphql/stream", json=self.payload, headers=headers) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data:") and len(line) > 6:
                    (frame,) = orjson.loads(line[5:])["data"].values()
                    self.take(frame)
                    if self.done.is_set():
                        return


@pytest.mark.timeout(240)
async def test_twelve_writers_a_hundred_cuts_and_five_dead_doorbells(live: Live):
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], 6)
    token = await live.token("proctor")
    cursor = (await live.ask("AssignmentMonitor", {"id": assignment}, token=token))["assignment"]["monitor"]["cursor"]
    readers = [Reader(live, assignment, token, cursor, seed) for seed in range(3)]
    reading = [asyncio.create_task(reader.run(CUTS // 3 + 1)) for reader in readers]
    sittings = [await story.sit_down(live, invitation) for invitation in invitations]

    written = 0

    async def write(number: int) -> None:
        nonlocal written
        sitting = sittings[number % len(sittings)]
        done = 0
        while done < BATCHES or sum(reader.cuts for reader in readers) < CUTS:
            events = [
                {"kind": "FOCUS_LOST", "clientAt": "2026-11-20T12:00:00Z"},
                {"kind": "FOCUS_REGAINED", "clientAt": "2026-11-20T12:00:01Z"},
            ]
            given = {"batchId": uuid4().hex, "events": events}
            await live.do("SessionEventsRecord", given, token=sitting.token)
            done, written = done + 1, written + 1

    async def kill() -> None:
        admin = await asyncpg.connect(live.database.admin_dsn)
        bells = (
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where application_name = 'evalium-bell' and datname = current_database()"
        )
        killed = 0
        async with asyncio.timeout(60):
            while killed < KILLS:
                await asyncio.sleep(0.3)
                killed += await admin.fetchval(bells)
        await admin.close()

    await asyncio.gather(kill(), *(write(number) for number in range(WRITERS)))
    ledger, after, raised = [], None, 0
    while True:
        variables = {"assignmentId": assignment, "after": after, "first": 200}
        page = (await live.ask("AssignmentEvents", variables, token=token))["assignmentEvents"]
        ledger += [(event["session"]["id"], event["seq"]) for event in page["events"]]
        raised += sum(event["kind"] == "ATTENTION_RAISED" for event in page["events"])
        after = page["cursor"]
        if not page["events"]:
            break
    assert len(ledger) - raised == len(sittings) * 2 + written * 2
    assert len(sittings) <= raised <= len(sittings) * 3
    for reader in readers:
        reader.wanted = len(ledger)
        if len(reader.received) >= reader.wanted:
            reader.done.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*reading)
    for reader in readers:
        assert reader.received == ledger
    assert sum(reader.cuts for reader in readers) >= CUTS


async def test_a_cursor_of_another_stream_is_a_typed_refusal(live: Live):
    version = await story.publish(live)
    one, _ = await story.issue(live, version["id"], 1)
    two, _ = await story.issue(live, version["id"], 1)
    token = await live.token("proctor")
    cursor = (await live.ask("AssignmentMonitor", {"id": one}, token=token))["assignment"]["monitor"]["cursor"]
    for bad in (cursor[:-2] + "AA", "nonsense", "", "é"):
        body = await live.post(document("AssignmentEvents"), {"assignmentId": one, "after": bad}, token)
        assert body["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED", bad
    body = await live.post(document("AssignmentEvents"), {"assignmentId": two, "after": cursor}, token)
    assert body["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"


async def test_state_plus_events_is_later_state(live: Live):
    """The monitor's rows, updated from the stream's sessions, are the monitor's rows read again."""
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], 4)
    token = await live.token("proctor")

    async def table():
        return (await live.ask("AssignmentMonitor", {"id": assignment}, token=token))["assignment"]["monitor"]

    before = await table()
    view: dict[str, dict] = {}
    sittings = [await story.sit_down(live, invitation) for invitation in invitations[:3]]
    for sitting in sittings:
        item = sitting.items[0]
        given = {"itemId": item["id"], "revision": 1, "response": story.choice(item, "wrong")}
        await live.do("AnswerSave", given, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sittings[0].token)
    async with live.stream(
        "AssignmentStream", {"assignmentId": assignment, "after": before["cursor"]}, token
    ) as frames:
        async with asyncio.timeout(15):
            async for frame in frames:
                for event in frame["events"]:
                    view[event["session"]["id"]] = event["session"]
                if sum(row["displayStatus"] == "SUBMITTED" for row in view.values()) and len(view) == 3:
                    break
    after = await table()
    shown = {row["session"]["id"]: row for row in after["nodes"] if row["session"]}
    assert {k: (v["displayStatus"], v["answeredCount"]) for k, v in view.items()} == {
        k: (v["displayStatus"], v["answeredCount"]) for k, v in shown.items()
    }
