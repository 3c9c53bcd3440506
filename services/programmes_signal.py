"""From a score to the programmes that it may concern: a job in the transaction that writes the score.

A job and not the transaction itself, so that whoever hands in waits for nothing of a programme, and a correction of
thousands of scores holds thousands of submissions and no enrolment.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from services import jobs
from services.work import Work

FOLLOW: Final = "programmes.follow"
_ENROLMENTS: Final = (
    "select distinct enrolment_id, org_unit_id from programme_attempts where assignment_id = any($1::uuid[])"
)


async def scored(work: Work, assignment_ids: Collection[UUID]) -> None:
    """Have the enrolments followed for which these assignments were issued; one statement where there are none.

    The jobs have no key: one that is running may have read before this score was written.
    """
    found = await work.fetch(_ENROLMENTS, list(assignment_ids))
    if found:
        wanted = [({"enrolment": str(row["enrolment_id"]), "org_unit": str(row["org_unit_id"])}, None) for row in found]
        await jobs.enqueue_many(work, FOLLOW, wanted)
