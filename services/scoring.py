"""From responses to points, and from points to an outcome (domain.md section 8).

All arithmetic is exact: fractions until the end, then decimals, rounded half up once. Points have four decimals.

Partial credit is the share of an item's points that a response earns. The rules, with n options, pairs or items:

- `ALL_OR_NOTHING`: 1 when everything is right, else 0 (QTI's `match_correct`).
- `PROPORTIONAL_MINUS_WRONG`: (right chosen - wrong chosen) / right options, never below 0: the classical
  "rights minus wrongs" of multiple response items, under which choosing everything is no strategy.
- `PER_OPTION`: options judged rightly, chosen or left, / n: multiple true-false scoring.
- `PER_PAIR`: left-hand entries matched rightly / n (QTI's `map_response` with equal weights).
- `PER_POSITION`: items standing in their own place / n ("absolute position").
- `ADJACENT_PAIRS`: right neighbours, an item directly followed by the one that should follow it, / (n - 1)
  ("relative to the next item"), which forgives one early mistake that shifts everything after it.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from models.submissions import ItemState, Outcome
from services.content_kinds import (
    CaseRule,
    ChoiceContent,
    Content,
    EssayContent,
    JudgedKey,
    Key,
    MatchingKey,
    MultipleChoiceKey,
    NumericKey,
    OrderingKey,
    PartialCredit,
    QuestionKind,
    ShortTextKey,
    SingleChoiceKey,
    ToleranceKind,
    expect,
)
from services.refusals import InvalidInput
from services.responses import (
    ChoiceResponse,
    ChoicesResponse,
    FilesResponse,
    OrderResponse,
    PairsResponse,
    Response,
    TextResponse,
    ValueResponse,
    is_answered,
)

POINTS_PLACES = 4
PERCENT_PLACES = 2
MOST_POINTS = Decimal(10_000)

Judgement = tuple[Fraction, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ItemScore:
    """What one item earned. `points_awarded` and `correct` are None while a person has to judge.

    `detail` is for staff: the rule and the counts that led to the points; it is JSON.
    """

    points_awarded: Decimal | None
    max_points: Decimal
    state: ItemState
    correct: bool | None
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class PassMark:
    """What it takes to pass: a percentage (0 to 100, two decimals) or a number of points (four decimals)."""

    percent: Decimal | None = None
    points: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.points is None):
            raise InvalidInput("A pass mark is either a percentage or a number of points.", path=("passMark",))
        if self.percent is not None:
            _check_scale(self.percent, PERCENT_PLACES, Decimal(100), ("passMark", "percent"))
        if self.points is not None:
            _check_scale(self.points, POINTS_PLACES, None, ("passMark", "points"))


@dataclass(frozen=True, slots=True)
class ScoreTotal:
    """The whole score. While the outcome is pending, `points` and `percent` count what is known so far."""

    points: Decimal
    max_points: Decimal
    percent: Decimal
    outcome: Outcome


def check_points(points: Decimal) -> Decimal:
    """Return an item's points; refuse 0, negatives, more than 10,000, and more than four decimals."""
    _check_scale(points, POINTS_PLACES, MOST_POINTS, ("points",))
    if points == 0:
        raise InvalidInput("points: an item is worth more than 0 points.", path=("points",))
    return points


def score(kind: QuestionKind, content: Content, key: Key, response: Response | None, points: Decimal) -> ItemScore:
    """Score one response; nothing answered earns 0, an essay, files and every observation wait for a person."""
    worth = half_up(Fraction(points), POINTS_PLACES)
    if kind is QuestionKind.OBSERVATION:
        return ItemScore(None, worth, ItemState.PENDING, correct=None)
    if response is None or not is_answered(response):
        return ItemScore(half_up(Fraction(0), POINTS_PLACES), worth, ItemState.UNANSWERED, correct=False)
    if kind is QuestionKind.ESSAY:
        return ItemScore(None, worth, ItemState.PENDING, correct=None, detail=_words(content, response))
    if kind is QuestionKind.FILE_UPLOAD:
        files = len(expect(response, FilesResponse).files)
        return ItemScore(None, worth, ItemState.PENDING, correct=None, detail={"files": files})
    share, detail = _judge(content, key, response)
    awarded = half_up(Fraction(points) * share, POINTS_PLACES)
    return ItemScore(awarded, worth, ItemState.SCORED, correct=share == 1, detail=detail)


def total(items: Sequence[ItemScore], pass_mark: PassMark) -> ScoreTotal:
    """Add up, and compare with the pass mark.

    A mark in points is compared in points: 26 of 35 pass at 26, whatever their percentage. A mark in percent is
    compared with the percentage as shown and stored (two decimals, half up), so that nobody who reads 74.29 fails at
    74.29. A score out of nothing is 0 per cent.
    """
    points = sum((item.points_awarded for item in items if item.points_awarded is not None), Decimal("0.0000"))
    most = sum((item.max_points for item in items), Decimal("0.0000"))
    percent = half_up(Fraction(points) / Fraction(most) * 100 if most else Fraction(0), PERCENT_PLACES)
    if any(item.state is ItemState.PENDING for item in items):
        return ScoreTotal(points, most, percent, Outcome.PENDING)
    reached = points >= pass_mark.points if pass_mark.points is not None else percent >= (pass_mark.percent or 0)
    return ScoreTotal(points, most, percent, Outcome.PASSED if reached else Outcome.FAILED)


def half_up(value: Fraction, places: int) -> Decimal:
    """Round a number that is not negative to decimals, halves up, without an intermediate rounding."""
    scaled = value * 10**places
    return Decimal((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)).scaleb(-places)


def same_text(one: str, other: str, case: CaseRule) -> bool:
    """Say whether two short texts are the same answer.

    White space is collapsed and trimmed. Characters are compared in canonical form (Unicode NFC), so that é typed as
    one or two code points is the same; not in NFKC, which would accept 52 for 5². Ignoring case is Unicode's canonical
    caseless matching (standard, definition D145): ß equals SS.
    """
    return _normal(one, case) == _normal(other, case)


def _normal(text: str, case: CaseRule) -> str:
    plain = " ".join(text.split())
    if case is CaseRule.EXACT:
        return unicodedata.normalize("NFC", plain)
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", plain).casefold())


def within_tolerance(key: NumericKey, value: str) -> bool:
    """Say whether a number is close enough to the key's, the bounds included."""
    wanted, allowed = Fraction(key.value), Fraction(key.tolerance)
    if key.tolerance_kind is ToleranceKind.RELATIVE:
        allowed *= abs(wanted)
    return abs(Fraction(value) - wanted) <= allowed


def _judge(content: Content, key: Key, response: Response) -> Judgement:
    match key:
        case SingleChoiceKey():
            return _whole(expect(response, ChoiceResponse).choice == key.correct)
        case MultipleChoiceKey():
            return _choices(expect(content, ChoiceContent), key, expect(response, ChoicesResponse))
        case NumericKey():
            return _whole(within_tolerance(key, expect(response, ValueResponse).value))
        case ShortTextKey():
            given = expect(response, TextResponse).text
            return _whole(any(same_text(given, accepted, key.case) for accepted in key.accepted))
        case MatchingKey():
            given = expect(response, PairsResponse).pairs
            right = sum(given.get(left) == entry for left, entry in key.pairs.items())
            return _share(key.rule, right, len(key.pairs))
        case OrderingKey():
            return _order(key, expect(response, OrderResponse).order)
        case JudgedKey():
            raise TypeError("This is judged by a person.")


def _whole(right: bool) -> Judgement:  # noqa: FBT001 - the one thing there is to say
    return Fraction(right), {}


def _share(rule: PartialCredit, right: int, of: int) -> Judgement:
    earned = Fraction(right, of)
    share = Fraction(earned == 1) if rule is PartialCredit.ALL_OR_NOTHING else earned
    return share, {"rule": rule.value, "right": right, "of": of}


def _choices(content: ChoiceContent, key: MultipleChoiceKey, response: ChoicesResponse) -> Judgement:
    chosen, correct = set(response.choices), set(key.correct)
    right, wrong, options = len(chosen & correct), len(chosen - correct), len(content.options)
    detail: dict[str, Any] = {"rule": key.rule.value, "right": right, "wrong": wrong, "of": len(correct)}
    if key.rule is PartialCredit.PROPORTIONAL_MINUS_WRONG:
        return max(Fraction(0), Fraction(right - wrong, len(correct))), detail
    if key.rule is PartialCredit.PER_OPTION:
        return Fraction(options - len(chosen ^ correct), options), detail | {"options": options}
    return Fraction(chosen == correct), detail


def _order(key: OrderingKey, given: tuple[str, ...]) -> Judgement:
    if key.rule is PartialCredit.ADJACENT_PAIRS:
        neighbours = set(pairwise(given))
        right = sum(pair in neighbours for pair in pairwise(key.order))
        return _share(key.rule, right, len(key.order) - 1)
    right = sum(one == other for one, other in zip(key.order, given, strict=True))
    return _share(key.rule, right, len(key.order))


def _words(content: Content, response: Response) -> dict[str, Any]:
    words = len(expect(response, TextResponse).text.split())
    return {"words": words, "max_words": expect(content, EssayContent).max_words}


def _check_scale(value: Decimal, places: int, most: Decimal | None, path: tuple[str, ...]) -> None:
    where = ".".join(path)
    if not value.is_finite() or value < 0 or (most is not None and value > most):
        span = f"from 0 to {most}" if most is not None else "0 or more"
        raise InvalidInput(f"{where}: {value} is not {span}.", path=path)
    if not has_places(value, places):
        raise InvalidInput(f"{where}: {value} has more than {places} decimals.", path=path)


def has_places(value: Decimal, places: int) -> bool:
    """Tell whether a finite number needs at most so many decimals, by its digits: its exponent may be absurd."""
    _, digits, exponent = value.as_tuple()
    further = -places - int(exponent)
    return further <= 0 or not any(digits[-further:])
