"""Any object by its global id, with the rights that its own field asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from resolvers.access import signed_in
from resolvers.context import Context
from services.refusals import BadUserInput, Forbidden

T = TypeVar("T")

Find = Callable[[Context, UUID], Awaitable[T | None]]

LARGEST = 100


@signed_in
async def node(context: Context, find: Find[T] | None, uuid: UUID) -> T | None:
    """Return one object; None for what is unknown, and for what the viewer has no right to see."""
    return await _found(context, find, uuid)


@signed_in
async def nodes(context: Context, wanted: Sequence[tuple[Find[T] | None, UUID]]) -> list[T | None]:
    """Return several objects in order; those of one kind are read together."""
    if len(wanted) > LARGEST:
        raise BadUserInput(f"At most {LARGEST} objects are looked up at once, not {len(wanted)}.")
    return list(await asyncio.gather(*(_found(context, find, uuid) for find, uuid in wanted)))


async def _found(context: Context, find: Find[T] | None, uuid: UUID) -> T | None:
    if find is None:
        return None
    try:
        return await find(context, uuid)
    except Forbidden as refusal:
        context.denied(refusal.capability, "node")
        return None
