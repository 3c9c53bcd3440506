"""Statistics: how hard questions were and how well they told candidates apart, how reliable, how markers marked."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import strawberry

from resolvers import authoring, identity, statistics
from schema import cohorts as _  # noqa: F401 - describes an enum used here
from schema.access import Info, ask, says, told
from schema.authoring_questions import QuestionVersion
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import looked_for
from services.cohorts import Attempts
from services.statistics import SMALLEST_GROUP, TAIL_PERCENT, Absence, Figure, Marker, rounded
from services.statistics_read import Choice, Item, Scores, Statistics, Wanted

PLACES = 4

closed_set(
    Absence,
    "StatisticAbsence",
    "Why a statistic has no value.",
    {
        Absence.TOO_FEW: f"Fewer than {SMALLEST_GROUP}, of which nothing but the number is told.",
        Absence.NO_VARIANCE: "Everybody has the same.",
        Absence.VOIDED: "The question was voided.",
        Absence.ONE_ITEM: "There is no other item to compare with.",
        Absence.DIFFERENT_PAPERS: "Not everybody had the same items, as when papers are drawn.",
        Absence.NO_OTHER_MARKER: "Nobody else marked the same questions.",
    },
)


@strawberry.type(description="A figure with four decimals, half up, or why there is none.")
class Statistic:
    """A figure."""

    value: Decimal | None = told("The figure; null where it is not defined.")
    absence: Absence | None = told("Why there is none; null where there is one.")

    @classmethod
    def of(cls, figure: Figure) -> "Statistic":
        """Show a figure."""
        value = None if figure.value is None else rounded(figure.value, PLACES)
        return cls(value=value, absence=figure.absence)


@strawberry.type(description="The distribution of the scores, in percent with two decimals, half up.")
class ScoreStatistics:
    """Scores."""

    mean: Decimal = told("Their mean.")
    standard_deviation: Decimal = told("Their standard deviation, as of a sample (n - 1).")
    median: Decimal = told("The middle one; the mean of both middle ones where their number is even.")
    minimum: Decimal = told("The least.")
    maximum: Decimal = told("The greatest.")
    bins: list[int] = told("How many lie in each tenth of 0 to 100 percent; the last one holds 100 too.")

    @classmethod
    def of(cls, scores: Scores) -> "ScoreStatistics":
        """Show a distribution."""
        return cls(
            mean=rounded(scores.mean, 2),
            standard_deviation=rounded(scores.deviation, 2),
            median=rounded(scores.median, 2),
            minimum=scores.minimum,
            maximum=scores.maximum,
            bins=list(scores.bins),
        )


@strawberry.type(description="How often an option was chosen.")
class ChoiceStatistics:
    """A choice."""

    option: str = told("Id of the option.")
    count: int = told("How many chose it.")
    upper_count: int = told(f"How many of the best {TAIL_PERCENT} percent chose it.")
    lower_count: int = told(f"How many of the weakest {TAIL_PERCENT} percent chose it.")

    @classmethod
    def of(cls, choice: Choice) -> "ChoiceStatistics":
        """Show a choice."""
        return cls(option=choice.option, count=choice.n, upper_count=choice.upper, lower_count=choice.lower)


@strawberry.type(description="How an item measured.")
class ItemStatistics:
    """An item."""

    item: strawberry.Private[Item]
    number: int = told("Its place in the evaluation version, over all sections, from 1.")
    question_version_uuid: UUID = told("Identity of the question version.")
    points: Decimal = told("What the evaluation version says that it is worth, with four decimals.")
    asked_count: int = told("Papers that have it.")
    omitted_count: int = told("Of these, on which it was left blank.")
    is_voided: bool = told("Whether it was voided on all of these.")
    facility: Statistic = told("Mean share of its points, 0 to 1: how easy it was.")
    discrimination: Statistic = told(
        "Correlation, -1 to 1, of the share of its points with the share of the points of the rest of the paper; the "
        "point-biserial one where an answer is right or wrong."
    )
    upper_lower: Statistic = told(
        f"Facility among the best {TAIL_PERCENT} percent less that among the weakest, -1 to 1."
    )
    choices: list[ChoiceStatistics] | None = told(
        f"Each option of a choice question, by the author's order; null for others and below {SMALLEST_GROUP} papers."
    )

    @ask(authoring.question_version, "The question version; hidden from whoever may not read questions.")
    async def question_version(self, info: Info) -> QuestionVersion | None:
        """Show the question version."""
        row = await authoring.question_version(info.context, self.item.question_version_id)
        return row and QuestionVersion.of(row)

    @classmethod
    def of(cls, item: Item) -> "ItemStatistics":
        """Show an item."""
        return cls(
            item=item,
            number=item.number,
            question_version_uuid=item.question_version_id,
            points=item.points,
            asked_count=item.asked,
            omitted_count=item.omitted,
            is_voided=item.is_voided,
            facility=Statistic.of(item.facility),
            discrimination=Statistic.of(item.discrimination),
            upper_lower=Statistic.of(item.upper_lower),
            choices=None if item.choices is None else [ChoiceStatistics.of(one) for one in item.choices],
        )


@strawberry.type(description="How somebody marked.")
class MarkerStatistics:
    """A marker."""

    of_marker: strawberry.Private[Marker]
    mark_count: int = told("Final marks on the papers that count.")
    severity: Statistic = told(
        "Mean difference of the marks, as shares of the points, from the mean of what all others gave for the same "
        "question; below 0 for a severe marker."
    )
    spread: Statistic = told("Standard deviation of the marks, as shares of the points.")

    @strawberry.field(description="Who.")
    async def marker(self, info: Info) -> User | None:
        """Show the marker."""
        person = await identity.person(info.context, self.of_marker.marker_id)
        return person and User.of(person)

    @classmethod
    def of(cls, one: Marker) -> "MarkerStatistics":
        """Show a marker."""
        severity, spread = Statistic.of(one.severity), Statistic.of(one.spread)
        return cls(of_marker=one, mark_count=one.marks, severity=severity, spread=spread)


@strawberry.type(description="How an evaluation version measured, by classical test theory.")
class EvaluationStatistics:
    """Statistics."""

    run_label: str | None = told("The run label that was asked for; null for all.")
    is_remediated: bool = told("True: by the newest scores. False: by those before the first correction.")
    attempts: Attempts = told("Which attempts of a person count.")
    paper_count: int = told("Papers that count: with a final outcome by that score.")
    pending_count: int = told("Papers that do not count yet, as a person has still to judge something.")
    scores: ScoreStatistics | None = told(f"The distribution of the scores; null below {SMALLEST_GROUP} papers.")
    alpha: Statistic = told(
        "Cronbach's alpha, at most 1: how consistently the items measure; voided ones are left out."
    )
    standard_error: Statistic = told("Standard error of measurement, in percent of the points.")
    items: list[ItemStatistics] = told("Each item that was asked, in the order of the evaluation version.")
    markers: list[MarkerStatistics] = told("Whoever gave final marks, most marks first.")

    @classmethod
    def of(cls, read: Statistics) -> "EvaluationStatistics":
        """Show statistics."""
        return cls(
            run_label=read.wanted.run_label,
            is_remediated=read.wanted.is_remediated,
            attempts=read.wanted.attempts,
            paper_count=read.papers,
            pending_count=read.pending,
            scores=read.scores and ScoreStatistics.of(read.scores),
            alpha=Statistic.of(read.alpha),
            standard_error=Statistic.of(read.standard_error),
            items=[ItemStatistics.of(one) for one in read.items],
            markers=[MarkerStatistics.of(one) for one in read.markers],
        )


@strawberry.type
class StatisticsQuery:
    """Queries about how assessments measure."""

    @ask(
        statistics.evaluation_statistics,
        "How an evaluation version measured: items, choices, reliability, scores, markers; null where there is none to "
        "be seen.",
    )
    async def evaluation_statistics(
        self,
        info: Info,
        evaluation_version_id: Annotated[strawberry.ID, says("Global id of the evaluation version.")],
        run_label: Annotated[str | None, says("Only papers of assignments with exactly this run label.")] = None,
        *,
        is_remediated: Annotated[
            bool, says("True: by the newest scores. False: as reported, before the first correction.")
        ] = True,
        attempts: Annotated[Attempts, says("Which attempts of a person on an assignment count.")] = Attempts.FIRST,
    ) -> EvaluationStatistics | None:
        """Show statistics."""
        version = looked_for("EvaluationVersion", evaluation_version_id)
        wanted = None if version is None else Wanted(version, run_label, is_remediated, attempts)
        read = await statistics.evaluation_statistics(info.context, wanted)
        return read and EvaluationStatistics.of(read)
