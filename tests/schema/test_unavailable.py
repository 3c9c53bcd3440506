"""A database that is away is told as that; everything else that fails stays an internal error."""

import pytest
from graphql import GraphQLError
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schema.errors import masked


class OrigError(Exception):
    def __init__(self, sqlstate: str | None = None) -> None:
        super().__init__("secret")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (OSError("refused"), "UNAVAILABLE"),
        (PoolTimeout("none left"), "UNAVAILABLE"),
        (OperationalError("select 1", None, OrigError("57P03")), "UNAVAILABLE"),
        (OperationalError("select 1", None, OrigError("08006")), "UNAVAILABLE"),
        (OperationalError("select 1", None, OrigError(), connection_invalidated=True), "UNAVAILABLE"),
        (OperationalError("select 1", None, OrigError("40P01")), "INTERNAL"),
        (IntegrityError("insert", None, OrigError("23505")), "INTERNAL"),
        (ProgrammingError("selekt", None, OrigError("42601")), "INTERNAL"),
        (ValueError("no"), "INTERNAL"),
    ],
)
def test_what_a_client_is_told(cause: Exception, code: str) -> None:
    shown = masked(GraphQLError("secret", original_error=cause), operation=None)
    assert (shown.extensions or {})["code"] == code
    assert "secret" not in str(shown.formatted)
    assert ("retryAfterMs" in (shown.extensions or {})) == (code == "UNAVAILABLE")
