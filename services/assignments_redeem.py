"""Redeeming an invitation: one transaction from the token to a session with its frozen policy (domain.md section 5)."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, select

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.authoring import EvaluationVersion
from models.identity import User, UserStatus
from models.sessions import DeliverySession
from services import assignments_groups, assignments_policy, invitations, overrides, policy, sessions, sessions_policy
from services.idempotency import Answer
from services.policy import Policy, Row, Unlimited, bounded, to_json
from services.refusals import (
    InvitationExpired,
    InvitationRevoked,
    InvitationUsed,
    NoAttemptsLeft,
    NotAMember,
    WindowClosed,
    WindowNotOpen,
)
from services.tokens import LONGEST_LIFE, Claims, Tokens, TokenType
from services.viewer import Via, Viewer
from services.work import Work

RETRY = timedelta(minutes=2)
"""How long the browser that redeemed gets the same session again, in case the answer was lost."""


@dataclass(frozen=True, slots=True)
class Case:
    """What redeeming decides on, read behind the locks."""

    invitation: Invitation
    assignment: Assignment
    version: EvaluationVersion
    user: User
    is_target: bool
    attempts_used: int
    rows: Sequence[Row]


def bearer(claims: Claims) -> Viewer:
    """Return who acts when an invitation is redeemed: the system, in the invitation's org unit, for this token."""
    system = Viewer.system(claims.tenant_id, claims.org_unit_id, name="bearer of an invitation")
    return replace(system, token_id=str(claims.token_id))


async def redeem(work: Work, claims: Claims, nonce: str) -> Answer:
    """Turn an invitation into a session, once.

    The order: lock (assignment, candidate), then what the invitation itself says, then the window, then the person,
    then the attempts; only then the invitation is burnt and the session made. Two tabs at once get one session, and
    the same browser gets it again within two minutes.
    """
    nonce_hash = invitations.hashed(nonce)
    case = await _behind_locks(work, claims)
    now = await work.now()
    invitation = case.invitation
    if _is_retry(invitation, claims, nonce_hash, now):
        return {"session_id": str(invitation.session_id)}
    _check_invitation(case, claims)
    session = await begin(work, case, nonce_hash, now)
    _tell(work, case, session)
    return {"session_id": str(session.id)}


async def begin(work: Work, case: Case, nonce_hash: str, now: datetime) -> DeliverySession:
    """Burn an invitation that is good and make its session; refuse what window, person and attempts do not allow."""
    invitation, limits = case.invitation, policy.resolve(case.rows)
    _check_window(case, limits, now)
    if case.user.status == UserStatus.SUSPENDED or not case.is_target:
        raise NotAMember("This assessment is not, or no longer, addressed to you.")
    allowed = bounded(limits.allowed_attempts.value)
    if allowed is not None and case.attempts_used >= allowed:
        raise NoAttemptsLeft(used=case.attempts_used, allowed=allowed)
    invitation.status = InvitationStatus.ACCEPTED
    invitation.accepted_at = now
    invitation.nonce_hash = nonce_hash
    await work.session.flush()
    session = await sessions.open_session(
        work,
        assignment=case.assignment,
        invitation=invitation,
        policy=to_json(limits),
        policy_rows=sessions_policy.kept(case.rows),
        attempt=case.attempts_used + 1,
        window_until=_bound(limits.window_until.value),
        grace_seconds=limits.network_grace_seconds.value,
    )
    invitation.session_id = session.id
    return session


def session_token(tokens: Tokens, session: DeliverySession, since: datetime | None = None) -> tuple[str, datetime]:
    """Return the token of a session, and its end: seven days after the session was made, the same at each call.

    With `since`, seven days after that: for a session that has ended and is opened again.
    """
    begins = since or session.created_at
    ends = begins + LONGEST_LIFE[TokenType.SESSION]
    token = tokens.mint(
        TokenType.SESSION,
        session.id,
        session.tenant_id,
        org_unit_id=session.org_unit_id,
        now=begins,
        expires_at=ends,
        token_id=session.id,
    )
    return token, ends


def candidate(claims: Claims, session_id: UUID) -> Viewer:
    """Return whom the session's token will stand for."""
    return Viewer(
        via=Via.SESSION,
        tenant_id=claims.tenant_id,
        org_unit_id=claims.org_unit_id,
        session_id=session_id,
        name="candidate",
        token_id=str(session_id),
    )


async def _behind_locks(work: Work, claims: Claims) -> Case:
    """Lock (assignment, candidate), then read the rows as they are now and keep them from changing."""
    wanted = select(Invitation.assignment_id, Invitation.user_id).where(Invitation.id == claims.subject)
    named = (await work.session.execute(wanted)).one_or_none()
    if named is None:
        raise invitations.unknown()
    candidate_lock = f"candidate/{claims.tenant_id}/{named.assignment_id}/{named.user_id}"
    await work.lock(candidate_lock, shared=[overrides.limits_lock(claims.tenant_id, named.assignment_id)])
    return await case_of(work, claims.subject, named.assignment_id, named.user_id)


async def case_of(work: Work, invitation_id: UUID, assignment_id: UUID, user_id: UUID) -> Case:
    """Read what redeeming an invitation decides on, and keep it from changing; its locks are held."""
    used = select(func.count()).where(
        DeliverySession.assignment_id == assignment_id,
        DeliverySession.user_id == user_id,
    )
    is_target = exists().where(
        AssignmentTarget.assignment_id == assignment_id,
        AssignmentTarget.user_id == user_id,
        assignments_groups.still_addressed(),
    )
    rows = (
        await work.session.execute(
            select(
                Invitation,
                Assignment,
                EvaluationVersion,
                User,
                used.scalar_subquery().label("used"),
                is_target.label("is_target"),
            )
            .join(Assignment, Assignment.id == Invitation.assignment_id)
            .join(EvaluationVersion, EvaluationVersion.id == Assignment.evaluation_version_id)
            .join(User, User.id == Invitation.user_id)
            .where(Invitation.id == invitation_id)
            .with_for_update(read=True, of=[Invitation, Assignment, User])
        )
    ).one()
    defaults = await assignments_policy.defaults_of_tenant(work)
    plain = assignments_policy.plain_rows(rows.Assignment, rows.EvaluationVersion, defaults)
    personal = (await assignments_policy.personal_rows(work, assignment_id, [user_id])).get(user_id)
    limits = [*plain, *(personal or [])]
    return Case(rows.Invitation, rows.Assignment, rows.EvaluationVersion, rows.User, rows.is_target, rows.used, limits)


def _is_retry(invitation: Invitation, claims: Claims, nonce_hash: str, now: datetime) -> bool:
    return (
        invitation.session_id is not None
        and invitation.accepted_at is not None
        and invitation.nonce_hash is not None
        and invitation.jti == claims.token_id
        and now - invitation.accepted_at <= RETRY
        and hmac.compare_digest(invitation.nonce_hash, nonce_hash)
    )


def _check_invitation(case: Case, claims: Claims) -> None:
    invitation = case.invitation
    if invitation.status == InvitationStatus.REVOKED or invitation.jti != claims.token_id:
        raise InvitationRevoked("This invitation was withdrawn or replaced by a newer one.")
    if invitation.accepted_at is not None:
        raise InvitationUsed(f"This invitation was used at {invitation.accepted_at.isoformat()}.")


def _check_window(case: Case, limits: Policy, now: datetime) -> None:
    """Refuse outside the person's window and the invitation's life, in the database's time; the window speaks first."""
    assignment, invitation = case.assignment, case.invitation
    if assignment.status != AssignmentStatus.ACTIVE:
        raise WindowClosed(assignment.closed_at or now)
    opens, closes = _bound(limits.window_from.value), _bound(limits.window_until.value)
    if opens is not None and now < opens:
        raise WindowNotOpen(opens)
    if closes is not None and now >= closes:
        raise WindowClosed(closes)
    if now >= invitation.expires_at:
        raise InvitationExpired(f"This invitation was good until {invitation.expires_at.isoformat()}.")


def _bound(value: datetime | Unlimited) -> datetime | None:
    return None if isinstance(value, Unlimited) else value


def _tell(work: Work, case: Case, session: DeliverySession) -> None:
    """Write the ledger; the session's first event wakes whoever watches."""
    work.record(
        "invitation.redeemed",
        ("invitation", case.invitation.id),
        after={
            "assignment_id": str(case.assignment.id),
            "user_id": str(case.user.id),
            "session_id": str(session.id),
            "attempt": session.attempt,
        },
    )
