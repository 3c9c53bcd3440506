"""What is done about the lockdown browser: set keys, probe, allow a session without it."""

from typing import Annotated

import strawberry

from models.sessions import DeliverySession, ReasonCategory
from resolvers import lockdown
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, act, says, told
from schema.assignments import Assignment
from schema.lockdown import LockdownKeysInput
from schema.my_session import MySession
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.sessions import Session
from schema.users_acts import KEY, WHY
from services.lockdown import Signal, Source


@strawberry.input(description="The keys of Safe Exam Browser that count for an assignment from now on.")
class AssignmentLockdownUpdateInput:
    """Input of `assignmentLockdownUpdate`."""

    assignment_id: strawberry.ID = told("Global id of the assignment.")
    keys: LockdownKeysInput = told("All keys that count; without any, none can be proven.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Answer of `assignmentLockdownUpdate`.")
class AssignmentLockdownUpdatePayload:
    """What came of setting keys."""

    assignment: Assignment | None = told("The assignment; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.input(description="What the candidate's browser shows of itself.")
class SessionProbeInput:
    """Input of `sessionProbe`."""

    url: str = told("Address for which the hashes were made, as the browser has it (`location.href`).")
    config_key_hash: str | None = told("`SafeExamBrowser.security.configKey`; null when there is none.", default=None)
    browser_exam_key_hash: str | None = told(
        "`SafeExamBrowser.security.browserExamKey`; null when there is none.", default=None
    )
    source: Source = told("How the browser gave the hashes.", default=Source.JAVASCRIPT)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Answer of `sessionProbe`.")
class SessionProbePayload:
    """What came of a probe."""

    session: MySession | None = told("The session, with what is known of its lockdown browser now; null when refused.")
    problems: list[Problem] = told("Why it was refused. A browser that is not verified is an answer and no refusal.")


@strawberry.input(description="A session to let go on without a verified lockdown browser, and why.")
class SessionProbeWaiveInput:
    """Input of `sessionProbeWaive`."""

    session_id: strawberry.ID = told("Global id of the session.")
    category: ReasonCategory = told("What kind of reason there is.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Answer of `sessionProbeWaive`.")
class SessionProbeWaivePayload:
    """What came of allowing it."""

    session: Session | None = told("The session as it is now; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type
class LockdownMutation:
    """Acts about the lockdown browser."""

    @act(
        lockdown.assignment_lockdown_update,
        "Set the keys of Safe Exam Browser that count for an assignment, in place of those before; they count from the "
        "next probe of each session on.",
    )
    async def assignment_lockdown_update(
        self, info: Info, input: Annotated[AssignmentLockdownUpdateInput, says("Which assignment, and the keys.")]
    ) -> AssignmentLockdownUpdatePayload:
        """Set keys."""
        done, problems = await attempt(_update(info, input))
        return AssignmentLockdownUpdatePayload(assignment=done, problems=problems)

    @act(
        lockdown.session_probe,
        "Prove that the candidate's browser is the lockdown browser. What it shows counts only for an address that "
        "carries this session's nonce.",
    )
    async def session_probe(
        self, info: Info, input: Annotated[SessionProbeInput, says("What the browser shows.")]
    ) -> SessionProbePayload:
        """Probe."""
        signal = Signal(input.url, input.config_key_hash, input.browser_exam_key_hash, input.source)
        row, problems = await attempt(lockdown.session_probe(info.context, signal, input.idempotency_key))
        return SessionProbePayload(session=row and MySession.of(row), problems=problems)

    @act(
        lockdown.session_probe_waive,
        "Allow one session to start and go on without a verified lockdown browser, and close its exception. It is "
        "probed on, and every result stays in its timeline.",
    )
    async def session_probe_waive(
        self, info: Info, input: Annotated[SessionProbeWaiveInput, says("Which session, and why.")]
    ) -> SessionProbeWaivePayload:
        """Allow."""
        row, problems = await attempt(_waive(info, input))
        return SessionProbeWaivePayload(session=row and Session.of(row), problems=problems)


async def _update(info: Info, given: AssignmentLockdownUpdateInput) -> Assignment | None:
    assignment_id = local_id("Assignment", given.assignment_id, path=["assignmentId"])
    row = await lockdown.assignment_lockdown_update(
        info.context, assignment_id, given.keys.plain(), given.idempotency_key
    )
    return row and Assignment.of(row)


async def _waive(info: Info, given: SessionProbeWaiveInput) -> DeliverySession:
    session_id = local_id("Session", given.session_id, path=["sessionId"])
    return await lockdown.session_probe_waive(
        info.context, session_id, given.category, given.reason, given.idempotency_key
    )
