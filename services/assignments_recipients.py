"""From the recipients of a request to people, row by row: who is good is invited, who is not is told why."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from models.assignments import TargetKind
from models.base import uuid7
from models.identity import User, UserStatus
from services.identity import normal_email
from services.refusals import InvalidInput, NobodyToInvite, NotAMember, NotFound, Refusal
from services.work import Work

MOST = 500
"""Recipients of one request."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as named by the request; `user_id` is None where an address stands, or an id that is none."""

    kind: TargetKind
    ref: str
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipient who can be invited."""

    kind: TargetKind
    ref: str
    user_id: UUID


async def resolve(work: Work, given: Sequence[Recipient]) -> list[Resolved | Refusal]:
    """Return a person or a refusal for each row, in order; addresses that nobody has yet become people.

    A fixed number of statements whatever the rows. When no row is good, it refuses with all of the reasons and has
    written nothing.
    """
    if not 1 <= len(given) <= MOST:
        raise InvalidInput(
            f"There are {len(given)} recipients; a request takes 1 to {MOST}.",
            path=["recipients"],
            hint="Send several requests.",
        )
    addresses = [_address(row, index) for index, row in enumerate(given)]
    people = await _people(work, given, addresses)
    rows = [
        _row(row, address, people, index) for index, (row, address) in enumerate(zip(given, addresses, strict=True))
    ]
    _refuse_repetitions(rows)
    refused = [row for row in rows if isinstance(row, Refusal)]
    if len(refused) == len(rows):
        raise NobodyToInvite(refused)
    made = await _create(work, sorted({row for row in rows if isinstance(row, str)}))
    return [Resolved(TargetKind.EMAIL, row, made[row]) if isinstance(row, str) else row for row in rows]


def _path(index: int, field: str) -> list[str | int]:
    return ["recipients", index, field]


def _address(row: Recipient, index: int) -> str | Refusal | None:
    """Return the row's address as it is stored, why it cannot be one, or None for a row that names a person."""
    if row.kind is not TargetKind.EMAIL:
        return None
    try:
        return normal_email(row.ref, path=_path(index, "email"))
    except InvalidInput as refusal:
        return refusal


async def _people(
    work: Work,
    given: Sequence[Recipient],
    addresses: Sequence[str | Refusal | None],
) -> dict[str | UUID, User]:
    """Return the people that exist already, by id and by address."""
    wanted_addresses = [address for address in addresses if isinstance(address, str)]
    wanted_ids = [row.user_id for row in given if row.user_id is not None]
    wanted = select(User).where(or_(User.email.in_(wanted_addresses), User.id.in_(wanted_ids)))
    found: dict[str | UUID, User] = {}
    for user in await work.session.scalars(wanted):
        found[user.id] = found[user.email] = user
    return found | await _kept(work, found)


async def _kept(work: Work, found: dict[str | UUID, User]) -> dict[str | UUID, User]:
    """Return, by the duplicate's id and address, whoever each duplicate among these people was merged into."""
    into = {user.merged_into for user in found.values() if user.merged_into is not None}
    if not into:
        return {}
    kept = {user.id: user for user in await work.session.scalars(select(User).where(User.id.in_(into)))}
    return {key: kept[user.merged_into] for key, user in found.items() if user.merged_into is not None}


def _row(
    row: Recipient,
    address: str | Refusal | None,
    people: dict[str | UUID, User],
    index: int,
) -> Resolved | Refusal | str:
    """Return the person, the refusal, or the address that has no person yet."""
    if isinstance(address, Refusal):
        return address
    key = row.user_id if address is None else address
    user = None if key is None else people.get(key)
    field = "userId" if address is None else "email"
    if user is None:
        return NotFound("User", row.ref[:80], path=_path(index, field)) if address is None else address
    if user.status == UserStatus.SUSPENDED:
        return NotAMember(
            f"{user.email} is suspended.", path=_path(index, field), hint="Reactivate the person, then issue again."
        )
    return Resolved(row.kind, str(user.id) if address is None else address, user.id)


def _refuse_repetitions(rows: list[Resolved | Refusal | str]) -> None:
    """Replace every row that names somebody for the second time by a refusal that points to the first time."""
    seen: dict[str | UUID, int] = {}
    for index, row in enumerate(rows):
        if isinstance(row, Refusal):
            continue
        person = row if isinstance(row, str) else row.user_id
        first = seen.setdefault(person, index)
        if first != index:
            by_id = isinstance(row, Resolved) and row.kind is TargetKind.USER
            rows[index] = InvalidInput(
                f"This is the same person as in row {first}.",
                path=_path(index, "userId" if by_id else "email"),
                hint="Nothing to do: that row invites them.",
            )


async def _create(work: Work, addresses: Sequence[str]) -> dict[str, UUID]:
    """Create a person without any role for each address; one that somebody else just created is taken as it is."""
    if not addresses:
        return {}
    new = insert(User).on_conflict_do_nothing(index_elements=["tenant_id", "email"])
    await work.session.execute(
        new,
        [
            {"id": uuid7(), "email": address, "display_name": address, "status": UserStatus.INVITED}
            for address in addresses
        ],
    )
    found = await work.rows(select(User.email, User.id).where(User.email.in_(addresses)))
    return {row.email: row.id for row in found}
