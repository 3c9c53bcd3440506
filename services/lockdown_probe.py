"""Probing a session's lockdown browser: what was found is kept, told, and held against the policy (domain.md 6).

A probe is an act on the session like any other: it holds the session first. It runs with rights that reach the keys;
the session is the one of the candidate's verified token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from models.lockdown import LockdownCause, LockdownState
from models.sessions import TERMINAL, DeliverySession, EventKind, ReasonCategory, SessionState
from services import lockdown, lockdown_keys, words
from services.idempotency import Answer
from services.lockdown import Finding, Keys, Place, Signal
from services.refusals import InvalidInput, LockdownRequired
from services.security import LockdownFailure, SecurityConfig
from services.sessions_events import append
from services.sessions_hold import drifted, hold, over
from services.sessions_sheet import Happening
from services.sessions_status import is_over
from services.work import Work

TOLD_EVERY: Final = timedelta(minutes=1)
"""How often the timeline is told again of a state that has not changed."""


async def probe(work: Work, session_id: UUID, signal: Signal, sites: Sequence[str]) -> Answer:
    """Judge what a candidate's browser shows, and keep it; what is not verified is an answer and no refusal.

    Refuses a session that has ended or wants no lockdown browser, and values that no browser sends.
    """
    _check(signal)
    session = await hold(work, session_id)
    now = await work.now()
    config = _required(session, now)
    row = await lockdown_keys.of_assignment(work, session.assignment_id)
    keys = Keys() if row is None else Keys(row.config_keys, row.browser_exam_keys)
    finding = lockdown.outcome(signal, keys, Place(sites, session.probe_nonce))
    before = lockdown.state_of(session, config, now), session.probe_cause
    session.probe_state, session.probe_cause, session.probed_at = finding.state, finding.cause, now
    session.probe_failed_count += finding.state is not LockdownState.VERIFIED
    session.probe_signals = signals(signal, finding)
    happenings = _told(session, finding, now, is_news=before != (finding.state, finding.cause))
    _raise_if_running(work, session, finding, now)
    if happenings:
        await append(work, session, happenings, at=now, actor_id=session.user_id)
    return {"session_id": str(session.id)}


def _check(signal: Signal) -> None:
    for name, value, longest in (
        ("url", signal.url, lockdown.LONGEST_URL),
        ("configKeyHash", signal.config_key_hash, lockdown.LONGEST_HASH),
        ("browserExamKeyHash", signal.browser_exam_key_hash, lockdown.LONGEST_HASH),
    ):
        if value is not None and (len(value) > longest or "\x00" in value):
            raise InvalidInput(f"'{name}' has {len(value)} characters; at most {longest} are read.", path=[name])


def _required(session: DeliverySession, now: datetime) -> SecurityConfig:
    """Return the measures of a session that goes on and wants a lockdown browser; refuse any other."""
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if session.state in TERMINAL:
        raise drifted(session)
    config = lockdown.config_of(session)
    if not config.requires_lockdown:
        raise InvalidInput(
            "This session wants no lockdown browser.", hint="Probe only where `MySession.lockdown` is not null."
        )
    return config


def signals(signal: Signal, finding: Finding) -> dict[str, Any]:
    """Return what was shown, as it is kept for whoever may see technical details."""
    return {
        "source": str(signal.source),
        "url": signal.url,
        "config_key_hash": signal.config_key_hash,
        "browser_exam_key_hash": signal.browser_exam_key_hash,
        "cause": str(finding.cause),
    }


def _told(session: DeliverySession, finding: Finding, now: datetime, *, is_news: bool) -> list[Happening]:
    """Return the event that tells of a finding: always when it is news, else once a minute."""
    if not is_news and session.probe_told_at is not None and now - session.probe_told_at < TOLD_EVERY:
        return []
    session.probe_told_at = now
    facts = {"state": str(finding.state), "cause": str(finding.cause), "signals": session.probe_signals}
    return [Happening(EventKind.PROBE_RESULT, facts)]


def _raise_if_running(work: Work, session: DeliverySession, finding: Finding, now: datetime) -> None:
    """Raise an exception where the lockdown browser of a running session is verified no more; once for a session."""
    if session.state == SessionState.CREATED or finding.state is LockdownState.VERIFIED:
        return
    _raise(work, session, finding, now)


def _raise(work: Work, session: DeliverySession, finding: Finding, now: datetime) -> None:
    if session.lockdown_exception_at is not None or session.lockdown_waived_at is not None:
        return
    session.lockdown_exception_at = now
    told = {"user_id": str(session.user_id), "state": str(finding.state), "cause": str(finding.cause)}
    work.record("session.lockdown_exception", ("session", session.id), after=told)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a session may start: `refused` says why not, `raises` that it starts with an exception."""

    refused: str | None = None
    raises: bool = False


def gate(session: DeliverySession, config: SecurityConfig, now: datetime) -> Gate:
    """Decide by the frozen policy whether a session may start now."""
    if not config.requires_lockdown or session.lockdown_waived_at is not None:
        return Gate()
    if lockdown.state_of(session, config, now) is LockdownState.VERIFIED:
        return Gate()
    if config.lockdown_failure is LockdownFailure.RAISE_EXCEPTION:
        return Gate(raises=True)
    return Gate(refused=lockdown.words_of(session, config, now))


def finding_of(session: DeliverySession, config: SecurityConfig, now: datetime) -> Finding:
    """Return what is known of a session's lockdown browser now."""
    state = lockdown.state_of(session, config, now)
    if lockdown.is_overdue(session, config, now) and state is LockdownState.NOT_DETECTED:
        return Finding(state, LockdownCause.SILENT)
    return Finding(state, LockdownCause(session.probe_cause or LockdownCause.NO_SIGNAL))


def admit(work: Work, session: DeliverySession, now: datetime) -> list[Happening]:
    """Let a session start, or refuse it; return the event that tells of an exception, if one was raised."""
    config = lockdown.config_of(session)
    found = gate(session, config, now)
    if found.refused is not None:
        raise LockdownRequired(f"The assessment starts in a lockdown browser only. {found.refused}")
    if not found.raises:
        return []
    finding = finding_of(session, config, now)
    _raise(work, session, finding, now)
    session.probe_told_at = now
    facts = {"state": str(finding.state), "cause": str(finding.cause), "exception": True}
    return [Happening(EventKind.PROBE_RESULT, facts)]


async def refused_start(work: Work, session_id: UUID) -> None:
    """Tell the timeline that a start was refused, at most once a minute for the same state."""
    session = await hold(work, session_id)
    now = await work.now()
    config = lockdown.config_of(session)
    if session.state != SessionState.CREATED or gate(session, config, now).refused is None:
        return
    finding = finding_of(session, config, now)
    happenings = _told(session, finding, now, is_news=session.probe_told_at is None)
    for one in happenings:
        one.payload["start_refused"] = True
    if happenings:
        await append(work, session, happenings, at=now, actor_id=session.user_id)


async def waive(work: Work, session_id: UUID, category: ReasonCategory, reason: str) -> Answer:
    """Let one session go on, and start, without a verified lockdown browser; a second time changes nothing."""
    why = words.reason(reason)
    session = await hold(work, session_id)
    now = await work.now()
    config = _required(session, now)
    if session.lockdown_waived_at is None:
        session.lockdown_waived_at = now
        finding = finding_of(session, config, now)
        told = {"category": str(category), "state": str(finding.state)}
        work.record("session.lockdown_waived", ("session", session.id), reason=why, after=told)
        facts = {"state": str(finding.state), "cause": str(finding.cause), "waived": True, "category": str(category)}
        happening = Happening(EventKind.PROBE_RESULT, facts)
        await append(work, session, [happening], at=now, actor_id=work.viewer.user_id, reason=why)
    return {"session_id": str(session.id)}


async def silent(work: Work, limit: int) -> list[UUID]:
    """Return running sessions that were verified and whose next probe is overdue, and of which nobody was told."""
    row = DeliverySession
    verified = text("delivery_sessions.probe_state = 'verified' and delivery_sessions.ended_at is null")
    waiting = row.state.in_([SessionState.CREATED, SessionState.ACTIVE])
    statement = select(row.id).where(verified, waiting, lockdown.overdue()).order_by(row.probed_at).limit(limit)
    return [one.id for one in await work.rows(statement)]


async def lose(work: Work, session_id: UUID) -> bool:
    """Keep and tell that nothing was heard of a session's lockdown browser; tell whether this call did it."""
    session = await hold(work, session_id)
    now = await work.now()
    config = lockdown.config_of(session)
    running = session.state in {SessionState.CREATED, SessionState.ACTIVE} and not is_over(session, now)
    if not running or session.probe_state != LockdownState.VERIFIED or not lockdown.is_overdue(session, config, now):
        return False
    finding = Finding(LockdownState.NOT_DETECTED, LockdownCause.SILENT)
    session.probe_state, session.probe_cause, session.probe_told_at = finding.state, finding.cause, now
    session.probe_failed_count += 1
    _raise_if_running(work, session, finding, now)
    facts = {"state": str(finding.state), "cause": str(finding.cause)}
    await append(work, session, [Happening(EventKind.PROBE_RESULT, facts)], at=now, actor_id=None)
    return True


async def signals_of(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any] | None]:
    """Return what the browser of each session showed last."""
    row = DeliverySession
    wanted = select(row.id, row.probe_signals).where(row.id.in_(session_ids))
    return {one.id: one.probe_signals for one in await work.rows(wanted)}
