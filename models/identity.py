"""Tenants, org units, people, groups, roles and grants (domain.md section 3)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKeyConstraint, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, among, changed, index, owner, primary, refer, unique

STAFF = {"narrow": [Narrowing.STAFF_ONLY]}
BYTEWISE = Text(collation="C")
"""Text whose prefixes an index finds under row security: `^@` and `=` are leakproof, LIKE is not."""


class UserStatus(StrEnum):
    """Whether a person may sign in."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    MERGED = "merged"


class Tenant(Timed, Base):
    """One customer organisation: the border that no row crosses. Its own id is what the row policy compares."""

    __tablename__ = "tenants"
    __table_args__ = (PrimaryKeyConstraint("id"), {"info": {"narrow": []}})

    id: Mapped[UUID]
    name: Mapped[str]
    slug: Mapped[str]
    time_zone: Mapped[str] = mapped_column(server_default="UTC")


class TenantEntry(Base):
    """Directory of tenant ids, the one fact that jobs need before they can open a scoped transaction for each."""

    __tablename__ = "tenant_directory"
    __table_args__ = (PrimaryKeyConstraint("id"), {"info": {"shared": True}})

    id: Mapped[UUID]


class CapabilityRow(Base):
    """The closed set of capabilities, seeded by migrations from `models.capabilities`; shared and read-only."""

    __tablename__ = "capabilities"
    __table_args__ = (PrimaryKeyConstraint("name"), {"info": {"shared": True}})

    name: Mapped[str]
    description: Mapped[str]


class OrgUnit(TenantOwned, Timed, Base):
    """A silo within a tenant: resources belong to exactly one. An archived one takes no new members or grants."""

    __tablename__ = "org_units"
    __table_args__ = (primary(), owner(), unique("name"), {"info": STAFF})

    name: Mapped[str]
    archived_at: Mapped[datetime | None]


class User(TenantOwned, Timed, Base):
    """A person, staff or candidate, known by one e-mail address per tenant (stored trimmed and case-folded).

    A duplicate that was merged points to the person who was kept, and can never sign in again. `changed_xid` is the
    transaction that last changed what lists show of the person; NULL when none has.
    """

    __tablename__ = "users"
    __table_args__ = (
        primary(),
        owner(),
        refer("merged_into", "users"),
        unique("email"),
        index("ix_users_search_name", "search_name"),
        index("ix_users_changed", "changed_xid", where="changed_xid is not null"),
        CheckConstraint(among("status", UserStatus), "status"),
        CheckConstraint("status <> 'merged' or merged_into is not null", "merged"),
        {"info": STAFF},
    )

    email: Mapped[str] = mapped_column(BYTEWISE)
    display_name: Mapped[str]
    search_name: Mapped[str] = mapped_column(BYTEWISE, Computed("lower(display_name)", persisted=True))
    time_zone: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=UserStatus.ACTIVE)
    merged_into: Mapped[UUID | None]
    changed_xid: Mapped[int | None] = mapped_column(BigInteger)


class UserOrgUnit(TenantOwned, Base):
    """Which org units a person works in."""

    __tablename__ = "user_org_units"
    __table_args__ = (
        primary(),
        refer("user_id", "users"),
        refer("org_unit_id", "org_units"),
        unique("user_id", "org_unit_id"),
        index("ix_user_org_units_unit", "org_unit_id"),
        {"info": STAFF},
    )

    user_id: Mapped[UUID]
    org_unit_id: Mapped[UUID]


class Group(TenantOwned, Timed, Base):
    """A named set of people, visible in the whole tenant; whoever joins or leaves changes it."""

    __tablename__ = "groups"
    __table_args__ = (primary(), owner(), unique("name"), {"info": STAFF})

    name: Mapped[str]
    changed_xid: Mapped[int] = changed()


class GroupMember(TenantOwned, Timed, Base):
    """Membership of a person in a group."""

    __tablename__ = "group_members"
    __table_args__ = (
        primary(),
        refer("group_id", "groups"),
        refer("user_id", "users"),
        unique("group_id", "user_id"),
        index("ix_group_members_user", "user_id"),
        {"info": STAFF},
    )

    group_id: Mapped[UUID]
    user_id: Mapped[UUID]


class Role(TenantOwned, Timed, Base):
    """A named set of capabilities. System roles come with the tenant and are never edited; `key` names them."""

    __tablename__ = "roles"
    __table_args__ = (primary(), owner(), unique("name"), unique("key"), {"info": STAFF})

    name: Mapped[str]
    key: Mapped[str | None]
    description: Mapped[str] = mapped_column(server_default="")


class RoleCapability(TenantOwned, Base):
    """One capability held by a role."""

    __tablename__ = "role_capabilities"
    __table_args__ = (
        primary(),
        refer("role_id", "roles"),
        ForeignKeyConstraint(["capability"], ["capabilities.name"]),
        unique("role_id", "capability"),
        {"info": STAFF},
    )

    role_id: Mapped[UUID]
    capability: Mapped[str]


class UserRole(TenantOwned, Base):
    """A grant: who holds which role, where (one org unit, or everywhere), until when, by whom and why."""

    __tablename__ = "user_roles"
    __table_args__ = (
        primary(),
        refer("user_id", "users"),
        refer("role_id", "roles"),
        refer("org_unit_id", "org_units"),
        index("ix_user_roles_user", "user_id"),
        index("ix_user_roles_role", "role_id"),
        {"info": STAFF},
    )

    user_id: Mapped[UUID]
    role_id: Mapped[UUID]
    org_unit_id: Mapped[UUID | None]
    granted_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
    granted_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    reason: Mapped[str]
