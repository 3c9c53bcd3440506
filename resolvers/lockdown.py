"""The lockdown browser: keys of an assignment, probes of a candidate, and what staff see and allow."""

from functools import partial
from typing import Any
from uuid import UUID

from dataloaders import assignments as assignment_loaders
from dataloaders import lockdown as loaders
from dataloaders import sessions as session_loaders
from models.assignments import Assignment
from models.capabilities import Capability
from models.lockdown import AssignmentLockdown
from models.sessions import DeliverySession, ReasonCategory, SessionEvent
from resolvers.access import candidate, requires
from resolvers.context import Context
from services import lockdown_keys, lockdown_probe
from services.idempotency import Answer
from services.lockdown import Keys, Signal
from services.refusals import NotFound, Unauthenticated
from services.work import Work


def sites(context: Context) -> list[str]:
    """Return where candidates sit: this service, and the front end if there is one."""
    house = context.house
    return [house.site] if house.front_end is None else [house.site, house.front_end]


def probe_url(context: Context, session: DeliverySession) -> str:
    """Return the address of a session's own probe."""
    return f"{context.house.site}/api/v1/sessions/probe/{session.probe_nonce}"


async def keys_of(context: Context, assignment_id: UUID) -> AssignmentLockdown | None:
    """Return the keys of an assignment; None when none were ever set."""
    return await context.loaders.of(loaders.keys).load(assignment_id)


@requires(Capability.SESSIONS_TECHNICAL_DETAILS)
async def config_keys(_context: Context, row: AssignmentLockdown | None) -> list[str]:
    """Return the config keys themselves."""
    return [] if row is None else row.config_keys


@requires(Capability.SESSIONS_TECHNICAL_DETAILS)
async def browser_exam_keys(_context: Context, row: AssignmentLockdown | None) -> list[str]:
    """Return the browser exam keys themselves."""
    return [] if row is None else row.browser_exam_keys


@requires(Capability.SESSIONS_TECHNICAL_DETAILS)
async def signals(context: Context, session_id: UUID) -> dict[str, Any] | None:
    """Return what the browser of a session showed last."""
    return await context.loaders.of(loaders.signals).load(session_id)


@requires(Capability.SESSIONS_TECHNICAL_DETAILS)
async def event_signals(_context: Context, row: SessionEvent) -> dict[str, Any] | None:
    """Return what the browser showed at an event."""
    return row.payload.get("signals")


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_lockdown_update(
    context: Context, assignment_id: UUID, keys: Keys, key: str | None
) -> Assignment | None:
    """Set the keys of an assignment."""

    async def act(work: Work) -> Answer:
        return await lockdown_keys.change(work, assignment_id, keys, ["keys"])

    given = {"assignment": str(assignment_id), "config": keys.config, "browser_exam": keys.browser_exam}
    answer = await context.write("assignmentLockdownUpdate", key, given, act)
    return await context.loaders.of(assignment_loaders.by_id).load(UUID(answer["assignment"]))


@candidate
async def session_probe(context: Context, signal: Signal, key: str | None) -> DeliverySession:
    """Judge what the candidate's browser shows, with rights that reach the keys; the session is the token's."""
    session_id = context.viewer.session_id
    if session_id is None:
        raise Unauthenticated("This needs a candidate's session token.")

    async def act(work: Work) -> Answer:
        return await lockdown_probe.probe(work, session_id, signal, sites(context))

    given = {"url": signal.url, "config": signal.config_key_hash, "browser_exam": signal.browser_exam_key_hash}
    await context.write("sessionProbe", key, given, act, viewer=context.viewer.elevated())
    return await _read_back(context, session_id)


async def refused_start(context: Context, session_id: UUID) -> None:
    """Tell the timeline that the start of a session was refused; the refusal itself has changed nothing."""
    act = partial(lockdown_probe.refused_start, session_id=session_id)
    await context.house.office.perform(context.viewer.elevated(), act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_probe_waive(
    context: Context, session_id: UUID, category: ReasonCategory, reason: str, key: str | None
) -> DeliverySession:
    """Let one session go on without a verified lockdown browser."""

    async def act(work: Work) -> Answer:
        return await lockdown_probe.waive(work, session_id, category, reason)

    given = {"session": str(session_id), "category": category, "reason": reason}
    await context.write("sessionProbeWaive", key, given, act)
    return await _read_back(context, session_id)


async def _read_back(context: Context, session_id: UUID) -> DeliverySession:
    row = await context.loaders.of(session_loaders.by_id).load(session_id)
    if row is None:
        raise NotFound("Session", session_id)
    return row
