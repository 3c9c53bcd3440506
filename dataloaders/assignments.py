"""Assignments, invitations, and what the monitor counts, by key."""

from uuid import UUID

from models.assignments import Assignment, AssignmentDraft, AssignmentTemplate
from models.identity import Group
from models.public_links import PublicLink
from services import (
    assignments_buckets,
    assignments_drafts,
    assignments_groups,
    assignments_templates,
    plain,
    submissions,
)
from services import invitations as invitation_services
from services import public_links as public_link_services
from services.assignments_buckets import Bucket
from services.invitations import Invited
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Assignment | None]:
    """Return the assignments with these ids, in order; None where there is none to be seen."""
    found = {row.id: row for row in await plain.by(work, Assignment, "id", ids)}
    return [found.get(one) for one in ids]


async def invitations(work: Work, ids: list[UUID]) -> list[Invited | None]:
    """Return the invitations with these ids, in order; None where there is none to be seen."""
    found = await invitation_services.by_id(work, ids)
    return [found.get(one) for one in ids]


async def groups(work: Work, assignment_ids: list[UUID]) -> list[list[Group]]:
    """Return the groups that each assignment addresses, in order."""
    found = await assignments_groups.of_assignments(work, assignment_ids)
    return [found[one] for one in assignment_ids]


async def public_links(work: Work, assignment_ids: list[UUID]) -> list[list[PublicLink]]:
    """Return the public links of each assignment, in order."""
    found = await public_link_services.of_assignments(work, assignment_ids)
    return [found[one] for one in assignment_ids]


async def drafts(work: Work, ids: list[UUID]) -> list[AssignmentDraft | None]:
    """Return the drafts with these ids, in order; None where there is none to be seen."""
    found = await assignments_drafts.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def templates(work: Work, ids: list[UUID]) -> list[AssignmentTemplate | None]:
    """Return the templates with these ids, in order; None where there is none to be seen."""
    found = await assignments_templates.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def counts(work: Work, assignment_ids: list[UUID]) -> list[dict[Bucket, int]]:
    """Return how many recipients of each assignment are in each bucket, in order."""
    found = await assignments_buckets.counts(work, assignment_ids)
    return [found[one] for one in assignment_ids]


async def outcomes(work: Work, session_ids: list[UUID]) -> list[str | None]:
    """Return the newest outcome of each session, in order; None where nothing was handed in."""
    found = await submissions.outcomes(work, session_ids)
    return [found.get(one) for one in session_ids]
