"""Certificates: validity and badge of a programme, what was issued, and what the public is shown.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.capabilities import past_row_policies
from migrations.isolation import append_only, isolate

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"

BEARERS = ("address", "link", "browser", "refresh")
BEFORE = (
    "user_id",
    "status",
    "met_count",
    "failed_count",
    "held_count",
    "completed_at",
    "cancelled_at",
    "cancel_reason",
)
ENROLMENT = (*BEFORE, "version_id", "mandatory_count", "certified_at", "expires_at", "reopened_at")
CERTIFICATE = ("user_id", "revoked_at", "revoked_by", "revoke_cause", "revoke_reason")


def upgrade() -> None:
    """Create the tables; a certificate never changes, but for being revoked."""
    create_badge_images()
    create_certificates()
    create_certificate_settings()
    with past_row_policies("programmes", "programme_versions", "programme_enrolments"):
        rule_validity("programmes")
        rule_validity("programme_versions")
        certify_enrolments()
    bearers(*BEARERS, "certificate")
    isolate("badge_images", "org_unit", "staff_only", allow="select, insert")
    isolate("certificates", "org_unit", "staff_only", allow=f"select, insert, update ({', '.join(CERTIFICATE)})")
    isolate("certificate_settings", "staff_only", allow="select, insert, update (holder_shown, changed_at)")
    append_only("badge_images")
    append_only("certificates", except_columns=CERTIFICATE)
    op.execute(f"grant update ({', '.join(ENROLMENT)}) on programme_enrolments to evalium_app")
    change_enrolments(ENROLMENT)


def downgrade() -> None:
    """Take it back."""
    change_enrolments(BEFORE)
    with past_row_policies("bearers", "programme_enrolments"):
        op.execute("delete from bearers where kind = 'certificate'")
        uncertify_enrolments()
    bearers(*BEARERS)
    for table in ("programme_versions", "programmes"):
        for column in ("badge_id", "reminder_days", "grace_days", "lead_days", "expiry_anchor", "validity_months"):
            op.drop_column(table, column)
    for table in ("certificate_settings", "certificates", "badge_images"):
        op.drop_table(table)


def bearers(*kinds: str) -> None:
    """Let the directory of bearers know these kinds."""
    op.drop_constraint("ck_bearers_kind", "bearers")
    said = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint("ck_bearers_kind", "bearers", f"kind in ({said})")


def change_enrolments(columns: tuple[str, ...]) -> None:
    """Let these columns of enrolments be changed, and no other."""
    op.execute("drop trigger append_only on programme_enrolments")
    op.execute("drop trigger append_only_delete on programme_enrolments")
    append_only("programme_enrolments", except_columns=columns)


def rule_validity(table: str) -> None:
    """Add what a programme says of validity, renewal and its badge."""
    op.add_column(table, sa.Column("validity_months", sa.Integer(), nullable=True))
    op.add_column(table, sa.Column("expiry_anchor", sa.Text(), server_default="certified", nullable=False))
    op.add_column(table, sa.Column("lead_days", sa.Integer(), server_default="30", nullable=False))
    op.add_column(table, sa.Column("grace_days", sa.Integer(), server_default="0", nullable=False))
    days = postgresql.ARRAY(sa.Integer())
    op.add_column(table, sa.Column("reminder_days", days, server_default="{30,7}", nullable=False))
    op.add_column(table, sa.Column("badge_id", sa.Uuid(), nullable=True))
    within = ["tenant_id", "org_unit_id"]
    name = f"fk_{table}_badge_images"
    op.create_foreign_key(name, table, "badge_images", [*within, "badge_id"], [*within, "id"])
    op.create_check_constraint(
        f"ck_{table}_expiry_anchor", table, "expiry_anchor in ('certified', 'due', 'window_end')"
    )
    op.create_check_constraint(f"ck_{table}_validity", table, "validity_months > 0")
    op.create_check_constraint(f"ck_{table}_days", table, "lead_days >= 0 and grace_days >= 0")


def certify_enrolments() -> None:
    """Let enrolments be certified, renew one another, and be opened again."""
    op.add_column("programme_enrolments", sa.Column("certified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("programme_enrolments", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("programme_enrolments", sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("programme_enrolments", sa.Column("renewal_of_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_programme_enrolments_expires",
        "programme_enrolments",
        ["tenant_id", "programme_id", "expires_at"],
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.create_unique_constraint(
        op.f("uq_programme_enrolments_tenant_id_renewal_of_id"), "programme_enrolments", ["tenant_id", "renewal_of_id"]
    )
    op.create_foreign_key(
        op.f("fk_programme_enrolments_programme_enrolments"),
        "programme_enrolments",
        "programme_enrolments",
        ["tenant_id", "org_unit_id", "renewal_of_id"],
        ["tenant_id", "org_unit_id", "id"],
    )
    status = "status in ('in_progress', 'completed', 'certified', 'cancelled')"
    checks("programme_enrolments", status, "(status in ('completed', 'certified')) = (completed_at is not null)")
    op.create_check_constraint(
        "ck_programme_enrolments_certified",
        "programme_enrolments",
        "(status = 'certified') = (certified_at is not null)",
    )
    op.create_check_constraint(
        "ck_programme_enrolments_expires", "programme_enrolments", "expires_at is null or certified_at is not null"
    )
    once("status = 'in_progress' and reopened_at is null")


def uncertify_enrolments() -> None:
    """Take that back; whoever is certified has completed."""
    op.drop_constraint("ck_programme_enrolments_certified", "programme_enrolments")
    op.execute("update programme_enrolments set status = 'completed' where status = 'certified'")
    checks(
        "programme_enrolments",
        "status in ('in_progress', 'completed', 'cancelled')",
        "(status = 'completed') = (completed_at is not null)",
    )
    once("status = 'in_progress'")
    op.drop_index("ix_programme_enrolments_expires", table_name="programme_enrolments")
    for column in ("renewal_of_id", "reopened_at", "expires_at", "certified_at"):
        op.drop_column("programme_enrolments", column)


def checks(table: str, status: str, completed: str) -> None:
    """State anew what an enrolment's status may be, and when it is completed."""
    for name, condition in (("status", status), ("completed", completed)):
        op.drop_constraint(f"ck_{table}_{name}", table)
        op.create_check_constraint(f"ck_{table}_{name}", table, condition)


def once(where: str) -> None:
    """Let nobody be in progress twice in one programme."""
    op.drop_index("uq_programme_enrolments_open", table_name="programme_enrolments")
    columns = ["tenant_id", "programme_id", "user_id"]
    op.create_index(
        "uq_programme_enrolments_open", "programme_enrolments", columns, unique=True, postgresql_where=sa.text(where)
    )


def create_badge_images() -> None:
    """Create the table of pictures."""
    op.create_table(
        "badge_images",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_badge_images")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_badge_images_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "sha256", name=op.f("uq_badge_images_tenant_id_org_unit_id_sha256")
        ),
    )


def create_certificate_settings() -> None:
    """Create the table of what tenants show."""
    op.create_table(
        "certificate_settings",
        sa.Column("holder_shown", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "holder_shown in ('full', 'initials', 'hidden')", name=op.f("ck_certificate_settings_holder_shown")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_certificate_settings_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_certificate_settings")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_certificate_settings_tenant_id")),
    )


def create_certificates() -> None:
    """Create the table of certificates."""
    op.create_table(
        "certificates",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("holder_name", sa.Text(), nullable=False),
        sa.Column("grounds", postgresql.JSONB(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_through", sa.Date(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renewal_opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renewal_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column("renews_id", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoke_cause", sa.Text(), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "revoke_cause is null or revoke_cause in ('decision', 'reissued', 'corrected')",
            name=op.f("ck_certificates_revoke_cause"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(revoked_at, revoke_cause, revoke_reason) in (0, 3)", name=op.f("ck_certificates_revoked")
        ),
        sa.CheckConstraint(
            "num_nonnulls(valid_through, expires_at, renewal_opens_at, renewal_ends_at) in (0, 4)",
            name=op.f("ck_certificates_expires"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "enrolment_id"],
            ["programme_enrolments.tenant_id", "programme_enrolments.org_unit_id", "programme_enrolments.id"],
            name=op.f("fk_certificates_programme_enrolments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_certificates_programmes"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "renews_id"],
            ["certificates.tenant_id", "certificates.org_unit_id", "certificates.id"],
            name="fk_certificates_renews",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "replaces_id"],
            ["certificates.tenant_id", "certificates.org_unit_id", "certificates.id"],
            name="fk_certificates_replaces",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "version_id"],
            ["programme_versions.tenant_id", "programme_versions.org_unit_id", "programme_versions.id"],
            name=op.f("fk_certificates_programme_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revoked_by"], ["users.tenant_id", "users.id"], name="fk_certificates_revoked_by"
        ),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name="fk_certificates_user"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_certificates_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "replaces_id", name=op.f("uq_certificates_tenant_id_replaces_id")),
        sa.UniqueConstraint("tenant_id", "token", name=op.f("uq_certificates_tenant_id_token")),
    )
    op.create_index("ix_certificates_enrolment", "certificates", ["tenant_id", "enrolment_id"])
    op.create_index("ix_certificates_programme", "certificates", ["tenant_id", "programme_id", "issued_at", "id"])
    op.create_index(
        "ix_certificates_renewal",
        "certificates",
        ["tenant_id", "renewal_opens_at"],
        postgresql_where=sa.text("revoked_at is null and expires_at is not null"),
    )
    op.create_index(
        "ix_certificates_revoked",
        "certificates",
        ["tenant_id", "revoked_at"],
        postgresql_where=sa.text("revoked_at is not null"),
    )
    op.create_index("ix_certificates_user", "certificates", ["tenant_id", "user_id", "issued_at", "id"])
    op.create_index(
        "uq_certificates_counting",
        "certificates",
        ["tenant_id", "enrolment_id"],
        unique=True,
        postgresql_where=sa.text("revoked_at is null"),
    )
