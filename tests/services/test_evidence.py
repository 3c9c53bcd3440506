"""What follows from the events of evidence, and what may be done with it then."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.capabilities import Capability
from models.evidence import EvidenceEvent, EvidenceEventKind, EvidenceItem
from services import evidence, evidence_verify, uploads
from services.content_kinds import FileUploadContent
from services.evidence import Decision, EvidenceAction, Integrity
from services.refusals_files import FileTooLarge, MediaTypeRefused
from services.uploads import Announced, UploadLimits

K = EvidenceEventKind
ALL = {Capability.EVIDENCE_RECORD, Capability.EVIDENCE_DECIDE}
ACTS = {
    EvidenceAction.AMEND: K.AMENDED,
    EvidenceAction.APPROVE: K.APPROVED,
    EvidenceAction.REJECT: K.REJECTED,
    EvidenceAction.VERIFY: K.VERIFY_REQUESTED,
    EvidenceAction.VOID: K.VOIDED,
}
ANSWERS = (K.VERIFIED, K.VERIFY_FAILED, K.VERIFY_UNKNOWN)


def events(*kinds: K) -> list[EvidenceEvent]:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return [EvidenceEvent(id=uuid4(), seq=n, kind=kind, at=at) for n, kind in enumerate(kinds, 1)]


@pytest.mark.parametrize(
    ("kinds", "decision", "integrity", "latest"),
    [
        ((K.RECORDED,), Decision.NONE, Integrity.UNKNOWN, 1),
        ((K.RECORDED, K.APPROVED), Decision.APPROVED, Integrity.UNKNOWN, 2),
        ((K.RECORDED, K.APPROVED, K.VERIFY_REQUESTED), Decision.APPROVED, Integrity.QUEUED, 2),
        ((K.RECORDED, K.VERIFY_REQUESTED, K.APPROVED, K.VERIFIED), Decision.APPROVED, Integrity.VERIFIED, 3),
        ((K.RECORDED, K.APPROVED, K.REJECTED), Decision.REJECTED, Integrity.UNKNOWN, 3),
        ((K.RECORDED, K.APPROVED, K.AMENDED), Decision.NONE, Integrity.UNKNOWN, 3),
        ((K.RECORDED, K.VERIFY_REQUESTED, K.VERIFY_FAILED), Decision.NONE, Integrity.FAILED, 1),
        ((K.RECORDED, K.VERIFY_REQUESTED, K.VERIFY_UNKNOWN), Decision.NONE, Integrity.UNKNOWN, 1),
        ((K.RECORDED, K.VERIFY_REQUESTED, K.VERIFIED, K.VOIDED), Decision.VOIDED, Integrity.VERIFIED, 4),
    ],
)
def test_what_follows_from_the_events(kinds, decision, integrity, latest) -> None:
    happened = events(*kinds)
    now = evidence.standing(happened, is_replaced=False)
    assert (now.decision, now.integrity, now.latest) == (decision, integrity, happened[latest - 1])
    assert now.last_seq == len(kinds)


@given(st.lists(st.sampled_from([*ACTS, *ANSWERS])), st.booleans())
def test_whatever_is_done_nothing_undoes_a_voiding_and_no_false_file_is_approved(steps, replaced) -> None:
    """Do of any acts those that are allowed when their turn comes."""
    happened = events(K.RECORDED)
    for step in steps:
        now = evidence.standing(happened, is_replaced=False)
        if isinstance(step, EvidenceAction):
            if evidence.against(step, now) is None:
                happened = events(*[K(one.kind) for one in happened], ACTS[step])
        elif now.integrity is Integrity.QUEUED:
            happened = events(*[K(one.kind) for one in happened], step)
    kinds = [K(one.kind) for one in happened]
    if K.VOIDED in kinds:
        assert not {K.APPROVED, K.REJECTED, K.AMENDED, K.VOIDED} & set(kinds[kinds.index(K.VOIDED) + 1 :])
    checked = [(n, kind) for n, kind in enumerate(kinds) if kind in (*ANSWERS, K.VERIFY_REQUESTED)]
    for n, kind in enumerate(kinds):
        before = [one for place, one in checked if place < n]
        assert not (kind is K.APPROVED and before[-1:] == [K.VERIFY_FAILED])
        assert not (kind is K.VERIFY_REQUESTED and before[-1:] == [K.VERIFY_REQUESTED])
    shown = evidence.available(evidence.standing(happened, is_replaced=replaced), ALL)
    assert {one.action for one in shown} == set(EvidenceAction)
    assert all((one.reason is None) == one.enabled for one in shown)
    if replaced:
        assert {one.action for one in shown if one.enabled} <= {EvidenceAction.VERIFY}


def test_who_lacks_the_right_is_told_so() -> None:
    now = evidence.standing(events(K.RECORDED), is_replaced=False)
    may = {one.action for one in evidence.available(now, {Capability.EVIDENCE_RECORD}) if one.enabled}
    assert may == {EvidenceAction.AMEND}
    assert not any(one.enabled for one in evidence.available(now, {Capability.EVIDENCE_READ}))


def test_what_hashing_found_is_told() -> None:
    row = EvidenceItem(size=3, sha256="a" * 64)
    assert evidence_verify.judged(row, (3, "a" * 64)).kind is K.VERIFIED
    assert evidence_verify.judged(row, (3, "b" * 64)).facts == {"cause": "different", "sha256": "b" * 64, "size": 3}
    assert evidence_verify.judged(row, (2, "a" * 64)).kind is K.VERIFY_FAILED
    assert evidence_verify.judged(row, None).facts == {"cause": "missing"}


def test_a_question_narrows_what_the_installation_takes() -> None:
    house = UploadLimits(max_bytes=1000, media_types=("image/*", "application/pdf"))
    taken = uploads.narrowed(house, FileUploadContent(accepted_media_types=("image/png",), max_bytes=5000))
    assert (taken.max_bytes, taken.media_types) == (1000, ("image/png",))
    taken = uploads.narrowed(house, FileUploadContent(max_bytes=10))
    assert (taken.max_bytes, taken.media_types) == (10, house.media_types)
    with pytest.raises(FileTooLarge, match="11 bytes; at most 10"):
        Announced("a", "image/png", 11, "0" * 64).checked(taken)
    with pytest.raises(MediaTypeRefused, match="image/\\*, application/pdf"):
        Announced("a", "image2/png", 1, "0" * 64).checked(taken)
    good = Announced("  a\u0308.png ", "Image/PNG", 10, "A" * 64).checked(taken)
    assert good == Announced("\xe4.png", "image/png", 10, "a" * 64)
