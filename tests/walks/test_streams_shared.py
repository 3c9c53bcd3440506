"""Streams that share their reader and their answers, and the rights that decide who shares and who is cut off."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import orjson
import pytest
from graphql import ExecutionResult, GraphQLError
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from dataloaders import sessions as session_loaders
from models.capabilities import Capability
from models.identity import UserRole
from realtime import topics
from realtime.bell_postgres import PostgresBell
from resolvers.context import Standing
from resolvers.streams_live import Live as Following
from schema import sharing
from schema.sharing import SharingExecutor
from server.viewer import access_token
from services import demonstration, identity
from services.viewer import Viewer
from tests.realtime.wires import until
from tests.walks import story
from tests.walks.conftest import Live, document, receive, running, send

SUBMISSIONS = """subscription S($assignmentId: ID!, $after: String) {
  assignmentStream(assignmentId: $assignmentId, after: $after) {
    cursor events { kind session { id submission { id } } }
  }
}"""
SKIPPING = """subscription S($assignmentId: ID!, $after: String, $brief: Boolean!) {
  assignmentStream(assignmentId: $assignmentId, after: $after) {
    cursor events { seq session { id answeredCount @skip(if: $brief) } }
  }
}"""


class Screen:
    """One open subscription: every message as it came."""

    def __init__(self, live, token, query, **variables):
        self.live, self.token = live, token
        self.payload = {"query": query, "variables": variables}
        self.messages: list[dict] = []
        self.task = asyncio.create_task(self.run())

    async def run(self):
        async with self.live.socket(self.token) as connection:
            await send(connection, {"type": "subscribe", "id": "1", "payload": self.payload})
            while True:
                message = await receive(connection)
                if message["type"] not in ("ping", "pong"):
                    self.messages.append(message)

    @property
    def events(self):
        shown = [one["payload"].get("data") for one in self.messages if one["type"] == "next"]
        return [event for data in shown if data for frame in data.values() for event in frame["events"]]

    @property
    def code(self):
        ends = [one["payload"][0]["extensions"]["code"] for one in self.messages if one["type"] == "error"]
        return ends[0] if ends else None

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def screens(*wanted: Screen):
    try:
        await until(lambda: all(one.messages for one in wanted))
        yield wanted
    finally:
        for one in wanted:
            await one.close()


@pytest.fixture(scope="module")
async def stage(live: Live):
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], 12)
    return assignment, iter(invitations)


@pytest.fixture
def executions(monkeypatch):
    made = []
    usual = SharingExecutor._execute

    async def counted(self, payload, context):
        made.append((self._question, Standing(context.viewer, context._pinned)))
        return await usual(self, payload, context)

    monkeypatch.setattr(SharingExecutor, "_execute", counted)
    return made


async def hire(live: Live, role: str) -> tuple[demonstration.Persona, str]:
    """Give a new person a role; returns the person and a token."""
    office = live.service.house.office
    like = await demonstration.persona(office, "demo", role)

    async def add(work):
        return await identity.add_staff(
            work,
            email=f"{uuid4().hex}@example.org",
            display_name="New",
            org_unit_id=like.org_unit_id,
            role_id=like.role_ids[0],
            reason="test",
        )

    person = replace(like, user_id=await office.perform(Viewer.system(like.tenant_id), add))
    return person, access_token(live.service.house.tokens, person, datetime.now(UTC))


@contextlib.asynccontextmanager
async def owner(live: Live):
    """A connection that changes rows behind the back of the product, so that no bell rings."""
    connection = await asyncpg.connect(live.database.admin_dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def test_one_execution_and_one_encoding_serve_all_who_may_see_the_same(live: Live, stage, executions):
    assignment, invitations = stage
    token = await live.token("proctor")
    _, other = await hire(live, "proctor")
    cursor = (await live.ask("AssignmentMonitor", {"id": assignment}, token=token))["assignment"]["monitor"]["cursor"]
    same = {"assignmentId": assignment, "brief": False}
    async with screens(
        *(Screen(live, token, SKIPPING, **same) for _ in range(4)),
        Screen(live, other, SKIPPING, **same, after=cursor),
        Screen(live, token, SKIPPING, **same | {"brief": True}),
    ) as shown:
        executions.clear()
        await story.redeem(live, next(invitations))
        await until(lambda: all(one.events for one in shown))
        assert len(executions) == 2
        *alike, brief = [one.messages[-1]["payload"] for one in shown]
        assert all(payload == alike[0] for payload in alike)
        assert "answeredCount" not in orjson.dumps(brief).decode()


async def test_who_is_given_an_answer_and_who_comes_for_it_are_told_the_same(live: Live, stage, monkeypatch):
    assignment, invitations = stage
    token, given, give = await live.token("proctor"), [], Following.give

    def sometimes(self, answer):
        given.append(len(given) % 2 == 0 and give(self, answer))
        return given[-1]

    monkeypatch.setattr(Following, "give", sometimes)
    opened = [Screen(live, token, document("AssignmentStream"), assignmentId=assignment) for _ in range(4)]
    async with screens(*opened):
        for count in (1, 2, 3):
            await story.redeem(live, next(invitations))
            await until(lambda n=count: all(len(one.events) == n for one in opened))
        assert True in given
        assert False in given
        told = [[message["payload"] for message in one.messages[1:]] for one in opened]
        with_events = [[payload for payload in each if events_of(payload)] for each in told]
        assert all(each == with_events[0] for each in with_events)


async def test_an_answer_is_read_with_its_event_once_it_is_known_what_is_asked(live: Live, stage, monkeypatch):
    assignment, invitations = stage
    usual, seen = SharingExecutor._execute, []

    async def noted(self, payload, context):
        lent = context._snapshot is not None
        result = await usual(self, payload, context)
        if payload.events:
            seen.append((lent, bool(context.loaders.of(session_loaders.by_id)._reads)))
        return result

    monkeypatch.setattr(SharingExecutor, "_execute", noted)
    screen = Screen(live, await live.token("proctor"), document("AssignmentStream"), assignmentId=assignment)
    async with screens(screen):
        for count in (1, 2):
            await story.redeem(live, next(invitations))
            await until(lambda n=count: len(screen.events) == n)
    assert all(lent for lent, _ in seen)
    assert seen[-1] == (True, False)  # the first may have been known from followers before


def events_of(payload):
    return payload["data"]["assignmentStream"]["events"]


@pytest.mark.parametrize("first", ["proctor", "manager"])
async def test_rights_are_part_of_what_is_shared(live: Live, stage, executions, first):
    """A proctor may not read submissions and a manager may: of one frame each gets what is theirs, whoever asks first."""
    assignment, invitations = stage
    roles = sorted(["proctor", "manager"], key=lambda role: role != first)
    opened = {role: Screen(live, await live.token(role), SUBMISSIONS, assignmentId=assignment) for role in roles}
    async with screens(*opened.values()):
        executions.clear()
        sitting = await story.sit_down(live, next(invitations))
        await live.do("SessionSubmit", {}, token=sitting.token)

        def handed_in(role):
            return [event for event in opened[role].events if event["kind"] == "SUBMITTED"]

        await until(lambda: handed_in("manager") and handed_in("proctor"))
        assert handed_in("manager")[0]["session"]["submission"] is not None
        assert handed_in("proctor")[0]["session"]["submission"] is None
        codes = [
            error["extensions"]["code"]
            for message in opened["proctor"].messages
            for error in message["payload"].get("errors", [])
        ]
        assert codes
        assert set(codes) == {"FORBIDDEN"}
        assert not any("errors" in message["payload"] for message in opened["manager"].messages)
        held = {standing.capabilities for _, standing in executions}
        assert len(held) == 2
        assert {Capability.SUBMISSIONS_READ in one for one in held} == {True, False}
        assert all(standing.scope.user_id is None for _, standing in executions)


CHANGES = {
    "grant": "update user_roles set expires_at = now() - interval '1 second' where user_id = $1",
    "removed": "delete from user_roles where user_id = $1",
    "suspended": "update users set status = 'suspended' where id = $1",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_right_that_is_gone_ends_open_streams_within_a_second_without_any_bell(live: Live, stage, change):
    assignment, invitations = stage
    person, token = await hire(live, "proctor")
    watched = {"assignmentId": assignment}
    async with (
        owner(live) as admin,
        screens(
            Screen(live, token, document("AssignmentStream"), **watched),
            Screen(live, await live.token("proctor"), document("AssignmentStream"), **watched),
        ) as (doomed, kept),
    ):
        await admin.execute("set session_replication_role = replica")  # where the ledger's own guards would refuse
        await admin.execute(CHANGES[change], person.user_id)
        took = await until(lambda: doomed.code)
        assert doomed.code == "FORBIDDEN"
        assert took < 5
        body = await live.post(document("AssignmentEvents"), {**watched, "first": 1}, token)
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        seen = len(doomed.messages)
        await story.redeem(live, next(invitations)) if change == "removed" else None
        if change == "removed":
            await until(lambda: kept.events)
        assert len(doomed.messages) == seen


async def test_a_change_that_rings_ends_streams_in_another_process_at_once(live: Live, stage, tmp_path):
    """Two services on one database, as two processes are: the one changes a grant, the other cuts."""
    assignment, _ = stage
    person, token = await hire(live, "proctor")
    async with running(live.database, tmp_path) as other:
        there = access_token(other.service.house.tokens, person, datetime.now(UTC))
        async with screens(Screen(other, there, document("AssignmentStream"), assignmentId=assignment)) as (doomed,):

            async def revoke(work):
                mine = update(UserRole).where(UserRole.user_id == person.user_id)
                await work.session.execute(mine.values(expires_at=UserRole.granted_at))
                work.touch(topics.rights(person.tenant_id))

            await live.service.house.office.perform(Viewer.system(person.tenant_id), revoke)
            took = await until(lambda: doomed.code)
            assert took < 5
    assert token


async def test_with_a_dead_bell_events_still_come_within_two_seconds(live: Live, stage, monkeypatch):
    assignment, invitations = stage

    async def lost(*_):
        raise ConnectionError("no bell")

    async with screens(
        Screen(live, await live.token("proctor"), document("AssignmentStream"), assignmentId=assignment)
    ) as (screen,):
        monkeypatch.setattr(PostgresBell, "publish", lost)
        monkeypatch.setattr(live.service.house.hub, "_wake", lambda _topics: None)
        await story.redeem(live, next(invitations))
        assert await until(lambda: screen.events) < 2


async def test_a_frame_that_cannot_be_shown_ends_the_stream_instead_of_leaving_a_gap(live: Live, stage, monkeypatch):
    assignment, invitations = stage
    monkeypatch.setattr(sharing, "RETRIES", ())
    screen = Screen(live, await live.token("proctor"), document("AssignmentStream"), assignmentId=assignment)
    async with screens(screen):

        async def away(*_):
            cause = OperationalError("select", None, OSError("the database is away"))
            return ExecutionResult(None, [GraphQLError("away", original_error=cause)])

        monkeypatch.setattr(SharingExecutor, "_execute", away)
        await story.redeem(live, next(invitations))
        await until(lambda: screen.messages[-1]["type"] in ("complete", "error"))
        assert not screen.events
