"""Who sees whose marks and drafts, before and after a second opinion."""

from uuid import UUID, uuid4

import pytest

from models.reviews import MarkRole, ReviewDraft, ReviewMark, ReviewState, ReviewTask, SecondOpinionReason
from models.reviews_findings import ReviewFinding
from services.reviews_blind import Onlooker, seen_drafts, seen_findings, seen_marks, seen_reasons
from services.reviews_policy import Policy

FIRST, SECOND, OTHER = uuid4(), uuid4(), uuid4()
MARKS = [ReviewMark(marker_id=FIRST, role=MarkRole.FIRST), ReviewMark(marker_id=SECOND, role=MarkRole.SECOND)]
DRAFTS = [ReviewDraft(marker_id=FIRST), ReviewDraft(marker_id=SECOND)]
SAMPLED = Policy(sample_percent=10)


def looked_at(
    state: ReviewState, policy: Policy, who: UUID, *, is_holder: bool = False, may_unblind: bool = False
) -> tuple[list[UUID], list[UUID]]:
    task = ReviewTask(state=state, reasons=[])
    onlooker = Onlooker(who, is_holder, may_unblind)
    marks = seen_marks(task, policy, onlooker, MARKS)
    return [one.marker_id for one in marks], [one.marker_id for one in seen_drafts(task, policy, onlooker, DRAFTS)]


@pytest.mark.parametrize("who", [FIRST, SECOND])
def test_in_the_second_turn_everybody_sees_their_own(who: UUID):
    assert looked_at(ReviewState.REQUIRES_SECOND_OPINION, SAMPLED, who) == ([who], [who])
    assert looked_at(ReviewState.REQUIRES_SECOND_OPINION, Policy(), who) == ([who], [who])


def test_whoever_has_the_second_turn_in_hand_sees_its_marks_and_not_the_first():
    assert looked_at(ReviewState.REQUIRES_SECOND_OPINION, SAMPLED, OTHER, is_holder=True) == ([SECOND], [])


def test_nobody_peeks_at_a_first_turn_that_a_second_may_follow():
    assert looked_at(ReviewState.AWAITING_REVIEW, SAMPLED, OTHER) == ([], [])
    assert looked_at(ReviewState.AWAITING_REVIEW, SAMPLED, OTHER, is_holder=True) == ([FIRST], [FIRST, SECOND])
    assert looked_at(ReviewState.AWAITING_REVIEW, Policy(), OTHER) == ([FIRST, SECOND], [FIRST, SECOND])


@pytest.mark.parametrize(
    "state", [ReviewState.REQUIRES_ADJUDICATION, ReviewState.AWAITING_DECISION, ReviewState.FINALISED]
)
def test_everything_is_seen_when_both_are_final(state: ReviewState):
    assert looked_at(state, SAMPLED, OTHER) == ([FIRST, SECOND], [FIRST, SECOND])


def test_a_right_and_an_open_rule_see_through():
    second = ReviewState.REQUIRES_SECOND_OPINION
    assert looked_at(second, SAMPLED, OTHER, may_unblind=True) == ([FIRST, SECOND], [FIRST, SECOND])
    assert looked_at(second, Policy(is_blind=False), OTHER) == ([FIRST, SECOND], [FIRST, SECOND])


def test_nobody_peeks_while_changes_are_waited_for_before_the_first_marks_are_complete():
    assert looked_at(ReviewState.CHANGES_REQUESTED, SAMPLED, OTHER) == ([], [])
    complete = ReviewTask(state=ReviewState.CHANGES_REQUESTED, reasons=[], first_marker_id=FIRST)
    assert seen_marks(complete, SAMPLED, Onlooker(OTHER, is_holder=False, may_unblind=False), MARKS) == MARKS


@pytest.mark.parametrize(
    ("state", "who", "findings", "reasons"),
    [
        (ReviewState.REQUIRES_SECOND_OPINION, FIRST, 1, 2),
        (ReviewState.REQUIRES_SECOND_OPINION, SECOND, 0, 1),
        (ReviewState.REQUIRES_ADJUDICATION, OTHER, 1, 2),
        (ReviewState.FINALISED, OTHER, 1, 2),
    ],
)
def test_findings_and_the_rule_that_asks_for_a_second_opinion_sway_nobody(state, who, findings, reasons):
    told = [SecondOpinionReason.MANUAL, SecondOpinionReason.NEAR_BOUNDARY]
    task = ReviewTask(state=state, reasons=told, first_marker_id=FIRST)
    onlooker = Onlooker(who, is_holder=who == SECOND, may_unblind=False)
    assert len(seen_findings(task, SAMPLED, onlooker, [ReviewFinding(raised_by=FIRST)])) == findings
    assert seen_reasons(task, SAMPLED, onlooker) == told[:reasons]
