"""Two workers that enrol the same people in one programme, killed at any moment: everybody is enrolled once and whole.

python -m bench.chaos_programmes ADDRESS FOLDER starts one worker of the trial.
"""

import asyncio
import random
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import orjson

from bench.chaos_jobs import VAULT, Crew, new_folder
from bench.chaos_schedules import publish
from models.assignments import Invitation, TargetKind
from models.authoring import EvaluationVersion
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services import identity, programmes, programmes_enrol, programmes_requirements
from services.assignments_recipients import Recipient
from services.programmes import Content, Rules
from services.programmes_requirements import Given
from services.viewer import Viewer
from services.work import Office, Work

REQUIREMENTS: Final = 3
WORKERS: Final = 2
SETTLED: Final = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found: how many there are of each, beside how many there should be."""

    kills: int
    people: int
    enrolments: int
    progress: int
    attempts: int
    assignments: int
    mails: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and nothing is there twice."""
        asked = self.people * REQUIREMENTS
        issued = {self.progress, self.attempts, self.assignments, self.mails}
        return self.enrolments == self.people and issued == {asked}


async def work(url: str, folder: Path) -> None:
    """Be one worker, until killed: enrol one person after the other, those who are already too."""
    office = Office(url, ring=lambda _topics: None, vault=VAULT, pool_size=2)
    plan = orjson.loads((folder / "plan").read_bytes())
    viewer, programme = Viewer.system(UUID(plan["tenant"]), UUID(plan["unit"])), UUID(plan["programme"])
    while True:
        for number in range(int((folder / "people").read_text())):
            given = [Recipient(TargetKind.EMAIL, f"p{number}@example.org")]
            act = partial(programmes_enrol.enrol, programme_id=programme, given=given, link=_slow_link)
            await office.perform(viewer, act, repeatable=True)


def _slow_link(invitation: Invitation) -> str:
    time.sleep(random.uniform(0, 0.02))  # noqa: S311 - a trial: kills shall hit the middle of an enrolment
    return f"https://example.org/#{invitation.id}"


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
    try:
        (folder / "plan").write_bytes(orjson.dumps(await _planned(office)))
        command = [sys.executable, "-m", "bench.chaos_programmes", address.app, str(folder)]
        done, people = 0, 0
        (folder / "people").write_text("0")
        crew = Crew(command, WORKERS)
        async with crew.at_work():
            while done < kills:
                people += 1
                new = folder / "people.new"
                new.write_text(str(people))
                new.replace(folder / "people")
                await _settled(admin, people - 1)
                await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311 - a trial
                done += crew.kill_one()
            await _settled(admin, people)
            await asyncio.sleep(0.5)  # time for somebody to do something a second time
        tables = ("programme_enrolments", "programme_progress", "programme_attempts", "assignments", "messages")
        counts = [await admin.fetchval(f"select count(*) from {one}") for one in tables]  # noqa: S608 - names of ours
        return Outcome(done, people, *counts)
    finally:
        await admin.close()
        await office.close()


async def _settled(admin: Any, people: int) -> None:
    """Wait until so many people are enrolled."""
    async with asyncio.timeout(SETTLED):
        while await admin.fetchval("select count(*) from programme_enrolments") < people:  # noqa: ASYNC110 - others write
            await asyncio.sleep(0.02)


async def _planned(office: Office) -> dict[str, str]:
    """Publish a programme; returns what a worker has to know."""

    async def found(work: Work) -> identity.NewTenant:
        return await identity.found_tenant(work, name="Chaos", slug="chaos", time_zone="UTC", org_unit="Main")

    tenant = await office.perform(Viewer.system(UUID(int=7)), found)
    viewer = Viewer.system(tenant.tenant_id, tenant.org_unit_id)
    version_id = await office.perform(viewer, publish)

    async def define(work: Work) -> str:
        version = await work.session.get(EvaluationVersion, (tenant.tenant_id, version_id))
        if version is None:
            raise AssertionError("what was just published is gone")
        made = await programmes.create(work, Content("Licence", "", Rules()))
        programme = UUID(made["programme"])
        for number in range(REQUIREMENTS):
            given = Given(name=f"Paper {number}", evaluation_id=version.evaluation_id)
            await programmes_requirements.add(work, programme, given)
        await programmes.publish(work, programme, None)
        return str(programme)

    programme = await office.perform(viewer, define)
    return {"tenant": str(tenant.tenant_id), "unit": str(tenant.org_unit_id), "programme": programme}


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2])))
