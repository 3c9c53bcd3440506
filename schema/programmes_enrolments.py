"""Enrolments in programmes: who is enrolled, how far they are, and what was issued to them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from models.programmes_enrolments import Hold, ProgressState
from models.programmes_enrolments import ProgrammeAttempt as AttemptRow
from models.programmes_enrolments import ProgrammeEnrolment as EnrolmentRow
from resolvers import assignments, authoring, certificates, identity, programmes, submissions
from resolvers import programmes_enrolments as enrolments
from schema.access import Info, ask, says, told
from schema.assignments import Assignment
from schema.authoring_evaluations import EvaluationVersion
from schema.certificates import Certificate
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.programmes import Programme, ProgrammeRequirement, ProgrammeVersion
from schema.submissions import Submission
from services import programmes_rules
from services.paging import PageRequest
from services.programmes_read import EnrolmentState, Filter, Progress

closed_set(
    EnrolmentState,
    "ProgrammeEnrolmentState",
    "Where an enrolment stands now: exactly one of these.",
    {
        EnrolmentState.IN_PROGRESS: "It goes on, and is not late.",
        EnrolmentState.OVERDUE: "It goes on, and was due before now.",
        EnrolmentState.FAILED: "A mandatory requirement is failed: no attempt is left.",
        EnrolmentState.COMPLETED: "All mandatory requirements are met, and its certificate was revoked by somebody.",
        EnrolmentState.CERTIFIED: "All mandatory requirements are met, and its certificate counts.",
        EnrolmentState.EXPIRED: "It was certified, and its certificate is over.",
        EnrolmentState.CANCELLED: "Somebody ended it.",
    },
)
closed_set(
    ProgressState,
    "ProgrammeProgressState",
    "Where a requirement stands for one person.",
    {
        ProgressState.PENDING: "It is neither met nor failed.",
        ProgressState.MET: "A submission meets it.",
        ProgressState.FAILED: "No attempt is left.",
    },
)
closed_set(
    Hold,
    "ProgrammeHold",
    "What became of a met requirement whose score was corrected and would not meet it any more.",
    {
        Hold.HELD: "It stays met, and waits for `programmeHoldDecide`.",
        Hold.KEPT: "Somebody decided that it stays met.",
    },
)


@strawberry.type(description="An assignment that was issued to one person for a requirement.")
class ProgrammeAttempt:
    """An attempt."""

    row: strawberry.Private[AttemptRow]
    ordinal: int = told("Counts the attempts at the requirement, from 1.")
    issued_at: datetime = told("When it was issued.")

    @ask(assignments.assignment, "The assignment; null when it is not to be seen.")
    async def assignment(self, info: Info) -> Assignment | None:
        """Show the assignment."""
        row = await assignments.assignment(info.context, self.row.assignment_id)
        return row and Assignment.of(row)

    @classmethod
    def of(cls, row: AttemptRow) -> "ProgrammeAttempt":
        """Show an attempt."""
        return cls(row=row, ordinal=row.ordinal, issued_at=row.created_at)


@strawberry.type(description="How far one person is with one requirement.")
class ProgrammeProgress:
    """A requirement as it stands."""

    shown: strawberry.Private[Progress]
    requirement: ProgrammeRequirement = told("What is asked for.")
    state: ProgressState = told("Where it stands.")
    hold: Hold | None = told("Whether a correction has called it into question; null otherwise.")
    attempts_used: int = told("How often they have handed in.")
    next_attempt_at: datetime | None = told("When the next attempt is issued; null while none is to come.")
    completed_at: datetime | None = told("Since when it is met or failed; null while it is pending.")
    attempts: list[ProgrammeAttempt] = told("What was issued to them for it, the first attempt first.")

    @ask(submissions.submission, "The submission that meets it; null while none does.")
    async def submission(self, info: Info) -> Submission | None:
        """Show the submission."""
        one = self.shown.row.submission_id
        row = None if one is None else await submissions.submission(info.context, one)
        return row and Submission.of(row)

    @ask(authoring.evaluation_version, "What they sit for it, at every attempt.")
    async def evaluation_version(self, info: Info) -> EvaluationVersion | None:
        """Show the evaluation version."""
        row = await authoring.evaluation_version(info.context, self.shown.row.evaluation_version_id)
        return row and EvaluationVersion.of(row)

    @classmethod
    def of(cls, one: Progress) -> "ProgrammeProgress":
        """Show how far somebody is."""
        row = one.row
        return cls(
            shown=one,
            requirement=ProgrammeRequirement.of(one.requirement, one.requirement.position),
            state=ProgressState(row.state),
            hold=None if row.hold is None else Hold(row.hold),
            attempts_used=row.attempts_used,
            next_attempt_at=row.next_at,
            completed_at=row.completed_at,
            attempts=[ProgrammeAttempt.of(attempt) for attempt in one.attempts],
        )


@strawberry.type(description="One person under one version of a programme.")
class ProgrammeEnrolment(Node):
    """An enrolment."""

    row: strawberry.Private[EnrolmentRow]
    enrolled_at: datetime = told("When they were enrolled.")
    due_at: datetime | None = told("When it is to be completed; null when nothing is due.")
    mandatory_count: int = told("How many mandatory requirements there are.")
    met_count: int = told("How many of them are met.")
    failed_count: int = told("How many of them are failed.")
    held_count: int = told("How many requirements are held until a person decides.")
    completion_percent: Decimal = told("How much of what is mandatory is met, 0 to 100 with two decimals, half up.")
    completed_at: datetime | None = told("When it was completed; null while it is not.")
    certified_at: datetime | None = told("When the certificate that counts was issued; null while there is none.")
    expires_at: datetime | None = told("When that certificate is over; null when it never is, or while there is none.")
    cancelled_at: datetime | None = told("When somebody ended it; null when nobody did.")
    cancel_reason: str | None = told("Why they ended it.")

    @strawberry.field(description="Where it stands now.")
    async def state(self, info: Info) -> EnrolmentState:
        """Show the state."""
        return await enrolments.state(info.context, self.row)

    @strawberry.field(description="Who is enrolled.")
    async def user(self, info: Info) -> User | None:
        """Show the person."""
        person = await identity.person(info.context, self.row.user_id)
        return person and User.of(person)

    @strawberry.field(description="Who enrolled them; null when Evalium itself did.")
    async def enrolled_by(self, info: Info) -> User | None:
        """Show who enrolled them."""
        who = self.row.enrolled_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @ask(programmes.programme, "The programme.")
    async def programme(self, info: Info) -> Programme | None:
        """Show the programme."""
        row = await programmes.programme(info.context, self.row.programme_id)
        return row and Programme.of(row)

    @ask(programmes.programme_version, "The version that holds for them, whatever is published later.")
    async def programme_version(self, info: Info) -> ProgrammeVersion | None:
        """Show the version."""
        row = await programmes.programme_version(info.context, self.row.version_id)
        return row and ProgrammeVersion.of(row)

    @strawberry.field(description="How far they are with each requirement, in the programme's order.")
    async def progress(self, info: Info) -> list[ProgrammeProgress]:
        """Show how far they are."""
        return [ProgrammeProgress.of(one) for one in await enrolments.progress(info.context, self.row.id)]

    @ask(enrolments.enrolment, "The enrolment whose certificate this one is to renew; null when it renews none.")
    async def renewal_of(self, info: Info) -> "ProgrammeEnrolment | None":
        """Show the enrolment before."""
        row = await enrolments.enrolment(info.context, self.row.renewal_of_id)
        return row and ProgrammeEnrolment.of(row)

    @strawberry.field(description="Its newest certificate, whatever became of it; null when none was issued.")
    async def certificate(self, info: Info) -> Certificate | None:
        """Show the certificate."""
        row = await certificates.newest_of(info.context, self.row.id)
        return row and Certificate.of(row)

    @classmethod
    def of(cls, row: EnrolmentRow) -> "ProgrammeEnrolment":
        """Show an enrolment."""
        return cls(
            row=row,
            id=global_id("ProgrammeEnrolment", row.id),
            uuid=row.id,
            enrolled_at=row.created_at,
            due_at=row.due_at,
            mandatory_count=row.mandatory_count,
            met_count=row.met_count,
            failed_count=row.failed_count,
            held_count=row.held_count,
            completion_percent=programmes_rules.percent(row.met_count, row.mandatory_count),
            completed_at=row.completed_at,
            certified_at=row.certified_at,
            expires_at=row.expires_at,
            cancelled_at=row.cancelled_at,
            cancel_reason=row.cancel_reason,
        )


@strawberry.input(description="Which enrolments are wanted; what is left out does not narrow.")
class ProgrammeEnrolmentFilter:
    """Filter of `programmeEnrolments`."""

    programme_id: strawberry.ID | None = told("Only in this programme, whichever version.", default=None)
    user_id: strawberry.ID | None = told("Only of this person: their programmes.", default=None)
    state: list[EnrolmentState] | None = told("Only enrolments that are one of these now.", default=None)
    expires_within_days: int | None = told(
        "Only with a certificate that is over within so many days from now, such as 90, 60, 30 or 7.", default=None
    )
    is_renewal: bool | None = told(
        "True: only those that renew a certificate; false: only those that do not.", default=None
    )
    is_held: bool | None = told("True: only with a requirement that waits for a decision; false: none.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        programme, user = self.programme_id, self.user_id
        return Filter(
            None if programme is None else local_id("Programme", programme, path=["filter", "programmeId"]),
            None if user is None else local_id("User", user, path=["filter", "userId"]),
            self.state,
            self.is_held,
            self.expires_within_days,
            self.is_renewal,
        )


@strawberry.type
class ProgrammeEnrolmentsQuery:
    """Queries about enrolments."""

    @ask(enrolments.enrolment, "One enrolment; null when there is none to be seen.")
    async def programme_enrolment(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the enrolment.")]
    ) -> ProgrammeEnrolment | None:
        """Show an enrolment."""
        row = await enrolments.enrolment(info.context, looked_for("ProgrammeEnrolment", id))
        return row and ProgrammeEnrolment.of(row)

    @ask(enrolments.enrolments_page, "The enrolments of the org unit, the newest first.")
    async def programme_enrolments(
        self,
        info: Info,
        filter: Annotated[ProgrammeEnrolmentFilter | None, says("Which are wanted.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ProgrammeEnrolment]:
        """List enrolments."""
        wanted = (filter or ProgrammeEnrolmentFilter()).plain()
        page = PageRequest(first, after, last, before)
        return connect(await enrolments.enrolments_page(info.context, wanted, page), ProgrammeEnrolment.of)
