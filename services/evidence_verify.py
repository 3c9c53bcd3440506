"""Verifying: the stored bytes are hashed once more, and what was found is one more event (domain.md section 9)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.evidence import EvidenceEvent, EvidenceEventKind, EvidenceItem
from services import evidence
from services.work import Work


@dataclass(frozen=True, slots=True)
class Found:
    """What hashing found, and the facts that the event keeps."""

    kind: EvidenceEventKind
    facts: dict[str, Any]


def judged(row: EvidenceItem, found: tuple[int, str] | None) -> Found:
    """Compare size in bytes and hash of what is stored with what was recorded; None when nothing is stored."""
    if found is None:
        return Found(EvidenceEventKind.VERIFY_FAILED, {"cause": "missing"})
    size, sha256 = found
    if (size, sha256) == (row.size, row.sha256):
        return Found(EvidenceEventKind.VERIFIED, {"sha256": sha256})
    return Found(EvidenceEventKind.VERIFY_FAILED, {"cause": "different", "sha256": sha256, "size": size})


async def waiting(work: Work, evidence_id: UUID, request_id: UUID) -> EvidenceItem | None:
    """Return the evidence whose verification was asked for by this event; None when that was answered."""
    row = (await evidence.by_ids(work, [evidence_id])).get(evidence_id)
    if row is None or not await _is_open(work, row, request_id):
        return None
    return row


async def answer(work: Work, row: EvidenceItem, request_id: UUID, found: Found) -> bool:
    """Append what was found; tell whether this call did it: a request is answered once, however often it is tried."""
    await work.lock(f"evidence/{work.viewer.tenant_id}/{row.submission_id}")
    if not await _is_open(work, row, request_id):
        return False
    events = (await evidence.events_of(work, [row.id]))[row.id]
    work.session.add(
        EvidenceEvent(
            id=uuid7(),
            org_unit_id=row.org_unit_id,
            evidence_id=row.id,
            seq=events[-1].seq + 1,
            kind=found.kind,
            at=await work.now(),
            prior_id=request_id,
            facts=found.facts,
        )
    )
    told = {"evidence": str(row.id), "file_name": row.file_name, **found.facts}
    work.record(f"evidence.{found.kind}", ("submission", row.submission_id), after=told)
    return True


async def _is_open(work: Work, row: EvidenceItem, request_id: UUID) -> bool:
    events = (await evidence.events_of(work, [row.id]))[row.id]
    answered = select(EvidenceEvent.id).where(EvidenceEvent.prior_id == request_id)
    known = {one.id for one in events}
    return request_id in known and (await work.session.scalar(answered)) is None
