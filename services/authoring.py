"""Questions and evaluations as other subjects use them: look-ups by key, and what a paper is drawn from.

Writing them is `authoring_questions`, `authoring_pool` and `authoring_evaluations`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from models.authoring import (
    Evaluation,
    EvaluationItem,
    EvaluationSection,
    EvaluationVersion,
    Question,
    QuestionKey,
    QuestionVersion,
    VersionStatus,
)
from services import content, drawing
from services.content import QuestionKind
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Work

Container = TypeVar("Container", Question, Evaluation)
Version = TypeVar("Version", QuestionVersion, EvaluationVersion)
Row = TypeVar("Row", Question, QuestionVersion, Evaluation, EvaluationVersion)


@dataclass(frozen=True, slots=True)
class Drift:
    """What an author saw before deciding: number and content hash of the latest version; None asks for nothing.

    The number tells when somebody has opened or published another version, the hash also when the same draft was
    edited by somebody else.
    """

    number: int | None = None
    content_hash: str | None = None

    def check(self, latest: QuestionVersion | EvaluationVersion) -> None:
        """Refuse when the latest version is not the one that the author saw."""
        same_number = self.number in (None, latest.number)
        if same_number and self.content_hash in (None, latest.content_hash):
            return
        seen = f"version {self.number}" if not same_number else f"a draft with content hash '{self.content_hash}'"
        raise StateDrift(
            f"You saw {seen}; the latest is version {latest.number} ({latest.status}) with '{latest.content_hash}'.",
            current_state=latest.status.upper(),
            current_version=latest.number,
        )


async def desk(work: Work, subject: str) -> UUID:
    """Take an org unit's lock for writing `subject` and return the unit; authors of one unit write in turn.

    A token that spans all org units is refused: what it wrote would belong to none of them.
    """
    unit = work.viewer.org_unit_id
    if unit is None:
        raise InvalidInput(
            "Your token spans all org units, and what is written belongs to exactly one.",
            hint="Use a token of the org unit that shall own it.",
        )
    await work.lock(f"authoring/{work.viewer.tenant_id}/{unit}/{subject}")
    return unit


def stated(value: str, *, path: Sequence[str | int], longest: int) -> str:
    """Return a text trimmed; refuse one that is blank, longer than `longest` characters, or has a NUL in it."""
    trimmed = value.strip()
    if not trimmed or len(trimmed) > longest or "\x00" in trimmed:
        raise InvalidInput(
            f"'{trimmed[:40]}' has {len(trimmed)} characters; 1 to {longest} are allowed here.",
            path=path,
            hint="Shorten the text, or write one.",
        )
    return trimmed


def exact(value: Decimal, *, path: Sequence[str | int], decimals: int, highest: Decimal) -> Decimal:
    """Return a number from 0 to `highest` with at most so many decimals; anything else is refused, never rounded."""
    if not value.is_finite() or not 0 <= value <= highest or value != round(value, decimals):
        raise InvalidInput(
            f"{value} is not a number from 0 to {highest:f} with at most {decimals} decimals.",
            path=path,
        )
    return round(value, decimals)


async def by_id(work: Work, model: type[Row], ids: Iterable[UUID]) -> dict[UUID, Row]:
    """Return the rows of a container or version table with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(model).where(model.id.in_(list(ids))))
    return {row.id: row for row in found}


async def newest(
    work: Work,
    model: type[Version],
    container_ids: Iterable[UUID],
    *,
    published: bool = False,
) -> dict[UUID, Version]:
    """Return the version with the highest number of each container, or the highest published one."""
    container = container_of(model)
    wanted = select(model).where(container.in_(list(container_ids)))
    if published:
        wanted = wanted.where(model.status == VersionStatus.PUBLISHED)
    wanted = wanted.ext(distinct_on(container)).order_by(container, model.number.desc())
    return {_container_id(version): version for version in await work.session.scalars(wanted)}


async def history(
    work: Work,
    model: type[Version],
    container_ids: Iterable[UUID],
    first: int,
) -> dict[UUID, list[Version]]:
    """Return the newest `first` versions of each container, newest first."""
    container = container_of(model)
    rank = func.row_number().over(partition_by=container, order_by=model.number.desc()).label("rank")
    ranked = select(model.id, rank).where(container.in_(list(container_ids))).subquery()
    wanted = (
        select(model)
        .join(ranked, ranked.c.id == model.id)
        .where(ranked.c.rank <= first)
        .order_by(container, model.number.desc())
    )
    found: dict[UUID, list[Version]] = {container_id: [] for container_id in container_ids}
    for version in await work.session.scalars(wanted):
        found[_container_id(version)].append(version)
    return found


def container_of(model: type[QuestionVersion] | type[EvaluationVersion]) -> ColumnElement[UUID]:
    """Return the column by which a version names its container."""
    column: Any = model.question_id if issubclass(model, QuestionVersion) else model.evaluation_id
    return column


def _container_id(version: QuestionVersion | EvaluationVersion) -> UUID:
    return version.question_id if isinstance(version, QuestionVersion) else version.evaluation_id


async def keys(work: Work, question_version_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the secret parts of question versions: for scoring as the system, and for staff who may read them.

    The database shows none of them to a candidate's session.
    """
    wanted = select(QuestionKey).where(QuestionKey.id.in_(list(question_version_ids)))
    return {row.id: row.key for row in await work.session.scalars(wanted)}


async def sections(work: Work, version_ids: Iterable[UUID]) -> dict[UUID, list[EvaluationSection]]:
    """Return the sections of evaluation versions, in order."""
    found: dict[UUID, list[EvaluationSection]] = {version_id: [] for version_id in version_ids}
    wanted = (
        select(EvaluationSection)
        .where(EvaluationSection.evaluation_version_id.in_(list(found)))
        .order_by(EvaluationSection.evaluation_version_id, EvaluationSection.position)
    )
    for section in await work.session.scalars(wanted):
        found[section.evaluation_version_id].append(section)
    return found


async def section_items(
    work: Work,
    section_ids: Iterable[UUID],
    *,
    first: int,
    after: int = 0,
) -> dict[UUID, list[EvaluationItem]]:
    """Return at most `first` items of each section, in order, from the position behind `after` on (1 is the first)."""
    found: dict[UUID, list[EvaluationItem]] = {section_id: [] for section_id in section_ids}
    item = EvaluationItem
    rank = func.row_number().over(partition_by=item.section_id, order_by=item.position).label("rank")
    ranked = select(item.id, rank).where(item.section_id.in_(list(found)), item.position > after).subquery()
    wanted = (
        select(item)
        .join(ranked, ranked.c.id == item.id)
        .where(ranked.c.rank <= first)
        .order_by(item.section_id, item.position)
    )
    for row in await work.session.scalars(wanted):
        found[row.section_id].append(row)
    return found


async def issuable(work: Work, evaluation_version_id: UUID) -> EvaluationVersion:
    """Return an evaluation version that may be issued; a draft is refused, since it can still change."""
    path = ["evaluationVersionId"]
    version = (await by_id(work, EvaluationVersion, [evaluation_version_id])).get(evaluation_version_id)
    if version is None:
        raise NotFound("EvaluationVersion", evaluation_version_id, path=path)
    if version.status != VersionStatus.PUBLISHED:
        raise InvalidInput(
            f"Version {version.number} of '{version.title}' is a draft.",
            path=path,
            hint="Publish the evaluation, then issue the published version.",
        )
    return version


@dataclass(frozen=True, slots=True)
class BlueprintItem:
    """One item that a paper may have: the public part of its question, never the key."""

    item_id: UUID
    question_version_id: UUID
    section_id: UUID
    section_title: str
    group: str
    kind: str
    stem: str
    content: dict[str, Any]
    points: Decimal


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that papers of an evaluation version are drawn from: the rule of each section, the items by id."""

    version: EvaluationVersion
    sections: list[drawing.Section]
    items: dict[UUID, BlueprintItem]


async def blueprint(work: Work, evaluation_version_id: UUID) -> Blueprint:
    """Return what papers of an evaluation version are drawn from; staff and the system may read it."""
    version = await issuable(work, evaluation_version_id)
    parts = (await sections(work, [evaluation_version_id]))[evaluation_version_id]
    titles = {section.id: section.title for section in parts}
    pools: dict[UUID, list[drawing.PoolItem]] = {section.id: [] for section in parts}
    items: dict[UUID, BlueprintItem] = {}
    question = QuestionVersion
    columns = select(
        EvaluationItem.id,
        EvaluationItem.section_id,
        EvaluationItem.points,
        question.id.label("question_version_id"),
        question.group,
        question.kind,
        question.stem,
        question.content,
    )
    wanted = (
        columns.join(question, question.id == EvaluationItem.question_version_id)
        .where(EvaluationItem.evaluation_version_id == evaluation_version_id)
        .order_by(EvaluationItem.section_id, EvaluationItem.position)
    )
    for row in await work.rows(wanted):
        public = content.parse_content(QuestionKind(row.kind), row.content)
        pools[row.section_id].append(drawing.PoolItem(row.id, row.group, content.options_to_shuffle(public)))
        items[row.id] = BlueprintItem(
            item_id=row.id,
            question_version_id=row.question_version_id,
            section_id=row.section_id,
            section_title=titles[row.section_id],
            group=row.group,
            kind=row.kind,
            stem=row.stem,
            content=row.content,
            points=row.points,
        )
    rules = [
        drawing.Section(
            id=section.id,
            title=section.title,
            items=tuple(pools[section.id]),
            draw=section.draw,
            draw_per_group=section.draw_per_group,
            shuffle_items=section.shuffle_items,
            shuffle_options=section.shuffle_options,
        )
        for section in parts
    ]
    return Blueprint(version, rules, items)
