"""Time given to sessions one by one: each person gets a row in the ledger of overrides, for this session alone."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.base import uuid7
from models.overrides import AssignmentOverride, OverrideKind
from models.sessions import DeliverySession
from services import overrides, overrides_rows, sessions_policy
from services.overrides import Target
from services.overrides_rows import Change
from services.sessions_events import append_to_each
from services.sessions_pause import Why
from services.sessions_sheet import Happening
from services.work import Work


async def give(work: Work, gifts: Sequence[tuple[DeliverySession, int]], why: Why, now: datetime) -> dict[UUID, UUID]:
    """Extend each of these sessions by so many seconds; return the override of each by the session's id.

    All of them are held and open. The override's validity ends at once: what it gave stays, a later attempt of the same
    person gets nothing of it, and reversing it takes the time back.
    """
    given: dict[UUID, UUID] = {}
    told: list[tuple[DeliverySession, Happening]] = []
    for session, seconds in gifts:
        change = Change(OverrideKind.EXTENSION, Decimal(seconds)).checked()
        row = _row(work, session, change, why, now)
        work.session.add(row)
        given[session.id] = row.id
        told.append((session, _extended(work, session, row, change, why, now)))
    if told:
        await append_to_each(work, told, at=now, actor_id=work.viewer.user_id, reason=why.text)
    return given


def _row(work: Work, session: DeliverySession, change: Change, why: Why, now: datetime) -> AssignmentOverride:
    return AssignmentOverride(
        id=uuid7(),
        org_unit_id=session.org_unit_id,
        assignment_id=session.assignment_id,
        user_id=session.user_id,
        kind=change.kind,
        amount=change.amount,
        is_unlimited=False,
        restrict=False,
        reason=why.text,
        created_by=work.viewer.user_id,
        valid_until=now,
    )


def _extended(
    work: Work, session: DeliverySession, row: AssignmentOverride, change: Change, why: Why, now: datetime
) -> Happening:
    """Give a session its new limits, record both, and return the event that tells of it."""
    author = None if row.created_by is None else str(row.created_by)
    added = change.row(overrides_rows.source(row.id, author, why.text, of_group=False))
    after = sessions_policy.outlook(session, [*sessions_policy.rows_of(session), added], now)
    cause = overrides.cause(change, why.text)
    before = session.deadline_at
    happening = sessions_policy.change(session, after, cause)
    facts = overrides.told(row.id, Target(user_id=session.user_id), change)
    applied = facts | why.facts | {"session": str(session.id), "valid_until": now.isoformat()}
    work.record("override.applied", ("assignment", session.assignment_id), reason=why.text, after=applied)
    work.record(
        "session.limits_changed",
        ("session", session.id),
        reason=why.text,
        before={"deadline_at": None if before is None else before.isoformat()},
        after={"deadline_at": None if session.deadline_at is None else session.deadline_at.isoformat()} | why.facts,
    )
    return happening
