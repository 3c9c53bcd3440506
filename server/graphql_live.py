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
    results: AsyncGenerator[Any, None],
    context: object,
    answer_of: Callable[[Any], A],
    push: Callable[[A], bool] | None = None,
) -> AsyncGenerator[A, None]:
    """Yield an answer for each result, or the one that somebody else was given for the same.

    With `push`, an answer may be handed to that instead, at a moment when the next one is waited for here.
    """
    while True:
        live: Live | None = getattr(context, "live", None)
        if live is not None and push is not None:
            live.offer(answer_of, push)
        known: A | None = None if live is None else await live.known()
        if known is not None:
            yield known
            del known  # which would be kept until the next one
            continue
        made: A | None = None
        try:
            result = await anext(results)
            _note_extensions(context, result)
            answer = answer_of(result)
            made = answer if answer.was_executed else None
        except StopAsyncIteration:
            return
        finally:
            if live is not None:
                live.settle(made)
        yield answer
        del answer, made, result


def _note_extensions(context: object, result: object) -> None:
    """Note what the answers of this operation say beside their data: the same each time."""
    live: Live | None = getattr(context, "live", None)
    if live is not None:
        live.extensions = getattr(result, "extensions", None)
