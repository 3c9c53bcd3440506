"""What a session lost in an incident, and how much of that its pauses have given back already (domain.md section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.sessions import DeliverySession, EventKind, SessionEvent
from services.policy import LONGEST_LIMIT_SECONDS
from services.refusals import InvalidInput, NothingLost
from services.sessions_hold import drifted
from services.work import Work

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost: so many seconds, or what of a span was working time; `pause_id` names a command that paused.

    With `seconds`, the pause of that command is deducted; with a span, every pause within it.
    """

    seconds: int | None = None
    lost_from: datetime | None = None
    lost_until: datetime | None = None
    pause_id: UUID | None = None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """Return both ends of the span; None when a number of seconds was lost."""
        if self.lost_from is None or self.lost_until is None:
            return None
        return self.lost_from, self.lost_until


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause of a session, and the incident's command that began it; `until` is now for one that goes on."""

    since: datetime
    until: datetime
    is_over: bool
    incident_id: str | None


def check(loss: Loss, now: datetime) -> None:
    """Refuse a loss that is none, is told twice, or lies in the future."""
    if (loss.seconds is None) == (loss.lost_from is None) or (loss.lost_from is None) != (loss.lost_until is None):
        raise InvalidInput("Give either 'seconds', or both 'lostFrom' and 'lostUntil'.", path=["seconds"])
    if loss.seconds is not None and not 1 <= loss.seconds <= LONGEST_LIMIT_SECONDS:
        said = f"seconds is {loss.seconds}; it must be 1 to {LONGEST_LIMIT_SECONDS}."
        raise InvalidInput(said, path=["seconds"])
    span = loss.span
    if span is None:
        return
    if loss.pause_id is not None:
        raise InvalidInput(
            "Every pause within the span is deducted anyway.",
            path=["pauseIncidentId"],
            hint="Name the pause only together with 'seconds'.",
        )
    for name, instant in zip(("lostFrom", "lostUntil"), span, strict=True):
        if instant.tzinfo is None:
            said = f"'{instant.isoformat()}' names no time zone."
            raise InvalidInput(said, path=[name], hint="Write it in UTC, ending in 'Z'.")
    since, until = span
    if not since < until <= now or until - since > LONGEST_LIMIT_SECONDS * SECOND:
        said = f"{since.isoformat()} to {until.isoformat()} is no span that lies behind us."
        raise InvalidInput(said, path=["lostUntil"])


def owed(loss: Loss, session: DeliverySession, pauses: Sequence[Pause]) -> int:
    """Return the whole seconds that make up for a loss; a part of a second is given to the candidate.

    Refuses a session that lost nothing, and one that the named command still keeps paused: what that pause will have
    given is not known before it is over.
    """
    lost = _within(loss.span, session, pauses) if loss.seconds is None else _less_the_pause(loss, session, pauses)
    if lost <= timedelta(0):
        raise NothingLost("The session lost no working time that a pause has not given back already.")
    return -(-lost // SECOND)


async def pauses_of(work: Work, session_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Pause]]:
    """Return the pauses of each of these sessions, oldest first, with one statement."""
    event = SessionEvent
    wanted = (
        select(event.session_id, event.kind, event.at, event.payload)
        .where(event.session_id.in_(session_ids), event.kind.in_([EventKind.PAUSED, EventKind.RESUMED]))
        .order_by(event.session_id, event.seq)
    )
    found: dict[UUID, list[Pause]] = {session_id: [] for session_id in session_ids}
    for row in await work.rows(wanted):
        pauses = found[row.session_id]
        if row.kind == EventKind.PAUSED:
            pauses.append(Pause(row.at, now, is_over=False, incident_id=row.payload.get("incident")))
        else:
            begun = pauses.pop()
            pauses.append(Pause(begun.since, row.at, is_over=True, incident_id=begun.incident_id))
    return found


def _within(span: tuple[datetime, datetime] | None, session: DeliverySession, pauses: Sequence[Pause]) -> timedelta:
    """Return how long the session's clock ran within a span."""
    if span is None or session.started_at is None:
        return timedelta(0)
    since, until = max(span[0], session.started_at), span[1]
    stood = (max(timedelta(0), min(until, one.until) - max(since, one.since)) for one in pauses)
    return until - since - sum(stood, timedelta(0))


def _less_the_pause(loss: Loss, session: DeliverySession, pauses: Sequence[Pause]) -> timedelta:
    mine = [one for one in pauses if loss.pause_id is not None and one.incident_id == str(loss.pause_id)]
    if any(not one.is_over for one in mine):
        raise drifted(session)
    return (loss.seconds or 0) * SECOND - sum((one.until - one.since for one in mine), timedelta(0))
