"""Cohorts: results grouped by run label."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from resolvers import cohorts
from schema.access import Info, ask, says, told
from schema.assignments_monitor import BucketCounts
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.nodes import global_id, local_id
from services.cohorts import Attempts, Figures, Spread
from services.cohorts_read import Cohort as Read
from services.cohorts_read import Label, Part
from services.paging import PageRequest

closed_set(
    Attempts,
    "CohortAttempts",
    "Which attempts of a person on an assignment count.",
    {
        Attempts.FIRST: "The first one.",
        Attempts.BEST: "The one with the highest final score; the first where none is final.",
        Attempts.ALL: "Each of them.",
    },
)


@strawberry.type(description="Least, middle and greatest of some values, with two decimals, half up.")
class Distribution:
    """A spread."""

    minimum: Decimal = told("The least.")
    median: Decimal = told("The middle one; the mean of both middle ones where their number is even.")
    mean: Decimal = told("Their mean.")
    maximum: Decimal = told("The greatest.")

    @classmethod
    def of(cls, spread: Spread | None) -> "Distribution | None":
        """Show a spread."""
        return spread and cls(minimum=spread.minimum, median=spread.median, mean=spread.mean, maximum=spread.maximum)


@strawberry.type(description="What came of the attempts that count; each score by its newest version.")
class CohortFigures:
    """Figures."""

    attempts: int = told("Attempts that count and were opened.")
    passed: int = told("Of these, passed.")
    failed: int = told("Of these, failed.")
    pending: int = told("Of these, handed in and waiting for a person to grade them.")
    pass_rate: Decimal | None = told("Percent passed of passed and failed, two decimals half up; null without any.")
    score_bins: list[int] = told("Final scores by tenths of 0 to 100 percent; the last one holds 100 too.")
    scores: Distribution | None = told("Final scores in percent; null without any.")
    seconds_used: Distribution | None = told("Seconds from start to end without pauses; null without any.")

    @classmethod
    def of(cls, figures: Figures) -> "CohortFigures":
        """Show figures."""
        return cls(
            attempts=figures.attempts,
            passed=figures.passed,
            failed=figures.failed,
            pending=figures.pending,
            pass_rate=figures.pass_rate,
            score_bins=list(figures.bins),
            scores=Distribution.of(figures.scores),
            seconds_used=Distribution.of(figures.seconds),
        )


@strawberry.type(description="One assignment of a cohort.")
class CohortAssignment:
    """A part."""

    assignment_id: strawberry.ID = told("Global id of the assignment.")
    name: str = told("Its name.")
    counts: BucketCounts = told("Its recipients by how far they are.")
    figures: CohortFigures = told("What came of it.")

    @classmethod
    def of(cls, part: Part) -> "CohortAssignment":
        """Show a part."""
        return cls(
            assignment_id=global_id("Assignment", part.assignment_id),
            name=part.name,
            counts=BucketCounts.of(part.buckets),
            figures=CohortFigures.of(part.figures),
        )


@strawberry.type(description="The assignments of one run label that the caller sees, together.")
class Cohort:
    """A cohort."""

    run_label: str = told("The run label.")
    counts: BucketCounts = told("Recipients of all its assignments by how far they are.")
    figures: CohortFigures = told("What came of all of them.")
    assignments: list[CohortAssignment] = told("Each assignment, in the order in which they were issued.")

    @classmethod
    def of(cls, read: Read) -> "Cohort":
        """Show a cohort."""
        return cls(
            run_label=read.run_label,
            counts=BucketCounts.of(read.buckets),
            figures=CohortFigures.of(read.figures),
            assignments=[CohortAssignment.of(part) for part in read.parts],
        )


@strawberry.type(description="A run label that something was issued under.")
class CohortLabel:
    """A label."""

    run_label: str = told("The run label, for `cohort`.")
    assignment_count: int = told("How many assignments bear it.")
    newest_at: datetime = told("When the newest of them was issued.")

    @classmethod
    def of(cls, label: Label) -> "CohortLabel":
        """Show a label."""
        return cls(run_label=label.run_label, assignment_count=label.assignments, newest_at=label.newest_at)


@strawberry.type
class CohortsQuery:
    """Queries about cohorts."""

    @ask(cohorts.cohort, "What came of the assignments of a run label; null where none is to be seen.")
    async def cohort(
        self,
        info: Info,
        run_label: Annotated[str, says("Exactly this run label.")],
        attempts: Annotated[Attempts, says("Which attempts count.")] = Attempts.FIRST,
        evaluation_version_id: Annotated[
            strawberry.ID | None, says("Only assignments of this evaluation version.")
        ] = None,
    ) -> Cohort | None:
        """Show a cohort."""
        path = ["evaluationVersionId"]
        given = evaluation_version_id
        version = None if given is None else local_id("EvaluationVersion", given, path=path)
        read = await cohorts.cohort(info.context, run_label, attempts, version)
        return read and Cohort.of(read)

    @ask(cohorts.cohorts_page, "The run labels that something was issued under, by name.")
    async def cohorts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        begins: Annotated[str | None, says("Only labels that begin so; capitals count.")] = None,
    ) -> Connection[CohortLabel]:
        """List run labels."""
        page = PageRequest(first, after, last, before)
        return connect(await cohorts.cohorts_page(info.context, begins, page), CohortLabel.of)
