"""Writing questions: a draft is edited in place, publishing freezes it, the next edit opens a new version."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from models.authoring import Question, QuestionKey, QuestionVersion, VersionStatus
from models.base import uuid7
from services import authoring, content
from services.authoring import Drift
from services.content import QuestionKind
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Work

LONGEST_REFERENCE = 120
LONGEST_GROUP = 120
LONGEST_SOURCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionText:
    """A question as an author states it; `content` and `key` are read by `services.content` for the kind.

    `group` names what belongs together when one question per group is drawn; `references` is where the answer is
    laid down, e.g. a regulation. Both may be empty.
    """

    kind: QuestionKind
    stem: str
    content: dict[str, Any]
    key: dict[str, Any]
    group: str = ""
    references: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionChanges:
    """What an author changes; None keeps what was there. Kind, content and key change together, as `body`."""

    body: tuple[QuestionKind, dict[str, Any], dict[str, Any]] | None = None
    stem: str | None = None
    group: str | None = None
    references: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedQuestion:
    """A question that has been read and found right, as its two rows keep it."""

    version: dict[str, Any]
    key: dict[str, Any]

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything that makes the question."""
        return str(self.version["content_hash"])


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFilter:
    """Which questions are wanted; kind, status and group are those of the latest version. None asks for nothing."""

    kind: QuestionKind | None = None
    status: VersionStatus | None = None
    group: str | None = None
    reference_prefix: str | None = None
    ids: Sequence[UUID] | None = None


def checked(text: QuestionText) -> CheckedQuestion:
    """Read a question as an author wrote it; refuse what breaks a rule of its kind, naming the place."""
    for name, value, longest in (
        ("group", text.group, LONGEST_GROUP),
        ("references", text.references, LONGEST_SOURCE),
    ):
        if value:
            authoring.stated(value, path=[name], longest=longest)
    group, references = text.group.strip(), text.references.strip()
    read = content.parse_question(text.kind, text.stem, text.content, text.key)
    extra = {"group": group, "references": references}
    return CheckedQuestion(
        {
            "kind": read.kind.value,
            "stem": read.stem,
            "content": content.to_json(read.content),
            "group": group,
            "references": references,
            "content_hash": content.content_hash(read.kind, read.stem, read.content, read.key, extra),
        },
        content.to_json(read.key),
    )


async def create(work: Work, *, reference: str, text: QuestionText) -> Answer:
    """Create a question with its first draft; a reference that the org unit already uses is refused."""
    reference = authoring.stated(reference, path=["reference"], longest=LONGEST_REFERENCE)
    question = checked(text)
    await authoring.desk(work, "questions")
    if await by_references(work, [reference]):
        raise InvalidInput(
            f"There is a question '{reference}' already.",
            path=["reference"],
            hint="Choose another reference, or update that question.",
        )
    row = Question(id=uuid7(), reference=reference, created_by=work.viewer.user_id)
    work.session.add(row)
    await work.session.flush()
    version_id = await _open_version(work, row.id, 1, question)
    work.record("question.created", ("question", row.id), after={"reference": reference, "number": 1})
    return {"question_id": str(row.id), "version_id": str(version_id)}


async def update(work: Work, question_id: UUID, changes: QuestionChanges, drift: Drift) -> Answer:
    """Change the open draft, or open the next version from the published one and change that."""
    latest = await _latest(work, question_id, drift)
    stored = (await authoring.keys(work, [latest.id]))[latest.id]
    question = checked(_changed(_text(latest, stored), changes))
    before = {"number": latest.number, "content_hash": latest.content_hash}
    if latest.status == VersionStatus.PUBLISHED:
        number = latest.number + 1
        version_id = await _open_version(work, question_id, number, question)
    else:
        version_id, number = latest.id, latest.number
        await _rewrite(work, latest, question)
    work.record(
        "question.updated",
        ("question", question_id),
        before=before,
        after={"number": number, "content_hash": question.content_hash},
    )
    return {"question_id": str(question_id), "version_id": str(version_id)}


async def publish(work: Work, question_id: UUID, drift: Drift) -> Answer:
    """Freeze the open draft for ever; a question without one is refused."""
    latest = await _latest(work, question_id, drift)
    if latest.status == VersionStatus.PUBLISHED:
        raise StateDrift(
            f"Version {latest.number} is published already, and there is no draft after it.",
            current_state=latest.status.upper(),
            current_version=latest.number,
        )
    latest.published_at = await work.now()
    latest.status = VersionStatus.PUBLISHED
    after = {"number": latest.number, "content_hash": latest.content_hash}
    work.record("question.published", ("question", question_id), after=after)
    return {"question_id": str(question_id), "version_id": str(latest.id)}


async def listed(
    work: Work,
    wanted: QuestionFilter,
    orders: Sequence[tuple[str, bool]],
    page: PageRequest,
) -> Page[Question]:
    """Return a page of questions; `orders` are pairs of `reference` or `created_at` and "descending"."""
    columns = {"reference": Question.reference, "created_at": Question.created_at}
    order = [Order(columns[name], descending=descending) for name, descending in orders or [("reference", False)]]
    return await paged(work, _chosen(wanted), [*order, Order(Question.id)], page)


async def by_references(work: Work, references: Sequence[str]) -> dict[str, Question]:
    """Return the questions of the viewer's org unit with these references, those that exist."""
    here = Question.org_unit_id == work.viewer.org_unit_id
    found = await work.session.scalars(select(Question).where(here, Question.reference.in_(references)))
    return {question.reference: question for question in found}


def _chosen(wanted: QuestionFilter) -> Select[Any]:
    chosen = select(Question)
    if wanted.ids is not None:
        chosen = chosen.where(Question.id.in_(wanted.ids))
    if wanted.reference_prefix:
        chosen = chosen.where(Question.reference.startswith(wanted.reference_prefix, autoescape=True))
    asked = {"kind": wanted.kind, "status": wanted.status, "group": wanted.group}
    conditions = [getattr(QuestionVersion, name) == value for name, value in asked.items() if value is not None]
    if conditions:
        newest = (
            select(QuestionVersion.id)
            .where(QuestionVersion.question_id == Question.id)
            .order_by(QuestionVersion.number.desc())
            .limit(1)
            .correlate(Question)
            .scalar_subquery()
        )
        chosen = chosen.join(QuestionVersion, QuestionVersion.id == newest).where(*conditions)
    return chosen


async def _latest(work: Work, question_id: UUID, drift: Drift) -> QuestionVersion:
    """Take the desk, then return the latest version of a question of this org unit, unless it has moved on."""
    unit = await authoring.desk(work, "questions")
    latest = (await authoring.newest(work, QuestionVersion, [question_id])).get(question_id)
    if latest is None or latest.org_unit_id != unit:
        raise NotFound("Question", question_id)
    drift.check(latest)
    return latest


async def _open_version(work: Work, question_id: UUID, number: int, question: CheckedQuestion) -> UUID:
    version = QuestionVersion(
        id=uuid7(),
        question_id=question_id,
        number=number,
        created_by=work.viewer.user_id,
        **question.version,
    )
    work.session.add(version)
    await work.session.flush()
    work.session.add(QuestionKey(id=version.id, key=question.key))
    return version.id


async def _rewrite(work: Work, draft: QuestionVersion, question: CheckedQuestion) -> None:
    for name, value in question.version.items():
        setattr(draft, name, value)
    key = (await work.session.scalars(select(QuestionKey).where(QuestionKey.id == draft.id))).one()
    key.key = question.key


def _text(version: QuestionVersion, key: dict[str, Any]) -> QuestionText:
    return QuestionText(
        kind=QuestionKind(version.kind),
        stem=version.stem,
        content=version.content,
        key=key,
        group=version.group,
        references=version.references,
    )


def _changed(text: QuestionText, changes: QuestionChanges) -> QuestionText:
    if changes.body is not None:
        kind, public, secret = changes.body
        text = replace(text, kind=kind, content=public, key=secret)
    given = {"stem": changes.stem, "group": changes.group, "references": changes.references}
    return replace(text, **{name: value for name, value in given.items() if value is not None})
