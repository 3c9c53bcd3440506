"""Workers that enrol, sit, follow and certify, killed at any moment: nothing twice, nothing lost, one certificate.

python -m bench.chaos_certificates ADDRESS DSN FOLDER starts one worker of the trial: it does the jobs of the queue, and
beside them enrols people and sits whatever was issued to them, as several browsers of one person would.
"""

import asyncio
import random
import shutil
import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.chaos_jobs import VAULT, Crew, new_folder
from jobs.handlers import HANDLERS
from jobs.handling import Tools
from jobs.worker import Pace, Worker
from mail.outbox import Outbox
from mail.post import Sender
from models.assignments import TargetKind
from models.base import uuid7
from realtime.hub import Hub
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services import (
    assignments_redeem,
    authoring_evaluations,
    authoring_pool,
    identity,
    invitations,
    programmes,
    programmes_enrol,
    programmes_requirements,
    sessions,
    sessions_expiry,
)
from services.assignments_recipients import Recipient
from services.authoring import Drift
from services.authoring_evaluations import EvaluationSettings
from services.authoring_sections import SectionDraft, Selector
from services.paging import PageRequest
from services.programmes import Content, Rules
from services.programmes_requirements import Given
from services.refusals import Refusal
from services.sessions_writes import SessionWrites
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office, Work
from storage.local import LocalStorage

REQUIREMENTS: Final = 2
QUESTIONS: Final = 3
WORKERS: Final = 2
SETTLED: Final = 240.0
RIGHT, WRONG = "Right", "Wrong"

_OPEN: Final = """
select a.assignment_id, a.ordinal from programme_attempts a join programme_enrolments e on e.id = a.enrolment_id
join users u on u.id = e.user_id where u.email = $1
and not exists (select from submissions s where s.assignment_id = a.assignment_id) order by a.assignment_id"""

_FOUND: Final = {
    "enrolments": "select count(*) from programme_enrolments where status = 'certified' and met_count = 2",
    "progress": "select count(*) from programme_progress where state = 'met'",
    "attempts": "select count(*) from programme_attempts",
    "assignments": "select count(*) from assignments",
    "submissions": "select count(*) from submissions",
    "counted": "select sum(attempts_used) from programme_progress",
    "invited": "select count(*) from messages where template = 'invitation'",
    "certificates": "select count(*) from certificates where revoked_at is null",
    "certified": "select count(*) from programme_events where kind = 'certified'",
    "completed": "select count(*) from activity where act = 'programme_enrolment.completed'",
    "told": "select count(*) from messages where template = 'certificate'",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found: how many there are of each, for so many people, of whom some had to try again."""

    kills: int
    people: int
    retakes: int
    found: dict[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and nothing is there twice."""
        tries = self.people * REQUIREMENTS + self.retakes
        of_tries = ("attempts", "assignments", "submissions", "counted", "invited")
        of_people = ("enrolments", "certificates", "certified", "completed", "told")
        expected = dict.fromkeys(of_tries, tries) | dict.fromkeys(of_people, self.people)
        return self.found == expected | {"progress": self.people * REQUIREMENTS}


def fails_first(number: int) -> bool:
    """Tell whether a person fails the first attempt at every requirement."""
    return number % 3 == 0


async def work(url: str, dsn: str, folder: Path) -> None:
    """Be one worker, until killed."""
    hub = Hub.over(dsn)
    await hub.start()
    office = Office(url, ring=hub.ring, vault=VAULT, pool_size=6)
    post = Outbox(folder / "outbox", Sender("chaos@example.org"))
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    tools = Tools(office, post, Tokens(key), "http://site.example", LocalStorage(folder / "files"))
    worker = Worker(dsn, hub, tools, handlers=list(HANDLERS), pace=Pace(heartbeat=timedelta(seconds=2)))
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(asyncio.Event()))
        group.create_task(_people(tools, folder))


async def _people(tools: Tools, folder: Path) -> None:
    """Enrol one person after the other, and sit what was issued to them, those too who are done already."""
    plan = orjson.loads((folder / "plan").read_bytes())
    viewer, programme = Viewer.system(UUID(plan["tenant"]), UUID(plan["unit"])), UUID(plan["programme"])
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    reading = await connect(plan["admin"])
    link = partial(invitations.link, tools.site, tools.tokens)
    while True:
        for number in range(int((folder / "people").read_text())):
            email = f"p{number}@example.org"
            given = [Recipient(TargetKind.EMAIL, email)]
            act = partial(programmes_enrol.enrol, programme_id=programme, given=given, link=link)
            await tools.office.perform(viewer, act, repeatable=True)
            for row in await reading.fetch(_OPEN, email):
                is_right = not (fails_first(number) and row["ordinal"] == 1)
                try:
                    await _sit(tools, viewer, row["assignment_id"], is_right=is_right)
                except Refusal as refusal:
                    print(f"somebody was faster: {refusal}", file=sys.stderr)  # noqa: T201 - a worker's own log
        await asyncio.sleep(0.02)


async def _sit(tools: Tools, viewer: Viewer, assignment_id: UUID, *, is_right: bool) -> None:
    """Sit a paper by its invitation; whoever comes back, here another worker, goes on with the same session."""
    office = tools.office
    async with office.snapshot(viewer) as reading:
        (row,) = (await invitations.of_assignment(reading, assignment_id, PageRequest(1))).rows
    claims = invitations.verify(tools.tokens, invitations.mint(tools.tokens, row.invitation))
    bearer, nonce = assignments_redeem.bearer(claims), assignment_id.hex
    redeemed = await office.perform(bearer, lambda work: assignments_redeem.redeem(work, claims, nonce))
    session_id = UUID(redeemed["session_id"])
    candidate = assignments_redeem.candidate(claims, session_id)
    await office.perform(candidate, lambda work: sessions.start(work, session_id))
    async with office.snapshot(candidate) as reading:
        items = (await sessions.papers(reading, [session_id]))[session_id].items
    text = RIGHT if is_right else WRONG
    answers = [(UUID(one["item_id"]), 1, {"choice": _option(one, text)}) for one in items]
    await SessionWrites(office).save_many(candidate, answers)
    await office.perform(candidate.elevated(), lambda work: sessions_expiry.submit(work, session_id))


def _option(item: Any, text: str) -> str:
    return str(next(one["id"] for one in item["content"]["options"] if one["text"].startswith(text)))


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
        plan = await _planned(office) | {"admin": address.admin_dsn}
        (folder / "plan").write_bytes(orjson.dumps(plan))
        (folder / "people").write_text("0")
        crew = Crew(
            [sys.executable, "-m", "bench.chaos_certificates", address.app, address.app_dsn, str(folder)], WORKERS
        )
        done, people = 0, 0
        async with crew.at_work():
            while done < kills:
                people += 1
                new = folder / "people.new"
                new.write_text(str(people))
                new.replace(folder / "people")
                await _certified(admin, people - 1)
                await asyncio.sleep(random.uniform(0, 1.5))  # noqa: S311 - a trial
                done += crew.kill_one()
            await _certified(admin, people)
            await asyncio.sleep(3)  # time for somebody to do something a second time
        found = {name: int(await admin.fetchval(query)) for name, query in _FOUND.items()}
        return Outcome(done, people, REQUIREMENTS * sum(map(fails_first, range(people))), found)
    finally:
        await admin.close()
        await office.close()


async def _certified(admin: Any, people: int) -> None:
    """Wait until so many people are certified, and told."""
    async with asyncio.timeout(SETTLED):
        for query in (_FOUND["certificates"], _FOUND["told"]):
            while await admin.fetchval(query) < people:  # noqa: ASYNC110 - others write
                await asyncio.sleep(0.02)


async def _planned(office: Office) -> dict[str, str]:
    """Publish an examination and a programme that asks for it twice; returns what a worker has to know."""

    async def found(work: Work) -> identity.NewTenant:
        return await identity.found_tenant(work, name="Chaos", slug="chaos", time_zone="UTC", org_unit="Main")

    tenant = await office.perform(Viewer.system(uuid7()), found)
    viewer = Viewer.system(tenant.tenant_id, tenant.org_unit_id)
    options = [f"{RIGHT} one", f"{WRONG} one", f"{WRONG} two", f"{WRONG} three"]
    entries = [
        {"id": f"W{n}A01", "refs": "", "question": f"Question {n}?", "answers": options, "correct": 0}
        for n in range(QUESTIONS)
    ]

    async def do(act: Any, *given: Any, **more: Any) -> Any:
        return await office.perform(viewer, lambda work: act(work, *given, **more))

    await do(authoring_pool.import_pool, entries, publish=True)
    section = SectionDraft(title="All", draw_per_group=True, selector=Selector(reference_prefix="W"))
    settings = EvaluationSettings(title="Paper", pass_points=Decimal(QUESTIONS))
    made = await do(authoring_evaluations.create, name=None, settings=settings, sections=[section])
    evaluation_id = UUID(made["evaluation_id"])
    await do(authoring_evaluations.publish, evaluation_id, Drift())
    programme = UUID((await do(programmes.create, Content("Licence", "", Rules(validity_months=12))))["programme"])
    for number in range(REQUIREMENTS):
        given = Given(name=f"Paper {number}", evaluation_id=evaluation_id, attempts=3)
        await do(programmes_requirements.add, programme, given)
    await do(programmes.publish, programme, None)
    return {"tenant": str(tenant.tenant_id), "unit": str(tenant.org_unit_id), "programme": str(programme)}


if __name__ == "__main__":
    address_, dsn_, folder_ = sys.argv[1:]
    asyncio.run(work(address_, dsn_, Path(folder_)))
