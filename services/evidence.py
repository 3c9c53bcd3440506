"""Evidence: what is known of a file follows from its events, and so does what may be done with it (domain.md 9)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from models.capabilities import Capability
from models.evidence import EvidenceEvent, EvidenceEventKind, EvidenceItem
from services import plain
from services.work import Work

K = EvidenceEventKind


class Decision(StrEnum):
    """What was decided about evidence last."""

    NONE = "none"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOIDED = "voided"


class Integrity(StrEnum):
    """Whether the stored bytes are known to be those that were recorded."""

    UNKNOWN = "unknown"
    QUEUED = "queued"
    VERIFIED = "verified"
    FAILED = "failed"


class EvidenceAction(StrEnum):
    """What may be done with evidence."""

    AMEND = "amend"
    APPROVE = "approve"
    REJECT = "reject"
    VERIFY = "verify"
    VOID = "void"


_DECIDES: Final = {
    K.RECORDED: Decision.NONE,
    K.AMENDED: Decision.NONE,
    K.APPROVED: Decision.APPROVED,
    K.REJECTED: Decision.REJECTED,
    K.VOIDED: Decision.VOIDED,
}
_TELLS: Final = {
    K.VERIFY_REQUESTED: Integrity.QUEUED,
    K.VERIFIED: Integrity.VERIFIED,
    K.VERIFY_FAILED: Integrity.FAILED,
    K.VERIFY_UNKNOWN: Integrity.UNKNOWN,
}
_LEADS_TO: Final = {EvidenceAction.APPROVE: Decision.APPROVED, EvidenceAction.REJECT: Decision.REJECTED}
_NEEDS: Final = {
    EvidenceAction.AMEND: Capability.EVIDENCE_RECORD,
    EvidenceAction.APPROVE: Capability.EVIDENCE_DECIDE,
    EvidenceAction.REJECT: Capability.EVIDENCE_DECIDE,
    EvidenceAction.VERIFY: Capability.EVIDENCE_DECIDE,
    EvidenceAction.VOID: Capability.EVIDENCE_DECIDE,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What evidence is now: `latest` is the last event of a person, `last_seq` counts every event."""

    decision: Decision
    integrity: Integrity
    latest: EvidenceEvent
    last_seq: int
    is_replaced: bool

    @property
    def state(self) -> str:
        """The state in a word, for whoever was not fast enough."""
        return "REPLACED" if self.is_replaced else self.decision.name


@dataclass(frozen=True, slots=True)
class Available:
    """Whether something may be done now, and else why not, in words."""

    action: EvidenceAction
    enabled: bool
    reason: str | None


def standing(events: Sequence[EvidenceEvent], *, is_replaced: bool) -> Standing:
    """Return what follows from the events of one piece of evidence, in their order; the first one records it."""
    acts = [one for one in events if one.kind in _DECIDES]
    checks = [one for one in events if one.kind in _TELLS]
    return Standing(
        decision=_DECIDES[K(acts[-1].kind)],
        integrity=_TELLS[K(checks[-1].kind)] if checks else Integrity.UNKNOWN,
        latest=acts[-1],
        last_seq=events[-1].seq,
        is_replaced=is_replaced,
    )


def against(action: EvidenceAction, now: Standing) -> str | None:
    """Say what stands against an act, in words; None when nothing does."""
    if action is EvidenceAction.VERIFY:
        return "The stored file is being verified already." if now.integrity is Integrity.QUEUED else None
    if now.is_replaced:
        return "Another file was recorded in its place."
    if now.decision is Decision.VOIDED:
        return "It was voided."
    if now.decision is _LEADS_TO.get(action):
        return f"It is {now.decision}."
    if action is EvidenceAction.APPROVE and now.integrity is Integrity.FAILED:
        return "The stored file is not what was recorded."
    return None


def available(now: Standing, held: Collection[Capability]) -> list[Available]:
    """Return every act with whether whoever holds these capabilities may do it now."""
    found: list[Available] = []
    for action, needed in _NEEDS.items():
        said = against(action, now) if needed in held else "You do not have the right to do this."
        found.append(Available(action, said is None, said))
    return found


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, EvidenceItem]:
    """Return the evidence with these ids, as far as the viewer may see it."""
    return {row.id: row for row in await plain.by(work, EvidenceItem, "id", ids)}


async def of_submissions(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, list[EvidenceItem]]:
    """Return all evidence of each of these submissions, also of their items, oldest first."""
    found: dict[UUID, list[EvidenceItem]] = {one: [] for one in submission_ids}
    rows = await plain.by(work, EvidenceItem, "submission_id", submission_ids)
    for row in sorted(rows, key=lambda one: one.id):
        found[row.submission_id].append(row)
    return found


async def of_uploads(work: Work, upload_ids: Sequence[UUID]) -> dict[UUID, EvidenceItem]:
    """Return the evidence that uploads became, by upload."""
    return {row.upload_id: row for row in await plain.by(work, EvidenceItem, "upload_id", upload_ids)}


async def replacing(work: Work, ids: Sequence[UUID]) -> dict[UUID, EvidenceItem]:
    """Return what was recorded in the place of these pieces of evidence."""
    rows = await plain.by(work, EvidenceItem, "replaces_id", ids)
    return {row.replaces_id: row for row in rows if row.replaces_id is not None}


async def events_of(work: Work, ids: Sequence[UUID]) -> dict[UUID, list[EvidenceEvent]]:
    """Return the events of each of these pieces of evidence, in their order."""
    found: dict[UUID, list[EvidenceEvent]] = {one: [] for one in ids}
    for row in sorted(await plain.by(work, EvidenceEvent, "evidence_id", ids), key=lambda one: one.seq):
        found[row.evidence_id].append(row)
    return found
