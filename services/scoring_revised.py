"""From a response to points once more: with the corrections in force and the marks of people (domain.md sections 8, 9).

Corrections apply in the order in which they were made. What a question is worth, its key, and what is accepted beside
the key follow from all of them; a person's mark stands above the key, and moves in proportion when the worth does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from models.corrections import CorrectionKind
from models.submissions import ItemState
from services.content_kinds import (
    Content,
    Key,
    NumericKey,
    QuestionKind,
    ShortTextKey,
    expect,
)
from services.responses import (
    ChoicesResponse,
    Response,
    TextResponse,
    ValueResponse,
    is_answered,
)
from services.scoring import (
    POINTS_PLACES,
    ItemScore,
    PassMark,
    half_up,
    same_text,
    score,
    within_tolerance,
)

NOTHING = Decimal("0.0000")


class VoidCredit(StrEnum):
    """What a voided question still counts for."""

    EXCLUDE = "exclude"
    """Neither its points nor what it is worth count."""

    FULL = "full"
    """Everybody who was asked it has all of its points."""


@dataclass(frozen=True, slots=True)
class Line:
    """One correction of one question, read: exactly the part that its kind demands is set."""

    kind: CorrectionKind
    credit: VoidCredit | None = None
    accept: Response | None = None
    key: Key | None = None
    points: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """A person's final mark of one item, out of what it was worth then."""

    points: Decimal
    max_points: Decimal
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it stood on a paper: what was shown, its key, and what it was worth."""

    kind: QuestionKind
    content: Content
    key: Key
    points: Decimal


def judge(asked: Asked, response: Response | None, lines: Sequence[Line] = (), grade: Grade | None = None) -> ItemScore:
    """Score one response by everything that holds for it now; without lines and grade it is the automatic score."""
    for line in lines:
        asked = replace(asked, key=line.key or asked.key, points=line.points or asked.points)
    worth = half_up(Fraction(asked.points), POINTS_PLACES)
    said = _said(lines)
    voided = next((line.credit for line in reversed(lines) if line.kind is CorrectionKind.VOID), None)
    if voided is VoidCredit.EXCLUDE:
        return ItemScore(NOTHING, NOTHING, ItemState.VOIDED, correct=None, detail=said)
    if voided is VoidCredit.FULL:
        return ItemScore(worth, worth, ItemState.VOIDED, correct=None, detail=said)
    if grade is not None:
        share = Fraction(grade.points) / Fraction(grade.max_points)
        awarded = half_up(share * Fraction(worth), POINTS_PLACES)
        return ItemScore(awarded, worth, ItemState.SCORED, correct=share == 1, detail={**grade.detail, **said})
    if response is not None and is_answered(response) and _is_accepted(asked, response, lines):
        return ItemScore(worth, worth, ItemState.SCORED, correct=True, detail=said)
    first = score(asked.kind, asked.content, asked.key, response, asked.points)
    return replace(first, detail={**first.detail, **said}) if said else first


def scaled(mark: PassMark, planned: Decimal, worth: Decimal) -> PassMark:
    """Return the pass mark of a paper that was planned for some points and is worth others after corrections.

    A mark in points moves in proportion: what was 26 of 35 is the same share of what is left. One in percent stays.
    """
    if mark.points is None or planned == worth or not planned:
        return mark
    return PassMark(points=half_up(Fraction(mark.points) * Fraction(worth) / Fraction(planned), POINTS_PLACES))


def _said(lines: Sequence[Line]) -> dict[str, Any]:
    return {"corrections": [line.kind.value for line in lines]} if lines else {}


def _is_accepted(asked: Asked, response: Response, lines: Sequence[Line]) -> bool:
    return any(line.accept is not None and _same(asked.key, response, line.accept) for line in lines)


def _same(key: Key, response: Response, accepted: Response) -> bool:
    """Say whether a response is the accepted one, by the rule of its kind."""
    match accepted:
        case TextResponse() if isinstance(key, ShortTextKey):
            return same_text(expect(response, TextResponse).text, accepted.text, key.case)
        case ValueResponse() if isinstance(key, NumericKey):
            value = expect(response, ValueResponse).value
            return within_tolerance(key.model_copy(update={"value": accepted.value}), value)
        case ChoicesResponse():
            return set(expect(response, ChoicesResponse).choices) == set(accepted.choices)
        case _:
            return response == accepted
