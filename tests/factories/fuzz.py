"""Operations made up from the schema: most of them valid, the others nearly so, with real and with wild arguments."""

import random
import re
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

WILD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31 - 1,
    -(2**31),
    2**31,
    2**63,
    10**40,
    1.5,
    -0.0,
    1e308,
    "",
    " ",
    "null",
    "0",
    "-1",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999999999",
    "1e-999999999",
    "0." + "0" * 60 + "1",
    "9" * 400,
    "٣",
    "½",
    "a\u0301",
    "\u202e",
    "\U0001f600" * 40,
    "\x01\x1b\x7f",
    "%s%n{0}{x}",
    "'; drop table users; --",
    "%",
    "_\\",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "x" * 5000,
    "=",
    "====",
    "QQ==",
    "T2JqZWN0OjE=",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "0001-01-01T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-11-20T12:00:60Z",
    "2026-11-20T12:00:00",
    "2026-11-20",
    "eyJhbGciOiJub25lIn0.e30.",
    "a.b.c",
    [],
    [None],
    [[[[[]]]]],
    ["x"] * 300,
    {},
    {"": ""},
    {"a": {"b": {"c": [1, {"d": None}]}}},
)

TAMED: dict[str, tuple[Any, ...]] = {
    "Int": (1, 1, 2, 2, 3, 5, 20, 100, 201, 3600, 0, -1, 2**31 - 1),
    "Float": (0.0, 1.5, -1e300),
    "Boolean": (True, False),
    "String": ("x", "W", "Fuzz", "right", "a" * 40, "2026", "Wörter mit Ü", "", "a" * 200, "a" * 256),
    "Decimal": ("0", "1", "60", "99.99", "100", "100.01", "-1", "0.0001", "1e3", "123456789012.3456"),
    "DateTime": ("2026-11-20T12:00:00Z", "2030-01-01T00:00:00+02:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    "UUID": ("019a0000-0000-7000-8000-000000000000",),
    "JSON": ({}, {"characters": 12}, [], "x", None, 3),
    "ID": ("x",),
}


@dataclass
class Operation:
    """What is sent, and whether it opens a stream."""

    query: str
    variables: dict[str, Any]
    root: str
    is_stream: bool


@dataclass
class Fuzzer:
    """Makes operations; `learn` puts values of answers into the arguments of later ones. The same seed, the same fuzz."""

    schema: GraphQLSchema
    seed: int
    seen: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - reproducible, not secret
        roots = (self.schema.query_type, self.schema.mutation_type, self.schema.subscription_type)
        self.roots = [(root, name) for root in roots if root for name in root.fields]

    def learn(self, data: Any) -> None:
        """Remember ids, tokens and cursors of an answer."""
        waiting = [data]
        while waiting:
            item = waiting.pop()
            if isinstance(item, list):
                waiting += item
            elif isinstance(item, dict):
                for name, value in item.items():
                    if isinstance(value, str):
                        self.teach(name, value)
                        if name == "id":
                            self.teach("id", value, item.get("__typename", ""))
                    else:
                        waiting.append(value)

    def teach(self, name: str, value: str, kind: str = "") -> None:
        kinds = ("id", "uuid", "cursor", "endCursor", "startCursor", "invitationToken", "reference", "contentHash")
        if name in kinds:
            values = self.seen.setdefault(kind or ("cursor" if name.endswith("Cursor") else name), [])
            if value not in values:
                values.append(value)
                del values[:-60]

    def operation(self, number: int) -> Operation:
        """Return the operation of this number: every root field has its turn."""
        root, name = self.roots[number % len(self.roots)]
        maker = _Maker(self, name, self.random.choice((0.0, 0.0, 0.02, 0.2)))
        body = maker.field(name, root.fields[name], 0)
        kind = {self.schema.query_type: "query", self.schema.mutation_type: "mutation"}.get(root, "subscription")
        if kind == "query" and self.random.random() < 0.2:
            other = self.random.choice(sorted(root.fields))
            body += f" other: {maker.field(other, root.fields[other], 0)}"
        declared = f"({', '.join(maker.declared)})" if maker.declared else ""
        query = f"{kind} Fuzz{declared} {{ {body} }}"
        if self.random.random() < 0.1:
            query = self._damaged(query)
        return Operation(query, maker.variables, name, kind == "subscription")

    def _damaged(self, query: str) -> str:
        pieces = re.split(r"(\W)", query)
        place = self.random.randrange(len(pieces))
        match self.random.randrange(4):
            case 0:
                del pieces[place]
            case 1:
                pieces.insert(
                    place, self.random.choice(["{", "}", "@include(if: true)", "...", "$", "!", "(", "x", '"'])
                )
            case 2:
                pieces[place] = self.random.choice(["null", "__typename", "__schema", "9", "\ufeff", "id"])
            case _:
                pieces[place], pieces[-1] = pieces[-1], pieces[place]
        return "".join(pieces)


class _Maker:
    """Writes one operation."""

    def __init__(self, fuzzer: Fuzzer, root: str, wildness: float) -> None:
        self.fuzzer = fuzzer
        self.root = root
        self.wildness = wildness
        self.random = fuzzer.random
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}

    def field(self, name: str, definition: GraphQLField, depth: int) -> str:
        given = [
            f"{key}: {self.argument(key, argument.type)}"
            for key, argument in definition.args.items()
            if is_required_argument(argument) or self.random.random() < 0.4
        ]
        arguments = f"({', '.join(given)})" if given else ""
        return f"{name}{arguments}{self.selection(get_named_type(definition.type), depth + 1)}"

    def selection(self, kind: Any, depth: int) -> str:
        if is_leaf_type(kind):
            return ""
        if isinstance(kind, GraphQLUnionType):
            parts = [f"... on {one.name}{self.selection(one, depth + 1)}" for one in kind.types]
            return f" {{ __typename {' '.join(self.random.sample(parts, min(3, len(parts))))} }}"
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        parts = ["__typename"]
        if isinstance(kind, GraphQLInterfaceType):
            chosen = self.random.sample(
                sorted(self.fuzzer.schema.get_possible_types(kind), key=lambda one: one.name), 1
            )
            parts += [f"... on {one.name}{self.selection(one, depth + 1)}" for one in chosen if depth < 5]
        for name, definition in kind.fields.items():
            inner = get_named_type(definition.type)
            if is_leaf_type(inner):
                wanted = self.random.random() < 0.6 or name in {"id", "cursor"}
            else:
                wanted = depth < 5 and self.random.random() < (0.8 if name in {"nodes", "problems"} else 0.35)
            if wanted:
                parts.append(f"{self._alias(definition)}{self.field(name, definition, depth)}")
        return f" {{ {' '.join(parts)} }}"

    def _alias(self, definition: GraphQLField) -> str:
        """Two types of a fragment may have a field of one name with other arguments, so such a field has an alias."""
        return f"a{self.random.randrange(10**9)}: " if definition.args else ""

    def argument(self, name: str, kind: Any) -> str:
        value = self.value(name, kind, 0)
        if self.random.random() < 0.6:
            variable = f"v{len(self.variables)}"
            self.declared.append(f"${variable}: {kind}")
            self.variables[variable] = value
            return f"${variable}"
        return literal(value, get_named_type(kind))

    def value(self, name: str, kind: Any, depth: int) -> Any:
        random = self.random
        if random.random() < self.wildness:
            return random.choice(WILD)
        if isinstance(kind, GraphQLNonNull):
            return self.value(name, kind.of_type, depth)
        if isinstance(kind, GraphQLList):
            return [self.value(name, kind.of_type, depth + 1) for _ in range(random.choice((0, 1, 1, 2, 3, 12)))]
        if isinstance(kind, GraphQLEnumType):
            return random.choice(sorted(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind, depth)
        return self._scalar(name, kind.name)

    def _kind_of_id(self, name: str) -> str:
        """Guess from the argument's or the field's name what an id is to lead to; now and then anything."""
        wanted = self.root if name in {"id", "ids"} else name.removesuffix("Id").removesuffix("Ids")
        kinds = [kind for kind in self.fuzzer.seen if kind and wanted.lower().startswith(kind.lower())]
        return max(kinds, key=len) if kinds and self.random.random() < 0.9 else "id"

    def _object(self, kind: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        if kind.is_one_of and self.random.random() < 0.9:
            name, one = self.random.choice(sorted(kind.fields.items()))
            return {name: self.value(name, one.type, depth + 1)}
        return {
            name: self.value(name, one.type, depth + 1)
            for name, one in kind.fields.items()
            if is_required_input_field(one) or (depth < 5 and self.random.random() < 0.45)
        }

    def _scalar(self, name: str, kind: str) -> Any:
        source = {"ID": self._kind_of_id(name), "UUID": "uuid"}.get(kind)
        if kind == "String":
            source = {"token": "invitationToken", "after": "cursor", "before": "cursor", "cursor": "cursor"}.get(name)
        known = self.fuzzer.seen.get(source or name)
        if known and self.random.random() < 0.85:
            value = self.random.choice(known)
            return value[:-2] + "x" + value[-1:] if self.random.random() < 0.08 else value
        return self.random.choice(TAMED.get(kind, WILD))


def literal(value: Any, kind: Any) -> str:
    """Write a value as GraphQL; an enum's name stands without quotes."""
    if isinstance(value, dict):
        fields = getattr(kind, "fields", {})
        parts = []
        for name, inner in value.items():
            definition = fields.get(name, Undefined)
            inner_kind = get_named_type(definition.type) if definition is not Undefined else None
            parts.append(f"{name}: {literal(inner, inner_kind)}")
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, kind) for item in value) + "]"
    if isinstance(value, str):
        if isinstance(kind, GraphQLEnumType) and value in kind.values:
            return value
        escaped = "".join(f"\\u{ord(one):04x}" if one < " " or one in '"\\' or one == "\x7f" else one for one in value)
        return f'"{escaped}"'
    return (
        {None: "null", True: "true", False: "false"}.get(value, repr(value))
        if value is None or isinstance(value, bool)
        else repr(value)
    )
