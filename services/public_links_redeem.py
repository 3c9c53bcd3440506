"""Starting by a public link: whoever has it names themselves, and gets a session (domain.md section 5).

The address is not proven by anybody; the ledger and the invitation say so.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from models.assignments import AssignmentTarget, Invitation, InvitationStatus, TargetKind
from models.base import uuid7
from models.identity import User, UserStatus
from models.public_links import PublicLink
from models.sessions import DeliverySession
from realtime import topics
from services import assignments_recipients, assignments_redeem, invitations, overrides, public_links, setwise, words
from services.assignments_recipients import Recipient, Resolved
from services.idempotency import Answer
from services.identity import normal_email
from services.refusals import AccessCodeWrong, NotAMember, PublicLinkClosed, PublicLinkFull, Refusal
from services.tokens import Claims
from services.work import Work


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who wants to start, as they say themselves, and the browser in which."""

    display_name: str
    email: str
    access_code: str | None
    nonce: str


async def redeem(work: Work, claims: Claims, visitor: Visitor, key: bytes) -> Answer:
    """Turn a public link into a session of its visitor, in one transaction.

    The order: lock the link, then the candidate; what the link itself says, access code and places included; then
    window, person and attempts as for every invitation. The same browser gets the same session within two minutes.
    """
    nonce_hash = invitations.hashed(visitor.nonce)
    email = normal_email(visitor.email, path=["email"])
    name = words.name(visitor.display_name, path=["displayName"])
    link = await _locked(work, claims, email)
    now = await work.now()
    _check(link, claims, visitor, key)
    user_id = await _person(work, email, name)
    known = await _retried(work, link, user_id, nonce_hash, now)
    if known is not None:
        return {"session_id": str(known)}
    if link.cap is not None and link.used >= link.cap:
        raise PublicLinkFull(link.cap)
    invitation = await _invited(work, link, user_id, email, now)
    case = await assignments_redeem.case_of(work, invitation.id, link.assignment_id, user_id)
    session = await assignments_redeem.begin(work, case, nonce_hash, now)
    link.used += 1
    _tell(work, link, session, email)
    return {"session_id": str(session.id)}


async def _locked(work: Work, claims: Claims, email: str) -> PublicLink:
    """Hold the link and the candidate, and return the link as it is now."""
    wanted = select(PublicLink).where(PublicLink.id == claims.subject)
    found = (await work.session.scalars(wanted)).one_or_none()
    if found is None:
        raise invitations.unknown()
    tenant, assignment = claims.tenant_id, found.assignment_id
    user_id = await work.session.scalar(select(User.id).where(User.email == email))
    names = [f"public-link/{tenant}/{found.id}", f"candidate-address/{tenant}/{assignment}/{email}"]
    names += [] if user_id is None else [f"candidate/{tenant}/{assignment}/{user_id}"]
    await work.lock(*names, shared=[overrides.limits_lock(tenant, assignment)])
    held = wanted.with_for_update().execution_options(populate_existing=True)
    return (await work.session.scalars(held)).one()


def _check(link: PublicLink, claims: Claims, visitor: Visitor, key: bytes) -> None:
    if link.closed_at is not None or not public_links.is_of(link, claims):
        raise PublicLinkClosed("This link was closed.")
    if link.code_hash is None:
        return
    try:
        given = public_links.hashed(key, link.id, visitor.access_code or "")
    except Refusal:
        given = ""
    if not hmac.compare_digest(given, link.code_hash):
        raise AccessCodeWrong("This is not the access code of the link.", path=["accessCode"])


async def _person(work: Work, email: str, name: str) -> UUID:
    """Return the person with this address, a new one if nobody has it; refuse a suspended one."""
    given = Recipient(TargetKind.EMAIL, email, None, name)
    rows = await assignments_recipients.create(work, await assignments_recipients.look(work, [given]))
    (row,) = rows
    if not isinstance(row, Resolved) or row.user_id is None:
        raise NotAMember("This assessment cannot be started with this address.", path=["email"])
    user = await work.session.scalar(select(User.status).where(User.id == row.user_id))
    if user == UserStatus.SUSPENDED:
        raise NotAMember("This assessment cannot be started with this address.", path=["email"])
    return row.user_id


async def _retried(work: Work, link: PublicLink, user_id: UUID, nonce_hash: str, now: datetime) -> UUID | None:
    """Return the session that this browser got by this link a moment ago."""
    wanted = select(Invitation.session_id).where(
        Invitation.public_link_id == link.id,
        Invitation.user_id == user_id,
        Invitation.nonce_hash == nonce_hash,
        Invitation.accepted_at >= now - public_links.RETRY,
        Invitation.session_id.is_not(None),
    )
    return await work.session.scalar(wanted.order_by(Invitation.ordinal.desc()).limit(1))


async def _invited(work: Work, link: PublicLink, user_id: UUID, email: str, now: datetime) -> Invitation:
    """Make the visitor a recipient, and the invitation that is used at once."""
    of_it = {"org_unit_id": link.org_unit_id, "assignment_id": link.assignment_id, "user_id": user_id}
    target = {**of_it, "kind": TargetKind.PUBLIC_LINK, "ref": email}
    await setwise.insert(work, AssignmentTarget, [target], unless=["assignment_id", "user_id"])
    last = select(func.coalesce(func.max(Invitation.ordinal), 0)).where(
        Invitation.assignment_id == link.assignment_id, Invitation.user_id == user_id
    )
    invitation = Invitation(
        id=uuid7(),
        tenant_id=link.tenant_id,
        **of_it,
        ordinal=(await work.session.scalar(last) or 0) + 1,
        jti=uuid7(),
        status=InvitationStatus.SENT,
        sent_at=now,
        expires_at=invitations.end_of_life(now, None),
        public_link_id=link.id,
    )
    work.session.add(invitation)
    await work.session.flush()
    return invitation


def _tell(work: Work, link: PublicLink, session: DeliverySession, email: str) -> None:
    told = {
        "public_link": str(link.id),
        "user_id": str(session.user_id),
        "session_id": str(session.id),
        "self_declared_address": email,
    }
    work.record("public_link.redeemed", ("assignment", link.assignment_id), after=told)
    work.touch(topics.assignment_sessions(link.tenant_id, link.assignment_id))
