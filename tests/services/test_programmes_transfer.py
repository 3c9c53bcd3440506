"""Transfers to a newer version: what was met stays met, what is new is issued, what is gone is closed, once."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.assignments import Assignment, AssignmentStatus
from models.programmes import Programme, ProgrammeDraftRequirement
from models.programmes_enrolments import ProgrammeAttempt, ProgrammeProgress
from services import programmes, programmes_requirements, programmes_transfer
from services.programmes_requirements import Given
from services.refusals import InvalidInput, StateDrift
from tests.factories import sessions as sittings
from tests.services.test_programmes import LINK, Licence, licence, sitting

__all__ = ["licence", "sitting"]

WHY = "The rules of the licence have changed."


class Draft:
    """The draft of a licence, changed and published."""

    def __init__(self, licence: Licence) -> None:
        self.licence = licence

    async def rows(self) -> list[ProgrammeDraftRequirement]:
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            return await programmes.draft_of(work, self.licence.id)

    def given(self, name: str, evaluation_id: UUID | None = None, **more) -> Given:
        return Given(name=name, evaluation_id=evaluation_id or self.licence.sitting.version.evaluation_id, **more)

    async def add(self, name: str, **more) -> None:
        await self.licence.do(programmes_requirements.add, self.licence.id, self.given(name, **more))

    async def change(self, place: int, **more) -> None:
        row = (await self.rows())[place]
        given = self.given(row.name, **more)
        await self.licence.do(programmes_requirements.update, row.id, given)

    async def remove(self, place: int) -> None:
        await self.licence.do(programmes_requirements.remove, (await self.rows())[place].id)

    async def publish(self) -> None:
        await self.licence.do(programmes.publish, self.licence.id, None)


async def transfer(licence: Licence, enrolment: UUID, reason: str = WHY) -> None:
    await licence.do(programmes_transfer.transfer, enrolment, reason, LINK)


async def issued(licence: Licence, enrolment: UUID) -> dict[str, int]:
    """How many of the assignments of an enrolment are in each status."""
    wanted = (
        select(Assignment.status, func.count().label("many"))
        .join(ProgrammeAttempt, ProgrammeAttempt.assignment_id == Assignment.id)
        .where(ProgrammeAttempt.enrolment_id == enrolment)
        .group_by(Assignment.status)
    )
    async with licence.office.snapshot(licence.world.system) as work:
        return {one.status: one.many for one in await work.rows(wanted)}


async def test_what_was_met_stays_met_what_is_new_is_issued_and_what_is_gone_is_closed(licence: Licence):
    await licence.write({}, {}, {})
    enrolment, draft = await licence.one(), Draft(licence)
    met = await licence.hand_in(enrolment, right=True)
    await licence.follow(enrolment)
    await draft.remove(2)
    await draft.add("New", attempts=2)
    await draft.publish()
    before = await licence.count(ProgrammeProgress, ProgrammeProgress.enrolment_id == enrolment)
    done = await asyncio.gather(*(transfer(licence, enrolment) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, StateDrift) for one in done) == 3
    assert await licence.states(enrolment) == [("met", 1, 1), ("pending", 0, 1), ("pending", 0, 1)]
    assert (await licence.progress(enrolment))[0].row.submission_id == met
    assert await issued(licence, enrolment) == {AssignmentStatus.ACTIVE: 3, AssignmentStatus.CLOSED: 1}
    assert await licence.count(ProgrammeProgress, ProgrammeProgress.enrolment_id == enrolment) == before + 3
    row = await licence.row(enrolment)
    assert (row.mandatory_count, row.met_count, row.status) == (3, 1, "in_progress")
    told = (Activity.subject_id == enrolment, Activity.act == "programme_enrolment.transferred")
    assert await licence.count(Activity, *told, Activity.reason == WHY) == 1

    for place in (1, 2):
        await licence.hand_in(enrolment, right=True, place=place)
    await licence.follow(enrolment)
    assert (await licence.row(enrolment)).status == "certified"
    with pytest.raises(StateDrift, match="certified"):
        await transfer(licence, enrolment)


async def test_scores_are_judged_by_another_mark_and_a_lower_one_may_complete_it(licence: Licence):
    await licence.write({"min_percent": Decimal(90), "attempts": 1})
    enrolment, draft = await licence.one(), Draft(licence)
    submission = await licence.hand_in(enrolment, right=False)
    await licence.score(submission, 60)
    await licence.follow(enrolment)
    assert await licence.states(enrolment) == [("failed", 1, 1)]
    await draft.change(0, min_percent=Decimal(60), attempts=1)
    await draft.publish()
    await transfer(licence, enrolment)
    assert await licence.states(enrolment) == [("met", 1, 1)]
    assert (await licence.row(enrolment)).status == "certified"


async def test_a_higher_mark_asks_for_a_further_attempt_by_the_new_rule(licence: Licence):
    await licence.write({"min_percent": Decimal(50)}, {})
    enrolment, draft = await licence.one(), Draft(licence)
    submission = await licence.hand_in(enrolment, right=True)
    await licence.score(submission, 60)
    await licence.follow(enrolment)
    assert (await licence.states(enrolment))[0] == ("met", 1, 1)
    await draft.change(0, min_percent=Decimal(80), attempts=2, cooling_off_days=3)
    await draft.publish()
    await transfer(licence, enrolment)
    assert (await licence.states(enrolment))[0] == ("pending", 1, 1)
    assert await licence.retake(licence.office.shifted(timedelta(days=4))) == 1
    assert (await licence.states(enrolment))[0] == ("pending", 1, 2)
    await licence.hand_in(enrolment, right=True)
    await licence.follow(enrolment)
    assert (await licence.states(enrolment))[0] == ("met", 2, 2)


async def test_another_evaluation_is_asked_for_anew_and_the_one_before_counts_again_when_it_comes_back(
    licence: Licence, world
):
    other = (await sittings.sitting(world)).version.evaluation_id
    await licence.write({}, {})
    enrolment, draft = await licence.one(), Draft(licence)
    met = await licence.hand_in(enrolment, right=True)
    await licence.follow(enrolment)
    for place in (0, 1):
        await draft.change(place, evaluation_id=other)
    await draft.publish()
    await transfer(licence, enrolment)
    assert await licence.states(enrolment) == [("pending", 0, 1)] * 2
    assert await issued(licence, enrolment) == {AssignmentStatus.ACTIVE: 3, AssignmentStatus.CLOSED: 1}
    for place in (0, 1):
        await draft.change(place)
    await draft.publish()
    await transfer(licence, enrolment)
    assert await licence.states(enrolment) == [("met", 1, 1), ("pending", 0, 2)]
    assert (await licence.progress(enrolment))[0].row.submission_id == met
    assert await issued(licence, enrolment) == {AssignmentStatus.ACTIVE: 2, AssignmentStatus.CLOSED: 3}


async def test_what_is_open_stays_open_and_nothing_is_issued_twice(licence: Licence):
    await licence.write({}, {})
    enrolment, draft = await licence.one(), Draft(licence)
    with pytest.raises(StateDrift, match="newest"):
        await transfer(licence, enrolment)
    await draft.change(0, attempts=5)
    await draft.publish()
    with pytest.raises(InvalidInput):
        await transfer(licence, enrolment, " ")
    await transfer(licence, enrolment)
    assert await licence.states(enrolment) == [("pending", 0, 1)] * 2
    assert await issued(licence, enrolment) == {AssignmentStatus.ACTIVE: 2}
    assert await licence.count(Programme, Programme.id == licence.id, Programme.latest_number == 2) == 1
