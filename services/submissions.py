"""Submissions: what was handed in, scored in the transaction that ends the session (domain.md section 8)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from typing import cast as typed
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, and_, cast, select

from models.authoring import EvaluationVersion
from models.base import uuid7
from models.sessions import Answer, DeliverySession, SessionPaper
from models.submissions import ItemState, Outcome, ScoreVersion, Submission, SubmissionCause, SubmissionItem
from services import (
    authoring,
    content,
    corrections_lines,
    evidence_acts,
    plain,
    programmes_signal,
    responses,
    reviews_open,
    scores,
    scoring,
)
from services.content import QuestionKind
from services.content_parts import fingerprint
from services.corrections_lines import InForce
from services.paging import Order, Page, PageRequest, paged
from services.scoring import ItemScore, PassMark
from services.scoring_revised import Asked, judge, scaled
from services.work import Work

Row = TypeVar("Row", SubmissionItem, ScoreVersion)

FORM = 1
"""Version of the snapshot's form, part of its hash."""

AUTOMATIC = "automatic scoring"


async def hand_in(work: Work, session: DeliverySession, *, cause: SubmissionCause, at: datetime) -> Submission:
    """Write the submission of a session that is being ended: snapshot, items, and score version 1.

    It reads the keys, so it runs with the rights of the system. The caller holds the session and ends it, and shares
    the evaluation version's scores (`scores.version_lock`): the corrections in force count from the first score on.
    """
    paper = (await work.session.scalars(select(SessionPaper).where(SessionPaper.session_id == session.id))).one()
    version = (
        await work.session.scalars(
            select(EvaluationVersion).where(EvaluationVersion.id == session.evaluation_version_id),
        )
    ).one()
    saved = {
        answer.item_id: answer
        for answer in await work.session.scalars(select(Answer).where(Answer.session_id == session.id))
    }
    keys = await authoring.keys(work, [UUID(item["question_version_id"]) for item in paper.items])
    holds = await corrections_lines.in_force(work, session.evaluation_version_id)
    judged = [_score(item, keys, saved, holds) for item in paper.items]
    total = scoring.total(judged, _pass_mark(version, paper, judged))
    snapshot = _snapshot(session, version, paper, saved, cause=cause, at=at)
    submission = Submission(
        id=uuid7(),
        org_unit_id=session.org_unit_id,
        session_id=session.id,
        assignment_id=session.assignment_id,
        evaluation_version_id=session.evaluation_version_id,
        user_id=session.user_id,
        cause=cause,
        submitted_at=at,
        snapshot=snapshot,
        content_hash=fingerprint(snapshot),
        latest_score_version=1,
    )
    work.session.add(submission)
    await work.session.flush()
    items = _items(submission, paper, saved)
    work.session.add_all(items)
    work.session.add(
        ScoreVersion(
            org_unit_id=session.org_unit_id,
            submission_id=submission.id,
            number=1,
            points=total.points,
            max_points=total.max_points,
            percent=total.percent,
            outcome=total.outcome,
            items=[scores.kept(item["position"], one) for item, one in zip(paper.items, judged, strict=True)],
            reason=AUTOMATIC,
        ),
    )
    await work.session.flush()
    await evidence_acts.hand_in(work, submission, items)
    waiting = [item["kind"] for item, one in zip(paper.items, judged, strict=True) if one.state is ItemState.PENDING]
    observed = QuestionKind.OBSERVATION in waiting
    await reviews_open.open_for(work, submission, len(waiting), at, is_observed=observed)
    await programmes_signal.scored(work, [session.assignment_id])
    return submission


def _score(
    item: dict[str, Any], keys: dict[UUID, dict[str, Any]], saved: dict[UUID, Answer], holds: InForce
) -> ItemScore:
    version_id = UUID(item["question_version_id"])
    kind = QuestionKind(item["kind"])
    shown = content.parse_content(kind, item["content"])
    asked = Asked(kind, shown, content.parse_key(kind, shown, keys[version_id]), Decimal(item["points"]))
    answer = saved.get(UUID(item["item_id"]))
    response = responses.parse_response(kind, shown, None if answer is None else answer.response)
    return judge(asked, response, holds.of(version_id))


def _pass_mark(version: EvaluationVersion, paper: SessionPaper, judged: Sequence[ItemScore]) -> PassMark:
    planned = sum((Decimal(item["points"]) for item in paper.items), Decimal(0))
    worth = sum((one.max_points for one in judged), Decimal(0))
    return scaled(PassMark(percent=version.pass_percent, points=version.pass_points), planned, worth)


def _items(submission: Submission, paper: SessionPaper, saved: dict[UUID, Answer]) -> list[SubmissionItem]:
    return [
        SubmissionItem(
            org_unit_id=submission.org_unit_id,
            submission_id=submission.id,
            item_id=UUID(item["item_id"]),
            question_version_id=UUID(item["question_version_id"]),
            position=item["position"],
            response=answer.response if (answer := saved.get(UUID(item["item_id"]))) else None,
            max_points=Decimal(item["points"]),
        )
        for item in paper.items
    ]


def _snapshot(
    session: DeliverySession,
    version: EvaluationVersion,
    paper: SessionPaper,
    saved: dict[UUID, Answer],
    *,
    cause: SubmissionCause,
    at: datetime,
) -> dict[str, Any]:
    """Tell everything that the score follows from, but for the keys; its canonical JSON is what the hash covers."""
    return {
        "form": FORM,
        "evaluation_version": {
            "id": str(version.id),
            "number": version.number,
            "content_hash": version.content_hash,
        },
        "session": {
            "id": str(session.id),
            "user_id": str(session.user_id),
            "attempt": session.attempt,
            "started_at": None if session.started_at is None else session.started_at.isoformat(),
        },
        "cause": cause.value,
        "submitted_at": at.isoformat(),
        "policy": session.policy,
        "title": paper.title,
        "items": [
            {
                **item,
                "response": None if answer is None else answer.response,
                "revision": None if answer is None else answer.revision,
                "saved_at": None if answer is None else answer.saved_at.isoformat(),
            }
            for item in paper.items
            for answer in [saved.get(UUID(item["item_id"]))]
        ],
    }


async def of_session(work: Work, session_id: UUID) -> Submission | None:
    """Return a session's submission, if it has one."""
    return (await of_sessions(work, [session_id])).get(session_id)


async def of_sessions(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, Submission]:
    """Return the submissions of these sessions, by session."""
    found = await work.session.scalars(select(Submission).where(Submission.session_id.in_(session_ids)))
    return {submission.session_id: submission for submission in found}


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Submission]:
    """Return the submissions with these ids, those that the viewer may see."""
    return {submission.id: submission for submission in await plain.by(work, Submission, "id", ids)}


async def snapshots_of(work: Work, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the snapshots of these submissions."""
    found = await work.rows(select(Submission.id, Submission.snapshot).where(Submission.id.in_(ids)))
    return {row.id: row.snapshot for row in found}


async def items_by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, SubmissionItem]:
    """Return the items with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(SubmissionItem).where(SubmissionItem.id.in_(ids)))
    return {item.id: item for item in found}


async def scores_by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ScoreVersion]:
    """Return the score versions with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(ScoreVersion).where(ScoreVersion.id.in_(ids)))
    return {score.id: score for score in found}


async def items_of(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, list[SubmissionItem]]:
    """Return the items of these submissions, in the order of the paper."""
    return _grouped(
        await work.session.scalars(
            select(SubmissionItem)
            .where(SubmissionItem.submission_id.in_(submission_ids))
            .order_by(SubmissionItem.submission_id, SubmissionItem.position),
        ),
        submission_ids,
    )


async def scores_of(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, list[ScoreVersion]]:
    """Return all score versions of these submissions, oldest first."""
    return _grouped(
        await work.session.scalars(
            select(ScoreVersion)
            .where(ScoreVersion.submission_id.in_(submission_ids))
            .order_by(ScoreVersion.submission_id, ScoreVersion.number),
        ),
        submission_ids,
    )


async def latest_scores(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, ScoreVersion]:
    """Return the score version that counts for each of these submissions."""
    found = await work.session.scalars(
        select(ScoreVersion).join(Submission, _counts()).where(Submission.id.in_(submission_ids)),
    )
    return {score.submission_id: score for score in found}


async def score_of_session(work: Work, session_id: UUID) -> ScoreVersion | None:
    """Return the score version that counts for what a session handed in."""
    wanted = select(ScoreVersion).join(Submission, _counts()).where(Submission.session_id == session_id)
    return (await work.session.scalars(wanted)).one_or_none()


class SubmissionOrder(StrEnum):
    """By what submissions can be sorted."""

    SUBMITTED_AT = "submitted_at"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class SortedBy:
    """One column of an order."""

    by: SubmissionOrder
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which submissions are wanted; what is None does not narrow."""

    assignment_id: UUID | None = None
    evaluation_id: UUID | None = None
    outcome: Outcome | None = None


async def listed(work: Work, wanted: Filter, order: Sequence[SortedBy], page: PageRequest) -> Page[Submission]:
    """List submissions of the viewer's org unit; without an order, the newest first."""
    joined = select(*plain.columns(Submission)).select_from(Submission).join(ScoreVersion, _counts())
    statement = typed("Select[Any]", joined)
    if wanted.assignment_id is not None:
        statement = statement.where(Submission.assignment_id == wanted.assignment_id)
    if wanted.evaluation_id is not None:
        versions = select(EvaluationVersion.id).where(EvaluationVersion.evaluation_id == wanted.evaluation_id)
        statement = statement.where(Submission.evaluation_version_id.in_(versions))
    if wanted.outcome is not None:
        statement = statement.where(ScoreVersion.outcome == wanted.outcome)
    columns: dict[SubmissionOrder, Any] = {
        SubmissionOrder.SUBMITTED_AT: Submission.submitted_at,
        SubmissionOrder.PERCENT: cast(ScoreVersion.percent * 100, Integer),
    }
    newest_first = [SortedBy(SubmissionOrder.SUBMITTED_AT, descending=True)]
    orders = [Order(columns[one.by], descending=one.descending) for one in order or newest_first]
    last = Order(Submission.id, descending=orders[-1].descending)
    found = await paged(work, statement, [*orders, last], page)
    return replace(found, rows=[plain.row(Submission, values) for values in found.rows])


def _counts() -> ColumnElement[bool]:
    """Join a submission with the score version that counts."""
    return and_(
        ScoreVersion.submission_id == Submission.id,
        ScoreVersion.number == Submission.latest_score_version,
    )


def _grouped(rows: Iterable[Row], submission_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    grouped: dict[UUID, list[Row]] = {submission_id: [] for submission_id in submission_ids}
    for row in rows:
        grouped[row.submission_id].append(row)
    return grouped


async def outcomes(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the newest outcome of each session that was handed in."""
    newest = and_(
        ScoreVersion.submission_id == Submission.id,
        ScoreVersion.number == Submission.latest_score_version,
    )
    wanted = select(Submission.session_id, ScoreVersion.outcome).join(ScoreVersion, newest)
    return {
        row.session_id: row.outcome for row in await work.rows(wanted.where(Submission.session_id.in_(session_ids)))
    }
