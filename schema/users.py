"""People, their org units and groups: listed and looked up."""

from typing import Annotated
from uuid import UUID

import strawberry

from models.identity import UserStatus
from resolvers import groups, org_units, users, users_import, users_merge
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import Group, OrgUnit, User
from schema.nodes import global_id, local_id, looked_for
from schema.problems import Problem, problem_of
from services.paging import PageRequest
from services.users import Filter
from services.users_import import MOST_ROWS, Action, Existing, Planned
from services.users_merge import Counts

closed_set(
    Existing,
    "UsersImportExisting",
    "What to do with a row whose address somebody has already.",
    {
        Existing.UPDATE: "Write name and time zone where the row has them, and add what it names; take nothing away.",
        Existing.SKIP: "Leave the person as they are.",
    },
)

closed_set(
    Action,
    "UsersImportAction",
    "What a row leads to.",
    {
        Action.CREATE: "A new person, who may sign in.",
        Action.UPDATE: "A change of a person who exists.",
        Action.SKIP: "Nothing: the person exists.",
        Action.REFUSE: "Nothing: `problems` says why.",
    },
)

CSV = (
    f"CSV with a header, 1 to {MOST_ROWS} rows: `email`, and any of `display_name`, `time_zone`, `org_units`, "
    "`groups`, `roles`; several names in one cell are separated by semicolons."
)


def _id(kind: str, given: strawberry.ID | None, name: str) -> UUID | None:
    return None if given is None else local_id(kind, given, path=["filter", name])


@strawberry.input(description="Which people are wanted; what is left out does not narrow.")
class UserFilter:
    """Filter of `users`."""

    status: list[UserStatus] | None = told(
        "Only those in one of these; all but merged ones when left out.", default=None
    )
    org_unit_id: strawberry.ID | None = told("Only those who work in this org unit.", default=None)
    group_id: strawberry.ID | None = told("Only those in this group.", default=None)
    role_id: strawberry.ID | None = told("Only those who hold this role now, anywhere.", default=None)
    search: str | None = told("Only whose name or address begins so; capitals do not count.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        return Filter(
            status=self.status,
            org_unit_id=_id("OrgUnit", self.org_unit_id, "orgUnitId"),
            group_id=_id("Group", self.group_id, "groupId"),
            role_id=_id("Role", self.role_id, "roleId"),
            search=self.search,
        )


@strawberry.type(description="How much of a duplicate goes over to the person who is kept.")
class UserMergeCounts:
    """Counts of a merge."""

    org_units: int = told("Memberships in org units.")
    groups: int = told("Memberships in groups.")
    targets: int = told("Assignments that address the person.")
    invitations: int = told("Invitations.")
    sessions: int = told("Sessions.")
    submissions: int = told("Submissions.")
    grants_ended: int = told("Grants that end: roles do not go over, they are assigned anew if they are wanted.")

    @classmethod
    def of(cls, counts: Counts) -> "UserMergeCounts":
        """Show counts."""
        return cls(**{name: getattr(counts, name) for name in Counts.__slots__})


@strawberry.type(description="What a merge would do.")
class UserMergePreview:
    """Preview of `userMerge`."""

    moved: UserMergeCounts = told("What would go over.")
    problems: list[Problem] = told("Why it would be refused; empty when it would not.")


@strawberry.type(description="What one row of a file would do.")
class UsersImportRow:
    """A row of the preview."""

    index: int = told("Place of the row, from 0; the header and empty lines do not count.")
    line: int = told("Line of the file where the row ends, from 1.")
    email: str = told("The address, as it is stored.")
    display_name: str = told("The name that the person would have.")
    action: Action = told("What it would do.")
    org_unit_ids: list[strawberry.ID] = told("Global ids of the org units that it names.")
    group_ids: list[strawberry.ID] = told("Global ids of the groups that it names.")
    role_ids: list[strawberry.ID] = told("Global ids of the roles that it names.")
    problems: list[Problem] = told("Why nothing would be done; empty otherwise.")

    @classmethod
    def of(cls, row: Planned) -> "UsersImportRow":
        """Show a row."""
        return cls(
            index=row.index,
            line=row.line,
            email=row.email,
            display_name=row.display_name,
            action=row.action,
            org_unit_ids=[global_id("OrgUnit", one) for one in row.org_units],
            group_ids=[global_id("Group", one) for one in row.groups],
            role_ids=[global_id("Role", one) for one in row.roles],
            problems=[problem_of(one) for one in row.problems],
        )


@strawberry.type
class UsersQuery:
    """Queries about people."""

    @ask(users.user, "One person; null when there is none to be seen.")
    async def user(self, info: Info, id: Annotated[strawberry.ID, says("Global id of the person.")]) -> User | None:
        """Show a person."""
        row = await users.user(info.context, looked_for("User", id))
        return row and User.of(row)

    @ask(users.users_page, "The people of the tenant, by name.")
    async def users(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[UserFilter | None, says("Which people.")] = None,
    ) -> Connection[User]:
        """List people."""
        wanted = (filter or UserFilter()).plain()
        page = PageRequest(first, after, last, before)
        return connect(await users.users_page(info.context, wanted, page), User.of)

    @ask(org_units.org_units_page, "The org units of the tenant, by name.")
    async def org_units(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        archived: Annotated[bool, says("Archived ones too.")] = False,  # noqa: FBT002 - an argument of the API
    ) -> Connection[OrgUnit]:
        """List org units."""
        page = PageRequest(first, after, last, before)
        return connect(await org_units.org_units_page(info.context, page, archived=archived), OrgUnit.of)

    @ask(groups.groups_page, "The groups of the tenant, by name.")
    async def groups(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Group]:
        """List groups."""
        return connect(await groups.groups_page(info.context, PageRequest(first, after, last, before)), Group.of)

    @ask(users_merge.user_merge_preview, "What merging a duplicate would move, and what stands against it.")
    async def user_merge_preview(
        self,
        info: Info,
        kept_id: Annotated[strawberry.ID, says("Global id of the person who is kept.")],
        duplicate_id: Annotated[strawberry.ID, says("Global id of the duplicate.")],
    ) -> UserMergePreview:
        """Preview a merge."""
        kept, duplicate = looked_for("User", kept_id), looked_for("User", duplicate_id)
        preview = await users_merge.user_merge_preview(info.context, kept, duplicate)
        refusal = preview.refusal
        return UserMergePreview(
            moved=UserMergeCounts.of(preview.counts), problems=[] if refusal is None else [problem_of(refusal)]
        )

    @ask(users_import.users_import_preview, "What importing a file would do, row by row; nothing is written.")
    async def users_import_preview(
        self,
        info: Info,
        csv: Annotated[str, says(CSV)],
        existing: Annotated[Existing, says("What to do with people who exist.")] = Existing.SKIP,
    ) -> list[UsersImportRow]:
        """Preview an import."""
        return [UsersImportRow.of(row) for row in await users_import.users_import_preview(info.context, csv, existing)]
