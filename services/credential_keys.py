"""The keys by which a tenant signs credentials: made at first use, rotated with a reason, published for ever.

A private half is sealed for its row (`services.vault`), opened to sign and destroyed when its key retires; it is never
logged, recorded or answered. Making a key takes tenths of a second of one core, so it is done in a thread, before the
transaction that keeps it.
"""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from sqlalchemy import select

from models.base import uuid7
from models.credential_keys import CredentialKey
from services import words
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals_files import CredentialKeyLost
from services.vault import BrokenSeal
from services.work import Work

log = structlog.get_logger(__name__)

BITS: Final = 3072
EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class Made:
    """A key that was just made and is kept nowhere yet: its public half as a JWK, and its private half as PKCS #8."""

    public: dict[str, str]
    private: bytes = field(repr=False)


def make(bits: int = BITS) -> Made:
    """Make an RSA key."""
    key = rsa.generate_private_key(EXPONENT, bits)
    numbers = key.public_key().public_numbers()
    public = {"kty": "RSA", "n": encoded(numbers.n), "e": encoded(numbers.e)}
    return Made(public, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


async def made() -> Made:
    """Make an RSA key while the process goes on with everything else."""
    return await asyncio.to_thread(make)


def encoded(number: int) -> str:
    """Return a positive number as JWKs have it (RFC 7518, Base64urlUInt): no leading zero byte, no padding."""
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8))


def thumbprint(public: dict[str, str]) -> str:
    """Return the SHA-256 thumbprint of an RSA key (RFC 7638)."""
    required = {name: public[name] for name in ("e", "kty", "n")}
    return _base64url(hashlib.sha256(orjson.dumps(required, option=orjson.OPT_SORT_KEYS)).digest())


async def current(work: Work) -> CredentialKey | None:
    """Return the key that signs now; None before the first one."""
    return (await work.session.scalars(select(CredentialKey).where(CredentialKey.retired_at.is_(None)))).one_or_none()


async def first(work: Work, candidate: Made) -> CredentialKey:
    """Keep a key as the tenant's first one, and return the one that signs: of many who try at once, one has its way."""
    await _lock(work)
    row = await current(work)
    if row is None:
        row = _kept(work, candidate, await work.now())
        await work.session.flush()
        work.record("credential_key.made", ("credential_key", row.id), after=_told(row))
    return row


async def rotate(work: Work, candidate: Made, reason: str) -> Answer:
    """Sign with another key from now on. The one before retires: its private half is destroyed, its public half stays.

    It need not be opened for that, so a key that was lost with the installation's signing key is replaced in this way.
    """
    why = words.reason(reason)
    await _lock(work)
    before, now = await current(work), await work.now()
    if before is not None:
        before.sealed, before.retired_at, before.retired_by = None, now, work.viewer.user_id
        before.retire_reason = why
        await work.session.flush()  # before the next one begins: one key has not retired
    row = _kept(work, candidate, now)
    await work.session.flush()
    told = None if before is None else _told(before)
    work.record("credential_key.rotated", ("credential_key", row.id), reason=why, before=told, after=_told(row))
    return {"key": str(row.id)}


def opened(work: Work, row: CredentialKey) -> RSAPrivateKey:
    """Return the private half of the key that signs; refuse when its seal does not open."""
    try:
        content = work.vault.open(row.tenant_id, row.id, row.sealed or b"")
    except BrokenSeal as error:
        log.warning("credential_key.broken_seal", tenant_id=str(row.tenant_id), thumbprint=row.thumbprint)
        raise CredentialKeyLost(row.thumbprint) from error
    # The seal vouches for what is in it: looking at the primes once more takes a hundred milliseconds.
    return cast("RSAPrivateKey", load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True))


async def listed(work: Work, page: PageRequest) -> Page[CredentialKey]:
    """List the tenant's keys, the newest first."""
    return await paged(work, select(CredentialKey), [Order(CredentialKey.id, descending=True)], page)


async def by_id(work: Work, ids: Sequence[UUID]) -> dict[UUID, CredentialKey]:
    """Return the keys with these ids."""
    rows = await work.session.scalars(select(CredentialKey).where(CredentialKey.id.in_(ids)))
    return {row.id: row for row in rows}


async def has_any(work: Work) -> bool:
    """Tell whether the tenant has a key: whether it has signed anything, or is about to."""
    return bool(await work.rows(select(CredentialKey.id).limit(1)))


async def published(work: Work, prints: Sequence[str] | None = None) -> dict[str, dict[str, str]]:
    """Return the public halves by thumbprint, the oldest first: of these thumbprints, or all."""
    wanted = select(CredentialKey.thumbprint, CredentialKey.public).order_by(CredentialKey.id)
    if prints is not None:
        wanted = wanted.where(CredentialKey.thumbprint.in_(prints))
    return {row.thumbprint: row.public for row in await work.rows(wanted)}


async def _lock(work: Work) -> None:
    await work.lock(f"credential-keys/{work.viewer.tenant_id}")


def _kept(work: Work, candidate: Made, now: datetime) -> CredentialKey:
    tenant_id, key_id = work.viewer.tenant_id, uuid7()
    if tenant_id is None:
        raise RuntimeError("A key is kept in a work of its own tenant.")
    row = CredentialKey(
        tenant_id=tenant_id,
        id=key_id,
        created_at=now,
        thumbprint=thumbprint(candidate.public),
        public=candidate.public,
        sealed=work.vault.seal(tenant_id, key_id, candidate.private),
        made_by=work.viewer.user_id,
    )
    work.session.add(row)
    return row


def _told(row: CredentialKey) -> dict[str, Any]:
    return {"thumbprint": row.thumbprint}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
