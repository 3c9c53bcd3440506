"""WHO may ask: one declaration that enforces, and that the schema prints as a directive."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from models.capabilities import Capability
from resolvers.context import Context
from services.refusals import Unauthenticated
from services.viewer import Via

P = ParamSpec("P")
R = TypeVar("R")

Resolver = Callable[Concatenate[Context, P], R]


@dataclass(frozen=True, slots=True)
class Access:
    """What a resolver demands: a capability, a candidate's session token, any signed-in viewer, or nothing."""

    kind: str
    capability: Capability | None = None

    async def check(self, context: Context) -> None:
        """Refuse the viewer of `context` unless the demand is met."""
        via = context.viewer.via
        if self.kind == "public":
            return
        if via is Via.ANONYMOUS:
            raise Unauthenticated("This needs a token, and none was sent.")
        if self.kind == "candidate" and via is not Via.SESSION:
            raise Unauthenticated("This needs a candidate's session token.")
        if self.kind == "signed_in" and via is Via.SESSION:
            raise Unauthenticated("This needs a staff or service token, not a candidate's.")
        await context.admit()
        if self.capability is not None:
            await context.require(self.capability)


ATTRIBUTE = "__access__"


def access_of(resolver: Callable[..., Any]) -> Access:
    """Return what a resolver demands; one that declares nothing is a programming error."""
    access = getattr(resolver, ATTRIBUTE, None)
    if not isinstance(access, Access):
        raise TypeError(f"{resolver.__module__}.{resolver.__qualname__} does not declare who may ask.")
    return access


def _guard(access: Access, resolver: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(resolver):

        @wraps(resolver)
        async def stream(context: Context, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            await access.check(context)
            async for frame in resolver(context, *args, **kwargs):
                yield frame

        guarded: Callable[..., Any] = stream
    else:

        @wraps(resolver)
        async def answer(context: Context, *args: Any, **kwargs: Any) -> Any:
            await access.check(context)
            return await cast("Awaitable[Any]", resolver(context, *args, **kwargs))

        guarded = answer
    setattr(guarded, ATTRIBUTE, access)
    return guarded


def _declare(access: Access) -> Callable[[Resolver[P, R]], Resolver[P, R]]:
    def decorate(resolver: Resolver[P, R]) -> Resolver[P, R]:
        return cast("Resolver[P, R]", _guard(access, resolver))

    return decorate


def requires(capability: Capability) -> Callable[[Resolver[P, R]], Resolver[P, R]]:
    """Demand a capability, resolved from the database for the viewer's org unit."""
    return _declare(Access("requires", capability))


def candidate(resolver: Resolver[P, R]) -> Resolver[P, R]:
    """Demand a candidate's session token."""
    return _declare(Access("candidate"))(resolver)


def signed_in(resolver: Resolver[P, R]) -> Resolver[P, R]:
    """Demand a staff or service token, whatever its capabilities."""
    return _declare(Access("signed_in"))(resolver)


def public(resolver: Resolver[P, R]) -> Resolver[P, R]:
    """Demand nothing: the field checks what it is given itself, or tells nothing about anybody."""
    return _declare(Access("public"))(resolver)
