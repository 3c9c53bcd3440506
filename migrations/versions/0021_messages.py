"""Mail: templates of tenants, messages, and what became of each.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

from migrations import capabilities
from migrations.isolation import append_only, isolate

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TENANT = sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid")
NOW = sa.text("evalium_now()")


def upgrade() -> None:
    """Create the tables, isolate them, and make what happened unchangeable."""
    create_tables()
    isolate("mail_templates", "staff_only", allow="select, insert, update, delete")
    isolate("messages", "unit_if_any", "staff_only", allow="select, insert, update (state, sealed)")
    isolate("message_events", "unit_if_any", "staff_only", allow="select, insert")
    append_only("message_events")
    append_only("messages", except_columns=["state", "sealed"])
    capabilities.add(
        {
            "messages.read": "See the mails that were sent, what became of them, and the templates.",
            "messages.manage": "Change the templates of mails.",
        },
        {"messages.read": ["tenant_admin", "programme_manager", "auditor"], "messages.manage": ["tenant_admin"]},
    )


def downgrade() -> None:
    """Drop the tables."""
    capabilities.remove("messages.read", "messages.manage")
    for table in ("message_events", "messages", "mail_templates"):
        op.drop_table(table)


def create_tables() -> None:
    """Create the tables, parents first."""
    op.create_table(
        "mail_templates",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), server_default=TENANT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_mail_templates"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_mail_templates_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "updated_by"], ["users.tenant_id", "users.id"], name="fk_mail_templates_users"
        ),
        sa.UniqueConstraint("tenant_id", "key", name="uq_mail_templates_tenant_id_key"),
    )
    op.create_table(
        "messages",
        sa.Column("org_unit_id", sa.Uuid(), nullable=True),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), server_default=TENANT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("state in ('queued', 'sent', 'bounced', 'failed')", name="ck_messages_state"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_messages"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_messages_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name="fk_messages_org_units"
        ),
    )
    op.create_index("ix_messages_created", "messages", ["tenant_id", "created_at", "id"])
    op.create_index("ix_messages_email", "messages", ["tenant_id", "email"])
    op.create_index("ix_messages_subject", "messages", ["tenant_id", "subject_kind", "subject_id"])
    op.create_table(
        "message_events",
        sa.Column("org_unit_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), server_default=TENANT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind in ('queued', 'deferred', 'sent', 'bounced', 'failed')", name="ck_message_events_kind"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_message_events"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_message_events_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name="fk_message_events_org_units"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"], ["messages.tenant_id", "messages.id"], name="fk_message_events_messages"
        ),
    )
    op.create_index("ix_message_events_message", "message_events", ["tenant_id", "message_id", "id"])
