"""Importing a pool of questions: row by row, in order, and the same rows again change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, update

from models.authoring import Question, QuestionKey, QuestionVersion, VersionStatus
from models.base import uuid7
from services import authoring, pool
from services.authoring_questions import LONGEST_REFERENCE, CheckedQuestion, by_references, checked
from services.idempotency import Answer
from services.refusals import InvalidInput, Refusal
from services.work import Work

MOST_ROWS = 500


class RowStatus(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(slots=True)
class _Row:
    """One row on its way: what it says, what became of it, and the version that it ends in."""

    index: int
    reference: str
    question: CheckedQuestion | None = None
    refusal: Refusal | None = None
    status: RowStatus = RowStatus.REFUSED
    question_id: UUID | None = None
    warnings: tuple[str, ...] = ()

    def answer(self) -> Answer:
        refusal = self.refusal
        return {
            "index": self.index,
            "reference": self.reference,
            "status": self.status.value,
            "question_id": None if self.question_id is None else str(self.question_id),
            "warnings": list(self.warnings),
            "problems": []
            if refusal is None
            else [
                {
                    "code": refusal.code,
                    "message": refusal.message,
                    "path": ["entries", str(self.index), *map(str, refusal.path)],
                    "hint": refusal.advice,
                },
            ],
        }


_Rows = list[dict[str, Any]]


def _rows() -> _Rows:
    return []


@dataclass(slots=True)
class _Changes:
    """Rows to write, gathered so that each table is written with one statement."""

    questions: _Rows = field(default_factory=_rows)
    versions: _Rows = field(default_factory=_rows)
    keys: _Rows = field(default_factory=_rows)
    rewritten: _Rows = field(default_factory=_rows)
    rewritten_keys: _Rows = field(default_factory=_rows)
    to_publish: _Rows = field(default_factory=_rows)


async def import_pool(work: Work, entries: Sequence[Mapping[str, Any]], *, publish: bool) -> Answer:
    """Import up to 500 entries, each for itself; one that is refused leaves its neighbours alone.

    An entry is matched by its reference. Unknown ones are created; a known question whose latest version has the same
    content hash is left alone; another text rewrites its draft, or opens its next version when it is published.
    With `publish` the version that results is frozen at once.
    """
    if len(entries) > MOST_ROWS:
        raise InvalidInput(
            f"{len(entries)} entries are more than the {MOST_ROWS} of one call.",
            path=["entries"],
            hint="Import the pool in several calls.",
        )
    rows = _read(entries)
    await authoring.desk(work, "questions")
    known = await by_references(work, [row.reference for row in rows if row.question is not None])
    latest = await authoring.newest(work, QuestionVersion, [question.id for question in known.values()])
    changes = _Changes()
    for row in rows:
        if row.question is not None:
            _decide(work, row, row.question, known.get(row.reference), latest, changes, publish=publish)
    await _write(work, changes)
    counts = {status.value: sum(row.status is status for row in rows) for status in RowStatus}
    work.record("questions.imported", ("question_pool", uuid7()), after={**counts, "published": publish})
    return {"results": [row.answer() for row in rows]}


def _read(entries: Sequence[Mapping[str, Any]]) -> list[_Row]:
    rows: list[_Row] = []
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        row = _Row(index, str(entry.get("id") or "").strip())
        rows.append(row)
        try:
            row.reference = authoring.stated(row.reference, path=["id"], longest=LONGEST_REFERENCE)
            if row.reference in first:
                raise InvalidInput(
                    f"'{row.reference}' stands twice in this import, first as entry {first[row.reference]}.",
                    path=["id"],
                )
            first[row.reference] = index
            row.question = checked(pool.read(entry))
            row.warnings = pool.warnings(entry)
        except Refusal as refusal:
            row.refusal = refusal
    return rows


def _decide(
    work: Work,
    row: _Row,
    question: CheckedQuestion,
    known: Question | None,
    latest: Mapping[UUID, QuestionVersion],
    changes: _Changes,
    *,
    publish: bool,
) -> None:
    if known is None:
        row.status, row.question_id = RowStatus.CREATED, uuid7()
        author = work.viewer.user_id
        changes.questions.append({"id": row.question_id, "reference": row.reference, "created_by": author})
        version_id = _open(work, changes, row.question_id, 1, question)
    else:
        row.question_id, newest = known.id, latest[known.id]
        same, frozen = newest.content_hash == question.content_hash, newest.status == VersionStatus.PUBLISHED
        if same and (frozen or not publish):
            row.status = RowStatus.UNCHANGED
            return
        row.status, version_id = RowStatus.UPDATED, newest.id
        if frozen:
            version_id = _open(work, changes, known.id, newest.number + 1, question)
        elif not same:
            changes.rewritten.append({"b_id": newest.id, **question.version})
            changes.rewritten_keys.append({"b_id": newest.id, "key": question.key})
    if publish:
        changes.to_publish.append({"b_id": version_id})


def _open(work: Work, changes: _Changes, question_id: UUID, number: int, question: CheckedQuestion) -> UUID:
    version_id = uuid7()
    changes.versions.append(
        {
            "id": version_id,
            "question_id": question_id,
            "number": number,
            "created_by": work.viewer.user_id,
            **question.version,
        },
    )
    changes.keys.append({"id": version_id, "key": question.key})
    return version_id


async def _write(work: Work, changes: _Changes) -> None:
    """Write parents first, and publish last: parts of a published version are frozen."""
    for model, rows in (
        (Question, changes.questions),
        (QuestionVersion, changes.versions),
        (QuestionKey, changes.keys),
    ):
        if rows:
            await work.session.execute(insert(model), rows)
    for model, rows in ((QuestionVersion, changes.rewritten), (QuestionKey, changes.rewritten_keys)):
        if rows:
            await _update(work, model, rows)
    if changes.to_publish:
        now = await work.now()
        frozen = {"status": VersionStatus.PUBLISHED, "published_at": now}
        await _update(work, QuestionVersion, [{**row, **frozen} for row in changes.to_publish])


async def _update(work: Work, model: type[QuestionVersion] | type[QuestionKey], rows: list[dict[str, Any]]) -> None:
    table: Any = model.__table__
    statement = update(table).where(table.c.id == bindparam("b_id"))
    connection = await work.session.connection()
    await connection.execute(statement, rows)
