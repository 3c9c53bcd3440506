"""What changes roles, and who holds them."""

from collections.abc import Awaitable
from typing import Annotated
from uuid import UUID

import strawberry

from models import identity as models
from resolvers import roles
from schema.access import Info, act, says, told
from schema.identity import User
from schema.nodes import global_id, local_id
from schema.org_units_acts import NAME
from schema.problems import Problem, attempt
from schema.roles import Grant, Role
from schema.users_acts import KEY, WHY, GrantInput
from services.roles import Change

HELD = "Names of capabilities, as the query `capabilities` lists them; you hold each of them in the whole tenant."


@strawberry.input(description="A role to create.")
class RoleCreateInput:
    """A new role."""

    name: str = told(NAME)
    description: str = told("What it is for, at most 1000 characters.", default="")
    capabilities: list[str] = told(HELD)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A role to clone.")
class RoleCloneInput:
    """Which role, and how the new one is called."""

    id: strawberry.ID = told("Global id of the role to clone.")
    name: str = told(NAME)
    description: str | None = told("What it is for; as the cloned one when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What to change of a role; what is left out stays.")
class RoleUpdateInput:
    """A change of a role."""

    id: strawberry.ID = told("Global id of the role.")
    name: str | None = told(NAME, default=None)
    description: str | None = told("What it is for, at most 1000 characters.", default=None)
    capabilities: list[str] | None = told(f"Everything that it shall hold. {HELD}", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A role to delete, and why.")
class RoleDeleteInput:
    """Which role."""

    id: strawberry.ID = told("Global id of the role.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A role to grant to a person.")
class RoleAssignInput:
    """Whom, what, and why."""

    user_id: strawberry.ID = told("Global id of the person.")
    grant: GrantInput = told("The role, where it counts and until when.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A grant to take back, and why.")
class RoleRemoveInput:
    """Which grant."""

    grant_id: strawberry.ID = told("Global id of the grant, as `User.roles` names it.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A role as changed.")
class RolePayload:
    """Answer of the acts on a role."""

    role: Role | None = told("The role; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="A role that was deleted.")
class RoleDeletePayload:
    """Answer of `roleDelete`."""

    deleted_id: strawberry.ID | None = told("Global id that it had; null when it was not deleted.")
    problems: list[Problem] = told("Why it was not deleted.")


@strawberry.type(description="A person with the role just granted.")
class RoleAssignPayload:
    """Answer of `roleAssign`."""

    user: User | None = told("The person; null when nothing was granted.")
    grant: Grant | None = told("The grant; null when nothing was granted, or when it was taken back meanwhile.")
    problems: list[Problem] = told("Why nothing was granted.")


@strawberry.type(description="A person without the grant just taken back.")
class RoleRemovePayload:
    """Answer of `roleRemove`."""

    user: User | None = told("The person; null when nothing was taken back.")
    problems: list[Problem] = told("Why nothing was taken back.")


async def _answered(act_: Awaitable[models.Role | None]) -> RolePayload:
    row, problems = await attempt(act_)
    return RolePayload(role=row and Role.of(row), problems=problems)


@strawberry.type
class RolesMutation:
    """Acts on roles and grants."""

    @act(roles.role_create, "Create a role out of capabilities that you hold in the whole tenant.")
    async def role_create(self, info: Info, input: Annotated[RoleCreateInput, says("What to create.")]) -> RolePayload:
        """Create."""
        change = Change(input.name, input.description, tuple(input.capabilities))
        return await _answered(roles.role_create(info.context, change, input.idempotency_key))

    @act(
        roles.role_clone,
        "Create a role that holds what another one does, to be changed. `billing.manage` stays behind when the role "
        "holds anything but `users.read` besides.",
    )
    async def role_clone(self, info: Info, input: Annotated[RoleCloneInput, says("Which role.")]) -> RolePayload:
        """Clone."""

        async def clone() -> models.Role | None:
            role_id = local_id("Role", input.id)
            return await roles.role_clone(info.context, role_id, input.name, input.description, input.idempotency_key)

        return await _answered(clone())

    @act(
        roles.role_update,
        "Change a role; within a second it counts for everybody who holds it. System roles are refused, and what you "
        "do not hold in the whole tenant.",
    )
    async def role_update(self, info: Info, input: Annotated[RoleUpdateInput, says("Which, and what.")]) -> RolePayload:
        """Change."""

        async def update() -> models.Role | None:
            wanted = None if input.capabilities is None else tuple(input.capabilities)
            change = Change(input.name, input.description, wanted)
            return await roles.role_update(info.context, local_id("Role", input.id), change, input.idempotency_key)

        return await _answered(update())

    @act(roles.role_delete, "Delete a role that nobody holds any more. System roles are refused.")
    async def role_delete(
        self, info: Info, input: Annotated[RoleDeleteInput, says("Which, and why.")]
    ) -> RoleDeletePayload:
        """Delete."""

        async def delete() -> UUID:
            role_id = local_id("Role", input.id)
            return await roles.role_delete(info.context, role_id, input.reason, input.idempotency_key)

        gone, problems = await attempt(delete())
        return RoleDeletePayload(deleted_id=gone and global_id("Role", gone), problems=problems)

    @act(
        roles.role_assign,
        "Grant a role to a person, in one org unit or everywhere, until an instant or for good. You grant only what "
        "you hold there yourself.",
    )
    async def role_assign(
        self, info: Info, input: Annotated[RoleAssignInput, says("Whom, what, and why.")]
    ) -> RoleAssignPayload:
        """Grant."""

        async def assign() -> tuple[models.User | None, models.UserRole | None]:
            user_id, wanted = local_id("User", input.user_id, path=["userId"]), input.grant.plain("grant")
            return await roles.role_assign(info.context, user_id, wanted, input.reason, input.idempotency_key)

        done, problems = await attempt(assign())
        user, grant = done or (None, None)
        return RoleAssignPayload(user=user and User.of(user), grant=grant and Grant.of(grant), problems=problems)

    @act(
        roles.role_remove,
        "Take a grant back; within a second it counts nowhere, open streams included. Refused for the last lasting "
        "Tenant Admin, and for what you do not hold there.",
    )
    async def role_remove(
        self, info: Info, input: Annotated[RoleRemoveInput, says("Which, and why.")]
    ) -> RoleRemovePayload:
        """Take back."""

        async def remove() -> models.User | None:
            grant_id = local_id("Grant", input.grant_id, path=["grantId"])
            return await roles.role_remove(info.context, grant_id, input.reason, input.idempotency_key)

        row, problems = await attempt(remove())
        return RoleRemovePayload(user=row and User.of(row), problems=problems)
