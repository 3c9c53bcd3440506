"""Coming back for a result: the invitation that a session began with opens it again, once something was handed in.

A session's token ends a week after the session began, and a result may be told much later. What is opened has ended, so
nothing can be done with it but to read, and to ask for a regrade.
"""

from uuid import UUID

from sqlalchemy import select

from models.assignments import Invitation, InvitationStatus
from models.sessions import DeliverySession
from services import invitations
from services.idempotency import Answer
from services.refusals import InvalidInput, InvitationRevoked
from services.tokens import Claims
from services.work import Work


async def open_(work: Work, claims: Claims) -> Answer:
    """Return the session that an invitation opens again, and when; refuse one with which nothing was handed in."""
    row = (await work.session.scalars(select(Invitation).where(Invitation.id == claims.subject))).one_or_none()
    if row is None:
        raise invitations.unknown()
    if row.status == InvitationStatus.REVOKED or row.jti != claims.token_id:
        raise InvitationRevoked("This invitation was withdrawn or replaced by a newer one.")
    session = await _session(work, row.session_id)
    if session is None or session.ended_at is None:
        raise InvalidInput(
            "Nothing was handed in with this invitation yet.", path=["token"], hint="Redeem it, and hand in first."
        )
    now = await work.now()
    work.record("result.opened", ("session", session.id))
    return {"session_id": str(session.id), "at": now.isoformat()}


async def _session(work: Work, session_id: UUID | None) -> DeliverySession | None:
    if session_id is None:
        return None
    return (await work.session.scalars(select(DeliverySession).where(DeliverySession.id == session_id))).one_or_none()
