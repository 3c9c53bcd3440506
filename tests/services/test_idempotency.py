import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from models.base import uuid7
from models.idempotency import IdempotencyKey
from models.identity import Group
from services import idempotency
from services.idempotency import Request
from services.refusals import IdempotencyMismatch, InvalidInput
from services.viewer import Viewer


def creating(name: str):
    async def act(work):
        group = uuid7()
        work.session.add(Group(id=group, name=f"{name} {group}"))
        return {"group": str(group)}

    return act


async def ask(office, viewer, key, given, act, operation="groupCreate"):
    request = Request.of(operation, key, given)

    async def unit(work):
        return await idempotency.once(work, request, act)

    return await office.perform(viewer, unit, repeatable=True)


async def count(office, world, name):
    async with office.snapshot(world.system) as work:
        return (await work.session.execute(select(func.count()).where(Group.name.like(f"{name}%")))).scalar_one()


async def test_fifty_twins_have_one_effect_and_one_answer(office, world):
    name = f"twin {uuid4()}"
    answers = await asyncio.gather(*(ask(office, world.system, "k1", {"a": 1}, creating(name)) for _ in range(50)))
    assert len({answer["group"] for answer in answers}) == 1
    assert await count(office, world, name) == 1


async def test_another_input_under_the_same_key_is_refused(office, world):
    name = f"mismatch {uuid4()}"
    await ask(office, world.system, "k2", {"a": 1, "b": 2}, creating(name))
    await ask(office, world.system, "k2", {"b": 2, "a": 1}, creating(name))
    with pytest.raises(IdempotencyMismatch):
        await ask(office, world.system, "k2", {"a": 2, "b": 2}, creating(name))
    assert await count(office, world, name) == 1


async def test_a_key_belongs_to_one_principal_and_one_operation(office, world):
    name = f"scope {uuid4()}"
    other = Viewer.system(world.tenant_id, world.org_unit_id, name="somebody else")
    for viewer, operation in ((world.system, "x"), (other, "x"), (world.system, "y")):
        await ask(office, viewer, "k3", {}, creating(name), operation)
    assert await count(office, world, name) == 3


async def test_what_was_refused_is_not_kept(office, world):
    name = f"again {uuid4()}"

    async def refuse(_work):
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await ask(office, world.system, "k4", {}, refuse)
    await ask(office, world.system, "k4", {}, creating(name))
    assert await count(office, world, name) == 1


async def test_after_a_day_the_key_is_free_again(office, world):
    name = f"day {uuid4()}"
    await ask(office, world.system, "k5", {}, creating(name))
    later = office.shifted(idempotency.KEPT)
    await ask(later, world.system, "k5", {"other": True}, creating(name))
    assert await count(office, world, name) == 2


async def test_an_answer_is_written_with_its_effect_or_not_at_all(office, world):
    async def fail_late(work):
        await creating("late")(work)
        await work.session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask(office, world.system, "k6", {}, fail_late)
    async with office.snapshot(world.system) as work:
        assert await work.rows(select(IdempotencyKey.id).where(IdempotencyKey.key == "k6")) == []


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "nul\0", "line\nbreak", "\x7f"])
def test_malformed_keys_are_refused(key):
    with pytest.raises(InvalidInput, match="printable characters"):
        Request.of("anything", key, {})
