"""Issuing and what comes before it: drafts, and the preview of what would be sent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID

from dataloaders import assignments as loaders
from models.assignments import Assignment, AssignmentDraft
from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import (
    assignments_drafts,
    assignments_issue,
    assignments_preview,
    invitations,
    lockdown_keys,
    public_links,
)
from services.assignments_drafts import Content
from services.assignments_issue import Public
from services.assignments_preview import Preview
from services.idempotency import Answer
from services.invitations import Invited
from services.lockdown import Keys
from services.paging import Page, PageRequest
from services.public_links import Wanted as PublicLinkWanted
from services.work import Work


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be issued: a draft as it was saved, or what is said here."""

    content: Content
    draft_id: UUID | None = None
    expected_version: int | None = None
    public_link: PublicLinkWanted | None = None
    lockdown: Keys | None = None


@dataclass(frozen=True, slots=True)
class IssuedRow:
    """What became of one recipient: an invitation, so many people of a group, or why nobody."""

    ref: str
    invited: Invited | None
    people: int
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Issued:
    """An assignment as just issued, with one row for each recipient, in order."""

    assignment: Assignment
    rows: Sequence[IssuedRow]


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_preview(context: Context, wanted: Wanted) -> Preview:
    """Tell what issuing would do now."""

    async def look(work: Work) -> Preview:
        content = wanted.content
        if wanted.draft_id is not None:
            content = await assignments_drafts.content(work, wanted.draft_id)
        return await assignments_preview.preview(work, content.terms, content.recipients)

    return await context.read(look)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_issue(context: Context, wanted: Wanted, key: str | None) -> Issued:
    """Issue an evaluation version to people and groups, and mail them."""
    tokens, wanted_link = context.house.tokens, wanted.public_link
    link = partial(invitations.link, context.house.site, tokens)
    public = None if wanted_link is None else Public(wanted_link, tokens.secret_for(public_links.CODES))

    async def act(work: Work) -> Answer:
        content = wanted.content
        if wanted.draft_id is not None:
            content = await assignments_drafts.take(work, wanted.draft_id, wanted.expected_version)
        answer = await assignments_issue.issue(work, content.terms, content.recipients, link, public)
        if wanted.lockdown is not None:
            await lockdown_keys.change(work, UUID(answer["assignment"]), wanted.lockdown, ["lockdown"])
        return answer

    answer = await context.write("assignmentIssue", key, asdict(wanted), act)
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["assignment"]))
    if row is None:
        raise LookupError(f"assignment {answer['assignment']} cannot be read back")
    ids = [UUID(one["invitation"]) for one in answer["rows"] if one["invitation"] is not None]
    invited = dict(zip(ids, await context.loaders.of(loaders.invitations).load_many(ids), strict=True))
    return Issued(row, [_issued(one, invited) for one in answer["rows"]])


def token(context: Context, invited: Invited) -> str:
    """Return the token of an invitation that the viewer has just issued."""
    return invitations.mint(context.house.tokens, invited.invitation)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def draft(context: Context, draft_id: UUID | None) -> AssignmentDraft | None:
    """Return a draft of the viewer's org unit."""
    return None if draft_id is None else await context.loaders.of(loaders.drafts).load(draft_id)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def drafts_page(context: Context, page: PageRequest) -> Page[AssignmentDraft]:
    """List the drafts of the viewer's org unit."""
    return await context.read(assignments_drafts.listed, page)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_draft_save(
    context: Context, draft_id: UUID | None, content: Content, expected_version: int | None, key: str | None
) -> AssignmentDraft | None:
    """Keep a draft."""

    async def act(work: Work) -> Answer:
        return await assignments_drafts.save(work, draft_id, content, expected_version)

    given = {"id": draft_id and str(draft_id), "content": asdict(content), "version": expected_version}
    answer = await context.write("assignmentDraftSave", key, given, act)
    return await context.loaders.of(loaders.drafts).load(UUID(answer["draft"]))


@requires(Capability.ASSIGNMENTS_ISSUE)
async def assignment_draft_delete(context: Context, draft_id: UUID, key: str | None) -> UUID:
    """Remove a draft and return the id it had."""

    async def act(work: Work) -> Answer:
        return await assignments_drafts.remove(work, draft_id)

    answer = await context.write("assignmentDraftDelete", key, {"id": str(draft_id)}, act)
    return UUID(answer["draft"])


def _issued(answer: dict[str, Any], invited: dict[UUID, Invited | None]) -> IssuedRow:
    found = None if answer["invitation"] is None else invited[UUID(answer["invitation"])]
    return IssuedRow(answer["ref"], found, answer["invited"], answer["problem"])
