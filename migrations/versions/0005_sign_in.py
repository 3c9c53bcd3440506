"""Signing in and tokens: links, signed-in browsers, refresh tokens, service tokens, and counters of attempts.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.isolation import isolate

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = (
    "service_tokens",
    "refresh_tokens",
    "auth_sessions",
    "magic_links",
    "bearers",
    "sign_in_requests",
    "attempt_counters",
)

MANAGE = "Create, list and revoke service tokens, which hold at most what their creator holds."

KNOWN_ADDRESS = """
create function evalium_known_address() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
  if tg_op = 'UPDATE' then
    delete from bearers where tenant_id = old.tenant_id and kind = 'address' and subject_id = old.id;
  end if;
  insert into bearers (tenant_id, kind, hash, subject_id)
    values (new.tenant_id, 'address', encode(sha256(convert_to(new.email, 'UTF8')), 'hex'), new.id);
  return null;
end
$$
"""

BACKFILL = """
insert into bearers (tenant_id, kind, hash, subject_id)
  select tenant_id, 'address', encode(sha256(convert_to(email, 'UTF8')), 'hex'), id from users
"""


def upgrade() -> None:
    """Create the tables, and enter the addresses of the people that there are into the directory of bearers."""
    create_tables()
    op.execute(KNOWN_ADDRESS)
    for when in ("insert", "update of email"):
        name = f"known_address_{when.split()[0]}"
        op.execute(
            f"create trigger {name} after {when} on users for each row execute function evalium_known_address()",
        )
    isolate_tables()
    fill()


def isolate_tables() -> None:
    """Give each table its row policies and the application its grants."""
    op.execute("grant select, insert, update, delete on attempt_counters to evalium_app")
    op.execute("grant select, insert, delete on sign_in_requests to evalium_app")
    isolate("bearers", "staff_only", allow="select, insert, delete", bearer=True)
    for table in ("magic_links", "auth_sessions", "refresh_tokens"):
        isolate(table, "staff_only", allow="select, insert, update, delete")
    isolate("service_tokens", "staff_only")


def fill() -> None:
    """Bring what exists in line, in every tenant; the owner is bound by row policies too, so they are lifted for it."""
    capabilities.add({"tokens.manage": MANAGE}, {"tokens.manage": ["tenant_admin", "integrator"]})
    for table in ("users", "bearers"):
        op.execute(f"alter table {table} no force row level security")
    op.execute(BACKFILL)
    for table in ("users", "bearers"):
        op.execute(f"alter table {table} force row level security")


def downgrade() -> None:
    """Drop everything that this revision made."""
    op.execute("drop trigger known_address_insert on users")
    op.execute("drop trigger known_address_update on users")
    op.execute("drop function evalium_known_address()")
    capabilities.remove("tokens.manage")
    for table in TABLES:
        op.execute(f"drop table {table}")


def create_tables() -> None:
    """Create the tables, parents first."""
    op.create_table(
        "attempt_counters",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_attempt_counters")),
    )
    op.create_index("ix_attempt_counters_ends", "attempt_counters", ["ends_at"], unique=False)
    op.create_table(
        "sign_in_requests",
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_sign_in_requests")),
    )
    op.create_index("ix_sign_in_requests_expires", "sign_in_requests", ["expires_at"], unique=False)
    op.create_table(
        "bearers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.CheckConstraint("kind in ('address', 'link', 'browser', 'refresh')", name=op.f("ck_bearers_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_bearers_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_bearers")),
        sa.UniqueConstraint(
            "tenant_id", "kind", "hash", "subject_id", name=op.f("uq_bearers_tenant_id_kind_hash_subject_id")
        ),
    )
    op.create_index("ix_bearers_hash", "bearers", ["hash"], unique=False)
    op.create_index("ix_bearers_subject", "bearers", ["tenant_id", "subject_id"], unique=False)
    op.create_table(
        "auth_sessions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), nullable=False),
        sa.Column("nonce_hash", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "end_reason in ('signed_out', 'ended_by_owner', 'reused', 'suspended', 'access_lost')",
            name=op.f("ck_auth_sessions_end_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_auth_sessions_org_units"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_auth_sessions_users")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_auth_sessions_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_auth_sessions")),
    )
    op.create_index("ix_auth_sessions_expires", "auth_sessions", ["tenant_id", "expires_at"], unique=False)
    op.create_index("ix_auth_sessions_user", "auth_sessions", ["tenant_id", "user_id", "id"], unique=False)
    op.create_table(
        "magic_links",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("nonce_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_magic_links_users")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_magic_links_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_magic_links")),
        sa.UniqueConstraint("tenant_id", "token_hash", name=op.f("uq_magic_links_tenant_id_token_hash")),
    )
    op.create_index("ix_magic_links_expires", "magic_links", ["tenant_id", "expires_at"], unique=False)
    op.create_index("ix_magic_links_user", "magic_links", ["tenant_id", "user_id", "created_at"], unique=False)
    op.create_table(
        "service_tokens",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), nullable=True),
        sa.Column("capabilities", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("operations", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(revoked_at is null) = (revoke_reason is null)", name=op.f("ck_service_tokens_revoked_with_reason")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_service_tokens_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_service_tokens_org_units"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_service_tokens_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_service_tokens")),
    )
    op.create_index("ix_service_tokens_creator", "service_tokens", ["tenant_id", "created_by"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("sign_in_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sign_in_id"],
            ["auth_sessions.tenant_id", "auth_sessions.id"],
            name=op.f("fk_refresh_tokens_auth_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_refresh_tokens_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("tenant_id", "token_hash", name=op.f("uq_refresh_tokens_tenant_id_token_hash")),
    )
    op.create_index("ix_refresh_tokens_sign_in", "refresh_tokens", ["tenant_id", "sign_in_id"], unique=False)
