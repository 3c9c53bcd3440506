"""Acts on invitations that were sent: sent again, withdrawn, followed by another attempt, copied (domain.md section 5).

Each takes a list and answers by row, in order. Whoever redeems one of them meanwhile waits, or is waited for.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, select, tuple_

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.identity import User, UserStatus
from models.sessions import DeliverySession
from realtime import topics
from services import (
    assignments_groups,
    assignments_mail,
    assignments_policy,
    invitations,
    overrides,
    policy,
    setwise,
    words,
)
from services.assignments_issue import Link, problem
from services.idempotency import Answer
from services.policy import Policy, Unlimited, bounded
from services.refusals import (
    InvalidInput,
    InvitationExpired,
    InvitationRevoked,
    InvitationUsed,
    NoAttemptsLeft,
    NotAMember,
    NotFound,
    Refusal,
    StateDrift,
    WindowClosed,
)
from services.sessions_status import is_over
from services.setwise import Told
from services.work import Work

MOST: Final = 500
"""Invitations that one request acts on."""

ANOTHER_ATTEMPT: Final = "Give another attempt with overrideApply (addedAttempts) first, then invite again."
Pair = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Held:
    """An invitation that nobody else acts on until the transaction ends, with what decides on it."""

    invitation: Invitation
    assignment: Assignment
    version: EvaluationVersion
    user: User
    is_target: bool
    newest: int
    """The highest ordinal of the person's invitations to the assignment."""
    sessions: Sequence[DeliverySession]
    limits: Policy

    @property
    def closes(self) -> datetime | None:
        """When the window of this person closes."""
        until = self.limits.window_until.value
        return None if isinstance(until, Unlimited) else until


Check = Callable[[Held, datetime], None]
Act = Callable[[list[Held], datetime], Awaitable[dict[UUID, UUID]]]
"""Does what is asked for; tells for each invitation which one came of it."""


async def resend(work: Work, ids: Sequence[UUID | None], link: Link) -> Answer:
    """Mail invitations anew, each with a new token and a new end of life; the old links are dead at once.

    Refuses, by row, an invitation that was redeemed, withdrawn or followed by another one, and a person who cannot
    start any more.
    """

    async def act(held: list[Held], now: datetime) -> dict[UUID, UUID]:
        before = {one.invitation.id: one.invitation.expires_at for one in held}
        for one in held:
            row = one.invitation
            row.jti, row.sent_at, row.status = uuid7(), now, InvitationStatus.SENT
            row.expires_at = invitations.end_of_life(now, one.closes)
        await work.session.flush()
        told = [
            Told(
                ("invitation", one.invitation.id),
                _told(one) | {"expires_at": one.invitation.expires_at.isoformat()},
                {"expires_at": before[one.invitation.id].isoformat()},
            )
            for one in held
        ]
        await setwise.record(work, "invitation.resent", told)
        await _mail(work, held, {one.invitation.id: one.invitation.id for one in held}, link)
        return {one.invitation.id: one.invitation.id for one in held}

    return await _each(work, ids, _check_resend, act)


async def revoke(work: Work, ids: Sequence[UUID | None], reason: str) -> Answer:
    """Withdraw invitations: their links are refused from now on. Refuses, by row, what was redeemed or withdrawn."""
    why = words.reason(reason)

    async def act(held: list[Held], _now: datetime) -> dict[UUID, UUID]:
        for one in held:
            one.invitation.status = InvitationStatus.REVOKED
        await work.session.flush()
        told = [
            Told(
                ("invitation", one.invitation.id),
                _told(one) | {"status": InvitationStatus.REVOKED},
                {"status": InvitationStatus.SENT},
            )
            for one in held
        ]
        await setwise.record(work, "invitation.revoked", told, reason=why)
        return {one.invitation.id: one.invitation.id for one in held}

    return await _each(work, ids, _check_revoke, act)


async def reinvite(work: Work, ids: Sequence[UUID | None], link: Link) -> Answer:
    """Invite people to another attempt: each gets a further invitation and its mail; those before it are kept.

    Refuses, by row, while a session is open or an invitation can still be redeemed, and when no attempt is left.
    """

    async def act(held: list[Held], now: datetime) -> dict[UUID, UUID]:
        made = {one.invitation.id: uuid7() for one in held}
        rows = [
            {
                "id": made[one.invitation.id],
                "org_unit_id": one.assignment.org_unit_id,
                "assignment_id": one.assignment.id,
                "user_id": one.user.id,
                "ordinal": one.newest + 1,
                "jti": uuid7(),
                "sent_at": now,
                "expires_at": invitations.end_of_life(now, one.closes),
            }
            for one in held
        ]
        await setwise.insert(work, Invitation, rows)
        told = [
            Told(
                ("invitation", made[one.invitation.id]),
                _told(one) | {"ordinal": one.newest + 1, "follows": str(one.invitation.id)},
            )
            for one in held
        ]
        await setwise.record(work, "invitation.reinvited", told)
        await _mail(work, held, made, link)
        return made

    return await _each(work, ids, _check_reinvite, act, once_per_person=True)


async def copy_link(work: Work, invitation_id: UUID | None) -> Answer:
    """Let somebody copy the link of an invitation, which the ledger tells of; the link itself is kept nowhere.

    The answer names the token's `jti`, so that a repeated request never shows the link of a later token.
    """
    wanted = select(Invitation).where(Invitation.id == invitation_id).with_for_update()
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:
        raise NotFound("Invitation", invitation_id, path=["id"])
    if row.status == InvitationStatus.REVOKED:
        raise InvitationRevoked("This invitation was withdrawn.", hint="Invite the person again: invitationReinvite.")
    if row.accepted_at is not None:
        raise InvitationUsed(f"This invitation was used at {row.accepted_at.isoformat()}.")
    if await work.now() >= row.expires_at:
        raise InvitationExpired(
            f"This invitation was good until {row.expires_at.isoformat()}.", hint="Send it again: invitationResend."
        )
    told = {"assignment_id": str(row.assignment_id), "user_id": str(row.user_id)}
    work.record("invitation.link_copied", ("invitation", row.id), after=told)
    return {"invitation": str(row.id), "jti": str(row.jti)}


async def _each(
    work: Work, ids: Sequence[UUID | None], check: Check, act: Act, *, once_per_person: bool = False
) -> Answer:
    """Hold the invitations, decide on each, do what is asked for to those that may, and answer by row."""
    if not 1 <= len(ids) <= MOST:
        raise InvalidInput(f"There are {len(ids)} invitations; 1 to {MOST} are taken at once.", path=["ids"])
    held = await _hold(work, [one for one in ids if one is not None])
    now = await work.now()
    seen: set[UUID | Pair] = set()
    rows: list[Held | Refusal] = []
    for invitation_id in ids:
        one = None if invitation_id is None else held.get(invitation_id)
        if one is None:
            rows.append(NotFound("Invitation", invitation_id, path=["ids"]))
            continue
        key = _pair(one.invitation) if once_per_person else one.invitation.id
        rows.append(_decided(one, check, now) if key not in seen else _twice())
        seen.add(key)
    free = [one for one in rows if isinstance(one, Held)]
    done = await act(free, now) if free else {}
    if work.viewer.tenant_id is not None:
        assignment_ids = {one.assignment.id for one in free}
        work.touch(*(topics.assignment_sessions(work.viewer.tenant_id, one) for one in assignment_ids))
    return {"rows": [_answered(one, done) for one in rows]}


def _decided(one: Held, check: Check, now: datetime) -> Held | Refusal:
    try:
        check(one, now)
    except Refusal as refusal:
        return refusal
    return one


def _twice() -> Refusal:
    return InvalidInput("This stands in the list already.", path=["ids"], hint="Name each once.")


def _answered(one: Held | Refusal, done: dict[UUID, UUID]) -> dict[str, Any]:
    if isinstance(one, Refusal):
        return {"invitation": None, "problem": problem(one)}
    return {"invitation": str(done[one.invitation.id]), "problem": None}


def _check_resend(one: Held, now: datetime) -> None:
    _check_unused(one, "Invite the person to another attempt: invitationReinvite.")
    if one.invitation.status == InvitationStatus.REVOKED:
        raise InvitationRevoked("This invitation was withdrawn.", hint="Invite the person again: invitationReinvite.")
    if one.invitation.ordinal < one.newest:
        raise InvitationRevoked("This person has a newer invitation.", hint="Send the newest one again.")
    _check_can_start(one, now)


def _check_revoke(one: Held, _now: datetime) -> None:
    _check_unused(one, "Terminate the session that came of it instead.")
    if one.invitation.status == InvitationStatus.REVOKED:
        raise StateDrift("This invitation was withdrawn already.", current_state=InvitationStatus.REVOKED.upper())


def _check_reinvite(one: Held, now: datetime) -> None:
    invitation = one.invitation
    if any(session.ended_at is None and not is_over(session, now) for session in one.sessions):
        raise StateDrift(
            "This person's session is still open.",
            current_state=InvitationStatus.STARTED.upper(),
            hint="Wait until it is over, or terminate it.",
        )
    if invitation.ordinal < one.newest:
        raise InvitationRevoked("This person has a newer invitation.", hint="Name the newest one.")
    if invitations.standing(invitation, None, now) is InvitationStatus.SENT and invitation.accepted_at is None:
        raise StateDrift(
            "This invitation can still be redeemed.",
            current_state=InvitationStatus.SENT.upper(),
            hint="Send it again with invitationResend instead.",
        )
    _check_can_start(one, now)
    allowed, used = bounded(one.limits.allowed_attempts.value), len(one.sessions)
    if allowed is not None and used >= allowed:
        raise NoAttemptsLeft(used=used, allowed=allowed, hint=ANOTHER_ATTEMPT)


def _check_unused(one: Held, hint: str) -> None:
    if one.invitation.accepted_at is not None:
        raise InvitationUsed(f"This invitation was used at {one.invitation.accepted_at.isoformat()}.", hint=hint)


def _check_can_start(one: Held, now: datetime) -> None:
    """Refuse whom a new link would lead nowhere."""
    if one.assignment.status != AssignmentStatus.ACTIVE:
        raise WindowClosed(one.assignment.closed_at or now)
    if one.closes is not None and now >= one.closes:
        raise WindowClosed(one.closes)
    if one.user.status == UserStatus.SUSPENDED or not one.is_target:
        raise NotAMember("The assignment is not, or no longer, addressed to this person.")


async def _hold(work: Work, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """Lock each (assignment, candidate) and share the locks of their limits, then read everything as it is now."""
    tenant = work.viewer.tenant_id
    wanted = select(Invitation.assignment_id, Invitation.user_id).where(Invitation.id.in_(ids)).distinct()
    pairs = [(row.assignment_id, row.user_id) for row in await work.rows(wanted)]
    if not pairs:
        return {}
    shared = sorted({overrides.limits_lock(tenant, assignment_id) for assignment_id, _ in pairs})
    await work.lock(*(f"candidate/{tenant}/{assignment}/{user}" for assignment, user in pairs), shared=shared)
    is_target = exists().where(
        AssignmentTarget.assignment_id == Invitation.assignment_id,
        AssignmentTarget.user_id == Invitation.user_id,
        assignments_groups.still_addressed(),
    )
    rows = await work.rows(
        select(Invitation, Assignment, EvaluationVersion, User, is_target.correlate(Invitation).label("is_target"))
        .join(Assignment, Assignment.id == Invitation.assignment_id)
        .join(EvaluationVersion, EvaluationVersion.id == Assignment.evaluation_version_id)
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.id.in_(ids))
        .order_by(Invitation.id)
        .with_for_update(of=Invitation)
        .execution_options(populate_existing=True)
    )
    newest = await _newest(work, [_pair(row.Invitation) for row in rows])
    sessions = await _sessions(work, list(newest))
    limits = await _limits(work, rows)
    return {
        row.Invitation.id: Held(
            row.Invitation,
            row.Assignment,
            row.EvaluationVersion,
            row.User,
            row.is_target,
            newest[_pair(row.Invitation)],
            sessions.get(_pair(row.Invitation), []),
            limits[_pair(row.Invitation)],
        )
        for row in rows
    }


async def _newest(work: Work, pairs: Sequence[Pair]) -> dict[Pair, int]:
    key = (Invitation.assignment_id, Invitation.user_id)
    wanted = select(*key, func.max(Invitation.ordinal).label("newest")).where(tuple_(*key).in_(pairs)).group_by(*key)
    return {_pair(row): row.newest for row in await work.rows(wanted)}


async def _sessions(work: Work, pairs: Sequence[Pair]) -> dict[Pair, list[DeliverySession]]:
    key = (DeliverySession.assignment_id, DeliverySession.user_id)
    found: dict[Pair, list[DeliverySession]] = {}
    for session in await work.session.scalars(select(DeliverySession).where(tuple_(*key).in_(pairs))):
        found.setdefault(_pair(session), []).append(session)
    return found


async def _limits(work: Work, rows: Sequence[Any]) -> dict[Pair, Policy]:
    """Return the limits of each person, overrides and accommodations included."""
    defaults = await assignments_policy.defaults_of_tenant(work)
    people: dict[UUID, list[UUID]] = {}
    known = {row.Assignment.id: (row.Assignment, row.EvaluationVersion) for row in rows}
    for row in rows:
        people.setdefault(row.Assignment.id, []).append(row.User.id)
    found: dict[Pair, Policy] = {}
    for assignment_id, user_ids in people.items():
        plain = assignments_policy.plain_rows(*known[assignment_id], defaults)
        personal = await assignments_policy.personal_rows(work, assignment_id, user_ids)
        for user_id in user_ids:
            found[assignment_id, user_id] = policy.resolve([*plain, *personal.get(user_id, [])])
    return found


async def _mail(work: Work, held: Sequence[Held], made: dict[UUID, UUID], link: Link) -> None:
    """Queue the mails of the invitations that came of these, assignment by assignment."""
    by_assignment: dict[UUID, list[Held]] = {}
    for one in held:
        by_assignment.setdefault(one.assignment.id, []).append(one)
    for several in by_assignment.values():
        first = several[0]
        closes = {made[one.invitation.id]: one.closes for one in several}
        await assignments_mail.invite(work, first.assignment, first.version, link, list(closes), closes)


def _pair(row: Any) -> Pair:
    return row.assignment_id, row.user_id


def _told(one: Held) -> dict[str, Any]:
    return {"assignment_id": str(one.assignment.id), "user_id": str(one.user.id)}
