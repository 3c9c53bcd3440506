"""The foundation: tenants and people, authoring, assignments, sessions, submissions, activity, with their row policies.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import append_only, isolate

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CAPABILITIES = {
    "users.read": "See the people of the tenant, their org units and groups.",
    "users.manage": "Invite, change, suspend and reactivate people.",
    "roles.read": "See roles and what they hold.",
    "roles.manage": "Create and change roles, and grant them.",
    "billing.manage": "See and change the tenant's billing.",
    "questions.read": "Read questions with their answer keys.",
    "questions.write": "Write and change drafts of questions, and import question pools.",
    "questions.publish": "Publish a question version, which freezes it.",
    "evaluations.read": "Read evaluations and their versions.",
    "evaluations.write": "Compose and change drafts of evaluations.",
    "evaluations.publish": "Publish an evaluation version, which freezes it.",
    "assignments.read": "See assignments and their invitations.",
    "assignments.issue": "Issue an evaluation to people, and close an assignment.",
    "assignments.monitor": "Watch an assignment's candidates, live and afterwards.",
    "sessions.read": "Read one session and its timeline.",
    "sessions.proctor": "Act on a running session.",
    "sessions.technical_details": "See raw technical signals of a session.",
    "submissions.read": "Read submissions, answers and scores.",
    "reviews.grade": "Grade subjective items.",
    "programmes.read": "See programmes and enrolments.",
    "programmes.manage": "Define programmes and enrol people.",
    "activity.read": "Read the activity ledger.",
}

TABLES = (
    "submission_score_versions",
    "submission_items",
    "submissions",
    "session_papers",
    "session_events",
    "session_event_batches",
    "answers",
    "delivery_sessions",
    "invitations",
    "evaluation_items",
    "assignment_targets",
    "question_keys",
    "evaluation_sections",
    "assignments",
    "question_versions",
    "evaluation_versions",
    "user_roles",
    "user_org_units",
    "role_capabilities",
    "questions",
    "group_members",
    "evaluations",
    "users",
    "roles",
    "org_units",
    "idempotency_keys",
    "groups",
    "activity",
    "tenants",
    "tenant_directory",
    "capabilities",
)

CLOCK = """
create function evalium_now() returns timestamptz language sql stable parallel safe as $$
  select statement_timestamp() + coalesce(nullif(current_setting('app.clock_shift', true), '')::interval, '0'::interval)
$$
"""

REFUSE = """
create function evalium_refuse() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  raise exception 'rows of % are never changed', tg_table_name using errcode = 'restrict_violation';
end
$$
"""

FROZEN_VERSION = """
create function evalium_frozen_version() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  if old.status = 'published' then
    raise exception 'a published version of % is never changed', tg_table_name using errcode = 'restrict_violation';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$
"""

FROZEN_PART = """
create function evalium_frozen_part() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
  part jsonb := to_jsonb(case tg_op when 'DELETE' then old else new end);
  frozen boolean;
begin
  execute format('select status = ''published'' from %I where tenant_id = $1 and id = $2', tg_argv[0])
    into frozen using (part ->> 'tenant_id')::uuid, (part ->> tg_argv[1])::uuid;
  if frozen then
    raise exception 'parts of a published version are never changed' using errcode = 'restrict_violation';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$
"""


def upgrade() -> None:
    """Create everything from nothing."""
    for function in (CLOCK, REFUSE, FROZEN_VERSION, FROZEN_PART):
        op.execute(function)
    create_tables()
    op.bulk_insert(
        sa.table("capabilities", sa.column("name"), sa.column("description")),
        [{"name": name, "description": description} for name, description in CAPABILITIES.items()],
    )
    isolate_tables()
    freeze()


def isolate_tables() -> None:
    """Give each table its row policies and the application its grants."""
    op.execute("grant select on capabilities to evalium_app")
    op.execute("grant select, insert on tenant_directory to evalium_app")
    isolate("tenants", tenant_column="id")
    for table in ("org_units", "users", "groups", "roles", "user_roles"):
        isolate(table, "staff_only")
    for table in ("user_org_units", "group_members", "role_capabilities"):
        isolate(table, "staff_only", allow="select, insert, update, delete")
    for table in ("questions", "question_versions", "question_keys", "evaluations", "evaluation_versions"):
        isolate(table, "org_unit", "staff_only")
    for table in ("evaluation_sections", "evaluation_items"):
        isolate(table, "org_unit", "staff_only", allow="select, insert, update, delete")
    for table in ("assignments", "assignment_targets", "invitations"):
        isolate(table, "org_unit", "staff_only")
    isolate("delivery_sessions", "org_unit", "self_session")
    isolate("answers", "org_unit", "own_session")
    for table in ("session_papers", "session_events", "session_event_batches"):
        isolate(table, "org_unit", "own_session", allow="select, insert")
    isolate("submissions", "org_unit", "own_session", allow="select, insert, update (latest_score_version)")
    for table in ("submission_items", "submission_score_versions"):
        isolate(table, "org_unit", "staff_only", allow="select, insert")
    isolate("activity", "staff_only", allow="select, insert")
    isolate("idempotency_keys", "own_session", allow="select, insert, delete")


def freeze() -> None:
    """Make by trigger immutable what the domain calls immutable."""
    for table in (
        "session_papers",
        "session_events",
        "session_event_batches",
        "submission_items",
        "submission_score_versions",
        "activity",
    ):
        append_only(table)
    append_only("submissions", except_columns=["latest_score_version"])
    for table in ("question_versions", "evaluation_versions"):
        op.execute(
            f"create trigger frozen before update or delete on {table} "
            "for each row execute function evalium_frozen_version()",
        )
    for table, whole, column in (
        ("question_keys", "question_versions", "id"),
        ("evaluation_sections", "evaluation_versions", "evaluation_version_id"),
        ("evaluation_items", "evaluation_versions", "evaluation_version_id"),
    ):
        op.execute(
            f"create trigger frozen before insert or update or delete on {table} "
            f"for each row execute function evalium_frozen_part('{whole}', '{column}')",
        )


def downgrade() -> None:
    """Return to an empty database."""
    for table in TABLES:
        op.execute(f"drop table {table} cascade")
    for function in ("evalium_frozen_part()", "evalium_frozen_version()", "evalium_refuse()", "evalium_now()"):
        op.execute(f"drop function {function}")


def create_tables() -> None:
    """Create the tables, parents first."""
    op.create_table(
        "capabilities",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_capabilities")),
    )
    op.create_table(
        "tenant_directory",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_directory")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "activity",
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_activity_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activity")),
    )
    op.create_index("ix_activity_position", "activity", ["tenant_id", "xid", "id"], unique=False)
    op.create_index("ix_activity_subject", "activity", ["tenant_id", "subject_kind", "subject_id", "id"], unique=False)
    op.create_table(
        "groups",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_groups_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_groups")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_groups_tenant_id_name")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint(
            "tenant_id",
            "principal",
            "operation",
            "key",
            name=op.f("uq_idempotency_keys_tenant_id_principal_operation_key"),
        ),
    )
    op.create_index("ix_idempotency_keys_expires", "idempotency_keys", ["tenant_id", "expires_at"], unique=False)
    op.create_table(
        "org_units",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_org_units_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_org_units")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_org_units_tenant_id_name")),
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_roles_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_roles")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_roles_tenant_id_key")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_roles_tenant_id_name")),
    )
    op.create_table(
        "users",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("status in ('invited', 'active', 'suspended')", name=op.f("ck_users_status")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint("tenant_id", "email", name=op.f("uq_users_tenant_id_email")),
    )
    op.create_table(
        "evaluations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="knowledge", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("kind in ('knowledge')", name=op.f("ck_evaluations_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_evaluations_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_evaluations_org_units")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluations")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_evaluations_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "name", name=op.f("uq_evaluations_tenant_id_org_unit_id_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"], ["groups.tenant_id", "groups.id"], name=op.f("fk_group_members_groups")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_group_members_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_group_members")),
        sa.UniqueConstraint(
            "tenant_id", "group_id", "user_id", name=op.f("uq_group_members_tenant_id_group_id_user_id")
        ),
    )
    op.create_table(
        "questions",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_questions_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_questions_org_units")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_questions")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_questions_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "reference", name=op.f("uq_questions_tenant_id_org_unit_id_reference")
        ),
    )
    op.create_table(
        "role_capabilities",
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("capability", sa.Text(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["capability"], ["capabilities.name"], name=op.f("fk_role_capabilities_capabilities")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"], ["roles.tenant_id", "roles.id"], name=op.f("fk_role_capabilities_roles")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_role_capabilities")),
        sa.UniqueConstraint(
            "tenant_id", "role_id", "capability", name=op.f("uq_role_capabilities_tenant_id_role_id_capability")
        ),
    )
    op.create_table(
        "user_org_units",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_user_org_units_org_units"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_user_org_units_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_user_org_units")),
        sa.UniqueConstraint(
            "tenant_id", "user_id", "org_unit_id", name=op.f("uq_user_org_units_tenant_id_user_id_org_unit_id")
        ),
    )
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_user_roles_org_units")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"], ["roles.tenant_id", "roles.id"], name=op.f("fk_user_roles_roles")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_user_roles_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_user_roles")),
    )
    op.create_index("ix_user_roles_user", "user_roles", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "evaluation_versions",
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), server_default="", nullable=False),
        sa.Column("pass_percent", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("pass_points", sa.Numeric(precision=12, scale=4), nullable=True),
        sa.Column("time_limit_seconds", sa.Integer(), nullable=True),
        sa.Column("allowed_attempts", sa.Integer(), nullable=True),
        sa.Column("feedback_mode", sa.Text(), nullable=True),
        sa.Column("security_config", postgresql.JSONB(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'published') = (published_at is not null)", name=op.f("ck_evaluation_versions_published")
        ),
        sa.CheckConstraint("status in ('draft', 'published')", name=op.f("ck_evaluation_versions_status")),
        sa.CheckConstraint("pass_percent between 0 and 100", name=op.f("ck_evaluation_versions_pass_percent")),
        sa.CheckConstraint("pass_points >= 0", name=op.f("ck_evaluation_versions_pass_points")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_evaluation_versions_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_id"],
            ["evaluations.tenant_id", "evaluations.org_unit_id", "evaluations.id"],
            name=op.f("fk_evaluation_versions_evaluations"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_versions")),
        sa.UniqueConstraint(
            "tenant_id", "evaluation_id", "number", name=op.f("uq_evaluation_versions_tenant_id_evaluation_id_number")
        ),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_evaluation_versions_tenant_id_org_unit_id_id")
        ),
    )
    op.create_table(
        "question_versions",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("group", sa.Text(), server_default="", nullable=False),
        sa.Column("references", sa.Text(), server_default="", nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'published') = (published_at is not null)", name=op.f("ck_question_versions_published")
        ),
        sa.CheckConstraint("status in ('draft', 'published')", name=op.f("ck_question_versions_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_question_versions_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "question_id"],
            ["questions.tenant_id", "questions.org_unit_id", "questions.id"],
            name=op.f("fk_question_versions_questions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_question_versions")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_question_versions_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "question_id", "number", name=op.f("uq_question_versions_tenant_id_question_id_number")
        ),
    )
    op.create_table(
        "assignments",
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run_label", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_attempts", sa.Integer(), nullable=True),
        sa.Column("time_limit_seconds", sa.Integer(), nullable=True),
        sa.Column("feedback_mode", sa.Text(), nullable=True),
        sa.Column("security_config", postgresql.JSONB(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("status in ('active', 'closed')", name=op.f("ck_assignments_status")),
        sa.CheckConstraint("allowed_attempts > 0", name=op.f("ck_assignments_attempts")),
        sa.CheckConstraint("time_limit_seconds > 0", name=op.f("ck_assignments_time_limit")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_assignments_window")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_assignments_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_assignments_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_assignments_org_units")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_assignments_tenant_id_org_unit_id_id")),
    )
    op.create_index("ix_assignments_created", "assignments", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "evaluation_sections",
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("draw", sa.Integer(), nullable=True),
        sa.Column("draw_per_group", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("shuffle_items", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("shuffle_options", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("draw is null or draw > 0", name=op.f("ck_evaluation_sections_draw")),
        sa.CheckConstraint(
            "not (draw_per_group and draw is not null)", name=op.f("ck_evaluation_sections_one_draw_rule")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_evaluation_sections_evaluation_versions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_sections")),
        sa.UniqueConstraint(
            "tenant_id",
            "evaluation_version_id",
            "position",
            name=op.f("uq_evaluation_sections_tenant_id_evaluation_version_id_position"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_evaluation_sections_tenant_id_org_unit_id_id")
        ),
    )
    op.create_table(
        "question_keys",
        sa.Column("key", postgresql.JSONB(), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "id"],
            ["question_versions.tenant_id", "question_versions.org_unit_id", "question_versions.id"],
            name=op.f("fk_question_keys_question_versions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_question_keys")),
    )
    op.create_table(
        "assignment_targets",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind in ('email', 'user_id')", name=op.f("ck_assignment_targets_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_assignment_targets_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_assignment_targets_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_targets")),
        sa.UniqueConstraint(
            "tenant_id", "assignment_id", "user_id", name=op.f("uq_assignment_targets_tenant_id_assignment_id_user_id")
        ),
    )
    op.create_table(
        "evaluation_items",
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("section_id", sa.Uuid(), nullable=False),
        sa.Column("question_version_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("points", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("ck_evaluation_items_points")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_evaluation_items_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "question_version_id"],
            ["question_versions.tenant_id", "question_versions.org_unit_id", "question_versions.id"],
            name=op.f("fk_evaluation_items_question_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "section_id"],
            ["evaluation_sections.tenant_id", "evaluation_sections.org_unit_id", "evaluation_sections.id"],
            name=op.f("fk_evaluation_items_evaluation_sections"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_items")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_evaluation_items_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "section_id", "position", name=op.f("uq_evaluation_items_tenant_id_section_id_position")
        ),
    )
    op.create_index(
        "ix_evaluation_items_question_version", "evaluation_items", ["tenant_id", "question_version_id"], unique=False
    )
    op.create_index(
        "ix_evaluation_items_version", "evaluation_items", ["tenant_id", "evaluation_version_id"], unique=False
    )
    op.create_table(
        "invitations",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), server_default="1", nullable=False),
        sa.Column("jti", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="sent", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nonce_hash", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "status in ('sent', 'accepted', 'started', 'submitted', 'expired', 'revoked')",
            name=op.f("ck_invitations_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_invitations_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_invitations_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_invitations")),
        sa.UniqueConstraint(
            "tenant_id",
            "assignment_id",
            "user_id",
            "ordinal",
            name=op.f("uq_invitations_tenant_id_assignment_id_user_id_ordinal"),
        ),
        sa.UniqueConstraint("tenant_id", "jti", name=op.f("uq_invitations_tenant_id_jti")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_invitations_tenant_id_org_unit_id_id")),
    )
    op.create_index("ix_invitations_assignment", "invitations", ["tenant_id", "assignment_id", "id"], unique=False)
    op.create_table(
        "delivery_sessions",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="created", nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("window_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_position", sa.Integer(), nullable=True),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("answered_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("focus_lost_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("focus_lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(state in ('submitted', 'expired', 'terminated')) = (ended_at is not null)",
            name=op.f("ck_delivery_sessions_ended"),
        ),
        sa.CheckConstraint(
            "state in ('created', 'active', 'paused', 'submitted', 'expired', 'terminated')",
            name=op.f("ck_delivery_sessions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_delivery_sessions_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_delivery_sessions_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "invitation_id"],
            ["invitations.tenant_id", "invitations.org_unit_id", "invitations.id"],
            name=op.f("fk_delivery_sessions_invitations"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_delivery_sessions_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_delivery_sessions")),
        sa.UniqueConstraint(
            "tenant_id",
            "assignment_id",
            "user_id",
            "attempt",
            name=op.f("uq_delivery_sessions_tenant_id_assignment_id_user_id_attempt"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_delivery_sessions_tenant_id_org_unit_id_id")
        ),
    )
    op.create_index(
        "ix_delivery_sessions_assignment", "delivery_sessions", ["tenant_id", "assignment_id", "id"], unique=False
    )
    op.create_index(
        "ix_delivery_sessions_due",
        "delivery_sessions",
        ["tenant_id", "deadline_at"],
        unique=False,
        postgresql_where=sa.text("state in ('created', 'active')"),
    )
    op.create_table(
        "answers",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("response", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_answers_delivery_sessions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_answers")),
        sa.UniqueConstraint("tenant_id", "session_id", "item_id", name=op.f("uq_answers_tenant_id_session_id_item_id")),
    )
    op.create_table(
        "session_event_batches",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_session_event_batches_delivery_sessions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_session_event_batches")),
        sa.UniqueConstraint(
            "tenant_id", "session_id", "batch_id", name=op.f("uq_session_event_batches_tenant_id_session_id_batch_id")
        ),
    )
    op.create_table(
        "session_events",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind in ('created', 'started', 'item_viewed', 'answer_saved', 'focus_lost', 'focus_regained', 'tab_switch', 'paste_detected', 'disconnected', 'reconnected', 'submitted', 'expired')",
            name=op.f("ck_session_events_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_session_events_delivery_sessions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_session_events")),
        sa.UniqueConstraint("tenant_id", "session_id", "seq", name=op.f("uq_session_events_tenant_id_session_id_seq")),
    )
    op.create_index(
        "ix_session_events_assignment", "session_events", ["tenant_id", "assignment_id", "xid", "id"], unique=False
    )
    op.create_index(
        "ix_session_events_session", "session_events", ["tenant_id", "session_id", "xid", "id"], unique=False
    )
    op.create_table(
        "session_papers",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("items", postgresql.JSONB(), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_session_papers_delivery_sessions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_session_papers")),
        sa.UniqueConstraint("tenant_id", "session_id", name=op.f("uq_session_papers_tenant_id_session_id")),
    )
    op.create_table(
        "submissions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("latest_score_version", sa.Integer(), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("cause in ('submitted', 'expired')", name=op.f("ck_submissions_cause")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_submissions_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_submissions_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_submissions_delivery_sessions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_submissions_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_submissions_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "session_id", name=op.f("uq_submissions_tenant_id_session_id")),
    )
    op.create_index("ix_submissions_assignment", "submissions", ["tenant_id", "assignment_id", "id"], unique=False)
    op.create_table(
        "submission_items",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("question_version_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("response", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("max_points", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "question_version_id"],
            ["question_versions.tenant_id", "question_versions.org_unit_id", "question_versions.id"],
            name=op.f("fk_submission_items_question_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_submission_items_submissions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_submission_items")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_submission_items_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "submission_id", "position", name=op.f("uq_submission_items_tenant_id_submission_id_position")
        ),
    )
    op.create_index(
        "ix_submission_items_question_version", "submission_items", ["tenant_id", "question_version_id"], unique=False
    )
    op.create_table(
        "submission_score_versions",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("points", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column("max_points", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column("percent", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("items", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("scored_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "outcome in ('pending', 'passed', 'failed')", name=op.f("ck_submission_score_versions_outcome")
        ),
        sa.CheckConstraint("percent between 0 and 100", name=op.f("ck_submission_score_versions_percent")),
        sa.CheckConstraint("points between 0 and max_points", name=op.f("ck_submission_score_versions_points")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_submission_score_versions_submissions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_submission_score_versions")),
        sa.UniqueConstraint(
            "tenant_id",
            "submission_id",
            "number",
            name=op.f("uq_submission_score_versions_tenant_id_submission_id_number"),
        ),
    )
    op.create_index(
        "ix_submission_score_versions_outcome",
        "submission_score_versions",
        ["tenant_id", "outcome", "submission_id"],
        unique=False,
    )
