"""Requirements of a programme's draft: added, written anew, put in order and removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select

from models.authoring import Evaluation
from models.base import uuid7
from models.programmes import Programme, ProgrammeDraftRequirement
from services import programmes, words
from services.idempotency import Answer
from services.programmes_diff import REQUIRED
from services.refusals import InvalidInput, NotFound
from services.work import Work

MOST: Final = 50
"""Requirements of a programme."""

MOST_ATTEMPTS: Final = 100
MOST_COOLING_OFF_DAYS: Final = 3_660
_HUNDRED: Final = Decimal(100)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a requirement says. See `models.programmes.Required`."""

    name: str
    evaluation_id: UUID
    min_percent: Decimal | None = None
    is_mandatory: bool = True
    attempts: int | None = 1
    cooling_off_days: int = 0


async def add(work: Work, programme_id: UUID, given: Given) -> Answer:
    """Add a requirement behind the others; refuses more than a programme may have."""
    programme = await programmes.held(work, programme_id)
    row = ProgrammeDraftRequirement
    places = select(func.count(), func.max(row.position)).where(row.programme_id == programme_id)
    count, last = (await work.session.execute(places)).one()
    if count >= MOST:
        raise InvalidInput(f"A programme has at most {MOST} requirements.", path=["id"])
    new = row(id=uuid7(), org_unit_id=programme.org_unit_id, programme_id=programme_id, position=(last or 0) + 1)
    await _write(work, new, given)
    work.session.add(new)
    return await _told(work, programme, "requirement_added", new.id, None, told_of(new))


async def update(work: Work, requirement_id: UUID, given: Given) -> Answer:
    """Write a requirement anew; it stays the same one for whoever compares versions."""
    programme, row = await _held(work, requirement_id)
    before = told_of(row)
    await _write(work, row, given)
    return await _told(work, programme, "requirement_updated", row.id, before, told_of(row))


async def remove(work: Work, requirement_id: UUID) -> Answer:
    """Take a requirement out of the draft; versions that have it keep it."""
    programme, row = await _held(work, requirement_id)
    before = told_of(row)
    await work.session.execute(delete(ProgrammeDraftRequirement).where(ProgrammeDraftRequirement.id == row.id))
    return await _told(work, programme, "requirement_removed", row.id, before, None)


async def reorder(work: Work, programme_id: UUID, ids: Sequence[UUID]) -> Answer:
    """Put the requirements in this order; refuses an order that does not name each of them once."""
    programme = await programmes.held(work, programme_id)
    row = ProgrammeDraftRequirement
    found = list(
        await work.session.scalars(select(row).where(row.programme_id == programme_id).order_by(row.position, row.id))
    )
    if sorted(ids) != sorted(one.id for one in found):
        raise InvalidInput(
            "The order does not name each requirement of the draft once.",
            path=["requirementIds"],
            hint="Read the draft again, and name all of them.",
        )
    before = {"order": [str(one.id) for one in found]}
    place = {one: at for at, one in enumerate(ids, 1)}
    for one in found:
        one.position = place[one.id]
    return await _told(work, programme, "requirements_reordered", None, before, {"order": [str(one) for one in ids]})


def told_of(row: ProgrammeDraftRequirement) -> dict[str, Any]:
    """Return what the ledger keeps of a requirement."""
    said = {name: getattr(row, name) for name in REQUIRED}
    percent = None if row.min_percent is None else str(row.min_percent)
    return said | {"evaluation_id": str(row.evaluation_id), "min_percent": percent}


async def _held(work: Work, requirement_id: UUID) -> tuple[Programme, ProgrammeDraftRequirement]:
    row = ProgrammeDraftRequirement
    programme_id = await work.session.scalar(select(row.programme_id).where(row.id == requirement_id))
    if programme_id is None:
        raise NotFound("ProgrammeRequirement", requirement_id)
    programme = await programmes.held(work, programme_id)
    found = (await work.session.scalars(select(row).where(row.id == requirement_id))).one_or_none()
    if found is None:
        raise NotFound("ProgrammeRequirement", requirement_id)
    return programme, found


async def _write(work: Work, row: ProgrammeDraftRequirement, given: Given) -> None:
    evaluation = select(Evaluation.id).where(Evaluation.id == given.evaluation_id)
    if await work.session.scalar(evaluation.where(Evaluation.org_unit_id == row.org_unit_id)) is None:
        raise NotFound("Evaluation", given.evaluation_id, path=["requirement", "evaluationId"])
    percent = given.min_percent
    if percent is not None and (not percent.is_finite() or not 0 <= percent <= _HUNDRED or percent % _CENT):
        raise InvalidInput(
            f"minPercent is {percent}; it must be 0 to 100 with at most two decimals.",
            path=["requirement", "minPercent"],
        )
    _bounded("attempts", given.attempts, 1, MOST_ATTEMPTS)
    _bounded("coolingOffDays", given.cooling_off_days, 0, MOST_COOLING_OFF_DAYS)
    row.name = words.name(given.name, path=["requirement", "name"])
    row.evaluation_id, row.min_percent, row.is_mandatory = given.evaluation_id, percent, given.is_mandatory
    row.attempts, row.cooling_off_days = given.attempts, given.cooling_off_days


def _bounded(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidInput(f"{name} is {value}; it must be {least} to {most}.", path=["requirement", name])


async def _told(
    work: Work,
    programme: Programme,
    act: str,
    requirement_id: UUID | None,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> Answer:
    """Note a change of the draft in the programme and in the ledger."""
    programme.changed_at = await work.now()
    programme.version += 1
    key = {} if requirement_id is None else {"requirement": str(requirement_id)}
    work.record(
        f"programme.{act}",
        (programmes.SUBJECT, programme.id),
        before=None if before is None else key | before,
        after=None if after is None else key | after,
    )
    return {"programme": str(programme.id)} | key
