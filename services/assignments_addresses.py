"""Addresses as people paste them: lines, commas or semicolons, each with or without a name (RFC 5322, section 3.4)."""

import re
from email.utils import parseaddr

from models.assignments import TargetKind
from services.assignments_recipients import Recipient

_SEPARATORS = re.compile(r'[\n;,](?=(?:[^"]*"[^"]*")*[^"]*$)')


def recipients(text: str) -> list[Recipient]:
    """Return a recipient for each address in a text; what is none stays as it was written, to be refused by its row.

    `Ada Lovelace <ada@example.org>` gives a name to the person who is made for an address that nobody has.
    """
    pieces = (piece.strip() for line in text.splitlines() for piece in _SEPARATORS.split(line))
    return [_recipient(piece) for piece in pieces if piece]


def _recipient(piece: str) -> Recipient:
    name, address = parseaddr(piece)
    if "@" not in address:
        return Recipient(TargetKind.EMAIL, piece)
    return Recipient(TargetKind.EMAIL, address, None, name.strip() or None)
