"""Evidence: files on their way, files that were recorded, and what was decided about them.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.isolation import append_only, isolate

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
ADDED = {
    "evidence.read": "See the files that belong to submissions, and download them.",
    "evidence.record": "Upload files to submissions, record them as evidence, and amend what was recorded.",
    "evidence.decide": "Approve, reject and void evidence, and have its files verified.",
}
HELD = {
    "evidence.read": ["tenant_admin", "assessor", "programme_manager", "auditor", "integrator"],
    "evidence.record": ["tenant_admin", "assessor", "integrator"],
    "evidence.decide": ["tenant_admin", "assessor"],
}


def upgrade() -> None:
    """Create the tables; of evidence nothing is ever changed or removed."""
    capabilities.add(ADDED, HELD)
    create_uploads()
    create_items()
    create_events()
    isolate("uploads", "org_unit", "own_session", allow="select, insert, update, delete")
    isolate("evidence_items", "org_unit", "own_session", allow="select, insert")
    isolate("evidence_events", "org_unit", "staff_only", allow="select, insert")
    for table in ("evidence_items", "evidence_events"):
        append_only(table)


def downgrade() -> None:
    """Take it back; the files stay where they are."""
    capabilities.remove(*ADDED)
    for table in ("evidence_events", "evidence_items", "uploads"):
        op.drop_table(table)


def create_uploads() -> None:
    """Create the table of what is sent."""
    op.create_table(
        "uploads",
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("submission_item_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("state in ('open', 'finished')", name=op.f("ck_uploads_state")),
        sa.CheckConstraint("size > 0", name=op.f("ck_uploads_size")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_uploads_delivery_sessions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_uploads_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_uploads_submission_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_uploads_org_units")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_uploads_tenant_id_org_unit_id_id")),
    )
    op.create_index("ix_uploads_expires", "uploads", ["tenant_id", "expires_at"])
    op.create_index("ix_uploads_owner", "uploads", ["tenant_id", "owner"], postgresql_where=sa.text("state = 'open'"))
    op.create_index("ix_uploads_session", "uploads", ["tenant_id", "session_id", "item_id"])


def create_items() -> None:
    """Create the table of files that were recorded."""
    op.create_table(
        "evidence_items",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("submission_item_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "replaces_id"],
            ["evidence_items.tenant_id", "evidence_items.org_unit_id", "evidence_items.id"],
            name=op.f("fk_evidence_items_evidence_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_evidence_items_delivery_sessions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_evidence_items_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_evidence_items_submission_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "upload_id"],
            ["uploads.tenant_id", "uploads.org_unit_id", "uploads.id"],
            name=op.f("fk_evidence_items_uploads"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "recorded_by"], ["users.tenant_id", "users.id"], name=op.f("fk_evidence_items_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evidence_items")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_evidence_items_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "replaces_id", name=op.f("uq_evidence_items_tenant_id_replaces_id")),
        sa.UniqueConstraint("tenant_id", "upload_id", name=op.f("uq_evidence_items_tenant_id_upload_id")),
    )
    op.create_index("ix_evidence_items_item", "evidence_items", ["tenant_id", "submission_item_id", "id"])
    op.create_index("ix_evidence_items_submission", "evidence_items", ["tenant_id", "submission_id", "id"])


def create_events() -> None:
    """Create the table of what was decided about them."""
    op.create_table(
        "evidence_events",
        sa.Column("evidence_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("prior_id", sa.Uuid(), nullable=True),
        sa.Column(
            "facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind in ('recorded', 'amended', 'approved', 'rejected', 'verify_requested', 'verified', 'verify_failed', 'verify_unknown', 'voided')",
            name=op.f("ck_evidence_events_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "actor_id"], ["users.tenant_id", "users.id"], name=op.f("fk_evidence_events_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evidence_id"],
            ["evidence_items.tenant_id", "evidence_items.org_unit_id", "evidence_items.id"],
            name=op.f("fk_evidence_events_evidence_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "prior_id"],
            ["evidence_events.tenant_id", "evidence_events.org_unit_id", "evidence_events.id"],
            name=op.f("fk_evidence_events_evidence_events"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evidence_events")),
        sa.UniqueConstraint(
            "tenant_id", "evidence_id", "seq", name=op.f("uq_evidence_events_tenant_id_evidence_id_seq")
        ),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_evidence_events_tenant_id_org_unit_id_id")),
    )
