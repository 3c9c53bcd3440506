"""Reviews: the queue of what waits for a person, and what there is to judge in each (domain.md section 9)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import JSON

from models.reviews import ReviewDraft, ReviewMark
from models.reviews import ReviewEvent as EventRow
from models.reviews import ReviewTask as TaskRow
from resolvers import assignments, authoring, evidence, identity, reviews, submissions
from resolvers.context import Context
from schema.access import Info, alone, ask, told
from schema.evidence import EvidenceItem
from schema.identity import User
from schema.nodes import Node, global_id
from schema.plans import together
from schema.question_keys import Rubric
from schema.reviews_enums import (
    MarkRole,
    ReviewAction,
    ReviewDecision,
    ReviewEventKind,
    SecondOpinionReason,
    ShownState,
)
from schema.reviews_findings import ReviewFinding
from services import reviews_queue
from services.reviews_actions import Available
from services.reviews_turns import turn_of

if TYPE_CHECKING:
    from schema.assignments import Assignment
    from schema.authoring import EvaluationVersion
    from schema.submissions import Submission, SubmissionItem


@strawberry.type(description="The level that was chosen for one criterion of a rubric.")
class ChosenLevel:
    """A choice."""

    criterion: str = told("Id of the criterion.")
    level: str = told("Id of the chosen level.")


def _levels(stored: dict[str, str] | None) -> list[ChosenLevel] | None:
    return None if stored is None else [ChosenLevel(criterion=name, level=level) for name, level in stored.items()]


@strawberry.type(description="What a reviewer has in mind for an item and has not made final.")
class GradeDraft:
    """A draft."""

    row: strawberry.Private[ReviewDraft]
    points: Decimal | None = told("Points, up to four decimals; null where none were given.")
    levels: list[ChosenLevel] | None = told("Chosen levels, some or all; null where none were chosen.")
    comment: str = told("A comment, as Markdown; empty when nothing was written.")
    revision: int = told("The reviewer's own count of it; only ever grows.")
    saved_at: datetime = told("When it was saved.")
    lost_at: datetime | None = told("When it came from somebody who no longer had the review in hand; else null.")

    @strawberry.field(description="Whose it is.")
    async def marker(self, info: Info) -> User | None:
        """Show the reviewer."""
        person = await identity.person(info.context, self.row.marker_id)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ReviewDraft) -> "GradeDraft":
        """Show a draft."""
        return cls(
            row=row,
            points=row.points,
            levels=_levels(row.levels),
            comment=row.comment,
            revision=row.revision,
            saved_at=row.saved_at,
            lost_at=row.lost_at,
        )


@strawberry.type(description="A reviewer's final mark for an item. None is ever changed.")
class Grade:
    """A mark."""

    row: strawberry.Private[ReviewMark]
    role: MarkRole = told("In which turn it was given.")
    points: Decimal = told("Points, up to four decimals.")
    max_points: Decimal = told("What the item was worth.")
    levels: list[ChosenLevel] | None = told("Chosen levels; null where there was no rubric.")
    comment: str = told("A comment, as Markdown; empty when nothing was written.")
    rationale: str = told("Why it was given.")
    given_at: datetime = told("When.")

    @strawberry.field(description="Who gave it.")
    async def marker(self, info: Info) -> User | None:
        """Show the reviewer."""
        person = await identity.person(info.context, self.row.marker_id)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ReviewMark) -> "Grade":
        """Show a mark."""
        return cls(
            row=row,
            role=MarkRole(row.role),
            points=row.points,
            max_points=row.max_points,
            levels=_levels(row.levels),
            comment=row.comment,
            rationale=row.rationale,
            given_at=row.created_at,
        )


async def _tasks(context: Context, shown: Sequence["ReviewEvent"]) -> list["ReviewTask | None"]:
    found = await reviews.tasks(context, [one.row.task_id for one in shown])
    return [row and ReviewTask.of(row) for row in found]


@strawberry.type(description="Something that happened to a review. Rows are never changed or removed.")
class ReviewEvent:
    """An event."""

    row: strawberry.Private[EventRow]
    id: strawberry.ID = told("Global id of the event; a stream never gives the same one twice.")
    kind: ReviewEventKind = told("What happened.")
    at: datetime = told("When, by the database's clock.")
    reason: str | None = told("Why, where a person said it.")
    facts: JSON = told("What else belongs to it, such as the fence of a claim.")

    @strawberry.field(description="The review that it happened to, as it is now.")
    @together(_tasks)
    async def task(self, info: Info) -> Annotated["ReviewTask", strawberry.lazy("schema.reviews")] | None:
        """Show the review."""
        return await alone(_tasks, info, self)

    @strawberry.field(description="Who did it; null when Evalium itself did.")
    async def actor(self, info: Info) -> User | None:
        """Show the actor."""
        person = None if self.row.actor_id is None else await identity.person(info.context, self.row.actor_id)
        return person and User.of(person)

    @classmethod
    def of(cls, row: EventRow) -> "ReviewEvent":
        """Show an event."""
        return cls(
            row=row,
            id=global_id("ReviewEvent", row.id),
            kind=ReviewEventKind(row.kind),
            at=row.at,
            reason=row.reason,
            facts=JSON(row.payload),
        )


@strawberry.type(description="Something that can be done with a review, or why it cannot.")
class ReviewAvailableAction:
    """An action."""

    action: ReviewAction = told("Which.")
    enabled: bool = told("Whether it can be done now.")
    reason: str | None = told("Why it cannot; null when it can.")

    @classmethod
    def of(cls, one: Available) -> "ReviewAvailableAction":
        """Show an action."""
        return cls(action=one.action, enabled=one.enabled, reason=one.reason)


@strawberry.type(description="An item that a person judges: what was handed in, what it is judged by, and the marks.")
class ReviewItem:
    """An item of a review."""

    task: strawberry.Private[TaskRow]
    item: Annotated["SubmissionItem", strawberry.lazy("schema.submissions")] = told("The item, as handed in.")
    rubric: Rubric | None = told("What is judged by; null when points are given at discretion.")

    @strawberry.field(
        description="Drafts of all reviewers, those that were begun first in front. While a second opinion is to be "
        "given blindly, others see none but their own."
    )
    async def drafts(self, info: Info) -> list[GradeDraft]:
        """Show the drafts."""
        found = await reviews.drafts(info.context, self.task)
        return [GradeDraft.of(one) for one in found if one.submission_item_id == self.item.row.id]

    @strawberry.field(description="The caller's own draft; null without one.")
    async def my_draft(self, info: Info) -> GradeDraft | None:
        """Show the own draft."""
        mine = info.context.viewer.user_id
        return next((one for one in await self.drafts(info) if one.row.marker_id == mine), None)

    @strawberry.field(
        description="Final marks, oldest first. While a second opinion is to be given blindly, others see none but "
        "their own."
    )
    async def grades(self, info: Info) -> list[Grade]:
        """Show the marks."""
        found = await reviews.marks(info.context, self.task)
        return [Grade.of(one) for one in found if one.submission_item_id == self.item.row.id]


async def _states(context: Context, shown: Sequence["ReviewTask"]) -> list[ShownState]:
    claims = await reviews.claims(context, [one.row.id for one in shown])
    now = await reviews.clock(context)
    return [reviews_queue.shown(one.row, claim, now) for one, claim in zip(shown, claims, strict=True)]


async def _holders(context: Context, shown: Sequence["ReviewTask"]) -> list[User | None]:
    claims = await reviews.claims(context, [one.row.id for one in shown])
    now = await reviews.clock(context)
    held = [claim is not None and claim.leased_until > now for claim in claims]
    ids = [claim.holder_id for claim, is_held in zip(claims, held, strict=True) if claim is not None and is_held]
    people = iter(await identity.people(context, ids))
    return [(person := next(people)) and User.of(person) if is_held else None for is_held in held]


async def _leases(context: Context, shown: Sequence["ReviewTask"]) -> list[datetime | None]:
    claims = await reviews.claims(context, [one.row.id for one in shown])
    now = await reviews.clock(context)
    return [None if claim is None or claim.leased_until <= now else claim.leased_until for claim in claims]


async def _candidates(context: Context, shown: Sequence["ReviewTask"]) -> list[User | None]:
    people = await identity.people(context, [one.row.user_id for one in shown])
    return [person and User.of(person) for person in people]


async def _actions(context: Context, shown: Sequence["ReviewTask"]) -> list[list["ReviewAvailableAction"]]:
    found = await reviews.actions(context, [one.row for one in shown])
    return [[ReviewAvailableAction.of(one) for one in some] for some in found]


async def _evidence(context: Context, shown: Sequence["ReviewTask"]) -> list[list[EvidenceItem]]:
    found = await evidence.of_submissions(context, [one.row.submission_id for one in shown])
    return [[EvidenceItem.of(row) for row in rows] for rows in found]


@strawberry.type(description="One submission that waits, or waited, for the judgement of a person.")
class ReviewTask(Node):
    """A review."""

    row: strawberry.Private[TaskRow]
    round: int = told("Counts the reviews of the submission, from 1.")
    item_count: int = told("Items that a person judges.")
    pending_count: int = told("Items that have no mark in this turn yet.")
    pending: str = told("The same in words, such as `2 items pending`.")
    created_at: datetime = told("Since when it waits.")
    due_at: datetime = told("When it is to be done.")
    finalised_at: datetime | None = told("When the last mark became final; null before.")
    turn: MarkRole | None = told("In which turn marks are given now; null when there is nothing to mark.")
    second_opinion_note: str | None = told("What the reviewer said who wanted one; null where nobody did.")
    is_observed: bool = told("Whether something was observed, which is approved or rejected after its marks.")
    is_independent: bool = told("Whether whoever marked the submission before takes no part.")
    decision: ReviewDecision | None = told("What was decided on what was observed; null before.")
    version: int = told("Counts changes of state and hands.")

    @strawberry.field(description="What the caller can do with it now, and else why not.")
    @together(_actions)
    async def available_actions(self, info: Info) -> list[ReviewAvailableAction]:
        """Tell what can be done."""
        return await alone(_actions, info, self)

    @strawberry.field(
        description="Why a second person is asked; empty while none is. While a second opinion is to be given blindly, "
        "others than the first reviewer are told `MANUAL` alone."
    )
    async def second_opinion_reasons(self, info: Info) -> list[SecondOpinionReason]:
        """Tell the reasons."""
        return await reviews.second_opinion_reasons(info.context, self.row)

    @strawberry.field(
        description="What reviewers object to, oldest first. While a second opinion is to be given blindly, others see "
        "none but their own."
    )
    async def findings(self, info: Info) -> list[ReviewFinding]:
        """Show the findings."""
        return [ReviewFinding.of(one) for one in await reviews.findings(info.context, self.row)]

    @strawberry.field(description="How far it is.")
    @together(_states)
    async def state(self, info: Info) -> ShownState:
        """Tell the state as of this operation."""
        return await alone(_states, info, self)

    @strawberry.field(description="Who has it in hand; null while nobody has.")
    @together(_holders)
    async def claimed_by(self, info: Info) -> User | None:
        """Show the holder."""
        return await alone(_holders, info, self)

    @strawberry.field(description="Until when it is in hand, unless its holder does something; null while nobody has.")
    @together(_leases)
    async def leased_until(self, info: Info) -> datetime | None:
        """Tell the end of the lease."""
        return await alone(_leases, info, self)

    @strawberry.field(description="The fence of the caller's own claim, to be shown with every act; null without one.")
    async def my_fence(self, info: Info) -> int | None:
        """Tell the fence."""
        claim = (await reviews.claims(info.context, [self.row.id]))[0]
        now, mine = await reviews.clock(info.context), info.context.viewer.user_id
        return claim.fence if claim is not None and claim.leased_until > now and claim.holder_id == mine else None

    @strawberry.field(description="Who handed in.")
    @together(_candidates)
    async def candidate(self, info: Info) -> User | None:
        """Show the candidate."""
        return await alone(_candidates, info, self)

    @ask(submissions.submission, "What was handed in.")
    async def submission(self, info: Info) -> Annotated["Submission", strawberry.lazy("schema.submissions")] | None:
        """Show the submission."""
        from schema.submissions import Submission  # noqa: PLC0415 - the types refer to each other

        row = await submissions.submission(info.context, self.row.submission_id)
        return row and Submission.of(row)

    @ask(evidence.of_submissions, "All files of what is reviewed, also those of its items, oldest first.")
    @together(_evidence)
    async def evidence(self, info: Info) -> list[EvidenceItem]:
        """Show the evidence."""
        return await alone(_evidence, info, self)

    @ask(assignments.assignment, "The assignment that it belongs to.")
    async def assignment(self, info: Info) -> Annotated["Assignment", strawberry.lazy("schema.assignments")] | None:
        """Show the assignment."""
        from schema.assignments import Assignment  # noqa: PLC0415 - the types refer to each other

        row = await assignments.assignment(info.context, self.row.assignment_id)
        return row and Assignment.of(row)

    @ask(authoring.evaluation_version, "What was sat.")
    async def evaluation_version(
        self, info: Info
    ) -> Annotated["EvaluationVersion", strawberry.lazy("schema.authoring")] | None:
        """Show the evaluation version."""
        from schema.authoring import EvaluationVersion  # noqa: PLC0415 - the types refer to each other

        row = await authoring.evaluation_version(info.context, self.row.evaluation_version_id)
        return row and EvaluationVersion.of(row)

    @strawberry.field(description="What there is to judge, in the order of the paper.")
    async def items(self, info: Info) -> list[ReviewItem]:
        """Show the items that a person judges."""
        from schema.submissions import SubmissionItem  # noqa: PLC0415 - the types refer to each other

        found = await reviews.items(info.context, self.row.submission_id)
        judged = await reviews.judged(info.context, [one.question_version_id for one in found])
        shown: list[ReviewItem] = []
        for row, by in zip(found, judged, strict=True):
            if by is not None:
                rubric = Rubric.of(by.rubric)
                shown.append(ReviewItem(task=self.row, item=SubmissionItem.of(row), rubric=rubric))
        return shown

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info) -> list[ReviewEvent]:
        """Show the events."""
        return [ReviewEvent.of(one) for one in await reviews.events(info.context, self.row.id)]

    @classmethod
    def of(cls, row: TaskRow) -> "ReviewTask":
        """Show a review."""
        count = row.pending_count
        return cls(
            row=row,
            id=global_id("ReviewTask", row.id),
            uuid=row.id,
            round=row.round,
            item_count=row.item_count,
            pending_count=count,
            pending="1 item pending" if count == 1 else f"{count} items pending",
            created_at=row.created_at,
            due_at=row.due_at,
            finalised_at=row.finalised_at,
            turn=turn_of(row),
            second_opinion_note=row.note,
            is_observed=row.is_observed,
            is_independent=row.is_independent,
            decision=None if row.decision is None else ReviewDecision(row.decision),
            version=row.version,
        )
