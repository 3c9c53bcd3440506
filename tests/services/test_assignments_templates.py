"""Templates: what is issued from one keeps what it said, with its source, whatever becomes of the template."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models.assignments import Assignment
from services import assignments_issue, assignments_policy, assignments_preview, assignments_templates
from services.assignments_templates import Content
from services.assignments_terms import Terms
from services.policy import SourceKind
from services.refusals import AlreadyExists, InvalidInput, NotFound, StateDrift
from tests.factories import assignments as factory
from tests.factories import sessions as sittings


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def do(world, act, *args):
    return await world.office.perform(world.system, lambda work: act(work, *args))


async def kept(world, template_name, window=None, **terms) -> UUID:
    answer = await do(world, assignments_templates.create, Content(template_name, Terms(**terms), window))
    return UUID(answer["template"])


async def issued(world, terms) -> Assignment:
    answer = await do(world, assignments_issue.issue, terms, factory.by_email(*factory.addresses(1)))
    async with world.office.snapshot(world.system) as work:
        wanted = select(Assignment).where(Assignment.id == UUID(answer["assignment"]))
        return (await work.session.scalars(wanted)).one()


async def test_limits_of_a_template_hold_as_its_own_and_stay_as_they_were(world, version):
    said = {"time_limit_seconds": 1200, "allowed_attempts": 3, "security_config": {"full_screen": True}}
    template = await kept(
        world, "Frozen", 3600, evaluation_version_id=version.id, name="From it", run_label="Run", **said
    )
    row = await issued(world, Terms(template_id=template, allowed_attempts=2))
    changed = Content("Frozen", Terms(evaluation_version_id=version.id, time_limit_seconds=60), 7200)
    await do(world, assignments_templates.update, template, changed, 1)
    await do(world, assignments_templates.remove, template, 2)
    async with world.office.snapshot(world.system) as work:
        row = (await work.session.scalars(select(Assignment).where(Assignment.id == row.id))).one()
    assert (row.name, row.run_label, row.time_limit_seconds) == ("From it", "Run", None)
    limits = assignments_policy.effective(row, version)
    assert (limits.time_limit_seconds.value, limits.time_limit_seconds.source.kind) == (1200, SourceKind.TEMPLATE)
    assert limits.time_limit_seconds.source.id == str(template)
    assert (limits.allowed_attempts.value, limits.allowed_attempts.source.kind) == (2, SourceKind.ASSIGNMENT)
    assert limits.security.value.full_screen
    assert (limits.window_until.value, limits.window_until.source.kind) == (row.valid_until, SourceKind.TEMPLATE)


async def test_a_window_that_is_said_is_the_assignments_own(world, version):
    template = await kept(world, "Window", 3600, evaluation_version_id=version.id)
    opens = datetime.now(UTC) + timedelta(days=1)
    row = await issued(world, Terms(template_id=template, valid_from=opens))
    assert row.valid_until == opens + timedelta(hours=1)
    row = await issued(world, Terms(template_id=template, valid_from=opens, valid_until=opens + timedelta(days=1)))
    assert assignments_policy.effective(row, version).window_until.source.kind == SourceKind.ASSIGNMENT
    async with world.office.snapshot(world.system) as work:
        found = await assignments_preview.preview(work, Terms(template_id=template), factory.by_email("a@example.org"))
    assert found.problems == []
    assert found.policy is not None
    assert found.policy.window_until.source.kind == SourceKind.TEMPLATE


async def test_what_is_refused(world, version):
    template = await kept(world, "Taken")
    with pytest.raises(AlreadyExists):
        await kept(world, " Taken ")
    with pytest.raises(InvalidInput, match="windowSeconds"):
        await kept(world, "Too short", 59)
    with pytest.raises(InvalidInput, match="allowedAttempts"):
        await kept(world, "None at all", allowed_attempts=0)
    with pytest.raises(StateDrift):
        await do(world, assignments_templates.update, template, Content("Taken", Terms()), 7)
    with pytest.raises(InvalidInput, match="Nothing is chosen"):
        await issued(world, Terms(template_id=template))
    await do(world, assignments_templates.remove, template, 1)
    with pytest.raises(NotFound):
        await issued(world, Terms(template_id=template, evaluation_version_id=version.id))
