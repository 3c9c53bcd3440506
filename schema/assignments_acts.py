"""What changes assignments and invitations: close, relabel, redeem; issuing is `assignments_issue`."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.assignments import Assignment as AssignmentRow
from resolvers import assignments
from schema.access import Info, act, says, told
from schema.assignments import Assignment
from schema.my_session import MySession
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY


@strawberry.input(description="An assignment to close.")
class AssignmentCloseInput:
    """What to close, and why."""

    id: strawberry.ID = told("Global id of the assignment.")
    reason: str = told("Why, 1 to 1000 characters; it stays in the activity ledger.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="An assignment as closed.")
class AssignmentClosePayload:
    """Answer of `assignmentClose`."""

    assignment: Assignment | None = told("The assignment; null when it was not closed.")
    problems: list[Problem] = told("Why it was not closed.")


@strawberry.input(description="Another run label for an assignment.")
class AssignmentRelabelInput:
    """Which assignment, and its label."""

    id: strawberry.ID = told("Global id of the assignment.")
    run_label: str = told("1 to 80 letters, digits, `_ - .`.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="An assignment as relabelled.")
class AssignmentRelabelPayload:
    """Answer of `assignmentRelabel`."""

    assignment: Assignment | None = told("The assignment; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.input(description="An invitation to redeem.")
class InvitationRedeemInput:
    """Token and browser."""

    token: str = told("The invitation's token.")
    nonce: str = told("16 to 128 random characters that this browser keeps: it alone may try again, for two minutes.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A session as redeemed.")
class InvitationRedeemPayload:
    """Answer of `invitationRedeem`."""

    session_token: str | None = told("Bearer token of the session: for everything the candidate does from here on.")
    expires_at: datetime | None = told(
        "When the token ends, whatever the session's deadline: seven days after it began."
    )
    session: MySession | None = told("The session, as its candidate sees it.")
    problems: list[Problem] = told("Why there is no session, and what to do.")


@strawberry.type
class AssignmentsMutation:
    """Acts on assignments and invitations."""

    @act(assignments.assignment_close, "Close an assignment: nobody can start it any more; sessions that exist go on.")
    async def assignment_close(
        self, info: Info, input: Annotated[AssignmentCloseInput, says("What to close, and why.")]
    ) -> AssignmentClosePayload:
        """Close."""

        async def close() -> AssignmentRow | None:
            assignment_id = local_id("Assignment", input.id)
            return await assignments.assignment_close(info.context, assignment_id, input.reason, input.idempotency_key)

        row, problems = await attempt(close())
        return AssignmentClosePayload(assignment=row and Assignment.of(row), problems=problems)

    @act(assignments.assignment_relabel, "Give an assignment another run label, under which reports group its results.")
    async def assignment_relabel(
        self, info: Info, input: Annotated[AssignmentRelabelInput, says("Which, and the label.")]
    ) -> AssignmentRelabelPayload:
        """Relabel."""

        async def relabel() -> AssignmentRow | None:
            assignment_id = local_id("Assignment", input.id)
            return await assignments.assignment_relabel(
                info.context, assignment_id, input.run_label, input.idempotency_key
            )

        row, problems = await attempt(relabel())
        return AssignmentRelabelPayload(assignment=row and Assignment.of(row), problems=problems)

    @act(
        assignments.invitation_redeem,
        "Turn an invitation into a session, once. A token that is none of ours is UNAUTHENTICATED; one whose life is "
        "over is the problem INVITATION_EXPIRED.",
    )
    async def invitation_redeem(
        self, info: Info, input: Annotated[InvitationRedeemInput, says("Token and browser.")]
    ) -> InvitationRedeemPayload:
        """Redeem."""
        redeemed, problems = await attempt(
            assignments.invitation_redeem(info.context, input.token, input.nonce, input.idempotency_key)
        )
        return InvitationRedeemPayload(
            session_token=redeemed and redeemed.token,
            expires_at=redeemed and redeemed.expires_at,
            session=redeemed and MySession.of(redeemed.session),
            problems=problems,
        )
