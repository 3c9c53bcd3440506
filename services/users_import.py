"""Many people at once from CSV: every row is looked at, previewed and answered on its own.

The header names the columns, in any order: `email` (required), `display_name`, `time_zone`, `org_units`, `groups`,
`roles`. Org units, groups and roles are named as they are called, several in one cell separated by semicolons; roles
are granted in the whole tenant. An import only adds memberships and grants, and takes none away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import select

from models.capabilities import Capability
from models.identity import Group, OrgUnit, Role, User, UserStatus
from services import csv_rows, plain, roles, roles_held, words
from services.identity import normal_email
from services.refusals import InvalidInput, NotFound, NotHeld, Refusal, StateDrift
from services.roles_held import Holding
from services.work import Work

T = TypeVar("T")

MOST_ROWS: Final = 5000
COLUMNS: Final = ("email", "display_name", "time_zone", "org_units", "groups", "roles")
SEPARATOR: Final = ";"
MOST_NAMES: Final = 50


class Existing(StrEnum):
    """What to do with a row whose address somebody has already."""

    UPDATE = "update"
    SKIP = "skip"


class Action(StrEnum):
    """What a row leads to."""

    CREATE = "create"
    UPDATE = "update"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file as it is written."""

    index: int
    line: int
    cells: Mapping[str, str]

    def names(self, column: str) -> list[str]:
        """Return the names in a cell that may hold several."""
        found = [name.strip() for name in self.cells.get(column, "").split(SEPARATOR)]
        return list(dict.fromkeys(name for name in found if name))


@dataclass(frozen=True, slots=True)
class Planned:
    """What one row would do, or why it cannot."""

    index: int
    line: int
    email: str
    action: Action
    display_name: str = ""
    time_zone: str | None = None
    user_id: UUID | None = None
    org_units: Sequence[UUID] = ()
    groups: Sequence[UUID] = ()
    roles: Sequence[UUID] = ()
    problems: Sequence[Refusal] = ()


@dataclass(slots=True)
class Known:
    """What the names in the file may refer to."""

    people: dict[str, User] = field(default_factory=dict[str, User])
    org_units: dict[str, UUID] = field(default_factory=dict[str, UUID])
    groups: dict[str, UUID] = field(default_factory=dict[str, UUID])
    roles: dict[str, UUID] = field(default_factory=dict[str, UUID])
    out_of_reach: dict[UUID, NotHeld] = field(default_factory=dict[UUID, NotHeld])


def parse(text: str) -> list[Row]:
    """Read the file; refuse one without the right header, with no row, or with more than 5,000."""
    lines = csv_rows.read(text, COLUMNS, MOST_ROWS)
    return [Row(index, line.number, line.cells) for index, line in enumerate(lines)]


async def plan(work: Work, text: str, existing: Existing) -> list[Planned]:
    """Say what each row would do, in order; nothing is written."""
    held = await roles_held.of_actor(work)
    roles_held.require_at(held, {Capability.USERS_MANAGE}, None)
    rows = parse(text)
    known = await _known(work, rows, held)
    seen: dict[str, int] = {}
    return [_planned(row, known, seen, existing) for row in rows]


async def _known(work: Work, rows: Sequence[Row], held: Holding) -> Known:
    """Read what the file refers to, with a fixed number of statements."""
    addresses = [row.cells.get("email", "").strip().casefold() for row in rows]
    known = Known()
    known.people = {user.email: user for user in await plain.by(work, User, "email", addresses)}
    units = select(OrgUnit.id, OrgUnit.name).where(OrgUnit.archived_at.is_(None))
    known.org_units = {row.name.casefold(): row.id for row in await work.rows(units)}
    known.groups = {row.name.casefold(): row.id for row in await work.rows(select(Group.id, Group.name))}
    if any(row.names("roles") for row in rows):
        known.roles = {row.name.casefold(): row.id for row in await work.rows(select(Role.id, Role.name))}
        for role_id, wanted in (await roles.capabilities_of(work, list(known.roles.values()))).items():
            missing = (frozenset(wanted) | {Capability.ROLES_MANAGE}) - held.everywhere
            if missing:
                known.out_of_reach[role_id] = NotHeld(missing, "in the whole tenant", path=["roles"])
    return known


def _planned(row: Row, known: Known, seen: dict[str, int], existing: Existing) -> Planned:
    """Plan one row: every problem of the row is told, not only the first."""
    problems: list[Refusal] = []
    email = _tried(problems, lambda: normal_email(row.cells.get("email", ""))) or row.cells.get("email", "")[:254]
    user = known.people.get(email)
    name = row.cells.get("display_name", "")
    shown = _tried(problems, lambda: words.name(name, path=["display_name"])) if name else None
    zone = _tried(problems, lambda: words.time_zone(row.cells.get("time_zone"), path=["time_zone"]))
    first = seen.setdefault(email, row.line)
    if first != row.line:
        problems.append(InvalidInput(f"{email} stands in line {first} already.", path=["email"]))
    if user is not None and user.status in (UserStatus.SUSPENDED, UserStatus.MERGED):
        problems.append(StateDrift(f"{email} is {user.status}.", current_state=user.status.upper()))
    action = Action.CREATE if user is None else Action(existing)
    planned = Planned(
        row.index,
        row.line,
        email,
        action,
        display_name=shown or (user.display_name if user else email),
        time_zone=zone,
        user_id=user and user.id,
        org_units=_resolve(row, "org_units", "OrgUnit", known.org_units, problems),
        groups=_resolve(row, "groups", "Group", known.groups, problems),
        roles=_resolve(row, "roles", "Role", known.roles, problems),
    )
    problems += [known.out_of_reach[role_id] for role_id in planned.roles if role_id in known.out_of_reach]
    return replace(planned, action=Action.REFUSE, problems=problems) if problems else planned


def _resolve(row: Row, column: str, kind: str, ids: Mapping[str, UUID], problems: list[Refusal]) -> list[UUID]:
    names = row.names(column)
    if len(names) > MOST_NAMES:
        problems.append(InvalidInput(f"There are {len(names)} names; at most {MOST_NAMES} fit.", path=[column]))
        return []
    problems += [NotFound(kind, name[:80], path=[column]) for name in names if name.casefold() not in ids]
    return [ids[name.casefold()] for name in names if name.casefold() in ids]


def _tried(problems: list[Refusal], act: Callable[[], T]) -> T | None:
    """Return what the act does; its refusal is one more problem of the row."""
    try:
        return act()
    except Refusal as refusal:
        problems.append(refusal)
        return None
