"""What a question asks for, by kind: the public part, the same for authors and on a candidate's paper."""

from typing import Annotated, Any

import strawberry

from schema.access import told
from schema.enums import closed_set
from services import content as rules
from services import content_kinds as kinds
from services import content_parts, markdown
from services.content_kinds import QuestionKind as Kind

closed_set(
    Kind,
    "QuestionKind",
    "What a candidate does to answer. Essays and observations are judged by a person, all others by rule.",
    {
        Kind.SINGLE_CHOICE: "Choose one option.",
        Kind.MULTIPLE_CHOICE: "Choose any number of options.",
        Kind.TRUE_FALSE: "Say whether a statement is true or false.",
        Kind.NUMERIC: "Give a number.",
        Kind.SHORT_TEXT: "Write a few words.",
        Kind.MATCHING: "Match the entries on the left to those on the right.",
        Kind.ORDERING: "Put items in order.",
        Kind.ESSAY: "Write a longer text; a person judges it.",
        Kind.FILE_UPLOAD: "Hand in files; a person judges them.",
        Kind.OBSERVATION: "Do something; an assessor who sees it judges it, and nothing is answered.",
    },
)


@strawberry.type(description="Something to choose, to match or to put in order.")
class Option:
    """An option."""

    id: str = told("Short id, unique within the question; answers name options by it.")
    text: str = told("The option's text, as Markdown.")

    @strawberry.field(description="The option's text as safe HTML.")
    def text_html(self) -> str:
        """Render the text."""
        return markdown.to_html(self.text)


@strawberry.type(description="Options of which one (single choice) or any number (multiple choice) are right.")
class ChoiceContent:
    """Single and multiple choice."""

    options: list[Option] = told("The options, 2 to 26.")


@strawberry.type(description="A statement that is true or false.")
class TrueFalseContent:
    """True or false."""

    options: list[Option] = told("Two options with the ids `true` and `false`; their texts may be reworded.")


@strawberry.type(description="A number is asked for.")
class NumericContent:
    """Numeric."""

    unit: str = told("Unit shown behind the field, e.g. `V`; empty when there is none.")


@strawberry.type(description="A few words are asked for.")
class ShortTextContent:
    """Short text."""

    max_length: int = told("How long an answer may be, in characters.")


@strawberry.type(description="Every entry on the left belongs to one on the right.")
class MatchingContent:
    """Matching."""

    left: list[Option] = told("The entries to match, 2 to 26.")
    right: list[Option] = told("What they are matched to, 2 to 26; there may be more than needed.")
    is_right_reusable: bool = told("Whether one entry on the right may be matched to several on the left.")


@strawberry.type(description="Items to put in order.")
class OrderingContent:
    """Ordering."""

    items: list[Option] = told("The items, 2 to 26, in an order that says nothing about the right one.")


@strawberry.type(description="A longer text is asked for.")
class EssayContent:
    """Essay."""

    max_words: int | None = told("How many words are wanted at most; null when there is no limit.")


@strawberry.type(description="Files are asked for.")
class FileUploadContent:
    """File upload."""

    accepted_media_types: list[str] = told(
        "Media types that are taken, `image/*` for all of a kind; empty when the installation alone decides."
    )
    max_files: int = told("How many files are taken at most.")
    max_bytes: int | None = told("Bytes that each file may have; null when the installation alone decides.")


@strawberry.type(description="Something is to be seen; the stem says what, and an assessor judges it.")
class ObservationContent:
    """Observation."""

    is_answered: bool = told("Always false: nothing is handed in for it.", default=False)


QuestionContent = Annotated[
    ChoiceContent
    | TrueFalseContent
    | NumericContent
    | ShortTextContent
    | MatchingContent
    | OrderingContent
    | EssayContent
    | FileUploadContent
    | ObservationContent,
    strawberry.union(
        "QuestionContent", description="What a question asks for, by kind. Nothing here tells the answer."
    ),
]


def show_content(kind: str, stored: dict[str, Any]) -> QuestionContent:  # noqa: PLR0911 - one return for each kind
    """Show the stored public part of a question of a kind."""
    match rules.parse_content(Kind(kind), stored):
        case kinds.ChoiceContent(options=options):
            return ChoiceContent(options=_options(options))
        case kinds.TrueFalseContent(options=options):
            return TrueFalseContent(options=_options(options))
        case kinds.NumericContent(unit=unit):
            return NumericContent(unit=unit)
        case kinds.ShortTextContent(max_length=length):
            return ShortTextContent(max_length=length)
        case kinds.MatchingContent() as matching:
            return MatchingContent(
                left=_options(matching.left),
                right=_options(matching.right),
                is_right_reusable=matching.reuse_right,
            )
        case kinds.OrderingContent(items=items):
            return OrderingContent(items=_options(items))
        case kinds.EssayContent(max_words=words):
            return EssayContent(max_words=words)
        case kinds.FileUploadContent() as files:
            return FileUploadContent(
                accepted_media_types=list(files.accepted_media_types),
                max_files=files.max_files,
                max_bytes=files.max_bytes,
            )
        case kinds.ObservationContent():
            return ObservationContent()


def _options(options: tuple[content_parts.Option, ...]) -> list[Option]:
    return [Option(id=option.id, text=option.text) for option in options]
