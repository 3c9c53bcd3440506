"""Which corrections are in force for an evaluation version, read and in order (domain.md section 8).

An undone batch counts as if it had never been; undoing the undoing brings it back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.authoring import QuestionKey, QuestionVersion
from models.base import uuid7
from models.corrections import Correction, CorrectionBatch, CorrectionKind
from services import content, responses
from services.content import QuestionKind
from services.content_kinds import JUDGED
from services.refusals import InvalidInput
from services.scoring import check_points
from services.scoring_revised import Asked, Line, VoidCredit
from services.work import Work

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class InForce:
    """The questions that were corrected, and the lines of each, oldest first; by the id of the question version."""

    lines: Mapping[UUID, Sequence[Line]] = field(default_factory=dict[UUID, Sequence[Line]])

    def of(self, question_version_id: UUID) -> Sequence[Line]:
        """Return the lines of one question; most have none."""
        return self.lines.get(question_version_id, ())

    def beside(self, further: Sequence[tuple[UUID, Line]]) -> "InForce":
        """Return what holds when these lines are added, behind those that hold."""
        lines = {question: list(some) for question, some in self.lines.items()}
        for question, line in further:
            lines.setdefault(question, []).append(line)
        return InForce(lines)


def alive(batches: Sequence[tuple[UUID, UUID | None]]) -> set[UUID]:
    """Return those of the batches (id and the one that it undoes, oldest first) that are in force."""
    dead: set[UUID] = set()
    for batch_id, undoes in reversed(batches):
        if batch_id not in dead and undoes is not None:
            dead.add(undoes)
    return {batch_id for batch_id, _ in batches} - dead


async def in_force(work: Work, evaluation_version_id: UUID, *, undoing: UUID | None = None) -> InForce:
    """Return what holds for an evaluation version now, or would hold if the batch `undoing` were undone."""
    line = Correction
    known = (await batches(work, [evaluation_version_id]))[evaluation_version_id]
    if not known:
        return InForce()
    order = {batch_id: place for place, (batch_id, _) in enumerate(known)}
    living = alive([*known, *([] if undoing is None else [(uuid7(), undoing)])])
    rows = list(await work.session.scalars(select(line).where(line.batch_id.in_(living))))
    asked = await questions(work, {row.question_version_id for row in rows})
    found: dict[UUID, list[Line]] = {}
    for row in sorted(rows, key=lambda one: (order[one.batch_id], one.position)):
        found.setdefault(row.question_version_id, []).append(stored_line(asked, row))
    return InForce(found)


def stored_line(asked: Mapping[UUID, Asked], row: Correction) -> Line:
    """Read a line as it is kept."""
    return read_line(asked[row.question_version_id], CorrectionKind(row.kind), row.value, ())


async def batches(work: Work, version_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, UUID | None]]]:
    """Return the batches of each evaluation version, oldest first: the id, and the one that it undoes."""
    batch = CorrectionBatch
    wanted = select(batch.evaluation_version_id, batch.id, batch.undoes_id)
    rows = await work.rows(
        wanted.where(batch.evaluation_version_id.in_(version_ids)).order_by(batch.created_at, batch.id)
    )
    found: dict[UUID, list[tuple[UUID, UUID | None]]] = {one: [] for one in version_ids}
    for row in rows:
        found[row.evaluation_version_id].append((row.id, row.undoes_id))
    return found


async def questions(work: Work, ids: Collection[UUID], points: Decimal = ONE) -> dict[UUID, Asked]:
    """Return these question versions with their keys, as they were written; what each is worth is told elsewhere."""
    version, key = QuestionVersion, QuestionKey
    wanted = (
        select(version.id, version.kind, version.content, key.key)
        .join(key, key.id == version.id)
        .where(version.id.in_(list(ids)))
    )
    found: dict[UUID, Asked] = {}
    for row in await work.rows(wanted):
        kind = QuestionKind(row.kind)
        shown = content.parse_content(kind, row.content)
        found[row.id] = Asked(kind, shown, content.parse_key(kind, shown, row.key), points)
    return found


def read_line(asked: Asked, kind: CorrectionKind, value: Mapping[str, Any], path: Sequence[str | int]) -> Line:
    """Read the value of a correction as its kind demands; refuse what does not fit to the question.

    VOID has `credit` (`exclude` or `full`), ACCEPT a `response`, KEY a `key`, POINTS `points` as a decimal string.
    """
    match kind:
        case CorrectionKind.VOID:
            return Line(kind, credit=VoidCredit(value["credit"]))
        case CorrectionKind.ACCEPT:
            response = responses.parse_response(asked.kind, asked.content, value.get("response"))
            if asked.kind in JUDGED or not responses.is_answered(response):
                said = "What is accepted is an answer to a question that is scored by rule."
                raise InvalidInput(said, path=[*path, "response"])
            return Line(kind, accept=response)
        case CorrectionKind.KEY:
            return Line(kind, key=content.parse_key(asked.kind, asked.content, value.get("key")))
        case CorrectionKind.POINTS:
            return Line(kind, points=check_points(Decimal(value["points"])))
