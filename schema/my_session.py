"""What a candidate sees of the own session: the paper without keys, the own answers, and as much result as allowed.

These types are separate from the staff's on purpose: a field that is added there can never appear here by itself.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from models.sessions import Answer as AnswerRow
from models.sessions import DeliverySession, SessionEvent, SessionPaper, SessionState
from resolvers import lockdown, results, sessions, sessions_acts, uploads
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, act, ask, says, told
from schema.lockdown import MyLockdown
from schema.my_result import MyInquiry, MyResult
from schema.my_uploads import MyUpload
from schema.nodes import global_id, local_id
from schema.policy import SecurityConfig
from schema.problems import Problem, attempt
from schema.question_content import QuestionContent, show_content
from schema.responses import Response, ResponseInput
from services import markdown, sessions_status
from services import policy as policies
from services.content_kinds import QuestionKind
from services.policy import FeedbackMode, Policy, bounded
from services.results import ResultState
from services.sessions_answers import Saved
from services.sessions_events import LARGEST_BATCH, Reported, ReportedKind
from services.sessions_sheet import StoredAnswer

ITEM = "PaperItem"


@strawberry.type(description="One question of the candidate's paper, without anything that tells the answer.")
class MyItem:
    """An item."""

    id: strawberry.ID = told("Global id of the item: for `answerSave`.")
    position: int = told("Place in the paper, from 1.")
    section: str = told("Title of the section that the item belongs to.")
    kind: QuestionKind = told("What has to be done to answer.")
    stem: str = told("The question, as Markdown.")
    content: QuestionContent = told("What there is to choose, match, order or fill in, in this paper's order.")
    points: Decimal = told("What the item is worth, up to four decimals.")

    @strawberry.field(description="The question as safe HTML.")
    def stem_html(self) -> str:
        """Render the stem."""
        return markdown.to_html(self.stem)

    @classmethod
    def of(cls, item: dict[str, Any]) -> "MyItem":
        """Show an item of the paper."""
        return cls(
            id=global_id(ITEM, item["item_id"]),
            position=item["position"],
            section=item["section"],
            kind=QuestionKind(item["kind"]),
            stem=item["stem"],
            content=show_content(item["kind"], item["content"]),
            points=Decimal(item["points"]),
        )


@strawberry.type(description="The candidate's own paper, drawn for this session alone.")
class MyPaper:
    """A paper."""

    title: str = told("Title of the assessment.")
    instructions: str = told("Instructions, as Markdown; empty when there are none.")
    items: list[MyItem] = told("The questions, in order.")

    @strawberry.field(description="The instructions as safe HTML.")
    def instructions_html(self) -> str:
        """Render the instructions."""
        return markdown.to_html(self.instructions)

    @classmethod
    def of(cls, row: SessionPaper) -> "MyPaper":
        """Show a paper."""
        return cls(title=row.title, instructions=row.instructions, items=[MyItem.of(item) for item in row.items])


@strawberry.type(description="What is stored for one item.")
class MyAnswer:
    """A saved answer."""

    item_id: strawberry.ID = told("Global id of the item.")
    response: Response | None = told("The response; null when it was cleared.")
    revision: int = told("The client's revision under which it was saved.")
    saved_at: datetime = told("When, by the database's clock.")

    @classmethod
    def of(cls, row: AnswerRow | StoredAnswer) -> "MyAnswer":
        """Show a saved answer."""
        return cls(
            item_id=global_id(ITEM, row.item_id),
            response=Response.of(row.response),
            revision=row.revision,
            saved_at=row.saved_at,
        )


@strawberry.type(description="Something that a proctor wrote to the candidate.")
class MyMessage:
    """A message."""

    seq: int = told("Position in the session's own order; `mySessionStream` tells it with the same one.")
    at: datetime = told("When, by the database's clock.")
    text: str = told("What was written, as plain text.")

    @classmethod
    def of(cls, row: SessionEvent) -> "MyMessage":
        """Show a message."""
        return cls(seq=row.seq, at=row.at, text=row.payload["text"])


@strawberry.type(description="The limits of this session. They were fixed when it was made and hold for it alone.")
class MyPolicy:
    """Limits in the candidate's terms."""

    time_limit_seconds: int | None = told("Working time in seconds, everything included; null when it is unlimited.")
    time_limit_text: str = told("The same in words, such as `1 hour 30 minutes`.")
    window_until: datetime | None = told("When the assessment closes; null when it does not.")
    attempt: int = told("Which attempt this is, from 1.")
    allowed_attempts: int | None = told("How many attempts there are; null when they are unlimited.")
    feedback_mode: FeedbackMode = told("What will be told after handing in.")
    security: SecurityConfig = told("How the session is supervised.")
    network_grace_seconds: int = told("Seconds after the deadline in which an answer on its way still counts.")

    @classmethod
    def of(cls, row: DeliverySession, policy: Policy) -> "MyPolicy":
        """Show a frozen policy."""
        seconds = policy.limits().my_limit_seconds
        return cls(
            time_limit_seconds=seconds,
            time_limit_text=spoken(seconds),
            window_until=row.window_until,
            attempt=row.attempt,
            allowed_attempts=bounded(policy.allowed_attempts.value),
            feedback_mode=policy.feedback_mode.value,
            security=SecurityConfig.of(policy.security.value),
            network_grace_seconds=row.grace_seconds,
        )


@strawberry.type(description="The session of the candidate's token.")
class MySession:
    """The candidate's session."""

    row: strawberry.Private[DeliverySession]
    id: strawberry.ID = told("Global id of the session; staff see the same one.")
    created_at: datetime = told("When the invitation was redeemed.")
    started_at: datetime | None = told("When the clock was started; null before.")
    ended_at: datetime | None = told("When it was handed in, or its time ended; null before.")
    deadline_at: datetime | None = told(
        "When the time ends: the close of the window before the start, the personal deadline after it; null without. "
        "While the session is paused, the one of the beginning of the pause: resuming moves it by the pause.",
    )
    paused_at: datetime | None = told("Since when it is paused; null while it is not.")
    item_count: int = told("How many items the paper has.")
    answered_count: int = told("How many of them are answered.")

    @strawberry.field(description="How far the session is; EXPIRED as soon as its time is over.")
    async def state(self, info: Info) -> SessionState:
        """Tell the state as the clock has it."""
        over = sessions_status.is_over(self.row, await sessions.clock(info.context))
        return SessionState.EXPIRED if over else SessionState(self.row.state)

    @strawberry.field(description="The database's clock now: compare `deadlineAt` with this, not with your own.")
    async def server_now(self, info: Info) -> datetime:
        """Tell the time."""
        return await sessions.clock(info.context)

    @strawberry.field(
        description="Whole seconds that are left, never below 0; a pause leaves them as they are. Null before "
        "the start, after the end and without a limit."
    )
    async def seconds_remaining(self, info: Info) -> int | None:
        """Tell how much time is left."""
        return sessions_status.seconds_remaining(self.row, await sessions.clock(info.context))

    @strawberry.field(description="The limits of this session.")
    def policy(self) -> MyPolicy:
        """Show the frozen policy."""
        return MyPolicy.of(self.row, policies.from_json(self.row.policy))

    @strawberry.field(
        description="How to prove the lockdown browser, and what is known of it; null when none is required."
    )
    async def lockdown(self, info: Info) -> MyLockdown | None:
        """Show the lockdown."""
        config = policies.from_json(self.row.policy).security.value
        if not config.requires_lockdown:
            return None
        now = await sessions.clock(info.context)
        return MyLockdown.of(self.row, config, now, lockdown.probe_url(info.context, self.row))

    @strawberry.field(description="The paper; null until the session is started.")
    async def paper(self, info: Info) -> MyPaper | None:
        """Show the paper."""
        row = await sessions.paper(info.context, self.row)
        return row and MyPaper.of(row)

    @strawberry.field(description="What is stored for each item that was ever answered.")
    async def answers(self, info: Info) -> list[MyAnswer]:
        """Show the answers."""
        return [MyAnswer.of(row) for row in await sessions.answers(info.context, self.row.id)]

    @strawberry.field(description="Files that were announced for items of this paper, oldest first.")
    async def uploads(self, info: Info) -> list[MyUpload]:
        """Show the uploads."""
        return [MyUpload.of(row) for row in await uploads.of_session(info.context, self.row.id)]

    @strawberry.field(description="What proctors wrote to the candidate, oldest first.")
    async def messages(self, info: Info) -> list[MyMessage]:
        """Show the messages."""
        return [MyMessage.of(row) for row in await sessions_acts.my_messages(info.context, self.row.id)]

    @strawberry.field(description="How much can be known of the result now.")
    async def result_state(self, info: Info) -> ResultState:
        """Tell the state."""
        return (await results.told(info.context, self.row)).state

    @strawberry.field(description="When the result was or will be told; null where that is not known, or at once.")
    async def result_from(self, info: Info) -> datetime | None:
        """Tell the instant."""
        return (await results.told(info.context, self.row)).since

    @strawberry.field(
        description="The result; null before something was handed in, while it is kept back, and when nothing is told."
    )
    async def result(self, info: Info) -> MyResult | None:
        """Show the result as far as the policy allows."""
        found = await results.told(info.context, self.row)
        return MyResult.of(found, policies.from_json(self.row.policy).feedback_mode.value)

    @strawberry.field(description="The regrade that was asked for; null when none was.")
    async def inquiry(self, info: Info) -> MyInquiry | None:
        """Show the inquiry."""
        found = await results.my_inquiry(info.context, self.row)
        return found and MyInquiry.of(found[0], is_told=found[1])

    @strawberry.field(description="Until when a regrade can be asked for; null when it cannot, or was.")
    async def inquiry_until(self, info: Info) -> datetime | None:
        """Tell the end of the window."""
        return await results.inquiry_until(info.context, self.row)

    @classmethod
    def of(cls, row: DeliverySession) -> "MySession":
        """Show the candidate's session."""
        return cls(
            row=row,
            id=global_id("Session", row.id),
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            deadline_at=row.deadline_at,
            paused_at=row.paused_at,
            item_count=row.item_count,
            answered_count=row.answered_count,
        )


def spoken(seconds: int | None) -> str:
    """Say a duration in words, without the parts that are nothing."""
    if seconds is None:
        return "No time limit"
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (left, "second")]
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n) or "0 seconds"


KEY = "Repeating a request with the same key and input has one effect and gives the same answer; kept for 24 hours."


@strawberry.input(description="To start the session.")
class SessionStartInput:
    """Input of `sessionStart`."""

    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="An answer to save.")
class AnswerSaveInput:
    """Input of `answerSave`."""

    item_id: strawberry.ID = told("Global id of the item.")
    revision: int = told("Counted by the client for each item, from 1: the highest revision is what stays.")
    response: ResponseInput | None = told("The answer; null clears it.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What else is known about an event.")
class ReportedEventDetailsInput:
    """Details of an event."""

    seconds: int | None = told("How long focus or connection were away, 0 to 604,800 seconds.", default=None)
    characters: int | None = told("How much was pasted, 0 to 1,000,000 characters.", default=None)


@strawberry.input(description="Something that the candidate's browser noticed.")
class ReportedEventInput:
    """An event to record."""

    kind: ReportedKind = told("What happened.")
    client_at: datetime = told("When, by the browser's clock.")
    position: int | None = told("The item it happened at, from 1; required for ITEM_VIEWED.", default=None)
    details: ReportedEventDetailsInput | None = told("What else is known.", default=None)

    def plain(self) -> Reported:
        """Return the event as the rules read it."""
        details = self.details
        if details is None:
            return Reported(self.kind, self.client_at, self.position)
        return Reported(self.kind, self.client_at, self.position, details.seconds, details.characters)


@strawberry.input(description="A batch of events, in the order in which they happened.")
class SessionEventsRecordInput:
    """Input of `sessionEventsRecord`."""

    batch_id: str = told("Chosen by the client, 1 to 64 characters: sending the same batch again changes nothing.")
    events: list[ReportedEventInput] = told(f"1 to {LARGEST_BATCH} events.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="To hand in.")
class SessionSubmitInput:
    """Input of `sessionSubmit`."""

    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Answer of `sessionStart`.")
class SessionStartPayload:
    """What came of starting."""

    session: MySession | None = told("The session, running; null when it was refused.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.type(description="Answer of `answerSave`.")
class AnswerSavePayload:
    """What came of saving."""

    answer: MyAnswer | None = told("What is stored now; null when saving was refused.")
    is_current: bool = told("True when what was sent is what is stored; false when a later revision had come before.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.type(description="Answer of `sessionEventsRecord`.")
class SessionEventsRecordPayload:
    """What came of recording."""

    accepted_count: int = told("How many events of this batch are in the timeline; 0 when it was refused.")
    last_seq: int | None = told("Position of the last of them in the timeline; null when the batch was refused.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.type(description="Answer of `sessionSubmit`.")
class SessionSubmitPayload:
    """What came of handing in."""

    session: MySession | None = told("The session, ended; null when handing in was refused.")
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.type
class MySessionQuery:
    """Queries of a candidate."""

    @ask(sessions.my_session, "The session of the candidate's token.")
    async def my_session(self, info: Info) -> MySession | None:
        """Show the own session."""
        row = await sessions.my_session(info.context)
        return row and MySession.of(row)


@strawberry.type
class MySessionMutation:
    """Acts of a candidate."""

    @act(sessions.session_start, "Start the clock and open the paper. Starting again answers the same.")
    async def session_start(
        self, info: Info, input: Annotated[SessionStartInput, says("How to start.")]
    ) -> SessionStartPayload:
        """Start."""
        row, problems = await attempt(sessions.session_start(info.context, input.idempotency_key))
        return SessionStartPayload(session=row and MySession.of(row), problems=problems)

    @act(sessions.answer_save, "Save the answer to one item. What is acknowledged is durable.", straight=True)
    async def answer_save(
        self, info: Info, input: Annotated[AnswerSaveInput, says("What to save.")]
    ) -> AnswerSavePayload:
        """Save."""
        saved, problems = await attempt(_save(info, input))
        return AnswerSavePayload(
            answer=saved and MyAnswer.of(saved.row),
            is_current=saved is not None and saved.is_current,
            problems=problems,
        )

    @act(
        sessions.session_events_record,
        "Record what the browser noticed; the same batch is taken in once.",
        straight=True,
    )
    async def session_events_record(
        self, info: Info, input: Annotated[SessionEventsRecordInput, says("What to record.")]
    ) -> SessionEventsRecordPayload:
        """Record."""
        events = [event.plain() for event in input.events]
        recorded = sessions.session_events_record(info.context, input.batch_id, events, input.idempotency_key)
        answer, problems = await attempt(recorded)
        return SessionEventsRecordPayload(
            accepted_count=0 if answer is None else answer["accepted"],
            last_seq=None if answer is None else answer["last_seq"],
            problems=problems,
        )

    @act(sessions.session_submit, "Hand in for good. Handing in again answers the same.")
    async def session_submit(
        self, info: Info, input: Annotated[SessionSubmitInput, says("How to hand in.")]
    ) -> SessionSubmitPayload:
        """Hand in."""
        row, problems = await attempt(sessions.session_submit(info.context, input.idempotency_key))
        return SessionSubmitPayload(session=row and MySession.of(row), problems=problems)


async def _save(info: Info, given: AnswerSaveInput) -> Saved:
    item = local_id(ITEM, given.item_id, path=["itemId"])
    response = None if given.response is None else given.response.plain()
    return await sessions.answer_save(info.context, item, given.revision, response, given.idempotency_key)
