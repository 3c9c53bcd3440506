"""Row policies and grants of a table, as one act for migrations (domain.md section 2, dependencies.md 6.2).

Every table gets one permissive policy, its tenant; everything narrower is restrictive, because permissive policies are
OR-ed. The variables are read in scalar sub-selects, which PostgreSQL evaluates once per statement, and through
`nullif`, because a variable that was set in an earlier transaction reads back as an empty string.
"""

from collections.abc import Iterator, Sequence

from alembic import op

TENANT = "(select nullif(current_setting('app.tenant_id', true), '')::uuid)"
BEARER = "(select nullif(current_setting('app.bearer_hash', true), ''))"
ORG_UNIT = "(select nullif(current_setting('app.org_unit_id', true), '')::uuid)"
SESSION = "(select nullif(current_setting('app.session_id', true), '')::uuid)"
SESSIONS = "(select nullif(current_setting('app.session_ids', true), '')::uuid[])"
ROOMS = "(select nullif(current_setting('app.rooms', true), '')::uuid[])"
SCOPE_ALL = "(select coalesce(current_setting('app.scope_all', true), '') = 'on')"

NARROWINGS = {
    "org_unit": f"org_unit_id = {ORG_UNIT} or {SCOPE_ALL}",
    "unit_if_any": f"org_unit_id is null or org_unit_id = {ORG_UNIT} or {SCOPE_ALL}",
    "staff_only": f"{SESSION} is null",
    "own_session": f"{SESSION} is null or session_id = {SESSION} or session_id = any({SESSIONS}::uuid[])",
    # A case rather than an or: for an or the planner expects so few rows that it sorts what an index has in order.
    "in_room": f"case when {ROOMS} is null then true else room_id = any({ROOMS}::uuid[]) end",
    "self_session": f"{SESSION} is null or id = {SESSION} or id = any({SESSIONS}::uuid[])",
}


def statements(
    table: str, narrow: Sequence[str], allow: str, tenant_column: str = "tenant_id", *, bearer: bool = False
) -> Iterator[str]:
    """Yield the SQL that isolates `table`; `allow` lists the commands that the application is granted.

    With `bearer`, a row is also seen by whoever has set the very hash that stands in it; writing needs the tenant.
    """
    yield f"alter table {table} enable row level security"
    yield f"alter table {table} force row level security"
    own = f"{tenant_column} = {TENANT}"
    seen = f"{own} or hash = {BEARER}" if bearer else own
    yield f"create policy tenant on {table} using ({seen}) with check ({own})"
    for name in narrow:
        rule = NARROWINGS[name]
        yield f"create policy {name} on {table} as restrictive using ({rule}) with check ({rule})"
    yield f"grant {allow} on {table} to evalium_app"


def isolate(
    table: str,
    *narrow: str,
    allow: str = "select, insert, update",
    tenant_column: str = "tenant_id",
    bearer: bool = False,
) -> None:
    """Isolate a table by tenant and by the named narrowings, and grant the application the commands of `allow`."""
    for statement in statements(table, narrow, allow, tenant_column, bearer=bearer):
        op.execute(statement)


def append_only(table: str, *, except_columns: Sequence[str] = ()) -> None:
    """Refuse, by trigger and for every role, to change or delete a row; the excepted columns may be updated."""
    kept = "".join(f" - '{column}'" for column in except_columns)
    when = f"when (to_jsonb(old){kept} is distinct from to_jsonb(new){kept})" if except_columns else ""
    op.execute(
        f"create trigger append_only before update on {table} for each row {when} execute function evalium_refuse()",
    )
    op.execute(
        f"create trigger append_only_delete before delete on {table} for each row execute function evalium_refuse()",
    )
