"""Corrections as somebody wants them: read, and refused where a line is unknown, ill-formed, idle or contradictory."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.authoring import EvaluationItem, EvaluationVersion, VersionStatus
from models.corrections import CorrectionKind
from services import content, corrections_lines
from services.content_kinds import JUDGED, Key, QuestionKind
from services.corrections_lines import InForce
from services.refusals import CorrectionsContradict, CorrectionWithoutEffect, InvalidInput, NotFound
from services.scoring_revised import Asked, Line, VoidCredit, judge
from services.work import Work

MOST_LINES = 100

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """One line as it was given: the question, what shall be done to it, and the value as `read_line` says.

    `of_kind` is the kind of question that a key was given for.
    """

    question_version_id: UUID
    kind: CorrectionKind
    value: Mapping[str, Any]
    of_kind: QuestionKind | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A line that was read: `value` is what is stored of it."""

    question_version_id: UUID
    line: Line
    value: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What somebody wants to hold for a published evaluation version, and all that would hold then.

    Each is itself alone: what was found out of one is kept by it.
    """

    version: EvaluationVersion
    lines: Sequence[Read]
    holds: InForce

    @property
    def questions(self) -> set[UUID]:
        """The questions whose items are judged again."""
        return {one.question_version_id for one in self.lines}


async def read(work: Work, version_id: UUID, given: Sequence[Given]) -> Draft:
    """Read the lines against what is in force now; refuse the first that cannot, or need not, hold."""
    version = await _version(work, version_id)
    if not 1 <= len(given) <= MOST_LINES:
        raise InvalidInput(f"A correction has 1 to {MOST_LINES} lines, not {len(given)}.", path=["lines"])
    worths = await _worths(work, version_id, {one.question_version_id for one in given})
    asked = await corrections_lines.questions(work, worths)
    _refuse_contradictions(given)
    before = await corrections_lines.in_force(work, version_id)
    lines: list[Read] = []
    for index, one in enumerate(given):
        place: Place = ("lines", index)
        if one.question_version_id not in asked:
            raise NotFound("QuestionVersion", one.question_version_id, path=[*place, "questionVersionId"])
        question = asked[one.question_version_id]
        line = _line(question, one, (*place, "change"))
        holds = before.beside([(read.question_version_id, read.line) for read in lines]).of(one.question_version_id)
        _refuse_idle([replace(question, points=worth) for worth in worths[one.question_version_id]], line, holds, place)
        lines.append(Read(one.question_version_id, line, stored(line)))
    return Draft(version, lines, before.beside([(one.question_version_id, one.line) for one in lines]))


async def _version(work: Work, version_id: UUID) -> EvaluationVersion:
    found = (await work.session.scalars(select(EvaluationVersion).where(EvaluationVersion.id == version_id))).first()
    if found is None:
        raise NotFound("EvaluationVersion", version_id, path=["evaluationVersionId"])
    if found.status != VersionStatus.PUBLISHED:
        said = "This version is a draft; nobody has sat it."
        raise InvalidInput(said, path=["evaluationVersionId"], hint="Change the draft itself.")
    return found


async def _worths(work: Work, version_id: UUID, questions: Iterable[UUID]) -> dict[UUID, set[Decimal]]:
    """Return what each of the questions is worth in the evaluation; one that is not in it is left out."""
    item = EvaluationItem
    wanted = select(item.question_version_id, item.points).where(
        item.evaluation_version_id == version_id, item.question_version_id.in_(list(questions))
    )
    found: dict[UUID, set[Decimal]] = {}
    for row in await work.rows(wanted):
        found.setdefault(row.question_version_id, set()).add(row.points)
    return found


def _line(question: Asked, one: Given, place: Place) -> Line:
    """Read one line, and name the place of what is refused as it stands in the input."""
    with _placed(place):
        if one.kind is CorrectionKind.KEY:
            if question.kind in JUDGED:
                said = "This question is judged by a person; it has no key."
                raise InvalidInput(said, path=["key"], hint="Have the submissions marked again.")
            if one.of_kind is not None and one.of_kind is not question.kind:
                said = f"This is the key of {_named(one.of_kind)}; the question is {_named(question.kind)}."
                raise InvalidInput(said, path=["key"])
        line = corrections_lines.read_line(question, one.kind, one.value, ())
    if line.key is not None:
        return replace(line, key=line.key.model_copy(update={"explanation": question.key.explanation}))
    return line


@contextmanager
def _placed(place: Place) -> Generator[None]:
    try:
        yield
    except InvalidInput as refused:
        raise InvalidInput(refused.message, path=[*place, *refused.path], hint=refused.advice) from None


def _named(kind: QuestionKind) -> str:
    return kind.value.upper()


def stored(line: Line) -> dict[str, Any]:
    """Return the value of a line as it is kept; `read_line` reads it back."""
    if line.credit is not None:
        return {"credit": line.credit.value}
    if line.accept is not None:
        return {"response": content.to_json(line.accept)}
    if line.key is not None:
        return {"key": content.to_json(line.key)}
    return {"points": str(line.points)}


def _refuse_contradictions(given: Sequence[Given]) -> None:
    """Refuse two lines for one question that say two things: only further accepted answers may be several."""
    seen: dict[UUID, dict[CorrectionKind, int]] = {}
    for index, one in enumerate(given):
        before = seen.setdefault(one.question_version_id, {})
        clash = before.get(one.kind) if one.kind is not CorrectionKind.ACCEPT else None
        if one.kind is CorrectionKind.VOID and before:
            clash = min(before.values())
        clash = before.get(CorrectionKind.VOID, clash)
        if clash is not None:
            said = f"Lines {clash + 1} and {index + 1} contradict each other: both are about the same question."
            raise CorrectionsContradict(said, path=["lines", index])
        before.setdefault(one.kind, index)


def _refuse_idle(questions: Sequence[Asked], line: Line, holds: Sequence[Line], place: Place) -> None:
    """Refuse a line that says what holds already, whatever anybody answers."""
    if all(_is_idle(question, line, holds) for question in questions):
        said = f"Line {int(place[1]) + 1} would change nothing: this holds already."
        raise CorrectionWithoutEffect(said, path=place)


def _is_idle(question: Asked, line: Line, holds: Sequence[Line]) -> bool:
    credit = next((one.credit for one in reversed(holds) if one.kind is CorrectionKind.VOID), None)
    if line.kind is CorrectionKind.VOID:
        return credit is line.credit
    if credit is VoidCredit.EXCLUDE or (credit is not None and line.points is None):
        return True  # a voided question stays voided, whatever its key
    if line.points is not None:
        held = next((one.points for one in reversed(holds) if one.points is not None), question.points)
        return line.points == held
    if line.accept is not None:
        return bool(judge(question, line.accept, holds).correct)
    held_key = next((one.key for one in reversed(holds) if one.key is not None), question.key)
    return line.key is not None and _plain(line.key) == _plain(held_key)


def _plain(key: Key) -> dict[str, Any]:
    """Return what decides about points, where the order of a set of answers tells nothing."""
    shown = content.to_json(key) | {"explanation": ""}
    return shown | {name: sorted(shown[name]) for name in ("correct", "accepted") if isinstance(shown.get(name), list)}
