"""The kinds of questions, and the shape of each kind's content and key (see `services.content`)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictInt,
    StringConstraints,
    field_validator,
    model_serializer,
)

from services.content_parts import (
    LARGEST_FILE,
    LONGEST_SHORT_TEXT,
    MOST_FILES,
    ClosedSet,
    Explanation,
    Id,
    MediaRange,
    Number,
    Option,
    Part,
    Text,
    Words,
    dotted,
    refuse_repeats,
    refuse_unknown,
)
from services.refusals import InvalidInput
from services.rubrics import Rubric


class QuestionKind(StrEnum):
    """What a candidate does to answer. Essays, files and observations are judged by a person, all others by rule."""

    SINGLE_CHOICE = "single_choice"
    MULTIPLE_CHOICE = "multiple_choice"
    TRUE_FALSE = "true_false"
    NUMERIC = "numeric"
    SHORT_TEXT = "short_text"
    MATCHING = "matching"
    ORDERING = "ordering"
    ESSAY = "essay"
    FILE_UPLOAD = "file_upload"
    OBSERVATION = "observation"


class PartialCredit(ClosedSet):
    """Rules that turn a partly right response into a share of the points; `services.scoring` has the formulas."""

    ALL_OR_NOTHING = "all_or_nothing"
    PROPORTIONAL_MINUS_WRONG = "proportional_minus_wrong"
    PER_OPTION = "per_option"
    PER_PAIR = "per_pair"
    PER_POSITION = "per_position"
    ADJACENT_PAIRS = "adjacent_pairs"


class CaseRule(ClosedSet):
    """Whether capitals matter in a short text."""

    EXACT = "exact"
    IGNORE_CASE = "ignore_case"


class ToleranceKind(ClosedSet):
    """Whether a tolerance is in the unit of the value or a share of it (0.05 is five per cent)."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


Options = Annotated[tuple[Option, ...], Field(min_length=2, max_length=26)]


class ChoiceContent(Part):
    """Two to 26 options, for single and multiple choice."""

    options: Options


class TrueFalseContent(Part):
    """Two options with the fixed ids `true` and `false`; an author may reword them."""

    options: Options = (Option(id="true", text="True"), Option(id="false", text="False"))

    @field_validator("options")
    @classmethod
    def _fixed_ids(cls, options: tuple[Option, ...]) -> tuple[Option, ...]:
        if [option.id for option in options] != ["true", "false"]:
            raise ValueError("The options of a true/false question are 'true' and 'false', in this order")
        return options


class NumericContent(Part):
    """A number is asked for; `unit` stands behind the field, e.g. `V`."""

    unit: Annotated[Text, StringConstraints(max_length=40)] = ""


class ShortTextContent(Part):
    """A few words are asked for; `max_length` is in characters."""

    max_length: Annotated[StrictInt, Field(ge=1, le=LONGEST_SHORT_TEXT)] = 200


class MatchingContent(Part):
    """Each entry on the left belongs to one on the right, which may have more entries than needed.

    `reuse_right` says whether one entry on the right may be given to several on the left.
    """

    left: Options
    right: Options
    reuse_right: StrictBool = False


class OrderingContent(Part):
    """Two to 26 items to put in order."""

    items: Options


class EssayContent(Part):
    """A longer text, judged by a person; `max_words` is shown to the candidate and counted for the reviewer."""

    max_words: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None


class FileUploadContent(Part):
    """Files are handed in, judged by a person.

    Nothing among `accepted_media_types` means whatever the installation takes; `image/*` means every image. `max_bytes`
    is for each file; what the installation takes at most holds anyway.
    """

    accepted_media_types: Annotated[tuple[MediaRange, ...], Field(max_length=20)] = ()
    max_files: Annotated[StrictInt, Field(ge=1, le=MOST_FILES)] = 1
    max_bytes: Annotated[StrictInt, Field(ge=1, le=LARGEST_FILE)] | None = None


class ObservationContent(Part):
    """Something that a person is seen to do: an assessor judges it on the spot, and nothing is handed in for it."""


JUDGED = frozenset({QuestionKind.ESSAY, QuestionKind.FILE_UPLOAD, QuestionKind.OBSERVATION})
"""The kinds that wait for a person."""


Content: TypeAlias = (
    ChoiceContent
    | TrueFalseContent
    | NumericContent
    | ShortTextContent
    | MatchingContent
    | OrderingContent
    | EssayContent
    | FileUploadContent
    | ObservationContent
)


class _Key(Part):
    explanation: Explanation = ""
    rules: ClassVar[tuple[PartialCredit, ...]] = ()


class SingleChoiceKey(_Key):
    """The one right option; of a true/false question too."""

    correct: Id

    @field_validator("correct", mode="before")
    @classmethod
    def _truth(cls, value: object) -> object:
        return str(value).lower() if isinstance(value, bool) else value


class _Credited(_Key):
    rule: PartialCredit = PartialCredit.ALL_OR_NOTHING

    @field_validator("rule")
    @classmethod
    def _of_this_kind(cls, rule: PartialCredit) -> PartialCredit:
        if rule not in cls.rules:
            raise ValueError(f"This kind of question knows {', '.join(cls.rules)}")
        return rule


class MultipleChoiceKey(_Credited):
    """The right options, at least one, and how partly right responses count."""

    rules = (PartialCredit.ALL_OR_NOTHING, PartialCredit.PROPORTIONAL_MINUS_WRONG, PartialCredit.PER_OPTION)

    correct: Annotated[tuple[Id, ...], Field(min_length=1, max_length=26)]


class NumericKey(_Key):
    """The right value and how far a response may be from it, the bound included."""

    value: Number
    tolerance: Number = "0"
    tolerance_kind: ToleranceKind = ToleranceKind.ABSOLUTE


class ShortTextKey(_Key):
    """The accepted texts, compared as `services.scoring.same_text` says."""

    accepted: Annotated[
        tuple[Annotated[Words, StringConstraints(max_length=LONGEST_SHORT_TEXT)], ...],
        Field(min_length=1, max_length=50),
    ]
    case: CaseRule = CaseRule.IGNORE_CASE


class MatchingKey(_Credited):
    """The right-hand id of each left-hand id."""

    rules = (PartialCredit.ALL_OR_NOTHING, PartialCredit.PER_PAIR)

    pairs: dict[Id, Id]


class OrderingKey(_Credited):
    """All item ids in the right order."""

    rules = (PartialCredit.ALL_OR_NOTHING, PartialCredit.PER_POSITION, PartialCredit.ADJACENT_PAIRS)

    order: tuple[Id, ...]


class JudgedKey(_Key):
    """What a person judges by: a rubric, or points at discretion where there is none."""

    rubric: Rubric | None = None

    @model_serializer(mode="wrap")
    def _without_nothing(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a rubric that is not there, so that the hash of a question without one stays what it was."""
        written = whole(self)
        return written if self.rubric is not None else {key: written[key] for key in written if key != "rubric"}


class EssayKey(JudgedKey):
    """What an essay is judged by."""


class FileUploadKey(JudgedKey):
    """What files are judged by."""


class ObservationKey(JudgedKey):
    """What an observation is judged by."""


Key: TypeAlias = (
    SingleChoiceKey
    | MultipleChoiceKey
    | NumericKey
    | ShortTextKey
    | MatchingKey
    | OrderingKey
    | EssayKey
    | FileUploadKey
    | ObservationKey
)

T = TypeVar("T", bound=Part)


def expect(part: Part, kind: type[T]) -> T:
    """Return the part as the type that its question's kind demands; anything else is a fault of ours."""
    if not isinstance(part, kind):
        raise TypeError(f"A {kind.__name__} is needed here, not a {type(part).__name__}.")
    return part


def ids_of(options: tuple[Option, ...]) -> list[str]:
    """Return the ids of a list, in its order."""
    return [option.id for option in options]


def check_pairs(content: MatchingContent, pairs: Mapping[str, str], path: tuple[str, ...]) -> None:
    """Refuse pairs of entries that do not exist, and a right-hand entry used twice when it may not be."""
    refuse_unknown(tuple(pairs), ids_of(content.left), path, "left-hand entry")
    refuse_unknown(tuple(pairs.values()), ids_of(content.right), path, "right-hand entry")
    if not content.reuse_right:
        refuse_repeats(tuple(pairs.values()), path, "right-hand entry")


def check_order(content: OrderingContent, order: tuple[str, ...], path: tuple[str, ...]) -> None:
    """Refuse an order that does not name every item exactly once."""
    known = ids_of(content.items)
    refuse_repeats(order, path, "item")
    refuse_unknown(order, known, path, "item")
    if len(order) < len(known):
        missing = next(item for item in known if item not in order)
        raise InvalidInput(f"{dotted(path)}: the item '{missing}' is missing; name every item once.", path=path)
