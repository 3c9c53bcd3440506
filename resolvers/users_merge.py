"""Merging a duplicate person into the one who is kept."""

from dataclasses import dataclass
from uuid import UUID

from models.capabilities import Capability
from models.identity import User
from resolvers import users
from resolvers.access import requires
from resolvers.context import Context
from services import users_merge
from services.idempotency import Answer
from services.refusals import NotFound
from services.users_merge import Counts, Preview
from services.work import Work


@dataclass(frozen=True, slots=True)
class Merged:
    """Both people after the merge, and what went over."""

    kept: User | None
    duplicate: User | None
    moved: Counts


@requires(Capability.USERS_MANAGE)
async def user_merge_preview(context: Context, kept_id: UUID | None, duplicate_id: UUID | None) -> Preview:
    """Tell what merging would move; across all org units, as the merge itself."""
    if kept_id is None or duplicate_id is None:
        raise NotFound("User", "?", path=["keptId" if kept_id is None else "duplicateId"])
    async with context.house.office.snapshot(context.viewer.everywhere()) as work:
        return await users_merge.preview(work, kept_id, duplicate_id)


@requires(Capability.USERS_MANAGE)
async def user_merge(context: Context, kept_id: UUID, duplicate_id: UUID, reason: str, key: str | None) -> Merged:
    """Merge a duplicate into the person who is kept."""

    async def act(work: Work) -> Answer:
        return await users_merge.merge(work, kept_id, duplicate_id, reason)

    given = {"kept": str(kept_id), "duplicate": str(duplicate_id), "reason": reason}
    answer = await context.write("userMerge", key, given, act, viewer=context.viewer.everywhere())
    kept, duplicate = await users.people(context, [UUID(answer["user"]), UUID(answer["duplicate"])])
    return Merged(kept, duplicate, Counts(**answer["moved"]))
