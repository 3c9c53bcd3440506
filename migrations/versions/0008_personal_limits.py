"""What limits a person: overrides, accommodation profiles, the tenant's defaults, and what a session's limits follow from.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.isolation import append_only, isolate

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
KINDS = (
    "created", "started", "item_viewed", "answer_saved", "focus_lost", "focus_regained", "tab_switch",
    "paste_detected", "disconnected", "reconnected", "submitted", "expired",
)  # fmt: skip
NEW_KINDS = ("time_extended", "attempt_added", "limits_changed")
ADDED = {
    "assignments.override": "Change the limits of a person or a group on an assignment, with a reason.",
    "accommodations.read": "See what people need in every assessment, such as more time.",
    "accommodations.manage": "Write down what people need in every assessment.",
    "policy.manage": "Change the tenant's default limits.",
}
HELD = {
    "assignments.override": ["tenant_admin", "programme_manager"],
    "accommodations.read": ["tenant_admin", "programme_manager", "auditor"],
    "accommodations.manage": ["tenant_admin", "programme_manager"],
    "policy.manage": ["tenant_admin"],
}


def upgrade() -> None:
    """Create the tables, let sessions keep what their limits follow from, and grant the new capabilities."""
    create_profiles()
    create_defaults()
    create_overrides()
    isolate("accommodation_profiles", "staff_only", allow="select, insert, update, delete")
    isolate("policy_defaults", "staff_only")
    isolate("assignment_overrides", "org_unit", "staff_only", allow="select, insert")
    op.execute("grant update (user_id) on assignment_overrides to evalium_app")
    append_only("assignment_overrides", except_columns=["user_id"])
    op.add_column("delivery_sessions", sa.Column("policy_rows", postgresql.JSONB(), nullable=True))
    know_kinds(KINDS[:10] + NEW_KINDS + KINDS[10:])
    capabilities.add(ADDED, HELD)


def downgrade() -> None:
    """Take it back. A session with one of the new events keeps it from happening: events are never removed."""
    capabilities.remove(*ADDED)
    know_kinds(KINDS)
    op.drop_column("delivery_sessions", "policy_rows")
    op.drop_table("assignment_overrides")
    op.drop_table("policy_defaults")
    op.drop_table("accommodation_profiles")


def know_kinds(kinds: tuple[str, ...]) -> None:
    """Let session events be of these kinds."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_session_events_kind"), "session_events")
    op.create_check_constraint(op.f("ck_session_events_kind"), "session_events", f"kind in ({listed})")


def create_profiles() -> None:
    """Create the table with one row for each person who needs something."""
    op.create_table(
        "accommodation_profiles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("time_multiplier", sa.Numeric(precision=6, scale=4), nullable=False),
        sa.Column("break_seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("break_seconds between 0 and 86400", name=op.f("ck_accommodation_profiles_break_seconds")),
        sa.CheckConstraint("time_multiplier between 1 and 10", name=op.f("ck_accommodation_profiles_time_multiplier")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "changed_by"], ["users.tenant_id", "users.id"], name="fk_accommodation_profiles_changed_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_accommodation_profiles_users")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_accommodation_profiles_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_accommodation_profiles")),
        sa.UniqueConstraint("tenant_id", "user_id", name=op.f("uq_accommodation_profiles_tenant_id_user_id")),
    )


def create_defaults() -> None:
    """Create the table with at most one row for each tenant."""
    op.create_table(
        "policy_defaults",
        sa.Column("time_limit_seconds", sa.Integer(), nullable=True),
        sa.Column("allowed_attempts", sa.Integer(), nullable=True),
        sa.Column("feedback_mode", sa.Text(), nullable=True),
        sa.Column("security_config", postgresql.JSONB(), nullable=True),
        sa.Column("network_grace_seconds", sa.Integer(), nullable=True),
        sa.Column("idle_threshold_seconds", sa.Integer(), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("allowed_attempts > 0", name=op.f("ck_policy_defaults_attempts")),
        sa.CheckConstraint("idle_threshold_seconds between 5 and 3600", name=op.f("ck_policy_defaults_idle")),
        sa.CheckConstraint("network_grace_seconds between 0 and 600", name=op.f("ck_policy_defaults_grace")),
        sa.CheckConstraint("time_limit_seconds > 0", name=op.f("ck_policy_defaults_time_limit")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "changed_by"], ["users.tenant_id", "users.id"], name=op.f("fk_policy_defaults_users")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_policy_defaults_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_policy_defaults")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_policy_defaults_tenant_id")),
    )


def create_overrides() -> None:
    """Create the ledger of exceptions."""
    op.create_table(
        "assignment_overrides",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=12, scale=4), nullable=True),
        sa.Column("instant", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_unlimited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("restrict", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "kind in ('extension', 'added_attempts', 'time_limit', 'time_multiplier', 'allowed_attempts', 'window_until')",
            name=op.f("ck_assignment_overrides_kind"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(amount, instant) + is_unlimited::integer = 1 and (instant is null or kind = 'window_until') and (amount is null or kind <> 'window_until')",
            name=op.f("ck_assignment_overrides_value"),
        ),
        sa.CheckConstraint("(user_id is null) <> (group_id is null)", name=op.f("ck_assignment_overrides_target")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name="fk_assignment_overrides_created_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"], ["groups.tenant_id", "groups.id"], name=op.f("fk_assignment_overrides_groups")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_assignment_overrides_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "reverses"],
            ["assignment_overrides.tenant_id", "assignment_overrides.org_unit_id", "assignment_overrides.id"],
            name=op.f("fk_assignment_overrides_assignment_overrides"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_assignment_overrides_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_overrides")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_assignment_overrides_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint("tenant_id", "reverses", name=op.f("uq_assignment_overrides_tenant_id_reverses")),
    )
    op.create_index("ix_assignment_overrides_assignment", "assignment_overrides", ["tenant_id", "assignment_id", "id"])
    op.create_index("ix_assignment_overrides_user", "assignment_overrides", ["tenant_id", "user_id", "id"])
