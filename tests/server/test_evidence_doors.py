"""What a Range asks for, and how a file is named to a browser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.evidence import Span, as_global, disposition, span_of


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("", (0, 10)), ("bytes=0-", (0, 10)), ("bytes=2-4", (2, 5)), ("bytes=9-9", (9, 10)), ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)), ("bytes=4-99", (4, 10)), ("bytes=10-", None), ("bytes=-0", None), ("bytes=4-2", (0, 10)),
        ("bytes=-", (0, 10)), ("bytes=a-b", (0, 10)), ("bytes=0-1,3-4", (0, 10)), ("chapters=1-2", (0, 10)),
    ],
)  # fmt: skip
def test_what_a_range_asks_for(header: str, span: tuple[int, int] | None) -> None:
    assert span_of(header, 10) == (None if span is None else Span(*span))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_span_never_leaves_the_file(first: int, last: int, size: int) -> None:
    span = span_of(f"bytes={first}-{last}", size)
    assert span is None or 0 <= span.start < span.end <= size


@given(st.text(min_size=1))
def test_no_file_name_breaks_out_of_its_header(name: str) -> None:
    header = disposition(name.encode("utf-8", "ignore").decode())
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "\r" not in header
    assert "\n" not in header


def test_ids_are_uuids_or_global() -> None:
    assert as_global("Upload", "0190f3a0-0000-7000-8000-000000000000").startswith("VXBsb2Fk")
    assert as_global("Upload", "VXBsb2Fk") == "VXBsb2Fk"
    assert as_global("Upload", 7) == 7
