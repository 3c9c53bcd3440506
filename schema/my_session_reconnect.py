"""How a candidate's browser stays connected, and sends what was saved while it was not."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from models.sessions import SessionState
from resolvers import sessions_reconnect
from schema.access import Info, act, says, told
from schema.my_session import ITEM, KEY, MyAnswer
from schema.nodes import global_id, local_id
from schema.problems import Problem, attempt, problem_of
from schema.responses import ResponseInput
from services.refusals import Refusal
from services.sessions_answers import MOST_ANSWERS, Saved
from services.sessions_connection import Pulse


@strawberry.input(description="That the candidate's browser is there.")
class SessionHeartbeatInput:
    """Input of `sessionHeartbeat`."""

    include_revisions: bool | None = told(
        "True after a reconnect: to be told the stored revisions, and so what is still to be sent.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="The revision under which an answer is stored.")
class MyRevision:
    """A revision."""

    item_id: strawberry.ID = told("Global id of the item.")
    revision: int = told("The revision that is stored; lower ones need not be sent again.")


@strawberry.type(description="The session at a heartbeat, as the clock has it.")
class SessionPulse:
    """What a heartbeat is answered."""

    server_now: datetime = told("The database's clock: compare `deadlineAt` with this, not with your own.")
    state: SessionState = told("How far the session is; EXPIRED as soon as its time is over.")
    deadline_at: datetime | None = told("When the time ends; null without a limit.")
    seconds_remaining: int | None = told(
        "Whole seconds that are left, never below 0; null before the start, after the end and without a limit."
    )
    answered_count: int = told("How many items are answered.")
    revisions: list[MyRevision] | None = told("The stored revisions by item; null unless they were asked for.")

    @classmethod
    def of(cls, pulse: Pulse) -> "SessionPulse":
        """Show the answer."""
        stored = pulse.revisions
        return cls(
            server_now=pulse.now,
            state=pulse.state,
            deadline_at=pulse.deadline_at,
            seconds_remaining=pulse.seconds_remaining,
            answered_count=pulse.answered_count,
            revisions=None
            if stored is None
            else [MyRevision(item_id=global_id(ITEM, item), revision=revision) for item, revision in stored],
        )


@strawberry.type(description="Answer of `sessionHeartbeat`.")
class SessionHeartbeatPayload:
    """What came of a heartbeat."""

    pulse: SessionPulse | None = told("The session now; null when the heartbeat was refused.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.input(description="One of several answers to save.")
class AnswerInput:
    """An answer."""

    item_id: strawberry.ID = told("Global id of the item.")
    revision: int = told("Counted by the client for each item, from 1: the highest revision is what stays.")
    response: ResponseInput | None = told("The answer; null clears it.", default=None)

    def plain(self, index: int) -> tuple[UUID, int, Any]:
        """Return the answer as the service reads it; refuse what is not the id of an item."""
        response = None if self.response is None else self.response.plain()
        return local_id(ITEM, self.item_id, path=["answers", index, "itemId"]), self.revision, response


@strawberry.input(description="Answers to save, as from a queue that was filled while there was no connection.")
class AnswersSaveInput:
    """Input of `answersSave`."""

    answers: list[AnswerInput] = told(f"1 to {MOST_ANSWERS} answers, in any order.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What came of saving one of several answers.")
class AnswersSaveResult:
    """A row of the result."""

    index: int = told("Place of the answer in the list, from 0.")
    answer: MyAnswer | None = told("What is stored now; null when saving was refused.")
    is_current: bool = told("True when what was sent is what is stored; false when a later revision had come before.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")

    @classmethod
    def of(cls, index: int, row: Saved | Refusal) -> "AnswersSaveResult":
        """Show what came of one."""
        if isinstance(row, Refusal):
            return cls(index=index, answer=None, is_current=False, problems=[problem_of(row)])
        return cls(index=index, answer=MyAnswer.of(row.row), is_current=row.is_current, problems=[])


@strawberry.type(description="Answer of `answersSave`.")
class AnswersSavePayload:
    """What came of saving several."""

    results: list[AnswersSaveResult] = told(
        "One for each answer, in the order of the list; empty when nothing was saved."
    )
    problems: list[Problem] = told("Why nothing was saved, as after the deadline; empty when it was looked at.")


@strawberry.type
class MySessionReconnectMutation:
    """Acts of a candidate's browser around a connection that breaks."""

    @act(
        sessions_reconnect.heartbeat,
        "Say that the candidate's browser is there: every ten seconds or so. It is no activity and leaves no event.",
        straight=True,
    )
    async def session_heartbeat(
        self, info: Info, input: Annotated[SessionHeartbeatInput, says("What is wanted back.")]
    ) -> SessionHeartbeatPayload:
        """Beat."""
        beat = sessions_reconnect.heartbeat(
            info.context, input.idempotency_key, with_revisions=bool(input.include_revisions)
        )
        pulse, problems = await attempt(beat)
        return SessionHeartbeatPayload(pulse=pulse and SessionPulse.of(pulse), problems=problems)

    @act(
        sessions_reconnect.answers_save,
        "Save the answers to several items, each as `answerSave` does; each is saved or refused by itself. What is "
        "acknowledged is durable.",
        straight=True,
    )
    async def answers_save(
        self, info: Info, input: Annotated[AnswersSaveInput, says("What to save.")]
    ) -> AnswersSavePayload:
        """Save."""
        rows, problems = await attempt(_save(info, input))
        results = [AnswersSaveResult.of(index, row) for index, row in enumerate(rows or ())]
        return AnswersSavePayload(results=results, problems=problems)


async def _save(info: Info, given: AnswersSaveInput) -> list[Saved | Refusal]:
    answers = [one.plain(index) for index, one in enumerate(given.answers)]
    return await sessions_reconnect.answers_save(info.context, answers, given.idempotency_key)
