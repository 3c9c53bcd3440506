"""What a lockdown browser proves: the rules of Safe Exam Browser's keys, without a database (domain.md section 6).

Safe Exam Browser shows, as a header of each request or to the page's scripts, SHA-256 over the address of that request
or page without its fragment, followed by a key. Whoever has the key can compute it for any address, so the address
must name the session: a hash that was made elsewhere proves nothing here.

What is shown of a session stands here twice, for a row in hand and as SQL; a test compares both.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import ColumnElement, and_, false, func, or_, text

from models.lockdown import LockdownCause, LockdownState
from models.sessions import DeliverySession
from services import policy
from services.security import LockdownBrowser, SecurityConfig

LONGEST_URL: Final = 2000
LONGEST_HASH: Final = 200
PARAMETER: Final = "session"
"""The parameter of a page's address that carries the nonce; without it, the last part of the path is the nonce."""

ALLOWANCE: Final = timedelta(seconds=30)
"""How late a probe may come before the lockdown browser counts as not heard of."""

_PORTS: Final = {"http": 80, "https": 443}


class Source(StrEnum):
    """How the browser gave its hashes."""

    HEADER = "header"
    JAVASCRIPT = "javascript"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that count for an assignment, in lower case."""

    config: Sequence[str] = ()
    browser_exam: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Signal:
    """What a browser shows: an address as it sees it, and a hash for each kind of key, or None."""

    url: str
    config_key_hash: str | None = None
    browser_exam_key_hash: str | None = None
    source: Source = Source.JAVASCRIPT


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's probes come from: the sites that candidates sit at, and the session's nonce."""

    sites: Sequence[str]
    nonce: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found, and why."""

    state: LockdownState
    cause: LockdownCause


def without_fragment(url: str) -> str:
    """Return an address as Safe Exam Browser hashes it: nothing but the fragment is taken away."""
    return url.partition("#")[0]


def key_hash(url: str, key: str) -> str:
    """Return what Safe Exam Browser shows for an address and a key, in lower case."""
    return hashlib.sha256((without_fragment(url) + key.lower()).encode("utf-8", "replace")).hexdigest()


def matches(url: str, shown: str, keys: Iterable[str]) -> bool:
    """Tell whether what is shown is the hash of one of the keys; it takes as long whichever key it is."""
    given = shown.strip().lower().encode("utf-8", "replace")
    return sum(hmac.compare_digest(key_hash(url, key).encode(), given) for key in keys) > 0


def nonce_of(url: str) -> str | None:
    """Return the one nonce that an address carries: its parameter `session`, else the last part of its path."""
    try:
        parts = urlsplit(without_fragment(url))
        given = parse_qs(parts.query, keep_blank_values=True).get(PARAMETER)
    except ValueError:
        return None
    if given is not None:
        return given[0] if len(given) == 1 else None
    return parts.path.rpartition("/")[2] or None


def origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an address; None for what is no plain address of a site."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port


def outcome(signal: Signal, keys: Keys, place: Place) -> Finding:
    """Decide what a probe shows.

    Verified: for each kind of key that is configured, a hash of one of the keys, for an address of this session.
    Tampered: a hash that is none of them, or one for an address of another site or session. Not detected: all else,
    in particular what cannot be checked because there are no keys of its kind.
    """
    shown = _present(signal.config_key_hash), _present(signal.browser_exam_key_hash)
    if shown == (None, None):
        return Finding(LockdownState.NOT_DETECTED, LockdownCause.NO_SIGNAL)
    misplaced = _misplaced(signal.url, place)
    if misplaced is not None:
        return Finding(LockdownState.TAMPERED, misplaced)
    wanted = [(known, given) for known, given in zip((keys.config, keys.browser_exam), shown, strict=True) if known]
    if not wanted:
        return Finding(LockdownState.NOT_DETECTED, LockdownCause.NO_KEYS)
    if any(given is not None and not matches(signal.url, given, known) for known, given in wanted):
        return Finding(LockdownState.TAMPERED, LockdownCause.WRONG_HASH)
    if any(given is None for _, given in wanted):
        return Finding(LockdownState.NOT_DETECTED, LockdownCause.INCOMPLETE)
    return Finding(LockdownState.VERIFIED, LockdownCause.MATCHED)


def _present(shown: str | None) -> str | None:
    return shown if shown is not None and shown.strip() else None


def _misplaced(url: str, place: Place) -> LockdownCause | None:
    found = origin(url)
    if found is None or found not in {origin(site) for site in place.sites}:
        return LockdownCause.OTHER_SITE
    carried = nonce_of(url)
    if carried is None or not hmac.compare_digest(carried.encode("utf-8", "replace"), place.nonce.encode()):
        return LockdownCause.OTHER_SESSION
    return None


def config_of(session: DeliverySession) -> SecurityConfig:
    """Return the measures that were frozen into a session."""
    return policy.from_json(session.policy).security.value


def next_probe_at(session: DeliverySession, config: SecurityConfig) -> datetime | None:
    """Return when the browser is to be proven anew; None when it never was. A pause is not held against it."""
    if session.probed_at is None:
        return None
    heard = max(session.probed_at, session.resumed_at or session.probed_at)
    return heard + timedelta(seconds=config.probe_interval_seconds)


def is_overdue(session: DeliverySession, config: SecurityConfig, now: datetime) -> bool:
    """Tell whether nothing was heard of the browser for too long; the clock of a pause or an end stands still."""
    due = next_probe_at(session, config)
    return due is not None and (session.ended_at or session.paused_at or now) >= due + ALLOWANCE


def state_of(session: DeliverySession, config: SecurityConfig, now: datetime) -> LockdownState:
    """Return what is shown: what was verified is not detected any more once the next probe is overdue.

    What was tampered with stays so until a probe says otherwise: silence does not mend it.
    """
    state = LockdownState(session.probe_state or LockdownState.NOT_DETECTED)
    if state is LockdownState.VERIFIED and is_overdue(session, config, now):
        return LockdownState.NOT_DETECTED
    return state


_INTERVAL = text(
    "(coalesce((delivery_sessions.policy #>> '{security,value,probe_interval_seconds}')::integer, 300) + 30)"
    " * interval '1 second'"
)
_REQUIRED = DeliverySession.policy["security"]["value"]["lockdown_browser"].astext == LockdownBrowser.REQUIRED


def overdue() -> ColumnElement[bool]:
    """Build the condition "nothing was heard of the browser for too long"."""
    row = DeliverySession
    clock = func.coalesce(row.ended_at, row.paused_at, func.evalium_now())
    due = func.greatest(row.probed_at, row.resumed_at) + _INTERVAL
    return and_(row.probed_at.is_not(None), due <= clock)


def shown_as(state: LockdownState) -> ColumnElement[bool]:
    """Build the condition "a lockdown browser is required, and this state is shown now"."""
    row = DeliverySession
    silent = and_(row.probe_state == LockdownState.VERIFIED, overdue())
    if state is LockdownState.VERIFIED:
        return and_(_REQUIRED, row.probe_state == state, ~overdue())
    if state is LockdownState.TAMPERED:
        return and_(_REQUIRED, row.probe_state == state)
    return and_(_REQUIRED, or_(row.probe_state.is_(None), row.probe_state == state, silent))


def shown_as_any(states: Iterable[LockdownState]) -> ColumnElement[bool]:
    """Build the condition "is shown as one of these"; no state means no row."""
    return or_(false(), *[shown_as(state) for state in states])


_NAMES: Final = {
    LockdownState.VERIFIED: "Verified",
    LockdownState.NOT_DETECTED: "Not detected",
    LockdownState.TAMPERED: "Tampered",
}
_CAUSES: Final = {
    LockdownCause.MATCHED: "",
    LockdownCause.NO_SIGNAL: ": the browser shows no sign of Safe Exam Browser",
    LockdownCause.NO_KEYS: ": no key of this kind is set for the assignment, so nothing can be checked",
    LockdownCause.INCOMPLETE: ": only one of the two kinds of key was shown",
    LockdownCause.WRONG_HASH: ": Safe Exam Browser runs with another configuration or version",
    LockdownCause.OTHER_SITE: ": what was shown was made at another site",
    LockdownCause.OTHER_SESSION: ": what was shown was made in another session",
    LockdownCause.SILENT: ": nothing was heard of the browser for too long",
}


def words(state: LockdownState, cause: LockdownCause | None) -> str:
    """Say a state in words that are fit for everybody."""
    return f"Lockdown: {_NAMES[state]}{'' if cause is None else _CAUSES[cause]}."


def words_of(session: DeliverySession, config: SecurityConfig, now: datetime) -> str:
    """Say in words what is shown of a session."""
    state, cause = state_of(session, config, now), session.probe_cause
    if cause is None or session.probed_at is None:
        return "Lockdown: Not detected: it has not been checked yet."
    if state is LockdownState.NOT_DETECTED and is_overdue(session, config, now):
        return f"Lockdown: Not detected: not heard since {session.probed_at:%H:%M} UTC."
    return words(state, LockdownCause(cause))
