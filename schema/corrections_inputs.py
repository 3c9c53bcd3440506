"""Corrections as they are given: a question, and what shall hold for it."""

from decimal import Decimal
from typing import Any

import strawberry
from strawberry import UNSET

from models.corrections import CorrectionKind
from schema import question_keys as _  # noqa: F401 - declares the enums used here
from schema.access import told
from schema.enums import closed_set
from schema.nodes import local_id
from schema.responses import PairInput, ResponseInput
from services.content_kinds import CaseRule, PartialCredit, QuestionKind, ToleranceKind
from services.content_parts import refuse_repeats
from services.corrections_draft import MOST_LINES, Given
from services.scoring_revised import VoidCredit

LINES = f"What shall hold: 1 to {MOST_LINES} lines. Only accepted answers may be several for one question."

KeyBody = tuple[QuestionKind, dict[str, Any]]
"""Kind and key, as the services read them."""

closed_set(
    VoidCredit,
    "VoidCredit",
    "What a voided question still counts for.",
    {
        VoidCredit.EXCLUDE: "Nothing: neither its points nor what it is worth count.",
        VoidCredit.FULL: "Everybody who was asked it has all of its points.",
    },
)


@strawberry.input(description="The right option of a single-choice question.")
class SingleChoiceKeyInput:
    """Single choice."""

    correct: str = told("Id of the right option.")

    def body(self) -> KeyBody:
        """Return the key."""
        return QuestionKind.SINGLE_CHOICE, {"correct": self.correct}


@strawberry.input(description="The right options of a multiple-choice question.")
class MultipleChoiceKeyInput:
    """Multiple choice."""

    correct: list[str] = told("Ids of the right options, 1 to 26.")
    rule: PartialCredit = told("How a partly right answer counts.", default=PartialCredit.ALL_OR_NOTHING)

    def body(self) -> KeyBody:
        """Return the key."""
        return QuestionKind.MULTIPLE_CHOICE, {"correct": self.correct, "rule": self.rule}


@strawberry.input(description="Whether the statement of a true/false question is true.")
class TrueFalseKeyInput:
    """True or false."""

    correct: bool = told("Whether the statement is true.")

    def body(self) -> KeyBody:
        """Return the key."""
        return QuestionKind.TRUE_FALSE, {"correct": self.correct}


@strawberry.input(description="The right number.")
class NumericKeyInput:
    """Numeric."""

    value: str = told("The right value, a decimal number as text.")
    tolerance: str = told("How far an answer may be from it, the bound included.", default="0")
    tolerance_kind: ToleranceKind = told("How the tolerance is meant.", default=ToleranceKind.ABSOLUTE)

    def body(self) -> KeyBody:
        """Return the key."""
        given = {"value": self.value, "tolerance": self.tolerance, "tolerance_kind": self.tolerance_kind}
        return QuestionKind.NUMERIC, given


@strawberry.input(description="The accepted texts.")
class ShortTextKeyInput:
    """Short text."""

    accepted: list[str] = told("The accepted texts, 1 to 50.")
    case: CaseRule = told("Whether capitals matter.", default=CaseRule.IGNORE_CASE)

    def body(self) -> KeyBody:
        """Return the key."""
        return QuestionKind.SHORT_TEXT, {"accepted": self.accepted, "case": self.case}


@strawberry.input(description="What belongs together.")
class MatchingKeyInput:
    """Matching."""

    pairs: list[PairInput] = told("The right pair of every entry on the left, at most 26.")
    rule: PartialCredit = told("How a partly right answer counts.", default=PartialCredit.ALL_OR_NOTHING)

    def body(self) -> KeyBody:
        """Return the key."""
        refuse_repeats([pair.left for pair in self.pairs], ("key", "pairs"), "left-hand entry")
        return QuestionKind.MATCHING, {"pairs": {pair.left: pair.right for pair in self.pairs}, "rule": self.rule}


@strawberry.input(description="The right order.")
class OrderingKeyInput:
    """Ordering."""

    order: list[str] = told("Ids of all items in the right order, as the question version shows them.")
    rule: PartialCredit = told("How a partly right answer counts.", default=PartialCredit.ALL_OR_NOTHING)

    def body(self) -> KeyBody:
        """Return the key."""
        return QuestionKind.ORDERING, {"order": self.order, "rule": self.rule}


@strawberry.input(one_of=True, description="A key: exactly one field, the one of the question's kind.")
class QuestionKeyInput:
    """The key."""

    single_choice: SingleChoiceKeyInput | None = told("One option.", default=UNSET)
    multiple_choice: MultipleChoiceKeyInput | None = told("Any number of options.", default=UNSET)
    true_false: TrueFalseKeyInput | None = told("True or false.", default=UNSET)
    numeric: NumericKeyInput | None = told("A number.", default=UNSET)
    short_text: ShortTextKeyInput | None = told("Texts.", default=UNSET)
    matching: MatchingKeyInput | None = told("Pairs.", default=UNSET)
    ordering: OrderingKeyInput | None = told("An order.", default=UNSET)

    def body(self) -> KeyBody:
        """Return the one that was given; GraphQL has made sure that there is one."""
        return next(given for given in vars(self).values() if given).body()


@strawberry.input(one_of=True, description="What shall hold for a question: exactly one of the four.")
class CorrectionChangeInput:
    """What a line does."""

    void: VoidCredit | None = told("The question counts no more, or counts for everybody.", default=UNSET)
    accept: ResponseInput | None = told(
        "A further answer that earns all of the points, beside the key; several lines may accept one each.",
        default=UNSET,
    )
    key: QuestionKeyInput | None = told(
        "Another key instead of the one that holds; the explanation stays as it is.", default=UNSET
    )
    points: Decimal | None = told(
        "What the question is worth: more than 0, at most 10,000, with up to four decimals. Marks that people gave "
        "move in proportion.",
        default=UNSET,
    )

    def plain(self) -> tuple[CorrectionKind, dict[str, Any], QuestionKind | None]:
        """Return the kind, its value, and the kind of question that a key is for."""
        if isinstance(self.void, VoidCredit):
            return CorrectionKind.VOID, {"credit": self.void.value}, None
        if isinstance(self.accept, ResponseInput):
            return CorrectionKind.ACCEPT, {"response": self.accept.plain()}, None
        if isinstance(self.key, QuestionKeyInput):
            kind, key = self.key.body()
            return CorrectionKind.KEY, {"key": key}, kind
        return CorrectionKind.POINTS, {"points": str(self.points)}, None


@strawberry.input(description="One line of a correction.")
class CorrectionLineInput:
    """A line."""

    question_version_id: strawberry.ID = told("Global id of the question version, as the evaluation asks it.")
    change: CorrectionChangeInput = told("What shall hold for it.")


def given_lines(lines: list[CorrectionLineInput]) -> list[Given]:
    """Return the lines as the service reads them."""
    found: list[Given] = []
    for index, one in enumerate(lines):
        path = ["lines", index, "questionVersionId"]
        kind, value, of_kind = one.change.plain()
        found.append(Given(local_id("QuestionVersion", one.question_version_id, path=path), kind, value, of_kind))
    return found
