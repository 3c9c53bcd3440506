"""What a person sees of their own programmes and assignments.

These types are separate from the staff's on purpose, as those of `my_session` are: a field that is added there can
never appear here by itself.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from models.assignments import InvitationStatus
from models.certificates import Certificate as CertificateRow
from models.submissions import Outcome
from paper.certificates import Form
from resolvers import certificates, certificates_paper, mine, open_badges
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.nodes import global_id
from schema.programmes_enrolments import EnrolmentState, ProgressState
from services import markdown
from services.assignments_mine import Own, OwnState
from services.certificates_rules import CertificateState
from services.paging import PageRequest
from services.policy import bounded
from services.programmes_mine import OwnProgramme, OwnRequirement
from services.results import ResultState

closed_set(
    OwnState,
    "MyAssignmentState",
    "What can be done with an assignment now: exactly one of these.",
    {
        OwnState.SCHEDULED: "It opens later.",
        OwnState.OPEN: "It can be begun with the newest invitation.",
        OwnState.IN_PROGRESS: "It is begun, and goes on.",
        OwnState.DONE: "It was begun, and nothing more can be done with it.",
        OwnState.CLOSED: "It was never begun, and cannot be now, be it for want of an invitation that is good.",
    },
)


@strawberry.type(description="An assignment as the person sees it to whom it is addressed; scores are never in it.")
class MyAssignment:
    """An own assignment."""

    id: strawberry.ID = told("Global id of the assignment; staff see the same one.")
    name: str = told("The name that stands in the invitation.")
    state: OwnState = told("What can be done with it now.")
    opens_at: datetime | None = told("When it opens for you; null when it always was open.")
    closes_at: datetime | None = told("When it closes for you; null when it never does.")
    time_limit_seconds: int | None = told("Your working time in seconds, everything included; null when unlimited.")
    allowed_attempts: int | None = told("How often it can be sat; null when as often as you want.")
    attempts_used: int = told("How often you have begun it.")
    invitation_status: InvitationStatus | None = told("Where the newest invitation stands; null when none was sent.")
    started_at: datetime | None = told("When the clock of the newest attempt was started; null before.")
    deadline_at: datetime | None = told("When the time of the newest attempt ends; null before it is begun, or never.")
    ended_at: datetime | None = told("When the newest attempt was handed in, or its time ended; null before.")
    result_state: ResultState = told("How much can be known of the result of the newest attempt.")
    result_from: datetime | None = told("When that was or will be told; null where that is not known, or at once.")
    outcome: Outcome | None = told("Whether the newest attempt is passed; null until its result is told.")

    @classmethod
    def of(cls, one: Own) -> "MyAssignment":
        """Show an own assignment."""
        session, known = one.session, one.known
        return cls(
            id=global_id("Assignment", one.assignment.id),
            name=one.assignment.name,
            state=one.state,
            opens_at=one.opens_at,
            closes_at=one.closes_at,
            time_limit_seconds=one.limits.limits().my_limit_seconds,
            allowed_attempts=bounded(one.limits.allowed_attempts.value),
            attempts_used=one.used,
            invitation_status=one.invitation,
            started_at=session and session.started_at,
            deadline_at=session and session.deadline_at,
            ended_at=session and session.ended_at,
            result_state=known.state,
            result_from=known.since,
            outcome=known.outcome,
        )


@strawberry.type(description="How far you are with one requirement, by the results that you are told.")
class MyRequirement:
    """An own requirement."""

    id: strawberry.ID = told("Global id of the requirement.")
    position: int = told("Its place in the programme, from 1.")
    name: str = told("What it is known by.")
    is_mandatory: bool = told("Whether the programme is not complete without it.")
    min_percent: Decimal | None = told("Score that meets it, 0 to 100; null: the pass mark of the evaluation decides.")
    state: ProgressState = told("Where it stands; PENDING also while a result is kept back or still to be judged.")
    allowed_attempts: int | None = told("How many attempts there are; null: as many as it takes.")
    attempts_used: int = told("How often you have handed in.")
    next_attempt_at: datetime | None = told("When the next attempt comes; null while none is known to come.")
    attempt: int | None = told("Which attempt the current one is, from 1; null when none was issued.")
    assignment: MyAssignment | None = told("The current attempt alone; null when none was issued.")

    @classmethod
    def of(cls, one: OwnRequirement) -> "MyRequirement":
        """Show an own requirement."""
        progress = one.told.progress
        return cls(
            id=global_id("ProgrammeRequirement", progress.requirement.key),
            position=progress.requirement.position,
            name=progress.requirement.name,
            is_mandatory=progress.requirement.is_mandatory,
            min_percent=progress.requirement.min_percent,
            state=one.told.state,
            allowed_attempts=progress.requirement.attempts,
            attempts_used=progress.row.attempts_used,
            next_attempt_at=one.told.next_at,
            attempt=progress.attempts[-1].ordinal if progress.attempts else None,
            assignment=one.attempt and MyAssignment.of(one.attempt),
        )


@strawberry.type(description="Your certificate of a programme. Whoever has `verificationUrl` can check it.")
class MyCertificate:
    """An own certificate."""

    row: strawberry.Private[CertificateRow]
    id: strawberry.ID = told("Global id of the certificate; staff see the same one.")
    holder_name: str = told("Your name when it was issued.")
    issued_at: datetime = told("When it was issued.")
    valid_through: date | None = told("Its last day, in the tenant's time zone; null when it counts for ever.")
    expires_at: datetime | None = told("When that day is over; null when it counts for ever.")
    renewal_opens_at: datetime | None = told("From when on it is renewed; null when it counts for ever.")
    revoked_at: datetime | None = told("When it was revoked; null when it was not.")

    @strawberry.field(description="What it is now.")
    async def state(self, info: Info) -> CertificateState:
        """Show the state."""
        return await certificates.state(info.context, self.row)

    @strawberry.field(description="Where anybody may check it: whoever has the address sees what the tenant shows.")
    def verification_url(self, info: Info) -> str:
        """Show the address."""
        return certificates.address(info.context, self.row)

    @strawberry.field(description="Where it is downloaded as PDF, with your access token.")
    def pdf_url(self, info: Info) -> str:
        """Show where the paper is."""
        return certificates_paper.address(info.context, self.row, Form.PDF)

    @strawberry.field(description="Where it is downloaded as PNG that carries the credential, with your access token.")
    def png_url(self, info: Info) -> str:
        """Show where the picture is."""
        return certificates_paper.address(info.context, self.row, Form.PNG)

    @strawberry.field(description="Where its Open Badges credential is downloaded, with your access token.")
    def credential_url(self, info: Info) -> str:
        """Show where the credential is."""
        return open_badges.address(info.context, self.row)

    @classmethod
    def of(cls, row: CertificateRow) -> "MyCertificate":
        """Show an own certificate."""
        return cls(
            row=row,
            id=global_id("Certificate", row.id),
            holder_name=row.holder_name,
            issued_at=row.issued_at,
            valid_through=row.valid_through,
            expires_at=row.expires_at,
            renewal_opens_at=row.renewal_opens_at,
            revoked_at=row.revoked_at,
        )


@strawberry.type(description="A programme that you are enrolled in, as far as you can know.")
class MyProgramme:
    """An own enrolment."""

    id: strawberry.ID = told("Global id of the enrolment; staff see the same one.")
    name: str = told("Name of the programme.")
    description: str = told("What it is for, as Markdown.")
    description_html: str = told("The same as HTML that is safe to show.")
    enrolled_at: datetime = told("When you were enrolled.")
    due_at: datetime | None = told("When it is to be completed; null when nothing is due.")
    state: EnrolmentState = told("Where it stands now, by the results that you are told.")
    completion_percent: Decimal = told("How much of what is mandatory is met, 0 to 100 with two decimals, half up.")
    completed_at: datetime | None = told("When it was completed; null while it is not, or that cannot be known yet.")
    is_renewal: bool = told("Whether it is to renew a certificate that ends.")
    certificate: MyCertificate | None = told(
        "The certificate issued last; null while there is none, or a result that it rests on is kept back."
    )
    requirements: list[MyRequirement] = told("What it asks for, in the order of the programme; met ones, too.")

    @classmethod
    def of(cls, one: OwnProgramme) -> "MyProgramme":
        """Show an own enrolment."""
        return cls(
            id=global_id("ProgrammeEnrolment", one.row.id),
            name=one.version.name,
            description=one.version.description,
            description_html=markdown.to_html(one.version.description),
            enrolled_at=one.row.created_at,
            due_at=one.row.due_at,
            state=one.state,
            completion_percent=one.percent,
            completed_at=one.completed_at,
            is_renewal=one.row.renewal_of_id is not None,
            certificate=one.certificate and MyCertificate.of(one.certificate),
            requirements=[MyRequirement.of(each) for each in one.requirements],
        )


@strawberry.type
class MineQuery:
    """What is one's own."""

    @ask(
        mine.my_programmes,
        "The programmes that you are enrolled in, in whatever org unit, the last one first. Empty for a service token.",
    )
    async def my_programmes(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[MyProgramme]:
        """List own programmes."""
        page = await mine.my_programmes(info.context, PageRequest(first, after, last, before))
        return connect(page, MyProgramme.of, lambda context: mine.counted(context, page))

    @ask(
        mine.my_assignments,
        "Your assignments that belong to no programme, by when they close for everybody; last those that never do. "
        "Empty for a service token.",
    )
    async def my_assignments(
        self,
        info: Info,
        is_closed: Annotated[bool | None, says("True: only those closed by now; false: the others; null: all.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[MyAssignment]:
        """List own assignments."""
        page = await mine.my_assignments(info.context, PageRequest(first, after, last, before), is_closed=is_closed)
        return connect(page, MyAssignment.of, lambda context: mine.counted(context, page))
