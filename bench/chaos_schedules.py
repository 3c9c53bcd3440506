"""Two workers that issue by schedules, killed around the moments at which something is due.

The clock is moved from one due moment to the next: over a change to daylight saving, month ends, leap days, and a week
in which nobody ran. python -m bench.chaos_schedules ADDRESS FOLDER starts one worker of the trial.
"""

import asyncio
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none

from bench.chaos_jobs import VAULT, Crew, new_folder
from jobs import schedules as job
from models.assignments import Invitation, TargetKind
from models.authoring import Evaluation, EvaluationVersion, VersionStatus
from models.base import uuid7
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services import identity, recurrence, schedules
from services.assignments_drafts import Content
from services.assignments_recipients import Recipient
from services.assignments_terms import Terms
from services.recurrence import RULES, Frequency
from services.schedules import Plan, When
from services.viewer import Viewer
from services.work import Office, Work

BEGIN: Final = datetime(2027, 1, 1, tzinfo=UTC)
PEOPLE: Final = 3
WORKERS: Final = 2
SETTLED: Final = 60.0

MONTH_ENDS: Final = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]
LEAP_DAYS: Final = ["2028-02-29", "2029-02-28", "2030-02-28"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found."""

    kills: int
    due: int
    missing: int
    twice: int
    assignments: int
    mails: int
    catching_up: float
    """Seconds in which the occurrences of a week without workers were issued."""


async def work(url: str, folder: Path) -> None:
    """Be one worker, until killed: issue what is due by the clock of the trial."""
    office = Office(url, ring=lambda _topics: None, vault=VAULT, pool_size=4)
    clock = folder / "clock"
    while True:
        await job.run(_slow_link, office.shifted(timedelta(seconds=float(clock.read_text()))))
        await asyncio.sleep(0.02)


def _slow_link(invitation: Invitation) -> str:
    time.sleep(random.uniform(0, 0.02))  # noqa: S311 - a trial: kills shall hit the middle of an issue
    return f"https://example.org/#{invitation.id}"


async def publish(work: Work) -> UUID:
    """Publish an evaluation that is not to be sat; returns its version."""
    evaluation = Evaluation(id=uuid7(), name="Duty")
    work.session.add(evaluation)
    await work.session.flush()
    version = EvaluationVersion(id=uuid7(), evaluation_id=evaluation.id, number=1, title="Duty")
    version.instructions, version.pass_percent = "", Decimal(50)
    work.session.add(version)
    await work.session.flush()
    version.status, version.published_at = VersionStatus.PUBLISHED, await work.now()
    version.content_hash = "0" * 64
    return version.id


class Trial:
    """A tenant in Berlin, its schedules, and the clock that workers go by."""

    def __init__(self, office: Office, admin: Any, folder: Path) -> None:
        self.office = office
        self.admin = admin
        self._clock = folder / "clock"
        self.expected: dict[UUID, list[datetime]] = {}

    def turn_to(self, instant: datetime) -> None:
        """Set the clock; whoever reads it meanwhile sees the old one or the new one."""
        new = self._clock.with_suffix(".new")
        new.write_text(str((instant - datetime.now(UTC)).total_seconds()))
        new.replace(self._clock)

    async def plan(self, days: int) -> None:
        """Make three schedules: daily over a change of the clock, at month ends, and on a leap day."""
        viewer, version_id = await self._tenant()
        early = self.office.shifted(BEGIN - datetime.now(UTC))
        for rule, start, count in (
            (RULES[Frequency.DAILY], "2027-03-20T02:30", days),
            (RULES[Frequency.MONTHLY], "2027-01-31T09:00", len(MONTH_ENDS)),
            ("FREQ=YEARLY", "2028-02-29T09:00", len(LEAP_DAYS)),
        ):
            people = [Recipient(TargetKind.EMAIL, f"p{number}@example.org") for number in range(PEOPLE)]
            when = When(rule=rule, local_start=datetime.fromisoformat(start), count=count)
            content = Content(Terms(evaluation_version_id=version_id), people)
            plan = Plan(name=start, content=content, when=when, window_seconds=3600)
            answer = await early.perform(viewer, lambda work, plan=plan: schedules.create(work, plan))
            async with self.office.snapshot(viewer) as reading:
                row = (await schedules.by_ids(reading, [UUID(answer["schedule"])]))[UUID(answer["schedule"])]
            self.expected[row.id] = recurrence.following(schedules.recurrence_of(row), BEGIN, count)
        listed = [[f"{at:%Y-%m-%d}" for at in due] for due in self.expected.values()]
        if listed[1:] != [MONTH_ENDS, LEAP_DAYS]:
            raise AssertionError(f"the calendar is wrong: {listed}")

    async def _tenant(self) -> tuple[Viewer, UUID]:
        async def found(work: Work) -> identity.NewTenant:
            given = {"name": "Chaos", "slug": "chaos", "time_zone": "Europe/Berlin", "org_unit": "Main"}
            return await identity.found_tenant(work, **given)

        tenant = await self.office.perform(Viewer.system(uuid7()), found)
        viewer = Viewer.system(tenant.tenant_id, tenant.org_unit_id)
        return viewer, await self.office.perform(viewer, publish)

    async def settled(self, until: datetime) -> None:
        """Wait until everything that is due has a run."""
        wanted = sum(at <= until for due in self.expected.values() for at in due)
        async with asyncio.timeout(SETTLED):
            while await self.admin.fetchval("select count(*) from assignment_schedule_runs") < wanted:  # noqa: ASYNC110 - others write
                await asyncio.sleep(0.02)


async def trial(kills: int) -> Outcome:
    """Run it on a database of its own."""
    folder = new_folder()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        return await _run(address, folder, kills)
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


async def _run(address: DatabaseAddress, folder: Path, kills: int) -> Outcome:
    office = Office(address.app, ring=lambda _topics: None, vault=VAULT, pool_size=2)
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    admin = await connect(address.admin_dsn)
    stage = Trial(office, admin, folder)
    try:
        await stage.plan(kills + 7)
        moments = sorted({at for due in stage.expected.values() for at in due})
        week, last = moments[-11], moments[-1]
        stage.turn_to(BEGIN)
        command = [sys.executable, "-m", "bench.chaos_schedules", address.app, str(folder)]
        done = await _killing(stage, Crew(command, WORKERS), [at for at in moments if at < week], kills)
        stage.turn_to(last + timedelta(days=7))
        began = time.monotonic()
        async with Crew(command, WORKERS).at_work():
            await stage.settled(last)
            seconds = time.monotonic() - began
            await asyncio.sleep(0.5)  # time for somebody to do something a second time
        return await _counted(stage, done, seconds)
    finally:
        await admin.close()
        await office.close()


async def _killing(stage: Trial, crew: Crew, moments: Sequence[datetime], kills: int) -> int:
    """Go from one due moment to the next, and kill a worker around each, until there were so many."""
    done = 0
    async with crew.at_work():
        for at in moments:
            stage.turn_to(at - timedelta(milliseconds=100))
            for _ in range(2 if done < kills - len(moments) else 1):
                await asyncio.sleep(random.uniform(0, 0.3))  # noqa: S311 - a trial
                done += crew.kill_one()
            await stage.settled(at)
    return done


async def _counted(stage: Trial, kills: int, seconds: float) -> Outcome:
    rows = await stage.admin.fetch("select schedule_id, occurrence, outcome from assignment_schedule_runs")
    ran = [(row["schedule_id"], row["occurrence"]) for row in rows if row["outcome"] == "issued"]
    wanted = {(schedule_id, at) for schedule_id, due in stage.expected.items() for at in due}
    count = stage.admin.fetchval
    assignments = await count("select count(*) from assignments")
    mails = await count("select count(*) from messages")
    twice = len(ran) - len(set(ran)) + len(set(ran) - wanted) + max(0, assignments - len(wanted))
    return Outcome(kills, len(wanted), len(wanted - set(ran)), twice, assignments, mails, seconds)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2])))
