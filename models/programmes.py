"""Programmes: what they ask for, as a draft and as published versions that never change (domain.md section 10)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Numeric
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Narrowing,
    Resource,
    Timed,
    among,
    index,
    primary,
    refer,
    refer_within,
    silo,
    silo_key,
    unique,
)

DEFINED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class ProgrammeStatus(StrEnum):
    """Nobody is enrolled in an archived programme any more."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class ExpiryAnchor(StrEnum):
    """From which day the validity of a certificate counts."""

    CERTIFIED = "certified"
    DUE = "due"
    WINDOW_END = "window_end"


class RemediationPolicy(StrEnum):
    """What becomes of a met requirement when the score that met it is corrected and would not meet it any more."""

    HOLD = "hold"
    REVOKE_AND_REISSUE = "revoke_and_reissue"
    KEEP = "keep"


class RuledBy:
    """The rules of a programme; days and calendar months. `reminder_days` are days before a certificate ends."""

    due_days: Mapped[int | None] = mapped_column(Integer)
    validity_months: Mapped[int | None] = mapped_column(Integer)
    expiry_anchor: Mapped[str] = mapped_column(server_default=ExpiryAnchor.CERTIFIED)
    lead_days: Mapped[int] = mapped_column(Integer, server_default="30")
    grace_days: Mapped[int] = mapped_column(Integer, server_default="0")
    reminder_days: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{30,7}")
    badge_id: Mapped[UUID | None]
    remediation: Mapped[str] = mapped_column(server_default=RemediationPolicy.HOLD)


class Required:
    """What a requirement says.

    Without `min_percent` the evaluation's own pass mark decides; without `attempts` there are as many as it takes.
    """

    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str]
    evaluation_id: Mapped[UUID]
    min_percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    is_mandatory: Mapped[bool]
    attempts: Mapped[int | None] = mapped_column(Integer)
    cooling_off_days: Mapped[int] = mapped_column(Integer, server_default="0")


def _ruled() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint(among("expiry_anchor", ExpiryAnchor), "expiry_anchor"),
        CheckConstraint(among("remediation", RemediationPolicy), "remediation"),
        CheckConstraint("due_days > 0", "due"),
        CheckConstraint("validity_months > 0", "validity"),
        CheckConstraint("lead_days >= 0 and grace_days >= 0", "days"),
    )


def _required() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint("min_percent between 0 and 100", "min_percent"),
        CheckConstraint("attempts > 0", "attempts"),
        CheckConstraint("cooling_off_days >= 0", "cooling_off"),
    )


class Programme(Resource, RuledBy, Timed, Base):
    """A programme as it is being written; `latest_number` is that of its newest version, 0 before the first.

    `version` counts the changes of the draft.
    """

    __tablename__ = "programmes"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer("created_by", "users"),
        refer_within("badge_id", "badge_images"),
        unique("org_unit_id", "name"),
        index("ix_programmes_changed", "changed_at", "id"),
        CheckConstraint(among("status", ProgrammeStatus), "status"),
        *_ruled(),
        {"info": DEFINED},
    )

    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default=ProgrammeStatus.ACTIVE)
    latest_number: Mapped[int] = mapped_column(Integer, server_default="0")
    created_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")


class ProgrammeDraftRequirement(Resource, Required, Base):
    """A requirement as it is being written; its id is the `key` of what is published from it."""

    __tablename__ = "programme_draft_requirements"
    __table_args__ = (
        primary(),
        refer_within("programme_id", "programmes"),
        refer_within("evaluation_id", "evaluations"),
        index("ix_programme_draft_requirements_programme", "programme_id", "position"),
        *_required(),
        {"info": DEFINED},
    )

    programme_id: Mapped[UUID]


class ProgrammeVersion(Resource, RuledBy, Timed, Base):
    """A programme as published: what holds for everybody who is enrolled by it. Never changed."""

    __tablename__ = "programme_versions"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("programme_id", "programmes"),
        refer("published_by", "users"),
        refer_within("badge_id", "badge_images"),
        unique("programme_id", "number"),
        *_ruled(),
        {"info": DEFINED},
    )

    programme_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    name: Mapped[str]
    description: Mapped[str]
    published_by: Mapped[UUID | None]


class ProgrammeRequirement(Resource, Required, Base):
    """A requirement of a published version; `key` is the same in every version that has it. Never changed."""

    __tablename__ = "programme_requirements"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("version_id", "programme_versions"),
        refer_within("evaluation_id", "evaluations"),
        unique("version_id", "key"),
        unique("version_id", "position"),
        *_required(),
        {"info": DEFINED},
    )

    version_id: Mapped[UUID]
    key: Mapped[UUID]
