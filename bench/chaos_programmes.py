"""People who enrol and sit, and workers that follow them, killed at any moment: nothing is there twice or lost.

Three papers are asked for, of which everybody fails some at first. The clock is turned to when they may try again, and
then year by year to when certificates are renewed.
"""

import asyncio
import contextlib
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson

from bench.chaos_jobs import VAULT, Crew, new_folder
from bench.chaos_programmes_crew import ACTS, ATTEMPTS, COOLING, fails
from bench.chaos_programmes_found import LEDGER, SETTLED, WRONG
from bench.sitting import publish
from models.programmes import ExpiryAnchor
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.driver import Connection, connected
from services import identity, programmes, programmes_requirements
from services.programmes import Content, Rules
from services.programmes_requirements import Given
from services.viewer import Viewer
from services.work import Office, Work

REQUIREMENTS: Final = len(COOLING)
WORKERS: Final = 2
"""Of each kind."""

PATIENCE: Final = 180.0
DRAWN, LONGEST = 2.0, 5.0
"""Seconds for which somebody is waited for who is at what was drawn, and at anything."""

COOLED, RENEWABLE, YEAR = 2, 345, 365


@dataclass(slots=True)
class Outcome:
    """What the trial has found. `hit` counts what was going on in those who were killed."""

    kills: int = 0
    people: int = 0
    rounds: int = 0
    """How often everybody was enrolled: once, and by each renewal."""

    hit: Counter[str] = field(default_factory=Counter[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    wrong: list[str] = field(default_factory=list[str])


def expected(people: int, rounds: int) -> dict[str, int]:
    """Return how many there must be of each when everybody is certified, and was renewed so often."""
    papers = people * REQUIREMENTS * rounds
    again = sum(fails(person, place) for person in range(people) for place in range(REQUIREMENTS))
    issued = dict.fromkeys(
        ("attempts", "assignments", "invitations", "sessions", "submissions", "scores"), papers + again
    )
    certified = dict.fromkeys(("enrolments", "certificates", "certificate mails", "certified"), people * rounds)
    return issued | certified | {"progress": papers, "met": papers, "renewals": people * (rounds - 1)}


async def trial(kills: int, workers: int = WORKERS) -> Outcome:
    """Run it on a database of its own, with so many processes of each kind."""
    folder = new_folder()
    (folder / "doing").mkdir()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        async with connected(cluster.dsn(database="chaos")) as admin:
            return await _Trial(address, folder, admin, workers).run(kills)
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


class _Trial:
    def __init__(self, address: DatabaseAddress, folder: Path, admin: Connection, workers: int) -> None:
        self.address, self.folder, self.admin, self.workers = address, folder, admin, workers
        self.found = Outcome(rounds=1)

    async def run(self, kills: int) -> Outcome:
        office = Office(self.address.app, ring=lambda _topics: None, vault=VAULT, pool_size=2)
        try:
            (self.folder / "plan").write_bytes(orjson.dumps(await _planned(office)))
        finally:
            await office.close()
        self._invite(0)
        await self._enrolling(max(1, kills * 2 // 5))
        await self._until(COOLED, max(2, kills * 3 // 5))
        day = RENEWABLE
        while self.found.rounds == 1 or self.found.kills < kills:
            self.found.rounds += 1
            await self._until(day, kills)
            day += YEAR
        await self._counted()
        return self.found

    @contextlib.asynccontextmanager
    async def _at_work(self, days: int) -> AsyncGenerator[list[Crew], None]:
        given = [self.address.app, self.address.app_dsn, str(self.folder), str(days)]
        command = [sys.executable, "-m", "bench.chaos_programmes_crew"]
        people, workers = [Crew([*command, kind, *given], self.workers) for kind in ("people", "workers")]
        async with people.at_work(), workers.at_work():
            yield [people, workers]

    async def _enrolling(self, kills: int) -> None:
        """Let one person after the other be enrolled, and kill somebody at each."""
        async with self._at_work(0) as crews:
            while self.found.kills < kills:
                self._invite(self.found.people + 1)
                await self._kill(crews)
                await self._wait("select count(*) from programme_enrolments", self.found.people)
            early = {
                "met": sum(
                    not (fails(person, place) and COOLING[place])
                    for person in range(self.found.people)
                    for place in range(REQUIREMENTS)
                )
            }
            await self._settled(early)

    async def _until(self, days: int, kills: int) -> None:
        """Turn the clock, and kill until there were so many, or until all that is due then is done."""
        wanted = expected(self.found.people, self.found.rounds)
        async with self._at_work(days) as crews:
            while self.found.kills < kills and not await self._is_settled(wanted):
                await self._kill(crews)
            await self._settled(wanted)
            await asyncio.sleep(1)  # time for somebody to do something a second time

    def _invite(self, people: int) -> None:
        self.found.people, new = people, self.folder / "people.new"
        new.write_text(str(people))
        new.replace(self.folder / "people")

    async def _kill(self, crews: list[Crew]) -> None:
        """Kill one who is at something, by preference at what was drawn, after a while; nobody where none is."""
        await asyncio.sleep(random.uniform(0, 0.3))  # noqa: S311 - a trial
        act = random.choice(ACTS)  # noqa: S311 - as above
        began, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        while (waited := loop.time() - began) < LONGEST:
            doing = {pid: self._doing(pid) for crew in crews for pid in crew.pids}
            busy = [pid for pid, acts in doing.items() if act in acts or (acts and waited > DRAWN)]
            if busy:
                pid = random.choice(busy)  # noqa: S311 - as above
                done = any(crew.kill(pid) for crew in crews)
                self.found.kills += done
                self.found.hit.update(done * doing[pid])
                return
            await asyncio.sleep(0.001)

    def _doing(self, pid: int) -> list[str]:
        try:
            return (self.folder / "doing" / str(pid)).read_text().split()
        except FileNotFoundError:
            return []

    async def _is_settled(self, wanted: dict[str, int]) -> bool:
        found = dict((await self.admin.fetch(SETTLED))[0])
        return (
            found["open"] == 0
            and found["certificates"] == found["certificate mails"]
            and all(found[name] == wanted[name] for name in ("met", "enrolments", "certificates") if name in wanted)
        )

    async def _settled(self, wanted: dict[str, int]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self._is_settled(wanted):  # noqa: ASYNC110 - others write
                await asyncio.sleep(0.05)

    async def _wait(self, counted: str, wanted: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.admin.fetchval(counted) < wanted:  # noqa: ASYNC110 - others write
                await asyncio.sleep(0.02)

    async def _counted(self) -> None:
        """Compare everything with what it must be."""
        found, wanted = self.found, expected(self.found.people, self.found.rounds)
        found.counts = {name: (await self.admin.fetch(SETTLED))[0][name] for name in wanted}
        papers, whole = found.people * REQUIREMENTS, found.people * found.rounds
        told = {
            "programme_enrolment.created": whole,
            "programme_enrolment.completed": whole,
            "certificate.issued": whole,
            "programme_requirement.met": papers * found.rounds,
        }
        ledger = {row["act"]: row["rows"] for row in await self.admin.fetch(LEDGER)}
        pairs = [(name, found.counts[name], wanted[name]) for name in wanted]
        pairs += [(f"in the ledger {act}", ledger.pop(act, 0), there) for act, there in told.items()]
        pairs += [(f"in the ledger {act}", there, 0) for act, there in ledger.items()]
        pairs += [(what, await self.admin.fetchval(statement), 0) for what, statement in WRONG.items()]
        found.wrong += [f"{what}: {there}, not {wanted}" for what, there, wanted in pairs if there != wanted]


async def _planned(office: Office) -> dict[str, str]:
    """Publish an evaluation and a programme that asks for it; returns what a worker has to know."""

    async def found(work: Work) -> identity.NewTenant:
        return await identity.found_tenant(work, name="Chaos", slug="chaos", time_zone="UTC", org_unit="Main")

    tenant = await office.perform(Viewer.system(UUID(int=7)), found)
    viewer = Viewer.system(tenant.tenant_id, tenant.org_unit_id)
    evaluation = (await publish(office, viewer, 2)).evaluation_id

    async def define(work: Work) -> str:
        rules = Rules(validity_months=12, expiry_anchor=ExpiryAnchor.WINDOW_END, lead_days=30, reminder_days=())
        programme = UUID((await programmes.create(work, Content("Licence", "", rules)))["programme"])
        for place, days in enumerate(COOLING):
            given = Given(name=f"Paper {place}", evaluation_id=evaluation, attempts=ATTEMPTS, cooling_off_days=days)
            await programmes_requirements.add(work, programme, given)
        await programmes.publish(work, programme, None)
        return str(programme)

    return {
        "tenant": str(tenant.tenant_id),
        "unit": str(tenant.org_unit_id),
        "programme": await office.perform(viewer, define),
    }
