"""Following the scores: what a requirement and its enrolment become of what was handed in (domain.md section 10)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select

from models.assignments import TargetKind
from models.identity import User
from models.programmes import ProgrammeRequirement, ProgrammeVersion, RemediationPolicy
from models.programmes_enrolments import (
    EnrolmentStatus,
    Hold,
    ProgrammeAttempt,
    ProgrammeEnrolment,
    ProgrammeEventKind,
    ProgrammeProgress,
    ProgressState,
)
from models.submissions import Outcome, ScoreVersion, Submission
from services import programmes_enrol, programmes_events, programmes_issue, programmes_outcome, words
from services.assignments_issue import Link
from services.assignments_recipients import Resolved
from services.idempotency import Answer
from services.programmes_events import Happened
from services.programmes_issue import Due
from services.programmes_outcome import Stands
from services.programmes_rules import Rule, Same, Standing, Tried, same, stand, unmet, waits_for_nothing
from services.refusals import NotFound, StateDrift
from services.work import Work

_KINDS: Final = {
    ProgressState.PENDING: ProgrammeEventKind.REQUIREMENT_REOPENED,
    ProgressState.MET: ProgrammeEventKind.REQUIREMENT_MET,
    ProgressState.FAILED: ProgrammeEventKind.REQUIREMENT_FAILED,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One requirement of an enrolment that is held, with what was issued and handed in for it."""

    progress: ProgrammeProgress
    requirement: ProgrammeRequirement
    rule: Rule
    tried: Sequence[Tried]
    issued: int


async def follow(work: Work, enrolment_id: UUID, link: Link | None) -> bool:
    """Let each requirement of an enrolment stand where its scores say, and issue the attempts that are due.

    Looking again changes nothing. Tells whether there was anything to follow: an enrolment that was cancelled stays.
    """
    enrolment = await programmes_enrol.held(work, enrolment_id)
    if enrolment.status == EnrolmentStatus.CANCELLED:
        return False
    await look(work, enrolment, link)
    return True


async def look(
    work: Work,
    enrolment: ProgrammeEnrolment,
    link: Link | None,
    unissued: Collection[UUID] = (),
    reason: str | None = None,
) -> None:
    """Follow an enrolment that is held; of the progress that is `unissued`, nothing that may be sat is issued."""
    now, parts = await work.now(), await _parts(work, enrolment)
    told: list[Happened] = []
    for part in parts:
        stands = stand(part.rule, _was(part.progress), part.tried, part.issued)
        if part.progress.id in unissued and waits_for_nothing(stands, part.rule, part.tried):
            stands = replace(stands, next_at=now)
        told += _settle(work, enrolment, part, stands, now, reason=reason)
    told += await _issue_due(work, enrolment, parts, link, now)
    await programmes_events.append(work, told, now)
    await programmes_outcome.settle(work, enrolment, _stands(parts), now, reason)


async def decide_hold(
    work: Work, enrolment_id: UUID, requirement_key: UUID, reason: str, link: Link | None, *, keep: bool
) -> Answer:
    """Decide about a requirement that is held: it stays met, or it is taken back and goes on by its rule."""
    why = words.reason(reason)
    enrolment = await programmes_enrol.held(work, enrolment_id)
    if enrolment.status == EnrolmentStatus.CANCELLED:
        raise StateDrift("The enrolment is cancelled.", current_state="CANCELLED")
    now, parts = await work.now(), await _parts(work, enrolment)
    part = next((one for one in parts if one.requirement.key == requirement_key), None)
    if part is None:
        raise NotFound("ProgrammeRequirement", requirement_key, path=["requirementId"])
    if part.progress.hold != Hold.HELD:
        raise StateDrift("The requirement is not held.", current_state=part.progress.state.upper())
    if keep:
        part.progress.hold = Hold.KEPT
        after = {"requirement": str(requirement_key), "submission": str(part.progress.submission_id)}
        work.record("programme_requirement.kept", _subject(enrolment), reason=why, after=after)
        told = [_happened(enrolment, part, ProgrammeEventKind.REQUIREMENT_KEPT, reason=why)]
    else:
        told = _settle(work, enrolment, part, unmet(part.rule, part.tried, part.issued), now, reason=why)
        told += await _issue_due(work, enrolment, parts, link, now)
    await programmes_events.append(work, told, now)
    await programmes_outcome.settle(work, enrolment, _stands(parts), now, why)
    return {"enrolment": str(enrolment_id)}


async def due(work: Work, limit: int) -> list[tuple[UUID, UUID]]:
    """Return enrolments of which an attempt is to be issued by now, and their org units, the longest due first."""
    row = ProgrammeProgress
    wanted = select(row.enrolment_id, row.org_unit_id, func.min(row.next_at).label("at"))
    wanted = wanted.where(row.next_at <= func.evalium_now()).group_by(row.enrolment_id, row.org_unit_id)
    found = await work.rows(wanted.order_by("at", row.enrolment_id).limit(limit))
    return [(one.enrolment_id, one.org_unit_id) for one in found]


def _stands(parts: Sequence[_Part]) -> list[Stands]:
    return [Stands(one.progress, is_mandatory=one.requirement.is_mandatory) for one in parts]


def _was(row: ProgrammeProgress) -> Standing:
    hold = None if row.hold is None else Hold(row.hold)
    return Standing(ProgressState(row.state), row.submission_id, hold, row.attempts_used, row.next_at)


def _subject(enrolment: ProgrammeEnrolment) -> tuple[str, UUID]:
    return programmes_enrol.SUBJECT, enrolment.id


async def _parts(work: Work, enrolment: ProgrammeEnrolment) -> list[_Part]:
    progress, asked = ProgrammeProgress, ProgrammeRequirement
    joined = select(progress, asked).join(asked, asked.id == progress.requirement_id)
    of_it = joined.where(progress.enrolment_id == enrolment.id, asked.version_id == enrolment.version_id)
    of_it = of_it.order_by(asked.position)
    rows = (await work.session.execute(of_it)).all()
    policy = select(ProgrammeVersion.remediation).where(ProgrammeVersion.id == enrolment.version_id)
    remediation = RemediationPolicy((await work.session.scalars(policy)).one())
    attempt = ProgrammeAttempt
    numbers = select(asked.key, asked.evaluation_id, func.max(attempt.ordinal).label("issued"))
    numbers = numbers.select_from(attempt).join(progress, progress.id == attempt.progress_id)
    numbers = numbers.join(asked, asked.id == progress.requirement_id).where(attempt.enrolment_id == enrolment.id)
    numbers = numbers.group_by(asked.key, asked.evaluation_id)
    issued: Mapping[Same, int] = {(one.key, one.evaluation_id): one.issued for one in await work.rows(numbers)}
    tried = await _tried(work, enrolment)
    return [
        _Part(one, needed, _rule(needed, remediation), tried.get(same(needed), ()), issued.get(same(needed), 0))
        for one, needed in rows
    ]


def _rule(row: ProgrammeRequirement, remediation: RemediationPolicy) -> Rule:
    return Rule(row.min_percent, row.attempts, timedelta(days=row.cooling_off_days), remediation)


async def _tried(work: Work, enrolment: ProgrammeEnrolment) -> dict[Same, list[Tried]]:
    """Return what the person handed in for each requirement, with the score that counts, in order."""
    attempt, submission, score = ProgrammeAttempt, Submission, ScoreVersion
    progress, asked = ProgrammeProgress, ProgrammeRequirement
    counts = and_(score.submission_id == submission.id, score.number == submission.latest_score_version)
    wanted = (
        select(
            asked.key,
            asked.evaluation_id,
            attempt.ordinal,
            submission.id,
            submission.submitted_at,
            score.percent,
            score.outcome,
        )
        .select_from(attempt)
        .join(progress, progress.id == attempt.progress_id)
        .join(asked, asked.id == progress.requirement_id)
        .join(submission, submission.assignment_id == attempt.assignment_id)
        .join(score, counts)
        .where(attempt.enrolment_id == enrolment.id, submission.user_id == enrolment.user_id)
        .order_by(submission.submitted_at, submission.id)
    )
    found: dict[Same, list[Tried]] = {}
    for one in await work.rows(wanted):
        tried = Tried(one.id, one.ordinal, one.submitted_at, one.percent, Outcome(one.outcome))
        found.setdefault((one.key, one.evaluation_id), []).append(tried)
    return found


def _settle(
    work: Work,
    enrolment: ProgrammeEnrolment,
    part: _Part,
    now_stands: Standing,
    now: datetime,
    *,
    reason: str | None = None,
) -> list[Happened]:
    """Write where a requirement stands, and return what happened to it; a change of state goes into the ledger."""
    row, was = part.progress, _was(part.progress)
    row.attempts_used, row.next_at = now_stands.attempts_used, now_stands.next_at
    told = _tried_again(enrolment, part, was, now_stands, now)
    if (was.state, was.submission_id, was.hold) == (now_stands.state, now_stands.submission_id, now_stands.hold):
        return told
    if was.state is not now_stands.state or was.submission_id != now_stands.submission_id:
        row.completed_at = None if now_stands.state is ProgressState.PENDING else now
    row.state, row.submission_id, row.hold = now_stands.state, now_stands.submission_id, now_stands.hold
    is_held = now_stands.hold is Hold.HELD
    act = "held" if is_held else now_stands.state.value
    about = {"requirement": str(part.requirement.key), "name": part.requirement.name}
    work.record(
        f"programme_requirement.{act}",
        _subject(enrolment),
        reason=reason,
        before=about | _told(was),
        after=about | _told(now_stands),
    )
    kind = ProgrammeEventKind.REQUIREMENT_HELD if is_held else _KINDS[now_stands.state]
    return [*told, _happened(enrolment, part, kind, reason=reason)]


def _tried_again(
    enrolment: ProgrammeEnrolment, part: _Part, was: Standing, now_stands: Standing, now: datetime
) -> list[Happened]:
    """Return what happened to the attempts at a requirement: one was handed in, the next has another day."""
    told: list[Happened] = []
    if now_stands.attempts_used != was.attempts_used:
        facts = {"attempts_used": now_stands.attempts_used}
        told.append(_happened(enrolment, part, ProgrammeEventKind.ATTEMPT_HANDED_IN, facts=facts))
    at = now_stands.next_at
    is_news = now_stands.state is ProgressState.PENDING if at is None else at > now
    if at != was.next_at and is_news:
        facts = {"next_attempt_at": at and at.isoformat()}
        told.append(_happened(enrolment, part, ProgrammeEventKind.ATTEMPT_SCHEDULED, facts=facts))
    return told


def _happened(enrolment: ProgrammeEnrolment, part: _Part, kind: ProgrammeEventKind, **more: Any) -> Happened:
    return Happened.to(enrolment, kind, requirement_id=part.requirement.id, **more)


def _told(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state.value,
        "submission": standing.submission_id and str(standing.submission_id),
        "hold": standing.hold and standing.hold.value,
        "attempts_used": standing.attempts_used,
    }


async def _issue_due(
    work: Work, enrolment: ProgrammeEnrolment, parts: Sequence[_Part], link: Link | None, now: datetime
) -> list[Happened]:
    """Issue the next attempt of each requirement that has waited long enough, and return what happened."""
    wanted = [one for one in parts if one.progress.next_at is not None and one.progress.next_at <= now]
    if not wanted:
        return []
    user = (await work.session.scalars(select(User).where(User.id == enrolment.user_id))).one()
    person = Resolved(TargetKind.USER, str(user.id), user.id, user.email, user.display_name)
    due_now: list[Due] = []
    for part in wanted:
        part.progress.next_at = None
        due_now.append(
            Due(
                enrolment.org_unit_id,
                enrolment.programme_id,
                enrolment.id,
                part.progress.id,
                part.progress.evaluation_version_id,
                part.requirement.name,
                part.issued + 1,
                person,
            )
        )
    await programmes_issue.issue(work, due_now, link)
    issued = ProgrammeEventKind.ATTEMPT_ISSUED
    return [_happened(enrolment, part, issued, facts={"ordinal": part.issued + 1}) for part in wanted]
