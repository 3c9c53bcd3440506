"""Programmes: begun, written, published, archived, compared and listed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from uuid import UUID

from dataloaders import programmes as loaders
from models.capabilities import Capability
from models.programmes import (
    Programme,
    ProgrammeDraftRequirement,
    ProgrammeRequirement,
    ProgrammeStatus,
    ProgrammeVersion,
)
from resolvers.access import requires
from resolvers.context import Context
from services import programmes, programmes_diff, programmes_requirements
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.programmes import Content
from services.programmes_diff import Change
from services.programmes_requirements import Given
from services.work import Work

Shown = Programme | None


@requires(Capability.PROGRAMMES_READ)
async def programme(context: Context, programme_id: UUID | None) -> Shown:
    """Return a programme of the viewer's org unit."""
    return None if programme_id is None else await context.loaders.of(loaders.by_id).load(programme_id)


@requires(Capability.PROGRAMMES_READ)
async def programme_version(context: Context, version_id: UUID) -> ProgrammeVersion | None:
    """Return a published version."""
    return await context.loaders.of(loaders.version).load(version_id)


@requires(Capability.PROGRAMMES_READ)
async def programmes_page(context: Context, status: ProgrammeStatus, page: PageRequest) -> Page[Programme]:
    """List the programmes of the viewer's org unit."""
    return await context.read(programmes.listed, status, page)


@requires(Capability.PROGRAMMES_READ)
async def programme_diff(
    context: Context, programme_id: UUID | None, before: int | None, after: int | None
) -> list[Change] | None:
    """Return what differs between two versions; `before` None is the newest one, `after` None the draft."""
    row = await programme(context, programme_id)
    if row is None:
        return None
    return await context.read(_diff, row.id, row.latest_number if before is None else before, after)


async def _diff(work: Work, programme_id: UUID, before: int, after: int | None) -> list[Change]:
    was = await programmes.numbered(work, programme_id, before)
    return programmes_diff.between(was, await programmes.numbered(work, programme_id, after))


async def versions_of(context: Context, programme_id: UUID) -> Sequence[ProgrammeVersion]:
    """Return the versions of a programme that the viewer may see, the newest first."""
    return await context.loaders.of(loaders.versions_of).load(programme_id)


async def draft_of(context: Context, programme_id: UUID) -> Sequence[ProgrammeDraftRequirement]:
    """Return the requirements of the draft of a programme that the viewer may see, in order."""
    return await context.loaders.of(loaders.drafts_of).load(programme_id)


async def requirements_of(context: Context, version_id: UUID) -> Sequence[ProgrammeRequirement]:
    """Return the requirements of a version that the viewer may see, in order."""
    return await context.loaders.of(loaders.requirements_of).load(version_id)


@requires(Capability.PROGRAMMES_MANAGE)
async def create(context: Context, content: Content, key: str | None) -> Shown:
    """Begin a programme."""
    return await _done(context, "programmeCreate", key, asdict(content), partial(programmes.create, content=content))


@requires(Capability.PROGRAMMES_MANAGE)
async def update(
    context: Context, programme_id: UUID, content: Content, expected_version: int | None, key: str | None
) -> Shown:
    """Write the draft anew."""
    act = partial(programmes.update, programme_id=programme_id, content=content, expected_version=expected_version)
    given = [str(programme_id), asdict(content), expected_version]
    return await _done(context, "programmeUpdate", key, given, act)


@requires(Capability.PROGRAMMES_MANAGE)
async def publish(
    context: Context, programme_id: UUID, expected_version: int | None, key: str | None
) -> tuple[Shown, ProgrammeVersion | None]:
    """Make a version of the draft."""
    act = partial(programmes.publish, programme_id=programme_id, expected_version=expected_version)
    answer = await context.write("programmePublish", key, [str(programme_id), expected_version], act)
    shown = await context.loaders.of(loaders.by_id).load(UUID(answer["programme"]))
    return shown, await context.loaders.of(loaders.version).load(UUID(answer["version"]))


@requires(Capability.PROGRAMMES_MANAGE)
async def archive(context: Context, programme_id: UUID, reason: str, key: str | None) -> Shown:
    """Put a programme away for good."""
    act = partial(programmes.archive, programme_id=programme_id, reason=reason)
    return await _done(context, "programmeArchive", key, [str(programme_id), reason], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def requirement_add(context: Context, programme_id: UUID, given: Given, key: str | None) -> Shown:
    """Add a requirement to the draft."""
    act = partial(programmes_requirements.add, programme_id=programme_id, given=given)
    return await _done(context, "programmeRequirementAdd", key, [str(programme_id), asdict(given)], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def requirement_update(context: Context, requirement_id: UUID, given: Given, key: str | None) -> Shown:
    """Write a requirement of the draft anew."""
    act = partial(programmes_requirements.update, requirement_id=requirement_id, given=given)
    return await _done(context, "programmeRequirementUpdate", key, [str(requirement_id), asdict(given)], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def requirement_remove(context: Context, requirement_id: UUID, key: str | None) -> Shown:
    """Take a requirement out of the draft."""
    act = partial(programmes_requirements.remove, requirement_id=requirement_id)
    return await _done(context, "programmeRequirementRemove", key, [str(requirement_id)], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def requirements_reorder(context: Context, programme_id: UUID, ids: Sequence[UUID], key: str | None) -> Shown:
    """Put the requirements of the draft in order."""
    act = partial(programmes_requirements.reorder, programme_id=programme_id, ids=ids)
    given = [str(programme_id), [str(one) for one in ids]]
    return await _done(context, "programmeRequirementsReorder", key, given, act)


async def _done(
    context: Context, name: str, key: str | None, given: object, act: Callable[[Work], Awaitable[Answer]]
) -> Shown:
    answer = await context.write(name, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["programme"]))
