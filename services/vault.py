"""Keeps a secret in the database, for as long as a job or a signature needs it: sealed with a key kept elsewhere."""

import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from services.tokens import Tokens

NONCE_BYTES = 12


class BrokenSeal(Exception):  # noqa: N818 - named for what is wrong
    """What was sealed was altered, belongs to another row, or was sealed with another signing key."""


class Vault:
    """Seals bytes for one row of one tenant (ChaCha20-Poly1305); a seal that is moved to another row does not open."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    @classmethod
    def of(cls, tokens: Tokens) -> "Vault":
        """Return the vault of an installation; its key is derived from the signing key."""
        return cls(tokens.secret_for("vault"))

    def seal(self, tenant_id: UUID, row_id: UUID, content: bytes) -> bytes:
        """Return `content` sealed for the row."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, tenant_id.bytes + row_id.bytes)

    def open(self, tenant_id: UUID, row_id: UUID, sealed: bytes) -> bytes:
        """Return what was sealed for the row; raise `BrokenSeal` for anything else."""
        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, content, tenant_id.bytes + row_id.bytes)
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal(f"the seal of row {row_id} does not open") from error
