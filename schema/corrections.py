"""Corrections: batches that were applied, what each of their lines does, and the scores that they gave."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.corrections import Correction as CorrectionRow
from models.corrections import CorrectionBatch as BatchRow
from models.corrections import CorrectionKind
from models.submissions import Outcome
from resolvers import authoring, corrections, identity, submissions
from resolvers.context import Context
from schema.access import Info, alone, ask, preview, says, told
from schema.authoring_questions import QuestionVersion
from schema.connections import After, Before, Connection, First, Last, connect
from schema.corrections_inputs import LINES, CorrectionLineInput, given_lines
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.plans import together
from schema.problems import Problem, attempt
from schema.question_keys import QuestionKey, show_key
from schema.responses import Response
from schema.submissions import ScoreVersion, Submission
from services.corrections_draft import Draft
from services.corrections_read import Corrected
from services.corrections_walk import Tally
from services.paging import PageRequest
from services.scores import Change
from services.scoring_revised import VoidCredit

if TYPE_CHECKING:
    from schema.authoring import EvaluationVersion

closed_set(
    CorrectionKind,
    "CorrectionKind",
    "What a correction does to a question.",
    {
        CorrectionKind.VOID: "It counts no more, or counts for everybody.",
        CorrectionKind.ACCEPT: "A further answer is accepted beside the key.",
        CorrectionKind.KEY: "It has another key.",
        CorrectionKind.POINTS: "It is worth other points.",
    },
)


@strawberry.type(description="One line of a correction: a question, and what holds for it.")
class Correction:
    """A line."""

    row: strawberry.Private[CorrectionRow]
    position: int = told("Place in the batch, from 1.")
    kind: CorrectionKind = told("What it does.")
    credit: VoidCredit | None = told("What a voided question still counts for; null for the other kinds.")
    points: Decimal | None = told("What the question is worth; null for the other kinds.")

    @ask(authoring.question_version, "The question as it was asked.")
    async def question_version(self, info: Info) -> QuestionVersion | None:
        """Show the question version."""
        row = await authoring.question_version(info.context, self.row.question_version_id)
        return row and QuestionVersion.of(row)

    @ask(corrections.line_answer, "The further accepted answer; null for the other kinds.")
    async def response(self, info: Info) -> Response | None:
        """Show the answer."""
        return Response.of((await corrections.line_answer(info.context, self.row)).get("response"))

    @ask(corrections.line_answer, "The key that holds instead; null for the other kinds.")
    async def key(self, info: Info) -> QuestionKey | None:
        """Show the key."""
        stored = (await corrections.line_answer(info.context, self.row)).get("key")
        asked = await authoring.question_version(info.context, self.row.question_version_id)
        return None if stored is None or asked is None else show_key(asked.kind, asked.content, stored)

    @classmethod
    def of(cls, row: CorrectionRow) -> "Correction":
        """Show a line."""
        credit, points = row.value.get("credit"), row.value.get("points")
        return cls(
            row=row,
            position=row.position,
            kind=CorrectionKind(row.kind),
            credit=None if credit is None else VoidCredit(credit),
            points=None if points is None else Decimal(points),
        )


@strawberry.type(description="A score that a batch gave, next to the one that counted until then.")
class CorrectedScore:
    """A score of a batch."""

    corrected: strawberry.Private[Corrected]
    before: ScoreVersion = told("The score that counted until then.")
    after: ScoreVersion = told("The score that the batch gave.")

    @ask(submissions.submission, "The submission that it is the score of.")
    async def submission(self, info: Info) -> Submission | None:
        """Show the submission."""
        row = await submissions.submission(info.context, self.corrected.after.submission_id)
        return row and Submission.of(row)

    @classmethod
    def of(cls, corrected: Corrected) -> "CorrectedScore":
        """Show a score."""
        before, after = ScoreVersion.of(corrected.before), ScoreVersion.of(corrected.after)
        return cls(corrected=corrected, before=before, after=after)


async def _in_force(context: Context, shown: Sequence["CorrectionBatch"]) -> list[bool]:
    return await corrections.is_in_force(context, [one.row for one in shown])


@strawberry.type(description="Corrections of an evaluation version that were applied together. A batch never changes.")
class CorrectionBatch(Node):
    """A batch."""

    row: strawberry.Private[BatchRow]
    reason: str = told("Why.")
    created_at: datetime = told("When.")
    affected_count: int = told("Submissions that had one of the questions.")
    changed_count: int = told("Of these, how many got a further score; the others are judged as before.")
    raised_count: int = told("Of these, whose percentage went up.")
    lowered_count: int = told("Of these, whose percentage went down.")
    passed_count: int = told("How many had failed and passed then.")
    failed_count: int = told("How many had passed and failed then.")

    @strawberry.field(description="Whether it holds now: it was not undone, or the undoing was undone.")
    @together(_in_force)
    async def is_in_force(self, info: Info) -> bool:
        """Tell whether it holds."""
        return await alone(_in_force, info, self)

    @strawberry.field(description="Who applied it; null for a service token.")
    async def created_by(self, info: Info) -> User | None:
        """Show who."""
        person = None if self.row.created_by is None else await identity.person(info.context, self.row.created_by)
        return person and User.of(person)

    @ask(authoring.evaluation_version, "What was corrected.")
    async def evaluation_version(
        self, info: Info
    ) -> Annotated["EvaluationVersion", strawberry.lazy("schema.authoring")] | None:
        """Show the evaluation version."""
        from schema.authoring import EvaluationVersion  # noqa: PLC0415 - the types refer to each other

        row = await authoring.evaluation_version(info.context, self.row.evaluation_version_id)
        return row and EvaluationVersion.of(row)

    @strawberry.field(description="What it does to which question, in order; empty when it undoes another batch.")
    async def lines(self, info: Info) -> list[Correction]:
        """Show the lines."""
        return [Correction.of(row) for row in await corrections.lines(info.context, self.row.id)]

    @strawberry.field(description="The batch that it undoes; null for none.")
    async def undoes(self, info: Info) -> "CorrectionBatch | None":
        """Show what it undoes."""
        row = await corrections.correction_batch(info.context, self.row.undoes_id)
        return row and CorrectionBatch.of(row)

    @strawberry.field(description="The batch that undid it; null while none did.")
    async def undone_by(self, info: Info) -> "CorrectionBatch | None":
        """Show what undid it."""
        row = await corrections.undone_by(info.context, self.row.id)
        return row and CorrectionBatch.of(row)

    @strawberry.field(description="The scores that it gave, in the order of the submissions' UUIDs.")
    async def scores(self, info: Info, first: First = None, after: After = None) -> Connection[CorrectedScore]:
        """List the scores."""
        page = await corrections.scores_page(info.context, self.row.id, PageRequest(first, after))
        return connect(page, CorrectedScore.of, lambda context: corrections.score_count(context, self.row.id))

    @classmethod
    def of(cls, row: BatchRow) -> "CorrectionBatch":
        """Show a batch."""
        return cls(
            row=row,
            id=global_id("CorrectionBatch", row.id),
            uuid=row.id,
            reason=row.reason,
            created_at=row.created_at,
            affected_count=row.affected_count,
            changed_count=row.changed_count,
            raised_count=row.raised_count,
            lowered_count=row.lowered_count,
            passed_count=row.passed_count,
            failed_count=row.failed_count,
        )


@strawberry.type(description="What would become of the scores.")
class CorrectionSummary:
    """A summary."""

    affected_count: int = told("Submissions that have one of the questions.")
    changed_count: int = told("Of these, how many would get a further score; the others would be judged as before.")
    raised_count: int = told("Of these, whose percentage would go up.")
    lowered_count: int = told("Of these, whose percentage would go down.")
    passed_count: int = told("How many have failed and would pass.")
    failed_count: int = told("How many have passed and would fail.")
    fingerprint: str = told("Stands for the lines and for every one of the changes; `correctionApply` compares it.")

    @classmethod
    def of(cls, tally: Tally) -> "CorrectionSummary":
        """Show a summary."""
        return cls(**tally.counts(), fingerprint=tally.fingerprint)


@strawberry.type(description="The score of one submission as it is and as it would be.")
class CorrectionChange:
    """A change."""

    change: strawberry.Private[Change]
    before: ScoreVersion = told("The score that counts now.")
    points: Decimal = told("Points that it would have, up to four decimals.")
    max_points: Decimal = told("Points that could be reached then.")
    percent: Decimal = told("Share of the points then, 0 to 100 with two decimals, half up.")
    outcome: Outcome = told("Passed, failed or pending then.")

    @ask(submissions.submission, "The submission.")
    async def submission(self, info: Info) -> Submission | None:
        """Show the submission."""
        row = await submissions.submission(info.context, self.change.submission.id)
        return row and Submission.of(row)

    @classmethod
    def of(cls, change: Change) -> "CorrectionChange":
        """Show a change."""
        total = change.total
        return cls(
            change=change,
            before=ScoreVersion.of(change.before),
            points=total.points,
            max_points=total.max_points,
            percent=total.percent,
            outcome=total.outcome,
        )


@strawberry.type(description="What a correction would do if it were applied now. Nothing is changed by asking.")
class CorrectionPreview:
    """A preview."""

    draft: strawberry.Private[Draft | None]
    problems: list[Problem] = told("Why it cannot be applied.")

    @strawberry.field(description="How many scores would change, and how; null when it cannot be applied.")
    async def summary(self, info: Info) -> CorrectionSummary | None:
        """Count."""
        return None if self.draft is None else CorrectionSummary.of(await corrections.tally(info.context, self.draft))

    @strawberry.field(
        description="The scores that would change, by the UUIDs of their submissions; null when it cannot be applied."
    )
    async def changes(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[CorrectionChange] | None:
        """List the changes."""
        draft = self.draft
        if draft is None:
            return None

        async def count(context: Context) -> int:
            return (await corrections.tally(context, draft)).changed_count

        page = await corrections.changes_page(info.context, draft, PageRequest(first, after))
        return connect(page, CorrectionChange.of, count)


@strawberry.input(description="What would be corrected.")
class CorrectionPreviewInput:
    """Input of `correctionPreview`."""

    evaluation_version_id: strawberry.ID = told("Global id of the published evaluation version that was sat.")
    lines: list[CorrectionLineInput] = told(LINES)


@strawberry.type
class CorrectionsQuery:
    """Queries about corrections."""

    @preview(
        corrections.correction_preview,
        "What a correction would do now: how many scores it would change, and which, from what to what.",
    )
    async def correction_preview(
        self, info: Info, input: Annotated[CorrectionPreviewInput, says("What would be corrected.")]
    ) -> CorrectionPreview:
        """Preview."""

        async def look() -> Draft:
            path = ["evaluationVersionId"]
            version_id = local_id("EvaluationVersion", input.evaluation_version_id, path=path)
            return await corrections.correction_preview(info.context, version_id, given_lines(input.lines))

        draft, problems = await attempt(look())
        return CorrectionPreview(draft=draft, problems=problems)

    @ask(corrections.correction_batch, "One batch of corrections; null when there is none to be seen.")
    async def correction_batch(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the batch.")]
    ) -> CorrectionBatch | None:
        """Show a batch."""
        row = await corrections.correction_batch(info.context, looked_for("CorrectionBatch", id))
        return row and CorrectionBatch.of(row)

    @ask(corrections.correction_batches_page, "The corrections of an evaluation version, the newest first.")
    async def correction_batches(
        self,
        info: Info,
        evaluation_version_id: Annotated[strawberry.ID, says("Global id of the evaluation version.")],
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[CorrectionBatch]:
        """List batches."""
        version_id = looked_for("EvaluationVersion", evaluation_version_id)
        page = PageRequest(first, after, last, before)
        return connect(await corrections.correction_batches_page(info.context, version_id, page), CorrectionBatch.of)
