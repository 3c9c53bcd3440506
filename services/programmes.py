"""Programmes: what several assessments together are for; the draft, and its publishing (domain.md section 10).

A published version never changes, and whoever is enrolled stays under theirs. Requirements of the draft are
`programmes_requirements`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from models.authoring import EvaluationVersion
from models.base import uuid7
from models.programmes import (
    ExpiryAnchor,
    Programme,
    ProgrammeDraftRequirement,
    ProgrammeRequirement,
    ProgrammeStatus,
    ProgrammeVersion,
    RemediationPolicy,
)
from services import authoring, plain, programmes_diff, setwise, words
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.programmes_diff import PUBLISHED, REQUIRED, RULES
from services.refusals import AlreadyExists, InvalidInput, NotFound, StateDrift
from services.work import Work

LONGEST_DESCRIPTION: Final = 20_000
MOST_DAYS: Final = 3_660
MOST_MONTHS: Final = 1_200
MOST_REMINDERS: Final = 10
SHORTEST_MONTH: Final = 28
SUBJECT: Final = "programme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for a programme as a whole. Days and calendar months; without `validity_months` nothing expires."""

    due_days: int | None = None
    validity_months: int | None = None
    expiry_anchor: ExpiryAnchor = ExpiryAnchor.CERTIFIED
    lead_days: int = 30
    grace_days: int = 0
    reminder_days: Sequence[int] = (30, 7)
    remediation: RemediationPolicy = RemediationPolicy.HOLD


@dataclass(frozen=True, slots=True)
class Content:
    """What the draft of a programme says beside its requirements."""

    name: str
    description: str
    rules: Rules


async def create(work: Work, content: Content) -> Answer:
    """Begin a programme; refuses a name that another one of the org unit has."""
    await _lead(work)
    row = Programme(id=uuid7(), created_by=work.viewer.user_id, latest_number=0, version=1)
    await _write(work, row, content)
    work.session.add(row)
    await work.session.flush()
    work.record("programme.created", (SUBJECT, row.id), after=told_of(row))
    return {"programme": str(row.id)}


async def update(work: Work, programme_id: UUID, content: Content, expected_version: int | None) -> Answer:
    """Write name, description and rules of the draft anew; versions that are published stay as they are."""
    await _lead(work)
    row = await held(work, programme_id, expected_version)
    before = told_of(row)
    await _write(work, row, content)
    row.version += 1
    await work.session.flush()
    work.record("programme.updated", (SUBJECT, row.id), before=before, after=told_of(row))
    return {"programme": str(row.id)}


async def archive(work: Work, programme_id: UUID, reason: str) -> Answer:
    """Put a programme away for good: nobody is enrolled any more, and whoever is goes on."""
    why, row = words.reason(reason), await held(work, programme_id)
    row.status, row.changed_at = ProgrammeStatus.ARCHIVED, await work.now()
    row.version += 1
    work.record("programme.archived", (SUBJECT, row.id), reason=why)
    return {"programme": str(row.id)}


async def publish(work: Work, programme_id: UUID, expected_version: int | None) -> Answer:
    """Make a version of the draft, by which people are enrolled from now on.

    Refused are a draft without a mandatory requirement, one of an evaluation that has no published version, and one
    that says what the newest version says.
    """
    row = await held(work, programme_id, expected_version)
    drafted = await draft_of(work, programme_id)
    await _require_publishable(work, drafted)
    before = await _newest(work, row)
    changes = programmes_diff.between(before, programmes_diff.said(row, drafted))
    if not changes:
        raise InvalidInput(
            f"Nothing differs from version {row.latest_number}.", path=["id"], hint="Change the draft, then publish."
        )
    row.latest_number += 1
    row.changed_at = await work.now()
    version = ProgrammeVersion(
        id=uuid7(),
        org_unit_id=row.org_unit_id,
        programme_id=row.id,
        number=row.latest_number,
        name=row.name,
        description=row.description,
        published_by=work.viewer.user_id,
        **{name: getattr(row, name) for name in PUBLISHED},
    )
    work.session.add(version)
    await work.session.flush()
    of_it = {"org_unit_id": row.org_unit_id, "version_id": version.id}
    rows = [
        {**of_it, "key": one.id, "position": place} | {name: getattr(one, name) for name in REQUIRED}
        for place, one in enumerate(drafted, 1)
    ]
    await setwise.insert(work, ProgrammeRequirement, rows)
    told = {"number": version.number, "changes": [change.told() for change in changes]}
    work.record("programme.published", (SUBJECT, row.id), after=told)
    return {"programme": str(row.id), "version": str(version.id)}


async def held(work: Work, programme_id: UUID, expected_version: int | None = None) -> Programme:
    """Lock a programme; refuse one that cannot be seen, is archived or was changed meanwhile."""
    wanted = select(Programme).where(Programme.id == programme_id).with_for_update()
    row = (await work.session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise NotFound("Programme", programme_id)
    if row.status == ProgrammeStatus.ARCHIVED:
        raise StateDrift("The programme is archived.", current_state="ARCHIVED", current_version=row.version)
    if expected_version is not None and row.version != expected_version:
        raise StateDrift("The programme was changed meanwhile.", current_state="CHANGED", current_version=row.version)
    return row


async def draft_of(work: Work, programme_id: UUID) -> list[ProgrammeDraftRequirement]:
    """Return the requirements of the draft, in order."""
    return (await drafts_of(work, [programme_id]))[programme_id]


async def drafts_of(work: Work, programme_ids: Sequence[UUID]) -> dict[UUID, list[ProgrammeDraftRequirement]]:
    """Return the requirements of the draft of each of these programmes, in order."""
    found: dict[UUID, list[ProgrammeDraftRequirement]] = {one: [] for one in programme_ids}
    rows = await plain.by(work, ProgrammeDraftRequirement, "programme_id", programme_ids)
    for row in sorted(rows, key=lambda one: (one.position, one.id)):
        found[row.programme_id].append(row)
    return found


async def requirements_of(work: Work, version_ids: Sequence[UUID]) -> dict[UUID, list[ProgrammeRequirement]]:
    """Return the requirements of each of these versions, in order."""
    found: dict[UUID, list[ProgrammeRequirement]] = {one: [] for one in version_ids}
    rows = await plain.by(work, ProgrammeRequirement, "version_id", version_ids)
    for row in sorted(rows, key=lambda one: one.position):
        found[row.version_id].append(row)
    return found


async def requirements_by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ProgrammeRequirement]:
    """Return the requirements of versions with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, ProgrammeRequirement, "id", ids)}


async def require(work: Work, programme_id: UUID) -> Programme:
    """Return a programme that the viewer can see; refuse any other."""
    row = (await by_ids(work, [programme_id])).get(programme_id)
    if row is None:
        raise NotFound("Programme", programme_id)
    return row


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Programme]:
    """Return the programmes with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, Programme, "id", ids)}


async def versions_by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ProgrammeVersion]:
    """Return the versions with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, ProgrammeVersion, "id", ids)}


async def versions_of(work: Work, programme_ids: Sequence[UUID]) -> dict[UUID, list[ProgrammeVersion]]:
    """Return the versions of each of these programmes, the newest first."""
    found: dict[UUID, list[ProgrammeVersion]] = {one: [] for one in programme_ids}
    rows = await plain.by(work, ProgrammeVersion, "programme_id", programme_ids)
    for row in sorted(rows, key=lambda one: -one.number):
        found[row.programme_id].append(row)
    return found


async def listed(work: Work, status: ProgrammeStatus, page: PageRequest) -> Page[Programme]:
    """List the programmes of the viewer's org unit, the last changed first."""
    orders = [Order(Programme.changed_at, descending=True), Order(Programme.id, descending=True)]
    return await paged(work, select(Programme).where(Programme.status == status), orders, page)


async def numbered(work: Work, programme_id: UUID, number: int | None) -> programmes_diff.Said:
    """Return what a version says, the draft for None, and nothing for 0; refuse an unknown one."""
    if number is None:
        return programmes_diff.said(await require(work, programme_id), await draft_of(work, programme_id))
    if number == 0:
        return programmes_diff.NOTHING
    wanted = select(ProgrammeVersion).where(ProgrammeVersion.programme_id == programme_id)
    version = (await work.session.scalars(wanted.where(ProgrammeVersion.number == number))).one_or_none()
    if version is None:
        raise NotFound("ProgrammeVersion", f"{number}")
    return programmes_diff.said(version, (await requirements_of(work, [version.id]))[version.id])


def told_of(row: Programme) -> dict[str, Any]:
    """Return what the ledger keeps of a draft beside its requirements."""
    return {name: getattr(row, name) for name in ("name", "description", *RULES)}


async def _newest(work: Work, row: Programme) -> programmes_diff.Said:
    return await numbered(work, row.id, row.latest_number)


async def _lead(work: Work) -> None:
    """Let programmes of an org unit be named one after the other, so that two never take one name."""
    await work.lock(f"programmes/{work.viewer.tenant_id}/{work.viewer.org_unit_id}")


async def _write(work: Work, row: Programme, content: Content) -> None:
    name, rules = words.name(content.name), content.rules
    description = content.description.strip()
    if len(description) > LONGEST_DESCRIPTION or "\x00" in description:
        raise InvalidInput(f"The description has more than {LONGEST_DESCRIPTION} characters.", path=["description"])
    _check(rules)
    taken = select(Programme.id).where(Programme.name == name, Programme.id != row.id)
    if await work.rows(taken.where(Programme.org_unit_id == work.viewer.org_unit_id)):
        raise AlreadyExists(f"There is a programme '{name}' already.", path=["name"])
    row.name, row.description, row.changed_at = name, description, await work.now()
    for rule in RULES:
        setattr(row, rule, getattr(rules, rule))
    row.reminder_days = sorted({*rules.reminder_days}, reverse=True)


def _check(rules: Rules) -> None:
    bounds = {
        "due_days": (1, MOST_DAYS),
        "validity_months": (1, MOST_MONTHS),
        "lead_days": (0, MOST_DAYS),
        "grace_days": (0, MOST_DAYS),
    }
    for name, (least, most) in bounds.items():
        value = getattr(rules, name)
        if value is not None and not least <= value <= most:
            field = name.split("_")[0] + name.split("_")[1].title()
            raise InvalidInput(f"{field} is {value}; it must be {least} to {most}.", path=["rules", field])
    _check_reminders(rules)
    if rules.validity_months is not None and rules.lead_days >= rules.validity_months * SHORTEST_MONTH:
        raise InvalidInput(
            f"leadDays is {rules.lead_days}: a renewal would begin before the certificate that it renews.",
            path=["rules", "leadDays"],
            hint=f"Say less than {rules.validity_months * SHORTEST_MONTH}, or a longer validityMonths.",
        )
    if rules.expiry_anchor is ExpiryAnchor.DUE and rules.due_days is None:
        raise InvalidInput(
            "Validity cannot count from the due date, because nothing is due.",
            path=["rules", "expiryAnchor"],
            hint="Say dueDays, or count from certification.",
        )


def _check_reminders(rules: Rules) -> None:
    if len(rules.reminder_days) > MOST_REMINDERS:
        raise InvalidInput(f"There are at most {MOST_REMINDERS} reminders.", path=["rules", "reminderDays"])
    for days in rules.reminder_days:
        if not 0 <= days <= MOST_DAYS:
            raise InvalidInput(
                f"reminderDays has {days}; each must be 0 to {MOST_DAYS}.", path=["rules", "reminderDays"]
            )


async def _require_publishable(work: Work, drafted: Sequence[ProgrammeDraftRequirement]) -> None:
    if not any(one.is_mandatory for one in drafted):
        raise InvalidInput(
            "There is no mandatory requirement.", path=["id"], hint="Add one: what completes the programme?"
        )
    published = await authoring.newest(work, EvaluationVersion, [one.evaluation_id for one in drafted], published=True)
    for one in drafted:
        if one.evaluation_id not in published:
            raise InvalidInput(
                f"The evaluation of '{one.name}' has no published version.",
                path=["id"],
                hint="Publish the evaluation first.",
            )
