"""How long a certificate counts, from when on it is renewed, and what it is at an instant: pure rules.

Days and calendar months are the tenant's: a certificate counts through a whole last day of the tenant's time zone. A
month that is too short ends at its own last day, so 31 January and a month is 28 or 29 February (domain.md section 10).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from models.certificates import Certificate
from models.programmes import ExpiryAnchor
from services.recurrence import instant

_DAY = timedelta(days=1)
_NOTHING = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """What a programme says of validity; see `models.programmes.RuledBy`."""

    validity_months: int | None
    anchor: ExpiryAnchor
    lead_days: int
    grace_days: int


@dataclass(frozen=True, slots=True)
class Validity:
    """Through which day a certificate counts, when that is over, and from when until when a renewal continues it."""

    through: date
    expires_at: datetime
    renewal_opens_at: datetime
    renewal_ends_at: datetime


class CertificateState(StrEnum):
    """What a certificate is at an instant: exactly one of these."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def validity(
    term: Term, certified_at: datetime, zone: ZoneInfo, *, due_at: datetime | None, previous: date | None
) -> Validity | None:
    """Return how long what is certified now counts; None for ever.

    `due_at` is when the enrolment was due, `previous` the last day of the certificate that this one continues. Where
    its anchor would have it over already, it counts from its own day.
    """
    if term.validity_months is None:
        return None
    own = certified_at.astimezone(zone).date()
    through = _later(_anchor(term.anchor, own, zone, due_at, previous), term.validity_months)
    if through < own:
        through = _later(own, term.validity_months)
    return Validity(
        through,
        _begin(through + _DAY, zone),
        _begin(through + _DAY - timedelta(days=term.lead_days), zone),
        _begin(through + _DAY + timedelta(days=term.grace_days), zone),
    )


def state(row: Certificate, now: datetime) -> CertificateState:
    """Return what a certificate is: revoked comes before expired."""
    if row.revoked_at is not None and row.revoked_at <= now:
        return CertificateState.REVOKED
    is_over = row.expires_at is not None and row.expires_at <= now
    return CertificateState.EXPIRED if is_over else CertificateState.ACTIVE


def _anchor(anchor: ExpiryAnchor, own: date, zone: ZoneInfo, due_at: datetime | None, previous: date | None) -> date:
    match anchor:
        case ExpiryAnchor.DUE if due_at is not None:
            return (due_at - _NOTHING).astimezone(zone).date()
        case ExpiryAnchor.WINDOW_END if previous is not None:
            return previous
        case _:
            return own


def _later(day: date, months: int) -> date:
    return day + relativedelta(months=months)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    """Return when a local day begins, which where clocks leave out midnight is later than at midnight."""
    return instant(datetime.combine(day, time()), zone)
