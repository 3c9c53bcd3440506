"""What each field demands, read from the schema itself: for `capabilities`, docs/access.md and the tests."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from strawberry import Schema
from strawberry.types.base import StrawberryObjectDefinition

from schema.access import Candidate, Public, Requires, SignedIn

KINDS = {Requires: "requires", Candidate: "candidate", SignedIn: "signedIn", Public: "public"}


@cache
def declared(schema: Schema) -> Mapping[tuple[str, str], tuple[str, str | None]]:
    """Return, by type and field, what is demanded: the kind of demand, and the capability where one is named."""
    return dict(sorted(_declared(schema)))


@cache
def fields_by_capability(schema: Schema) -> Mapping[str, Sequence[str]]:
    """Return the fields that demand each capability, as `Type.field`, sorted."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for (kind, name), (_, capability) in declared(schema).items():
        if capability is not None:
            found[capability].append(f"{kind}.{name}")
    return found


def _declared(schema: Schema) -> Iterator[tuple[tuple[str, str], tuple[str, str | None]]]:
    for kind in schema.schema_converter.type_map.values():
        definition = kind.definition
        if not isinstance(definition, StrawberryObjectDefinition):
            continue
        owner = schema.config.name_converter.from_object(definition)
        for field in definition.fields:
            for directive in field.directives:
                demand = KINDS.get(cast("Any", type(directive)))
                if demand is not None:
                    named = cast("str | None", getattr(directive, "capability", None))
                    name = schema.config.name_converter.from_field(field)
                    yield (owner, name), (demand, None if named is None else str(named))
