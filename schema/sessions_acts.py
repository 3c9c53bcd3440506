"""Acts of a proctor: pause, resume, terminate, extend, message, note, each for one session or many."""

from collections.abc import Awaitable, Sequence
from typing import Annotated

import strawberry

from models.sessions import ReasonCategory
from resolvers import sessions_acts
from resolvers.sessions_acts import Row
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, act, says, told
from schema.incidents_acts import CATEGORY, kept_problem
from schema.nodes import looked_for
from schema.problems import Problem, attempt
from schema.sessions import Session
from schema.users_acts import KEY, WHY
from services.policy import LONGEST_LIMIT_SECONDS
from services.sessions_acts import MOST, Target
from services.sessions_pause import Why
from services.words import LONGEST_MESSAGE

SESSIONS = f"Which sessions: 1 to {MOST}, each once."
IDS = f"Global ids of the sessions: 1 to {MOST}, each once."


@strawberry.input(description="A session to act on, and the version that was decided on.")
class SessionTargetInput:
    """One session."""

    id: strawberry.ID = told("Global id of the session.")
    expected_version: int | None = told(
        "`Session.version` as it was shown; another one by now is refused by `STATE_DRIFT`.", default=None
    )

    def plain(self) -> Target:
        """Return it as the service reads it."""
        return Target(str(self.id), looked_for("Session", self.id), self.expected_version)


@strawberry.input(description="Sessions to pause, and why.")
class SessionPauseInput:
    """Input of `sessionPause`."""

    sessions: list[SessionTargetInput] = told(SESSIONS)
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Sessions to resume; a reason may be given.")
class SessionResumeInput:
    """Input of `sessionResume`."""

    sessions: list[SessionTargetInput] = told(SESSIONS)
    category: ReasonCategory = told("What kind of reason there is; OTHER when left out.", default=ReasonCategory.OTHER)
    reason: str | None = told("Why, at most 1,000 characters, if there is something to say.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Sessions to end for good, and why.")
class SessionTerminateInput:
    """Input of `sessionTerminate`."""

    sessions: list[SessionTargetInput] = told(SESSIONS)
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Sessions to give more time, how much, and why.")
class SessionExtendInput:
    """Input of `sessionExtend`."""

    sessions: list[SessionTargetInput] = told(SESSIONS)
    seconds: int = told(f"How many seconds each is given, 1 to {LONGEST_LIMIT_SECONDS}.")
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What to write to the candidates of sessions.")
class SessionMessageInput:
    """Input of `sessionMessage`."""

    ids: list[strawberry.ID] = told(IDS)
    text: str = told(f"Plain text, 1 to {LONGEST_MESSAGE} characters; the candidates are shown it.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What to note at sessions.")
class SessionNoteInput:
    """Input of `sessionNote`."""

    ids: list[strawberry.ID] = told(IDS)
    text: str = told(f"Plain text, 1 to {LONGEST_MESSAGE} characters; no candidate is ever shown it.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one session.")
class SessionActResult:
    """A row of the result."""

    index: int = told("Place of the session in the list, from 0.")
    node: Session | None = told("The session as it is now; null when there is none to be seen.")
    problems: list[Problem] = told("Why it could not be done with this session; empty when it was.")


@strawberry.type(description="One result for each session.")
class SessionActPayload:
    """Answer of the acts."""

    results: list[SessionActResult] = told("One for each session, in the order of the list.")
    problems: list[Problem] = told("Why nothing was done.")


def _targets(given: Sequence[SessionTargetInput]) -> list[Target]:
    return [one.plain() for one in given]


def _named(ids: Sequence[strawberry.ID]) -> list[Target]:
    return [Target(str(one), looked_for("Session", one)) for one in ids]


async def _answered(acted: Awaitable[list[Row]]) -> SessionActPayload:
    rows, problems = await attempt(acted)
    results = [
        SessionActResult(
            index=index,
            node=row.session and Session.of(row.session),
            problems=[] if row.problem is None else [kept_problem(**row.problem)],
        )
        for index, row in enumerate(rows or [])
    ]
    return SessionActPayload(results=results, problems=problems)


@strawberry.type
class SessionsActsMutation:
    """Acts of a proctor."""

    @act(
        sessions_acts.session_pause,
        "Stop the clock of sessions, in one transaction. While a session is paused, nothing is taken in and no time "
        "passes. What cannot be paused is refused by row, and the others are paused.",
    )
    async def session_pause(
        self, info: Info, input: Annotated[SessionPauseInput, says("Which sessions, and why.")]
    ) -> SessionActPayload:
        """Pause."""
        why = Why(input.category, input.reason)
        targets = _targets(input.sessions)
        return await _answered(sessions_acts.session_pause(info.context, targets, why, input.idempotency_key))

    @act(
        sessions_acts.session_resume,
        "Let the clock of sessions run again, in one transaction: the end of each moves by exactly its own pause.",
    )
    async def session_resume(
        self, info: Info, input: Annotated[SessionResumeInput, says("Which sessions.")]
    ) -> SessionActPayload:
        """Resume."""
        why = Why(input.category, input.reason or "")
        targets = _targets(input.sessions)
        return await _answered(sessions_acts.session_resume(info.context, targets, why, input.idempotency_key))

    @act(
        sessions_acts.session_terminate,
        "End sessions for good, in one transaction. What was saved in a session that was started is handed in. What "
        "has ended already is refused by row.",
    )
    async def session_terminate(
        self, info: Info, input: Annotated[SessionTerminateInput, says("Which sessions, and why.")]
    ) -> SessionActPayload:
        """Terminate."""
        why = Why(input.category, input.reason)
        targets = _targets(input.sessions)
        return await _answered(sessions_acts.session_terminate(info.context, targets, why, input.idempotency_key))

    @act(
        sessions_acts.session_extend,
        "Give sessions more time, in one transaction, by an override for each that counts for this session alone; "
        "`overrideReverse` takes it back. Candidates are told the new end at once.",
    )
    async def session_extend(
        self, info: Info, input: Annotated[SessionExtendInput, says("Which sessions, how much, and why.")]
    ) -> SessionActPayload:
        """Extend."""
        why, targets = Why(input.category, input.reason), _targets(input.sessions)
        acted = sessions_acts.session_extend(info.context, targets, input.seconds, why, input.idempotency_key)
        return await _answered(acted)

    @act(
        sessions_acts.session_message,
        "Write to the candidates of sessions, who are shown it at once. What has ended is refused by row.",
    )
    async def session_message(
        self, info: Info, input: Annotated[SessionMessageInput, says("Which sessions, and what.")]
    ) -> SessionActPayload:
        """Write."""
        targets = _named(input.ids)
        return await _answered(sessions_acts.session_message(info.context, targets, input.text, input.idempotency_key))

    @act(
        sessions_acts.session_note,
        "Note something at sessions, in whatever state they are. Only staff see it.",
    )
    async def session_note(
        self, info: Info, input: Annotated[SessionNoteInput, says("Which sessions, and what.")]
    ) -> SessionActPayload:
        """Note."""
        targets = _named(input.ids)
        return await _answered(sessions_acts.session_note(info.context, targets, input.text, input.idempotency_key))
