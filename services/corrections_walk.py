"""A walk through the submissions that a correction concerns, some at a time, so that memory does not grow with them."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select

from models.submissions import Outcome, Submission, SubmissionItem
from services import scores
from services.corrections_draft import Draft
from services.corrections_lines import InForce
from services.paging import Cursors, Page, PageRequest, read_cursor
from services.scores import Change
from services.work import Work


@dataclass(slots=True)
class Tally:
    """What becomes of the scores that were walked past; the field names are those of a batch.

    `fingerprint` stands for the whole of it: what was asked for, and each change from which score to which.
    """

    affected_count: int = 0
    changed_count: int = 0
    raised_count: int = 0
    lowered_count: int = 0
    passed_count: int = 0
    failed_count: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    @classmethod
    def of(cls, draft: Draft) -> "Tally":
        """Begin with what a draft asks for."""
        tally = cls()
        tally._digest.update(str(draft.version.id).encode())
        for one in draft.lines:
            asked = [str(one.question_version_id), one.line.kind.value, one.value]
            tally._digest.update(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS))
        return tally

    def count(self, changes: Sequence[Change]) -> list[Change]:
        """Count what was walked past, and return what changes."""
        felt = [one for one in changes if one.is_felt]
        self.affected_count += len(changes)
        self.changed_count += len(felt)
        for one in felt:
            before, after = one.before, one.total
            self.raised_count += after.percent > before.percent
            self.lowered_count += after.percent < before.percent
            self.passed_count += (before.outcome, after.outcome) == (Outcome.FAILED, Outcome.PASSED)
            self.failed_count += (before.outcome, after.outcome) == (Outcome.PASSED, Outcome.FAILED)
            told = (one.submission.id, before.number, after.points, after.max_points, after.percent, after.outcome)
            self._digest.update("/".join(map(str, told)).encode())
        return felt

    @property
    def fingerprint(self) -> str:
        """SHA-256 of it, in hex."""
        return self._digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the counts alone."""
        return {
            "affected_count": self.affected_count,
            "changed_count": self.changed_count,
            "raised_count": self.raised_count,
            "lowered_count": self.lowered_count,
            "passed_count": self.passed_count,
            "failed_count": self.failed_count,
        }


async def concerned(work: Work, version_id: UUID, questions: Collection[UUID], after: UUID | None = None) -> list[UUID]:
    """Return the submissions of an evaluation version that have one of the questions, in the order of their ids."""
    item = SubmissionItem
    wanted = (
        select(item.submission_id)
        .join(Submission, Submission.id == item.submission_id)
        .where(Submission.evaluation_version_id == version_id, item.question_version_id.in_(list(questions)))
    )
    if after is not None:
        wanted = wanted.where(item.submission_id > after)
    return list(await work.session.scalars(wanted.distinct().order_by(item.submission_id)))


async def walk(
    work: Work, version_id: UUID, questions: Collection[UUID], holds: InForce, after: UUID | None = None
) -> AsyncIterator[list[Change]]:
    """Yield what each submission would be worth, in the order of their ids, some at a time; writes nothing."""
    ids = await concerned(work, version_id, questions, after)
    for some in scores.parts(ids):
        yield await scores.outlooks(work, version_id, some, holds, questions)


async def tallied(work: Work, draft: Draft) -> Tally:
    """Walk past everything that a draft would change, and count."""
    tally = Tally.of(draft)
    async for changes in walk(work, draft.version.id, draft.questions, draft.holds):
        tally.count(changes)
    return tally


async def page(work: Work, draft: Draft, wanted: PageRequest, total: Callable[[Work], Awaitable[int]]) -> Page[Change]:
    """Return one page of the changes, in the order of the submissions' ids; the walk ends where the page is full."""
    size = wanted.size()
    after = None if wanted.after is None else read_cursor(wanted.after, Submission.id)
    found: list[Change] = []
    async for changes in walk(work, draft.version.id, draft.questions, draft.holds, after):
        found += [one for one in changes if one.is_felt]
        if len(found) > size:
            break
    cursors = Cursors([(one.submission.id,) for one in found[:size]])
    return Page(found[:size], cursors, len(found) > size, after is not None, total)
