"""Words that people write: names and reasons, trimmed and measured."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from zoneinfo import available_timezones

from services.refusals import InvalidInput

LONGEST_NAME = 200
LONGEST_REASON = 1000
LONGEST_DESCRIPTION = 1000
LONGEST_MESSAGE = 1000


def reason(value: str, *, path: Sequence[str | int] = ("reason",)) -> str:
    """Return a reason, trimmed; refuse an empty or over-long one."""
    return _measured(value, "reason", LONGEST_REASON, path, hint="Say it in a sentence.")


def name(value: str, *, path: Sequence[str | int] = ("name",)) -> str:
    """Return a name, trimmed and in composed form; refuse an empty or over-long one, and control characters."""
    text = _measured(unicodedata.normalize("NFC", value), "name", LONGEST_NAME, path, hint="Write a plain name.")
    if not text.isprintable():
        raise InvalidInput("The name has characters that cannot be shown.", path=path, hint="Write a plain name.")
    return text


def message(value: str, *, path: Sequence[str | int] = ("text",)) -> str:
    """Return a message, trimmed: plain text, possibly of several lines; refuse an empty or over-long one."""
    text = _measured(value.replace("\r\n", "\n"), "text", LONGEST_MESSAGE, path, hint="Write plain text.")
    if not all(line.isprintable() for line in text.split("\n")):
        raise InvalidInput("The text has characters that cannot be shown.", path=path, hint="Write plain text.")
    return text


def description(value: str, *, path: Sequence[str | int] = ("description",)) -> str:
    """Return a description, trimmed; it may be empty."""
    text = value.strip()
    if len(text) > LONGEST_DESCRIPTION or "\x00" in text:
        raise InvalidInput(
            f"The description has {len(text)} characters; at most {LONGEST_DESCRIPTION} are kept.", path=path
        )
    return text


def time_zone(value: str | None, *, path: Sequence[str | int] = ("timeZone",)) -> str | None:
    """Return an IANA time zone that exists, or None for none."""
    if value is None or not value.strip():
        return None
    if value.strip() not in _zones():
        raise InvalidInput(f"'{value[:80]}' is not an IANA time zone.", path=path, hint="Write it as Europe/London.")
    return value.strip()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _measured(value: str, what: str, longest: int, path: Sequence[str | int], *, hint: str) -> str:
    text = value.strip()
    if not text or len(text) > longest or "\x00" in text:
        raise InvalidInput(f"The {what} has {len(text)} characters; it needs 1 to {longest}.", path=path, hint=hint)
    return text
