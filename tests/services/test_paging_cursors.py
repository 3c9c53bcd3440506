"""A page cursor is input like any other: what the order's columns cannot hold never reaches the database."""

import base64
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import BigInteger, Boolean, DateTime, Integer, Text, Uuid, column

from services.paging import Order, _read, _write
from services.refusals import BadUserInput

ORDERS = [
    Order(column(kind.__name__, kind(timezone=True) if kind is DateTime else kind()))
    for kind in (Text, DateTime, Integer, BigInteger, Boolean, Uuid)
]
VALUES = ["a", datetime(2026, 11, 20, tzinfo=UTC), 7, 2**40, True, uuid4()]


def cursor(*tagged: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(tagged)).decode().rstrip("=")


def test_what_was_written_is_read() -> None:
    assert _read(_write(VALUES), ORDERS) == VALUES


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_value_of_another_column_is_refused(place: int) -> None:
    for other in VALUES:
        if type(other) is not type(VALUES[place]):
            values = [*VALUES[:place], other, *VALUES[place + 1 :]]
            with pytest.raises(BadUserInput, match="another list or order"):
                _read(_write(values), ORDERS)


@pytest.mark.parametrize(
    ("kind", "tagged"),
    [
        (Integer, ["v", 2**31]),
        (Integer, ["v", True]),
        (BigInteger, ["v", 2**63]),
        (Text, ["v", "a\x00"]),
        (Text, ["v", None]),
        (Text, ["v", ["a"]]),
        (Text, ["v"]),
        (Text, "v"),
        (Text, ["x", "a"]),
        (DateTime, ["t", 5]),
        (DateTime, ["t", "noon"]),
        (DateTime, ["t", "0001-01-01T00:00:00+23:59"]),
        (DateTime, ["t", "9999-12-31T23:59:59-23:59"]),
        (Uuid, ["u", 5]),
        (Uuid, ["u", "x"]),
    ],
)
def test_what_no_database_takes_is_refused(kind: type, tagged: object) -> None:
    with pytest.raises(BadUserInput):
        _read(cursor(tagged), [Order(column("c", kind()))])


@pytest.mark.parametrize("text", ["", "=", "x", "null", "W10", "e30", "٣", "\x00", "a" * 100_000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadUserInput):
        _read(text, [Order(column("c", Text()))])
