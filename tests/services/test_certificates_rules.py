"""How long certificates count: tables for month ends and zones, and what holds for whatever is asked."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.certificates import Certificate, HolderShown
from models.programmes import ExpiryAnchor
from services.certificates_rules import CertificateState, Term, state, validity
from services.certificates_settings import name_of

ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo")
ZONES += ("America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin", "America/New_York", "Asia/Beirut")

INSTANTS = st.integers(946_684_800, 4_070_908_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def months(count: int, **more: int) -> Term:
    return Term(count, ExpiryAnchor.CERTIFIED, more.get("lead", 0), more.get("grace", 0))


@pytest.mark.parametrize(
    ("certified", "count", "zone", "through", "expires"),
    [
        ("2026-01-31T12:00", 1, "UTC", "2026-02-28", "2026-03-01T00:00"),
        ("2028-01-31T12:00", 1, "UTC", "2028-02-29", "2028-03-01T00:00"),
        ("2028-02-29T12:00", 12, "UTC", "2029-02-28", "2029-03-01T00:00"),
        ("2028-02-29T12:00", 48, "UTC", "2032-02-29", "2032-03-01T00:00"),
        ("2026-08-31T12:00", 6, "UTC", "2027-02-28", "2027-03-01T00:00"),
        ("2026-11-26T12:00", 120, "UTC", "2036-11-26", "2036-11-27T00:00"),
        ("2026-12-31T23:59:59.999999", 1, "UTC", "2027-01-31", "2027-02-01T00:00"),
        # One instant is two days: on the 31st in Pago Pago it is the 1st in Kiritimati, 25 hours apart.
        ("2026-02-01T10:30", 1, "Pacific/Kiritimati", "2026-03-02", "2026-03-02T10:00"),
        ("2026-02-01T10:30", 1, "Pacific/Pago_Pago", "2026-02-28", "2026-03-01T11:00"),
        ("2026-01-31T10:00", 1, "Pacific/Kiritimati", "2026-03-01", "2026-03-01T10:00"),
        # Clocks go forward and back between the two instants, or at the very midnight.
        ("2026-02-15T12:00", 6, "Europe/Berlin", "2026-08-15", "2026-08-15T22:00"),
        ("2026-08-15T12:00", 6, "Europe/Berlin", "2027-02-15", "2027-02-15T23:00"),
        ("2026-03-23T12:00", 1, "Africa/Cairo", "2026-04-23", "2026-04-23T22:00"),
        ("2017-09-14T12:00", 1, "America/Sao_Paulo", "2017-10-14", "2017-10-15T03:00"),
        ("2025-10-01T12:00", 1, "America/Havana", "2025-11-01", "2025-11-02T04:00"),
        # Samoa had no 30 December 2011: the 29th ended where the 31st began.
        ("2011-11-29T20:00", 1, "Pacific/Apia", "2011-12-29", "2011-12-30T10:00"),
    ],
)
def test_a_certificate_counts_through_a_whole_local_day(certified, count, zone, through, expires):
    found = validity(months(count), at(certified), ZoneInfo(zone), due_at=None, previous=None)
    assert found is not None
    assert (found.through, found.expires_at) == (date.fromisoformat(through), at(expires))


def test_without_months_it_counts_for_ever():
    term = Term(None, ExpiryAnchor.DUE, 30, 30)
    assert validity(term, at("2026-01-31"), ZoneInfo("UTC"), due_at=at("2026-03-01"), previous=None) is None


@pytest.mark.parametrize(
    ("anchor", "due", "previous", "through"),
    [
        (ExpiryAnchor.CERTIFIED, "2026-12-31T09:00", date(2026, 12, 31), "2027-06-15"),
        (ExpiryAnchor.DUE, "2026-12-31T09:00", None, "2027-12-31"),
        (ExpiryAnchor.DUE, "2027-01-01T00:00", None, "2027-12-31"),
        (ExpiryAnchor.DUE, None, None, "2027-06-15"),
        (ExpiryAnchor.WINDOW_END, "2026-12-31T09:00", date(2026, 7, 1), "2027-07-01"),
        (ExpiryAnchor.WINDOW_END, "2026-12-31T09:00", None, "2027-06-15"),
        # Over already by its anchor: it counts from its own day.
        (ExpiryAnchor.DUE, "2025-06-14T09:00", None, "2027-06-15"),
        (ExpiryAnchor.DUE, "2025-06-15T09:00", None, "2026-06-15"),
    ],
)
def test_an_anchor_says_from_which_day(anchor, due, previous, through):
    term = Term(12, anchor, 0, 0)
    due_at = None if due is None else at(due)
    found = validity(term, at("2026-06-15T12:00"), ZoneInfo("UTC"), due_at=due_at, previous=previous)
    assert found is not None
    assert found.through == date.fromisoformat(through)


def test_renewal_opens_and_ends_by_whole_days():
    found = validity(months(12, lead=30, grace=10), at("2026-06-15T12:00"), ZoneInfo("UTC"), due_at=None, previous=None)
    assert found is not None
    assert (found.renewal_opens_at, found.renewal_ends_at) == (at("2027-05-17"), at("2027-06-26"))


@given(
    INSTANTS,
    st.integers(1, 1200),
    st.sampled_from(ZONES),
    st.sampled_from(ExpiryAnchor),
    st.none() | INSTANTS,
    st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_what_holds_for_every_certificate(certified, count, zone, anchor, due, previous, lead, grace):
    local = ZoneInfo(zone)
    found = validity(Term(count, anchor, lead, grace), certified, local, due_at=due, previous=previous)
    assert found is not None
    assert found.expires_at > certified
    assert found.renewal_opens_at <= found.expires_at <= found.renewal_ends_at
    assert (found.expires_at - timedelta(microseconds=1)).astimezone(local).date() <= found.through
    assert found.expires_at.astimezone(local).date() > found.through


@given(INSTANTS, st.integers(1, 60))
def test_more_months_never_end_earlier(certified, count):
    zone = ZoneInfo("Europe/Berlin")
    ends = [validity(months(n), certified, zone, due_at=None, previous=None) for n in (count, count + 1)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].through < ends[1].through


def test_a_certificate_is_one_thing_at_an_instant():
    row = Certificate(issued_at=at("2026-01-01"), expires_at=at("2027-01-01"), revoked_at=None)
    assert state(row, at("2026-12-31")) is CertificateState.ACTIVE
    assert state(row, at("2027-01-01")) is CertificateState.EXPIRED
    row.revoked_at = at("2026-06-01")
    assert state(row, at("2026-05-31")) is CertificateState.ACTIVE
    assert state(row, at("2027-01-01")) is CertificateState.REVOKED


@pytest.mark.parametrize(
    ("holder", "initials"),
    [
        ("Ada King-Noel", "A. K."),
        ("łukasz  żak", "Ł. Ż."),
        ("(Ben) 'Okri'", "B. O."),
        ("Σωκράτης", "Σ."),
        ("7 of 9", "7. O. 9."),
        ("…", None),
    ],
)
def test_how_much_of_a_name_is_shown(holder, initials):
    assert name_of(holder, HolderShown.INITIALS) == initials
    assert name_of(holder, HolderShown.FULL) == holder
    assert name_of(holder, HolderShown.HIDDEN) is None
