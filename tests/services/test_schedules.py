"""Schedules against the database: planned, run once, made up for after downtime, paused, skipped, refused."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from jobs import schedules as job
from models.assignments import Assignment, Invitation
from models.messages import Message
from models.schedules import AssignmentSchedule, AssignmentScheduleRun, RunOutcome
from services import invitations, recurrence, schedules, schedules_run
from services.assignments_drafts import Content
from services.assignments_terms import Terms
from services.recurrence import RULES, Frequency
from services.refusals import InvalidInput, NotFound, StateDrift
from services.schedules import Plan, When
from tests.factories import assignments as factory
from tests.factories import sessions as sittings
from tests.factories import tenants

LINK = partial(invitations.link, "https://example.org", factory.TOKENS)
DAILY, MONTHLY = RULES[Frequency.DAILY], RULES[Frequency.MONTHLY]


@pytest.fixture
async def berlin(office):
    return await tenants.found(office, time_zone="Europe/Berlin")


@pytest.fixture
async def version(berlin):
    return (await sittings.sitting(berlin)).version


def at(office, instant: str):
    """The same office at another time."""
    return office.shifted(datetime.fromisoformat(instant) - datetime.now(UTC))


def plan(version, start: str, rule: str = DAILY, recipients=2, window=3600, terms=None, **ends) -> Plan:
    given = factory.by_email(*factory.addresses(recipients))
    when = When(rule=rule, local_start=datetime.fromisoformat(start), **ends)
    content = Content(terms or Terms(evaluation_version_id=version.id), given)
    return Plan(name="Yearly duty", content=content, when=when, window_seconds=window)


async def do(office, world, act, *args) -> UUID:
    answer = await office.perform(world.system, lambda work: act(work, *args))
    return UUID(answer["schedule"])


async def run(office, world, **bound) -> int:
    return await job.run_tenant(LINK, office, world.tenant_id, **bound)


async def runs(office, world, schedule_id) -> list[AssignmentScheduleRun]:
    async with office.snapshot(world.system) as work:
        row = AssignmentScheduleRun
        return list(
            await work.session.scalars(select(row).where(row.schedule_id == schedule_id).order_by(row.occurrence))
        )


async def shown(office, world, schedule_id) -> AssignmentSchedule:
    async with office.snapshot(world.system) as work:
        return (await schedules.by_ids(work, [schedule_id]))[schedule_id]


async def count(office, world, model) -> int:
    async with office.snapshot(world.system) as work:
        return await work.session.scalar(select(func.count()).select_from(model))


async def test_a_run_issues_and_mails_once_and_moves_on(office, berlin, version):
    early = at(office, "2027-03-27T12:00+00:00")
    schedule = await do(early, berlin, schedules.create, plan(version, "2027-03-28T02:30"))
    assert await run(early, berlin) == 0
    before = await count(office, berlin, Assignment)
    late = at(office, "2027-03-28T01:30:02+00:00")
    assert sorted(await asyncio.gather(*(run(late, berlin) for _ in range(4)))) == [0, 0, 0, 1]
    (ran,) = await runs(office, berlin, schedule)
    assert (ran.occurrence, ran.outcome, ran.invited) == (datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "issued", 2)
    assert ran.run_label.endswith("_2027-03-28")
    assert await count(office, berlin, Assignment) == before + 1
    async with office.snapshot(berlin.system) as work:
        row = await work.session.get(Assignment, (berlin.tenant_id, ran.assignment_id))
        assert row is not None
        assert (row.valid_from, row.valid_until) == (ran.occurrence, ran.occurrence + timedelta(hours=1))
        sent = select(func.count()).select_from(Message).where(Message.subject_kind == "invitation")
        invited = select(func.count()).select_from(Invitation).where(Invitation.assignment_id == row.id)
        assert (await work.session.scalar(sent), await work.session.scalar(invited)) == (2, 2)
        assert await schedules.of_assignments(work, [row.id]) == {row.id: schedule}
    assert (await shown(office, berlin, schedule)).next_run_at == datetime(2027, 3, 29, 0, 30, tzinfo=UTC)


async def test_a_week_of_downtime_is_made_up_for_oldest_first_each_with_its_label(office, berlin, version):
    schedule = await do(
        at(office, "2027-06-01T00:00+00:00"), berlin, schedules.create, plan(version, "2027-06-01T09:00")
    )
    late = at(office, "2027-06-07T12:00+00:00")
    assert await run(late, berlin, most=3) == 3, "no more than the bound in a round"
    assert await run(late, berlin) == 4
    assert await run(late, berlin) == 0
    found = await runs(office, berlin, schedule)
    assert [run.run_label[-10:] for run in found] == [f"2027-06-{day:02}" for day in range(1, 8)]
    assert sorted(found, key=lambda run: run.created_at) == found
    async with office.snapshot(berlin.system) as work:
        row = await work.session.get(Assignment, (berlin.tenant_id, found[0].assignment_id))
    assert row is not None
    assert row.valid_from is not None
    assert row.valid_from > datetime(2027, 6, 7, 11, tzinfo=UTC), "who is late opens the window late"


@pytest.mark.parametrize(
    ("start", "rule", "expected"),
    [
        ("2027-01-31T09:00", MONTHLY, ["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("2028-02-29T09:00", "FREQ=YEARLY", ["2028-02-29", "2029-02-28", "2030-02-28"]),
    ],
)
async def test_month_ends_and_leap_days_are_run(office, berlin, version, start, rule, expected):
    plan_ = plan(version, start, rule, count=3)
    schedule = await do(at(office, "2027-01-01T00:00+00:00"), berlin, schedules.create, plan_)
    assert await run(at(office, "2031-01-01T00:00+00:00"), berlin) == 3
    found = await runs(office, berlin, schedule)
    assert [f"{run.occurrence:%Y-%m-%d}" for run in found] == expected
    row = await shown(office, berlin, schedule)
    assert (row.next_run_at, schedules.state(row), schedules.planned(row)) == (None, "ENDED", [])


async def test_what_is_refused_is_a_failed_run_and_the_next_has_its_chance(office, berlin, version):
    schedule = await do(
        at(office, "2027-06-01T00:00+00:00"), berlin, schedules.create, plan(version, "2027-06-01T09:00")
    )

    async def spoil(work, terms):
        await work.session.execute(update(AssignmentSchedule).values(terms=terms))
        return {"schedule": str(schedule)}

    before = (await shown(office, berlin, schedule)).terms
    await do(office, berlin, spoil, {"evaluation_version_id": str(schedule)})
    assert await run(at(office, "2027-06-01T12:00+00:00"), berlin) == 1
    await do(office, berlin, spoil, before)
    assert await run(at(office, "2027-06-02T12:00+00:00"), berlin) == 1
    failed, issued = await runs(office, berlin, schedule)
    assert (failed.outcome, failed.assignment_id, failed.problem["code"]) == (RunOutcome.FAILED, None, "NOT_FOUND")
    assert issued.outcome == RunOutcome.ISSUED
    with pytest.raises(NotFound):
        await do(office, berlin, spoil, {"evaluation_version_id": str(schedule)})
        await do(office, berlin, schedules_run.run_now, schedule, LINK)


async def test_pause_resume_skip_run_now_and_archive(office, berlin, version):
    first = at(office, "2027-06-01T00:00+00:00")
    schedule = await do(first, berlin, schedules.create, plan(version, "2027-06-01T09:00"))
    await do(first, berlin, schedules.skip, schedule, "A holiday.")
    await do(first, berlin, schedules_run.run_now, schedule, LINK)
    await do(first, berlin, schedules.pause, schedule, "Works council.")
    with pytest.raises(StateDrift):
        await do(first, berlin, schedules.skip, schedule, "Another.")
    later = at(office, "2027-06-05T12:00+00:00")
    assert await run(later, berlin) == 0
    await do(later, berlin, schedules.resume, schedule)
    assert await run(later, berlin) == 0, "what was missed while it was paused does not run"
    assert [f"{run:%d}" for run in schedules.planned(await shown(office, berlin, schedule))] == ["06", "07", "08"]
    assert [run.outcome for run in await runs(office, berlin, schedule)] == ["issued", "skipped"]
    await do(later, berlin, schedules.archive, schedule, "Not needed.")
    assert await run(at(office, "2027-07-01T00:00+00:00"), berlin) == 0
    with pytest.raises(StateDrift):
        await do(later, berlin, schedules.resume, schedule)


async def test_an_update_runs_by_the_new_rule_from_now_on(office, berlin, version):
    now = at(office, "2027-06-01T00:00+00:00")
    schedule = await do(now, berlin, schedules.create, plan(version, "2027-06-01T09:00"))
    with pytest.raises(StateDrift):
        await do(now, berlin, schedules.update, schedule, plan(version, "2027-06-01T09:00"), 9)
    await do(now, berlin, schedules.update, schedule, plan(version, "2027-08-31T09:00", MONTHLY), 1)
    row = await shown(office, berlin, schedule)
    assert [f"{run:%m-%d}" for run in schedules.planned(row)] == ["08-31", "09-30", "10-31"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipients": 0}, "recipients"),
        ({"window": 59}, "windowSeconds"),
        ({"terms": Terms()}, "Nothing is chosen"),
        ({"terms": Terms(valid_until=datetime(2099, 1, 1, tzinfo=UTC))}, "window"),
        ({"until": date(2020, 1, 1)}, "never run"),
        ({"count": 0}, "ends after"),
        ({"rule": "FREQ=SECONDLY"}, "recurrence rule"),
    ],
)
async def test_what_is_no_plan(office, berlin, version, change, told):
    with pytest.raises(InvalidInput, match=told):
        await do(office, berlin, schedules.create, plan(version, "2099-06-01T09:00", **change))


def test_a_late_run_has_its_whole_window() -> None:
    occurrence = datetime(2027, 1, 1, 9, tzinfo=UTC)
    soon, late = occurrence + timedelta(minutes=5), occurrence + timedelta(minutes=7)
    assert schedules_run.window(occurrence, soon, 3600) == (occurrence, occurrence + timedelta(hours=1))
    assert schedules_run.window(occurrence, late, 3600) == (late, late + timedelta(hours=1))
    assert schedules_run.window(occurrence, late, None) == (occurrence, None)
    assert recurrence.frequency_of(DAILY) is Frequency.DAILY
