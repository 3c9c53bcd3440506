"""The stream of a programme: what happened to its enrolments, in commit order; and what is addressed to a person.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import append_only, isolate

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
XID = "pg_current_xact_id()::text::bigint"
KINDS = (
    "enrolled",
    "attempt_handed_in",
    "attempt_scheduled",
    "attempt_issued",
    "requirement_met",
    "requirement_failed",
    "requirement_held",
    "requirement_kept",
    "requirement_reopened",
    "completed",
    "certified",
    "certificate_revoked",
    "reopened",
    "transferred",
    "cancelled",
)


def upgrade() -> None:
    """Create the table; of what was written nothing is ever changed or removed."""
    create_programme_events()
    isolate("programme_events", "org_unit", "staff_only", allow="select, insert")
    append_only("programme_events")
    op.create_index("ix_assignment_targets_user", "assignment_targets", ["tenant_id", "user_id", "assignment_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_assignment_targets_user", "assignment_targets")
    op.drop_table("programme_events")


def create_programme_events() -> None:
    """Create the table of what happened to enrolments."""
    listed = ", ".join(f"'{kind}'" for kind in KINDS)
    op.create_table(
        "programme_events",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text(XID), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(f"kind in ({listed})", name=op.f("ck_programme_events_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_programme_events_programmes"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "enrolment_id"],
            ["programme_enrolments.tenant_id", "programme_enrolments.org_unit_id", "programme_enrolments.id"],
            name=op.f("fk_programme_events_programme_enrolments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "requirement_id"],
            ["programme_requirements.tenant_id", "programme_requirements.org_unit_id", "programme_requirements.id"],
            name=op.f("fk_programme_events_programme_requirements"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_events")),
    )
    op.create_index("ix_programme_events_programme", "programme_events", ["tenant_id", "programme_id", "xid", "id"])
