"""A question as an author writes it: one input for each kind, the right answer beside what it answers."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case

from schema import question_keys as _  # noqa: F401 - declares the enums used here
from schema.access import told
from schema.responses import PairInput
from services.content_kinds import CaseRule, PartialCredit, QuestionKind, ToleranceKind
from services.content_parts import refuse_repeats
from services.refusals import InvalidInput

EXPLANATION = "Why the answer is right, for staff, as Markdown; empty for none."
OPTIONS = "2 to 26 options; no id and no text twice."

Body = tuple[QuestionKind, dict[str, Any], dict[str, Any]]
"""Kind, public part and key, as the services read them."""


@strawberry.input(description="Something to choose, to match or to put in order.")
class OptionInput:
    """An option."""

    id: str = told("Short id, unique within the question: 1 to 16 letters, digits, `_` or `-`. Candidates see it.")
    text: str = told("The option's text, as Markdown, at most 2,000 characters.")


@strawberry.input(description="One of several options is right.")
class SingleChoiceInput:
    """Single choice."""

    options: list[OptionInput] = told(OPTIONS)
    correct: str = told("Id of the right option.")
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        key = {"correct": self.correct, "explanation": self.explanation}
        return QuestionKind.SINGLE_CHOICE, {"options": _options(self.options)}, key


@strawberry.input(description="Any number of several options is right.")
class MultipleChoiceInput:
    """Multiple choice."""

    options: list[OptionInput] = told(OPTIONS)
    correct: list[str] = told("Ids of the right options, at least one.")
    rule: PartialCredit = told(
        "How a partly right answer counts: ALL_OR_NOTHING, PROPORTIONAL_MINUS_WRONG or PER_OPTION.",
        default=PartialCredit.ALL_OR_NOTHING,
    )
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        key = {"correct": self.correct, "rule": self.rule, "explanation": self.explanation}
        return QuestionKind.MULTIPLE_CHOICE, {"options": _options(self.options)}, key


@strawberry.input(description="The stem is a statement that is true or false.")
class TrueFalseInput:
    """True or false."""

    correct: bool = told("Whether the statement is true.")
    true_text: str = told("Wording of the option for true.", default="True")
    false_text: str = told("Wording of the option for false.", default="False")
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        options = [{"id": "true", "text": self.true_text}, {"id": "false", "text": self.false_text}]
        key = {"correct": self.correct, "explanation": self.explanation}
        return QuestionKind.TRUE_FALSE, {"options": options}, key


@strawberry.input(description="A number is asked for.")
class NumericInput:
    """Numeric."""

    value: str = told("The right value, a decimal number as text, such as `-12.5` or `6.02e23`.")
    tolerance: str = told("How far an answer may be from it, the bound included.", default="0")
    tolerance_kind: ToleranceKind = told("How the tolerance is meant.", default=ToleranceKind.ABSOLUTE)
    unit: str = told("Unit shown behind the field, at most 40 characters; empty for none.", default="")
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        key = {
            "value": self.value,
            "tolerance": self.tolerance,
            "tolerance_kind": self.tolerance_kind,
            "explanation": self.explanation,
        }
        return QuestionKind.NUMERIC, {"unit": self.unit}, key


@strawberry.input(description="A few words are asked for.")
class ShortTextInput:
    """Short text."""

    accepted: list[str] = told("The accepted texts, 1 to 50.")
    case: CaseRule = told("Whether capitals matter.", default=CaseRule.IGNORE_CASE)
    max_length: int = told("How long an answer may be, in characters, 1 to 1,000.", default=200)
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        key = {"accepted": self.accepted, "case": self.case, "explanation": self.explanation}
        return QuestionKind.SHORT_TEXT, {"max_length": self.max_length}, key


@strawberry.input(description="Every entry on the left belongs to one on the right.")
class MatchingInput:
    """Matching."""

    left: list[OptionInput] = told("The entries to match, 2 to 26.")
    right: list[OptionInput] = told(
        "What they are matched to, 2 to 26. Their ids are replaced and their order is changed, so that neither tells.",
    )
    pairs: list[PairInput] = told("The right pair of every entry on the left.")
    is_right_reusable: bool = told("Whether one entry on the right may be matched to several.", default=False)
    rule: PartialCredit = told(
        "How a partly right answer counts: ALL_OR_NOTHING or PER_PAIR.",
        default=PartialCredit.ALL_OR_NOTHING,
    )
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        content = {
            "left": _options(self.left),
            "right": _options(self.right),
            "reuse_right": self.is_right_reusable,
        }
        pairs = {pair.left: pair.right for pair in self.pairs}
        if len(pairs) < len(self.pairs):
            refuse_repeats([pair.left for pair in self.pairs], ("key", "pairs"), "left-hand entry")
        return QuestionKind.MATCHING, content, {"pairs": pairs, "rule": self.rule, "explanation": self.explanation}


@strawberry.input(description="Items are to be put in order.")
class OrderingInput:
    """Ordering."""

    items: list[OptionInput] = told(
        "The items in the right order, 2 to 26. Candidates get them in another order and under other ids.",
    )
    rule: PartialCredit = told(
        "How a partly right answer counts: ALL_OR_NOTHING, PER_POSITION or ADJACENT_PAIRS.",
        default=PartialCredit.ALL_OR_NOTHING,
    )
    explanation: str = told(EXPLANATION, default="")

    def body(self) -> Body:
        """Part what candidates see from the key."""
        order = [item.id for item in self.items]
        key = {"order": order, "rule": self.rule, "explanation": self.explanation}
        return QuestionKind.ORDERING, {"items": _options(self.items)}, key


@strawberry.input(description="How well a criterion is met.")
class RubricLevelInput:
    """A level."""

    id: str = told("Short id, unique within the criterion: 1 to 16 letters, digits, `_` or `-`.")
    label: str = told("What the level is called, 1 to 120 characters.")
    points: str = told("What it is worth beside the other levels: 0 to 10000, a decimal number as text.")
    description: str = told("When it is reached, as Markdown, at most 2,000 characters; empty for none.", default="")


@strawberry.input(description="One thing that is judged.")
class RubricCriterionInput:
    """A criterion."""

    id: str = told("Short id, unique within the rubric: 1 to 16 letters, digits, `_` or `-`.")
    title: str = told("What is judged, 1 to 120 characters.")
    description: str = told("More about it, as Markdown, at most 2,000 characters; empty for none.", default="")
    levels: list[RubricLevelInput] = told("From the lowest to the highest, 2 to 10, each worth more than the last.")


@strawberry.input(description="What a person judges by.")
class RubricInput:
    """A rubric."""

    criteria: list[RubricCriterionInput] = told("The criteria, 1 to 20.")


@strawberry.input(description="A longer text is asked for; a person judges it.")
class EssayInput:
    """Essay."""

    max_words: int | None = told("How many words are wanted at most, 1 to 10,000; null for no limit.", default=None)
    explanation: str = told("What a good answer has, for staff, as Markdown; empty for none.", default="")
    rubric: RubricInput | None = told("What is judged by; points are given at discretion when left out.", default=None)

    def body(self) -> Body:
        """Part what candidates see from the key."""
        return QuestionKind.ESSAY, {"max_words": self.max_words}, _judged(self.explanation, self.rubric)


@strawberry.input(description="Files are asked for; a person judges them.")
class FileUploadInput:
    """File upload."""

    accepted_media_types: list[str] = told(
        "Media types that are taken, at most 20, in small letters: `application/pdf`, or `image/*` for all of a kind. "
        "Without any, what the installation takes.",
        default_factory=list,
    )
    max_files: int = told("How many files are taken at most, 1 to 20.", default=1)
    max_bytes: int | None = told(
        "Bytes that each file may have, 1 to 2147483647; what the installation takes at most holds anyway.",
        default=None,
    )
    explanation: str = told("What a good file has, for staff, as Markdown; empty for none.", default="")
    rubric: RubricInput | None = told("What is judged by; points are given at discretion when left out.", default=None)

    def body(self) -> Body:
        """Part what candidates see from the key."""
        content = {
            "accepted_media_types": self.accepted_media_types,
            "max_files": self.max_files,
            "max_bytes": self.max_bytes,
        }
        return QuestionKind.FILE_UPLOAD, content, _judged(self.explanation, self.rubric)


@strawberry.input(description="Something is to be seen; the stem says what, and an assessor judges it.")
class ObservationInput:
    """Observation."""

    explanation: str = told("What is to be seen, for staff, as Markdown; empty for none.", default="")
    rubric: RubricInput | None = told("What is judged by; points are given at discretion when left out.", default=None)

    def body(self) -> Body:
        """Part what candidates see from the key."""
        return QuestionKind.OBSERVATION, {}, _judged(self.explanation, self.rubric)


@strawberry.input(one_of=True, description="What is asked for, and the right answer: exactly one field, the kind.")
class QuestionBodyInput:
    """The kind of a question with all that belongs to it."""

    single_choice: SingleChoiceInput | None = told("One option is right.", default=UNSET)
    multiple_choice: MultipleChoiceInput | None = told("Any number of options is right.", default=UNSET)
    true_false: TrueFalseInput | None = told("A statement.", default=UNSET)
    numeric: NumericInput | None = told("A number.", default=UNSET)
    short_text: ShortTextInput | None = told("A few words.", default=UNSET)
    matching: MatchingInput | None = told("Pairs.", default=UNSET)
    ordering: OrderingInput | None = told("An order.", default=UNSET)
    essay: EssayInput | None = told("A longer text.", default=UNSET)
    file_upload: FileUploadInput | None = told("Files.", default=UNSET)
    observation: ObservationInput | None = told("Something to be seen.", default=UNSET)

    def body(self) -> Body:
        """Return the one that was given, as the services read it; GraphQL has made sure that there is one."""
        given = next(kind for kind in vars(self).values() if kind)
        return given.body()

    @contextmanager
    def placed(self) -> Generator[None]:
        """Name the place of what is refused as it stands in this input, where content and key are one."""
        try:
            yield
        except InvalidInput as refused:
            if not {"content", "key"}.intersection(refused.path[:1]):
                raise
            name = next(name for name, given in vars(self).items() if given)
            path = ["body", to_camel_case(name), *(to_camel_case(str(step)) for step in refused.path[1:])]
            raise InvalidInput(refused.message, path=path, hint=refused.advice) from None


def _options(options: list[OptionInput]) -> list[dict[str, str]]:
    return [{"id": option.id, "text": option.text} for option in options]


def _judged(explanation: str, rubric: RubricInput | None) -> dict[str, Any]:
    """Return the secret part of what a person judges."""
    return {"explanation": explanation} | ({} if rubric is None else {"rubric": asdict(rubric)})
