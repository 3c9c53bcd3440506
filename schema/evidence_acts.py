"""Acts on evidence: record, amend, approve, reject, verify, void."""

from collections.abc import Awaitable
from typing import Annotated
from uuid import UUID

import strawberry

from resolvers import evidence
from resolvers.evidence import Acted
from schema.access import Info, act, says, told
from schema.evidence import EvidenceEvent, EvidenceItem
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY
from services.evidence_acts import Target

EVIDENCE = "Global id of the evidence."
OF_SUBMISSION = "Global id of a submission: the evidence has to belong to it as a whole, or is not found."
OF_ITEM = "Global id of an item of a submission: the evidence has to belong to it, or is not found."
PRIOR = "Global id of the event seen last (`latestEvent.id`); refused as STATE_DRIFT when somebody has acted since."
REASON = "Why, 1 to 1,000 characters; it stays for ever."


@strawberry.input(description="A file to record as evidence.")
class EvidenceRecordInput:
    """Input of `evidenceRecord`."""

    submission_id: strawberry.ID | None = told(
        "Global id of the submission, when it was sent for it as a whole.", default=None
    )
    item_id: strawberry.ID | None = told(
        "Global id of the submission's item, when it was sent for that; exactly one of both is sent.", default=None
    )
    upload_id: strawberry.ID = told("Global id of the caller's own upload, all of which has arrived.")
    note: str | None = told("What it shows, 1 to 1,000 characters; may be left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Evidence to amend, by a remark or by another file.")
class EvidenceAmendInput:
    """Input of `evidenceAmend`."""

    id: strawberry.ID = told(EVIDENCE)
    submission_id: strawberry.ID | None = told(OF_SUBMISSION, default=None)
    item_id: strawberry.ID | None = told(OF_ITEM, default=None)
    prior_event_id: strawberry.ID = told(PRIOR)
    reason: str = told(REASON)
    upload_id: strawberry.ID | None = told(
        "Global id of an upload for the same place: it is recorded in the place of the file.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Evidence to accept.")
class EvidenceApproveInput:
    """Input of `evidenceApprove`."""

    id: strawberry.ID = told(EVIDENCE)
    submission_id: strawberry.ID | None = told(OF_SUBMISSION, default=None)
    item_id: strawberry.ID | None = told(OF_ITEM, default=None)
    prior_event_id: strawberry.ID | None = told(PRIOR, default=None)
    reason: str | None = told("Why, 1 to 1,000 characters; may be left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Evidence to turn down.")
class EvidenceRejectInput:
    """Input of `evidenceReject`."""

    id: strawberry.ID = told(EVIDENCE)
    submission_id: strawberry.ID | None = told(OF_SUBMISSION, default=None)
    item_id: strawberry.ID | None = told(OF_ITEM, default=None)
    prior_event_id: strawberry.ID | None = told(PRIOR, default=None)
    reason: str = told(REASON)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Evidence whose stored bytes are to be hashed once more.")
class EvidenceVerifyInput:
    """Input of `evidenceVerify`."""

    id: strawberry.ID = told(EVIDENCE)
    submission_id: strawberry.ID | None = told(OF_SUBMISSION, default=None)
    item_id: strawberry.ID | None = told(OF_ITEM, default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Evidence that shall not count.")
class EvidenceVoidInput:
    """Input of `evidenceVoid`."""

    id: strawberry.ID = told(EVIDENCE)
    submission_id: strawberry.ID | None = told(OF_SUBMISSION, default=None)
    item_id: strawberry.ID | None = told(OF_ITEM, default=None)
    prior_event_id: strawberry.ID = told(PRIOR)
    reason: str = told(REASON)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Evidence that something was done with, or was not.")
class EvidencePayload:
    """Answer of every act on evidence."""

    evidence: EvidenceItem | None = told("The evidence, of which the file that stands now; null when nothing was done.")
    event: EvidenceEvent | None = told("The event that tells of it; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


async def _answered(done: Awaitable[Acted]) -> EvidencePayload:
    acted, problems = await attempt(done)
    return EvidencePayload(
        evidence=acted and EvidenceItem.of(acted.row),
        event=acted and EvidenceEvent.of(acted.event),
        problems=problems,
    )


def _local(kind: str, value: strawberry.ID | None, place: str) -> UUID | None:
    return None if value is None else local_id(kind, value, path=[place])


def _target(
    input: EvidenceAmendInput | EvidenceApproveInput | EvidenceRejectInput | EvidenceVerifyInput | EvidenceVoidInput,
) -> Target:
    prior = None if isinstance(input, EvidenceVerifyInput) else input.prior_event_id
    return Target(
        local_id("EvidenceItem", input.id),
        _local("Submission", input.submission_id, "submissionId"),
        _local("SubmissionItem", input.item_id, "itemId"),
        _local("EvidenceEvent", prior, "priorEventId"),
    )


@strawberry.type
class EvidenceMutation:
    """Acts on evidence."""

    @act(
        evidence.evidence_record, "Record a file that has arrived, on the submission or the item that it was sent for."
    )
    async def evidence_record(
        self, info: Info, input: Annotated[EvidenceRecordInput, says("Which file, and where.")]
    ) -> EvidencePayload:
        """Record."""

        async def record() -> Acted:
            return await evidence.evidence_record(
                info.context,
                _local("Submission", input.submission_id, "submissionId"),
                _local("SubmissionItem", input.item_id, "itemId"),
                local_id("Upload", input.upload_id, path=["uploadId"]),
                input.note,
                input.idempotency_key,
            )

        return await _answered(record())

    @act(
        evidence.evidence_amend,
        "Amend evidence by a remark, or by another file that is recorded in its place. It has to be decided on anew.",
    )
    async def evidence_amend(
        self, info: Info, input: Annotated[EvidenceAmendInput, says("Which evidence, how, and why.")]
    ) -> EvidencePayload:
        """Amend."""

        async def amend() -> Acted:
            upload = _local("Upload", input.upload_id, "uploadId")
            return await evidence.evidence_amend(
                info.context, _target(input), input.reason, upload, input.idempotency_key
            )

        return await _answered(amend())

    @act(
        evidence.evidence_approve,
        "Accept evidence. Refused while its stored file is known to be another than was recorded.",
    )
    async def evidence_approve(
        self, info: Info, input: Annotated[EvidenceApproveInput, says("Which evidence.")]
    ) -> EvidencePayload:
        """Approve."""

        async def approve() -> Acted:
            return await evidence.evidence_approve(info.context, _target(input), input.reason, input.idempotency_key)

        return await _answered(approve())

    @act(evidence.evidence_reject, "Turn evidence down, with a reason.")
    async def evidence_reject(
        self, info: Info, input: Annotated[EvidenceRejectInput, says("Which evidence, and why.")]
    ) -> EvidencePayload:
        """Reject."""

        async def reject() -> Acted:
            return await evidence.evidence_reject(info.context, _target(input), input.reason, input.idempotency_key)

        return await _answered(reject())

    @act(
        evidence.evidence_verify,
        "Have the stored bytes hashed once more, in the background: `integrity` is QUEUED until it was done.",
    )
    async def evidence_verify(
        self, info: Info, input: Annotated[EvidenceVerifyInput, says("Which evidence.")]
    ) -> EvidencePayload:
        """Verify."""

        async def verify() -> Acted:
            return await evidence.evidence_verify(info.context, _target(input), input.idempotency_key)

        return await _answered(verify())

    @act(evidence.evidence_void, "Declare that evidence does not count, for good, with a reason. The file stays.")
    async def evidence_void(
        self, info: Info, input: Annotated[EvidenceVoidInput, says("Which evidence, and why.")]
    ) -> EvidencePayload:
        """Void."""

        async def void() -> Acted:
            return await evidence.evidence_void(info.context, _target(input), input.reason, input.idempotency_key)

        return await _answered(void())
