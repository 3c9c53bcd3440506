"""Submissions: what was handed in, unchangeable, with the scores that were given to it (domain.md section 8)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON

from models.submissions import ItemState, Outcome, ScoreCause, SubmissionCause
from models.submissions import ScoreVersion as ScoreRow
from models.submissions import Submission as SubmissionRow
from models.submissions import SubmissionItem as ItemRow
from resolvers import activity, assignments, authoring, corrections, evidence, identity, results, reviews, submissions
from resolvers.context import Context
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, alone, ask, says, told
from schema.activity import Activity, After, Before, First, Last
from schema.connections import Connection, OrderDirection, connect
from schema.evidence import EvidenceItem
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.plans import together
from schema.responses import Response
from schema.results_shown import Inquiry, ResultRelease
from schema.shown import enum_from, id_from, read_from, show
from services.paging import PageRequest
from services.submissions import Filter, SortedBy, SubmissionOrder

if TYPE_CHECKING:
    from schema.assignments import Assignment
    from schema.authoring import EvaluationVersion, QuestionVersion
    from schema.corrections import CorrectionBatch
    from schema.reviews import ReviewTask
    from schema.sessions import Session


@strawberry.type(description="What one item earned in a score.")
class ItemScore:
    """The score of an item."""

    position: int = told("Place in the paper, from 1.")
    state: ItemState = told("Whether the points are known.")
    points: Decimal | None = told("Points earned, up to four decimals; null while a person has to judge.")
    max_points: Decimal = told("What the item is worth.")
    is_correct: bool | None = told("True when everything is right; null while a person has to judge.")
    detail: JSON = told("The rule that was applied and the counts that led to the points.")

    @classmethod
    def of(cls, scored: dict[str, Any]) -> "ItemScore":
        """Show an item's score."""
        points = scored["points"]
        return cls(
            position=scored["position"],
            state=ItemState(scored["state"]),
            points=None if points is None else Decimal(points),
            max_points=Decimal(scored["max_points"]),
            is_correct=scored["correct"],
            detail=JSON(scored["detail"]),
        )


@strawberry.type(description="One scoring of a submission. A correction appends the next one; none is ever changed.")
class ScoreVersion(Node):
    """A score."""

    row: strawberry.Private[ScoreRow]
    number: int = told("Counts the scores of the submission, from 1.")
    points: Decimal = told("Points reached, up to four decimals; while pending, those known so far.")
    max_points: Decimal = told("Points that could be reached.")
    percent: Decimal = told("Share of the points, 0 to 100 with two decimals, half up.")
    outcome: Outcome = told("Passed, failed or pending.")
    cause: ScoreCause = told("By what this score came about.")
    reason: str = told("Why this score was given.")
    scored_at: datetime = told("When.")

    @strawberry.field(description="What each item earned, in the order of the paper.")
    def items(self) -> list[ItemScore]:
        """Show the items' scores."""
        return [ItemScore.of(scored) for scored in self.row.items]

    @strawberry.field(description="Who gave it; null when it was computed.")
    async def scored_by(self, info: Info) -> User | None:
        """Show who scored."""
        person = None if self.row.scored_by is None else await identity.person(info.context, self.row.scored_by)
        return person and User.of(person)

    @strawberry.field(description="The batch of corrections that gave it; null when its cause is another.")
    async def correction_batch(
        self, info: Info
    ) -> Annotated["CorrectionBatch", strawberry.lazy("schema.corrections")] | None:
        """Show the batch."""
        from schema.corrections import CorrectionBatch  # noqa: PLC0415 - the types refer to each other

        if self.cause is not ScoreCause.CORRECTED:
            return None
        row = await corrections.correction_batch(info.context, self.row.source_id)
        return row and CorrectionBatch.of(row)

    @classmethod
    def of(cls, row: ScoreRow) -> "ScoreVersion":
        """Show a score."""
        return cls(
            row=row,
            id=global_id("ScoreVersion", row.id),
            uuid=row.id,
            number=row.number,
            points=row.points,
            max_points=row.max_points,
            percent=row.percent,
            outcome=Outcome(row.outcome),
            cause=ScoreCause(row.cause),
            reason=row.reason,
            scored_at=row.created_at,
        )


async def _evidence_of_items(context: Context, shown: Sequence["SubmissionItem"]) -> list[list[EvidenceItem]]:
    found = await evidence.of_items(context, [(one.row.submission_id, one.row.id) for one in shown])
    return [[EvidenceItem.of(row) for row in rows] for rows in found]


async def _evidence(context: Context, shown: Sequence["Submission"]) -> list[list[EvidenceItem]]:
    found = await evidence.of_submissions(context, [one.row.id for one in shown])
    return [[EvidenceItem.of(row) for row in rows if row.submission_item_id is None] for rows in found]


@strawberry.type(description="One item of a submission, as handed in.")
class SubmissionItem(Node):
    """An item."""

    row: strawberry.Private[ItemRow]
    position: int = told("Place in the candidate's paper, from 1.")
    max_points: Decimal = told("What the item is worth, up to four decimals.")

    @strawberry.field(description="The answer; null when there was none.")
    def response(self) -> Response | None:
        """Show the response."""
        return Response.of(self.row.response)

    @strawberry.field(description="What it earned by the score that counts.")
    async def score(self, info: Info) -> ItemScore | None:
        """Show the item's score."""
        score = await submissions.latest_score(info.context, self.row.submission_id)
        scored = [] if score is None else [one for one in score.items if one["position"] == self.row.position]
        return ItemScore.of(scored[0]) if scored else None

    @ask(authoring.question_version, "The question as it was asked; its options may have stood in another order.")
    async def question_version(
        self,
        info: Info,
    ) -> Annotated["QuestionVersion", strawberry.lazy("schema.authoring")] | None:
        """Show the question version."""
        from schema.authoring import QuestionVersion  # noqa: PLC0415 - the types refer to each other

        row = await authoring.question_version(info.context, self.row.question_version_id)
        return row and QuestionVersion.of(row)

    @ask(evidence.of_items, "Files that belong to this item, oldest first.")
    @together(_evidence_of_items)
    async def evidence(self, info: Info) -> list[EvidenceItem]:
        """Show the evidence."""
        return await alone(_evidence_of_items, info, self)

    @classmethod
    def of(cls, row: ItemRow) -> "SubmissionItem":
        """Show an item."""
        return cls(
            row=row,
            id=global_id("SubmissionItem", row.id),
            uuid=row.id,
            position=row.position,
            max_points=row.max_points,
        )


async def _candidates(context: Context, shown: Sequence["Submission"]) -> list[User | None]:
    people = await identity.people(context, [one.row.user_id for one in shown])
    return [person and User.of(person) for person in people]


async def _releases(context: Context, shown: Sequence["Submission"]) -> list[ResultRelease | None]:
    found = await results.of_submissions(context, [one.row.id for one in shown])
    return [row and ResultRelease.of(row) for row in found]


async def _inquiries(context: Context, shown: Sequence["Submission"]) -> list[Inquiry | None]:
    found = await results.inquiry(context, [one.row.id for one in shown])
    return [row and Inquiry.of(row) for row in found]


@read_from(id=id_from("Submission"), uuid="row.id", cause=enum_from(SubmissionCause, "row.cause"))
@strawberry.type(description="What one session handed in. Only further scores are ever added to it.")
class Submission(Node):
    """A submission."""

    row: strawberry.Private[SubmissionRow]
    cause: SubmissionCause = told("Whether the candidate handed in, or the time ran out.")
    submitted_at: datetime = told("When it was handed in; when the time ran out, that is the deadline.")
    content_hash: str = told("SHA-256, in hex, over the snapshot as JSON with sorted keys, without spaces, in UTF-8.")

    @strawberry.field(description="Evaluation version, drawn items, answers and frozen policy, as they were hashed.")
    async def snapshot(self, info: Info) -> JSON:
        """Show the snapshot."""
        return JSON(await submissions.snapshot(info.context, self.row.id))

    @strawberry.field(description="Who handed in.")
    @together(_candidates)
    async def candidate(self, info: Info) -> User | None:
        """Show the candidate."""
        return await alone(_candidates, info, self)

    @ask(submissions.session, "The session that handed it in.")
    async def session(self, info: Info) -> Annotated["Session", strawberry.lazy("schema.sessions")] | None:
        """Show the session."""
        from schema.sessions import Session  # noqa: PLC0415 - the types refer to each other

        row = await submissions.session(info.context, self.row)
        return row and Session.of(row)

    @ask(assignments.assignment, "The assignment that it belongs to.")
    async def assignment(self, info: Info) -> Annotated["Assignment", strawberry.lazy("schema.assignments")] | None:
        """Show the assignment."""
        from schema.assignments import Assignment  # noqa: PLC0415 - the types refer to each other

        row = await assignments.assignment(info.context, self.row.assignment_id)
        return row and Assignment.of(row)

    @ask(authoring.evaluation_version, "What was sat.")
    async def evaluation_version(
        self,
        info: Info,
    ) -> Annotated["EvaluationVersion", strawberry.lazy("schema.authoring")] | None:
        """Show the evaluation version."""
        from schema.authoring import EvaluationVersion  # noqa: PLC0415 - the types refer to each other

        row = await authoring.evaluation_version(info.context, self.row.evaluation_version_id)
        return row and EvaluationVersion.of(row)

    @strawberry.field(description="The items, in the order of the candidate's paper.")
    async def items(self, info: Info) -> list[SubmissionItem]:
        """Show the items."""
        return [SubmissionItem.of(row) for row in await submissions.items(info.context, self.row.id)]

    @strawberry.field(description="The score that counts.")
    async def latest_score(self, info: Info) -> ScoreVersion | None:
        """Show the latest score."""
        row = await submissions.latest_score(info.context, self.row.id)
        return row and ScoreVersion.of(row)

    @strawberry.field(description="All scores that were ever given, oldest first.")
    async def score_versions(self, info: Info) -> list[ScoreVersion]:
        """Show the history of scores."""
        return [ScoreVersion.of(row) for row in await submissions.score_versions(info.context, self.row.id)]

    @strawberry.field(description="What decides whether the candidate is told the result; null: it is told at once.")
    @together(_releases)
    async def result_release(self, info: Info) -> ResultRelease | None:
        """Show the decision."""
        return await alone(_releases, info, self)

    @strawberry.field(description="The regrade that the candidate asked for; null when none was.")
    @together(_inquiries)
    async def inquiry(self, info: Info) -> Inquiry | None:
        """Show the inquiry."""
        return await alone(_inquiries, info, self)

    @ask(reviews.of_submissions, "Its reviews by people, the first one first; empty when it was scored by rule alone.")
    async def reviews(self, info: Info) -> list[Annotated["ReviewTask", strawberry.lazy("schema.reviews")]]:
        """Show the reviews."""
        from schema.reviews import ReviewTask  # noqa: PLC0415 - the types refer to each other

        found = await reviews.of_submissions(info.context, [self.row.id])
        return [ReviewTask.of(row) for row in found[0]]

    @ask(evidence.of_submissions, "Files that belong to it as a whole, oldest first; those of its items are theirs.")
    @together(_evidence)
    async def evidence(self, info: Info) -> list[EvidenceItem]:
        """Show the evidence."""
        return await alone(_evidence, info, self)

    @ask(activity.of_submission, "What the activity ledger tells of it and of its session, the newest rows first.")
    async def activity(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Activity]:
        """List the ledger's rows."""
        page = PageRequest(first, after, last, before)
        return connect(await activity.of_submission(info.context, self.uuid, page), Activity.of)

    @classmethod
    def of(cls, row: SubmissionRow) -> "Submission":
        """Show a submission."""
        return show(cls, row=row)


@strawberry.input(description="Which submissions are wanted; what is left out does not narrow.")
class SubmissionFilter:
    """Filter of `submissions`."""

    assignment_id: strawberry.ID | None = told("Only submissions to this assignment.", default=None)
    evaluation_id: strawberry.ID | None = told("Only submissions to versions of this evaluation.", default=None)
    outcome: Outcome | None = told("Only submissions with this outcome, by the score that counts.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        assignment, evaluation = self.assignment_id, self.evaluation_id
        return Filter(
            None if assignment is None else local_id("Assignment", assignment, path=["filter", "assignmentId"]),
            None if evaluation is None else local_id("Evaluation", evaluation, path=["filter", "evaluationId"]),
            self.outcome,
        )


@strawberry.input(description="One column of the order of submissions.")
class SubmissionOrderInput:
    """Order of `submissions`."""

    field: SubmissionOrder = told("By what to sort.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.type
class SubmissionsQuery:
    """Queries of staff about submissions."""

    @ask(submissions.submission, "One submission; null when there is none to be seen.")
    async def submission(
        self,
        info: Info,
        id: Annotated[strawberry.ID, says("Global id of the submission.")],
    ) -> Submission | None:
        """Show a submission."""
        row = await submissions.submission(info.context, looked_for("Submission", id))
        return row and Submission.of(row)

    @ask(submissions.submissions_page, "Submissions of the org unit; without an order the newest first.")
    async def submissions(
        self,
        info: Info,
        filter: Annotated[SubmissionFilter | None, says("Which are wanted.")] = None,
        order_by: Annotated[list[SubmissionOrderInput] | None, says("In which order, first column first.")] = None,
        first: Annotated[int | None, says("At most this many, 0 to 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Behind this cursor.")] = None,
        last: Annotated[int | None, says("At most this many from the end, 0 to 100.")] = None,
        before: Annotated[str | None, says("Before this cursor.")] = None,
    ) -> Connection[Submission]:
        """List submissions."""
        wanted = (filter or SubmissionFilter()).plain()
        order = [SortedBy(one.field, descending=one.direction is OrderDirection.DESC) for one in order_by or []]
        page = PageRequest(first=first, after=after, last=last, before=before)
        return connect(await submissions.submissions_page(info.context, wanted, order, page), Submission.of)
