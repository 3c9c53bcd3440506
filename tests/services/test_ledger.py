"""The chain's rules, without a database: one text for each value, and every tampering found."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import ledger, ledger_verify
from services.ledger import Checkpoint, Notary

TENANT = UUID(int=7)
NOTARY = Notary(bytes(range(32)))
KEYS = {NOTARY.key_id: NOTARY.public}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_the_canonical_text_is_json_and_a_fixed_point(value):
    text = ledger.canonical(value)
    assert ledger.canonical(ledger.parse(text)) == text
    json.loads(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.10", "1.1"),
        ("1e3", "1000"),
        ("-0.0", "0"),
        ("1.5e-7", "0.00000015"),
        ("100", "100"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        ('"\\u00e9\\u2028\\/\\u001f\\n"', '"é\u2028/\\u001f\\n"'),
        ('{"b":1,"a":[null,true],"\\ud83d\\ude00":2,"\\uffff":3}', '{"a":[null,true],"b":1,"\uffff":3,"😀":2}'),
    ],
)
def test_known_texts(text, canonical):
    assert ledger.canonical(ledger.parse(text)) == canonical


@pytest.mark.parametrize("text", ["NaN", "Infinity", '{"a":1,"a":2}', "[1e999999]"])
def test_what_has_no_canonical_text_is_refused(text):
    with pytest.raises(ValueError, match=r"JSON number|twice"):
        ledger.canonical(ledger.parse(text))
    with pytest.raises(ValueError, match="JSON number"):
        ledger.number(Decimal("NaN"))


def row(n: int) -> SimpleNamespace:
    return SimpleNamespace(
        tenant_id=TENANT,
        id=UUID(int=1000 + n),
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n),
        actor_kind="access",
        actor_id=UUID(int=1),
        actor_name="Ada",
        org_unit_id=None,
        act="role.granted",
        subject_kind="user",
        subject_id=UUID(int=n),
        reason="because",
        before=None,
        after=f'{{"n": {n}, "share": 0.50}}',
    )


def chain(count: int, *, changed: int = 0) -> list[dict]:
    """The lines of an export of so many rows."""
    lines: list[dict] = [
        {"kind": "export", "version": 1, "tenant_id": str(TENANT), "first_position": 1, "previous": ledger.GENESIS}
    ]
    head = ledger.GENESIS
    for n in range(1, count + 1):
        content = ledger.content(row(n), n)
        if n == changed:
            content["reason"] = "forged"
        head = ledger.link(TENANT, n, head, ledger.digest(content))
        lines.append({"kind": "row", **content, "hash": head})
    return [*lines, {"kind": "end"}]


def texts(lines: list[dict]) -> list[str]:
    return [ledger.canonical(line) for line in lines]


def signed(lines: list[dict], count: int) -> Checkpoint:
    return NOTARY.sign(
        tenant_id=TENANT, number=1, count=count, head=lines[count]["hash"], time=datetime(2026, 1, 2, tzinfo=UTC)
    )


def verify(lines: list[dict], *kept: Checkpoint) -> ledger_verify.Verdict:
    return ledger_verify.verify(texts(lines), kept, KEYS)


def test_an_honest_file_is_intact_up_to_the_checkpoint():
    lines = chain(10)
    found = verify(lines, signed(lines, 8))
    assert (found.exit_code, found.rows) == (0, 10)
    assert found.message.startswith(
        "Intact up to checkpoint 1 (position 8, time 2026-01-02T00:00:00.000000Z). 2 sealed"
    )


@given(st.integers(2, 12), st.data())
def test_every_change_of_a_chain_is_found_and_named(count, data):
    lines = chain(count)
    kept = signed(lines, count)
    at = data.draw(st.integers(1, count))
    match data.draw(st.sampled_from(["edit", "delete", "double", "swap", "cut", "rewrite", "hash"])):
        case "edit":
            name = data.draw(st.sampled_from(["act", "reason", "at", "after", "id"]))
            lines[at][name] = "forged"
            first = at
        case "delete":
            del lines[at]
            first = at
        case "double":
            lines.insert(at, dict(lines[at]))
            first = at + 1
        case "swap":
            other = at % count + 1
            lines[at], lines[other] = lines[other], lines[at]
            first = min(at, other)
        case "cut":
            del lines[at:-1]
            first = at
        case "hash":
            lines[at]["hash"] = "0" * 64
            first = at
        case _:
            lines = chain(count, changed=at)
            first = count
    found = verify(lines, kept)
    assert not found.is_intact
    assert found.exit_code == 1
    assert found.position == first, found.message


def test_a_row_that_a_filter_left_out_still_binds():
    lines = chain(5)
    kept = signed(lines, 5)
    for n in (2, 4):
        hidden = {k: v for k, v in lines[n].items() if k not in ("kind", "hash")}
        lines[n] = {"kind": "left_out", "position": n, "digest": ledger.digest(hidden), "hash": lines[n]["hash"]}
    found = verify(lines, kept)
    assert (found.exit_code, found.rows, found.left_out) == (0, 3, 2)
    lines[2]["digest"] = "0" * 64
    assert verify(lines, kept).position == 2


def test_a_checkpoint_must_be_signed_and_without_a_key_that_is_a_remark():
    lines = chain(3)
    good = signed(lines, 3)
    forged = Checkpoint.of(good.to_json() | {"number": 2})
    assert "does not bear a valid signature" in verify(lines, forged).message
    unsure = ledger_verify.verify(texts(lines), [good])
    assert (unsure.exit_code, unsure.is_intact) == (3, True)
    assert "no key" in unsure.remarks[0]
    assert verify(lines).exit_code == 3, "no checkpoint at all"


def test_a_row_written_later_than_it_says_is_a_remark():
    late = chain(3)
    content = ledger.content(row(4), 4) | {"at": "2020-01-01T00:00:00.000000Z"}
    sealed = ledger.link(TENANT, 4, late[3]["hash"], ledger.digest(content))
    late.insert(4, {"kind": "row", **content, "hash": sealed})
    found = verify(late, signed(late, 4))
    assert found.exit_code == 3
    assert "position 4 tells an earlier time" in found.remarks[0]


def test_a_file_without_its_end_is_cut_and_another_file_is_no_export():
    assert "The file is cut" in verify(chain(3)[:-1]).message
    for text in ("", "{}", "[]x"):
        with pytest.raises(ValueError, match=r"export|empty"):
            ledger_verify.verify([text])


def test_published_keys_are_read_again():
    assert set(ledger.published_keys(ledger.published({NOTARY.key_id: NOTARY.public}))) == {NOTARY.key_id}
