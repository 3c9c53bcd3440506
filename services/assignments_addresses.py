"""Addresses as people send them: pasted by lines, commas or semicolons (RFC 5322, section 3.4), or as CSV."""

import re
from email.utils import parseaddr

from models.assignments import TargetKind
from services import csv_rows
from services.assignments_recipients import MOST, Recipient

COLUMNS = ("email", "display_name")
_SEPARATORS = re.compile(r'[\n;,](?=(?:[^"]*"[^"]*")*[^"]*$)')


def recipients(text: str) -> list[Recipient]:
    """Return a recipient for each address in a text; what is none stays as it was written, to be refused by its row.

    `Ada Lovelace <ada@example.org>` gives a name to the person who is made for an address that nobody has.
    """
    pieces = (piece.strip() for line in text.splitlines() for piece in _SEPARATORS.split(line))
    return [_recipient(piece) for piece in pieces if piece]


def rows(text: str) -> list[Recipient]:
    """Return a recipient for each row of CSV with the columns `email` and, if wanted, `display_name`.

    Refuses what is no such CSV; an address that is none is refused by its row.
    """
    lines = csv_rows.read(text, COLUMNS, MOST)
    cells = [line.cells for line in lines]
    return [Recipient(TargetKind.EMAIL, one.get("email", ""), None, one.get("display_name") or None) for one in cells]


def _recipient(piece: str) -> Recipient:
    name, address = parseaddr(piece)
    if "@" not in address:
        return Recipient(TargetKind.EMAIL, piece)
    return Recipient(TargetKind.EMAIL, address, None, name.strip() or None)
