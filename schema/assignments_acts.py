"""What changes assignments and invitations: issue, close, redeem."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.assignments import Assignment as AssignmentRow
from models.assignments import TargetKind
from resolvers import assignments
from resolvers.assignments import Issued, IssuedRow
from schema.access import Info, act, says, told
from schema.assignments import Assignment, Invitation
from schema.my_session import MySession
from schema.nodes import local_id, looked_for
from schema.policy import FeedbackMode, SecurityConfigInput
from schema.problems import Problem, Refused, attempt, problem_of
from services.assignments import Terms
from services.assignments_recipients import MOST, Recipient
from services.refusals import NobodyToInvite

KEY = "Makes sending the request again harmless, for 24 hours: 1 to 255 characters, a new random UUID for each request."


@strawberry.input(one_of=True, description="Whom to invite: exactly one of the two.")
class RecipientInput:
    """A recipient."""

    email: str | None = told("An e-mail address; a person is made for one that nobody has.", default=strawberry.UNSET)
    user_id: strawberry.ID | None = told("Global id of a person of the tenant.", default=strawberry.UNSET)

    def plain(self) -> Recipient:
        """Return the recipient as the service reads it."""
        if isinstance(self.email, str):
            return Recipient(TargetKind.EMAIL, self.email)
        given = str(self.user_id)
        return Recipient(TargetKind.USER, given, looked_for("User", given))


@strawberry.input(description="An evaluation version to issue, to whom, when, and under which limits.")
class AssignmentIssueInput:
    """What to issue. What is left out is decided by the evaluation version, or by Evalium's defaults."""

    evaluation_version_id: strawberry.ID = told("Global id of a published evaluation version.")
    recipients: list[RecipientInput] = told(f"Whom to invite: 1 to {MOST}.")
    name: str | None = told("Name for staff, 1 to 200 characters; the version's title when left out.", default=None)
    valid_from: datetime | None = told("When the window opens; at once when left out.", default=None)
    valid_until: datetime | None = told("When the window closes; never when left out.", default=None)
    allowed_attempts: int | None = told("How often each person may sit it, 1 to 1000.", default=None)
    time_limit_seconds: int | None = told("Working time in seconds, 1 to 31622400.", default=None)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=None)
    security_config: SecurityConfigInput | None = told("How it is supervised.", default=None)
    run_label: str | None = told(
        "Groups the results: 1 to 80 letters, digits, `_ - .`; from title and quarter when left out.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)

    def terms(self) -> Terms:
        """Return what is issued as the service reads it."""
        return Terms(
            evaluation_version_id=local_id(
                "EvaluationVersion", self.evaluation_version_id, path=["evaluationVersionId"]
            ),
            name=self.name,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            allowed_attempts=self.allowed_attempts,
            time_limit_seconds=self.time_limit_seconds,
            feedback_mode=self.feedback_mode,
            security_config=None if self.security_config is None else self.security_config.plain(),
            run_label=self.run_label,
        )


@strawberry.type(description="What became of one recipient.")
class AssignmentIssueResult:
    """A row of the result."""

    index: int = told("Place of the recipient in the input, from 0.")
    recipient: str = told("The recipient as given: the address, or the global id.")
    invitation: Invitation | None = told("The invitation; null when there is none.")
    invitation_token: str | None = told("What the recipient redeems with `invitationRedeem`: hand it to nobody else.")
    problems: list[Problem] = told("Why there is no invitation; empty when there is one.")


@strawberry.type(description="An assignment as issued, with one result for each recipient.")
class AssignmentIssuePayload:
    """Answer of `assignmentIssue`."""

    assignment: Assignment | None = told("The assignment; null when nothing was issued.")
    results: list[AssignmentIssueResult] = told("One for each recipient, in order; empty when no row was looked at.")
    problems: list[Problem] = told("Why nothing was issued.")


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

    @act(
        assignments.assignment_issue,
        "Issue an evaluation version to people, in one transaction. Who cannot be invited is reported by row.",
    )
    async def assignment_issue(
        self, info: Info, input: Annotated[AssignmentIssueInput, says("What to issue, and to whom.")]
    ) -> AssignmentIssuePayload:
        """Issue."""
        recipients = [recipient.plain() for recipient in input.recipients]
        refused: list[Problem] = []

        async def issue() -> Issued:
            try:
                terms = input.terms()
                return await assignments.assignment_issue(info.context, terms, recipients, input.idempotency_key)
            except NobodyToInvite as refusal:
                refused.extend(problem_of(row) for row in refusal.rows)
                raise

        issued, problems = await attempt(issue())
        rows = refused if issued is None else issued.rows
        return AssignmentIssuePayload(
            assignment=issued and Assignment.of(issued.assignment),
            results=[_result(index, recipients[index], row) for index, row in enumerate(rows)],
            problems=problems,
        )

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


def _result(index: int, recipient: Recipient, row: IssuedRow | Problem) -> AssignmentIssueResult:
    """Show what became of one recipient."""
    if isinstance(row, Problem):
        return AssignmentIssueResult(
            index=index, recipient=recipient.ref, invitation=None, invitation_token=None, problems=[row]
        )
    return AssignmentIssueResult(
        index=index,
        recipient=recipient.ref,
        invitation=row.invited and Invitation.of(row.invited),
        invitation_token=row.token,
        problems=[] if row.problem is None else [Refused(**row.problem)],
    )
