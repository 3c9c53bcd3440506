"""The amateur radio licences over two decades: everybody sits, some fail, certificates end, and each is renewed once.

People sit papers that are drawn from the public pools, and pass or fail by a plan. What must come of it follows from
the plan and a calendar alone, and is compared with what the product has made of it.
"""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import licences_history
from bench.chaos_jobs import VAULT, new_folder
from bench.licences_history import Held
from bench.licences_plan import BEGIN, LATER, ROUNDS, Fate, Plan, midnight, noon, ten_years_after
from bench.licences_stage import LICENCES, RULES, Open, Stage
from jobs.handling import Tools
from mail.outbox import Outbox
from mail.post import Sender
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services.programmes_read import EnrolmentState
from services.tokens import Tokens
from services.work import Office
from storage.local import LocalStorage

POOLS: Final = Path(__file__).parents[2] / "shared/data/question-pools"
"""Where the public pools are, if they are at hand."""

STEP: Final = 5
"""Days between two looks while certificates are about to end."""

ALONE: Final = 15
"""Of how many people the history of one is asked for alone, too."""

SENT_ANEW: Final = (Fate.VERY_LATE, Fate.TOO_LATE)
"""Who comes when the first mail is so old that its link is dead."""

_RENEWALS: Final = "select renewal_of_id from programme_enrolments where renewal_of_id is not null"
_ATTEMPTS: Final = "select count(*) from programme_attempts where ordinal = $1"
_MAILS: Final = "select count(*) from messages where template = $1"


@dataclass(slots=True)
class Outcome:
    """What the trial has found: counts and seconds in order, and what was wrong."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    wrong: list[str] = field(default_factory=list[str])

    def want(self, what: str, found: Any, wanted: Any) -> None:
        """Note what is not as it should be."""
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}"[:500])

    @contextlib.contextmanager
    def timed(self, what: str) -> Generator[None, None, None]:
        """Add how long the block took."""
        began = monotonic()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + monotonic() - began


class Trial:
    """The plan, carried out step by step, and compared at each."""

    def __init__(self, stage: Stage, plan: Plan, people: dict[UUID, int]) -> None:
        self.stage, self.plan, self.people = stage, plan, people
        self.found = Outcome()
        self.looks: list[date] = []
        self.day = BEGIN

    async def run(self) -> Outcome:
        """Do it all."""
        await self.first_licences()
        await self.first_decade()
        await self.second_decade()
        await self.check_mails()
        with self.found.timed("asking for the history"):
            asked, wrong = await licences_history.differences(self.stage, -(-len(self.people) // ALONE))
        self.found.counts["questions about a day"] = asked
        self.found.wrong += wrong
        self.found.counts["papers sat in all"] = self.stage.sittings
        return self.found

    def turn(self, day: date) -> None:
        """Move the clock to noon of a day."""
        self.day = day
        self.stage.turn(noon(day))

    async def sit(self, generation: int) -> int:
        """Let everybody of a generation sit whose turn it is; return how many papers that were."""
        with self.found.timed("sitting, and following the scores"):
            papers = {one: self.people[one.user_id] for one in await self.stage.opened()}
            due: dict[Open, int] = {}
            for one, person in papers.items():
                if one.generation == generation and self.plan.sits(one, person, self.day):
                    due[one] = self.plan.points(one, person)
            await self.stage.sit(due)
        return len(due)

    async def tell(self) -> None:
        """Send the mails that are due, each once."""
        with self.found.timed("mails to holders"):
            await self.stage.tell()
            self.found.want("mails told a second time", await self.stage.tell(), 0)
        self.looks.append(self.day)

    async def first_licences(self) -> None:
        """Let everybody sit, and try again after cooling off as often as the rule allows."""
        for number, day in enumerate(ROUNDS, 1):
            self.turn(day)
            await self.stage.retake()
            again = sum(times >= number - 1 for one in self.plan.failing.values() for times in one.values())
            self.found.want(f"attempts {number}", await self.stage.admin.fetchval(_ATTEMPTS, number), again)
            self.found.counts[f"papers sat, attempt {number}"] = await self.sit(0)
            await self.tell()
            self.turn(day + timedelta(days=9))
            await self.stage.retake()
            early = await self.stage.admin.fetchval(_ATTEMPTS, number + 1)
            self.found.want("attempts issued while cooling off", early, 0)
        await self._check_first()

    async def _check_first(self) -> None:
        rows = await licences_history.held(self.stage.admin)
        made = Counter((row.licence, self.people[row.user_id], row.issued_on) for row in rows)
        planned = {(one, n): self.plan.certified(one, n) for one in LICENCES for n in self.people.values()}
        self.found.want("first certificates", made, Counter((*who, day) for who, day in planned.items() if day))
        for row in rows:
            self._check_days(row, ten_years_after(row.issued_on), None)
        for licence, programme_id in self.stage.programmes.items():
            failed = await licences_history.shown(self.stage, programme_id, EnrolmentState.FAILED)
            lost = {n for n in self.people.values() if planned[licence, n] is None}
            self.found.want(f"failed {licence}", {self.people[one] for one in failed}, lost)
            self.found.counts[f"{licence}: certified"] = len(self.people) - len(lost)
            self.found.counts[f"{licence}: failed for good"] = len(lost)

    def _check_days(self, row: Held, through: date, renews_id: UUID | None) -> None:
        told = (row.valid_through, row.expires_at, row.renews_id, row.revoked_at, row.replaces_id)
        wanted = (through, midnight(through + timedelta(days=1)), renews_id, None, None)
        self.found.want(f"certificate {row.id}", told, wanted)

    async def renew(self) -> None:
        """Renew by four workers until nothing is due, and compare who was enrolled again with the calendar."""
        rows = await licences_history.held(self.stage.admin)
        with self.found.timed("renewing"):
            await self.stage.renew()
        due = Counter(row.enrolment_id for row in rows if row.opens <= noon(self.day))
        renewed = Counter(row["renewal_of_id"] for row in await self.stage.admin.fetch(_RENEWALS))
        self.found.want(f"renewed by {self.day}", renewed, due)
        self.found.counts["renewals begun"] = sum(renewed.values())

    async def step(self, day: date, generation: int = 1) -> None:
        """Look at one day: renew, issue retakes, let those sit whose day has come, and tell."""
        self.turn(day)
        await self.renew()
        await self.stage.retake()
        await self.sit(generation)
        await self.tell()

    async def first_decade(self) -> None:
        """Turn ten years: before the window nothing, in it each certificate once, and then whoever is late."""
        ends = self.plan.last_days()
        day, last = min(ends) - timedelta(days=RULES.lead_days + 6), max(ends)
        while day <= last + timedelta(days=6):
            await self.step(day)
            day += timedelta(days=STEP)
        await self.step(last + timedelta(days=100))
        await self.step(last + timedelta(days=LATER[Fate.LATE]))
        self.found.want("links of renewals that died within 200 days of the end", self.stage.resent, 0)
        await self.step(last + timedelta(days=LATER[Fate.VERY_LATE]))
        await self.step(last + timedelta(days=LATER[Fate.TOO_LATE]))
        hopeless = [(one, n) for one, fates in self.plan.fates.items() for n in fates if fates[n] in SENT_ANEW]
        self.found.want("links sent anew", self.stage.resent, sum(len(LICENCES[one]) for one, _ in hopeless))
        self.found.counts["links sent anew, long after the end"] = self.stage.resent
        await self._check_renewed()

    async def _check_renewed(self) -> None:
        """Compare each second certificate with what its holder did, and the first that it continues."""
        rows = await licences_history.held(self.stage.admin)
        first = {row.enrolment_id: row for row in rows if row.renewal_of_id is None}
        second = {row.renewal_of_id: row for row in rows if row.renewal_of_id is not None}
        fates = Counter[Fate]()
        for before in first.values():
            fate = self.plan.fates[before.licence][self.people[before.user_id]]
            row = second.get(before.enrolment_id)
            fates[fate] += 1
            self.found.want(f"renewed by one who renews {fate}", row is not None, fate is not Fate.LAPSE)
            if row is None:
                continue
            is_late = fate is Fate.TOO_LATE
            begins = row.issued_on if is_late else before.valid_through
            self._check_days(row, ten_years_after(begins), None if is_late else before.id)
            is_over = row.issued_at >= before.expires_at
            self.found.want(f"{fate}: after the end", is_over, fate in LATER)
        self.found.want("second certificates", len(rows) - len(first), len(second))
        self.found.counts |= {f"renewed {fate}": fates[fate] for fate in Fate}

    async def second_decade(self) -> None:
        """Turn ten more years: those who hold a licence are renewed again, and chains grow by one."""
        ends = max(ten_years_after(one) for one in self.plan.last_days())
        await self.step(ends - timedelta(days=45), generation=2)
        rows = await licences_history.held(self.stage.admin)
        by_id = {row.id: row for row in rows}
        by_enrolment = {row.enrolment_id: row for row in rows}
        lengths = Counter[int]()
        for row in rows:
            length, one = 1, row
            while one.renews_id is not None:
                before = by_id[one.renews_id]
                self.found.want("renews", before.enrolment_id, one.renewal_of_id)
                length, one = length + 1, before
            lengths[length] += 1
            if row.renewal_of_id is not None and by_enrolment[row.renewal_of_id].renewal_of_id is not None:
                self.found.want("length of a chain after two decades", length, 3)
        self.found.counts |= {
            f"certificates, number {length} of a chain": lengths[length] for length in sorted(lengths)
        }

    async def check_mails(self) -> None:
        """Compare the mails with the certificates: one of each issue, and one of each end that came near."""
        rows = await licences_history.held(self.stage.admin)
        issued, ending = [await self.stage.admin.fetchval(_MAILS, one) for one in ("certificate", "certificate_ending")]
        self.found.want("mails of an issue", issued, len(rows))
        self.found.want("mails of an end", ending, licences_history.mails_due(rows, self.looks))
        self.found.counts |= {"mails of an issue": issued, "mails of an end": ending}


def show(found: Outcome, say: Callable[[str], None]) -> None:
    """Tell counts and seconds, a line each, and everything that was not as it should be."""
    for what, count in found.counts.items():
        say(f"{count:>9,}    {what}")
    for what, seconds in found.seconds.items():
        say(f"{seconds:>9.1f} s  {what}")
    for wrong in found.wrong:
        say(f"wrong: {wrong}")


async def trial(people: int, pools: Path = POOLS, seed: int = 1) -> Outcome:
    """Run it on a database of its own."""
    folder = new_folder()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        return await on_database(address, folder, people, pools, seed)
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


async def on_database(address: DatabaseAddress, folder: Path, people: int, pools: Path, seed: int = 1) -> Outcome:
    """Run it on an empty database; files of the trial go into a folder."""
    office = Office(address.app, ring=lambda _topics: None, vault=VAULT, pool_size=8)
    tokens, post = Tokens(Ed25519PrivateKey.generate()), Outbox(folder / "outbox", Sender("licences@example.org"))
    tools = Tools(office, post, tokens, "https://example.org", LocalStorage(folder / "files"))
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    admin = await connect(address.admin_dsn)
    try:
        stage, seconds = Stage(tools, admin), monotonic()
        stage.turn(noon(BEGIN))
        await stage.open_office(pools)
        opened = monotonic()
        people_by_id = await stage.enrol(people)
        trial = Trial(stage, Plan(people, seed), people_by_id)
        trial.found.seconds |= {"importing and publishing": opened - seconds, "enrolling": monotonic() - opened}
        trial.found.counts |= {f"questions of {name}": count for name, count in stage.questions.items()}
        return await trial.run()
    finally:
        await admin.close()
        await office.close()
