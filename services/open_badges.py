"""Certificates as Open Badges 3.0: the credential, its proof as a JSON Web Token, and the list of revoked ones.

Everything here is decided by its arguments: the same certificate gives the same credential, byte by byte, for as long
as the same key signs. https://www.imsglobal.org/spec/ob/v3p0/ and https://www.imsglobal.org/spec/vcrl/v1p0/.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ALGORITHM: Final = "RS256"
CONTEXT: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
)
SCHEMA: Final = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
MEDIA_TYPE: Final = "text/plain"
"""Of a signed credential as a web resource (Open Badges 3.0, section 5.2)."""

ISSUERS: Final = "/api/v1/issuers"
BADGES: Final = "/api/v1/badges"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A tenant as it issues credentials, by its public addresses at the site of the installation."""

    site: str
    tenant_id: UUID
    name: str = ""

    @property
    def url(self) -> str:
        """The issuer's id, where its profile is."""
        return f"{self.site}{ISSUERS}/{self.tenant_id}"

    @property
    def keys(self) -> str:
        """Where all its public keys are."""
        return f"{self.url}/jwks.json"

    @property
    def revocations(self) -> str:
        """Where the list of its revoked credentials is."""
        return f"{self.url}/revocations"

    def key(self, thumbprint: str) -> str:
        """Where one public key is; also the name by which credentials call it."""
        return f"{self.url}/keys/{thumbprint}"

    def achievement(self, version_id: UUID) -> str:
        """Where it is described what a version of a programme asks for."""
        return f"{self.url}/achievements/{version_id}"

    def image(self, badge_id: UUID) -> str:
        """Where the image of a badge is."""
        return badge_address(self.site, self.tenant_id, badge_id)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A requirement of a programme: without `min_percent` the evaluation's own pass mark decides."""

    name: str
    min_percent: Decimal | None
    is_mandatory: bool


@dataclass(frozen=True, slots=True)
class Achievement:
    """A version of a programme, as what somebody achieved."""

    version_id: UUID
    name: str
    description: str
    criteria: Sequence[Criterion]
    badge_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Award:
    """A certificate: who achieved what, and until when. `shown_name` is None where names are not shown in full."""

    certificate_id: UUID
    issued_at: datetime
    expires_at: datetime | None
    email: str
    shown_name: str | None
    achievement: Achievement


@dataclass(frozen=True, slots=True)
class Secrets:
    """What of a credential cannot be known beforehand, derived from the certificate's id, so that nothing is stored."""

    key: bytes = field(repr=False)

    def salt(self, certificate_id: UUID) -> str:
        """Return the salt of the credential's hashes: 32 hexadecimal digits."""
        return self._derived("salt", certificate_id).hex()

    def subject(self, certificate_id: UUID) -> UUID:
        """Return the id of the holder in this one credential; two of one person do not tell that they are."""
        return UUID(bytes=self._derived("subject", certificate_id), version=4)

    def _derived(self, purpose: str, certificate_id: UUID) -> bytes:
        return hmac.digest(self.key, purpose.encode() + certificate_id.bytes, "sha256")[:16]


def badge_address(site: str, tenant_id: UUID, badge_id: UUID) -> str:
    """Return where the image of a badge is, for anybody."""
    return f"{site}{BADGES}/{tenant_id}/{badge_id}.png"


def credential_id(certificate_id: UUID) -> str:
    """Return by which id a certificate's credential is known, and listed when it was revoked."""
    return f"urn:uuid:{certificate_id}"


def credential(issuer: Issuer, award: Award, secrets: Secrets) -> dict[str, Any]:
    """Return the credential of a certificate, not signed."""
    found: dict[str, Any] = {
        "@context": list(CONTEXT),
        "id": credential_id(award.certificate_id),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": profile(issuer),
        "validFrom": instant(award.issued_at),
        "name": award.achievement.name,
        "credentialSubject": _subject(issuer, award, secrets),
        "credentialSchema": [{"id": SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
        "credentialStatus": {"id": issuer.revocations, "type": "1EdTechRevocationList"},
    }
    if award.expires_at is not None:
        found["validUntil"] = instant(award.expires_at)
    return found


def signed(issuer: Issuer, award: Award, secrets: Secrets, key: RSAPrivateKey, thumbprint: str) -> str:
    """Return the credential with its proof: a compact JWS, whose payload is the credential with the claims of a JWT."""
    claims = claimed(credential(issuer, award, secrets), award)
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": issuer.key(thumbprint)})


def claimed(found: Mapping[str, Any], award: Award) -> dict[str, Any]:
    """Return a credential with the claims that repeat what it says: verifiers compare them."""
    claims: dict[str, Any] = {
        "iss": found["issuer"]["id"],
        "jti": found["id"],
        "nbf": seconds(award.issued_at),
        "sub": found["credentialSubject"]["id"],
    }
    if award.expires_at is not None:
        claims["exp"] = seconds(award.expires_at)
    return {**found, **claims}


def profile(issuer: Issuer) -> dict[str, Any]:
    """Return what the public is told of an issuer."""
    return {"id": issuer.url, "type": ["Profile"], "name": issuer.name}


def achievement(issuer: Issuer, of: Achievement) -> dict[str, Any]:
    """Return what the public is told of a version of a programme."""
    found: dict[str, Any] = {
        "id": issuer.achievement(of.version_id),
        "type": ["Achievement"],
        "name": of.name,
        "description": of.description or of.name,
        "criteria": {"narrative": narrative(of.criteria)},
    }
    if of.badge_id is not None:
        found["image"] = {"id": issuer.image(of.badge_id), "type": "Image", "caption": of.name}
    return found


def narrative(criteria: Iterable[Criterion]) -> str:
    """Return in words what a programme asks for, as Markdown."""
    lines = [f"- {_plain(one.name)}{_asked(one)}" for one in criteria]
    return "\n".join(["Passed:", "", *lines]) if lines else "Completed the programme."


def key_set(issuer: Issuer, keys: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return public keys, given by thumbprint, as a JWK set."""
    return {"keys": [public_key(issuer, thumbprint, public) for thumbprint, public in keys.items()]}


def public_key(issuer: Issuer, thumbprint: str, public: Mapping[str, str]) -> dict[str, str]:
    """Return a public key as a JWK, under the name by which credentials call it: its own address."""
    known = {name: public[name] for name in ("kty", "n", "e")}
    return {**known, "alg": ALGORITHM, "use": "sig", "kid": issuer.key(thumbprint)}


def revocation_list(issuer: Issuer, certificate_ids: Iterable[UUID]) -> dict[str, Any]:
    """Return the 1EdTech list of revoked credentials: nothing but that they are revoked.

    It stands there twice, since verifiers look for it under either name: the model of the specification calls it
    `revokedCredential`, its text `revokedCredentials`, and a revoked credential must be found by both.
    """
    revoked = [{"id": credential_id(one), "revoked": True} for one in certificate_ids]
    return {
        "id": issuer.revocations,
        "issuer": issuer.url,
        "revokedCredential": revoked,
        "revokedCredentials": revoked,
    }


def identity_hash(value: str, salt: str) -> str:
    """Return the hash by which whoever knows a value recognises it (Open Badges 3.0, IdentityHash)."""
    return f"sha256${hashlib.sha256((value + salt).encode()).hexdigest()}"


def seconds(moment: datetime) -> int:
    """Return a moment as a NumericDate, without its fraction of a second."""
    return int(moment.replace(microsecond=0).timestamp())


def instant(moment: datetime) -> str:
    """Return a moment as credentials have it: in UTC, without its fraction of a second, which claims do not have."""
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def _subject(issuer: Issuer, award: Award, secrets: Secrets) -> dict[str, Any]:
    salt = secrets.salt(award.certificate_id)
    identifiers: list[dict[str, Any]] = [
        {
            "type": "IdentityObject",
            "hashed": True,
            "identityHash": identity_hash(award.email, salt),
            "identityType": "emailAddress",
            "salt": salt,
        }
    ]
    if award.shown_name is not None:
        name = {"type": "IdentityObject", "hashed": False, "identityHash": award.shown_name, "identityType": "name"}
        identifiers.append(name)
    return {
        "id": f"urn:uuid:{secrets.subject(award.certificate_id)}",
        "type": ["AchievementSubject"],
        "identifier": identifiers,
        "achievement": achievement(issuer, award.achievement),
    }


def _asked(one: Criterion) -> str:
    mark = "" if one.min_percent is None else f", at least {one.min_percent.normalize():f} %"
    return mark if one.is_mandatory else f"{mark} (voluntary)"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>#+-!|~" else one for one in text)
