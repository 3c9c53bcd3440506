"""Evaluations: what is issued, composed of sections of question versions, and the inputs to compose them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import strawberry

from models.authoring import Evaluation as EvaluationRow
from models.authoring import EvaluationItem as ItemRow
from models.authoring import EvaluationKind, VersionStatus
from models.authoring import EvaluationSection as SectionRow
from models.authoring import EvaluationVersion as VersionRow
from resolvers import authoring
from schema.access import Info, ask, says, told
from schema.authoring_questions import HOW_MANY, QuestionVersion
from schema.connections import OrderDirection
from schema.enums import closed_set
from schema.nodes import Node, global_id, looked_for
from schema.policy import SecurityConfig
from schema.problems import Problem
from services import markdown, security
from services.authoring_evaluations import EvaluationFilter
from services.authoring_sections import SectionMeasure
from services.policy import FeedbackMode

closed_set(
    EvaluationKind,
    "EvaluationKind",
    "What is assessed.",
    {EvaluationKind.KNOWLEDGE: "What somebody knows: a paper of questions."},
)


@strawberry.type(description="What a session must reach to pass. One of the two is set.")
class PassMark:
    """The pass mark."""

    percent: Decimal | None = told("Share of the points, 0 to 100 with two decimals.")
    points: Decimal | None = told("Points, with four decimals.")


@strawberry.type(description="One question version in a section, with its points.")
class EvaluationItem:
    """An item."""

    question_version_id: strawberry.Private[UUID]
    uuid: UUID = told("Identity of the item; papers and submissions name it.")
    position: int = told("Place in the section, from 1; pass the last one as `after` to read on.")
    points: Decimal = told("What a right answer is worth, with four decimals.")

    @classmethod
    def of(cls, row: ItemRow) -> "EvaluationItem":
        """Show an item."""
        return cls(
            uuid=row.id,
            question_version_id=row.question_version_id,
            position=row.position,
            points=row.points,
        )

    @ask(authoring.question_version, "The question version; hidden from whoever may not read questions.")
    async def question_version(self, info: Info) -> QuestionVersion | None:
        """Show the question version."""
        row = await authoring.question_version(info.context, self.question_version_id)
        return None if row is None else QuestionVersion.of(row)


@strawberry.type(description="A part of an evaluation: all of its items, or some drawn from them for each session.")
class EvaluationSection:
    """A section."""

    uuid: UUID = told("Identity of the section.")
    title: str = told("Title, shown to candidates.")
    position: int = told("Place in the evaluation, from 1.")
    draw: int | None = told("How many items each session gets, drawn at random; null for no such rule.")
    draw_per_group: bool = told("Whether each session gets one item of each group, drawn at random.")
    shuffle_items: bool = told("Whether the items stand in another order in each session.")
    shuffle_options: bool = told("Whether the options stand in another order in each session.")
    item_count: int = told("How many items it holds.")
    items_per_session: int = told("How many of them each session gets.")
    max_points: Decimal | None = told("The most that can be reached in it; null while that depends on the draw.")

    @classmethod
    def of(cls, row: SectionRow, measure: SectionMeasure) -> "EvaluationSection":
        """Show a section."""
        return cls(
            uuid=row.id,
            title=row.title,
            position=row.position,
            draw=row.draw,
            draw_per_group=row.draw_per_group,
            shuffle_items=row.shuffle_items,
            shuffle_options=row.shuffle_options,
            item_count=measure.items,
            items_per_session=measure.drawn,
            max_points=measure.points,
        )

    @strawberry.field(description="Its items, in order.")
    async def items(
        self,
        info: Info,
        first: Annotated[int, says(HOW_MANY)] = 50,
        after: Annotated[int, says("Read on behind this position; 0 begins at the first item.")] = 0,
    ) -> list[EvaluationItem]:
        """Show items."""
        rows = await authoring.section_items(info.context, self.uuid, first, after)
        return [EvaluationItem.of(row) for row in rows]


@strawberry.type(description="What is issued: sections of items, pass mark, limits. A published one never changes.")
class EvaluationVersion(Node):
    """An evaluation version."""

    row: strawberry.Private[VersionRow]
    number: int = told("Counts the versions of the evaluation: 1, 2, 3.")
    status: VersionStatus = told("Draft or published.")
    title: str = told("Title, shown to candidates.")
    instructions: str = told("What candidates read before they start, as Markdown.")
    pass_mark: PassMark = told("What a session must reach to pass; a draft may have none yet.")
    time_limit_seconds: int | None = told("Working time in seconds; null when not set here.")
    allowed_attempts: int | None = told("How often a candidate may sit it; null when not set here.")
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in; null when not set here.")
    security_config: SecurityConfig | None = told("How it is supervised; null when not set here.")
    security_level: security.SecurityLevel = told("What the supervision amounts to; STANDARD when not set here.")
    content_hash: str = told("SHA-256 over all of this and the items with their questions, in hex.")
    created_at: datetime = told("When the version was opened.")
    published_at: datetime | None = told("When it was frozen; null for a draft.")

    @classmethod
    def of(cls, row: VersionRow) -> "EvaluationVersion":
        """Show a version."""
        config = security.parse_security(row.security_config or {})
        return cls(
            id=global_id("EvaluationVersion", row.id),
            uuid=row.id,
            row=row,
            number=row.number,
            status=VersionStatus(row.status),
            title=row.title,
            instructions=row.instructions,
            pass_mark=PassMark(percent=row.pass_percent, points=row.pass_points),
            time_limit_seconds=row.time_limit_seconds,
            allowed_attempts=row.allowed_attempts,
            feedback_mode=None if row.feedback_mode is None else FeedbackMode(row.feedback_mode),
            security_config=None if row.security_config is None else SecurityConfig.of(config),
            security_level=config.level,
            content_hash=row.content_hash or "",
            created_at=row.created_at,
            published_at=row.published_at,
        )

    @strawberry.field(description="The instructions as safe HTML.")
    def instructions_html(self) -> str:
        """Render the instructions."""
        return markdown.to_html(self.instructions)

    @strawberry.field(description="The evaluation that this is a version of.")
    async def evaluation(self, info: Info) -> "Evaluation":
        """Show the container."""
        row = await authoring.evaluation_of(info.context, self.row)
        if row is None:
            raise LookupError(f"evaluation version {self.row.id} has no evaluation")
        return Evaluation.of(row)

    @strawberry.field(description="Its sections, in order; an evaluation has 50 at most.")
    async def sections(
        self,
        info: Info,
        first: Annotated[int, says(HOW_MANY)] = 20,
    ) -> list[EvaluationSection]:
        """Show the sections."""
        found = await authoring.sections(info.context, self.uuid, first)
        return [EvaluationSection.of(row, measure) for row, measure in found]

    @strawberry.field(description="How many items each session gets.")
    async def items_per_session(self, info: Info) -> int:
        """Count what is drawn."""
        return sum(measure.drawn for measure in await authoring.measures(info.context, self.uuid))

    @strawberry.field(description="The most points a session can reach; null while that would depend on the draw.")
    async def max_points(self, info: Info) -> Decimal | None:
        """Add up what can be reached."""
        points = [measure.points for measure in await authoring.measures(info.context, self.uuid)]
        known = [one for one in points if one is not None]
        return sum(known, Decimal(0)) if len(known) == len(points) else None


@strawberry.type(description="An evaluation with all of its versions.")
class Evaluation(Node):
    """An evaluation."""

    name: str = told("Name for staff, unique in the org unit.")
    kind: EvaluationKind = told("What is assessed.")
    created_at: datetime = told("When it was created.")

    @classmethod
    def of(cls, row: EvaluationRow) -> "Evaluation":
        """Show an evaluation."""
        return cls(
            id=global_id("Evaluation", row.id),
            uuid=row.id,
            name=row.name,
            kind=EvaluationKind(row.kind),
            created_at=row.created_at,
        )

    @strawberry.field(description="The version with the highest number: the draft, where one is open.")
    async def latest_version(self, info: Info) -> EvaluationVersion | None:
        """Show the latest version."""
        row = await authoring.latest_evaluation_version(info.context, self.uuid)
        return None if row is None else EvaluationVersion.of(row)

    @strawberry.field(description="The newest published version, the one to issue; null when there is none yet.")
    async def published_version(self, info: Info) -> EvaluationVersion | None:
        """Show the published version."""
        row = await authoring.published_evaluation_version(info.context, self.uuid)
        return None if row is None else EvaluationVersion.of(row)

    @strawberry.field(description="Its versions, newest first.")
    async def versions(self, info: Info, first: Annotated[int, says(HOW_MANY)] = 20) -> list[EvaluationVersion]:
        """Show the history."""
        rows = await authoring.evaluation_history(info.context, self.uuid, first)
        return [EvaluationVersion.of(row) for row in rows]


class EvaluationOrderField(StrEnum):
    """What evaluations are sorted by."""

    NAME = "name"
    CREATED_AT = "created_at"


closed_set(
    EvaluationOrderField,
    "EvaluationOrderField",
    "What evaluations are sorted by.",
    {
        EvaluationOrderField.NAME: "The name, as text.",
        EvaluationOrderField.CREATED_AT: "When the evaluation was created.",
    },
)


@strawberry.input(description="One step of an order of evaluations.")
class EvaluationOrderInput:
    """Field and direction."""

    field: EvaluationOrderField = told("What to sort by.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.input(description="Which evaluations are wanted; what is left out asks for nothing.")
class EvaluationFilterInput:
    """Conditions, all of which must hold."""

    status: VersionStatus | None = told("Status of the latest version.", default=None)
    name_prefix: str | None = told("What the name begins with.", default=None)
    ids: list[strawberry.ID] | None = told("These evaluations only, at most 100.", default=None)

    def wanted(self) -> EvaluationFilter:
        """Return the filter as the services read it; an id of nothing finds nothing."""
        ids = None if self.ids is None else [looked_for("Evaluation", one) for one in self.ids[:100]]
        return EvaluationFilter(
            status=self.status,
            name_prefix=self.name_prefix,
            ids=None if ids is None else [one for one in ids if one is not None],
        )


@strawberry.type(description="What came of writing an evaluation.")
class EvaluationPayload:
    """The evaluation, or why not."""

    evaluation: Evaluation | None = told("The evaluation as it is now; null when it was refused.", default=None)
    version: EvaluationVersion | None = told(
        "Its latest version, the one that was written; null when it was refused.", default=None
    )
    problems: list[Problem] = told("Why it was refused; empty when it was not.")
