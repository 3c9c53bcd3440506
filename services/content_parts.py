"""The parts that questions and responses are made of: texts, ids and decimal strings, with their limits."""

import hashlib
import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictStr, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from services.refusals import InvalidInput

LONGEST_STEM = 20_000
LONGEST_OPTION = 2_000
LONGEST_SHORT_TEXT = 1_000
LONGEST_ESSAY = 50_000
LONGEST_NUMBER = 40
MOST_FILES = 20
LARGEST_FILE = 2**31 - 1
"""Bytes: the largest whole number of GraphQL."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 60


class ClosedSet(StrEnum):
    """A closed set of words that may be written as stored or in the capitals of GraphQL's enum values."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return next((member for member in cls if member.name == value), None)


class Part(BaseModel):
    """A frozen value of a question or response; a field it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=BaseModel)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul", "A text cannot contain the NUL character")
    if _SURROGATE.search(text):
        raise PydanticCustomError("surrogate", "A text cannot contain half of a surrogate pair")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "Write a text here; this one is empty")
    return text


def _number(text: str) -> str:
    number = text.strip().replace("\N{MINUS SIGN}", "-")
    if "," in number:
        raise PydanticCustomError("comma", "Write a decimal point and no thousands separator: '3.14', not '3,14'")
    if not _NUMBER.fullmatch(number):
        raise PydanticCustomError("number", "Write a decimal number as a string, such as '-12.5' or '6.02e23'")
    return number


Text = Annotated[StrictStr, AfterValidator(_storable)]
"""Any text that PostgreSQL can store: no NUL, no lone surrogate."""

Words = Annotated[Text, AfterValidator(_not_blank)]
"""A text with at least one visible character."""

OptionText = Annotated[Words, StringConstraints(max_length=LONGEST_OPTION)]
Explanation = Annotated[Text, StringConstraints(max_length=LONGEST_STEM)]
Id = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")]
"""Short stable name of an option within its question. Candidates see it."""

FileId = Annotated[
    StrictStr, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
"""UUID of an upload, as text in small letters."""

MediaRange = Annotated[
    Text, StringConstraints(max_length=127, pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)$")
]
"""A media type in small letters, or all of a kind, such as `image/*`."""

Number = Annotated[Text, StringConstraints(max_length=LONGEST_NUMBER), AfterValidator(_number)]
"""A decimal number as a string, so that no binary fraction ever stands between a candidate and a point."""


class Option(Part):
    """Something to choose, match or order; `text` is Markdown."""

    id: Id
    text: OptionText


def read(model: type[P], raw: object, path: Sequence[str | int]) -> P:
    """Read JSON-like input as `model`; refuse with the place and value of what is wrong first."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        first = problems[0]
        where = (*path, *(_short(step) for step in first["loc"] if step != "[key]"))
        more = f" ({len(problems) - 1} more problems follow)" if len(problems) > 1 else ""
        said = f"{dotted(where)}: {first['msg']}; it is {shown(first['input'])}{more}."
        raise InvalidInput(said, path=where) from None


def _short(step: str | int) -> str | int:
    return step[:_SHOWN] if isinstance(step, str) else step


def dotted(path: Sequence[str | int]) -> str:
    """Return the path as people write it: `content.options.2.text`."""
    return ".".join(str(step) for step in path) or "input"


def shown(value: object) -> str:
    """Return a short, printable form of an offending value."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def refuse_repeats(values: Sequence[str], path: Sequence[str | int], what: str) -> None:
    """Refuse a list in which a value stands twice, naming the second place."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise InvalidInput(f"{dotted(path)}: the {what} {shown(value)} stands twice.", path=(*path, index))
        seen.add(value)


def refuse_unknown(ids: Sequence[str], known: Sequence[str], path: Sequence[str | int], what: str) -> None:
    """Refuse an id that the question does not have, naming those that it has."""
    for value in ids:
        if value not in known:
            listed = ", ".join(known)
            raise InvalidInput(f"{dotted(path)}: there is no {what} {shown(value)}; there is {listed}.", path=path)


def canonical_json(value: Any) -> bytes:
    """Return the one byte form of a JSON value: sorted keys, no spaces, UTF-8. Floats have no place in it."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_no_json
    ).encode()


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _no_json(value: object) -> str:
    raise TypeError(f"{value!r} is no JSON value; write decimals and times as strings first.")
