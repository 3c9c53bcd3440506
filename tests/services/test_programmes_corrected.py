"""Corrections of whole cohorts, both ways and again, as far as the certificates, by each policy; asked for by date."""

import asyncio
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.certificates import Certificate
from models.corrections import CorrectionKind
from models.programmes import RemediationPolicy
from models.programmes_enrolments import ProgrammeAttempt, ProgrammeEnrolment, ProgrammeEvent
from services import certificates_read, plain
from services.certificates_read import Filter
from services.paging import PageRequest
from tests.factories import assignments as recipients
from tests.factories import sessions as sittings
from tests.services.test_corrections import Class
from tests.services.test_programmes import Licence

PEOPLE = 6
HOLD, KEEP, REVOKE = RemediationPolicy.HOLD, RemediationPolicy.KEEP, RemediationPolicy.REVOKE_AND_REISSUE
CERTIFIED = frozenset({("certified", 1, 0)})
KEYS = {"single_choice": {"correct": "c"}, "true_false": {"correct": False}, "numeric": {"value": "99"}}
"""Keys by which whoever had everything right has too little."""


class Cohort:
    """People who hold a licence, all by the same examination."""

    def __init__(self, licence: Licence) -> None:
        self.licence = licence
        self.enrolments: list[UUID] = []

    async def certify(self) -> None:
        answer = await self.licence.enrol(recipients.by_email(*recipients.addresses(PEOPLE)))
        self.enrolments = [UUID(row["enrolment"]) for row in answer["rows"]]
        for one in self.enrolments:
            await self.licence.hand_in(one, right=True)
        await self.follow()

    async def follow(self) -> None:
        """Follow everybody twice, side by side, as workers do that are started again."""
        await asyncio.gather(*(self.licence.follow(one) for one in [*self.enrolments, *self.enrolments]))

    async def now(self) -> datetime:
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            return await plain.now(work)

    async def valid(self, at: datetime) -> int:
        """How many certificates counted at an instant."""
        wanted = Filter(programme_id=self.licence.id, valid_at=at)
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            return await (await certificates_read.listed(work, wanted, PageRequest(1))).total(work)

    async def rows(self) -> dict[str, int]:
        """How many rows of each table there are for these people."""
        mine = select(Certificate.id).where(Certificate.enrolment_id.in_(self.enrolments))
        tables = {
            "certificates": select(func.count())
            .select_from(Certificate)
            .where(Certificate.enrolment_id.in_(self.enrolments)),
            "attempts": select(func.count()).where(ProgrammeAttempt.enrolment_id.in_(self.enrolments)),
            "events": select(func.count()).where(ProgrammeEvent.enrolment_id.in_(self.enrolments)),
            "ledger": select(func.count()).where(
                Activity.subject_id.in_(self.enrolments) | Activity.subject_id.in_(mine)
            ),
        }
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            return {name: await work.session.scalar(wanted) or 0 for name, wanted in tables.items()}

    async def states(self) -> set[tuple[str, int, int]]:
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            rows = await plain.by(work, ProgrammeEnrolment, "id", self.enrolments)
        return {(row.status, row.met_count, row.held_count) for row in rows}


async def settled(cohorts: dict[RemediationPolicy, Cohort]) -> dict[RemediationPolicy, dict[str, int]]:
    """Follow everybody twice, and once more, which must change nothing; return the rows."""
    for one in cohorts.values():
        await one.follow()
    found = {policy: await one.rows() for policy, one in cohorts.items()}
    for one in cohorts.values():
        await one.follow()
    assert found == {policy: await one.rows() for policy, one in cohorts.items()}
    return found


@pytest.mark.timeout(300)
async def test_a_cohort_is_corrected_both_ways_twice_and_history_answers_for_every_moment(world):
    sitting = await sittings.sitting(world)
    class_ = Class(sitting)
    await class_.sit()
    cohorts = {policy: Cohort(Licence(world, sitting)) for policy in RemediationPolicy}
    for policy, one in cohorts.items():
        await one.licence.write({"attempts": 2, "min_percent": Decimal(90)}, remediation=policy, validity_months=12)
        await one.certify()
        assert await one.states() == {("certified", 1, 0)}
    moments = [await cohorts[HOLD].now()]
    lines = [class_.line(kind, CorrectionKind.KEY, key=key) for kind, key in KEYS.items()]
    batch = await class_.apply(*lines)
    for turn in (1, 2):
        rows = await settled(cohorts)
        assert await cohorts[HOLD].states() == {("certified", 1, 1)}
        assert await cohorts[KEEP].states() == {("certified", 1, 0)}
        assert await cohorts[REVOKE].states() == {("in_progress", 0, 0)}
        assert [rows[one]["certificates"] for one in (HOLD, KEEP, REVOKE)] == [PEOPLE, PEOPLE, PEOPLE * turn]
        assert [rows[one]["attempts"] for one in (HOLD, KEEP, REVOKE)] == [PEOPLE, PEOPLE, PEOPLE * 2]
        moments.append(await cohorts[HOLD].now())
        batch = await class_.undo(batch)
        rows = await settled(cohorts)
        assert {one: await cohorts[one].states() for one in cohorts} == dict.fromkeys(cohorts, CERTIFIED)
        assert [rows[one]["certificates"] for one in (HOLD, KEEP, REVOKE)] == [PEOPLE, PEOPLE, PEOPLE * (turn + 1)]
        moments.append(await cohorts[HOLD].now())
        if turn == 1:
            batch = await class_.undo(batch)
    for policy, expected in ((HOLD, [PEOPLE] * 5), (KEEP, [PEOPLE] * 5), (REVOKE, [PEOPLE, 0, PEOPLE, 0, PEOPLE])):
        assert [await cohorts[policy].valid(at) for at in moments] == expected, policy
    async with world.office.snapshot(world.system) as work:
        held = await certificates_read.listed(work, Filter(programme_id=cohorts[REVOKE].licence.id), PageRequest(100))
    assert len({(row.user_id, row.valid_through) for row in held.rows}) == PEOPLE
