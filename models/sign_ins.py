"""Signing in without a password: links, signed-in browsers, and the refresh tokens that follow one another."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, among, index, owner, primary, refer, unique

STAFF = {"narrow": [Narrowing.STAFF_ONLY]}


class BearerKind(StrEnum):
    """What a hash in the directory of bearers is the hash of."""

    ADDRESS = "address"
    LINK = "link"
    BROWSER = "browser"
    REFRESH = "refresh"
    CERTIFICATE = "certificate"


class Bearer(TenantOwned, Base):
    """Directory of the hashes of what somebody shows before the tenant is known, and whose tenant each belongs to.

    The one table whose rows are also seen from outside of their tenant: by whoever has put the very hash into
    `app.bearer_hash`. `subject_id` is the person of an address, the link, the refresh token or the certificate.
    """

    __tablename__ = "bearers"
    __table_args__ = (
        primary(),
        owner(),
        unique("kind", "hash", "subject_id"),
        index("ix_bearers_subject", "subject_id"),
        Index("ix_bearers_hash", "hash"),
        CheckConstraint(among("kind", BearerKind), "kind"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY], "bearer": True}},
    )

    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    kind: Mapped[str]
    hash: Mapped[str]
    subject_id: Mapped[UUID]


class MagicLink(TenantOwned, Timed, Base):
    """A link that was mailed to a person. `nonce_hash` is of the browser that asked, the only one it signs in."""

    __tablename__ = "magic_links"
    __table_args__ = (
        primary(),
        owner(),
        refer("user_id", "users"),
        unique("token_hash"),
        index("ix_magic_links_user", "user_id", "created_at"),
        index("ix_magic_links_expires", "expires_at"),
        {"info": STAFF},
    )

    user_id: Mapped[UUID]
    token_hash: Mapped[str]
    nonce_hash: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInEnd(StrEnum):
    """Why a sign-in is over before its time."""

    SIGNED_OUT = "signed_out"
    ENDED_BY_OWNER = "ended_by_owner"
    REUSED = "reused"
    SUSPENDED = "suspended"
    ACCESS_LOST = "access_lost"


class SignIn(TenantOwned, Timed, Base):
    """One browser or program in which a person is signed in, in one org unit: a family of refresh tokens."""

    __tablename__ = "auth_sessions"
    __table_args__ = (
        primary(),
        owner(),
        refer("user_id", "users"),
        refer("org_unit_id", "org_units"),
        CheckConstraint(among("end_reason", SignInEnd), "end_reason"),
        index("ix_auth_sessions_user", "user_id", "id"),
        index("ix_auth_sessions_expires", "expires_at"),
        {"info": STAFF},
    )

    user_id: Mapped[UUID]
    org_unit_id: Mapped[UUID]
    nonce_hash: Mapped[str]
    client: Mapped[str] = mapped_column(server_default="")
    seen_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]


class RefreshToken(TenantOwned, Timed, Base):
    """One refresh token of a sign-in: used once, for its successor."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        primary(),
        owner(),
        ForeignKeyConstraint(
            ["tenant_id", "sign_in_id"], ["auth_sessions.tenant_id", "auth_sessions.id"], ondelete="CASCADE"
        ),
        unique("token_hash"),
        index("ix_refresh_tokens_sign_in", "sign_in_id"),
        {"info": STAFF},
    )

    sign_in_id: Mapped[UUID]
    token_hash: Mapped[str]
    used_at: Mapped[datetime | None]
    successor_id: Mapped[UUID | None]


class SignInRequest(Base):
    """A request for a link that came with an idempotency key, as hashes alone: it names no tenant and no person."""

    __tablename__ = "sign_in_requests"
    __table_args__ = (
        PrimaryKeyConstraint("key_hash"),
        Index("ix_sign_in_requests_expires", "expires_at"),
        {"info": {"shared": True}},
    )

    key_hash: Mapped[str]
    fingerprint: Mapped[str]
    expires_at: Mapped[datetime]
