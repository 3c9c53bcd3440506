"""The hash chain over the activity ledger: canonical bytes, digests, links and signed checkpoints.

Pure rules, without a database. docs/guides/ledger.md describes the format for whoever writes a verifier of their own.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

VERSION: Final = 1
GENESIS: Final = "0" * 64
"""What the first row follows."""

_ROW: Final = b"evalium-activity/1\n"
_CHECKPOINT: Final = b"evalium-activity-checkpoint/1\n"
_KEY: Final = b"evalium-activity-key/1\n"
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES: Final = {**{ord(c): t for c, t in _SHORT.items()}}
_ESCAPES.update({n: f"\\u{n:04x}" for n in range(0x20) if n not in _ESCAPES})
_LARGEST_EXPONENT: Final = 200_000


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys by code point, no spaces, exact decimals, the shortest escapes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.translate(_ESCAPES) + '"'
    if isinstance(value, int | float | Decimal):
        return number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(one) for one in cast("list[Any]", value)) + "]"
    if isinstance(value, dict):
        members = sorted(cast("dict[str, Any]", value).items())
        return "{" + ",".join(f"{canonical(name)}:{canonical(one)}" for name, one in members) + "}"
    raise TypeError(f"{type(value).__name__} is no JSON value")


def number(value: float | Decimal) -> str:
    """Return the exact decimal without exponent, without zeros at the end of a fraction, and without a minus zero."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite() or abs(exact.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{value} is no JSON number")
    if not exact:
        return "0"
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse(text: str) -> Any:
    """Read JSON with numbers as exact decimals; refuses NaN, Infinity and a name that comes twice."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_members)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return found


def instant(value: datetime) -> str:
    """Return a time as it is hashed: UTC, six digits of a second, Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest(row: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of a row's content: everything but its place in the chain."""
    return hashlib.sha256(_ROW + canonical(row).encode()).hexdigest()


def link(tenant_id: UUID | str, position: int, previous: str, content: str) -> str:
    """Return the hash of a row in the chain, from the hash before it and the digest of its content."""
    text = f"evalium-activity-link/1\n{tenant_id}\n{position}\n{previous}\n{content}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def content(row: Any, position: int) -> dict[str, Any]:
    """Return the content of a ledger row, as it is hashed and exported, at its position in the chain."""
    return {
        "version": VERSION,
        "tenant_id": str(row.tenant_id),
        "position": position,
        "id": str(row.id),
        "at": instant(row.at),
        "actor": {"kind": row.actor_kind, "id": _text(row.actor_id), "name": row.actor_name},
        "org_unit_id": _text(row.org_unit_id),
        "act": row.act,
        "subject": {"kind": row.subject_kind, "id": str(row.subject_id)},
        "reason": row.reason,
        "before": _parsed(row.before),
        "after": _parsed(row.after),
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _parsed(value: str | None) -> Any:
    """Read `before` and `after`, which come as the database's own text, so that no number is rounded."""
    return None if value is None else parse(value)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: at `time` the tenant's chain held `count` rows, and the hash of the last was `head`."""

    tenant_id: str
    number: int
    count: int
    head: str
    time: str
    key_id: str
    signature: str

    def signed(self) -> bytes:
        """Return the bytes that the signature is over."""
        return _CHECKPOINT + canonical(self.statement()).encode()

    def statement(self) -> dict[str, Any]:
        """Return what is signed."""
        return {
            "version": VERSION,
            "tenant_id": self.tenant_id,
            "number": self.number,
            "count": self.count,
            "head": self.head,
            "time": self.time,
            "kid": self.key_id,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the statement with its signature."""
        return self.statement() | {"signature": self.signature}

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Checkpoint":
        """Read a checkpoint as exported; refuses what is none."""
        texts = [given.get(name) for name in ("tenant_id", "head", "time", "kid", "signature")]
        counts = [given.get("number"), given.get("count")]
        if given.get("version") != VERSION or not all(isinstance(one, str) for one in texts):
            raise ValueError("it is not a checkpoint of this version")
        if not all(type(one) is int and one > 0 for one in counts):
            raise ValueError("its number and count must be positive integers")
        tenant_id, head, time, key_id, signature = cast("list[str]", texts)
        which, count = cast("list[int]", counts)
        return cls(tenant_id, which, count, head, time, key_id, signature)

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is that key's."""
        try:
            key.verify(_bytes(self.signature), self.signed())
        except (InvalidSignature, ValueError):
            return False
        return True


class Notary:
    """Signs checkpoints with an Ed25519 key of its own, derived from the key that signs tokens."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key()
        self.key_id = key_id(self.public)

    def sign(self, *, tenant_id: UUID, number: int, count: int, head: str, time: datetime) -> Checkpoint:
        """Sign a checkpoint."""
        bare = Checkpoint(str(tenant_id), number, count, head, instant(time), self.key_id, "")
        signature = _base64(self._key.sign(bare.signed()))
        return Checkpoint(bare.tenant_id, number, count, head, bare.time, self.key_id, signature)

    def vouch(self, key: Ed25519PublicKey) -> str:
        """Sign that checkpoints of a key are genuine: its own, or one that was before it."""
        return _base64(self._key.sign(_vouched(key, self.public)))


def published(keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Return public keys as a JWK set, as it stands at /.well-known/evalium-ledger.json."""
    told = [
        {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": name, "x": encoded(key)}
        for name, key in keys.items()
    ]
    return {"format": "evalium-activity/1", "keys": told}


def is_vouched(key: Ed25519PublicKey, signature: str, by: Ed25519PublicKey) -> bool:
    """Whether a signature by one key vouches for another."""
    try:
        by.verify(_bytes(signature), _vouched(key, by))
    except (InvalidSignature, ValueError):
        return False
    return True


def _vouched(key: Ed25519PublicKey, by: Ed25519PublicKey) -> bytes:
    return _KEY + canonical({"x": encoded(key), "by": encoded(by)}).encode()


def encoded(key: Ed25519PublicKey) -> str:
    """Return a public key as text: its 32 bytes in base64url, without padding."""
    return _base64(key.public_bytes_raw())


def decoded(text: str) -> Ed25519PublicKey:
    """Read a public key; refuses what is none."""
    return Ed25519PublicKey.from_public_bytes(_bytes(text))


def key_id(public: Ed25519PublicKey) -> str:
    """Name a key by the hash of its public half, as tokens do."""
    return base64.urlsafe_b64encode(hashlib.sha256(public.public_bytes_raw()).digest()[:9]).decode()


def published_keys(given: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    """Read a published key set, by key id; refuses a document that holds no Ed25519 key."""
    found: dict[str, Ed25519PublicKey] = {}
    for one in cast("list[dict[str, Any]]", given.get("keys", [])):
        if one.get("crv") == "Ed25519":
            key = decoded(str(one.get("x")))
            found[key_id(key)] = key
    if not found:
        raise ValueError("it holds no Ed25519 key")
    return found


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
