"""Programmes against the database: enrolled once, followed, tried again by rule, corrected, cancelled."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from jobs import programmes as job
from models.activity import Activity
from models.assignments import Assignment, Invitation
from models.base import uuid7
from models.jobs import queue
from models.messages import Message
from models.programmes import ProgrammeVersion, RemediationPolicy
from models.programmes_enrolments import Hold, ProgrammeAttempt, ProgrammeEnrolment, ProgrammeEvent
from models.submissions import Outcome, ScoreCause, ScoreVersion, Submission
from realtime.cursors import Position
from services import (
    invitations,
    programmes,
    programmes_enrol,
    programmes_follow,
    programmes_read,
    programmes_requirements,
    programmes_signal,
    setwise,
    streams,
    users_merge,
)
from services.paging import PageRequest
from services.programmes import Content, Rules
from services.programmes_read import EnrolmentState, Filter
from services.programmes_requirements import Given
from services.refusals import InvalidInput, NobodyToInvite, NotFound, StateDrift
from services.sessions_expiry import submit
from services.work import Work
from tests.factories import assignments as recipients
from tests.factories import sessions as sittings

WITHDRAWN = ["requirement_reopened", "attempt_issued", "certificate_revoked", "reopened"]
LINK = partial(invitations.link, "https://example.org", recipients.TOKENS)


class Licence:
    """A programme with requirements of one evaluation, and whoever is enrolled in it."""

    def __init__(self, world, sitting) -> None:
        self.world, self.sitting, self.office = world, sitting, world.office
        self.id = UUID(int=0)

    async def do(self, act, *args, office=None, **more):
        return await (office or self.office).perform(self.world.system, lambda work: act(work, *args, **more))

    async def write(self, *asked: dict, **rules) -> "Licence":
        content = Content(f"Licence {uuid7()}", "", Rules(**rules))
        self.id = UUID((await self.do(programmes.create, content))["programme"])
        for n, one in enumerate(asked or ({},)):
            given = Given(name=f"Paper {n}", evaluation_id=self.sitting.version.evaluation_id, **one)
            await self.do(programmes_requirements.add, self.id, given)
        await self.do(programmes.publish, self.id, None)
        return self

    async def enrol(self, given=None, office=None):
        given = recipients.by_email(*recipients.addresses(1)) if given is None else given
        return await self.do(programmes_enrol.enrol, self.id, given, LINK, office=office)

    async def one(self) -> UUID:
        return UUID((await self.enrol())["rows"][0]["enrolment"])

    async def row(self, enrolment: UUID) -> ProgrammeEnrolment:
        async with self.office.snapshot(self.world.system) as work:
            return (await programmes_read.by_ids(work, [enrolment]))[enrolment]

    async def progress(self, enrolment: UUID):
        async with self.office.snapshot(self.world.system) as work:
            return (await programmes_read.progress_of(work, [enrolment]))[enrolment]

    async def hand_in(self, enrolment: UUID, *, right: bool, place: int = 0) -> UUID:
        """Sit the newest attempt at a requirement; returns the submission."""
        attempt = (await self.progress(enrolment))[place].attempts[-1]
        async with self.office.snapshot(self.world.system) as work:
            assignment = (
                await work.session.scalars(select(Assignment).where(Assignment.id == attempt.assignment_id))
            ).one()
        user_id = (await self.row(enrolment)).user_id
        candidate = await replace(self.sitting, assignment=assignment).candidate(user_id=user_id, attempt=2)
        for n in range(len(candidate.items)):
            await candidate.save(n, 1, candidate.right(n) if right else candidate.wrong(n))
        await self.office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
        async with self.office.snapshot(self.world.system) as work:
            wanted = select(Submission.id).where(Submission.session_id == candidate.session_id)
            return (await work.session.scalars(wanted)).one()

    async def told(self) -> list[str]:
        """What the stream of the programme has told, from the first event on."""
        return [one.kind for one in await self.events()]

    async def events(self) -> Sequence[ProgrammeEvent]:
        """Every event of the programme, in the order of its stream."""
        stream = streams.programme_stream(self.world.tenant_id, self.id)
        async with self.office.snapshot(self.world.system) as work:
            return (await streams.events(work, stream, Position.start(), 500)).rows

    async def follow(self, enrolment: UUID, office=None) -> bool:
        return await self.do(programmes_follow.follow, enrolment, LINK, office=office)

    async def retake(self, office) -> int:
        return await job.retake_tenant(office, self.world.tenant_id, LINK)

    async def score(self, submission: UUID, percent: int) -> None:
        """Write the next score of a submission, as a correction would."""

        async def act(work):
            row = (await work.session.scalars(select(Submission).where(Submission.id == submission))).one()
            outcome = Outcome.PASSED if percent >= 70 else Outcome.FAILED
            score = {"points": Decimal(percent), "max_points": Decimal(100), "percent": Decimal(percent)}
            number, unit = row.latest_score_version + 1, row.org_unit_id
            more = {
                "number": number,
                "outcome": outcome,
                "cause": ScoreCause.CORRECTED,
                "items": [],
                "reason": "It was wrong.",
            }
            await setwise.insert(
                work, ScoreVersion, [{"submission_id": submission, "org_unit_id": unit, **score, **more}]
            )
            await work.session.execute(
                update(Submission).values(latest_score_version=number).where(Submission.id == submission)
            )

        await self.do(act)

    async def count(self, model, *where) -> int:
        async with self.office.snapshot(self.world.system) as work:
            return await work.session.scalar(select(func.count()).select_from(model).where(*where)) or 0

    async def states(self, enrolment: UUID) -> list[tuple]:
        return [(one.row.state, one.row.attempts_used, len(one.attempts)) for one in await self.progress(enrolment)]


@pytest.fixture(scope="module")
async def sitting(world):
    return await sittings.sitting(world)


@pytest.fixture
def licence(world, sitting) -> Licence:
    return Licence(world, sitting)


async def test_enrolling_issues_everything_once_whoever_asks_how_often(licence: Licence):
    await licence.write({}, {"is_mandatory": False}, due_days=30)
    given = recipients.by_email(*recipients.addresses(3))
    answers = await asyncio.gather(*(licence.enrol(given) for _ in range(4)))
    assert sorted(sum(row["enrolled"] for row in answer["rows"]) for answer in answers) == [0, 0, 0, 3]
    assert len({tuple(row["enrolment"] for row in answer["rows"]) for answer in answers}) == 1
    assert await licence.count(ProgrammeEnrolment, ProgrammeEnrolment.programme_id == licence.id) == 3
    mine = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.programme_id == licence.id)
    assert await licence.count(Assignment, Assignment.id.in_(mine), Assignment.allowed_attempts == 1) == 6
    invited = select(Invitation.id).where(Invitation.assignment_id.in_(mine))
    assert await licence.count(Message, Message.subject_id.in_(invited), Message.template == "invitation") == 6
    row = await licence.row(UUID(answers[0]["rows"][0]["enrolment"]))
    assert row.due_at == row.created_at + timedelta(days=30)
    assert (row.mandatory_count, row.met_count) == (1, 0)
    assert await licence.told() == ["enrolled"] * 3


async def test_enrolling_many_is_told_by_one_statement(licence: Licence, monkeypatch):
    await licence.write()
    sent: list[str] = []
    fetch = Work.fetch

    async def noted(work, statement, *values):
        sent.append(statement)
        return await fetch(work, statement, *values)

    monkeypatch.setattr(Work, "fetch", noted)
    for people in (2, 40):
        await licence.enrol(recipients.by_email(*recipients.addresses(people)))
    assert len([one for one in sent if one.startswith("insert into programme_events")]) == 2
    assert await licence.told() == ["enrolled"] * 42


async def test_what_is_lost_on_the_way_leaves_nothing_and_is_done_again_whole(licence: Licence):
    await licence.write({}, {})
    given = recipients.by_email(*recipients.addresses(2))

    async def lost(work):
        await programmes_enrol.enrol(work, licence.id, given, LINK)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await licence.do(lost)
    assert await licence.count(ProgrammeAttempt, ProgrammeAttempt.programme_id == licence.id) == 0
    await licence.enrol(given)
    assert await licence.count(ProgrammeAttempt, ProgrammeAttempt.programme_id == licence.id) == 4


async def test_each_row_is_answered_and_who_cannot_be_enrolled_keeps_nobody_back(licence: Licence):
    await licence.write()
    good, bad = recipients.addresses(1)[0], "no address"
    answer = await licence.enrol(recipients.by_email(bad, good, good))
    assert [(row["enrolled"], (row["problem"] or {}).get("code")) for row in answer["rows"]] == [
        (0, "INVALID_INPUT"),
        (1, None),
        (0, "INVALID_INPUT"),
    ]
    with pytest.raises(NobodyToInvite):
        await licence.enrol(recipients.by_email(bad))
    with pytest.raises(InvalidInput, match="nobody"):
        await licence.enrol([])
    await licence.do(programmes.archive, licence.id, "Replaced.")
    with pytest.raises(StateDrift):
        await licence.enrol()


async def test_a_pass_meets_it_and_completes_what_is_mandatory_once(licence: Licence):
    await licence.write({"attempts": 2}, {"is_mandatory": False})
    enrolment = await licence.one()
    submission = await licence.hand_in(enrolment, right=True)
    await asyncio.gather(*(licence.follow(enrolment) for _ in range(4)))
    row = await licence.row(enrolment)
    assert (row.status, row.met_count) == ("certified", 1)
    first, second = await licence.progress(enrolment)
    assert (first.row.state, first.row.submission_id, second.row.state) == ("met", submission, "pending")
    told = Activity.subject_id == enrolment
    assert await licence.count(Activity, told, Activity.act == "programme_requirement.met") == 1
    assert await licence.count(Activity, told, Activity.act == "programme_enrolment.completed") == 1
    assert (await licence.enrol(recipients.by_email(await email(licence, row.user_id))))["rows"][0]["known"] == 1


async def email(licence: Licence, user_id: UUID) -> str:
    async with licence.office.snapshot(licence.world.system) as work:
        return (await work.fetch("select email from users where id = $1", user_id))[0]["email"]


async def test_a_retake_is_issued_after_cooling_off_once_and_the_last_one_fails(licence: Licence):
    await licence.write({"attempts": 2, "cooling_off_days": 3})
    enrolment = await licence.one()
    await licence.hand_in(enrolment, right=False)
    await licence.follow(enrolment)
    assert await licence.states(enrolment) == [("pending", 1, 1)]
    early, late = (licence.office.shifted(timedelta(days=days, minutes=1)) for days in (2, 3))
    await licence.retake(early)
    await licence.follow(enrolment, office=early)
    assert await licence.states(enrolment) == [("pending", 1, 1)]
    await asyncio.gather(*(licence.retake(late) for _ in range(4)))
    assert await licence.states(enrolment) == [("pending", 1, 2)]
    assert await licence.retake(late) == 0
    await licence.hand_in(enrolment, right=False)
    await licence.follow(enrolment)
    assert await licence.states(enrolment) == [("failed", 2, 2)]
    assert await shown(licence, EnrolmentState.FAILED) == [enrolment]
    assert await licence.told() == [
        "enrolled",
        "attempt_handed_in",
        "attempt_scheduled",
        "attempt_issued",
        "attempt_handed_in",
        "requirement_failed",
    ]


async def shown(licence: Licence, *states: EnrolmentState, office=None) -> list[UUID]:
    async with (office or licence.office).snapshot(licence.world.system) as work:
        page = await programmes_read.listed(work, Filter(programme_id=licence.id, states=states), PageRequest(100))
        return [row.id for row in page.rows]


async def test_a_requirement_may_ask_for_more_or_less_than_the_pass_mark(licence: Licence):
    await licence.write({"min_percent": Decimal(0)})
    enrolment = await licence.one()
    await licence.hand_in(enrolment, right=False)
    await licence.follow(enrolment)
    assert await licence.states(enrolment) == [("met", 1, 1)]


@pytest.mark.parametrize("policy", RemediationPolicy)
async def test_a_correction_is_carried_through_by_the_policy_both_ways(licence: Licence, policy: RemediationPolicy):
    await licence.write({"attempts": 2}, remediation=policy)
    enrolment = await licence.one()
    submission = await licence.hand_in(enrolment, right=True)
    await licence.follow(enrolment)
    await licence.score(submission, 69)
    for _ in range(2):
        await licence.follow(enrolment)
    row, (one,) = await licence.row(enrolment), await licence.progress(enrolment)
    expected = {
        RemediationPolicy.HOLD: ("met", Hold.HELD, "certified", 1),
        RemediationPolicy.KEEP: ("met", None, "certified", 1),
        RemediationPolicy.REVOKE_AND_REISSUE: ("pending", None, "in_progress", 2),
    }
    assert (one.row.state, one.row.hold, row.status, len(one.attempts)) == expected[policy]
    met = ["enrolled", "attempt_handed_in", "requirement_met", "completed", "certified"]
    told = {
        RemediationPolicy.HOLD: ["requirement_held"],
        RemediationPolicy.KEEP: [],
        RemediationPolicy.REVOKE_AND_REISSUE: [
            "requirement_reopened",
            "attempt_issued",
            "certificate_revoked",
            "reopened",
        ],
    }
    assert await licence.told() == [*met, *told[policy]]
    assert row.held_count == (policy is RemediationPolicy.HOLD)
    await licence.score(submission, 100)
    await licence.follow(enrolment)
    row, (one,) = await licence.row(enrolment), await licence.progress(enrolment)
    assert (one.row.state, one.row.hold, row.status, row.held_count) == ("met", None, "certified", 0)
    back = {RemediationPolicy.HOLD: ["requirement_met"], RemediationPolicy.KEEP: []}
    again = ["requirement_met", "completed", "certified"]
    assert await licence.told() == [*met, *told[policy], *back.get(policy, again)]


@pytest.mark.parametrize("keep", [True, False])
async def test_a_person_decides_what_is_held(licence: Licence, *, keep: bool):
    await licence.write({"attempts": 2})
    enrolment = await licence.one()
    submission = await licence.hand_in(enrolment, right=True)
    (one,) = await licence.progress(enrolment)
    decide = partial(
        licence.do, programmes_follow.decide_hold, enrolment, one.requirement.key, "As agreed.", LINK, keep=keep
    )
    with pytest.raises(StateDrift, match="not held"):
        await decide()
    await licence.follow(enrolment)
    await licence.score(submission, 10)
    await licence.follow(enrolment)
    await decide()
    await licence.follow(enrolment)
    row, (one,) = await licence.row(enrolment), await licence.progress(enrolment)
    kept, withdrawn = ("met", Hold.KEPT, "certified", 1), ("pending", None, "in_progress", 2)
    assert (one.row.state, one.row.hold, row.status, len(one.attempts)) == (kept if keep else withdrawn)
    decided = ["requirement_kept"] if keep else WITHDRAWN
    assert (await licence.told())[5:] == ["requirement_held", *decided]
    with pytest.raises(StateDrift):
        await decide()


async def test_a_cancelled_enrolment_closes_what_it_issued_and_follows_nothing(licence: Licence):
    await licence.write({"attempts": 3, "cooling_off_days": 1}, {})
    enrolment = await licence.one()
    await licence.hand_in(enrolment, right=False)
    await licence.follow(enrolment)
    await licence.do(programmes_enrol.cancel, enrolment, "Left the company.")
    with pytest.raises(StateDrift):
        await licence.do(programmes_enrol.cancel, enrolment, "Again.")
    mine = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.enrolment_id == enrolment)
    assert await licence.count(Assignment, Assignment.id.in_(mine), Assignment.status == "closed") == 2
    assert await licence.follow(enrolment) is False
    assert await licence.retake(licence.office.shifted(timedelta(days=30))) == 0
    again = await licence.enrol(recipients.by_email(await email(licence, (await licence.row(enrolment)).user_id)))
    assert again["rows"][0]["enrolled"] == 1
    with pytest.raises(NotFound):
        await licence.do(programmes_enrol.cancel, licence.id, "No enrolment.")
    assert (await licence.told())[-2:] == ["cancelled", "enrolled"]


async def test_each_enrolment_is_shown_as_exactly_one_state(licence: Licence):
    await licence.write(due_days=1)
    going, done, failed, gone = [await licence.one() for _ in range(4)]
    await licence.hand_in(done, right=True)
    await licence.hand_in(failed, right=False)
    await licence.do(programmes_enrol.cancel, gone, "A mistake.")
    for one in (done, failed):
        await licence.follow(one)
    late = licence.office.shifted(timedelta(days=2))
    found = {state: await shown(licence, state) for state in EnrolmentState}
    S = EnrolmentState  # noqa: N806 - a short name for the table below
    assert found == {
        S.IN_PROGRESS: [going],
        S.OVERDUE: [],
        S.FAILED: [failed],
        S.COMPLETED: [],
        S.CERTIFIED: [done],
        S.EXPIRED: [],
        S.CANCELLED: [gone],
    }
    assert await shown(licence, S.OVERDUE, office=late) == [going]
    assert await shown(licence, S.IN_PROGRESS, office=late) == []
    assert await shown(licence, *EnrolmentState) == [gone, failed, done, going]


async def test_a_score_asks_for_its_enrolment_to_be_followed_and_no_other_score_does(licence: Licence, sitting):
    async def waiting() -> int:
        async with licence.office.snapshot(licence.world.system) as work:
            wanted = select(func.count()).select_from(queue).where(queue.c.entrypoint == programmes_signal.FOLLOW)
            return await work.session.scalar(wanted) or 0

    await licence.write()
    enrolment, before = await licence.one(), await waiting()
    await licence.hand_in(enrolment, right=True)
    assert await waiting() == before + 1
    candidate = await sitting.candidate()
    await licence.office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    assert await waiting() == before + 1


async def test_what_was_published_and_who_it_is_about_cannot_be_changed(licence: Licence):
    await licence.write()
    enrolment = await licence.one()
    for statement in (
        update(ProgrammeVersion).where(ProgrammeVersion.programme_id == licence.id).values(name="Another"),
        update(ProgrammeAttempt).where(ProgrammeAttempt.enrolment_id == enrolment).values(ordinal=9),
        update(ProgrammeEnrolment).where(ProgrammeEnrolment.id == enrolment).values(version_id=uuid7()),
        update(ProgrammeEvent).where(ProgrammeEvent.enrolment_id == enrolment).values(kind="cancelled"),
    ):
        with pytest.raises(DBAPIError):
            await licence.do(lambda work, statement=statement: work.session.execute(statement))


async def test_two_who_were_one_person_go_on_with_one_enrolment(licence: Licence):
    await licence.write()
    admin = (await licence.world.staff("tenant_admin")).everywhere()
    going, doubled = [await licence.row(await licence.one()) for _ in range(2)]
    met = await licence.hand_in(doubled.id, right=True)
    merge = partial(users_merge.merge, kept_id=going.user_id, duplicate_id=doubled.user_id, reason="The same person.")
    await licence.office.perform(admin, merge)
    rows = [await licence.row(one.id) for one in (going, doubled)]
    assert [one.user_id for one in rows] == [going.user_id] * 2
    assert [(one.status, one.cancel_reason) for one in rows] == [
        ("in_progress", None),
        ("cancelled", users_merge.MERGED),
    ]
    for enrolment, status in ((going.id, "active"), (doubled.id, "closed")):
        issued = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.enrolment_id == enrolment)
        assert await licence.count(Assignment, Assignment.id.in_(issued), Assignment.status == status) == 1
    assert await licence.told() == ["enrolled", "enrolled", "cancelled"]
    async with licence.office.snapshot(licence.world.system) as work:
        assert (
            await work.session.scalars(select(Submission.user_id).where(Submission.id == met))
        ).one() == going.user_id
