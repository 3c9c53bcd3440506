"""Global object ids: opaque to clients, a kind and a UUID inside (api.md, "Documents and types")."""

import base64
import binascii
from collections.abc import Sequence
from uuid import UUID

import strawberry

from schema.access import told
from services.refusals import NotFound


@strawberry.interface(description="An object with a global id, which `node(id:)` finds again.")
class Node:
    """What every object of the API has."""

    id: strawberry.ID = told("Opaque global id; keep it as it is.")
    uuid: UUID = told("The same identity as a plain UUID, for exports and support.")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def global_id(kind: str, uuid: UUID | str) -> strawberry.ID:
    """Return the global id of an object of a kind."""
    encoded = binascii.b2a_base64(f"{kind}:{uuid}".encode(), newline=False)
    return strawberry.ID(encoded.translate(_URL_SAFE, b"=").decode())


def split_id(value: str) -> tuple[str, UUID] | None:
    """Return kind and UUID of a global id; None when it is none."""
    try:
        kind, _, uuid = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode().partition(":")
        return kind, UUID(uuid)
    except (ValueError, binascii.Error):
        return None


def local_id(kind: str, value: str, *, path: Sequence[str | int] = ("id",)) -> UUID:
    """Return the UUID in a global id of this kind; anything else does not exist, as far as the caller is told."""
    parts = split_id(value)
    if parts is None or parts[0] != kind:
        raise NotFound(kind, value[:80], path=path)
    return parts[1]


def looked_for(kind: str, value: str) -> UUID | None:
    """Return the UUID in a global id of this kind, for queries that answer null for what does not exist."""
    parts = split_id(value)
    return parts[1] if parts is not None and parts[0] == kind else None
