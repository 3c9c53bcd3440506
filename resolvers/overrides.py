"""Overrides: previewed, applied, taken back, listed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import groups as group_loaders
from dataloaders import overrides as loaders
from dataloaders import sessions as session_loaders
from models.capabilities import Capability
from models.identity import Group, User
from models.overrides import AssignmentOverride
from models.sessions import DeliverySession
from resolvers import identity
from resolvers.access import requires
from resolvers.context import Context
from services import overrides
from services.idempotency import Answer
from services.overrides import Filter, Plan, Wanted
from services.paging import Page, PageRequest
from services.work import Work


@dataclass(frozen=True, slots=True)
class Applied:
    """An override or a reversal as recorded, and the sessions whose limits it changed at once."""

    override: AssignmentOverride
    sessions: Sequence[DeliverySession]


@requires(Capability.ASSIGNMENTS_OVERRIDE)
async def override_preview(context: Context, wanted: Wanted) -> Plan:
    """Tell what an override would do."""
    return await context.read(overrides.preview, wanted)


@requires(Capability.ASSIGNMENTS_READ)
async def overrides_page(context: Context, wanted: Filter, page: PageRequest) -> Page[AssignmentOverride]:
    """List the ledger of overrides."""
    return await context.read(overrides.listed, wanted, page)


@requires(Capability.ASSIGNMENTS_READ)
async def override(context: Context, override_id: UUID) -> AssignmentOverride | None:
    """Return one override."""
    return await context.loaders.of(loaders.by_id).load(override_id)


@requires(Capability.ASSIGNMENTS_OVERRIDE)
async def override_apply(
    context: Context, wanted: Wanted, reason: str, key: str | None, *, is_high_stakes_confirmed: bool
) -> Applied:
    """Record an override, at once for whoever it is for."""

    async def act(work: Work) -> Answer:
        return await overrides.apply(work, wanted, reason, is_high_stakes_confirmed=is_high_stakes_confirmed)

    given = {"wanted": asdict(wanted), "reason": reason, "confirmed": is_high_stakes_confirmed}
    return await _recorded(context, "overrideApply", key, given, act)


@requires(Capability.ASSIGNMENTS_OVERRIDE)
async def override_reverse(context: Context, override_id: UUID, reason: str, key: str | None) -> Applied:
    """Take an override back."""

    async def act(work: Work) -> Answer:
        return await overrides.reverse(work, override_id, reason)

    given = {"id": str(override_id), "reason": reason}
    return await _recorded(context, "overrideReverse", key, given, act)


async def reversal(context: Context, row: AssignmentOverride) -> AssignmentOverride | None:
    """Return what took an override back."""
    return await context.loaders.of(loaders.reversals).load(row.id)


async def reversed_by(context: Context, row: AssignmentOverride) -> AssignmentOverride | None:
    """Return what a reversal takes back."""
    return None if row.reverses is None else await context.loaders.of(loaders.by_id).load(row.reverses)


async def person(context: Context, user_id: UUID | None) -> User | None:
    """Return the person of an override."""
    return None if user_id is None else await identity.person(context, user_id)


async def group(context: Context, row: AssignmentOverride) -> Group | None:
    """Return the group of an override."""
    return None if row.group_id is None else await context.loaders.of(group_loaders.by_id).load(row.group_id)


async def _recorded(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Applied:
    answer = await context.write(operation, key, given, act)
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["override"]))
    if row is None:
        raise LookupError(f"override {answer['override']} cannot be read back")
    found = await context.loaders.of(session_loaders.by_id).load_many([UUID(one) for one in answer["sessions"]])
    return Applied(row, [session for session in found if session is not None])
