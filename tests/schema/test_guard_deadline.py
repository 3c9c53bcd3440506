"""How long an operation may take is decided by what it asks for, and nothing is smuggled in beside a bulk mutation."""

import pytest
from graphql import parse

from schema.guard_deadline import BULK_SECONDS, OPERATION_SECONDS, seconds_for
from tests.walks.conftest import document


@pytest.mark.parametrize(
    ("text", "name", "seconds"),
    [
        (document("UsersImport"), None, BULK_SECONDS),
        ("mutation { many: usersImport { x } }", None, BULK_SECONDS),
        ("mutation A { usersImport { x } } mutation B { roleCreate { x } }", "A", BULK_SECONDS),
        ("mutation A { usersImport { x } } mutation B { roleCreate { x } }", "B", OPERATION_SECONDS),
        ("mutation { usersImport: roleCreate { x } }", None, OPERATION_SECONDS),
        ("mutation { usersImport { x } roleCreate { x } }", None, OPERATION_SECONDS),
        ("mutation { ...F } fragment F on Mutation { usersImport { x } }", None, OPERATION_SECONDS),
        (document("Users"), None, OPERATION_SECONDS),
    ],
)
def test_only_a_bulk_mutation_alone_may_take_longer(text: str, name: str | None, seconds: float):
    assert seconds_for(parse(text), name) == seconds


def test_what_was_never_parsed_has_no_longer_time():
    assert seconds_for(None, None) == OPERATION_SECONDS
