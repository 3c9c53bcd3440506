"""From the recipients of a request to people, row by row: who is good is invited, who is not is told why.

`look` decides and writes nothing, so that a preview and the issue find the same. `create` makes people for the
addresses that nobody has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from models.assignments import TargetKind
from models.identity import User, UserStatus
from services import setwise
from services.identity import normal_email
from services.refusals import InvalidInput, NobodyToInvite, NotAMember, NotFound, Refusal
from services.work import Work

MOST = 5_000
"""Recipients of one request, and people who are invited by it."""

_FIELDS = {TargetKind.EMAIL: "email", TargetKind.USER: "userId", TargetKind.GROUP: "groupId"}
_PEOPLE = (
    "select id, email, display_name, status, merged_into from users"
    " where email = any($1::text[]) or id = any($2::uuid[])"
)
_KEPT = "select id, email, display_name, status, merged_into from users where id = any($1::uuid[])"
_GROUPS = "select id, name from groups where id = any($1::uuid[])"
_MEMBERS = (
    "select m.group_id, u.id, u.email, u.display_name, u.status, u.merged_into from group_members m"
    " join users u on u.tenant_id = m.tenant_id and u.id = m.user_id"
    " where m.group_id = any($1::uuid[]) and u.status in ('invited', 'active') order by u.email"
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as named by the request; `id` is None where an address stands, or an id that is none.

    `name` is what an address came with; it names the person who is made for it.
    """

    kind: TargetKind
    ref: str
    id: UUID | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person who can be invited; `user_id` is None while nobody has the address."""

    kind: TargetKind
    ref: str
    user_id: UUID | None
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Addressed:
    """A group with those of its members whom no other row names."""

    group_id: UUID
    name: str
    people: Sequence[Resolved]


Row = Resolved | Addressed | Refusal


def people_of(rows: Sequence[Row]) -> list[Resolved]:
    """Return everybody whom the rows name, in order."""
    found: list[Resolved] = []
    for row in rows:
        if isinstance(row, Resolved):
            found.append(row)
        elif isinstance(row, Addressed):
            found.extend(row.people)
    return found


async def look(work: Work, given: Sequence[Recipient]) -> list[Row]:
    """Return a person, a group or a refusal for each row, in order. At most four statements, whatever the rows.

    Refuses too many rows, and more people than one request may invite.
    """
    if len(given) > MOST:
        raise _too_many(f"There are {len(given)} recipients")
    addresses = [_address(row, index) for index, row in enumerate(given)]
    people = await _people(work, given, addresses)
    rows: list[Row | None] = [
        None if row.kind is TargetKind.GROUP else _row(row, address, people, index)
        for index, (row, address) in enumerate(zip(given, addresses, strict=True))
    ]
    _refuse_repetitions(rows)
    looked = await _with_groups(work, given, rows)
    count = len(people_of(looked))
    if count > MOST:
        raise _too_many(f"These are {count} people")
    return looked


def require_somebody(given: Sequence[Recipient], rows: Sequence[Row]) -> None:
    """Refuse when no row is good; the refusal says why for each of them."""
    refused = [row for row in rows if isinstance(row, Refusal)]
    if len(refused) == len(rows):
        raise NobodyToInvite(refused, [row.ref for row in given])


async def create(work: Work, rows: Sequence[Row]) -> list[Row]:
    """Make a person without any role for each address that nobody has; one just created by others is taken as it is."""
    new = {person.email: person for person in people_of(rows) if person.user_id is None}
    if not new:
        return list(rows)
    made = [
        {"email": email, "display_name": person.name, "status": UserStatus.INVITED}
        for email, person in sorted(new.items())
    ]
    await setwise.insert(work, User, made, unless=["email"])
    ids = {record["email"]: record["id"] for record in await work.fetch(_PEOPLE, list(new), [])}
    return [
        replace(row, user_id=ids[row.email]) if isinstance(row, Resolved) and row.user_id is None else row
        for row in rows
    ]


def _too_many(said: str) -> InvalidInput:
    return InvalidInput(f"{said}; a request takes at most {MOST}.", path=["recipients"], hint="Send several requests.")


def _path(index: int, kind: TargetKind) -> list[str | int]:
    return ["recipients", index, _FIELDS[kind]]


def _address(row: Recipient, index: int) -> str | Refusal | None:
    """Return the row's address as it is stored, why it cannot be one, or None for a row that names no address."""
    if row.kind is not TargetKind.EMAIL:
        return None
    try:
        return normal_email(row.ref, path=_path(index, row.kind))
    except InvalidInput as refusal:
        return refusal


async def _people(
    work: Work, given: Sequence[Recipient], addresses: Sequence[str | Refusal | None]
) -> dict[str | UUID, Mapping[str, Any]]:
    """Return the people that exist already, by id and by address; a duplicate leads to whom it was merged into."""
    wanted_addresses = [address for address in addresses if isinstance(address, str)]
    wanted_ids = [row.id for row in given if row.id is not None and row.kind is TargetKind.USER]
    found = await work.fetch(_PEOPLE, wanted_addresses, wanted_ids)
    into = {record["merged_into"] for record in found if record["merged_into"] is not None}
    kept = {record["id"]: record for record in await work.fetch(_KEPT, list(into))} if into else {}
    people: dict[str | UUID, Mapping[str, Any]] = {}
    for record in found:
        people[record["id"]] = people[record["email"]] = kept.get(record["merged_into"], record)
    return people


def _row(
    row: Recipient, address: str | Refusal | None, people: Mapping[str | UUID, Mapping[str, Any]], index: int
) -> Row:
    """Return the person, or why there is none to invite."""
    if isinstance(address, Refusal):
        return address
    key = row.id if address is None else address
    user = None if key is None else people.get(key)
    if user is None and address is None:
        return NotFound("User", row.ref[:80], path=_path(index, row.kind))
    if user is None:
        return Resolved(row.kind, address or "", None, address or "", row.name or address or "")
    if user["status"] == UserStatus.SUSPENDED:
        return NotAMember(
            f"{user['email']} is suspended.",
            path=_path(index, row.kind),
            hint="Reactivate the person, then issue again.",
        )
    return _resolved(row.kind, str(user["id"]) if address is None else address, user)


def _resolved(kind: TargetKind, ref: str, user: Mapping[str, Any]) -> Resolved:
    return Resolved(kind, ref, user["id"], user["email"], user["display_name"])


def _refuse_repetitions(rows: list[Row | None]) -> None:
    """Replace every row that names somebody for the second time by a refusal that points to the first time."""
    seen: dict[str | UUID, int] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, Resolved):
            continue
        first = seen.setdefault(row.user_id or row.email, index)
        if first != index:
            rows[index] = InvalidInput(
                f"This is the same person as in row {first}.",
                path=_path(index, row.kind),
                hint="Nothing to do: that row invites them.",
            )


async def _with_groups(work: Work, given: Sequence[Recipient], rows: Sequence[Row | None]) -> list[Row]:
    """Return the rows with the groups in their places; nobody is named twice by them."""
    wanted = [row.id for row in given if row.kind is TargetKind.GROUP and row.id is not None]
    names = {record["id"]: record["name"] for record in await work.fetch(_GROUPS, wanted)} if wanted else {}
    members: dict[UUID, list[Resolved]] = {group_id: [] for group_id in names}
    found_members = await work.fetch(_MEMBERS, list(names)) if names else ()
    for record in found_members:
        group_id = record["group_id"]
        members[group_id].append(_resolved(TargetKind.GROUP, str(group_id), record))
    named = {row.user_id for row in rows if isinstance(row, Resolved)}
    taken: set[UUID] = set()
    found: list[Row] = []
    for index, (row, one) in enumerate(zip(rows, given, strict=True)):
        if row is not None:
            found.append(row)
        elif one.id is None or one.id not in names:
            found.append(NotFound("Group", one.ref[:80], path=_path(index, one.kind)))
        elif one.id in taken:
            path = _path(index, one.kind)
            found.append(InvalidInput("This group stands in a row before.", path=path, hint="Nothing to do."))
        else:
            taken.add(one.id)
            own = [person for person in members[one.id] if person.user_id not in named]
            named |= {person.user_id for person in own}
            found.append(Addressed(one.id, names[one.id], own))
    return found
