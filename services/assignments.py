"""Assignments: who may take an evaluation version, when, and under which limits (domain.md section 5).

Issuing, closing and looking up stand here; redeeming and the monitor are `assignments_redeem`, `assignments_monitor`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.identity import Tenant
from realtime import topics
from services import assignments_mail, assignments_recipients, authoring, invitations, run_label
from services.assignments_recipients import Recipient, Resolved
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.policy import LONGEST_LIMIT_SECONDS, MOST_ATTEMPTS, parse_feedback_mode
from services.refusals import InvalidInput, NotFound, Refusal, StateDrift
from services.security import parse_security
from services.work import Work

LONGEST_NAME = 200
LONGEST_REASON = 1000


class AssignmentOrder(StrEnum):
    """By what assignments can be sorted."""

    CREATED_AT = "created_at"
    NAME = "name"
    RUN_LABEL = "run_label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is issued and how: None means "not set here", so that evaluation version or tenant decide."""

    evaluation_version_id: UUID
    name: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    allowed_attempts: int | None = None
    time_limit_seconds: int | None = None
    feedback_mode: str | None = None
    security_config: dict[str, Any] | None = None
    run_label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which assignments are wanted; what is None does not narrow. `search` is the beginning of a name."""

    status: Sequence[AssignmentStatus] | None = None
    evaluation_version_id: UUID | None = None
    run_label: str | None = None
    search: str | None = None


async def issue(
    work: Work,
    terms: Terms,
    given: Sequence[Recipient],
    link: Callable[[Invitation], str] | None = None,
) -> Answer:
    """Issue an evaluation version to people in one transaction, and answer for each of them, in order.

    Those who cannot be invited are reported and the others are issued; when nobody can be, nothing is. Addresses
    that nobody has yet become people without any role. With `link`, which makes an invitation's address, each of those
    invited is mailed.
    """
    version = await authoring.issuable(work, terms.evaluation_version_id)
    now = await work.now()
    _check_window(terms, now)
    _check_limits(terms)
    label = await _label(work, terms, version, now)
    name = version.title[:LONGEST_NAME] if terms.name is None else _stated(terms.name, LONGEST_NAME, "name")
    rows = await assignments_recipients.resolve(work, given)
    assignment = Assignment(
        id=uuid7(),
        org_unit_id=version.org_unit_id,
        evaluation_version_id=version.id,
        name=name,
        run_label=label,
        status=AssignmentStatus.ACTIVE,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        allowed_attempts=terms.allowed_attempts,
        time_limit_seconds=terms.time_limit_seconds,
        feedback_mode=None if terms.feedback_mode is None else parse_feedback_mode(terms.feedback_mode),
        security_config=_security(terms),
        created_by=work.viewer.user_id,
    )
    work.session.add(assignment)
    await work.session.flush()
    answers = await _invite(work, assignment, rows, now)
    if link is not None:
        await assignments_mail.invite(work, assignment, version, link)
    invited = sum(answer["problem"] is None for answer in answers)
    work.record("assignment.issued", ("assignment", assignment.id), after=_told(assignment) | {"invited": invited})
    return {"assignment": str(assignment.id), "rows": answers}


async def close(work: Work, assignment_id: UUID, reason: str) -> Answer:
    """Close an assignment: nobody can start any more; sessions that exist go on. Refuses one that is closed."""
    why = _stated(reason, LONGEST_REASON, "reason")
    wanted = select(Assignment).where(Assignment.id == assignment_id).with_for_update()
    assignment = (await work.session.scalars(wanted)).one_or_none()
    if assignment is None:
        raise NotFound("Assignment", assignment_id, path=["id"])
    if assignment.status != AssignmentStatus.ACTIVE:
        raise StateDrift("The assignment is closed already.", current_state=assignment.status.upper())
    assignment.status = AssignmentStatus.CLOSED
    assignment.closed_at = closed_at = await work.now()
    work.record(
        "assignment.closed",
        ("assignment", assignment.id),
        reason=why,
        before={"status": AssignmentStatus.ACTIVE},
        after={"status": AssignmentStatus.CLOSED, "closed_at": closed_at.isoformat()},
    )
    work.touch(topics.assignment_sessions(assignment.tenant_id, assignment.id))
    return {"assignment": str(assignment.id)}


async def by_ids(work: Work, ids: Iterable[UUID]) -> dict[UUID, Assignment]:
    """Return the assignments with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(Assignment).where(Assignment.id.in_(list(ids))))
    return {assignment.id: assignment for assignment in found}


async def require(work: Work, assignment_id: UUID) -> Assignment:
    """Return an assignment that the viewer can see; refuse any other."""
    found = (await by_ids(work, [assignment_id])).get(assignment_id)
    if found is None:
        raise NotFound("Assignment", assignment_id)
    return found


async def listed(
    work: Work,
    wanted: Filter,
    orders: Sequence[tuple[AssignmentOrder, bool]],
    page: PageRequest,
) -> Page[Assignment]:
    """List the assignments of the viewer's org unit; each order is a column and whether it descends, newest first."""
    row = Assignment
    statement = select(row)
    if wanted.status is not None:
        statement = statement.where(row.status.in_(wanted.status))
    if wanted.evaluation_version_id is not None:
        statement = statement.where(row.evaluation_version_id == wanted.evaluation_version_id)
    if wanted.run_label is not None:
        statement = statement.where(row.run_label == wanted.run_label)
    if wanted.search:
        statement = statement.where(row.name.istartswith(wanted.search, autoescape=True))
    columns = {
        AssignmentOrder.CREATED_AT: row.created_at,
        AssignmentOrder.NAME: row.name,
        AssignmentOrder.RUN_LABEL: row.run_label,
    }
    sorting = [Order(columns[column], descending) for column, descending in orders] or [Order(row.created_at, True)]
    return await paged(work, statement, [*sorting, Order(row.id, sorting[0].descending)], page)


def _check_window(terms: Terms, now: datetime) -> None:
    for name, instant in (("validFrom", terms.valid_from), ("validUntil", terms.valid_until)):
        if instant is not None and instant.tzinfo is None:
            raise InvalidInput(
                f"'{instant.isoformat()}' names no time zone.", path=[name], hint="Write it in UTC, ending in 'Z'."
            )
    until = terms.valid_until
    if until is None:
        return
    if until <= now:
        raise InvalidInput(f"The window would have closed already, at {until.isoformat()}.", path=["validUntil"])
    if terms.valid_from is not None and until <= terms.valid_from:
        raise InvalidInput(
            f"The window would close at {until.isoformat()}, not after it opens at {terms.valid_from.isoformat()}.",
            path=["validUntil"],
        )


def _check_limits(terms: Terms) -> None:
    for name, value, most in (
        ("allowedAttempts", terms.allowed_attempts, MOST_ATTEMPTS),
        ("timeLimitSeconds", terms.time_limit_seconds, LONGEST_LIMIT_SECONDS),
    ):
        if value is not None and not 1 <= value <= most:
            raise InvalidInput(f"{name} is {value}; it must be 1 to {most}, or left out.", path=[name])


def _security(terms: Terms) -> dict[str, Any] | None:
    return None if terms.security_config is None else parse_security(terms.security_config).model_dump(mode="json")


async def _label(work: Work, terms: Terms, version: EvaluationVersion, now: datetime) -> str:
    if terms.run_label is not None:
        return run_label.checked(terms.run_label)
    zone = (await work.session.scalars(select(Tenant.time_zone))).one()
    return run_label.generated(version.title, (terms.valid_from or now).astimezone(ZoneInfo(zone)).date())


def _stated(value: str, longest: int, name: str) -> str:
    text = value.strip()
    if not text or len(text) > longest or "\x00" in text:
        raise InvalidInput(
            f"The {name} has {len(text)} characters; it needs 1 to {longest}.",
            path=[name],
            hint="Say it in a sentence.",
        )
    return text


async def _invite(
    work: Work,
    assignment: Assignment,
    rows: Sequence[Resolved | Refusal],
    now: datetime,
) -> list[dict[str, Any]]:
    """Add target and invitation for each resolved recipient, in batches; return what each row is answered."""
    of_it = {"org_unit_id": assignment.org_unit_id, "assignment_id": assignment.id}
    sent = {"sent_at": now, "expires_at": invitations.end_of_life(now, assignment.valid_until)}
    answers: list[dict[str, Any]] = []
    invited: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for row in rows:
        if isinstance(row, Refusal):
            answers.append({"invitation": None, "problem": _plain(row)})
            continue
        invitation_id = uuid7()
        targets.append({**of_it, "id": uuid7(), "kind": row.kind, "ref": row.ref, "user_id": row.user_id})
        invited.append({**of_it, **sent, "id": invitation_id, "jti": uuid7(), "user_id": row.user_id})
        answers.append({"invitation": str(invitation_id), "problem": None})
    await work.session.execute(insert(AssignmentTarget), targets)
    await work.session.execute(insert(Invitation), invited)
    return answers


def _plain(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal of one row as it is kept with the answer."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
    }


def _told(assignment: Assignment) -> dict[str, Any]:
    """Return what the ledger keeps of an assignment."""
    return {
        "evaluation_version_id": str(assignment.evaluation_version_id),
        "name": assignment.name,
        "run_label": assignment.run_label,
        "valid_from": assignment.valid_from and assignment.valid_from.isoformat(),
        "valid_until": assignment.valid_until and assignment.valid_until.isoformat(),
        "allowed_attempts": assignment.allowed_attempts,
        "time_limit_seconds": assignment.time_limit_seconds,
        "feedback_mode": assignment.feedback_mode,
        "security_config": assignment.security_config,
    }
