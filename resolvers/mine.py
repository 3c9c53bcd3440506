"""What is one's own: programmes and assignments of whoever is signed in, in whatever org unit, and of nobody else.

Nobody needs a capability for it, so row-level security would hide it: these reads span the org units, and each
statement names the person of the token. A service token is nobody, and has nothing.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from resolvers.access import signed_in
from resolvers.context import Context
from services import assignments_mine, programmes_mine
from services.assignments_mine import Own
from services.paging import Page, PageRequest
from services.programmes_mine import OwnProgramme
from services.viewer import Via
from services.work import Work

T = TypeVar("T")


@signed_in
async def my_programmes(context: Context, page: PageRequest) -> Page[OwnProgramme]:
    """List the programmes that the viewer is enrolled in."""

    async def read(work: Work, user_id: UUID) -> Page[OwnProgramme]:
        return await programmes_mine.listed(work, user_id, page)

    return await _own(context, read)


@signed_in
async def my_assignments(context: Context, page: PageRequest, *, is_closed: bool | None) -> Page[Own]:
    """List the viewer's assignments that no programme has issued."""

    async def read(work: Work, user_id: UUID) -> Page[Own]:
        return await assignments_mine.standalone(work, user_id, page, is_closed=is_closed)

    return await _own(context, read)


async def counted(context: Context, page: Page[T]) -> int:
    """Count the whole of a list that was read for the viewer in person."""
    async with context.house.office.snapshot(context.viewer.in_person()) as work:
        return await page.total(work)


async def _own(context: Context, read: Callable[[Work, UUID], Awaitable[Page[T]]]) -> Page[T]:
    user_id = context.viewer.user_id
    if user_id is None or context.viewer.via is not Via.ACCESS:
        return Page([], [], has_next=False, has_previous=False, total=_nothing)
    async with context.house.office.snapshot(context.viewer.in_person()) as work:
        return await read(work, user_id)


async def _nothing(_work: Work) -> int:
    return 0
