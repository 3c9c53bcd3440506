"""Drafts of assignments: as much as is known, kept for whoever goes on with it; issuing one removes it.

A draft is a row of its own and not a state of an assignment, so that nothing of it can be redeemed, watched or counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, select

from models.assignments import AssignmentDraft
from models.base import uuid7
from services import assignments_terms
from services.assignments_recipients import MOST, Recipient
from services.assignments_terms import LONGEST_NAME, Terms, terms_of, terms_to_json
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Work

_RECIPIENTS: Final = TypeAdapter(list[Recipient])


@dataclass(frozen=True, slots=True)
class Content:
    """What a draft says."""

    terms: Terms
    recipients: Sequence[Recipient]


def recipients_to_json(recipients: Sequence[Recipient]) -> list[Any]:
    """Return recipients as they were named."""
    return _RECIPIENTS.dump_python(list(recipients), mode="json", exclude_none=True)


def recipients_of(stored: object) -> list[Recipient]:
    """Read recipients back."""
    return _RECIPIENTS.validate_python(stored)


async def save(work: Work, draft_id: UUID | None, content: Content, expected_version: int | None) -> Answer:
    """Keep a draft, a new one or in place of what it said; return it.

    What is written must be possible, and may be incomplete: neither what is issued nor for whom is needed, a window
    may be over, and recipients are looked at when it is previewed or issued.
    """
    _check(content)
    now = await work.now()
    row = AssignmentDraft(id=uuid7()) if draft_id is None else await _held(work, draft_id, expected_version)
    terms = content.terms
    row.name = terms.name or ""
    row.terms, row.recipients = terms_to_json(terms), recipients_to_json(content.recipients)
    row.recipient_count, row.changed_at = len(content.recipients), now
    if draft_id is None:
        row.created_by = work.viewer.user_id
        work.session.add(row)
    else:
        row.version += 1
    await work.session.flush()
    return {"draft": str(row.id)}


async def remove(work: Work, draft_id: UUID) -> Answer:
    """Remove a draft."""
    await _held(work, draft_id, None)
    await work.session.execute(delete(AssignmentDraft).where(AssignmentDraft.id == draft_id))
    return {"draft": str(draft_id)}


async def take(work: Work, draft_id: UUID, expected_version: int | None) -> Content:
    """Return what a draft says and remove it, in the transaction that issues it."""
    row = await _held(work, draft_id, expected_version)
    found = content_of(row)
    await work.session.execute(delete(AssignmentDraft).where(AssignmentDraft.id == draft_id))
    return found


async def content(work: Work, draft_id: UUID) -> Content:
    """Return what a draft says."""
    row = (await work.session.scalars(select(AssignmentDraft).where(AssignmentDraft.id == draft_id))).one_or_none()
    if row is None:
        raise NotFound("AssignmentDraft", draft_id, path=["draftId"])
    return content_of(row)


def content_of(row: AssignmentDraft) -> Content:
    """Return what a row says."""
    try:
        return Content(terms_of(row.terms), recipients_of(row.recipients))
    except ValidationError as error:
        raise LookupError(f"draft {row.id} does not hold what was written into it") from error


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentDraft]:
    """Return the drafts with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(AssignmentDraft).where(AssignmentDraft.id.in_(ids)))
    return {row.id: row for row in found}


async def listed(work: Work, page: PageRequest) -> Page[AssignmentDraft]:
    """List the drafts of the viewer's org unit, the last changed first."""
    row = AssignmentDraft
    orders = [Order(row.changed_at, descending=True), Order(row.id, descending=True)]
    return await paged(work, select(row), orders, page)


async def _held(work: Work, draft_id: UUID, expected_version: int | None) -> AssignmentDraft:
    wanted = select(AssignmentDraft).where(AssignmentDraft.id == draft_id).with_for_update()
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:
        raise NotFound("AssignmentDraft", draft_id, path=["id"])
    if expected_version is not None and row.version != expected_version:
        raise StateDrift("The draft was changed meanwhile.", current_state="CHANGED", current_version=row.version)
    return row


def _check(content: Content) -> None:
    terms = content.terms
    assignments_terms.check_limits(terms)
    for name, instant in (("validFrom", terms.valid_from), ("validUntil", terms.valid_until)):
        if instant is not None and instant.tzinfo is None:
            raise InvalidInput(f"'{instant.isoformat()}' names no time zone.", path=[name])
    if terms.name is not None:
        assignments_terms.stated(terms.name, LONGEST_NAME, "name")
    if len(content.recipients) > MOST:
        raise InvalidInput(
            f"There are {len(content.recipients)} recipients; a draft takes at most {MOST}.", path=["recipients"]
        )
