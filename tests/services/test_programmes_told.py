"""What a person is told of their programmes: whoever passed and whoever failed by an untold result see the same."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from models.programmes import ProgrammeRequirement
from models.programmes_enrolments import (
    EnrolmentStatus,
    ProgrammeAttempt,
    ProgrammeEnrolment,
    ProgrammeProgress,
    ProgressState,
)
from services import programmes_told as told
from services.programmes_read import EnrolmentState, Progress
from services.programmes_told import HandedIn

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATE, EARLY = NOW - timedelta(days=1), NOW + timedelta(days=1)


def progress(state: str, tries: int, *, met_by: int | None = None, mandatory: bool = True, attempts: int | None = None):
    """A requirement with so many attempts issued, and the submissions of the first `tries`, which are told or not."""
    issued = [ProgrammeAttempt(ordinal=n, assignment_id=uuid4()) for n in range(1, (attempts or max(tries, 1)) + 1)]
    ids = [uuid4() for _ in range(tries)]
    row = ProgrammeProgress(state=state, submission_id=None if met_by is None else ids[met_by], next_at=None)
    one = Progress(row, ProgrammeRequirement(is_mandatory=mandatory), issued)
    return one, lambda *is_told: told.progress(
        one,
        [HandedIn(n, a.assignment_id, t) for n, a, t in zip(ids, issued, is_told, strict=False)],
    )


def enrolment(status: str = EnrolmentStatus.IN_PROGRESS, due_at: datetime | None = None) -> ProgrammeEnrolment:
    return ProgrammeEnrolment(status=status, due_at=due_at)


@pytest.mark.parametrize("due_at", [None, LATE, EARLY])
def test_passed_and_failed_look_the_same_until_the_result_is_told(due_at: datetime | None):
    passed = progress(ProgressState.MET, 1, met_by=0)[1](False)
    failed = progress(ProgressState.FAILED, 1)[1](False)
    cooling = progress(ProgressState.PENDING, 1)
    cooling[0].row.next_at = EARLY
    waits = cooling[1](False)
    unjudged = progress(ProgressState.PENDING, 1)[1](False)
    seen = set()
    statuses = (EnrolmentStatus.CERTIFIED, EnrolmentStatus.IN_PROGRESS, EnrolmentStatus.IN_PROGRESS)
    for one, status in zip((passed, failed, waits), statuses, strict=True):
        shown = told.state(enrolment(status, due_at), [one], NOW, is_certificate_told=False)
        seen.add((one.state, one.next_at, one.is_waiting, shown, told.percent([one])))
    assert len(seen) == 1
    assert seen == {(ProgressState.PENDING, None, True, EnrolmentState.IN_PROGRESS, Decimal("0.00"))}
    assert unjudged.is_waiting


def test_it_is_told_with_the_result():
    passed = progress(ProgressState.MET, 1, met_by=0)[1](True)
    failed = progress(ProgressState.FAILED, 1)[1](True)
    assert (passed.state, failed.state) == (ProgressState.MET, ProgressState.FAILED)
    done, revoked, over = enrolment(EnrolmentStatus.CERTIFIED), enrolment(EnrolmentStatus.COMPLETED), enrolment()
    assert told.state(done, [passed], NOW, is_certificate_told=True) is EnrolmentState.CERTIFIED
    assert told.state(revoked, [passed], NOW, is_certificate_told=True) is EnrolmentState.COMPLETED
    assert told.state(over, [passed, failed], NOW, is_certificate_told=False) is EnrolmentState.FAILED
    done.expires_at = LATE
    assert told.state(done, [passed], NOW, is_certificate_told=True) is EnrolmentState.EXPIRED
    assert told.percent([passed, failed]) == Decimal("50.00")


def test_only_the_submission_that_meets_it_must_be_told_and_every_one_that_fails():
    first_failed, then_passed = (True, False), (False, True)
    _, met = progress(ProgressState.MET, 2, met_by=1)
    assert met(*first_failed).state is ProgressState.PENDING
    assert met(*then_passed).state is ProgressState.MET
    _, failed = progress(ProgressState.FAILED, 2)
    assert {failed(*one).state for one in (first_failed, then_passed)} == {ProgressState.PENDING}


def test_the_next_attempt_is_told_with_the_result_that_brings_it():
    one, handed_in = progress(ProgressState.PENDING, 1)
    one.row.next_at = EARLY
    assert (handed_in(True).next_at, handed_in(False).next_at) == (EARLY, None)


def test_who_has_something_to_do_is_late_and_who_waits_is_not():
    open_, waiting = progress(ProgressState.PENDING, 0)[1](), progress(ProgressState.PENDING, 1)[1](False)
    again = progress(ProgressState.PENDING, 1, attempts=2)[1](False)
    optional = progress(ProgressState.PENDING, 0, mandatory=False)[1]()
    for parts, late in (([open_], True), ([waiting], False), ([again], True), ([waiting, optional], False)):
        assert told.state(enrolment(due_at=LATE), parts, NOW, is_certificate_told=False) is (
            EnrolmentState.OVERDUE if late else EnrolmentState.IN_PROGRESS
        )
        assert told.state(enrolment(due_at=EARLY), parts, NOW, is_certificate_told=False) is EnrolmentState.IN_PROGRESS
    assert told.state(enrolment(EnrolmentStatus.CANCELLED, LATE), [open_], NOW, is_certificate_told=False) is (
        EnrolmentState.CANCELLED
    )
    assert told.percent([optional, open_]) == Decimal("0.00")
