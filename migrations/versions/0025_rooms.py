"""Rooms, who watches them, who comes into which, and the room of each session and event.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

from migrations import capabilities
from migrations.capabilities import past_row_policies
from migrations.isolation import ROOMS, isolate

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
ADDED = {
    "rooms.proctor": "See the sessions in the rooms that one is assigned to, and act on them; no others.",
    "rooms.manage": "Make rooms, assign their proctors, and put sessions and candidates into them.",
}
HELD = {"rooms.proctor": ["tenant_admin"], "rooms.manage": ["tenant_admin", "programme_manager"]}
IN_ROOMS = ("delivery_sessions", "session_events")
RULE = f"case when {ROOMS} is null then true else room_id = any({ROOMS}::uuid[]) end"


def upgrade() -> None:
    """Create the tables, and narrow sessions and events to rooms for whoever proctors rooms only."""
    capabilities.add(ADDED, HELD)
    create_rooms()
    create_proctors()
    create_seats()
    isolate("rooms", "org_unit", "staff_only")
    for table in ("room_proctors", "room_seats"):
        isolate(table, "org_unit", "staff_only", allow="select, insert, update, delete")
    for table in IN_ROOMS:
        op.add_column(table, sa.Column("room_id", sa.Uuid(), nullable=True))
        op.execute(f"create policy in_room on {table} as restrictive using ({RULE}) with check ({RULE})")
    with past_row_policies("delivery_sessions", "rooms"):
        op.create_foreign_key(
            op.f("fk_delivery_sessions_rooms"),
            "delivery_sessions",
            "rooms",
            ["tenant_id", "org_unit_id", "room_id"],
            ["tenant_id", "org_unit_id", "id"],
        )
    somewhere = sa.text("room_id is not null")
    op.create_index(
        "ix_delivery_sessions_room", "delivery_sessions", ["tenant_id", "room_id", "id"], postgresql_where=somewhere
    )
    op.create_index(
        "ix_session_events_room", "session_events", ["tenant_id", "room_id", "xid", "id"], postgresql_where=somewhere
    )


def downgrade() -> None:
    """Take it back; who was in which room is told by the ledger."""
    for table in IN_ROOMS:
        op.execute(f"drop policy in_room on {table}")
    op.drop_index("ix_session_events_room", "session_events")
    op.drop_index("ix_delivery_sessions_room", "delivery_sessions")
    op.drop_constraint(op.f("fk_delivery_sessions_rooms"), "delivery_sessions")
    for table in IN_ROOMS:
        op.drop_column(table, "room_id")
    for table in ("room_seats", "room_proctors", "rooms"):
        op.drop_table(table)
    capabilities.remove(*ADDED)


def create_rooms() -> None:
    """Create the table of rooms."""
    op.create_table(
        "rooms",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_rooms_capacity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_rooms_org_units")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_rooms_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_rooms_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "name", name=op.f("uq_rooms_tenant_id_org_unit_id_name")),
    )


def create_proctors() -> None:
    """Create the table of who watches a room."""
    op.create_table(
        "room_proctors",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("assigned_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "room_id"],
            ["rooms.tenant_id", "rooms.org_unit_id", "rooms.id"],
            name=op.f("fk_room_proctors_rooms"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_room_proctors_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_room_proctors")),
        sa.UniqueConstraint("tenant_id", "room_id", "user_id", name=op.f("uq_room_proctors_tenant_id_room_id_user_id")),
    )
    op.create_index("ix_room_proctors_user", "room_proctors", ["tenant_id", "user_id", "room_id"])


def create_seats() -> None:
    """Create the table of who comes into which room."""
    op.create_table(
        "room_seats",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("assigned_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "room_id"],
            ["rooms.tenant_id", "rooms.org_unit_id", "rooms.id"],
            name=op.f("fk_room_seats_rooms"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_room_seats_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_room_seats_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_room_seats")),
        sa.UniqueConstraint(
            "tenant_id", "assignment_id", "user_id", name=op.f("uq_room_seats_tenant_id_assignment_id_user_id")
        ),
    )
    op.create_index("ix_room_seats_room", "room_seats", ["tenant_id", "room_id"])
