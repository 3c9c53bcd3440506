"""Who is in what: the same listing for org units and for groups, each with the table that ties people to it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import Select, func, select

from models.identity import Group, GroupMember, OrgUnit, User, UserOrgUnit
from services import plain, setwise
from services.paging import Order, Page, PageRequest, paged_each
from services.work import Work

P = TypeVar("P", OrgUnit, Group)


@dataclass(frozen=True, slots=True)
class Memberships(Generic[P]):
    """The memberships of one kind of place: its model, the model that ties people to it, and the column of that."""

    place: type[P]
    tie: type[UserOrgUnit | GroupMember]
    column: str

    async def of_users(self, work: Work, user_ids: Sequence[UUID]) -> Mapping[UUID, list[P]]:
        """Return the places that each person is in, by name."""
        found: defaultdict[UUID, list[P]] = defaultdict(list)
        statement = (
            select(*plain.columns(self.place), self.tie.user_id.label("member"))
            .join(self.tie, self._where == self.place.id)
            .where(self.tie.user_id.in_(user_ids))
            .order_by(self.place.name)
        )
        for row in await work.rows(statement):
            found[row.member].append(plain.row(self.place, row[:-1]))
        return found

    async def members(self, work: Work, ids: Sequence[UUID], page: PageRequest) -> dict[UUID, Page[User]]:
        """List who is in each of these, by name: one page for each, all with one statement."""
        chosen = cast("Select[Any]", select(*plain.columns(User)))
        statement = chosen.join(self.tie, self.tie.user_id == User.id)
        orders = [Order(User.search_name), Order(User.id)]
        pages = await paged_each(work, statement, self._where, ids, orders, page)
        return {key: replace(one, rows=[plain.row(User, row) for row in one.rows]) for key, one in pages.items()}

    async def counts(self, work: Work, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return how many people are in each of these."""
        counted = select(self._where.label("place"), func.count().label("people")).where(self._where.in_(ids))
        return {row.place: row.people for row in await work.rows(counted.group_by(self._where))}

    async def join(self, work: Work, user_ids: Sequence[UUID], place_id: UUID) -> set[UUID]:
        """Add people to a place and return who was not in it."""
        rows = [{"user_id": user_id, self.column: place_id} for user_id in user_ids]
        return {row["user_id"] for row in await setwise.insert(work, self.tie, rows, unless=["user_id", self.column])}

    @property
    def _where(self) -> Any:
        return getattr(self.tie, self.column)


OF_ORG_UNITS = Memberships(OrgUnit, UserOrgUnit, "org_unit_id")
OF_GROUPS = Memberships(Group, GroupMember, "group_id")
