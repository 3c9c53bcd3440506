"""What only staff may know of a question: the right answer, the rule for partial credit, the explanation."""

from typing import Any

import strawberry

from schema.access import told
from schema.enums import closed_set
from schema.responses import Pair
from services import content as rules
from services import content_kinds as kinds
from services import markdown, rubrics

closed_set(
    kinds.PartialCredit,
    "PartialCredit",
    "Rules that turn a partly right answer into a share of the points.",
    {
        kinds.PartialCredit.ALL_OR_NOTHING: "All of the points when everything is right, else none.",
        kinds.PartialCredit.PROPORTIONAL_MINUS_WRONG: "Multiple choice: share of the right options that were chosen, "
        "less a share for each wrong one; never below none.",
        kinds.PartialCredit.PER_OPTION: "Multiple choice: share of the options that were rightly chosen or left out.",
        kinds.PartialCredit.PER_PAIR: "Matching: share of the right pairs.",
        kinds.PartialCredit.PER_POSITION: "Ordering: share of the items that stand in their right place.",
        kinds.PartialCredit.ADJACENT_PAIRS: "Ordering: share of the neighbours that follow each other rightly.",
    },
)

closed_set(
    kinds.CaseRule,
    "CaseRule",
    "Whether capitals matter in a short text.",
    {kinds.CaseRule.EXACT: "Capitals matter.", kinds.CaseRule.IGNORE_CASE: "Capitals do not matter."},
)

closed_set(
    kinds.ToleranceKind,
    "ToleranceKind",
    "How a tolerance is meant.",
    {
        kinds.ToleranceKind.ABSOLUTE: "In the unit of the value.",
        kinds.ToleranceKind.RELATIVE: "As a share of the value: 0.05 is five per cent.",
    },
)


@strawberry.interface(description="The secret part of a question. No candidate ever sees it.")
class QuestionKey:
    """What every key has."""

    explanation: str = told("Why the answer is right, as Markdown; empty when nothing was written.")

    @strawberry.field(description="The explanation as safe HTML.")
    def explanation_html(self) -> str:
        """Render the explanation."""
        return markdown.to_html(self.explanation)


@strawberry.type(description="The one right option of a single-choice or true/false question.")
class SingleChoiceKey(QuestionKey):
    """One option."""

    correct: str = told("Id of the right option.")


@strawberry.type(description="The right options of a multiple-choice question.")
class MultipleChoiceKey(QuestionKey):
    """Several options."""

    correct_ids: list[str] = told("Ids of the right options, at least one.")
    rule: kinds.PartialCredit = told("How a partly right answer counts.")


@strawberry.type(description="The right number.")
class NumericKey(QuestionKey):
    """A number."""

    value: str = told("The right value, a decimal number as text.")
    tolerance: str = told("How far an answer may be from it, the bound included; a decimal number as text.")
    tolerance_kind: kinds.ToleranceKind = told("How the tolerance is meant.")


@strawberry.type(description="The accepted texts.")
class ShortTextKey(QuestionKey):
    """Texts."""

    accepted: list[str] = told("The accepted texts, at least one.")
    case: kinds.CaseRule = told("Whether capitals matter.")


@strawberry.type(description="What belongs together.")
class MatchingKey(QuestionKey):
    """Pairs."""

    pairs: list[Pair] = told("The right pair of each entry on the left.")
    rule: kinds.PartialCredit = told("How a partly right answer counts.")


@strawberry.type(description="The right order.")
class OrderingKey(QuestionKey):
    """An order."""

    order: list[str] = told("Ids of all items in the right order.")
    rule: kinds.PartialCredit = told("How a partly right answer counts.")


@strawberry.type(description="How well a criterion is met.")
class RubricLevel:
    """A level."""

    id: str = told("Short id, unique within the criterion; grades name levels by it.")
    label: str = told("What the level is called, such as Merit.")
    points: str = told("What it is worth beside the other levels, a decimal number as text.")
    description: str = told("When it is reached, as Markdown; empty when nothing was written.")


@strawberry.type(description="One thing that is judged.")
class RubricCriterion:
    """A criterion."""

    id: str = told("Short id, unique within the rubric; grades name criteria by it.")
    title: str = told("What is judged.")
    description: str = told("More about it, as Markdown; empty when nothing was written.")
    levels: list[RubricLevel] = told("From the lowest to the highest, 2 to 10.")


@strawberry.type(
    description="What a person judges by. It belongs to its question version and is frozen with it; the highest levels "
    "of all criteria together are all of the item's points."
)
class Rubric:
    """A rubric."""

    criteria: list[RubricCriterion] = told("The criteria, 1 to 20.")

    @classmethod
    def of(cls, rubric: rubrics.Rubric | None) -> "Rubric | None":
        """Show a rubric."""
        if rubric is None:
            return None
        shown = [
            RubricCriterion(
                id=one.id,
                title=one.title,
                description=one.description,
                levels=[RubricLevel(**level.model_dump()) for level in one.levels],
            )
            for one in rubric.criteria
        ]
        return cls(criteria=shown)


@strawberry.type(description="An essay is judged by a person.")
class EssayKey(QuestionKey):
    """By a rubric or at discretion."""

    rubric: Rubric | None = told("What is judged by; null when points are given at discretion.")


@strawberry.type(description="Files are judged by a person.")
class FileUploadKey(QuestionKey):
    """By a rubric or at discretion."""

    rubric: Rubric | None = told("What is judged by; null when points are given at discretion.")


@strawberry.type(description="An observation is judged by the assessor who sees it.")
class ObservationKey(QuestionKey):
    """By a rubric or at discretion."""

    rubric: Rubric | None = told("What is judged by; null when points are given at discretion.")


KEYS: tuple[type[QuestionKey], ...] = (
    SingleChoiceKey,
    MultipleChoiceKey,
    NumericKey,
    ShortTextKey,
    MatchingKey,
    OrderingKey,
    EssayKey,
    FileUploadKey,
    ObservationKey,
)
"""The types behind the interface, for the schema to know."""


def show_key(kind: str, public: dict[str, Any], stored: dict[str, Any]) -> QuestionKey:  # noqa: PLR0911 - one return for each kind
    """Show the stored secret part of a question of a kind, next to its public part."""
    which = kinds.QuestionKind(kind)
    match rules.parse_key(which, rules.parse_content(which, public), stored):
        case kinds.SingleChoiceKey() as key:
            return SingleChoiceKey(explanation=key.explanation, correct=key.correct)
        case kinds.MultipleChoiceKey() as key:
            return MultipleChoiceKey(explanation=key.explanation, correct_ids=list(key.correct), rule=key.rule)
        case kinds.NumericKey() as key:
            return NumericKey(
                explanation=key.explanation,
                value=key.value,
                tolerance=key.tolerance,
                tolerance_kind=key.tolerance_kind,
            )
        case kinds.ShortTextKey() as key:
            return ShortTextKey(explanation=key.explanation, accepted=list(key.accepted), case=key.case)
        case kinds.MatchingKey() as key:
            pairs = [Pair(left=left, right=right) for left, right in key.pairs.items()]
            return MatchingKey(explanation=key.explanation, pairs=pairs, rule=key.rule)
        case kinds.OrderingKey() as key:
            return OrderingKey(explanation=key.explanation, order=list(key.order), rule=key.rule)
        case kinds.EssayKey() as key:
            return EssayKey(explanation=key.explanation, rubric=Rubric.of(key.rubric))
        case kinds.FileUploadKey() as key:
            return FileUploadKey(explanation=key.explanation, rubric=Rubric.of(key.rubric))
        case kinds.ObservationKey() as key:
            return ObservationKey(explanation=key.explanation, rubric=Rubric.of(key.rubric))
