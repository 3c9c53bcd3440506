"""Many sessions at once, through the API: seen on the sockets within a second, and done once over kills of the server."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from server.driver import connected
from tests.walks import process, story
from tests.walks.conftest import Live, key
from tests.walks.process import Served
from tests.walks.test_overrides import frame_with

AT_ONCE = 1.0
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
WHY = {"category": "TECHNICAL", "reason": "A fuse blew."}


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


def length(seconds: str) -> timedelta:
    return int(Decimal(seconds) * 1_000_000) * MICROSECOND


async def test_candidate_and_proctor_see_it_within_a_second(live: Live, record_property):
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1, timeLimitSeconds=3600)
    sitting = await story.sit_down(live, invitation)
    proctor = await live.token("proctor")
    chosen = {"sessions": {"filter": {"assignmentId": assignment}}, **WHY}
    slowest = 0.0
    async with (
        asyncio.timeout(30),
        live.stream("MySessionStream", {}, sitting.token) as mine,
        live.stream("SessionStream", {"sessionId": sitting.session_id}, proctor) as watched,
    ):
        started = [asyncio.create_task(frame_with(frames, "PAUSED")) for frames in (mine, watched)]
        await live.do("SessionEventsRecord", {"batchId": "1", "events": [story.EVENT]}, token=sitting.token)

        async def command(name: str, waiting: list[asyncio.Task[Any]], **given: Any) -> tuple[Any, Any, Any]:
            nonlocal slowest
            role = "manager" if name == "IncidentCompensate" else "proctor"
            began = time.monotonic()
            payload = await live.do(name, chosen | given, role=role)
            candidate, seen = await asyncio.gather(*waiting)
            slowest = max(slowest, time.monotonic() - began)
            return payload, candidate, seen

        def expecting(kind: str) -> list[asyncio.Task[Any]]:
            return [asyncio.create_task(frame_with(frames, kind)) for frames in (mine, watched)]

        paused, told, seen = await command("IncidentPause", started)
        assert (told["session"]["state"], seen["event"]["category"]) == ("PAUSED", "TECHNICAL")
        assert seen["event"]["reason"] == "A fuse blew."
        assert "fuse" not in str(told), "a candidate is told what, and not why"
        left = told["session"]["secondsRemaining"]
        await refused_while_paused(live, sitting)
        standing = (await live.ask("Session", {"id": sitting.session_id}, role="admin"))["session"]
        mine_now = (await live.ask("MySession", token=sitting.token))["mySession"]
        monitored = (await live.ask("AssignmentMonitor", {"id": assignment}, role="proctor"))["assignment"]["monitor"]
        shown = monitored["nodes"][0]
        assert [one["secondsRemaining"] for one in (standing, mine_now, shown)] == [left] * 3
        assert standing["displayStatus"] == shown["displayStatus"] == "PAUSED"
        resumed, told, seen = await command("IncidentResume", expecting("RESUMED"))
        moved = at(told["event"]["deadlineAfter"]) - at(told["event"]["deadlineBefore"])
        assert moved == length(seen["event"]["pausedSeconds"]) == length(session_in(resumed)["pausedSeconds"])
        assert told["session"]["deadlineAt"] == session_in(resumed)["deadlineAt"] == seen["event"]["deadlineAfter"]
        assert told["session"]["secondsRemaining"] in (left - 1, left)
        assert at(session_in(paused)["deadlineAt"]) + moved == at(session_in(resumed)["deadlineAt"])
        given, told, _ = await command("IncidentCompensate", expecting("TIME_EXTENDED"), seconds=660)
        assert told["session"]["deadlineAt"] == session_in(given)["deadlineAt"]
        assert at(session_in(given)["deadlineAt"]) - at(session_in(resumed)["deadlineAt"]) == 660 * SECOND
    record_property("a command, until both sockets had it, slowest of three, seconds", slowest)
    assert slowest < AT_ONCE


def session_in(payload: dict[str, Any]) -> dict[str, Any]:
    (row,) = payload["results"]
    assert row["problems"] == []
    return row["session"]


async def refused_while_paused(live: Live, sitting: story.Sitting) -> None:
    answer = {"itemId": sitting.items[0]["id"], "revision": 1, "response": story.choice(sitting.items[0], "right")}
    for name, given in (
        ("AnswerSave", answer),
        ("SessionEventsRecord", {"batchId": "2", "events": [story.EVENT]}),
        ("SessionSubmit", {}),
        ("SessionStart", {}),
    ):
        ((_, payload),) = (await live.ask(name, {"input": given}, token=sitting.token)).items()
        assert [(one["__typename"], one["code"]) for one in payload["problems"]] == [("StateDrift", "STATE_DRIFT")], (
            name
        )


async def test_a_refused_row_tells_the_state_and_who_may_not_is_told_nothing(live: Live):
    version = await story.publish(live)
    _, (invitation,) = await story.issue(live, version["id"], 1)
    sitting = await story.sit_down(live, invitation)
    given = {"sessions": {"ids": [sitting.session_id, "bm9uZQ=="]}, **WHY}
    payload = await live.do("IncidentResume", given, role="proctor")
    drift, nowhere = payload["results"]
    assert (drift["index"], drift["session"]["id"], drift["session"]["state"]) == (0, sitting.session_id, "ACTIVE")
    assert [(one["__typename"], one["currentState"]) for one in drift["problems"]] == [("StateDrift", "ACTIVE")]
    assert (nowhere["session"], [one["code"] for one in nowhere["problems"]]) == (None, ["NOT_FOUND"])
    kept = (await live.ask("Incident", {"id": payload["incident"]["id"]}, role="auditor"))["incident"]
    assert (kept["choice"]["by"], kept["chosenCount"], kept["doneCount"]) == ("LIST", 2, 0)
    assert [(one["refusal"], one["session"]["id"]) for one in kept["sessions"]["nodes"]] == [
        ("STATE_DRIFT", sitting.session_id)
    ]


COMPENSATED = 660
STEPS = (
    ("IncidentPause", "session_events"),
    ("IncidentResume", "answered"),
    ("IncidentCompensate", "idempotency_keys"),
)
"""Commands, and at what the server is killed: while it waits to write to this table, or when it has just answered."""


@dataclass
class Standing:
    """One session as the database has it: the instants at which it was paused and went on, and overrides given."""

    state: str
    deadline_at: datetime
    paused_seconds: Decimal
    turns: list[datetime]
    given: int

    @property
    def paused(self) -> timedelta:
        """How long it stood still, as its timeline tells it."""
        begun, ended = self.turns[::2], self.turns[1::2]
        return sum((end - begin for begin, end in zip(begun, ended, strict=False)), timedelta(0))


async def standings(served: Served, assignment_uuid: str) -> dict[str, Standing]:
    async with connected(served.database.admin_dsn) as connection:
        rows = await connection.fetch(
            "select s.id::text, s.state, s.deadline_at, s.paused_seconds,"
            " array(select e.at from session_events e where e.session_id = s.id and e.kind in ('paused', 'resumed')"
            " order by e.seq) as turns,"
            " (select count(*) from assignment_overrides o where o.assignment_id = s.assignment_id"
            " and o.user_id = s.user_id)::int as given"
            " from delivery_sessions s where s.assignment_id = $1::uuid",
            assignment_uuid,
        )
    return {row["id"]: Standing(*tuple(row.values())[1:]) for row in rows}


async def killed_at(served: Served, stage: str, live: Live, name: str, given: dict[str, Any]) -> None:
    """Send the command, and kill the server while it is at this stage; everything before it has been written."""
    role = "manager" if name == "IncidentCompensate" else "proctor"
    if stage == "answered":
        await live.do(name, given, role=role)
        served.end(signal.SIGKILL)
        return
    waits = f"select count(*) from pg_locks where relation = '{stage}'::regclass and not granted"
    async with connected(served.database.admin_dsn) as holding, connected(served.database.admin_dsn) as watching:
        await holding.execute(f"begin; lock table {stage} in share row exclusive mode")
        sending = asyncio.create_task(live.do(name, given, role=role))
        async with asyncio.timeout(20):
            while not await watching.fetchval(waits):
                assert not sending.done(), sending
                await asyncio.sleep(0.005)
        served.end(signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            await sending


async def sat(served: Served, people: int) -> tuple[str, str]:
    """Let so many sit down; returns the id and the UUID of their assignment."""
    async with served.visited() as live:
        version = await story.publish(live)
        assignment, invitations = await story.issue(live, version["id"], people, timeLimitSeconds=3600)
        for invitation in invitations:
            await live.do("SessionStart", {}, token=await story.redeem(live, invitation))
        shown = (await live.ask("Assignment", {"id": assignment}, role="manager"))["assignment"]
    return assignment, shown["uuid"]


async def commanded_over_kills(
    served: Served, people: int, steps: Sequence[tuple[str, str]]
) -> tuple[Served, list[Any]]:
    """Give each command, kill the server at its stage, and send the command again with its key.

    Returns the server that runs at the end, and how long each command took that was let through.
    """
    assignment, uuid = await sat(served, people)
    ends = {one: row.deadline_at for one, row in (await standings(served, uuid)).items()}
    assert len(ends) == people
    turns = given = 0
    took: list[tuple[str, str, float]] = []
    for name, stage in steps:
        before = await standings(served, uuid)
        sent = {"sessions": {"filter": {"assignmentId": assignment}}, **WHY, "idempotencyKey": key()}
        sent |= {"seconds": COMPENSATED} if name == "IncidentCompensate" else {}
        async with served.visited() as live:
            await killed_at(served, stage, live, name, sent)
        served = await asyncio.to_thread(process.launch, served.data)
        if stage != "answered":
            assert await standings(served, uuid) == before, "nothing is left of what was cut short"
        role = "manager" if name == "IncidentCompensate" else "proctor"
        async with served.visited() as live:
            began = time.monotonic()
            first = await live.do(name, sent, role=role)
            took.append((name, stage, round(time.monotonic() - began, 3)))
            assert await live.do(name, sent, role=role) == first
        assert len(first["results"]) == first["incident"]["doneCount"] == people
        assert [row["problems"] for row in first["results"]] == [[]] * people
        turns, given = (turns, given + 1) if name == "IncidentCompensate" else (turns + 1, given)
        for one, row in (await standings(served, uuid)).items():
            assert (len(row.turns), row.given) == (turns, given), "once, and not twice"
            assert row.deadline_at == ends[one] + row.paused + given * COMPENSATED * SECOND
            assert length(str(row.paused_seconds)) == row.paused
            assert row.state == ("paused" if turns % 2 else "active")
    return served, took


async def test_the_server_killed_midway_does_everything_once(record_property):
    with process.data_directory() as data:
        served = process.launch(data)
        try:
            served, took = await commanded_over_kills(served, 8, STEPS)
        finally:
            served.end(signal.SIGINT)
            assert process.wait_until_quiet(data) is not None
    record_property("commands to 8 sessions: which, killed at, seconds when sent again", took)
