"""Importing people from CSV: looked at first, then done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.capabilities import Capability
from models.identity import User
from resolvers import users
from resolvers.access import requires
from resolvers.context import Context
from services import users_import, users_import_run
from services.idempotency import Answer
from services.users_import import Action, Existing, Planned
from services.work import Work


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one row."""

    index: int
    line: int
    email: str
    action: Action
    user: User | None
    problems: Sequence[dict[str, Any]]


@requires(Capability.USERS_MANAGE)
async def users_import_preview(context: Context, text: str, existing: Existing) -> list[Planned]:
    """Say what each row of a file would do."""
    return await context.read(users_import.plan, text, existing)


@requires(Capability.USERS_MANAGE)
async def users_import_act(
    context: Context, text: str, existing: Existing, reason: str | None, key: str | None, *, welcome: bool
) -> list[Imported]:
    """Import people, row by row."""

    async def act(work: Work) -> Answer:
        return await users_import_run.run(work, text, existing, reason, context.house.site if welcome else None)

    given = {"csv": text, "existing": existing, "reason": reason, "welcome": welcome}
    answer = await context.write("usersImport", key, given, act)
    ids = [UUID(row["user"]) for row in answer["rows"] if row["user"]]
    found = dict(zip(ids, await users.people(context, ids), strict=True))
    return [
        Imported(
            row["index"],
            row["line"],
            row["email"],
            Action(row["action"]),
            found[UUID(row["user"])] if row["user"] else None,
            row["problems"],
        )
        for row in answer["rows"]
    ]
