"""Invitations: permission for one person to start, as a token and as a row (domain.md section 5).

A token is a pure function of its row, so it is never stored: it is minted again whenever it is shown. Its life is
compared with the database's clock, in the transaction that reads the row.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, select

from models.assignments import Invitation, InvitationStatus
from models.sessions import DeliverySession
from services import sessions_status
from services.paging import Order, Page, PageRequest, paged
from services.refusals import InvalidInput, Unauthenticated
from services.sessions_status import DisplayStatus
from services.tokens import LONGEST_LIFE, Claims, Tokens, TokenType
from services.work import Work

LIFE = timedelta(days=30)
"""How long an invitation is good for when its assignment has no end, unless it is known to be needed longer."""

NONCE_LENGTH = range(16, 129)

_STANDINGS = {
    DisplayStatus.CREATED: InvitationStatus.ACCEPTED,
    DisplayStatus.LIVE: InvitationStatus.STARTED,
    DisplayStatus.IDLE: InvitationStatus.STARTED,
    DisplayStatus.PAUSED: InvitationStatus.STARTED,
    DisplayStatus.SUBMITTED: InvitationStatus.SUBMITTED,
    DisplayStatus.EXPIRED: InvitationStatus.EXPIRED,
    DisplayStatus.TERMINATED: InvitationStatus.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation with the session that came of it, and what the two mean at an instant."""

    invitation: Invitation
    session: DeliverySession | None
    status: InvitationStatus


def end_of_life(sent_at: datetime, valid_until: datetime | None, needed_until: datetime | None = None) -> datetime:
    """Return when an invitation expires: with the window, or after 30 days when the window has no end.

    With `needed_until` one without an end lives until then, if that is later; none lives longer than 400 days.
    """
    ends = valid_until or max(sent_at + LIFE, needed_until or sent_at)
    return min(ends, sent_at + LONGEST_LIFE[TokenType.INVITATION])


def mint(tokens: Tokens, invitation: Invitation) -> str:
    """Return the invitation's token; the same row always gives the same token."""
    return tokens.mint(
        TokenType.INVITATION,
        invitation.id,
        invitation.tenant_id,
        org_unit_id=invitation.org_unit_id,
        now=invitation.sent_at,
        expires_at=invitation.expires_at,
        token_id=invitation.jti,
    )


def link(site: str, tokens: Tokens, invitation: Invitation) -> str:
    """Return the address that a mail leads to: a page that needs no script, and so has the token in its query."""
    return f"{site}/invitation?token={mint(tokens, invitation)}"


def verify(tokens: Tokens, token: str) -> Claims:
    """Return what a genuine invitation token says, also when its life is over: the row decides on that."""
    try:
        claims = tokens.verify(token, TokenType.INVITATION, timeless=True)
    except Unauthenticated as error:
        raise unknown() from error
    if claims.org_unit_id is None:
        raise unknown()
    return claims


def unknown() -> Unauthenticated:
    """Refuse what is not an invitation of ours, or not a whole one."""
    return Unauthenticated(
        "This is not a valid invitation.",
        path=["token"],
        hint="Open the whole link from your newest invitation; if that fails too, ask whoever invited you for another.",
    )


def hashed(nonce: str) -> str:
    """Return the SHA-256, in hex, under which a browser's nonce is kept; refuse one of the wrong length."""
    if len(nonce) not in NONCE_LENGTH or not nonce.isprintable():
        raise InvalidInput(
            f"The nonce has {len(nonce)} characters; it needs {NONCE_LENGTH[0]} to {NONCE_LENGTH[-1]} printable ones.",
            path=["nonce"],
            hint="Make 32 random characters once per browser, and send the same ones again when you try again.",
        )
    return hashlib.sha256(nonce.encode()).hexdigest()


def standing(invitation: Invitation, session: DeliverySession | None, now: datetime) -> InvitationStatus:
    """Return where an invitation stands at an instant: its own state, or what its session has come to."""
    if invitation.status == InvitationStatus.REVOKED:
        return InvitationStatus.REVOKED
    if session is None:
        return InvitationStatus.EXPIRED if now >= invitation.expires_at else InvitationStatus.SENT
    return _STANDINGS[sessions_status.status_of(session, now)]


async def by_id(work: Work, ids: Sequence[UUID]) -> dict[UUID, Invited]:
    """Return the invitations with these ids, those that the viewer may see."""
    now = await work.now()
    rows = await work.rows(_with_session().where(Invitation.id.in_(ids)))
    return {row.Invitation.id: _invited(row, now) for row in rows}


async def of_assignment(work: Work, assignment_id: UUID, wanted: PageRequest) -> Page[Invited]:
    """Return one page of an assignment's invitations, in the order in which they were sent."""
    now = await work.now()
    of_it = _with_session().where(Invitation.assignment_id == assignment_id)
    page = await paged(work, of_it, [Order(Invitation.id)], wanted)
    shown = [Invited(invitation, session, standing(invitation, session, now)) for invitation, session in page.rows]
    return Page(shown, page.cursors, page.has_next, page.has_previous, page.total)


def _with_session() -> Select[Any]:
    both = select(Invitation, DeliverySession).outerjoin(DeliverySession, DeliverySession.id == Invitation.session_id)
    return cast("Select[Any]", both)


def _invited(row: Any, now: datetime) -> Invited:
    return Invited(row.Invitation, row.DeliverySession, standing(row.Invitation, row.DeliverySession, now))
