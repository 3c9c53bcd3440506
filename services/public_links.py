"""Public links: made, shown and closed by staff (domain.md section 5). Starting by one is `public_links_redeem`.

The link's token is minted from its row, as an invitation's is. An access code is short, so it is kept only as a hash
with a key of the server's: whoever reads the database cannot try codes.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from models.assignments import Assignment, AssignmentStatus
from models.base import uuid7
from models.public_links import PublicLink
from realtime import topics
from services import words
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound, PublicLinkClosed, StateDrift
from services.tokens import LONGEST_LIFE, Claims, Tokens, TokenType
from services.work import Work

CODES = "public-link-codes"
"""What the key of the codes' hashes is derived for."""

MOST_STARTS = 100_000
CODE_LENGTH = range(4, 65)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A public link as asked for: with an access code or without, for so many starts or any number."""

    access_code: str | None = None
    cap: int | None = None


async def create(work: Work, assignment_id: UUID, wanted: Wanted, key: bytes) -> Answer:
    """Make a public link to an active assignment."""
    found = select(Assignment).where(Assignment.id == assignment_id).with_for_update(read=True)
    assignment = (await work.session.scalars(found)).one_or_none()
    if assignment is None:
        raise NotFound("Assignment", assignment_id, path=["assignmentId"])
    if assignment.status != AssignmentStatus.ACTIVE:
        raise StateDrift("The assignment is closed.", current_state=assignment.status.upper())
    link = await add(work, assignment, wanted, key)
    return {"link": str(link.id), "assignment": str(assignment.id)}


async def add(work: Work, assignment: Assignment, wanted: Wanted, key: bytes) -> PublicLink:
    """Add a public link to an assignment; refuse a code that is too short and a cap out of bounds."""
    if wanted.cap is not None and not 1 <= wanted.cap <= MOST_STARTS:
        raise InvalidInput(f"cap is {wanted.cap}; it must be 1 to {MOST_STARTS}, or left out.", path=["cap"])
    link = PublicLink(
        id=uuid7(),
        org_unit_id=assignment.org_unit_id,
        assignment_id=assignment.id,
        jti=uuid7(),
        cap=wanted.cap,
        used=0,
        created_by=work.viewer.user_id,
    )
    if wanted.access_code is not None:
        link.code_hash = hashed(key, link.id, wanted.access_code)
    work.session.add(link)
    await work.session.flush()
    told = {"public_link": str(link.id), "cap": link.cap, "has_access_code": link.code_hash is not None}
    work.record("public_link.created", ("assignment", assignment.id), after=told)
    return link


async def close(work: Work, link_id: UUID, reason: str) -> Answer:
    """Close a public link: nobody starts by it any more; sessions that exist go on."""
    why = words.reason(reason)
    wanted = select(PublicLink).where(PublicLink.id == link_id).with_for_update()
    link = (await work.session.scalars(wanted)).one_or_none()
    if link is None:
        raise NotFound("PublicLink", link_id, path=["id"])
    if link.closed_at is not None:
        raise PublicLinkClosed("The link is closed already.", path=["id"], hint="Nothing to do.")
    link.closed_at = await work.now()
    told = {"public_link": str(link.id)}
    work.record("public_link.closed", ("assignment", link.assignment_id), reason=why, after=told)
    work.touch(topics.assignment_sessions(link.tenant_id, link.assignment_id))
    return {"link": str(link.id)}


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, PublicLink]:
    """Return the public links with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(PublicLink).where(PublicLink.id.in_(ids)))
    return {link.id: link for link in found}


async def of_assignments(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, list[PublicLink]]:
    """Return the public links of each assignment, oldest first."""
    wanted = select(PublicLink).where(PublicLink.assignment_id.in_(assignment_ids)).order_by(PublicLink.id)
    found: dict[UUID, list[PublicLink]] = {one: [] for one in assignment_ids}
    for link in await work.session.scalars(wanted):
        found[link.assignment_id].append(link)
    return found


def mint(tokens: Tokens, link: PublicLink) -> str:
    """Return the link's token; the same row always gives the same one. It has no end of its own: the row decides."""
    return tokens.mint(
        TokenType.INVITATION,
        link.id,
        link.tenant_id,
        org_unit_id=link.org_unit_id,
        now=link.created_at,
        expires_at=link.created_at + LONGEST_LIFE[TokenType.INVITATION],
        token_id=link.jti,
    )


def address(site: str, tokens: Tokens, link: PublicLink) -> str:
    """Return the address to hand out."""
    return f"{site}/start?token={mint(tokens, link)}"


def hashed(key: bytes, link_id: UUID, code: str) -> str:
    """Return the keyed hash of an access code; refuse one of the wrong length."""
    text = code.strip()
    if len(text) not in CODE_LENGTH or not text.isprintable():
        raise InvalidInput(
            f"The access code has {len(text)} characters; it needs {CODE_LENGTH[0]} to {CODE_LENGTH[-1]}.",
            path=["accessCode"],
        )
    return hmac.new(key, f"{link_id}\n{text.casefold()}".encode(), hashlib.sha256).hexdigest()


RETRY = timedelta(minutes=2)
"""How long the browser that started gets the same session again, in case the answer was lost."""


def is_of(link: PublicLink, claims: Claims) -> bool:
    """Tell whether a token is the link's own."""
    return link.jti == claims.token_id
