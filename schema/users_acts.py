"""What changes people: invite, update, suspend, reactivate, merge, import."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated

import strawberry

from models import identity as models
from resolvers import users, users_import, users_merge
from schema.access import Info, act, says, told
from schema.identity import User
from schema.nodes import local_id
from schema.problems import Problem, Refused, attempt
from schema.users import CSV, UserMergeCounts
from services.roles_grants import Wanted
from services.users import Change, Invited
from services.users_import import Action, Existing

KEY = "Makes sending the request again harmless, for 24 hours: 1 to 255 characters, a new random UUID for each request."
WHY = "Why, 1 to 1000 characters; it stays in the activity ledger."


@strawberry.input(description="A role to be granted.")
class GrantInput:
    """A grant."""

    role_id: strawberry.ID = told("Global id of the role.")
    org_unit_id: strawberry.ID | None = told(
        "Global id of the org unit in which alone it counts; everywhere when left out.", default=None
    )
    expires_at: datetime | None = told("When it ends by itself; never when left out.", default=None)

    def plain(self, *path: str | int) -> Wanted:
        """Return the grant as the service reads it."""
        unit = self.org_unit_id
        return Wanted(
            local_id("Role", self.role_id, path=[*path, "roleId"]),
            None if unit is None else local_id("OrgUnit", unit, path=[*path, "orgUnitId"]),
            self.expires_at,
        )


@strawberry.input(description="Somebody to invite.")
class UserInviteInput:
    """Whom to invite, and what they shall be from the start."""

    email: str = told("E-mail address.")
    display_name: str = told("The name to show, 1 to 200 characters.")
    time_zone: str | None = told("IANA time zone in which times are shown to them.", default=None)
    org_unit_ids: list[strawberry.ID] = told(
        "Global ids of the org units in which they shall work.", default_factory=list[strawberry.ID]
    )
    roles: list[GrantInput] = told("Roles to be granted at once.", default_factory=list[GrantInput])
    reason: str | None = told("Why the roles are granted, 1 to 1000 characters; needed when there are.", default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def plain(self) -> Invited:
        """Return the person as the service reads it."""
        return Invited(
            self.email,
            self.display_name,
            self.time_zone,
            [local_id("OrgUnit", one, path=["orgUnitIds", n]) for n, one in enumerate(self.org_unit_ids)],
            [grant.plain("roles", n) for n, grant in enumerate(self.roles)],
            self.reason,
        )


@strawberry.input(description="What to change of a person; what is left out stays.")
class UserUpdateInput:
    """A change of a person."""

    id: strawberry.ID = told("Global id of the person.")
    email: str | None = told("Another e-mail address.", default=None)
    display_name: str | None = told("Another name, 1 to 200 characters.", default=None)
    time_zone: str | None = told("Another IANA time zone; empty for the tenant's.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A person to suspend or to let in again, and why.")
class UserStatusInput:
    """Whom, and why."""

    id: strawberry.ID = told("Global id of the person.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A person as changed.")
class UserPayload:
    """Answer of the acts on one person."""

    user: User | None = told("The person; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.input(description="A duplicate to merge, and into whom.")
class UserMergeInput:
    """Both people, and why."""

    kept_id: strawberry.ID = told("Global id of the person who is kept.")
    duplicate_id: strawberry.ID = told("Global id of the duplicate; it can never sign in again.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Both people as merged.")
class UserMergePayload:
    """Answer of `userMerge`."""

    user: User | None = told("The person who was kept; null when nothing was merged.")
    duplicate: User | None = told("The duplicate, marked as merged; null when nothing was merged.")
    moved: UserMergeCounts | None = told("What went over; null when nothing was merged.")
    problems: list[Problem] = told("Why nothing was merged.")


@strawberry.input(description="People to import.")
class UsersImportInput:
    """A file of people."""

    csv: str = told(CSV)
    existing: Existing = told("What to do with people who exist.", default=Existing.SKIP)
    reason: str | None = told("Why roles are granted; needed when a row names any.", default=None)
    welcome: bool = told("Mail everybody who is new where to sign in.", default=False)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one row.")
class UsersImportResult:
    """A row of the result."""

    index: int = told("Place of the row, from 0; the header and empty lines do not count.")
    line: int = told("Line of the file where the row ends, from 1.")
    email: str = told("The address, as it is stored.")
    action: Action = told("What was done.")
    user: User | None = told("The person; null when there is none.")
    problems: list[Problem] = told("Why nothing was done; empty otherwise.")


@strawberry.type(description="What became of a file, row by row and in order.")
class UsersImportPayload:
    """Answer of `usersImport`."""

    results: list[UsersImportResult] = told("One for each row, in order; empty when no row was looked at.")
    problems: list[Problem] = told("Why nothing was imported.")


async def _answered(act_: Awaitable[models.User | None]) -> UserPayload:
    row, problems = await attempt(act_)
    return UserPayload(user=row and User.of(row), problems=problems)


@strawberry.type
class UsersMutation:
    """Acts on people."""

    @act(
        users.user_invite,
        "Add somebody who may sign in, in org units and with roles, and mail them where. You give only what you hold.",
    )
    async def user_invite(self, info: Info, input: Annotated[UserInviteInput, says("Whom to invite.")]) -> UserPayload:
        """Invite."""

        async def invite() -> models.User | None:
            return await users.user_invite(info.context, input.plain(), input.idempotency_key)

        return await _answered(invite())

    @act(
        users.user_update,
        "Change a person's address, name or time zone. Another address needs every right that the person holds.",
    )
    async def user_update(self, info: Info, input: Annotated[UserUpdateInput, says("Whom, and what.")]) -> UserPayload:
        """Change."""

        async def update() -> models.User | None:
            change = Change(input.email, input.display_name, input.time_zone)
            return await users.user_update(info.context, local_id("User", input.id), change, input.idempotency_key)

        return await _answered(update())

    @act(
        users.user_suspend,
        "Suspend a person: within a second nothing works for them, open streams included. Refused for yourself, for "
        "the last lasting Tenant Admin, and for whoever holds what you do not.",
    )
    async def user_suspend(self, info: Info, input: Annotated[UserStatusInput, says("Whom, and why.")]) -> UserPayload:
        """Suspend."""

        async def suspend() -> models.User | None:
            user_id = local_id("User", input.id)
            return await users.user_suspend(info.context, user_id, input.reason, input.idempotency_key)

        return await _answered(suspend())

    @act(users.user_reactivate, "Let a suspended person in again, with the grants that are still in force.")
    async def user_reactivate(
        self, info: Info, input: Annotated[UserStatusInput, says("Whom, and why.")]
    ) -> UserPayload:
        """Reactivate."""

        async def reactivate() -> models.User | None:
            user_id = local_id("User", input.id)
            return await users.user_reactivate(info.context, user_id, input.reason, input.idempotency_key)

        return await _answered(reactivate())

    @act(
        users_merge.user_merge,
        "Merge a duplicate into the person who is kept, in one transaction and across all org units. Refused while "
        "both sit one assignment. Grants of the duplicate end.",
    )
    async def user_merge(
        self, info: Info, input: Annotated[UserMergeInput, says("Whom, into whom, and why.")]
    ) -> UserMergePayload:
        """Merge."""

        async def merge() -> users_merge.Merged:
            kept = local_id("User", input.kept_id, path=["keptId"])
            duplicate = local_id("User", input.duplicate_id, path=["duplicateId"])
            return await users_merge.user_merge(info.context, kept, duplicate, input.reason, input.idempotency_key)

        merged, problems = await attempt(merge())
        return UserMergePayload(
            user=merged and merged.kept and User.of(merged.kept),
            duplicate=merged and merged.duplicate and User.of(merged.duplicate),
            moved=merged and UserMergeCounts.of(merged.moved),
            problems=problems,
        )

    @act(
        users_import.users_import_act,
        "Import people from CSV, in one transaction. A row that cannot be is answered with why, and holds up no other.",
    )
    async def users_import(
        self, info: Info, input: Annotated[UsersImportInput, says("The file.")]
    ) -> UsersImportPayload:
        """Import."""
        rows, problems = await attempt(
            users_import.users_import_act(
                info.context, input.csv, input.existing, input.reason, input.idempotency_key, welcome=input.welcome
            )
        )
        return UsersImportPayload(results=[_result(row) for row in rows or []], problems=problems)


def _result(row: users_import.Imported) -> UsersImportResult:
    return UsersImportResult(
        index=row.index,
        line=row.line,
        email=row.email,
        action=row.action,
        user=row.user and User.of(row.user),
        problems=[Refused(**problem) for problem in row.problems],
    )
