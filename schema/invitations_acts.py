"""What is done to invitations that were sent: resend, revoke, reinvite, and the link to copy."""

from collections.abc import Awaitable
from typing import Annotated

import strawberry

from resolvers import invitations_acts
from resolvers.invitations_acts import ActedOn, Copied
from schema.access import Info, act, says, told
from schema.assignments import Invitation
from schema.nodes import looked_for
from schema.problems import Problem, Refused, attempt
from schema.users_acts import KEY, WHY
from services.invitations_acts import MOST

IDS = f"Global ids of the invitations, 1 to {MOST}; each is answered for by itself."


@strawberry.input(description="Invitations to mail anew.")
class InvitationResendInput:
    """Which."""

    ids: list[strawberry.ID] = told(IDS)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Invitations to withdraw, and why.")
class InvitationRevokeInput:
    """Which, and why."""

    ids: list[strawberry.ID] = told(IDS)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="People to invite to another attempt, by their newest invitations.")
class InvitationReinviteInput:
    """Whom."""

    ids: list[strawberry.ID] = told(IDS)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="An invitation whose link is to be copied.")
class InvitationLinkInput:
    """Which."""

    id: strawberry.ID = told("Global id of the invitation.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one invitation of the list.")
class InvitationResult:
    """A row of the result."""

    index: int = told("Place of the invitation in `ids`, from 0.")
    id: strawberry.ID = told("The global id as given.")
    invitation: Invitation | None = told("The invitation that came of it: a new one after `invitationReinvite`.")
    problems: list[Problem] = told("Why nothing was done; empty when it was.")


@strawberry.type(description="One result for each invitation, in order.")
class InvitationsPayload:
    """Answer of the acts on invitations."""

    results: list[InvitationResult] = told("One for each of `ids`; empty when none was looked at.")
    problems: list[Problem] = told("Why nothing was done at all.")


@strawberry.type(description="The link of an invitation: whoever has it can start as the invited person.")
class InvitationLinkPayload:
    """Answer of `invitationLink`."""

    invitation: Invitation | None = told("The invitation; null when there is no link to copy.")
    link: str | None = told("The link; hand it to the invited person alone.")
    problems: list[Problem] = told("Why there is no link to copy.")


@strawberry.type
class InvitationsMutation:
    """Acts on invitations."""

    @act(
        invitations_acts.invitation_resend,
        "Mail invitations anew, expired ones too: each gets a new link and a new end of life; the old link is dead at "
        "once.",
    )
    async def invitation_resend(
        self, info: Info, input: Annotated[InvitationResendInput, says("Which.")]
    ) -> InvitationsPayload:
        """Send again."""
        ids = [looked_for("Invitation", one) for one in input.ids]
        return await _answered(input.ids, invitations_acts.invitation_resend(info.context, ids, input.idempotency_key))

    @act(
        invitations_acts.invitation_revoke,
        "Withdraw invitations that were not redeemed: their links answer INVITATION_REVOKED from now on.",
    )
    async def invitation_revoke(
        self, info: Info, input: Annotated[InvitationRevokeInput, says("Which, and why.")]
    ) -> InvitationsPayload:
        """Withdraw."""
        ids = [looked_for("Invitation", one) for one in input.ids]
        return await _answered(
            input.ids, invitations_acts.invitation_revoke(info.context, ids, input.reason, input.idempotency_key)
        )

    @act(
        invitations_acts.invitation_reinvite,
        "Invite people to another attempt, once their session is over and while attempts are left: a further "
        "invitation is mailed to each, the earlier ones are kept.",
    )
    async def invitation_reinvite(
        self, info: Info, input: Annotated[InvitationReinviteInput, says("Whom.")]
    ) -> InvitationsPayload:
        """Invite again."""
        ids = [looked_for("Invitation", one) for one in input.ids]
        return await _answered(
            input.ids, invitations_acts.invitation_reinvite(info.context, ids, input.idempotency_key)
        )

    @act(
        invitations_acts.invitation_link,
        "Copy the link of an invitation that was not redeemed. The ledger tells of each time.",
    )
    async def invitation_link(
        self, info: Info, input: Annotated[InvitationLinkInput, says("Which.")]
    ) -> InvitationLinkPayload:
        """Copy the link."""

        async def copy() -> Copied:
            invitation_id = looked_for("Invitation", input.id)
            return await invitations_acts.invitation_link(info.context, invitation_id, input.idempotency_key)

        copied, problems = await attempt(copy())
        return InvitationLinkPayload(
            invitation=copied and Invitation.of(copied.invited), link=copied and copied.link, problems=problems
        )


async def _answered(ids: list[strawberry.ID], acted: Awaitable[list[ActedOn]]) -> InvitationsPayload:
    rows, problems = await attempt(acted)
    results = [
        InvitationResult(
            index=index,
            id=ids[index],
            invitation=row.invited and Invitation.of(row.invited),
            problems=[] if row.problem is None else [Refused(**row.problem)],
        )
        for index, row in enumerate(rows or [])
    ]
    return InvitationsPayload(results=results, problems=problems)
