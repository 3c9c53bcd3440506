"""Evidence: what belongs to a submission, what is known of it, and the acts on it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import evidence as loaders
from models.capabilities import Capability
from models.evidence import EvidenceEvent, EvidenceItem
from resolvers.access import candidate, requires
from resolvers.context import Context
from services import evidence, evidence_acts
from services.evidence import Available, Standing
from services.evidence_acts import Target
from services.idempotency import Answer
from services.refusals import NotFound
from services.refusals_files import FileLost
from services.viewer import Via
from services.work import Work


@dataclass(frozen=True, slots=True)
class Acted:
    """Evidence that something was done with, and the event that tells of it."""

    row: EvidenceItem
    event: EvidenceEvent


@requires(Capability.EVIDENCE_READ)
async def evidence_item(context: Context, evidence_id: UUID | None) -> EvidenceItem | None:
    """Return one piece of evidence; None when it cannot be seen."""
    return None if evidence_id is None else await context.loaders.of(loaders.by_id).load(evidence_id)


@requires(Capability.EVIDENCE_READ)
async def of_submissions(context: Context, submission_ids: Sequence[UUID]) -> list[list[EvidenceItem]]:
    """Return all evidence of submissions, also of their items, in order."""
    return await context.loaders.of(loaders.of_submission).load_many(submission_ids)


@requires(Capability.EVIDENCE_READ)
async def of_items(context: Context, places: Sequence[tuple[UUID, UUID]]) -> list[list[EvidenceItem]]:
    """Return the evidence of items, each named by its submission and itself, in order."""
    found = await context.loaders.of(loaders.of_submission).load_many([submission for submission, _ in places])
    return [
        [row for row in rows if row.submission_item_id == item_id]
        for rows, (_, item_id) in zip(found, places, strict=True)
    ]


async def of_uploads(context: Context, upload_ids: Sequence[UUID]) -> list[EvidenceItem | None]:
    """Return what the viewer's uploads became."""
    return await context.loaders.of(loaders.of_upload).load_many(upload_ids)


async def by_ids(context: Context, ids: Sequence[UUID]) -> list[EvidenceItem | None]:
    """Return evidence that belongs to what the viewer sees already, in order."""
    return await context.loaders.of(loaders.by_id).load_many(ids)


async def replacing(context: Context, ids: Sequence[UUID]) -> list[EvidenceItem | None]:
    """Return what was recorded in the place of evidence, in order."""
    return await context.loaders.of(loaders.replacing).load_many(ids)


async def events(context: Context, ids: Sequence[UUID]) -> list[list[EvidenceEvent]]:
    """Return the events of evidence that the viewer may see, in order."""
    return await context.loaders.of(loaders.events).load_many(ids)


async def standings(context: Context, ids: Sequence[UUID]) -> list[Standing]:
    """Return what evidence is now, in order."""
    replaced = await replacing(context, ids)
    happened = await events(context, ids)
    pairs = zip(happened, replaced, strict=True)
    return [evidence.standing(one, is_replaced=other is not None) for one, other in pairs]


async def actions(context: Context, ids: Sequence[UUID]) -> list[list[Available]]:
    """Return what the viewer may do with evidence now, in order."""
    held = await context.capabilities()
    return [evidence.available(one, held) for one in await standings(context, ids)]


@requires(Capability.EVIDENCE_RECORD)
async def evidence_record(
    context: Context,
    submission_id: UUID | None,
    item_id: UUID | None,
    upload_id: UUID,
    note: str | None,
    key: str | None,
) -> Acted:
    """Record a file."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.record(work, submission_id, item_id, upload_id, note)

    given = {"submission": str(submission_id), "item": str(item_id), "upload": str(upload_id), "note": note}
    return await _acted(context, "evidenceRecord", key, given, act)


@requires(Capability.EVIDENCE_RECORD)
async def evidence_amend(
    context: Context, target: Target, reason: str, upload_id: UUID | None, key: str | None
) -> Acted:
    """Amend evidence."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.amend(work, target, reason, upload_id)

    given = asdict(target) | {"reason": reason, "upload": str(upload_id)}
    return await _acted(context, "evidenceAmend", key, given, act)


@requires(Capability.EVIDENCE_DECIDE)
async def evidence_approve(context: Context, target: Target, reason: str | None, key: str | None) -> Acted:
    """Accept evidence."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.approve(work, target, reason)

    return await _acted(context, "evidenceApprove", key, asdict(target) | {"reason": reason}, act)


@requires(Capability.EVIDENCE_DECIDE)
async def evidence_reject(context: Context, target: Target, reason: str, key: str | None) -> Acted:
    """Turn evidence down."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.reject(work, target, reason)

    return await _acted(context, "evidenceReject", key, asdict(target) | {"reason": reason}, act)


@requires(Capability.EVIDENCE_DECIDE)
async def evidence_verify(context: Context, target: Target, key: str | None) -> Acted:
    """Have the stored bytes hashed once more."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.verify(work, target)

    return await _acted(context, "evidenceVerify", key, asdict(target), act)


@requires(Capability.EVIDENCE_DECIDE)
async def evidence_void(context: Context, target: Target, reason: str, key: str | None) -> Acted:
    """Declare that evidence does not count."""

    async def act(work: Work) -> Answer:
        return await evidence_acts.void(work, target, reason)

    return await _acted(context, "evidenceVoid", key, asdict(target) | {"reason": reason}, act)


async def stored(context: Context, evidence_id: UUID) -> EvidenceItem:
    """Return evidence whose bytes the viewer may have; a candidate may have what they handed in themselves.

    Refuses evidence whose bytes are not there, or not as many as were recorded.
    """
    row = await (_for_candidate if context.viewer.via is Via.SESSION else evidence_item)(context, evidence_id)
    if row is None:
        raise NotFound("EvidenceItem", evidence_id)
    if await context.house.files.size(row.object_key) != row.size:
        raise FileLost
    return row


@candidate
async def _for_candidate(context: Context, evidence_id: UUID) -> EvidenceItem | None:
    return await context.loaders.of(loaders.by_id).load(evidence_id)


async def _acted(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Acted:
    answer = await context.write(operation, key, given, act)
    evidence_id, event_id = UUID(answer["evidence"]), UUID(answer["event"])
    row = await context.loaders.of(loaders.by_id).load(evidence_id)
    if row is None:
        raise LookupError(f"evidence {evidence_id} cannot be read back")
    event = next(one for one in await context.loaders.of(loaders.events).load(evidence_id) if one.id == event_id)
    return Acted(row, event)
