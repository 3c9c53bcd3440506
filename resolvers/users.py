"""People: listed, invited, changed, suspended, reactivated."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import identity as identity_loaders
from dataloaders import users as loaders
from models.capabilities import Capability
from models.identity import Group, OrgUnit, User, UserRole, UserStatus
from resolvers.access import requires
from resolvers.context import Context
from services import users
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.work import Work


@dataclass(frozen=True, slots=True)
class Possible:
    """An act on an object, and why it would be refused, if it would."""

    action: str
    reason: str | None


@requires(Capability.USERS_READ)
async def user(context: Context, user_id: UUID | None) -> User | None:
    """Return a person of the tenant."""
    return None if user_id is None else await person(context, user_id)


@requires(Capability.USERS_READ)
async def users_page(context: Context, wanted: users.Filter, page: PageRequest) -> Page[User]:
    """List people."""
    return await context.read(users.listed, wanted, page)


@requires(Capability.ROLES_READ)
async def grants(context: Context, user_id: UUID) -> list[UserRole]:
    """Return a person's unexpired grants."""
    return await context.loaders.of(loaders.grants_of).load(user_id)


@requires(Capability.USERS_READ)
async def org_units(context: Context, user_id: UUID) -> list[OrgUnit]:
    """Return the org units in which a person works."""
    return await context.loaders.of(loaders.org_units_of).load(user_id)


@requires(Capability.USERS_READ)
async def groups(context: Context, user_id: UUID) -> list[Group]:
    """Return the groups that a person is in."""
    return await context.loaders.of(loaders.groups_of).load(user_id)


@requires(Capability.USERS_READ)
async def actions(context: Context, row: User) -> list[Possible]:
    """Say what the viewer may do with a person now; what only the whole of the viewer's rights decides is tried."""
    held = await context.capabilities()
    manage = _without(held, Capability.USERS_MANAGE)
    grant = _without(held, Capability.ROLES_MANAGE)
    last = await _is_last_administrator(context, row)
    oneself = "You cannot do this to yourself." if row.id == context.viewer.user_id else None
    merged = "The person was merged into another one." if row.status == UserStatus.MERGED else None
    running = None if row.status in users.SUSPENDABLE else f"The person is {row.status}."
    stopped = None if row.status == UserStatus.SUSPENDED else f"The person is {row.status}, not suspended."
    return [
        Possible("update", manage or merged),
        Possible("suspend", manage or running or oneself or last),
        Possible("reactivate", manage or stopped),
        Possible("merge", manage or merged or oneself or last),
        Possible("assign_role", grant or merged),
    ]


@requires(Capability.USERS_MANAGE)
async def user_invite(context: Context, given: users.Invited, key: str | None) -> User | None:
    """Invite somebody."""

    async def act(work: Work) -> Answer:
        return await users.invite(work, given, context.house.site)

    return await changed(context, "userInvite", key, asdict(given), act)


@requires(Capability.USERS_MANAGE)
async def user_update(context: Context, user_id: UUID, change: users.Change, key: str | None) -> User | None:
    """Change a person."""

    async def act(work: Work) -> Answer:
        return await users.update(work, user_id, change)

    return await changed(context, "userUpdate", key, {"id": str(user_id), **asdict(change)}, act)


@requires(Capability.USERS_MANAGE)
async def user_suspend(context: Context, user_id: UUID, reason: str, key: str | None) -> User | None:
    """Suspend a person."""

    async def act(work: Work) -> Answer:
        return await users.suspend(work, user_id, reason)

    return await changed(context, "userSuspend", key, {"id": str(user_id), "reason": reason}, act)


@requires(Capability.USERS_MANAGE)
async def user_reactivate(context: Context, user_id: UUID, reason: str, key: str | None) -> User | None:
    """Let a suspended person in again."""

    async def act(work: Work) -> Answer:
        return await users.reactivate(work, user_id, reason)

    return await changed(context, "userReactivate", key, {"id": str(user_id), "reason": reason}, act)


async def changed(context: Context, operation: str, key: str | None, given: Any, act: Any) -> User | None:
    """Do something to one person and return them as they are now."""
    answer = await context.write(operation, key, given, act)
    return await person(context, UUID(answer["user"]))


async def person(context: Context, user_id: UUID) -> User | None:
    """Return a person by id."""
    return await context.loaders.of(identity_loaders.users).load(user_id)


async def people(context: Context, ids: Sequence[UUID]) -> list[User | None]:
    """Return people by id, in order."""
    return list(await context.loaders.of(identity_loaders.users).load_many(list(ids)))


def _without(held: frozenset[Capability], capability: Capability) -> str | None:
    return None if capability in held else f"You do not hold '{capability}' here."


async def _is_last_administrator(context: Context, row: User) -> str | None:
    lasting = await context.loaders.of(loaders.lasting_administrators).load(None)
    return "The tenant would have no lasting Tenant Admin." if lasting == frozenset((row.id,)) else None
