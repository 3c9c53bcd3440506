"""The keys by which a tenant signs the credentials of its certificates (domain.md section 10)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, owner, primary, refer, unique


class CredentialKey(TenantOwned, Timed, Base):
    """An RSA key of a tenant. The public half stays for ever, so that what it has signed can always be verified.

    `thumbprint` is that of the public half (RFC 7638). `sealed` is the private half, encrypted for this very row; it is
    destroyed when the key retires. One key of a tenant has not retired, and signs.
    """

    __tablename__ = "credential_keys"
    __table_args__ = (
        primary(),
        owner(),
        refer("made_by", "users", name="fk_credential_keys_made_by"),
        refer("retired_by", "users", name="fk_credential_keys_retired_by"),
        unique("thumbprint"),
        Index("uq_credential_keys_current", "tenant_id", unique=True, postgresql_where=text("retired_at is null")),
        CheckConstraint("(retired_at is null) = (sealed is not null)", "destroyed"),
        CheckConstraint("(retired_at is null) = (retire_reason is null)", "retired_with_reason"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    thumbprint: Mapped[str]
    public: Mapped[dict[str, Any]]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    made_by: Mapped[UUID | None]
    retired_at: Mapped[datetime | None]
    retired_by: Mapped[UUID | None]
    retire_reason: Mapped[str | None]
