"""What time alone changes in sessions: attention that grows while nothing happens, and connections that fall silent.

Sessions are looked at many at once, in the way in which candidates write: locked if they are free, read, decided in
memory, written in one statement. One that is busy is being written to, and is looked at a second later.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from models.sessions import DeliverySession
from services import sessions_attention, sessions_batch
from services.attention import Rules
from services.sessions_batch import Outcome, Silo
from services.sessions_connection import Check
from services.unit import Unit
from services.work import Office, Work


async def due(work: Work, rules: Rules, limit: int) -> dict[UUID, list[UUID]]:
    """Return by org unit the sessions to be looked at, at most so many: those that have waited longest first.

    When the rules were changed, the sessions that were settled by older ones come as well.
    """
    row = DeliverySession
    found = await _some(work, sessions_attention.due(func.evalium_now()), row.attention_check_at, limit)
    if rules.version and len(found) < limit:
        found += await _some(work, sessions_attention.outdated(rules), row.attention_version, limit - len(found))
    by_unit: dict[UUID, list[UUID]] = defaultdict(list)
    for unit_id, session_id in dict.fromkeys(found):
        by_unit[unit_id].append(session_id)
    return dict(by_unit)


async def _some(
    work: Work, wanted: ColumnElement[bool], order: InstrumentedAttribute[Any], limit: int
) -> list[tuple[UUID, UUID]]:
    row = DeliverySession
    statement = select(row.org_unit_id, row.id).where(wanted).order_by(order).limit(limit)
    return [(found.org_unit_id, found.id) for found in await work.rows(statement)]


async def check(office: Office, silo: Silo, session_ids: Sequence[UUID], rules: Rules) -> int:
    """Look at those sessions of one org unit that are free, in one transaction; return how many they were."""
    acts = [Check(session_id) for session_id in session_ids]

    async def act(unit: Unit) -> list[Outcome | None]:
        return await sessions_batch.settle(unit, silo[0], acts, OrderedDict(), rules, wait=False)

    variables = sessions_batch.variables(silo, session_ids)
    outcomes = await office.perform_unit(variables, act, repeatable=True)
    return sum(outcome is not None for outcome in outcomes)
