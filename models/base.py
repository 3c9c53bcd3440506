"""What every table shares: identifiers, the tenant column, and the kinds of row policy (domain.md section 2)."""

import os
import secrets
import threading
import time
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from asyncpg.pgproto import pgproto  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of all mapped classes."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        UUID: Uuid(),
        str: Text(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


class Narrowing(StrEnum):
    """Restrictive policies that a table adds to the tenant policy; each is written into the table's `info`."""

    ORG_UNIT = "org_unit"
    """The row is a resource: visible in its own org unit, or everywhere with `scope_all`."""

    UNIT_IF_ANY = "unit_if_any"
    """The row may belong to an org unit: if it does, it is visible as a resource is, if not, in the whole tenant."""

    STAFF_ONLY = "staff_only"
    """Nothing for a candidate's session token."""

    OWN_SESSION = "own_session"
    """A candidate's session token sees the rows of that one session; the column is `session_id`."""

    SELF_SESSION = "self_session"
    """The same for the sessions table itself; the column is `id`."""

    IN_ROOM = "in_room"
    """Whoever proctors rooms only sees the rows of these; the column is `room_id`."""


class _Clock:
    """Gives each identifier of this process a later instant than the one before it, in 1/4096 ms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        with self._lock:
            now = time.time_ns() * 4096 // 1_000_000
            self._last = max(now, self._last + 1)
            return self._last


_clock = _Clock()


def uuid7() -> UUID:
    """Make a time-ordered UUID (RFC 9562 section 5.7, method 3), strictly increasing within the process.

    It gives away when it was made, so it is an identifier and never a secret.
    """
    tick = _clock.tick()
    milliseconds, fraction = divmod(tick, 4096)
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)


def uuid7s(count: int) -> list[UUID]:
    """Make so many of them in order, of the driver's own class of UUID, which it sends as it is."""
    tails = memoryview(os.urandom(8 * count))
    made: list[UUID] = []
    for start in range(0, 8 * count, 8):
        milliseconds, fraction = divmod(_clock.tick(), 4096)
        tail = int.from_bytes(tails[start : start + 8]) >> 2
        value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
        made.append(pgproto.UUID(value.to_bytes(16)))
    return made


class TenantOwned:
    """Columns of a tenant-owned row: `tenant_id` leads every key, so that a foreign tenant cannot be referred to."""

    tenant_id: Mapped[UUID] = mapped_column(
        server_default=text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
    )
    id: Mapped[UUID] = mapped_column(default=uuid7, insert_sentinel=True)


class Resource(TenantOwned):
    """Columns of a resource: a tenant-owned row that belongs to the silo of one org unit."""

    org_unit_id: Mapped[UUID] = mapped_column(
        server_default=text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
    )


class Timed:
    """When the row was made, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))


def primary() -> PrimaryKeyConstraint:
    """Primary key of a tenant-owned table."""
    return PrimaryKeyConstraint("tenant_id", "id")


def owner() -> ForeignKeyConstraint:
    """Every tenant-owned row belongs to a tenant that exists."""
    return ForeignKeyConstraint(["tenant_id"], ["tenants.id"])


def refer(column: str, table: str, *, name: str | None = None) -> ForeignKeyConstraint:
    """Refer to a row of the same tenant: the key carries `tenant_id`, because foreign keys bypass row policies."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], name=name)


def refer_within(column: str, table: str, *, name: str | None = None) -> ForeignKeyConstraint:
    """Refer to a resource of the same tenant and the same org unit; the target declares `silo_key()`."""
    return ForeignKeyConstraint(
        ["tenant_id", "org_unit_id", column],
        [f"{table}.tenant_id", f"{table}.org_unit_id", f"{table}.id"],
        name=name,
    )


def silo() -> ForeignKeyConstraint:
    """Every resource lies in an org unit of its tenant."""
    return ForeignKeyConstraint(["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"])


def silo_key() -> UniqueConstraint:
    """Let other resources of the same org unit refer to this one."""
    return UniqueConstraint("tenant_id", "org_unit_id", "id")


def unique(*columns: str) -> UniqueConstraint:
    """Make a key unique within the tenant; without `tenant_id` it would tell one tenant what another has."""
    return UniqueConstraint("tenant_id", *columns)


def index(name: str, *columns: str, where: str | None = None) -> Index:
    """Index led by `tenant_id`; every column's comparison is leakproof, or row policies would disable the index."""
    return Index(name, "tenant_id", *columns, postgresql_where=text(where) if where else None)


def position() -> Mapped[int]:
    """Declare the commit-order position: the writing transaction's id, below the snapshot's horizon once final."""
    return mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


def changed() -> Mapped[int]:
    """Declare the id of the transaction that wrote the row last; a trigger keeps it so, whoever writes."""
    return mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


def among(column: str, values: type[StrEnum]) -> str:
    """Condition for a CHECK over a closed set: states are text, because enum comparisons are not leakproof."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} in ({listed})"
