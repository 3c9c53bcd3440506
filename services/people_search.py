"""Looking for people by the beginning of a name or an address, in whatever list they stand."""

from sqlalchemy import ColumnElement, Text, func, or_

from models.identity import User
from services.prepared import given


def values(search: str) -> dict[str, str]:
    """Return the values that `found` is to be given; `/` makes a sign of LIKE stand for itself."""
    pattern = search.strip().replace("/", "//").replace("%", "/%").replace("_", "/_") + "%"
    return {"search": pattern, "folded": pattern.casefold()}


def found() -> ColumnElement[bool]:
    """Build the condition that a person's name or address begins with the text."""
    named = func.lower(User.display_name).like(func.lower(given("search", Text())), escape="/")
    return or_(User.email.like(given("folded", Text()), escape="/"), named)
