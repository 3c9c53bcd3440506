"""Assignments: issued, closed, redeemed, listed and watched."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dataloaders import assignments as loaders
from dataloaders import authoring as authoring_loaders
from dataloaders import sessions as session_loaders
from models.assignments import Assignment
from models.capabilities import Capability
from models.identity import Group, User
from models.sessions import DeliverySession
from resolvers import identity
from resolvers import policy as policies
from resolvers.access import public, requires
from resolvers.context import Context
from services import assignments, assignments_policy, assignments_redeem, invitations, results_open
from services.assignments import AssignmentOrder
from services.assignments_buckets import Bucket
from services.idempotency import Answer
from services.invitations import Invited
from services.paging import Page, PageRequest
from services.policy import Policy
from services.refusals import InvitationUsed, Unauthenticated
from services.tokens import Claims
from services.work import Work


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A session as just redeemed, and the candidate's token for it."""

    session: DeliverySession
    token: str
    expires_at: datetime


@requires(Capability.ASSIGNMENTS_READ)
async def assignment(context: Context, assignment_id: UUID | None) -> Assignment | None:
    """Return an assignment that the viewer may see."""
    return None if assignment_id is None else await context.loaders.of(loaders.by_id).load(assignment_id)


@requires(Capability.ASSIGNMENTS_READ)
async def assignments_by_id(context: Context, ids: Sequence[UUID]) -> list[Assignment | None]:
    """Return assignments that the viewer may see, in order."""
    return await context.loaders.of(loaders.by_id).load_many(ids)


@requires(Capability.ASSIGNMENTS_READ)
async def assignments_page(
    context: Context,
    wanted: assignments.Filter,
    orders: Sequence[tuple[AssignmentOrder, bool]],
    page: PageRequest,
) -> Page[Assignment]:
    """List assignments of the viewer's org unit."""
    return await context.read(assignments.listed, wanted, orders, page)


@requires(Capability.ASSIGNMENTS_READ)
async def invitations_page(context: Context, assignment_id: UUID, page: PageRequest) -> Page[Invited]:
    """List an assignment's invitations."""
    return await context.read(invitations.of_assignment, assignment_id, page)


@requires(Capability.ASSIGNMENTS_READ)
async def invitation(context: Context, invitation_id: UUID) -> Invited | None:
    """Return an invitation that the viewer may see."""
    return await context.loaders.of(loaders.invitations).load(invitation_id)


async def counts(context: Context, assignment_id: UUID) -> dict[Bucket, int]:
    """Return how many recipients of an assignment that the viewer may see are in each bucket."""
    return await context.loaders.of(loaders.counts).load(assignment_id)


async def policy(context: Context, row: Assignment) -> Policy:
    """Return the limits that would be frozen into a session of the assignment now, with the source of each."""
    version = await context.loaders.of(authoring_loaders.evaluation_versions).load(row.evaluation_version_id)
    if version is None:
        raise LookupError(f"assignment {row.id} has no evaluation version")
    return assignments_policy.effective(row, version, await policies.current(context))


async def policy_of_person(context: Context, assignment_id: UUID, user_id: UUID | None) -> Policy | None:
    """Return the limits that a recipient's next session gets, of an assignment that the viewer may see."""
    return None if user_id is None else await context.read(assignments_policy.of_person, assignment_id, user_id)


async def outcomes(context: Context, session_ids: Sequence[UUID]) -> Sequence[str | None]:
    """Return the outcomes of sessions, in order; none without the right to read submissions."""
    if Capability.SUBMISSIONS_READ not in await context.capabilities():
        return [None] * len(session_ids)
    return await context.loaders.of(loaders.outcomes).load_many(session_ids)


async def creator(context: Context, row: Assignment) -> User | None:
    """Return who issued an assignment."""
    return None if row.created_by is None else await identity.person(context, row.created_by)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_close(context: Context, assignment_id: UUID, reason: str, key: str | None) -> Assignment | None:
    """Close an assignment."""

    async def act(work: Work) -> Answer:
        return await assignments.close(work, assignment_id, reason)

    given = {"id": str(assignment_id), "reason": reason}
    answer = await context.write("assignmentClose", key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["assignment"]))


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_relabel(context: Context, assignment_id: UUID, label: str, key: str | None) -> Assignment | None:
    """Give an assignment another run label."""

    async def act(work: Work) -> Answer:
        return await assignments.relabel(work, assignment_id, label)

    answer = await context.write("assignmentRelabel", key, {"id": str(assignment_id), "label": label}, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["assignment"]))


async def groups(context: Context, assignment_id: UUID) -> list[Group]:
    """Return the groups that an assignment addresses, which the viewer may see."""
    return await context.loaders.of(loaders.groups).load(assignment_id)


@public
async def invitation_redeem(context: Context, token: str, nonce: str, key: str | None) -> Redeemed:
    """Turn an invitation into a session; the invitation's token says in whose tenant and org unit.

    What the rest of the operation reads, it reads as the candidate whose token is returned. Ten wrong tokens a minute
    from one address, and ten uses of one spent invitation, are told why they fail.
    """

    async def act(work: Work, claims: Claims) -> Answer:
        return await assignments_redeem.redeem(work, claims, nonce)

    session, _ = await _by_invitation(context, "invitationRedeem", token, {"token": token, "nonce": nonce}, key, act)
    return Redeemed(session, *assignments_redeem.session_token(context.house.tokens, session))


@public
async def result_open(context: Context, token: str, key: str | None) -> Redeemed:
    """Open a session that has ended again, for its result, by the invitation that it began with."""

    async def act(work: Work, claims: Claims) -> Answer:
        return await results_open.open_(work, claims)

    session, answer = await _by_invitation(context, "resultOpen", token, {"token": token}, key, act)
    at = datetime.fromisoformat(answer["at"])
    return Redeemed(session, *assignments_redeem.session_token(context.house.tokens, session, at))


async def _by_invitation(
    context: Context,
    operation: str,
    token: str,
    given: dict[str, str],
    key: str | None,
    act: Callable[[Work, Claims], Awaitable[Answer]],
) -> tuple[DeliverySession, Answer]:
    """Act for the bearer of an invitation, and go on as the candidate of the session that comes of it."""
    attempts = context.house.attempts
    try:
        claims = invitations.verify(context.house.tokens, token)
    except Unauthenticated:
        await attempts.failed("address", context.address)
        raise
    await attempts.check("invitation", str(claims.subject))

    async def unit(work: Work) -> Answer:
        return await act(work, claims)

    try:
        answer = await context.write(operation, key, given, unit, viewer=assignments_redeem.bearer(claims))
    except (Unauthenticated, InvitationUsed):
        await attempts.failed("invitation", str(claims.subject))
        raise
    session_id = UUID(answer["session_id"])
    await context.become(assignments_redeem.candidate(claims, session_id))
    session = await context.loaders.of(session_loaders.by_id).load(session_id)
    if session is None:
        raise LookupError(f"session {session_id} cannot be read back")
    return session, answer
