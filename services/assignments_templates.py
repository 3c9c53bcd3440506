"""Templates: terms under a name, unique in their org unit, to issue from (domain.md section 5).

What was issued keeps what the template said then, so that changing or deleting one changes nothing that is out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select

from models.assignments import AssignmentTemplate
from models.base import uuid7
from services import assignments_terms, plain, run_label, words
from services.assignments_terms import LONGEST_NAME, Terms, terms_to_json
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.policy import LONGEST_LIMIT_SECONDS
from services.refusals import AlreadyExists, InvalidInput, NotFound, StateDrift
from services.work import Work

SHORTEST_WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Content:
    """What a template says. Its terms have no window: that is `window_seconds` long, from whenever it opens."""

    name: str
    terms: Terms
    window_seconds: int | None = None


async def create(work: Work, content: Content) -> Answer:
    """Keep a template; refuses a name that another one of the org unit has."""
    await _lead(work)
    row = AssignmentTemplate(id=uuid7(), created_by=work.viewer.user_id)
    await _write(work, row, content)
    work.session.add(row)
    await work.session.flush()
    work.record("assignment_template.created", ("assignment_template", row.id), after=told_of(row))
    return {"template": str(row.id)}


async def update(work: Work, template_id: UUID, content: Content, expected_version: int | None) -> Answer:
    """Write a template anew; what was issued from it keeps what it said."""
    await _lead(work)
    row = await _held(work, template_id, expected_version)
    before = told_of(row)
    await _write(work, row, content)
    row.version += 1
    await work.session.flush()
    told = ("assignment_template", row.id)
    work.record("assignment_template.updated", told, before=before, after=told_of(row))
    return {"template": str(row.id)}


async def remove(work: Work, template_id: UUID, expected_version: int | None) -> Answer:
    """Delete a template; what was issued from it stays as it is."""
    row = await _held(work, template_id, expected_version)
    before = told_of(row)
    await work.session.execute(delete(AssignmentTemplate).where(AssignmentTemplate.id == template_id))
    work.record("assignment_template.deleted", ("assignment_template", template_id), before=before)
    return {"template": str(template_id)}


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentTemplate]:
    """Return the templates with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, AssignmentTemplate, "id", ids)}


async def listed(work: Work, page: PageRequest) -> Page[AssignmentTemplate]:
    """List the templates of the viewer's org unit by name."""
    row = AssignmentTemplate
    return await paged(work, select(row), [Order(row.name), Order(row.id)], page)


def told_of(row: AssignmentTemplate) -> dict[str, Any]:
    """Return what the ledger keeps of a template."""
    return {"name": row.name, "terms": row.terms, "window_seconds": row.window_seconds}


def check_window(seconds: int | None) -> None:
    """Refuse a window that is shorter than a minute or longer than a year."""
    if seconds is not None and not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_LIMIT_SECONDS:
        raise InvalidInput(
            f"windowSeconds is {seconds}; it must be {SHORTEST_WINDOW_SECONDS} to {LONGEST_LIMIT_SECONDS}.",
            path=["windowSeconds"],
        )


async def _lead(work: Work) -> None:
    """Let templates of an org unit be named one after the other, so that two never take one name."""
    await work.lock(f"assignment_templates/{work.viewer.tenant_id}/{work.viewer.org_unit_id}")


async def _write(work: Work, row: AssignmentTemplate, content: Content) -> None:
    name, terms = words.name(content.name), content.terms
    check_window(content.window_seconds)
    assignments_terms.check_limits(terms)
    if terms.evaluation_version_id is not None:
        await assignments_terms.version_of(work, terms)
    if terms.name is not None:
        assignments_terms.stated(terms.name, LONGEST_NAME, "assignmentName")
    if terms.run_label is not None:
        run_label.checked(terms.run_label)
    taken = select(AssignmentTemplate.id).where(AssignmentTemplate.name == name, AssignmentTemplate.id != row.id)
    if await work.rows(taken.where(AssignmentTemplate.org_unit_id == work.viewer.org_unit_id)):
        raise AlreadyExists(f"There is a template '{name}' already.", path=["name"])
    row.name, row.terms, row.window_seconds = name, terms_to_json(terms), content.window_seconds
    row.changed_by, row.changed_at = work.viewer.user_id, await work.now()


async def _held(work: Work, template_id: UUID, expected_version: int | None) -> AssignmentTemplate:
    wanted = select(AssignmentTemplate).where(AssignmentTemplate.id == template_id).with_for_update()
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:
        raise NotFound("AssignmentTemplate", template_id)
    if expected_version is not None and row.version != expected_version:
        raise StateDrift("The template was changed meanwhile.", current_state="CHANGED", current_version=row.version)
    return row
