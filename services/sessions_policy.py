"""The limits of a session that exists: what they follow from, and how one more decision changes them (domain.md 5).

A session's limits are frozen: nothing but an override of its person reaches them, and that one is put beside the rows
which the session keeps. So applying overrides one by one gives what resolving all of them at once gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.sessions import DeliverySession, EventKind, SessionState
from services import deadlines, policy
from services.content_parts import read
from services.policy import Policy, Row, Unlimited
from services.security import SecurityLevel
from services.sessions_events import append
from services.sessions_sheet import Happening
from services.sessions_status import clock_of
from services.work import Work

Revise = Callable[[list[Row]], list[Row]]
"""From the rows that a session keeps to the rows that it shall keep."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a session's limits would be: the rows, what follows from them, and when the session would end."""

    rows: list[Row]
    policy: Policy
    window_until: datetime | None
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a session's limits change: the event that tells of it, its facts, and the reason that a person gave."""

    kind: EventKind
    facts: dict[str, Any]
    reason: str


def outlook(session: DeliverySession, rows: Sequence[Row], now: datetime) -> Outlook:
    """Return what a session's limits are with these rows; nothing is changed.

    Limits that are used up already end the session now, not before: what was acknowledged until now counts. For a
    session that is paused, now is where its clock stands.
    """
    now = clock_of(session, now)
    resolved = policy.resolve(rows)
    closes = resolved.window_until.value
    window_until = None if isinstance(closes, Unlimited) else closes
    ends = window_until
    if session.started_at is not None:
        ends = deadlines.deadline(
            resolved.limits(),
            started_at=session.started_at,
            window_until=window_until,
            paused_seconds=session.paused_seconds,
        )
    if ends is not None and ends < now and (session.deadline_at is None or ends < session.deadline_at):
        ends = now
    return Outlook(list(rows), resolved, window_until, ends)


def rows_of(session: DeliverySession) -> list[Row]:
    """Return the rows that a session's limits follow from; of one that keeps none, those that its limits tell of."""
    if session.policy_rows is None:
        return policy.rows_of(policy.from_json(session.policy))
    return [read(Row, row, ("policyRows", n)) for n, row in enumerate(session.policy_rows)]


def kept(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as a session keeps them."""
    return [row.model_dump(mode="json", exclude_defaults=True) for row in rows]


async def apply(work: Work, session: DeliverySession, after: Outlook, cause: Cause, now: datetime) -> None:
    """Give a session these limits at once, and tell candidate and proctors the old and the new end.

    The session is held, and the clock has not ended it.
    """
    happening = change(session, after, cause)
    await append(work, session, [happening], at=now, actor_id=work.viewer.user_id, reason=cause.reason)


def change(session: DeliverySession, after: Outlook, cause: Cause) -> Happening:
    """Give a session these limits, and return the event that tells of it."""
    ends = after.deadline_at
    told = {**cause.facts, "deadline_before": written(session.deadline_at), "deadline_after": written(ends)}
    session.policy_rows = kept(after.rows)
    session.policy = policy.to_json(after.policy)
    session.is_high_stakes, session.focus_loss_limit = supervised(after.policy)
    session.grace_seconds = after.policy.network_grace_seconds.value
    session.window_until, session.deadline_at = after.window_until, ends
    session.version += 1
    return Happening(cause.kind, told)


def supervised(limits: Policy) -> tuple[bool, int | None]:
    """Return what a session's row keeps of its supervision: whether it is high stakes, and the limit on lost focus."""
    security = limits.security.value
    return security.level is SecurityLevel.HIGH_STAKES, security.focus_loss_limit


def is_open(session: DeliverySession) -> bool:
    """Tell whether a session has not been ended; the clock may still have ended it."""
    return session.state in {SessionState.CREATED, SessionState.ACTIVE, SessionState.PAUSED}


def without(rows: Sequence[Row], source_id: UUID) -> list[Row]:
    """Return the rows but those of one source."""
    return [row for row in rows if row.source.id != str(source_id)]


def written(at: datetime | None) -> str | None:
    """Return an instant as events and the ledger keep it."""
    return None if at is None else at.isoformat()
