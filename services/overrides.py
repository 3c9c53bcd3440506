"""Overrides: exceptions from an assignment's limits, previewed, applied at once, and taken back (domain.md section 5).

An override is a row that never changes. It counts for every session that is made while it is in force, and at once for
the session that its person is sitting; nothing that has ended is touched. A reversal is a row of its own.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select, update

from models.assignments import Assignment, AssignmentTarget, Invitation
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.identity import Group, GroupMember, User
from models.overrides import AssignmentOverride, OverrideKind
from models.sessions import DeliverySession, EventKind
from services import assignments_policy, invitations, overrides_rows, policy, sessions_policy, words
from services.idempotency import Answer
from services.overrides_rows import Change
from services.paging import Order, Page, PageRequest, paged
from services.policy import Policy, Row, Unlimited
from services.refusals import ConfirmationNeeded, InvalidInput, NotAMember, NotFound, StateDrift
from services.security import SecurityLevel
from services.sessions_hold import hold_many
from services.sessions_policy import Cause, Outlook, Revise, written
from services.sessions_status import is_over
from services.work import Work

_EVENTS = {OverrideKind.EXTENSION: EventKind.TIME_EXTENDED, OverrideKind.ADDED_ATTEMPTS: EventKind.ATTEMPT_ADDED}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an override is for: one person, or whoever is in a group; exactly one of the two."""

    user_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An override as asked for. `valid_until` ends its effect on new sessions; it takes nothing from one that runs."""

    assignment_id: UUID
    target: Target
    change: Change
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Affected:
    """One recipient, and what the override does to their limits: those of an open session, or of the next one.

    Whoever has two attempts open is there twice.
    """

    user: User
    before: Policy
    after: Policy
    session: DeliverySession | None
    deadline_before: datetime | None
    deadline_after: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an override would do, and to whom, by e-mail address."""

    affected: Sequence[Affected]
    outlooks: dict[UUID, Outlook]

    @property
    def is_high_stakes(self) -> bool:
        """Tell whether anybody whom it concerns sits, or will sit, under high stakes."""
        return any(one.before.security.value.level is SecurityLevel.HIGH_STAKES for one in self.affected)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which overrides are wanted; what is None does not narrow. `user_id` finds those of the person's groups too."""

    assignment_id: UUID | None = None
    user_id: UUID | None = None


def limits_lock(tenant_id: UUID | None, assignment_id: UUID) -> str:
    """Name the lock that redeeming shares and changing limits holds alone, so that no new session misses a change."""
    return f"limits/{tenant_id}/{assignment_id}"


async def preview(work: Work, wanted: Wanted) -> Plan:
    """Tell what an override would do now; nothing is changed. Refuses what `apply` refuses of the override itself."""
    now = await work.now()
    _check(wanted, now)
    assignment = await _assignment(work, wanted.assignment_id)
    people = await _people(work, assignment.id, wanted.target)
    return await _plan(work, assignment, people, _adding(wanted, None, "preview", uuid7()), now)


async def apply(work: Work, wanted: Wanted, reason: str, *, is_high_stakes_confirmed: bool) -> Answer:
    """Record an override, and give every open session of those whom it is for its new limits, in one transaction."""
    why = words.reason(reason)
    _check(wanted, await work.now())
    assignment = await _assignment(work, wanted.assignment_id)
    people = await _held(work, assignment.id, wanted.target)
    now = await work.now()
    override_id, author = uuid7(), work.viewer.user_id
    revise = _adding(wanted, author, why, override_id)
    plan = await _plan(work, assignment, people, revise, now)
    if plan.is_high_stakes and not is_high_stakes_confirmed:
        raise ConfirmationNeeded("This assessment is high stakes.", path=["isHighStakesConfirmed"])
    change = wanted.change
    work.session.add(
        AssignmentOverride(
            id=override_id,
            org_unit_id=assignment.org_unit_id,
            assignment_id=assignment.id,
            **asdict(wanted.target),
            **asdict(change),
            reason=why,
            created_by=author,
            valid_until=wanted.valid_until,
        )
    )
    await work.session.flush()
    facts = told(override_id, wanted.target, change) | {"valid_until": written(wanted.valid_until)}
    work.record("override.applied", ("assignment", assignment.id), reason=why, after=facts)
    await _change_sessions(work, plan, cause(change, why), now)
    if change.kind is OverrideKind.WINDOW_UNTIL:
        await _keep_invitations_alive(work, assignment.id, plan, now)
    return {"override": str(override_id), "sessions": [str(session_id) for session_id in plan.outlooks]}


async def reverse(work: Work, override_id: UUID, reason: str) -> Answer:
    """Take an override back by a row of its own; open sessions lose it at once, and end now at the earliest.

    Refuses a reversal, and an override that was reversed before.
    """
    why = words.reason(reason)
    found = (await by_ids(work, [override_id])).get(override_id)
    if found is None:
        raise NotFound("Override", override_id, path=["id"])
    if found.reverses is not None:
        raise InvalidInput("A reversal cannot be reversed.", path=["id"], hint="Apply the override again instead.")
    target = Target(found.user_id, found.group_id)
    people = await _held(work, found.assignment_id, target)
    known = select(AssignmentOverride.id).where(AssignmentOverride.reverses == override_id)
    if await work.rows(known):
        raise StateDrift("The override was reversed already.", current_state="REVERSED")
    now = await work.now()
    change = overrides_rows.change_of(found)
    assignment = await _assignment(work, found.assignment_id)
    plan = await _plan(work, assignment, people, lambda rows: sessions_policy.without(rows, override_id), now)
    reversal = AssignmentOverride(
        id=uuid7(),
        org_unit_id=found.org_unit_id,
        assignment_id=found.assignment_id,
        **asdict(target),
        **asdict(change),
        reason=why,
        created_by=work.viewer.user_id,
        reverses=found.id,
    )
    work.session.add(reversal)
    await work.session.flush()
    facts = told(reversal.id, target, change)
    work.record(
        "override.reversed", ("assignment", assignment.id), reason=why, before=facts | {"override": str(found.id)}
    )
    await _change_sessions(work, plan, cause(change, why, sign=-1), now)
    return {"override": str(reversal.id), "sessions": [str(session_id) for session_id in plan.outlooks]}


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentOverride]:
    """Return the overrides with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(AssignmentOverride).where(AssignmentOverride.id.in_(ids)))
    return {row.id: row for row in found}


async def reversals(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentOverride]:
    """Return, by the override that it takes back, the reversal of each of these that has one."""
    found = await work.session.scalars(select(AssignmentOverride).where(AssignmentOverride.reverses.in_(ids)))
    return {row.reverses: row for row in found if row.reverses is not None}


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[AssignmentOverride]:
    """List the ledger of overrides, the newest first."""
    row = AssignmentOverride
    statement: Select[Any] = select(row)
    if wanted.assignment_id is not None:
        statement = statement.where(row.assignment_id == wanted.assignment_id)
    if wanted.user_id is not None:
        groups = select(GroupMember.group_id).where(GroupMember.user_id == wanted.user_id)
        statement = statement.where(or_(row.user_id == wanted.user_id, row.group_id.in_(groups)))
    return await paged(work, statement, [Order(row.id, descending=True)], page)


def _check(wanted: Wanted, now: datetime) -> None:
    wanted.change.checked()
    closes = wanted.change.instant
    if closes is not None and closes <= now:
        raise InvalidInput(f"The window would have closed already, at {closes.isoformat()}.", path=["windowUntil"])
    until = wanted.valid_until
    if until is not None and (until.tzinfo is None or until <= now):
        raise InvalidInput(f"{until.isoformat()} is not an instant that is still to come.", path=["validUntil"])


def _adding(wanted: Wanted, author: UUID | None, why: str, override_id: UUID) -> Revise:
    of_group = wanted.target.group_id is not None
    who = None if author is None else str(author)
    row = wanted.change.row(overrides_rows.source(override_id, who, why, of_group=of_group))
    return lambda rows: [*rows, row]


async def _assignment(work: Work, assignment_id: UUID) -> Assignment:
    found = (await work.session.scalars(select(Assignment).where(Assignment.id == assignment_id))).one_or_none()
    if found is None:
        raise NotFound("Assignment", assignment_id, path=["assignmentId"])
    return found


async def _held(work: Work, assignment_id: UUID, target: Target) -> Sequence[User]:
    """Keep new sessions of the assignment waiting, hold the open ones of those concerned, and return the people."""
    await work.lock(limits_lock(work.viewer.tenant_id, assignment_id))
    people = await _people(work, assignment_id, target)
    sessions = await _open_sessions(work, assignment_id, [user.id for user in people])
    await hold_many(work, [session.id for session in sessions])
    return people


async def _people(work: Work, assignment_id: UUID, target: Target) -> Sequence[User]:
    """Return the recipients whom the override is for; refuse a person who is none, and an unknown group."""
    recipients = (
        select(User)
        .join(AssignmentTarget, AssignmentTarget.user_id == User.id)
        .where(AssignmentTarget.assignment_id == assignment_id)
        .order_by(User.email)
    )
    if target.user_id is not None:
        found = (await work.session.scalars(recipients.where(User.id == target.user_id))).all()
        if not found:
            raise NotAMember(
                "This person is not among the recipients of the assignment.",
                path=["target", "userId"],
                hint="Invite the person first.",
            )
        return found
    if await work.session.scalar(select(Group.id).where(Group.id == target.group_id)) is None:
        raise NotFound("Group", target.group_id, path=["target", "groupId"])
    members = select(GroupMember.user_id).where(GroupMember.group_id == target.group_id)
    return (await work.session.scalars(recipients.where(User.id.in_(members)))).all()


async def _open_sessions(work: Work, assignment_id: UUID, user_ids: Sequence[UUID]) -> Sequence[DeliverySession]:
    wanted = select(DeliverySession).where(
        DeliverySession.assignment_id == assignment_id,
        DeliverySession.user_id.in_(user_ids),
        DeliverySession.ended_at.is_(None),
    )
    fresh = wanted.execution_options(populate_existing=True)
    return (await work.session.scalars(fresh.order_by(DeliverySession.attempt))).all()


async def _plan(work: Work, assignment: Assignment, people: Sequence[User], revise: Revise, now: datetime) -> Plan:
    ids = [user.id for user in people]
    version = await work.session.get(EvaluationVersion, (assignment.tenant_id, assignment.evaluation_version_id))
    plain = assignments_policy.plain_rows(assignment, version, await assignments_policy.defaults_of_tenant(work))
    personal = await assignments_policy.personal_rows(work, assignment.id, ids)
    running: dict[UUID, list[DeliverySession]] = {}
    for session in await _open_sessions(work, assignment.id, ids):
        if not is_over(session, now):
            running.setdefault(session.user_id, []).append(session)
    outlooks: dict[UUID, Outlook] = {}
    affected: list[Affected] = []
    for user in people:
        if user.id not in running:
            affected.append(_next_session(user, [*plain, *personal.get(user.id, [])], revise))
        for session in running.get(user.id, []):
            after = sessions_policy.outlook(session, revise(sessions_policy.rows_of(session)), now)
            outlooks[session.id] = after
            before = policy.from_json(session.policy)
            affected.append(Affected(user, before, after.policy, session, session.deadline_at, after.deadline_at))
    return Plan(affected, outlooks)


def _next_session(user: User, rows: list[Row], revise: Revise) -> Affected:
    return Affected(user, policy.resolve(rows), policy.resolve(revise(rows)), None, None, None)


async def _keep_invitations_alive(work: Work, assignment_id: UUID, plan: Plan, now: datetime) -> None:
    """Let the invitations of those whose window closes later be redeemed until then; no token changes by that."""
    for one in plan.affected:
        closes = one.after.window_until.value
        ends = invitations.end_of_life(now, None if isinstance(closes, Unlimited) else closes)
        longer = update(Invitation).where(
            Invitation.assignment_id == assignment_id,
            Invitation.user_id == one.user.id,
            Invitation.session_id.is_(None),
            Invitation.expires_at < ends,
        )
        await work.session.execute(longer.values(expires_at=ends))


def cause(change: Change, why: str, sign: int = 1) -> Cause:
    """Return what the sessions' timelines tell of a change, or with -1 of its reversal."""
    kind = _EVENTS.get(change.kind, EventKind.LIMITS_CHANGED)
    amount = sign * int(change.amount or 0)
    facts = {EventKind.TIME_EXTENDED: {"seconds": amount}, EventKind.ATTEMPT_ADDED: {"attempts": amount}}
    return Cause(kind, facts.get(kind, {}), why)


async def _change_sessions(work: Work, plan: Plan, cause: Cause, now: datetime) -> None:
    for one in plan.affected:
        if one.session is None:
            continue
        await sessions_policy.apply(work, one.session, plan.outlooks[one.session.id], cause, now)
        work.record(
            "session.limits_changed",
            ("session", one.session.id),
            reason=cause.reason,
            before={"deadline_at": written(one.deadline_before)},
            after={"deadline_at": written(one.deadline_after)},
        )


def told(override_id: UUID, target: Target, change: Change) -> dict[str, Any]:
    """Return what the ledger keeps of an override."""
    return {
        "override": str(override_id),
        "user": None if target.user_id is None else str(target.user_id),
        "group": None if target.group_id is None else str(target.group_id),
        "kind": str(change.kind),
        "amount": None if change.amount is None else str(change.amount),
        "instant": written(change.instant),
        "is_unlimited": change.is_unlimited,
        "restrict": change.restrict,
    }
