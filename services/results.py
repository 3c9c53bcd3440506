"""When a candidate is told the result, and how much of it (domain.md section 8).

A result is told as soon as it stands, unless somebody keeps it back: until a day, or until it is released. What is
decided for one submission stands above what is decided for its assignment. How much is told is the session's own
feedback mode, frozen when it was opened.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from models.assignments import Assignment
from models.authoring import QuestionVersion
from models.base import uuid7
from models.results import ResultHold
from models.reviews import ReviewMark
from models.sessions import DeliverySession
from models.submissions import Outcome, ScoreVersion, Submission, SubmissionItem
from services import authoring, content, corrections_lines, plain, submissions, words
from services.content import QuestionKind
from services.idempotency import Answer
from services.policy import FeedbackMode
from services.refusals import InvalidInput, NotFound
from services.work import Work

MOST = 200
"""Results that one decision is about."""


class ResultState(StrEnum):
    """How much a candidate can know of the result now."""

    NOT_HANDED_IN = "not_handed_in"
    NEVER_TOLD = "never_told"
    WITHHELD = "withheld"
    PENDING = "pending"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class ToldItem:
    """What a candidate is told of one item; `key` is the stored key, with the question's kind and public part."""

    position: int
    scored: Mapping[str, Any]
    comments: Sequence[str]
    key: tuple[str, Mapping[str, Any], Mapping[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a candidate can know now; `since` is when it was, or will be, told, where that is known."""

    state: ResultState
    since: datetime | None = None
    score: ScoreVersion | None = None
    items: Sequence[ToldItem] | None = None


async def hold(
    work: Work, assignment_id: UUID, submission_ids: Sequence[UUID], until: datetime | None, reason: str
) -> Answer:
    """Keep back the results of an assignment, or of some submissions to it, until a day or until they are released."""
    if until is not None and until.tzinfo is None:
        raise InvalidInput(f"{until.isoformat()} names no time zone.", path=["until"])
    if until is not None and until <= await work.now():
        raise InvalidInput(f"{until.isoformat()} is past.", path=["until"], hint="Release the results instead.")
    return await _decide(work, assignment_id, submission_ids, reason, is_held=True, until=until)


async def release(work: Work, assignment_id: UUID, submission_ids: Sequence[UUID], reason: str) -> Answer:
    """Tell the results of an assignment, or of some submissions to it, from now on."""
    return await _decide(work, assignment_id, submission_ids, reason, is_held=False, until=None)


async def of_assignments(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, ResultHold]:
    """Return what was decided last for each of these assignments as a whole; none where nobody decided anything."""
    wanted = (
        select(ResultHold)
        .where(ResultHold.assignment_id.in_(assignment_ids), ResultHold.submission_id.is_(None))
        .ext(distinct_on(ResultHold.assignment_id))
        .order_by(ResultHold.assignment_id, ResultHold.number.desc())
    )
    return {row.assignment_id: row for row in await work.session.scalars(wanted)}


async def of_submissions(work: Work, rows: Sequence[Submission]) -> dict[UUID, ResultHold | None]:
    """Return what decides for each of these submissions."""
    own = await plain.by(work, ResultHold, "submission_id", [row.id for row in rows])
    alone = {row.submission_id: row for row in sorted(own, key=lambda row: row.number)}
    whole = await of_assignments(work, list({row.assignment_id for row in rows}))
    return {row.id: alone.get(row.id) or whole.get(row.assignment_id) for row in rows}


async def kept_back(work: Work, submission_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these submissions whose results somebody keeps back now."""
    rows, now = await plain.by(work, Submission, "id", list(submission_ids)), await plain.now(work)
    decided = await of_submissions(work, rows)
    return {row.id for row in rows if not is_told(decided[row.id], now)}


def is_told(decided: ResultHold | None, now: datetime) -> bool:
    """Tell whether results are told at an instant."""
    if decided is None or not decided.is_held:
        return True
    return decided.until is not None and decided.until <= now


def told_since(decided: ResultHold | None) -> datetime | None:
    """Return when results were, or will be, told; None when nobody kept them back, or nobody knows yet."""
    if decided is None:
        return None
    return decided.until if decided.is_held else decided.created_at


@dataclass(frozen=True, slots=True)
class Known:
    """How much of one result its candidate can know now; the outcome where it is told."""

    state: ResultState
    since: datetime | None = None
    outcome: Outcome | None = None


async def of_sessions(work: Work, sessions: Sequence[DeliverySession]) -> dict[UUID, Known]:
    """Return how much the candidate of each of these sessions can know; a number of statements that is the same."""
    handed_in = await plain.by(work, Submission, "session_id", [one.id for one in sessions])
    rows, now = {row.session_id: row for row in handed_in}, await plain.now(work)
    decided = await of_submissions(work, handed_in)
    outcomes = await submissions.outcomes(work, list(rows))
    found: dict[UUID, Known] = {}
    for one in sessions:
        row = rows.get(one.id)
        if row is None:
            found[one.id] = Known(ResultState.NOT_HANDED_IN)
            continue
        hold, outcome = decided[row.id], Outcome(outcomes[one.id])
        state = _state(FeedbackMode(one.policy["feedback_mode"]["value"]), hold, outcome, now)
        since = None if state is ResultState.NEVER_TOLD else told_since(hold)
        found[one.id] = Known(state, since, outcome if state is ResultState.TOLD else None)
    return found


def _state(mode: FeedbackMode, decided: ResultHold | None, outcome: Outcome, now: datetime) -> ResultState:
    if mode is FeedbackMode.NONE:
        return ResultState.NEVER_TOLD
    if not is_told(decided, now):
        return ResultState.WITHHELD
    return ResultState.PENDING if outcome is Outcome.PENDING else ResultState.TOLD


async def of_session(work: Work, session_id: UUID, mode: FeedbackMode) -> Told:
    """Return what the candidate of a session can know of the result; the work reads what candidates may not."""
    row = (await work.session.scalars(select(Submission).where(Submission.session_id == session_id))).one_or_none()
    if row is None:
        return Told(ResultState.NOT_HANDED_IN)
    score = await submissions.score_of_session(work, session_id)
    if score is None:
        raise LookupError(f"submission {row.id} has no score")
    decided = (await of_submissions(work, [row]))[row.id]
    since, state = told_since(decided), _state(mode, decided, Outcome(score.outcome), await work.now())
    if state is ResultState.NEVER_TOLD:
        return Told(state)
    if state is ResultState.WITHHELD:
        return Told(state, since)
    items = None
    if state is ResultState.TOLD and mode.tells_items:
        items = await _items(work, row, score, with_keys=mode is FeedbackMode.ANSWERS)
    return Told(state, since, score, items)


async def _items(work: Work, row: Submission, score: ScoreVersion, *, with_keys: bool) -> list[ToldItem]:
    items = {one.position: one for one in await _rows(work, row.id)}
    ids = [UUID(mark) for one in score.items for mark in one["detail"].get("marks", ())]
    marks = {mark.id: mark.comment for mark in await plain.by(work, ReviewMark, "id", ids)}
    keys = await _keys(work, row, list(items.values())) if with_keys else {}
    return [
        ToldItem(
            one["position"],
            one,
            [text for mark in one["detail"].get("marks", ()) if (text := marks.get(UUID(mark)))],
            keys.get(items[one["position"]].question_version_id),
        )
        for one in score.items
    ]


async def _rows(work: Work, submission_id: UUID) -> Sequence[SubmissionItem]:
    return (
        await work.session.scalars(select(SubmissionItem).where(SubmissionItem.submission_id == submission_id))
    ).all()


async def _keys(
    work: Work, row: Submission, items: Sequence[SubmissionItem]
) -> dict[UUID, tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Return the keys in force for each question of a paper: the newest correction's, else the author's."""
    ids = [one.question_version_id for one in items]
    stored = await authoring.keys(work, ids)
    versions = await plain.by(work, QuestionVersion, "id", ids)
    holds = await corrections_lines.in_force(work, row.evaluation_version_id)
    found: dict[UUID, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {}
    for version in versions:
        corrected = [line.key for line in holds.of(version.id) if line.key is not None]
        key = content.to_json(corrected[-1]) if corrected else stored[version.id]
        found[version.id] = (QuestionKind(version.kind).value, version.content, key)
    return found


async def _decide(
    work: Work,
    assignment_id: UUID,
    submission_ids: Sequence[UUID],
    reason: str,
    *,
    is_held: bool,
    until: datetime | None,
) -> Answer:
    why = words.reason(reason)
    if len(submission_ids) > MOST:
        raise InvalidInput(f"{len(submission_ids)} submissions; at most {MOST} at once.", path=["submissionIds"])
    await work.lock(f"results/{work.viewer.tenant_id}/{assignment_id}")
    found = (await work.session.scalars(select(Assignment).where(Assignment.id == assignment_id))).one_or_none()
    if found is None:
        raise NotFound("Assignment", assignment_id, path=["assignmentId"])
    known = await _known(work, assignment_id, submission_ids)
    newest = select(func.max(ResultHold.number)).where(ResultHold.assignment_id == assignment_id)
    number = (await work.session.scalar(newest)) or 0
    about: Sequence[UUID | None] = known or [None]
    work.session.add_all(
        ResultHold(
            id=uuid7(),
            org_unit_id=found.org_unit_id,
            assignment_id=assignment_id,
            number=number + place,
            submission_id=one,
            is_held=is_held,
            until=until,
            reason=why,
            decided_by=work.viewer.user_id,
        )
        for place, one in enumerate(about, 1)
    )
    await work.session.flush()
    after = {"is_held": is_held, "until": None if until is None else until.isoformat()}
    act = "results.held" if is_held else "results.released"
    if not known:
        work.record(act, ("assignment", assignment_id), reason=why, after=after)
    for one in known:
        work.record(act, ("submission", one), reason=why, after=after)
    return {"assignment": str(assignment_id)}


async def _known(work: Work, assignment_id: UUID, submission_ids: Sequence[UUID]) -> list[UUID]:
    """Return the submissions, each once; refuse one that was not handed in to this assignment."""
    wanted = select(Submission.id).where(Submission.assignment_id == assignment_id, Submission.id.in_(submission_ids))
    known = {row.id for row in await work.rows(wanted)}
    for place, one in enumerate(submission_ids):
        if one not in known:
            raise NotFound("Submission", one, path=["submissionIds", place])
    return list(dict.fromkeys(submission_ids))
