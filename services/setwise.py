"""Many rows written by one statement: one array for each column, so that nothing is compiled or sent row by row."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import orjson
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from models.activity import Activity
from models.base import Base, uuid7
from services.work import Work, activity_of

_DIALECT: Final = cast("Any", PGDialect_asyncpg)()


class Told(NamedTuple):
    """What the ledger is told of one subject."""

    subject: tuple[str, UUID]
    after: dict[str, Any]
    before: dict[str, Any] | None = None


async def insert(
    work: Work, model: type[Base], rows: Sequence[Mapping[str, Any]], *, unless: Sequence[str] = ()
) -> list[Any]:
    """Insert rows, all with the same columns, and return the records (id and the columns of `unless`) that were new.

    With `unless`, the columns of a unique key beside the tenant, a row whose key exists is left out. A row without an
    id is given one.
    """
    if not rows:
        return []
    await work.session.flush()
    names = ("id", *(name for name in rows[0] if name != "id"))
    table = cast("Table", model.__table__)
    is_json = [isinstance(table.columns[name].type, JSONB) for name in names]
    complete = [{"id": uuid7(), **row} for row in rows]
    arrays = [
        [_json(row[name]) if encoded else row[name] for row in complete]
        for name, encoded in zip(names, is_json, strict=True)
    ]
    return list(await work.fetch(_statement(table, names, tuple(unless)), *arrays))


async def record(work: Work, act: str, told: Sequence[Told], *, reason: str | None = None) -> None:
    """Append a ledger row for each subject, as `Work.record` does for one."""
    actor = work.viewer
    rows = [activity_of(actor, act, one.subject, reason=reason, before=one.before, after=one.after) for one in told]
    await insert(work, Activity, rows)


@cache
def _statement(table: Table, names: tuple[str, ...], unless: tuple[str, ...]) -> str:
    kinds = [_kind(table, name) for name in names]
    arrays = ", ".join(f"${place}::{sent}[]" for place, (sent, _) in enumerate(kinds, 1))
    given = ", ".join(f"given.{name}{cast_}" for name, (_, cast_) in zip(names, kinds, strict=True))
    columns = ", ".join(names)
    conflict = f"on conflict (tenant_id, {', '.join(unless)}) do nothing " if unless else ""
    back = ", ".join(dict.fromkeys(("id", *unless)))
    return (
        f"insert into {table.name} ({columns}) select {given} from unnest({arrays}) "  # noqa: S608 - names of our models
        f"as given ({columns}) {conflict}returning {back}"
    )


def _kind(table: Table, name: str) -> tuple[str, str]:
    """Return the type that a column's values are sent as, and the cast to its own type."""
    kind = table.columns[name].type
    if isinstance(kind, JSONB):
        return "text", "::jsonb"
    return kind.compile(_DIALECT).split(" COLLATE ")[0].lower(), ""


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
