"""Jobs and messages are asked for in the transaction of the change, through the session's own connection."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.jobs import queue
from services import jobs
from services.viewer import Viewer


class Halt(Exception):  # noqa: N818 - it is no error
    pass


async def waiting(office) -> list:
    async with office.snapshot(Viewer.anonymous()) as work:
        return list(await work.rows(select(queue).order_by(queue.c.id)))


async def test_a_job_is_there_after_the_commit_and_rings(world, office, rung):
    before = len(await waiting(office))
    rung.clear()

    async def act(work):
        await jobs.enqueue(work, "messages.deliver", {"message": "1"}, after=timedelta(hours=1))

    await office.perform(world.system, act)
    rows = await waiting(office)
    assert len(rows) == before + 1
    assert rows[-1].headers["tenant"] == str(world.tenant_id)
    assert rows[-1].headers["org_unit"] == str(world.org_unit_id)
    assert rows[-1].payload == b'{"message":"1"}'
    assert (rows[-1].execute_after - rows[-1].created) == timedelta(hours=1)
    assert len(rung) == 1


async def test_a_rollback_leaves_no_job_even_when_it_is_the_first_statement(world, office, rung):
    """Beside SQLAlchemy's BEGIN, which is lazy, a job would be committed on its own (dependencies.md 3.1)."""
    before = await waiting(office)
    rung.clear()
    with pytest.raises(Halt):
        async with office.work(world.system) as work:
            await jobs.enqueue(work, "messages.deliver", {"message": "2"})
            raise Halt
    assert await waiting(office) == before
    assert rung == []


async def test_a_key_drops_what_is_queued_already_in_the_same_tenant_alone(world, office):
    other = Viewer.system(world.org_unit_id)  # any id serves as another tenant's: the queue refers to none
    before = len(await waiting(office))
    for viewer in (world.system, world.system, other):
        await office.perform(viewer, lambda work: jobs.enqueue(work, "messages.deliver", {}, key="one"))
    assert len(await waiting(office)) == before + 2


async def test_a_name_without_a_handler_and_a_viewer_without_a_tenant_are_refused(world, office):
    for viewer, name in ((world.system, "messages.unheard"), (Viewer.anonymous(), "messages.deliver")):
        with pytest.raises(ValueError, match=r"handler|scope"):
            await office.perform(viewer, lambda work, name=name: jobs.enqueue(work, name, {}))
