"""Acts on evidence: record, amend, approve, reject, void, and ask for verification (domain.md section 9).

Nothing is overwritten: each act appends an event that follows on the one before it. Who acts on an older state than
the present one changes nothing and is told the present one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from models.base import uuid7
from models.evidence import EvidenceEvent, EvidenceEventKind, EvidenceItem, Upload, UploadState
from models.submissions import Submission, SubmissionItem
from services import evidence, jobs, uploads, words
from services.evidence import EvidenceAction, Standing
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound, OneselfRefused, PersonNeeded, StateDrift, StillInUse
from services.work import Work

MOST: Final = 200
"""How many files may be recorded on one submission and its items together."""

VERIFY: Final = "evidence.verify"


@dataclass(frozen=True, slots=True)
class Target:
    """Evidence to act on. Where a scope is named it has to lie in it; `prior_id` is the event that was seen last."""

    id: UUID
    submission_id: UUID | None = None
    item_id: UUID | None = None
    prior_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """Evidence that nobody else acts on."""

    row: EvidenceItem
    now: Standing


async def record(
    work: Work, submission_id: UUID | None, item_id: UUID | None, upload_id: UUID, note: str | None
) -> Answer:
    """Record a file that has arrived, on the submission or the item that it was sent for.

    Refuses a file that has not arrived, that was recorded before, or that was sent for something else.
    """
    said = _note(note, "note")
    _, submission, item = await uploads.place(work, submission_id, item_id)
    await work.lock(_all_of(work, submission))
    upload = await _arrived(work, upload_id, submission, item)
    await _require_room(work, submission)
    return await _recorded(work, upload, submission, item, reason=said)


async def amend(work: Work, target: Target, reason: str, upload_id: UUID | None) -> Answer:
    """Amend evidence: by a remark, or by another file that is recorded in its place; it has to be decided on anew."""
    why = words.reason(reason)
    held = await _held(work, target, EvidenceAction.AMEND, needs_prior=True)
    row = held.row
    if upload_id is None:
        event = await _append(work, row, held.now.last_seq, EvidenceEventKind.AMENDED, why, held.now.latest.id)
        _tell(work, "evidence.amended", row, reason=why)
        return _answer(row, event)
    upload = await _arrived(work, upload_id, row.submission_id, row.submission_item_id)
    await _require_room(work, row.submission_id)
    facts = {"upload": str(upload_id)}
    event = await _append(work, row, held.now.last_seq, EvidenceEventKind.AMENDED, why, held.now.latest.id, facts)
    _tell(work, "evidence.amended", row, reason=why, upload=str(upload_id))
    return await _recorded(
        work, upload, row.submission_id, row.submission_item_id, reason=why, replaces=row, prior_id=event.id
    )


async def approve(work: Work, target: Target, reason: str | None) -> Answer:
    """Accept evidence. Refuses what is approved, and a file that was found to be another than was recorded."""
    return await _decide(work, target, EvidenceAction.APPROVE, EvidenceEventKind.APPROVED, _note(reason, "reason"))


async def reject(work: Work, target: Target, reason: str) -> Answer:
    """Turn evidence down, and say why."""
    return await _decide(work, target, EvidenceAction.REJECT, EvidenceEventKind.REJECTED, words.reason(reason))


async def void(work: Work, target: Target, reason: str) -> Answer:
    """Declare that evidence does not count, for good, and say why; the file stays."""
    why = words.reason(reason)
    held = await _held(work, target, EvidenceAction.VOID, needs_prior=True)
    await _require_another(work, held.row)
    before = {"decision": held.now.decision.name}
    event = await _append(work, held.row, held.now.last_seq, EvidenceEventKind.VOIDED, why, held.now.latest.id)
    _tell(work, "evidence.voided", held.row, reason=why, before=before)
    return _answer(held.row, event)


async def verify(work: Work, target: Target) -> Answer:
    """Have the stored bytes hashed once more; what comes of it is told by a later event."""
    held = await _held(work, target, EvidenceAction.VERIFY)
    event = await _append(work, held.row, held.now.last_seq, EvidenceEventKind.VERIFY_REQUESTED, None, None)
    await jobs.enqueue(work, VERIFY, {"evidence": str(held.row.id), "request": str(event.id)})
    _tell(work, "evidence.verify_requested", held.row)
    return _answer(held.row, event)


async def hand_in(work: Work, submission: Submission, items: list[SubmissionItem]) -> None:
    """Record what a candidate hands in with answers that name files; the items are flushed, and the session is held."""
    named = {UUID(one): item for item in items if item.response is not None for one in item.response.get("files", ())}
    if not named:
        return
    arrived = (Upload.session_id == submission.session_id) & (Upload.state == UploadState.FINISHED)
    rows = await work.session.scalars(select(Upload).where(Upload.id.in_(named), arrived))
    for upload in sorted(rows, key=lambda one: one.id):
        item = named[upload.id]
        await _recorded(work, upload, submission.id, item.id, candidate_id=submission.user_id)


async def _decide(
    work: Work, target: Target, action: EvidenceAction, kind: EvidenceEventKind, reason: str | None
) -> Answer:
    if work.viewer.user_id is None:
        raise PersonNeeded("A decision about evidence is somebody's judgement, and this token is nobody's own.")
    held = await _held(work, target, action)
    await _require_another(work, held.row)
    before = {"decision": held.now.decision.name}
    event = await _append(work, held.row, held.now.last_seq, kind, reason, held.now.latest.id)
    _tell(work, f"evidence.{kind}", held.row, reason=reason, before=before)
    return _answer(held.row, event)


async def _require_another(work: Work, row: EvidenceItem) -> None:
    candidate = await work.session.scalar(select(Submission.user_id).where(Submission.id == row.submission_id))
    if candidate == work.viewer.user_id:
        raise OneselfRefused("Nobody decides about evidence of their own work.", hint="Leave it to a colleague.")


async def _held(work: Work, target: Target, action: EvidenceAction, *, needs_prior: bool = False) -> _Held:
    """Hold evidence to act on; refuse what is not in its scope, is not as the caller saw it, or does not allow it."""
    if needs_prior and target.prior_id is None:
        raise InvalidInput("Name the event that you saw last.", path=["priorEventId"], hint="Send `latestEvent.id`.")
    seen = (await evidence.by_ids(work, [target.id])).get(target.id)
    if seen is None or not _is_in(seen, target):
        raise NotFound("EvidenceItem", target.id)
    await work.lock(_all_of(work, seen.submission_id))
    events = await evidence.events_of(work, [seen.id])
    replaced = await evidence.replacing(work, [seen.id])
    now = evidence.standing(events[seen.id], is_replaced=seen.id in replaced)
    if target.prior_id is not None and target.prior_id != now.latest.id:
        raise _drifted(now, "Somebody has acted on this evidence since.")
    said = evidence.against(action, now)
    if said is not None:
        raise _drifted(now, said, state=now.integrity.name if action is EvidenceAction.VERIFY else now.state)
    return _Held(seen, now)


def _is_in(row: EvidenceItem, target: Target) -> bool:
    if target.item_id is not None:
        return row.submission_item_id == target.item_id
    if target.submission_id is not None:
        return row.submission_id == target.submission_id and row.submission_item_id is None
    return True


def _drifted(now: Standing, said: str, *, state: str | None = None) -> StateDrift:
    return StateDrift(said, current_state=state or now.state, current_version=now.last_seq)


async def _arrived(work: Work, upload_id: UUID, submission_id: UUID, item_id: UUID | None) -> Upload:
    """Return an upload of the viewer's own that may become evidence there."""
    upload = await uploads.of_owner(work, upload_id, held=True)
    if (upload.submission_id, upload.submission_item_id) != (submission_id, item_id):
        raise NotFound("Upload", upload_id, path=["uploadId"])
    if upload.state != UploadState.FINISHED:
        raise StateDrift("The file has not arrived.", current_state=upload.state.upper(), hint="Send all of it first.")
    if await evidence.of_uploads(work, [upload_id]):
        raise StateDrift("The file was recorded before.", current_state="RECORDED")
    return upload


async def _require_room(work: Work, submission_id: UUID) -> None:
    there = select(func.count()).where(EvidenceItem.submission_id == submission_id)
    if (await work.session.scalar(there) or 0) >= MOST:
        raise StillInUse(f"{MOST} files are recorded on this submission, and no more are taken.")


async def _recorded(
    work: Work,
    upload: Upload,
    submission_id: UUID,
    item_id: UUID | None,
    *,
    reason: str | None = None,
    replaces: EvidenceItem | None = None,
    prior_id: UUID | None = None,
    candidate_id: UUID | None = None,
) -> Answer:
    row = EvidenceItem(
        id=uuid7(),
        org_unit_id=upload.org_unit_id,
        submission_id=submission_id,
        submission_item_id=item_id,
        session_id=upload.session_id,
        upload_id=upload.id,
        replaces_id=None if replaces is None else replaces.id,
        object_key=upload.object_key,
        size=upload.size,
        media_type=upload.media_type,
        sha256=upload.sha256,
        file_name=upload.file_name,
        recorded_by=candidate_id or work.viewer.user_id,
    )
    work.session.add(row)
    await work.session.flush()
    event = await _append(work, row, 0, EvidenceEventKind.RECORDED, reason, prior_id, actor_id=candidate_id)
    _tell(work, "evidence.recorded", row, reason=reason)
    return _answer(row, event)


async def _append(
    work: Work,
    row: EvidenceItem,
    last_seq: int,
    kind: EvidenceEventKind,
    reason: str | None,
    prior_id: UUID | None,
    facts: Mapping[str, Any] | None = None,
    *,
    actor_id: UUID | None = None,
) -> EvidenceEvent:
    event = EvidenceEvent(
        id=uuid7(),
        org_unit_id=row.org_unit_id,
        evidence_id=row.id,
        seq=last_seq + 1,
        kind=kind,
        at=await work.now(),
        actor_id=actor_id or work.viewer.user_id,
        reason=reason,
        prior_id=prior_id,
        facts=dict(facts or {}),
    )
    work.session.add(event)
    await work.session.flush()
    return event


def _tell(
    work: Work,
    act: str,
    row: EvidenceItem,
    *,
    reason: str | None = None,
    before: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    told = {
        "evidence": str(row.id),
        "item": None if row.submission_item_id is None else str(row.submission_item_id),
        "file_name": row.file_name,
        "sha256": row.sha256,
        **more,
    }
    work.record(act, ("submission", row.submission_id), reason=reason, before=before, after=told)


def _answer(row: EvidenceItem, event: EvidenceEvent) -> Answer:
    return {"evidence": str(row.id), "event": str(event.id)}


def _note(given: str | None, place: str) -> str | None:
    return None if given is None or not given.strip() else words.reason(given, path=[place])


def _all_of(work: Work, submission_id: UUID) -> str:
    """Name the lock that every act on the evidence of a submission holds."""
    return f"evidence/{work.viewer.tenant_id}/{submission_id}"
