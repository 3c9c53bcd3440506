"""Keeping results back from candidates, releasing them, and asking for a regrade."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.assignments import Assignment as AssignmentRow
from resolvers import assignments, results
from schema.access import Info, act, says, told
from schema.assignments import Assignment
from schema.my_session import MySession
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY

SUBMISSIONS = "Global ids of submissions to it, at most 200: the decision is about these alone. All when left out."


@strawberry.input(description="Results to keep back.")
class ResultsHoldInput:
    """Which, and why."""

    assignment_id: strawberry.ID = told("Global id of the assignment.")
    submission_ids: list[strawberry.ID] | None = told(SUBMISSIONS, default=None)
    until: datetime | None = told(
        "When they are told by themselves, in the future; when somebody releases them when left out.", default=None
    )
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Results to release.")
class ResultsReleaseInput:
    """Which, and why."""

    assignment_id: strawberry.ID = told("Global id of the assignment.")
    submission_ids: list[strawberry.ID] | None = told(SUBMISSIONS, default=None)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A regrade to ask for.")
class InquiryOpenInput:
    """Why."""

    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A session to open again, for its result.")
class ResultOpenInput:
    """Which."""

    token: str = told("The token of the invitation that the session began with.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A session that was opened again.")
class ResultOpenPayload:
    """Answer of `resultOpen`."""

    session_token: str | None = told("Bearer token of the session, for reading its result; null when there is none.")
    expires_at: datetime | None = told("When the token ends: after seven days. The invitation opens it again then.")
    session: MySession | None = told("The session, as its candidate sees it.")
    problems: list[Problem] = told("Why there is no session, and what to do.")


@strawberry.type(description="Results about which something was decided, or not.")
class ResultsDecisionPayload:
    """Answer of `resultsHold` and `resultsRelease`."""

    assignment: Assignment | None = told("The assignment; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A regrade that was asked for, or not.")
class InquiryOpenPayload:
    """Answer of `inquiryOpen`."""

    session: MySession | None = told("The candidate's session; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


async def _decided(done: Awaitable[AssignmentRow]) -> ResultsDecisionPayload:
    row, problems = await attempt(done)
    return ResultsDecisionPayload(assignment=row and Assignment.of(row), problems=problems)


def _submissions(ids: list[strawberry.ID] | None) -> list[UUID]:
    return [local_id("Submission", one, path=["submissionIds", place]) for place, one in enumerate(ids or ())]


@strawberry.type
class ResultsMutation:
    """Telling results."""

    @act(
        results.hold,
        "Keep results back from candidates, until a day or until they are released. What is decided for a submission "
        "stands above what is decided for its assignment.",
    )
    async def results_hold(
        self, info: Info, input: Annotated[ResultsHoldInput, says("Which, until when, and why.")]
    ) -> ResultsDecisionPayload:
        """Hold results."""

        async def hold() -> AssignmentRow:
            assignment = local_id("Assignment", input.assignment_id, path=["assignmentId"])
            some, key = _submissions(input.submission_ids), input.idempotency_key
            return await results.hold(info.context, assignment, some, input.until, input.reason, key)

        return await _decided(hold())

    @act(results.release, "Release results to candidates, of an assignment or of some submissions to it.")
    async def results_release(
        self, info: Info, input: Annotated[ResultsReleaseInput, says("Which, and why.")]
    ) -> ResultsDecisionPayload:
        """Release results."""

        async def release() -> AssignmentRow:
            assignment = local_id("Assignment", input.assignment_id, path=["assignmentId"])
            some, key = _submissions(input.submission_ids), input.idempotency_key
            return await results.release(info.context, assignment, some, input.reason, key)

        return await _decided(release())

    @act(
        assignments.result_open,
        "Open a session that has ended again, for its result, which may be told long after its own token has ended. A "
        "token that is none of ours is UNAUTHENTICATED.",
    )
    async def result_open(
        self, info: Info, input: Annotated[ResultOpenInput, says("By which invitation.")]
    ) -> ResultOpenPayload:
        """Open a result."""
        opened, problems = await attempt(assignments.result_open(info.context, input.token, input.idempotency_key))
        return ResultOpenPayload(
            session_token=opened and opened.token,
            expires_at=opened and opened.expires_at,
            session=opened and MySession.of(opened.session),
            problems=problems,
        )

    @act(
        results.inquiry_open,
        "Ask for a regrade, once, while `inquiryUntil` is not past. The score stays until another assessor has judged.",
    )
    async def inquiry_open(self, info: Info, input: Annotated[InquiryOpenInput, says("Why.")]) -> InquiryOpenPayload:
        """Ask for a regrade."""
        row, problems = await attempt(results.inquiry_open(info.context, input.reason, input.idempotency_key))
        return InquiryOpenPayload(session=row and MySession.of(row), problems=problems)
