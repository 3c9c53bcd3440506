"""Reviews by their id or their submission's, with claims, drafts, marks and events."""

from uuid import UUID

from models.reviews import ReviewClaim, ReviewDraft, ReviewEvent, ReviewMark, ReviewTask
from models.reviews_findings import ReviewFinding
from models.reviews_policy import ReviewPolicy
from services import corrections_lines, reviews_findings, reviews_policy, reviews_queue
from services.content_kinds import JudgedKey
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[ReviewTask | None]:
    """Return the reviews with these ids, in order; None where there is none to be seen."""
    found = await reviews_queue.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def of_submission(work: Work, submission_ids: list[UUID]) -> list[list[ReviewTask]]:
    """Return the reviews of each submission, in order."""
    found = await reviews_queue.of_submissions(work, submission_ids)
    return [found[one] for one in submission_ids]


async def judged(work: Work, question_version_ids: list[UUID]) -> list[JudgedKey | None]:
    """Return by what a person judges each of these questions, in order; None for one that is scored by rule."""
    asked = await corrections_lines.questions(work, question_version_ids)
    keys = [None if one not in asked else asked[one].key for one in question_version_ids]
    return [key if isinstance(key, JudgedKey) else None for key in keys]


async def claim(work: Work, task_ids: list[UUID]) -> list[ReviewClaim | None]:
    """Return who has or had each review in hand, in order; None where nobody ever had."""
    found = await reviews_queue.claims_of(work, task_ids)
    return [found.get(one) for one in task_ids]


async def drafts(work: Work, task_ids: list[UUID]) -> list[list[ReviewDraft]]:
    """Return the drafts in each review, in order."""
    found = await reviews_queue.drafts_of(work, task_ids)
    return [found[one] for one in task_ids]


async def marks(work: Work, task_ids: list[UUID]) -> list[list[ReviewMark]]:
    """Return the final marks in each review, in order."""
    found = await reviews_queue.marks_of(work, task_ids)
    return [found[one] for one in task_ids]


async def events(work: Work, task_ids: list[UUID]) -> list[list[ReviewEvent]]:
    """Return what happened to each review, in order."""
    found = await reviews_queue.events_of(work, task_ids)
    return [found[one] for one in task_ids]


async def findings(work: Work, task_ids: list[UUID]) -> list[list[ReviewFinding]]:
    """Return the findings in each review, in order."""
    found = await reviews_findings.of_tasks(work, task_ids)
    return [found[one] for one in task_ids]


async def barred(work: Work, task_ids: list[UUID]) -> list[bool]:
    """Tell of each review, in order, whether the viewer had another turn in it."""
    found = await reviews_queue.barred(work, task_ids)
    return [one in found for one in task_ids]


async def policy(work: Work, ids: list[UUID]) -> list[ReviewPolicy | None]:
    """Return rules by their id, in order."""
    found = await reviews_policy.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def policy_of_evaluation(work: Work, evaluation_ids: list[UUID]) -> list[ReviewPolicy | None]:
    """Return the rules in force for each evaluation, in order; None where nobody set any."""
    found = await reviews_policy.newest(work, evaluation_ids)
    return [found.get(one) for one in evaluation_ids]
