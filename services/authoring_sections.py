"""The sections of an evaluation: which questions they hold, how a session draws from them, what may be published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from models.authoring import EvaluationItem, EvaluationSection, Question, QuestionVersion, VersionStatus
from models.base import uuid7
from services import authoring
from services.content import QuestionKind
from services.refusals import InvalidInput, NotFound
from services.work import Work

MOST_SECTIONS = 50
MOST_ITEMS = 2_000
LONGEST_TITLE = 200
MOST_POINTS = Decimal(10_000)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """One question version named by an author, with its points (above 0, four decimals)."""

    question_version_id: UUID
    points: Decimal = ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Chooses, when the draft is saved, the newest published version of every question that fits; each has `points`.

    A part that is None asks for nothing. The order is that of the references.
    """

    reference_prefix: str | None = None
    group: str | None = None
    kind: QuestionKind | None = None
    points: Decimal = ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDraft:
    """A section as an author states it: items or a selector, and at most one rule for drawing from them.

    `draw` takes that many at random, `draw_per_group` one of each group; with neither every item is on the paper.
    """

    title: str
    draw: int | None = None
    draw_per_group: bool = False
    shuffle_items: bool = False
    shuffle_options: bool = False
    items: Sequence[ItemDraft] = ()
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class ComposedSection:
    """A section with its question versions found, in order."""

    settings: dict[str, Any]
    items: list[tuple[QuestionVersion, Decimal]]

    def as_json(self) -> dict[str, Any]:
        """Return what the content hash of the evaluation covers."""
        items = [[str(q.id), q.content_hash, f"{points:.4f}"] for q, points in self.items]
        return {**self.settings, "items": items}


@dataclass(frozen=True, slots=True)
class SectionMeasure:
    """What a stored section amounts to. Points are sums and bounds over its items."""

    title: str
    draw: int | None
    draw_per_group: bool
    items: int
    groups: int
    total: Decimal
    lowest: Decimal
    highest: Decimal
    first_ungrouped: str | None
    first_unpublished: str | None

    @property
    def drawn(self) -> int:
        """How many items of it a session gets."""
        if self.draw_per_group:
            return self.groups
        return self.items if self.draw is None else self.draw

    @property
    def points(self) -> Decimal | None:
        """The most that can be reached in it; None while that would depend on the draw."""
        if not self.draw_per_group and self.draw is None:
            return self.total
        return self.drawn * self.highest if self.lowest == self.highest else None


async def compose(work: Work, unit: UUID, drafts: Sequence[SectionDraft]) -> list[ComposedSection]:
    """Find the question versions of every section; refuse what does not exist, and a question that stands twice."""
    if len(drafts) > MOST_SECTIONS:
        raise InvalidInput(f"{len(drafts)} sections are more than {MOST_SECTIONS}.", path=["sections"])
    named = await authoring.by_id(work, QuestionVersion, {i.question_version_id for d in drafts for i in d.items})
    composed = [
        ComposedSection(
            _settings(draft, ["sections", index]),
            _named(named, unit, draft.items, ["sections", index])
            if draft.selector is None
            else await _selected(work, unit, draft.selector, ["sections", index, "selector"]),
        )
        for index, draft in enumerate(drafts)
    ]
    await _refuse_repeats(work, composed)
    return composed


async def stored(work: Work, version_id: UUID) -> list[ComposedSection]:
    """Return the sections of a stored version, in the form in which they are stored again."""
    composed: list[ComposedSection] = []
    whole = (await authoring.sections(work, [version_id]))[version_id]
    items: dict[UUID, list[tuple[QuestionVersion, Decimal]]] = {section.id: [] for section in whole}
    wanted = (
        select(EvaluationItem, QuestionVersion)
        .join(QuestionVersion, QuestionVersion.id == EvaluationItem.question_version_id)
        .where(EvaluationItem.evaluation_version_id == version_id)
        .order_by(EvaluationItem.section_id, EvaluationItem.position)
    )
    for row in await work.rows(wanted):
        item, question = row.EvaluationItem, row.QuestionVersion
        items[item.section_id].append((question, item.points))
    for section in whole:
        names = ("title", "draw", "draw_per_group", "shuffle_items", "shuffle_options")
        composed.append(ComposedSection({name: getattr(section, name) for name in names}, items[section.id]))
    return composed


async def store(work: Work, version_id: UUID, composed: Sequence[ComposedSection]) -> None:
    """Write the sections and items of a draft, in place of those that it had."""
    for part in (EvaluationItem, EvaluationSection):
        await work.session.execute(delete(part).where(part.evaluation_version_id == version_id))
    rows = [
        EvaluationSection(id=uuid7(), evaluation_version_id=version_id, position=position, **section.settings)
        for position, section in enumerate(composed, start=1)
    ]
    work.session.add_all(rows)
    await work.session.flush()
    work.session.add_all(
        EvaluationItem(
            evaluation_version_id=version_id,
            section_id=row.id,
            question_version_id=question.id,
            position=position,
            points=points,
        )
        for row, section in zip(rows, composed, strict=True)
        for position, (question, points) in enumerate(section.items, start=1)
    )
    await work.session.flush()


async def measured(work: Work, version_ids: Iterable[UUID]) -> dict[UUID, list[SectionMeasure]]:
    """Return what the sections of evaluation versions amount to, in order, with one statement."""
    found: dict[UUID, list[SectionMeasure]] = {version_id: [] for version_id in version_ids}
    section, item, version = EvaluationSection, EvaluationItem, QuestionVersion
    wanted = (
        select(
            section.evaluation_version_id,
            section.title,
            section.draw,
            section.draw_per_group,
            func.count(item.id).label("items"),
            func.count(version.group.distinct()).filter(version.group != "").label("groups"),
            func.coalesce(func.sum(item.points), 0).label("total"),
            func.coalesce(func.min(item.points), 0).label("lowest"),
            func.coalesce(func.max(item.points), 0).label("highest"),
            func.min(Question.reference).filter(version.group == "").label("first_ungrouped"),
            func.min(Question.reference).filter(version.status != VersionStatus.PUBLISHED).label("first_unpublished"),
        )
        .outerjoin(item, item.section_id == section.id)
        .outerjoin(version, version.id == item.question_version_id)
        .outerjoin(Question, Question.id == version.question_id)
        .where(section.evaluation_version_id.in_(list(found)))
        .group_by(section.tenant_id, section.id)
        .order_by(section.evaluation_version_id, section.position)
    )
    for version_id, *facts in await work.rows(wanted):
        found[version_id].append(SectionMeasure(*facts))
    return found


def refuse_unpublishable(measures: Sequence[SectionMeasure]) -> Decimal:
    """Return the most points a session can reach; refuse sections from which no fair paper can be drawn.

    The maximum must not depend on the draw: two candidates with the same share of right answers must reach the same
    percentage.
    """
    if not measures:
        raise InvalidInput("The evaluation has no section, so nothing could be asked.", path=["sections"])
    total = Decimal(0)
    for index, section in enumerate(measures):
        said = _objection(section)
        if said is not None:
            raise InvalidInput(f"Section '{section.title}' {said}.", path=["sections", index])
        total += section.points or 0
    return total


def _objection(section: SectionMeasure) -> str | None:
    if section.items == 0:
        return "has no item"
    if section.first_unpublished is not None:
        return f"holds a draft of question '{section.first_unpublished}'; publish that question first"
    if section.draw is not None and section.draw > section.items:
        return f"draws {section.draw} of {section.items} items"
    if section.draw_per_group and section.first_ungrouped is not None:
        return f"draws one question per group, but question '{section.first_ungrouped}' has no group"
    if section.points is None:
        worth = f"from {section.lowest:f} to {section.highest:f} points"
        return f"is drawn at random, but its items are worth {worth}; give all of them the same points"
    return None


def _settings(draft: SectionDraft, path: list[str | int]) -> dict[str, Any]:
    if draft.draw is not None and draft.draw < 1:
        raise InvalidInput(f"{draft.draw} items cannot be drawn; draw 1 or more.", path=[*path, "draw"])
    if draft.draw is not None and draft.draw_per_group:
        raise InvalidInput(
            f"A section draws {draft.draw} items or one per group, not both.",
            path=[*path, "drawPerGroup"],
            hint="Leave out one of 'draw' and 'drawPerGroup'.",
        )
    if draft.selector is not None and draft.items:
        raise InvalidInput(
            f"A section names its items ({len(draft.items)}) or selects them, not both.",
            path=[*path, "selector"],
            hint="Leave out one of 'items' and 'selector'.",
        )
    return {
        "title": authoring.stated(draft.title, path=[*path, "title"], longest=LONGEST_TITLE),
        "draw": draft.draw,
        "draw_per_group": draft.draw_per_group,
        "shuffle_items": draft.shuffle_items,
        "shuffle_options": draft.shuffle_options,
    }


def _named(
    found: dict[UUID, QuestionVersion],
    unit: UUID,
    items: Sequence[ItemDraft],
    path: list[str | int],
) -> list[tuple[QuestionVersion, Decimal]]:
    chosen: list[tuple[QuestionVersion, Decimal]] = []
    for index, item in enumerate(items):
        here = [*path, "items", index]
        version = found.get(item.question_version_id)
        if version is None or version.org_unit_id != unit:
            raise NotFound("QuestionVersion", item.question_version_id, path=[*here, "questionVersionId"])
        chosen.append((version, _worth(item.points, [*here, "points"])))
    return chosen


async def _selected(
    work: Work,
    unit: UUID,
    selector: Selector,
    path: list[str | int],
) -> list[tuple[QuestionVersion, Decimal]]:
    points = _worth(selector.points, [*path, "points"])
    version = QuestionVersion
    newest = (
        select(version.id)
        .where(version.status == VersionStatus.PUBLISHED, version.org_unit_id == unit)
        .ext(distinct_on(version.question_id))
        .order_by(version.question_id, version.number.desc())
        .subquery()
    )
    wanted = (
        select(version)
        .join(newest, newest.c.id == version.id)
        .join(Question, Question.id == version.question_id)
        .order_by(Question.reference, version.id)
        .limit(MOST_ITEMS + 1)
    )
    if selector.reference_prefix:
        wanted = wanted.where(Question.reference.startswith(selector.reference_prefix, autoescape=True))
    if selector.group is not None:
        wanted = wanted.where(version.group == selector.group)
    if selector.kind is not None:
        wanted = wanted.where(version.kind == selector.kind)
    found = (await work.session.scalars(wanted)).all()
    if not found:
        raise InvalidInput(
            f"No published question fits to {_described(selector)}.",
            path=path,
            hint="Publish the questions first, or choose others.",
        )
    return [(row, points) for row in found]


def _described(selector: Selector) -> str:
    asked = {
        "reference prefix": selector.reference_prefix,
        "group": selector.group,
        "kind": selector.kind and selector.kind.name,
    }
    return ", ".join(f"{name} '{value}'" for name, value in asked.items() if value is not None) or "the selector"


async def _refuse_repeats(work: Work, composed: Sequence[ComposedSection]) -> None:
    seen: set[UUID] = set()
    for index, section in enumerate(composed):
        for question, _ in section.items:
            if question.question_id in seen:
                row = (await authoring.by_id(work, Question, [question.question_id]))[question.question_id]
                raise InvalidInput(
                    f"Question '{row.reference}' stands twice in the evaluation, the second time in section "
                    f"'{section.settings['title']}'.",
                    path=["sections", index],
                    hint="Keep one of them.",
                )
            seen.add(question.question_id)
    if len(seen) > MOST_ITEMS:
        raise InvalidInput(f"{len(seen)} items are more than {MOST_ITEMS}.", path=["sections"])


def _worth(points: Decimal, path: list[str | int]) -> Decimal:
    worth = authoring.exact(points, path=path, decimals=4, highest=MOST_POINTS)
    if worth == 0:
        raise InvalidInput("An item is worth more than 0 points.", path=path)
    return worth
