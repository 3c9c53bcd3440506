"""People and roles: merged persons, archived org units, prefix search, and a baseline of everybody's rights.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from migrations.capabilities import past_row_policies, record

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DELETABLE = ("roles", "groups", "user_roles", "assignment_targets")

MOVED = """
create function evalium_moved_person() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
  if not exists (select from users where tenant_id = old.tenant_id and id = old.user_id and merged_into = new.user_id) then
    raise exception 'a submission stays with its person' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$
"""

BASELINE = """
select t.id as tenant_id, jsonb_build_object(
  'roles', coalesce((select jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'capabilities',
      coalesce((select jsonb_agg(c.capability order by c.capability) from role_capabilities c
                 where c.tenant_id = r.tenant_id and c.role_id = r.id), '[]'::jsonb)) order by r.id)
    from roles r where r.tenant_id = t.id), '[]'::jsonb),
  'grants', coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'user_id', g.user_id, 'role_id', g.role_id,
      'org_unit_id', g.org_unit_id, 'expires_at', g.expires_at, 'granted_by', g.granted_by, 'reason', g.reason,
      'user_status', u.status) order by g.id)
    from user_roles g join users u on u.tenant_id = g.tenant_id and u.id = g.user_id
    where g.tenant_id = t.id), '[]'::jsonb),
  'members', coalesce((select jsonb_agg(jsonb_build_object('user_id', m.user_id, 'org_units', m.units) order by m.user_id)
    from (select o.user_id, jsonb_agg(o.org_unit_id order by o.org_unit_id) as units from user_org_units o
           where o.tenant_id = t.id group by o.user_id) m), '[]'::jsonb)) as baseline
from tenants t order by t.id
"""


def upgrade() -> None:
    """Extend the tables, and write down who may what in each tenant, from where the ledger goes on."""
    op.add_column("org_units", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    type_of_address(sa.Text(collation="C"))
    op.add_column("users", sa.Column("merged_into", sa.Uuid(), nullable=True))
    searched = sa.Computed("lower(display_name)", persisted=True)
    op.add_column("users", sa.Column("search_name", sa.Text(collation="C"), searched, nullable=False))
    with past_row_policies("users"):
        op.create_foreign_key(
            op.f("fk_users_users"), "users", "users", ["tenant_id", "merged_into"], ["tenant_id", "id"]
        )
    op.drop_constraint(op.f("ck_users_status"), "users")
    op.create_check_constraint(
        op.f("ck_users_status"), "users", "status in ('invited', 'active', 'suspended', 'merged')"
    )
    op.create_check_constraint(op.f("ck_users_merged"), "users", "status <> 'merged' or merged_into is not null")
    op.create_index("ix_users_search_name", "users", ["tenant_id", "search_name"])
    op.create_index("ix_user_org_units_unit", "user_org_units", ["tenant_id", "org_unit_id"])
    op.create_index("ix_group_members_user", "group_members", ["tenant_id", "user_id"])
    op.create_index("ix_user_roles_role", "user_roles", ["tenant_id", "role_id"])
    for table in DELETABLE:
        op.execute(f"grant delete on {table} to evalium_app")
    let_submissions_move()
    write_baselines()


def let_submissions_move() -> None:
    """Let a submission follow its person into the one who was kept, and nowhere else."""
    op.execute("drop trigger append_only on submissions")
    op.execute(
        "create trigger append_only before update on submissions for each row when "
        "(to_jsonb(old) - 'latest_score_version' - 'user_id' is distinct from "
        "to_jsonb(new) - 'latest_score_version' - 'user_id') execute function evalium_refuse()"
    )
    op.execute(MOVED)
    op.execute(
        "create trigger moved_person before update of user_id on submissions for each row "
        "when (old.user_id is distinct from new.user_id) execute function evalium_moved_person()"
    )
    op.execute("grant update (user_id) on submissions to evalium_app")


def write_baselines() -> None:
    """Record everybody's rights in each tenant: what was granted before is not told completely by the ledger."""
    connection = op.get_bind()
    with past_row_policies(
        "tenants", "roles", "role_capabilities", "user_roles", "users", "user_org_units", "activity"
    ):
        for row in connection.execute(sa.text(BASELINE)).all():
            record(connection, row.tenant_id, "rights.recorded", ("tenant", row.tenant_id), None, row.baseline)


def type_of_address(kind: sa.Text) -> None:
    """Change the type of the addresses, around the trigger that watches them."""
    op.execute("drop trigger known_address_update on users")
    op.alter_column("users", "email", type_=kind, existing_nullable=False)
    op.execute(
        "create trigger known_address_update after update of email on users"
        " for each row execute function evalium_known_address()"
    )


def downgrade() -> None:
    """Take it back; the baselines stay in the ledger, which forgets nothing."""
    op.execute("revoke update (user_id) on submissions from evalium_app")
    op.execute("drop trigger moved_person on submissions")
    op.execute("drop function evalium_moved_person()")
    op.execute("drop trigger append_only on submissions")
    op.execute(
        "create trigger append_only before update on submissions for each row when "
        "(to_jsonb(old) - 'latest_score_version' is distinct from to_jsonb(new) - 'latest_score_version') "
        "execute function evalium_refuse()"
    )
    for table in DELETABLE:
        op.execute(f"revoke delete on {table} from evalium_app")
    op.drop_index("ix_user_roles_role", "user_roles")
    op.drop_index("ix_group_members_user", "group_members")
    op.drop_index("ix_user_org_units_unit", "user_org_units")
    op.drop_index("ix_users_search_name", "users")
    op.drop_constraint(op.f("ck_users_merged"), "users")
    op.drop_constraint(op.f("fk_users_users"), "users")
    op.drop_constraint(op.f("ck_users_status"), "users")
    op.drop_column("users", "search_name")
    op.drop_column("users", "merged_into")
    with past_row_policies("users"):
        op.execute("update users set status = 'suspended' where status = 'merged'")
    op.create_check_constraint(op.f("ck_users_status"), "users", "status in ('invited', 'active', 'suspended')")
    type_of_address(sa.Text())
    op.drop_column("org_units", "archived_at")
