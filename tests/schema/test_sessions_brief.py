"""A list that asks for little reads little, and answers the same; one that asks for more reads all."""

import orjson
import pytest
from graphql import get_named_type, is_leaf_type

from models.sessions import ReasonCategory
from resolvers.context import Context, House
from schema.nodes import global_id
from schema.root import schema
from schema.sessions_brief import BRIEF
from services import sessions_acts
from services.sessions_acts import Target
from services.sessions_expiry import submit
from services.sessions_pause import Why
from services.work import Work
from tests.factories import asking
from tests.factories import sessions as factory
from tests.factories.asking import TOKENS

FIELDS = {"__typename": "", **dict.fromkeys(schema._schema.type_map["Session"].fields, "")}
LISTS = {
    "sessions": 'query Brief { sessions(filter: {assignmentId: "%s"}) { nodes { id FIELD } edges { node { FIELD } } } }',
    "monitor": 'query Brief { assignment(id: "%s") { monitor { nodes { id displayStatus session { FIELD } } } } }',
}
NOT_READ_BRIEFLY = "probe_nonce"


@pytest.fixture(scope="module")
async def hall(world):
    """An assignment with somebody at each stage, and a member of staff who may see everything."""
    sitting = await factory.sitting(world)
    await sitting.candidate(started=False)
    running, paused, done = [await sitting.candidate() for _ in range(3)]
    await running.save(0, 1, running.right(0))
    proctor = await world.staff("tenant_admin")
    why = Why(ReasonCategory.TECHNICAL, "Fire alarm.")
    target = Target("it", paused.session_id)
    await world.office.perform(proctor, lambda work: sessions_acts.pause(work, [target], why))
    await world.office.perform(done.viewer.elevated(), lambda work: submit(work, done.session_id))
    return sitting, proctor


@pytest.fixture
def read(monkeypatch):
    """The texts of all statements that were read."""
    texts = []
    original = Work.fetch

    async def noted(self, statement, *values):
        texts.append(statement)
        return await original(self, statement, *values)

    monkeypatch.setattr(Work, "fetch", noted)
    return texts


async def answered(world, viewer, text, *, planning=True):
    house = House(office=world.office, hub=None, tokens=TOKENS, cursor_secret=bytes(32))
    result = await asking.answered(schema, Context(house, viewer), text, planning=planning)
    return orjson.loads(orjson.dumps(result.data)), [error.message for error in result.errors or []]


def selection(name):
    field = schema._schema.type_map["Session"].fields.get(name)
    return name if field is None or is_leaf_type(get_named_type(field.type)) else f"{name} {{ __typename }}"


def settled(answer):
    """Leave out what the clock changes between two answers."""
    if isinstance(answer, dict):
        return {name: settled(value) for name, value in answer.items() if name != "secondsRemaining"}
    return [settled(one) for one in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("asked", LISTS)
@pytest.mark.parametrize("name", FIELDS)
async def test_every_field_of_a_session_is_the_same_however_much_is_read(world, hall, read, asked, name):
    sitting, viewer = hall
    text = LISTS[asked].replace("%s", global_id("Assignment", sitting.assignment.id))
    text = text.replace("FIELD", selection(name))
    usual, errors = await answered(world, viewer, text, planning=False)
    assert not errors
    for _ in range(2):  # a document is measured from the second time on
        await answered(world, viewer, text)
    read.clear()
    straight, errors = await answered(world, viewer, text)
    assert not errors
    assert settled(straight) == settled(usual)
    listed = [one for one in read if "delivery_sessions.policy" in one]
    assert len(listed) == 1
    assert (NOT_READ_BRIEFLY in listed[0]) is (name not in BRIEF)


async def test_a_monitor_that_shows_invitations_reads_them(world, hall, read):
    sitting, viewer = hall
    text = 'query { assignment(id: "%s") { monitor { edges { node { invitation { expiresAt } } } } } }'
    text = text.replace("%s", global_id("Assignment", sitting.assignment.id))
    answers = [await answered(world, viewer, text, planning=planning) for planning in (False, True, True, True)]
    assert all(one == answers[0] and not one[1] for one in answers)
    assert "invitations.nonce_hash" in next(one for one in reversed(read) if "delivery_sessions.policy" in one)


async def test_a_brief_list_spoils_nothing_for_who_reads_all_of_the_same_sessions_beside_it(world, hall):
    sitting, viewer = hall
    text = """query { assignment(id: "%s") { monitor { nodes { session { id } } } }
      sessions(filter: {assignmentId: "%s"}) { nodes { id } }
      all: sessions(filter: {assignmentId: "%s"}) { nodes { id connection { __typename } } } }"""
    text = text.replace("%s", global_id("Assignment", sitting.assignment.id))
    answers = [await answered(world, viewer, text, planning=planning) for planning in (False, True, True, True)]
    assert all(one == answers[0] and not one[1] for one in answers)
    assert all(one["connection"] for one in answers[0][0]["all"]["nodes"])
