"""What changes enrolments: enrol, cancel, and decide about a requirement that is held."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from models.programmes import Programme as ProgrammeRow
from resolvers import programmes_enrolments as enrolments
from resolvers.programmes_enrolments import EnrolledRow
from schema.access import Info, act, preview, says, told
from schema.assignments_issue import SAMPLE, PreviewedProblem, PreviewedRecipient
from schema.assignments_terms import RecipientInput
from schema.enums import closed_set
from schema.nodes import local_id
from schema.problems import Problem, Refused, attempt, problem_of
from schema.programmes import Programme, ProgrammeVersion
from schema.programmes_enrolments import ProgrammeEnrolment
from schema.users_acts import KEY, WHY
from services import assignments_addresses
from services.assignments_recipients import MOST, Recipient
from services.programmes_preview import Preview
from services.refusals import Refusal

KIND = "ProgrammeEnrolment"


class HoldDecision(StrEnum):
    """What is decided about a requirement that is held."""

    KEEP = "KEEP"
    WITHDRAW = "WITHDRAW"


closed_set(
    HoldDecision,
    "ProgrammeHoldDecision",
    "What is decided about a requirement that is held.",
    {
        HoldDecision.KEEP: "It stays met.",
        HoldDecision.WITHDRAW: "It is not met any more, and goes on by its rule: a further attempt, or failed.",
    },
)


@strawberry.input(description="Whom to enrol.")
class ProgrammeEnrolInput:
    """People, in which programme."""

    programme_id: strawberry.ID = told("Global id of a programme that has a version.")
    recipients: list[RecipientInput] = told(
        f"People, addresses and groups, with `addresses` and `csv` at most {MOST}. Of a group, whoever is in it now "
        "is enrolled.",
        default_factory=list[RecipientInput],
    )
    addresses: str | None = told(
        "Further addresses as people paste them: by lines, commas or semicolons, such as "
        "`Ada Lovelace <ada@example.org>`. They follow `recipients` in the results.",
        default=None,
    )
    csv: str | None = told(
        f"CSV with a header, 1 to {MOST} rows: `email`, and if wanted `display_name`, which names whoever is new. The "
        "rows follow `addresses` in the results.",
        default=None,
    )
    idempotency_key: str | None = told(KEY, default=None)

    def plain(self) -> list[Recipient]:
        """Return all recipients, in the order of the results."""
        named = [one.plain() for one in self.recipients]
        pasted = assignments_addresses.recipients(self.addresses or "")
        return [*named, *pasted, *([] if self.csv is None else assignments_addresses.rows(self.csv))]


@strawberry.input(description="An enrolment to end.")
class ProgrammeEnrolmentCancelInput:
    """Which enrolment, and why."""

    id: strawberry.ID = told("Global id of the enrolment.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="An enrolment to go on by the newest version.")
class ProgrammeEnrolmentTransferInput:
    """Which enrolment, and why."""

    id: strawberry.ID = told("Global id of an enrolment that is in progress.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A decision about a requirement that is held.")
class ProgrammeHoldDecideInput:
    """Whose requirement, what is decided, and why."""

    enrolment_id: strawberry.ID = told("Global id of the enrolment.")
    requirement_id: strawberry.ID = told("Id of the requirement.")
    decision: HoldDecision = told("What is decided.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one recipient.")
class ProgrammeEnrolResult:
    """A row of the result."""

    index: int = told("Place of the recipient in the input, from 0: `recipients`, then `addresses`, then `csv`.")
    recipient: str = told("The recipient as given: the address, or the global id.")
    enrolment: ProgrammeEnrolment | None = told("Their enrolment, new or not; null for a group or when there is none.")
    enrolled_count: int = told("How many people were enrolled.")
    already_count: int = told("How many people were enrolled or had completed it before, and stay as they are.")
    problems: list[Problem] = told("Why nobody was enrolled; empty when somebody was, or could be.")

    @classmethod
    def of(cls, index: int, row: EnrolledRow) -> "ProgrammeEnrolResult":
        """Show what became of a row."""
        return cls(
            index=index,
            recipient=row.ref,
            enrolment=row.enrolment and ProgrammeEnrolment.of(row.enrolment),
            enrolled_count=row.enrolled,
            already_count=row.known,
            problems=[] if row.problem is None else [Refused(**row.problem)],
        )


@strawberry.type(description="Everything to see before enrolling. Nothing was changed.")
class ProgrammeEnrolPreview:
    """Answer of `programmeEnrolPreview`."""

    enrolled_count: int = told("How many people would be enrolled, members of groups included.")
    already_count: int = told("How many are enrolled, or hold a certificate that counts, and would stay as they are.")
    sample: list[PreviewedRecipient] = told(f"The first {SAMPLE} of those who would be enrolled.")
    refused: list[PreviewedProblem] = told("The recipients who would not be enrolled, by their place in the input.")
    programme_version: ProgrammeVersion | None = told("By which version; null when nobody would be.")
    assignment_count: int = told("How many assignments would be issued, each with its mail.")
    due_at: datetime | None = told("When it would be due; null when nothing is.")
    problems: list[Problem] = told("Why nothing would be done; empty when `programmeEnrol` would enrol.")

    @classmethod
    def of(cls, found: Preview | None, problems: list[Problem]) -> "ProgrammeEnrolPreview":
        """Show a preview, or why there is none."""
        rows = [] if found is None else list(enumerate(found.rows))
        return cls(
            enrolled_count=0 if found is None else len(found.new),
            already_count=0 if found is None else found.already_count,
            sample=[] if found is None else [PreviewedRecipient.of(one) for one in found.new[:SAMPLE]],
            refused=[PreviewedProblem(index=n, problem=problem_of(one)) for n, one in rows if isinstance(one, Refusal)],
            programme_version=found and ProgrammeVersion.of(found.version),
            assignment_count=0 if found is None else found.assignment_count,
            due_at=found and found.due_at,
            problems=problems,
        )


@strawberry.type(description="Whom a request has enrolled.")
class ProgrammeEnrolPayload:
    """Answer of `programmeEnrol`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    results: list[ProgrammeEnrolResult] = told("What became of each recipient, in order.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="An enrolment as ended.")
class ProgrammeEnrolmentCancelPayload:
    """Answer of `programmeEnrolmentCancel`."""

    enrolment: ProgrammeEnrolment | None = told("The enrolment; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="An enrolment as transferred.")
class ProgrammeEnrolmentTransferPayload:
    """Answer of `programmeEnrolmentTransfer`."""

    enrolment: ProgrammeEnrolment | None = told("The enrolment; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="An enrolment as decided about.")
class ProgrammeHoldDecidePayload:
    """Answer of `programmeHoldDecide`."""

    enrolment: ProgrammeEnrolment | None = told("The enrolment; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class ProgrammeEnrolQuery:
    """What enrolling would do."""

    @preview(
        enrolments.enrol_preview,
        "Everything to see before enrolling: whom, who is already, by which version, and how much is issued.",
    )
    async def programme_enrol_preview(
        self, info: Info, input: Annotated[ProgrammeEnrolInput, says("Whom, in what; a key is not looked at.")]
    ) -> ProgrammeEnrolPreview:
        """Preview."""
        programme_id = local_id("Programme", input.programme_id, path=["programmeId"])

        async def look() -> Preview:
            return await enrolments.enrol_preview(info.context, programme_id, input.plain())

        return ProgrammeEnrolPreview.of(*await attempt(look()))


@strawberry.type
class ProgrammeEnrolmentsMutation:
    """Changes of enrolments."""

    @act(
        enrolments.enrol,
        "Enrol people by the programme's newest version, and issue all that it asks for at once, by mail. Whoever is "
        "enrolled or has a certificate that counts stays as they are.",
    )
    async def programme_enrol(
        self, info: Info, input: Annotated[ProgrammeEnrolInput, says("Whom, in what.")]
    ) -> ProgrammeEnrolPayload:
        """Enrol."""
        programme_id = local_id("Programme", input.programme_id, path=["programmeId"])

        async def enrol() -> tuple[ProgrammeRow | None, list[EnrolledRow]]:
            return await enrolments.enrol(info.context, programme_id, input.plain(), input.idempotency_key)

        done, problems = await attempt(enrol())
        programme, rows = done or (None, [])
        results = [ProgrammeEnrolResult.of(index, row) for index, row in enumerate(rows)]
        return ProgrammeEnrolPayload(
            programme=programme and Programme.of(programme), results=results, problems=problems
        )

    @act(
        enrolments.cancel,
        "End an enrolment that is in progress; what it has issued is closed.",
    )
    async def programme_enrolment_cancel(
        self, info: Info, input: Annotated[ProgrammeEnrolmentCancelInput, says("Which, and why.")]
    ) -> ProgrammeEnrolmentCancelPayload:
        """Cancel."""
        done = enrolments.cancel(info.context, local_id(KIND, input.id), input.reason, input.idempotency_key)
        row, problems = await attempt(done)
        return ProgrammeEnrolmentCancelPayload(enrolment=row and ProgrammeEnrolment.of(row), problems=problems)

    @act(
        enrolments.transfer,
        "Let an enrolment in progress go on by the programme's newest version. What is met and asked for alike stays "
        "met, scores are judged by another mark where there is one, what is new is issued, and what is gone is closed. "
        "`programmeDiff` tells beforehand what differs.",
    )
    async def programme_enrolment_transfer(
        self, info: Info, input: Annotated[ProgrammeEnrolmentTransferInput, says("Which, and why.")]
    ) -> ProgrammeEnrolmentTransferPayload:
        """Transfer."""
        done = enrolments.transfer(info.context, local_id(KIND, input.id), input.reason, input.idempotency_key)
        row, problems = await attempt(done)
        return ProgrammeEnrolmentTransferPayload(enrolment=row and ProgrammeEnrolment.of(row), problems=problems)

    @act(enrolments.hold_decide, "Decide whether a requirement that is held stays met; the ledger keeps the reason.")
    async def programme_hold_decide(
        self, info: Info, input: Annotated[ProgrammeHoldDecideInput, says("Whose, and what.")]
    ) -> ProgrammeHoldDecidePayload:
        """Decide."""
        done = enrolments.hold_decide(
            info.context,
            local_id(KIND, input.enrolment_id, path=["enrolmentId"]),
            local_id("ProgrammeRequirement", input.requirement_id, path=["requirementId"]),
            input.reason,
            input.idempotency_key,
            keep=input.decision is HoldDecision.KEEP,
        )
        row, problems = await attempt(done)
        return ProgrammeHoldDecidePayload(enrolment=row and ProgrammeEnrolment.of(row), problems=problems)
