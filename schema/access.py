"""Fields that declare who may ask: the resolver's own declaration, printed in the SDL as a directive."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, cast

import strawberry
from graphql import FieldNode
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location

from resolvers import access
from resolvers.context import Context, Settled
from schema.plans import Asked

Info = strawberry.Info[Context, Any]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requires",
    description="The caller's roles must hold this capability, in the token's org unit.",
)
class Requires:
    """Printed where a capability is demanded."""

    capability: str = strawberry.directive_field(name="capability")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="candidate",
    description="Only for a candidate's session token, and only about that one session.",
)
class Candidate:
    """Printed where a session token is demanded."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="signedIn",
    description="For every staff and service token, whatever its capabilities.",
)
class SignedIn:
    """Printed where any staff or service token will do."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="public",
    description="Open to everybody; what is given in the arguments decides.",
)
class Public:
    """Printed where no token is needed."""


def directive(resolver: Callable[..., Any]) -> object:
    """Return the directive that says what a resolver demands."""
    declared = access.access_of(resolver)
    if declared.capability is not None:
        return Requires(capability=declared.capability)
    return {"public": Public, "candidate": Candidate, "signed_in": SignedIn}[declared.kind]()


class Guarded(FieldExtension):
    """Asks who may before anything of the input is looked at: who may not learns nothing of what was wrong with it."""

    def __init__(self, demand: access.Access, *, straight: bool = False) -> None:
        self.demand = demand
        self.straight = straight

    async def resolve_async(self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **given: Any) -> Any:
        """Check, then go on; where the act was done before, say what came of it."""
        settled: Settled | None = info.context.settled
        if settled is not None:
            return settled.outcome()
        await self.demand.check(info.context)
        return await next_(source, info, **given)


def ask(resolver: Callable[..., Any], description: str) -> Any:
    """Declare a query field, or a sensitive field of a type, answered by `resolver`."""
    return strawberry.field(description=description, directives=[directive(resolver)])


def preview(resolver: Callable[..., Any], description: str) -> Any:
    """Declare a query that tells what an act would do: like an act, it asks who may before it looks at the input."""
    first = Guarded(access.access_of(resolver))
    return strawberry.field(description=description, directives=[directive(resolver)], extensions=[first])


def act(resolver: Callable[..., Any], description: str, *, straight: bool = False) -> Any:
    """Declare a mutation answered by `resolver`.

    One that takes nothing from `info` but the context may go `straight` (`schema.straight`).
    """
    first = Guarded(access.access_of(resolver), straight=straight)
    return strawberry.mutation(description=description, directives=[directive(resolver)], extensions=[first])


def follow(resolver: Callable[..., Any], description: str) -> Any:
    """Declare a subscription answered by `resolver`."""
    return strawberry.subscription(description=description, directives=[directive(resolver)])


def told(description: str, **options: Any) -> Any:
    """Describe an attribute of a type or an input."""
    return strawberry.field(description=description, **options)


def says(description: str, **options: Any) -> Any:
    """Describe an argument."""
    return strawberry.argument(description=description, **options)


async def alone(many: Any, info: Info, one: Any) -> Any:
    """Answer a field of one object by what answers it for many."""
    return (await many(info.context, [one]))[0]


def selects(info: Info, *names: str) -> bool:
    """Tell whether one of these fields is asked for right below; in a first execution no fragment is looked into."""
    known = selected(info)
    if known is not None:
        return not known.isdisjoint(names)
    asked: object = info
    nodes = () if isinstance(asked, Asked) else cast("Any", info)._raw_info.field_nodes  # noqa: SLF001 - its public form copies the whole selection
    return any(
        isinstance(one, FieldNode) and one.name.value in names
        for node in nodes
        if node.selection_set is not None
        for one in node.selection_set.selections
    )


def selected(info: Info) -> frozenset[str] | None:
    """Return all fields that are selected below, each as its path; None as long as that is not known."""
    asked: object = info
    return asked.below if isinstance(asked, Asked) else None


@lru_cache(maxsize=1024)
def right_below(asked: frozenset[str], *places: str) -> frozenset[str]:
    """Return which of the fields that were asked for lie right below one of these paths."""
    inside = [path.removeprefix(f"{place}.") for place in places for path in asked if path.startswith(f"{place}.")]
    return frozenset(path.partition(".")[0] for path in inside)
