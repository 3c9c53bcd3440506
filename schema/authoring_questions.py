"""Questions: containers, immutable versions, keys that only staff may read, and the inputs to write them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from models.authoring import Question as QuestionRow
from models.authoring import QuestionVersion as VersionRow
from models.authoring import VersionStatus
from resolvers import authoring
from schema.access import Info, ask, says, told
from schema.connections import OrderDirection
from schema.enums import closed_set
from schema.nodes import Node, global_id, looked_for
from schema.problems import Problem, Refused
from schema.question_content import QuestionContent, show_content
from schema.question_inputs import QuestionBodyInput
from schema.question_keys import QuestionKey, show_key
from services import markdown
from services.authoring import Drift
from services.authoring_pool import RowStatus
from services.authoring_questions import QuestionChanges, QuestionFilter, QuestionText
from services.content_kinds import QuestionKind

DRIFT_NUMBER = "Number of the latest version that you saw; refused as STATE_DRIFT when there is another by now."
DRIFT_HASH = "Content hash of the latest version that you saw; refused as STATE_DRIFT when it was edited since."
KEY = "Sending the same key and input again gives the same answer and one effect; kept 24 hours."
HOW_MANY = "How many at most, 0 to 100."

closed_set(
    VersionStatus,
    "VersionStatus",
    "Where a version stands.",
    {
        VersionStatus.DRAFT: "Can be edited; candidates never get it.",
        VersionStatus.PUBLISHED: "Frozen for ever.",
    },
)


@strawberry.type(description="One wording of a question. A published one never changes.")
class QuestionVersion(Node):
    """A question version."""

    row: strawberry.Private[VersionRow]
    number: int = told("Counts the versions of the question: 1, 2, 3.")
    kind: QuestionKind = told("What a candidate does to answer.")
    status: VersionStatus = told("Draft or published.")
    stem: str = told("The question's own text, as Markdown.")
    group: str = told("What it belongs to when one question per group is drawn; empty for none.")
    references: str = told("Where the answer is laid down, e.g. a regulation; empty for none.")
    content_hash: str = told("SHA-256 over wording, key, group and references, in hex; it changes with every edit.")
    created_at: datetime = told("When the version was opened.")
    published_at: datetime | None = told("When it was frozen; null for a draft.")

    @classmethod
    def of(cls, row: VersionRow) -> "QuestionVersion":
        """Show a version."""
        return cls(
            id=global_id("QuestionVersion", row.id),
            uuid=row.id,
            row=row,
            number=row.number,
            kind=QuestionKind(row.kind),
            status=VersionStatus(row.status),
            stem=row.stem,
            group=row.group,
            references=row.references,
            content_hash=row.content_hash or "",
            created_at=row.created_at,
            published_at=row.published_at,
        )

    @strawberry.field(description="The stem as safe HTML.")
    def stem_html(self) -> str:
        """Render the stem."""
        return markdown.to_html(self.stem)

    @strawberry.field(description="What the question asks for, by kind; nothing here tells the answer.")
    def content(self) -> QuestionContent:
        """Show the public part."""
        return show_content(self.row.kind, self.row.content)

    @ask(authoring.question_key, "The right answer and how it counts; hidden from whoever may not read questions.")
    async def key(self, info: Info) -> QuestionKey | None:
        """Show the secret part."""
        stored = await authoring.question_key(info.context, self.row.id)
        return None if stored is None else show_key(self.row.kind, self.row.content, stored)

    @strawberry.field(description="The question that this is a version of.")
    async def question(self, info: Info) -> "Question":
        """Show the container."""
        row = await authoring.question_of(info.context, self.row)
        if row is None:
            raise LookupError(f"question version {self.row.id} has no question")
        return Question.of(row)


@strawberry.type(description="A question with all of its versions.")
class Question(Node):
    """A question."""

    reference: str = told("The author's own name for it, unique in the org unit, e.g. its id in a pool.")
    created_at: datetime = told("When it was created.")

    @classmethod
    def of(cls, row: QuestionRow) -> "Question":
        """Show a question."""
        return cls(
            id=global_id("Question", row.id),
            uuid=row.id,
            reference=row.reference,
            created_at=row.created_at,
        )

    @strawberry.field(description="The version with the highest number: the draft, where one is open.")
    async def latest_version(self, info: Info) -> QuestionVersion | None:
        """Show the latest version."""
        row = await authoring.latest_question_version(info.context, self.uuid)
        return None if row is None else QuestionVersion.of(row)

    @strawberry.field(description="The newest published version; null when nothing was published yet.")
    async def published_version(self, info: Info) -> QuestionVersion | None:
        """Show the published version."""
        row = await authoring.published_question_version(info.context, self.uuid)
        return None if row is None else QuestionVersion.of(row)

    @strawberry.field(description="Its versions, newest first.")
    async def versions(self, info: Info, first: Annotated[int, says(HOW_MANY)] = 20) -> list[QuestionVersion]:
        """Show the history."""
        return [QuestionVersion.of(row) for row in await authoring.question_history(info.context, self.uuid, first)]


class QuestionOrderField(StrEnum):
    """What questions are sorted by."""

    REFERENCE = "reference"
    CREATED_AT = "created_at"


closed_set(
    QuestionOrderField,
    "QuestionOrderField",
    "What questions are sorted by.",
    {
        QuestionOrderField.REFERENCE: "The reference, as text.",
        QuestionOrderField.CREATED_AT: "When the question was created.",
    },
)


@strawberry.input(description="One step of an order of questions.")
class QuestionOrderInput:
    """Field and direction."""

    field: QuestionOrderField = told("What to sort by.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.input(description="Which questions are wanted; what is left out asks for nothing.")
class QuestionFilterInput:
    """Conditions, all of which must hold."""

    kind: QuestionKind | None = told("Kind of the latest version.", default=None)
    status: VersionStatus | None = told("Status of the latest version.", default=None)
    group: str | None = told("Group of the latest version, exactly.", default=None)
    reference_prefix: str | None = told("What the reference begins with.", default=None)
    ids: list[strawberry.ID] | None = told("These questions only, at most 100.", default=None)

    def wanted(self) -> QuestionFilter:
        """Return the filter as the services read it; an id of nothing finds nothing."""
        ids = None if self.ids is None else [looked_for("Question", one) for one in self.ids[:100]]
        return QuestionFilter(
            kind=self.kind,
            status=self.status,
            group=self.group,
            reference_prefix=self.reference_prefix,
            ids=None if ids is None else [one for one in ids if one is not None],
        )


@strawberry.input(description="A question to create, with its first draft.")
class QuestionCreateInput:
    """A new question."""

    reference: str = told("Your own name for it, unique in the org unit, 1 to 120 characters.")
    stem: str = told("The question's own text, as Markdown, 1 to 20,000 characters.")
    body: QuestionBodyInput = told("What is asked for, and the right answer.")
    group: str = told("What it belongs to when one question per group is drawn; empty for none.", default="")
    references: str = told("Where the answer is laid down; empty for none.", default="")
    idempotency_key: str | None = told(KEY, default=None)

    def text(self) -> QuestionText:
        """Return the question as the services read it."""
        kind, content, key = self.body.body()
        return QuestionText(
            kind=kind,
            stem=self.stem,
            content=content,
            key=key,
            group=self.group,
            references=self.references,
        )


@strawberry.input(description="Changes of a question; what is left out stays as it was.")
class QuestionUpdateInput:
    """Changes of the draft; a published version gets a draft behind it."""

    id: strawberry.ID = told("The question.")
    stem: str | None = told("The question's own text, as Markdown, 1 to 20,000 characters.", default=None)
    body: QuestionBodyInput | None = told("What is asked for, and the right answer, as a whole.", default=None)
    group: str | None = told("What it belongs to; empty takes it out of its group.", default=None)
    references: str | None = told("Where the answer is laid down; empty for none.", default=None)
    expected_version: int | None = told(DRIFT_NUMBER, default=None)
    expected_content_hash: str | None = told(DRIFT_HASH, default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def changes(self) -> QuestionChanges:
        """Return the changes as the services read them."""
        return QuestionChanges(
            body=self.body.body() if self.body else None,
            stem=self.stem,
            group=self.group,
            references=self.references,
        )

    def drift(self) -> Drift:
        """Return what the author saw."""
        return Drift(self.expected_version, self.expected_content_hash)


@strawberry.input(description="A question whose draft is to be frozen.")
class QuestionPublishInput:
    """A draft to publish."""

    id: strawberry.ID = told("The question.")
    expected_version: int | None = told(DRIFT_NUMBER, default=None)
    expected_content_hash: str | None = told(DRIFT_HASH, default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def drift(self) -> Drift:
        """Return what the author saw."""
        return Drift(self.expected_version, self.expected_content_hash)


@strawberry.type(description="What came of writing a question.")
class QuestionPayload:
    """The question, or why not."""

    question: Question | None = told("The question as it is now; null when it was refused.", default=None)
    version: QuestionVersion | None = told(
        "Its latest version, the one that was written; null when it was refused.", default=None
    )
    problems: list[Problem] = told("Why it was refused; empty when it was not.")


@strawberry.input(
    description="One entry of a pool: a single-choice question, in the JSON form of the public amateur radio pools.",
)
class PoolEntryInput:
    """An entry. Everything is optional here, so that a gap is a problem of its row and not of the whole import."""

    id: str | None = told("Reference of the question, 1 to 120 characters.", default=None)
    question: str | None = told("The stem, as Markdown.", default=None)
    answers: list[str] | None = told("The options, 2 to 26.", default=None)
    correct: int | None = told("Position of the right option, counted from 0.", default=None)
    refs: str | None = told("Where the answer is laid down.", default=None)
    group: str | None = told("Group; the first three characters of `id` when left out.", default=None)
    figure: str | None = told("Name of a picture; it is not imported, and a warning says so.", default=None)
    correct_letter: str | None = told("Letter of the right option; it must agree with `correct`.", default=None)

    def entry(self) -> dict[str, Any]:
        """Return the entry as a pool file has it, without what was left out."""
        return {name: value for name, value in vars(self).items() if value is not None and value is not UNSET}


@strawberry.input(description="Entries of a question pool. Requests are limited to 256 KiB: import in several calls.")
class QuestionPoolImportInput:
    """A part of a pool."""

    entries: list[PoolEntryInput] = told("The entries, at most 500.")
    publish: bool = told("Freeze what is imported at once; needs questions.publish too.", default=False)
    idempotency_key: str | None = told(KEY, default=None)


closed_set(
    RowStatus,
    "PoolRowStatus",
    "What became of an entry of a pool.",
    {
        RowStatus.CREATED: "A new question.",
        RowStatus.UPDATED: "A known question got another text, or was published.",
        RowStatus.UNCHANGED: "A known question with the very same text: nothing was done.",
        RowStatus.REFUSED: "Nothing was done; the problems say why.",
    },
)


@strawberry.type(description="What became of one entry of a pool.")
class PoolRowResult:
    """One row of the report."""

    index: int = told("Position of the entry in the input, counted from 0.")
    reference: str = told("The entry's `id`; empty when it had none.")
    status: RowStatus = told("What became of it.")
    question: Question | None = told("The question; null when the entry was refused.")
    warnings: list[str] = told("What you should know although the entry was taken.")
    problems: list[Problem] = told("Why the entry was refused; empty when it was not.")

    @classmethod
    def of(cls, row: authoring.ImportedRow) -> "PoolRowResult":
        """Show one row."""
        return cls(
            index=row.answer["index"],
            reference=row.answer["reference"],
            status=RowStatus(row.answer["status"]),
            question=None if row.question is None else Question.of(row.question),
            warnings=row.answer["warnings"],
            problems=[Refused(**problem) for problem in row.answer["problems"]],
        )


@strawberry.type(description="What came of an import, entry by entry and in order.")
class QuestionPoolImportPayload:
    """The report."""

    results: list[PoolRowResult] = told("One row for each entry, in the order of the input.")
    problems: list[Problem] = told("Why the import as a whole was refused; empty when it was not.")
