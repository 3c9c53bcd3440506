"""Templates: kept, changed, deleted and listed."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from uuid import UUID

from dataloaders import assignments as loaders
from models.assignments import AssignmentTemplate
from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import assignments_templates
from services.assignments_templates import Content
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.work import Work


@requires(Capability.ASSIGNMENTS_READ)
async def template(context: Context, template_id: UUID | None) -> AssignmentTemplate | None:
    """Return a template of the viewer's org unit."""
    return None if template_id is None else await context.loaders.of(loaders.templates).load(template_id)


@requires(Capability.ASSIGNMENTS_READ)
async def templates_page(context: Context, page: PageRequest) -> Page[AssignmentTemplate]:
    """List the templates of the viewer's org unit."""
    return await context.read(assignments_templates.listed, page)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_template_create(context: Context, content: Content, key: str | None) -> AssignmentTemplate | None:
    """Keep a template."""

    async def act(work: Work) -> Answer:
        return await assignments_templates.create(work, content)

    return await _written(context, "assignmentTemplateCreate", key, asdict(content), act)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_template_update(
    context: Context, template_id: UUID, content: Content, expected_version: int | None, key: str | None
) -> AssignmentTemplate | None:
    """Write a template anew."""

    async def act(work: Work) -> Answer:
        return await assignments_templates.update(work, template_id, content, expected_version)

    given = {"id": str(template_id), "content": asdict(content), "version": expected_version}
    return await _written(context, "assignmentTemplateUpdate", key, given, act)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_template_delete(
    context: Context, template_id: UUID, expected_version: int | None, key: str | None
) -> UUID:
    """Delete a template and return the id it had."""

    async def act(work: Work) -> Answer:
        return await assignments_templates.remove(work, template_id, expected_version)

    given = {"id": str(template_id), "version": expected_version}
    answer = await context.write("assignmentTemplateDelete", key, given, act)
    return UUID(answer["template"])


async def _written(
    context: Context, name: str, key: str | None, given: object, act: Callable[[Work], Awaitable[Answer]]
) -> AssignmentTemplate | None:
    answer = await context.write(name, key, given, act)
    return await context.loaders.of(loaders.templates).load(UUID(answer["template"]))
