"""What a token is worth at present: whether it still counts, and which capabilities and operations it opens.

A signed token says who bears it. Whether the sign-in behind it was ended, the service token revoked or a grant taken
away is read from the database, for many at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import func, select

from models.capabilities import Capability
from models.identity import User, UserStatus
from models.rooms import RoomProctor
from models.service_tokens import ServiceToken
from models.sign_ins import SignIn
from services import identity
from services.refusals import Unauthenticated
from services.viewer import Viewer, rooms_as_text
from services.work import Work

ENDED = "This sign-in was ended."
REVOKED = "This service token was revoked, has expired, or never existed."
SUSPENDED = "This account is suspended."


@dataclass(frozen=True, slots=True)
class Credential:
    """What rights follow from: a person in an org unit, and the sign-in or service token by which they act."""

    user_id: UUID | None
    org_unit_id: UUID | None
    sign_in_id: UUID | None = None
    service_token_id: UUID | None = None

    @classmethod
    def of(cls, viewer: Viewer) -> "Credential | None":
        """Return the credential of a viewer; None for candidates, for nobody and for the system."""
        if viewer.user_id is None and viewer.service_token_id is None:
            return None
        return cls(viewer.user_id, viewer.org_unit_id, viewer.sign_in_id, viewer.service_token_id)


@dataclass(frozen=True, slots=True)
class Authority:
    """What a credential is good for. `refusal` says why it counts no more, `operations` which documents it runs.

    `rooms` are those that its person is assigned to, where it holds the right to proctor rooms.
    """

    held: frozenset[Capability] = frozenset()
    refusal: str | None = None
    operations: frozenset[str] | None = None
    used_at: datetime | None = None
    rooms: tuple[UUID, ...] = ()

    def check(self) -> None:
        """Refuse a credential that counts no more."""
        if self.refusal is not None:
            raise Unauthenticated(self.refusal)


NOTHING = Authority()

Who: TypeAlias = tuple[UUID, UUID | None]
"""A person, in an org unit or in the whole tenant."""

IN_ROOMS = frozenset({Capability.SESSIONS_READ, Capability.SESSIONS_PROCTOR})
"""What the right to proctor rooms gives, within the rooms that one is assigned to."""


async def read(work: Work, credentials: Collection[Credential]) -> dict[Credential, Authority]:
    """Return what each credential opens at present, in as many statements for one as for many."""
    tokens = await _tokens(work, {one.service_token_id for one in credentials if one.service_token_id is not None})
    people = {(one.user_id, one.org_unit_id) for one in credentials if one.user_id is not None}
    people |= {(token.created_by, token.org_unit_id) for token in tokens.values()}
    held = await identity.capabilities_of(work, people) if people else {}
    rooms = await _rooms(work, {who for who, mine in held.items() if Capability.ROOMS_PROCTOR in mine})
    refused = await _over(work, {one.sign_in_id for one in credentials if one.sign_in_id is not None})
    answers: dict[Credential, Authority] = {}
    for one in credentials:
        if one.service_token_id is not None:
            answers[one] = _of_token(tokens.get(one.service_token_id), held, rooms)
        elif one.sign_in_id is not None and (why := refused.get(one.sign_in_id, ENDED)) is not None:
            answers[one] = Authority(refusal=why)
        elif one.user_id is not None:
            who = (one.user_id, one.org_unit_id)
            answers[one] = Authority(held[who], rooms=rooms.get(who, ()))
    return answers


async def narrow(work: Work, viewer: Viewer) -> None:
    """Go on in an open work as the same viewer within rooms: the database shows no other session from here on."""
    work.viewer = viewer
    await work.fetch("select set_config('app.rooms', $1, true)", rooms_as_text(viewer.rooms or ()))


async def _tokens(work: Work, ids: set[UUID]) -> dict[UUID, ServiceToken]:
    """Return the service tokens that still count."""
    if not ids:
        return {}
    wanted = select(ServiceToken).where(
        ServiceToken.id.in_(ids), ServiceToken.revoked_at.is_(None), ServiceToken.expires_at > func.evalium_now()
    )
    return {row.id: row for row in await work.session.scalars(wanted.execution_options(populate_existing=True))}


async def _rooms(work: Work, people: set[Who]) -> dict[Who, tuple[UUID, ...]]:
    """Return the rooms that each of these people is assigned to, in the org unit that stands beside their id."""
    if not people:
        return {}
    row = RoomProctor
    wanted = select(row.user_id, row.org_unit_id, row.room_id).where(row.user_id.in_({one for one, _ in people}))
    found: dict[Who, list[UUID]] = {who: [] for who in people}
    for one in await work.rows(wanted.order_by(row.room_id)):
        for who in {(one.user_id, one.org_unit_id), (one.user_id, None)} & people:
            found[who].append(one.room_id)
    return {who: tuple(rooms) for who, rooms in found.items()}


def _of_token(
    token: ServiceToken | None, held: dict[Who, frozenset[Capability]], rooms: dict[Who, tuple[UUID, ...]]
) -> Authority:
    """Return what a service token opens: what it names, as far as its creator still holds it there."""
    if token is None:
        return Authority(refusal=REVOKED)
    named = {str(name) for name in token.capabilities}
    mine = frozenset(one for one in held[token.created_by, token.org_unit_id] if one.value in named)
    operations = None if token.operations is None else frozenset(map(str, token.operations))
    watched = rooms.get((token.created_by, token.org_unit_id), ())
    return Authority(mine, operations=operations, used_at=token.last_used_at, rooms=watched)


async def _over(work: Work, ids: set[UUID]) -> dict[UUID, str | None]:
    """Return for each sign-in that exists why it counts no more; None when it counts."""
    if not ids:
        return {}
    is_live = SignIn.ended_at.is_(None) & (SignIn.expires_at > func.evalium_now())
    wanted = select(SignIn.id, is_live.label("is_live"), User.status).join(User, User.id == SignIn.user_id)
    found: dict[UUID, str | None] = {}
    for row in await work.rows(wanted.where(SignIn.id.in_(ids))):
        suspended = SUSPENDED if row.status == UserStatus.SUSPENDED else None
        found[row.id] = suspended if row.is_live else ENDED
    return found
