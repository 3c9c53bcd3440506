"""What every integrator may rely on: everything is described, every root field says who may ask."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    parse,
    validate,
)

from schema.root import schema
from server import sdl

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((ROOT / "graphql" / "operations").rglob("*.graphql"))
CORE = schema._schema
OURS = [t for name, t in CORE.type_map.items() if not name.startswith("__")]
ROOTS = [t for t in (CORE.query_type, CORE.mutation_type, CORE.subscription_type) if t]
ACCESS = {"requires", "public", "candidate", "signedIn"}


def test_every_type_field_argument_and_value_is_described():
    bare = []
    for kind in OURS:
        if kind not in ROOTS and not kind.description:
            bare.append(kind.name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                bare += [] if field.description else [f"{kind.name}.{name}"]
                bare += [f"{kind.name}.{name}({a})" for a, arg in field.args.items() if not arg.description]
        if isinstance(kind, GraphQLInputObjectType):
            bare += [f"{kind.name}.{name}" for name, field in kind.fields.items() if not field.description]
        if isinstance(kind, GraphQLEnumType):
            bare += [f"{kind.name}.{name}" for name, value in kind.values.items() if not value.description]
    assert bare == []


def test_every_root_field_declares_who_may_ask():
    declared = {d.name.value: d for d in parse(sdl.text()).definitions if getattr(d, "name", None)}
    for root in ROOTS:
        fields = declared[root.name].fields
        assert {field.name.value for field in fields} == set(root.fields)
        for field in fields:
            access = [d.name.value for d in field.directives if d.name.value in ACCESS]
            assert len(access) == 1, f"{root.name}.{field.name.value}: {access}"


def test_mutations_take_an_idempotency_key_and_answer_with_problems():
    for name, field in CORE.mutation_type.fields.items():
        given = get_named_type(field.args["input"].type)
        assert "idempotencyKey" in given.fields, name
        answer = get_named_type(field.type)
        problems = answer.fields.get("problems")
        assert problems is not None, name
        assert str(problems.type) == "[Problem!]!", name


def test_lists_are_bounded_or_small():
    """A field that returns a connection takes the four paging arguments."""
    for kind in OURS:
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                if get_named_type(field.type).name.endswith("Connection"):
                    assert {"first", "after"} <= set(field.args), f"{kind.name}.{name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_an_operation_document_is_valid_and_named_as_its_file(path):
    document = parse(path.read_text())
    assert validate(CORE, document) == []
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    assert [operation.name.value for operation in operations] == [path.stem]


def test_every_root_field_has_an_operation_document():
    used = set()
    for path in DOCUMENTS:
        for operation in parse(path.read_text()).definitions:
            if isinstance(operation, OperationDefinitionNode):
                used |= {s.name.value for s in operation.selection_set.selections}
    assert {name for root in ROOTS for name in root.fields} - used == set()


def test_the_printed_schema_is_fresh():
    assert sdl.refresh(check=True), "run 'make sdl'"
