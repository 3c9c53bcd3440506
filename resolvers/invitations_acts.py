"""Acts on invitations: sent again, withdrawn, followed by another attempt, copied."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from dataloaders import assignments as loaders
from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import invitations, invitations_acts
from services.idempotency import Answer
from services.invitations import Invited
from services.refusals import InvitationRevoked
from services.work import Work

Ids = Sequence[UUID | None]


@dataclass(frozen=True, slots=True)
class ActedOn:
    """What became of one invitation of a list: the one that came of it, or why nothing did."""

    invited: Invited | None
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Copied:
    """An invitation and its link."""

    invited: Invited
    link: str


@requires(Capability.ASSIGNMENTS_ISSUE)
async def invitation_resend(context: Context, ids: Ids, key: str | None) -> list[ActedOn]:
    """Mail invitations anew."""
    link = partial(invitations.link, context.house.site, context.house.tokens)

    async def act(work: Work) -> Answer:
        return await invitations_acts.resend(work, ids, link)

    return await _acted_on(context, "invitationResend", key, {"ids": _texts(ids)}, act)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def invitation_revoke(context: Context, ids: Ids, reason: str, key: str | None) -> list[ActedOn]:
    """Withdraw invitations."""

    async def act(work: Work) -> Answer:
        return await invitations_acts.revoke(work, ids, reason)

    return await _acted_on(context, "invitationRevoke", key, {"ids": _texts(ids), "reason": reason}, act)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def invitation_reinvite(context: Context, ids: Ids, key: str | None) -> list[ActedOn]:
    """Invite people to another attempt."""
    link = partial(invitations.link, context.house.site, context.house.tokens)

    async def act(work: Work) -> Answer:
        return await invitations_acts.reinvite(work, ids, link)

    return await _acted_on(context, "invitationReinvite", key, {"ids": _texts(ids)}, act)


@requires(Capability.INVITATIONS_COPY_LINK)
async def invitation_link(context: Context, invitation_id: UUID | None, key: str | None) -> Copied:
    """Show the link of an invitation; the ledger tells of it."""

    async def act(work: Work) -> Answer:
        return await invitations_acts.copy_link(work, invitation_id)

    answer = await context.write("invitationLink", key, {"id": invitation_id and str(invitation_id)}, act)
    invited = await context.loaders.of(loaders.invitations).load(UUID(answer["invitation"]))
    if invited is None or str(invited.invitation.jti) != answer["jti"]:
        raise InvitationRevoked("The invitation was sent again since.", hint="Ask anew, with another key.")
    return Copied(invited, invitations.link(context.house.site, context.house.tokens, invited.invitation))


async def _acted_on(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> list[ActedOn]:
    rows = (await context.write(operation, key, given, act))["rows"]
    ids = [UUID(one["invitation"]) for one in rows if one["invitation"] is not None]
    found = dict(zip(ids, await context.loaders.of(loaders.invitations).load_many(ids), strict=True))
    return [ActedOn(one["invitation"] and found[UUID(one["invitation"])], one["problem"]) for one in rows]


def _texts(ids: Ids) -> list[str | None]:
    return [one and str(one) for one in ids]
