"""Certificates: what completing a programme is worth, and what the public is shown of it (domain.md section 10)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Narrowing,
    Resource,
    TenantOwned,
    Timed,
    among,
    index,
    owner,
    primary,
    refer,
    refer_within,
    silo_key,
    unique,
)

CERTIFIED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class RevokeCause(StrEnum):
    """Why a certificate does not count any more: a decision, one that took its place, or a corrected score."""

    DECISION = "decision"
    REISSUED = "reissued"
    CORRECTED = "corrected"


class NoticeKind(StrEnum):
    """What a holder is told by mail of a certificate."""

    ISSUED = "issued"
    ENDING = "ending"


class HolderShown(StrEnum):
    """How much of the holder's name the public is shown."""

    FULL = "full"
    INITIALS = "initials"
    HIDDEN = "hidden"


class BadgeImage(Resource, Timed, Base):
    """A picture of a programme, as PNG, stored once however often it is chosen. Never changed."""

    __tablename__ = "badge_images"
    __table_args__ = (
        primary(),
        silo_key(),
        unique("org_unit_id", "sha256"),
        {"info": CERTIFIED},
    )

    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary, info={"large": True})


class Certificate(Resource, Base):
    """What was issued to one person for one enrolment; never changed, but for being revoked, once.

    `valid_through` is the last day, in the tenant's time zone, and `expires_at` the instant at which it is over;
    without them it counts for ever. `grounds` are the submissions it rests on. `replaces_id` is the certificate of the
    same enrolment that came before it, `renews_id` the one of an earlier enrolment that it continues.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("programme_id", "programmes"),
        refer_within("version_id", "programme_versions"),
        refer_within("enrolment_id", "programme_enrolments"),
        refer("user_id", "users", name="fk_certificates_user"),
        refer("revoked_by", "users", name="fk_certificates_revoked_by"),
        refer_within("replaces_id", "certificates", name="fk_certificates_replaces"),
        refer_within("renews_id", "certificates", name="fk_certificates_renews"),
        unique("token"),
        unique("replaces_id"),
        index("ix_certificates_programme", "programme_id", "issued_at", "id"),
        index("ix_certificates_user", "user_id", "issued_at", "id"),
        index("ix_certificates_enrolment", "enrolment_id"),
        index("ix_certificates_renewal", "renewal_opens_at", where="revoked_at is null and expires_at is not null"),
        index("ix_certificates_issued", "issued_at"),
        index("ix_certificates_expires", "expires_at", where="revoked_at is null and expires_at is not null"),
        index("ix_certificates_renews", "renews_id", where="renews_id is not null"),
        index("ix_certificates_revoked", "revoked_at", where="revoked_at is not null"),
        Index(
            "uq_certificates_counting",
            "tenant_id",
            "enrolment_id",
            unique=True,
            postgresql_where=text("revoked_at is null"),
        ),
        CheckConstraint(f"revoke_cause is null or {among('revoke_cause', RevokeCause)}", "revoke_cause"),
        CheckConstraint("num_nonnulls(revoked_at, revoke_cause, revoke_reason) in (0, 3)", "revoked"),
        CheckConstraint(
            "num_nonnulls(valid_through, expires_at, renewal_opens_at, renewal_ends_at) in (0, 4)", "expires"
        ),
        {"info": CERTIFIED},
    )

    programme_id: Mapped[UUID]
    version_id: Mapped[UUID]
    enrolment_id: Mapped[UUID]
    user_id: Mapped[UUID]
    token: Mapped[str]
    holder_name: Mapped[str]
    grounds: Mapped[list[Any]] = mapped_column(JSONB())
    issued_at: Mapped[datetime]
    valid_through: Mapped[date | None]
    expires_at: Mapped[datetime | None]
    renewal_opens_at: Mapped[datetime | None]
    renewal_ends_at: Mapped[datetime | None]
    replaces_id: Mapped[UUID | None]
    renews_id: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    revoke_cause: Mapped[str | None]
    revoke_reason: Mapped[str | None]


class CertificateNotice(Resource, Timed, Base):
    """That a holder was told something of a certificate; `days` before its end, 0 for the issue. Never changed."""

    __tablename__ = "certificate_notices"
    __table_args__ = (
        primary(),
        refer_within("certificate_id", "certificates"),
        unique("certificate_id", "kind", "days"),
        CheckConstraint(among("kind", NoticeKind), "kind"),
        CheckConstraint("days >= 0", "days"),
        {"info": CERTIFIED},
    )

    certificate_id: Mapped[UUID]
    kind: Mapped[str]
    days: Mapped[int] = mapped_column(Integer)


class CertificateSettings(TenantOwned, Base):
    """What a tenant shows the public of its certificates; initials, where it has said nothing."""

    __tablename__ = "certificate_settings"
    __table_args__ = (
        primary(),
        owner(),
        unique(),
        CheckConstraint(among("holder_shown", HolderShown), "holder_shown"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    id: Mapped[UUID]
    holder_shown: Mapped[str]
    changed_at: Mapped[datetime]
