"""Which certificates there are, and whether the product tells of every day which of them counted."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bench.licences_plan import day_of, midnight, noon
from bench.licences_stage import RULES, Stage
from services import certificates_read, programmes_read
from services.paging import PageRequest
from services.programmes_read import EnrolmentState

PAGE: Final = 100

_ROWS: Final = """
select c.id, c.user_id, c.enrolment_id, c.programme_id, c.issued_at, c.valid_through, c.expires_at, c.renews_id,
 e.renewal_of_id, p.name as licence, c.revoked_at, c.replaces_id
from certificates c join programmes p on p.id = c.programme_id join programme_enrolments e on e.id = c.enrolment_id
order by c.id"""


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate as it is in its table."""

    id: UUID
    user_id: UUID
    enrolment_id: UUID
    programme_id: UUID
    issued_at: datetime
    valid_through: date
    expires_at: datetime
    renews_id: UUID | None
    renewal_of_id: UUID | None
    licence: str
    revoked_at: datetime | None
    replaces_id: UUID | None

    @property
    def issued_on(self) -> date:
        """The day on which it was issued."""
        return day_of(self.issued_at)

    @property
    def opens(self) -> datetime:
        """From when on it is to be renewed."""
        return midnight(self.valid_through + timedelta(days=1 - RULES.lead_days))


async def held(admin: Any) -> list[Held]:
    """Return all certificates there are, read past the product, in the order in which they were issued."""
    return [Held(**dict(row)) for row in await admin.fetch(_ROWS)]


async def shown(stage: Stage, programme_id: UUID, state: EnrolmentState) -> set[UUID]:
    """Return who is shown in a state, page by page, as staff read the list."""
    wanted = programmes_read.Filter(programme_id=programme_id, states=[state])
    people: set[UUID] = set()
    after = None
    while True:
        async with stage.office.snapshot(stage.viewer) as work:
            page = await programmes_read.listed(work, wanted, PageRequest(PAGE, after))
        people |= {row.user_id for row in page.rows}
        if not page.has_next:
            return people
        after = page.cursors[-1]


async def counting(stage: Stage, wanted: certificates_read.Filter) -> set[UUID]:
    """Return the certificates that the product lists, page by page."""
    ids: list[UUID] = []
    after = None
    while True:
        async with stage.office.snapshot(stage.viewer) as work:
            page = await certificates_read.listed(work, wanted, PageRequest(PAGE, after))
        ids += [row.id for row in page.rows]
        if not page.has_next:
            return set(ids)
        after = page.cursors[-1]


def moments(rows: Sequence[Held]) -> list[datetime]:
    """Return instants that matter: every end and the second beside it, some issues, and one in each year."""
    ends = {row.expires_at for row in rows}
    issues = {row.issued_at for row in rows[:: max(1, len(rows) // 10)]}
    second = timedelta(seconds=1)
    beside = {at + n * second for at in ends | issues for n in (-1, 0, 1)}
    first, last = rows[0].issued_on.year - 1, max(row.valid_through for row in rows).year + 1
    return sorted(beside | {noon(date(year, 7, 1)) for year in range(first, last + 1)})


def counted_at(rows: Iterable[Held], at: datetime) -> set[UUID]:
    """Return which of these certificates counted, looked at one by one."""
    found: set[UUID] = set()
    for row in rows:
        begun, over = row.issued_at <= at, at >= row.expires_at
        if begun and not over and not (row.revoked_at is not None and row.revoked_at <= at):
            found.add(row.id)
    return found


async def differences(stage: Stage, people: int) -> tuple[int, list[str]]:
    """Ask for every moment of each programme, and of some people alone; return how often, and what was otherwise."""
    rows = await held(stage.admin)
    some = random.Random(1).sample(sorted({row.user_id for row in rows}), people)  # noqa: S311 - a trial
    asked, wrong = 0, list[str]()
    for at in moments(rows):
        for programme_id in stage.programmes.values():
            of_it = [row for row in rows if row.programme_id == programme_id]
            for user_id in (None, *some):
                wanted = certificates_read.Filter(programme_id, user_id, valid_at=at)
                told = await counting(stage, wanted)
                asked += 1
                if told != counted_at([row for row in of_it if user_id in (None, row.user_id)], at):
                    wrong.append(f"valid at {at} in {programme_id} of {user_id}: {told}"[:400])
    return asked, wrong


def mails_due(rows: Sequence[Held], looks: Sequence[date]) -> int:
    """Return how many mails of an end are due at these looks, at each of which whoever renewed that day has renewed."""
    renewed = {row.renews_id: row.issued_on for row in rows if row.renews_id is not None}
    mails = 0
    for row in rows:
        told: set[int] = set()
        for day in looks:
            at, until = noon(day), row.expires_at
            is_renewed = row.id in renewed and renewed[row.id] <= day
            if is_renewed or not row.issued_at < at < until:
                continue
            due = {days for days in RULES.reminder_days if until - timedelta(days=days) <= at} - told
            mails += bool(due)
            told |= due
    return mails
