"""The answers of one operation, where those of an open subscription are made by one for all who get the same."""

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from resolvers.streams_live import Live


class Answered(Protocol):
    """What is shared of an answer depends on this."""

    @property
    def was_executed(self) -> bool:
        """Whether any resolver ran."""
        ...


A = TypeVar("A", bound=Answered)


async def answered(
    results: AsyncGenerator[Any, None], context: object, answer_of: Callable[[Any], A]
) -> AsyncGenerator[A, None]:
    """Yield an answer for each result, or the one that somebody else was given for the same."""
    while True:
        live: Live | None = getattr(context, "live", None)
        known: A | None = None if live is None else await live.known()
        if known is not None:
            yield known
            continue
        made: A | None = None
        try:
            answer = answer_of(await anext(results))
            made = answer if answer.was_executed else None
        except StopAsyncIteration:
            return
        finally:
            if live is not None:
                live.settle(made)
        yield answer
