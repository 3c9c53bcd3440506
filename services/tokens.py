"""Bearer tokens: EdDSA JWTs of four types, each accepted at its own place only (domain.md section 3, RFC 8725)."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.base import uuid7
from services.refusals import Unauthenticated

ISSUER = "evalium"
AUDIENCE = "evalium-api"
LONGEST_TOKEN = 4096
LEEWAY = timedelta(seconds=5)


class TokenType(StrEnum):
    """What a token is for. It stands in the header, so that one type cannot pass for another."""

    ACCESS = "access"
    SESSION = "session"
    INVITATION = "invitation"
    SERVICE = "service"


LONGEST_SIGNED_IN = timedelta(minutes=15)
"""How long an access token may live that belongs to a sign-in; one without is minted by an operator alone."""

LONGEST_LIFE = {
    TokenType.ACCESS: timedelta(hours=24),
    TokenType.SESSION: timedelta(days=7),
    TokenType.INVITATION: timedelta(days=400),
    TokenType.SERVICE: timedelta(days=400),
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    type: TokenType
    subject: UUID
    tenant_id: UUID
    org_unit_id: UUID | None
    role_ids: tuple[UUID, ...]
    token_id: UUID
    issued_at: datetime
    expires_at: datetime
    scope_all: bool
    sign_in_id: UUID | None
    extra: dict[str, Any]


class Tokens:
    """Mints and verifies tokens with one Ed25519 key; the key's id is derived from its public half."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self._public = private_key.public_key()
        raw = self._public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()[:9]).decode()

    def secret_for(self, purpose: str) -> bytes:
        """Derive a symmetric secret for one purpose, such as signing cursors."""
        raw = self._key.private_bytes_raw()
        return hashlib.sha256(b"evalium/" + purpose.encode() + b"/" + raw).digest()

    def mint(
        self,
        token_type: TokenType,
        subject: UUID,
        tenant_id: UUID,
        *,
        org_unit_id: UUID | None,
        now: datetime,
        expires_at: datetime,
        token_id: UUID | None = None,
        role_ids: tuple[UUID, ...] = (),
        scope_all: bool = False,
        sign_in_id: UUID | None = None,
        **extra: str,
    ) -> str:
        """Sign a token; one that would live longer than its type may is a programming error."""
        if expires_at - now > (LONGEST_LIFE[token_type] if sign_in_id is None else LONGEST_SIGNED_IN):
            raise ValueError(f"A token of type {token_type} may not live until {expires_at}.")
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(subject),
            "jti": str(token_id or uuid7()),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "tenant": str(tenant_id),
            **extra,
        }
        if org_unit_id is not None:
            claims["org_unit"] = str(org_unit_id)
        if role_ids:
            claims["roles"] = [str(role) for role in role_ids]
        if scope_all:
            claims["scope_all"] = True
        if sign_in_id is not None:
            claims["sid"] = str(sign_in_id)
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.key_id, "typ": token_type})

    def verify(
        self,
        token: str,
        *accepted: TokenType,
        now: datetime | None = None,
        timeless: bool = False,
    ) -> Claims:
        """Return what a token says, or refuse it: every claim is required, typed and bounded (RFC 8725).

        `timeless` leaves it to the caller to hold the token's life against the database's clock.
        """
        try:
            return self._verified(token, accepted, None if timeless else now or datetime.now(UTC))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise Unauthenticated("The token is not valid here.") from error

    def _verified(self, token: str, accepted: tuple[TokenType, ...], now: datetime | None) -> Claims:
        if len(token) > LONGEST_TOKEN:
            raise ValueError("token too long")
        header = jwt.get_unverified_header(token)
        token_type = TokenType(header["typ"])
        if header.get("kid") != self.key_id or header.get("crit") is not None:
            raise ValueError("unknown key")
        if token_type not in accepted:
            raise Unauthenticated(f"A token of type '{token_type}' is not accepted here.")
        claims: dict[str, Any] = jwt.decode(
            token,
            self._public,
            algorithms=["EdDSA"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={
                "require": ["iss", "aud", "sub", "jti", "iat", "exp", "tenant"],
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        issued_at, expires_at = _instant(claims["iat"]), _instant(claims["exp"])
        if now is not None and expires_at <= now:
            raise Unauthenticated("The token has expired.")
        early = now is not None and issued_at > now + LEEWAY
        sign_in = claims.get("sid")
        longest = LONGEST_LIFE[token_type] if sign_in is None else LONGEST_SIGNED_IN
        if early or expires_at - issued_at > longest:
            raise ValueError("life out of bounds")
        if sign_in is not None and token_type is not TokenType.ACCESS:
            raise ValueError("sid is for access tokens")
        known = {"iss", "aud", "sub", "jti", "iat", "exp", "tenant", "org_unit", "roles", "scope_all", "sid"}
        org_unit = claims.get("org_unit")
        scope_all = claims.get("scope_all", False)
        if scope_all not in (True, False) or (scope_all and token_type is not TokenType.SERVICE):
            raise ValueError("scope_all is for service tokens")
        return Claims(
            type=token_type,
            subject=UUID(claims["sub"]),
            tenant_id=UUID(claims["tenant"]),
            org_unit_id=None if org_unit is None else UUID(org_unit),
            role_ids=tuple(UUID(role) for role in claims.get("roles", [])),
            token_id=UUID(claims["jti"]),
            issued_at=issued_at,
            expires_at=expires_at,
            scope_all=bool(scope_all),
            sign_in_id=None if sign_in is None else UUID(sign_in),
            extra={name: value for name, value in claims.items() if name not in known},
        )


def _instant(value: Any) -> datetime:
    """Read a NumericDate strictly: an integer, not a string, not a boolean."""
    if type(value) is not int:
        raise ValueError("a NumericDate must be an integer")
    return datetime.fromtimestamp(value, UTC)
