"""Who is killed in the trial of programmes: people who enrol and sit what they were sent, and workers that follow.

python -m bench.chaos_programmes_crew people|workers URL DSN FOLDER DAYS starts one of them, its clock so many days on.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson

from bench.chaos_jobs import VAULT
from bench.sitting import RIGHT, TOKENS, WRONG, Sitting
from jobs import programmes as job
from jobs.handling import Tools
from jobs.worker import Pace, Worker
from mail.outbox import Outbox
from mail.post import Sender
from models.assignments import Invitation, TargetKind
from realtime.hub import Hub
from services import programmes_enrol
from services.assignments_recipients import Recipient
from services.refusals import Refusal
from services.viewer import Viewer
from services.work import Office, Work
from storage.local import LocalStorage

R = TypeVar("R")

COOLING: Final = (0, 1, 1)
"""Days to cool off, of each requirement."""

ATTEMPTS: Final = 2
SITE: Final = "https://example.org"
SLOW: Final = 0.02

ACTS: Final = (
    "enrolling",
    "redeeming",
    "handing-in",
    "programmes.follow",
    "programmes.retake",
    "programmes.renew",
    "certificates.tell",
)
"""In what somebody is killed by preference, by the names of those who act."""


_OPEN: Final = """
select i.id as invitation, s.id as session, u.email, r.position, a.ordinal, e.renewal_of_id is not null as is_renewal
from programme_attempts a
join programme_progress p on p.id = a.progress_id
join programme_requirements r on r.id = p.requirement_id
join programme_enrolments e on e.id = a.enrolment_id
join users u on u.id = e.user_id
join invitations i on i.assignment_id = a.assignment_id
left join delivery_sessions s on s.invitation_id = i.id
left join submissions b on b.session_id = s.id
where b.id is null order by random() limit 1"""


def fails(person: int, place: int) -> bool:
    """Tell whether somebody fails their first attempt at a requirement; nobody fails a second or a renewal."""
    return (person + place) % 2 == 0


class Watched(Office):
    """An office that notes what it is at, and takes a moment before each commit, so that kills hit the middle."""

    def __init__(self, url: str, *, ring: Callable[[Any], None], folder: Path) -> None:
        super().__init__(url, ring=ring, vault=VAULT, pool_size=6)
        self._note, self._open = folder / "doing" / str(os.getpid()), Counter[str]()

    async def perform(self, viewer: Viewer, act: Callable[[Work], Awaitable[R]], *, repeatable: bool = False) -> R:
        """Do as every office does, slowly."""

        async def slow(work: Work) -> R:
            answer = await act(work)
            await work.session.flush()
            await asyncio.sleep(random.uniform(0, SLOW))  # noqa: S311 - a trial
            return answer

        self._noted(viewer.name, 1)
        try:
            return await super().perform(viewer, slow, repeatable=repeatable)
        finally:
            self._noted(viewer.name, -1)

    def _noted(self, name: str, change: int) -> None:
        self._open[name] += change
        self._note.write_text("\n".join(sorted(name.replace(" ", "-") for name in +self._open)))


class People:
    """Enrols everybody who is to be, again and again, and sits what is open, in no order."""

    def __init__(self, office: Office, folder: Path) -> None:
        plan = orjson.loads((folder / "plan").read_bytes())
        self._office, self._folder = office, folder
        self._viewer = Viewer.system(UUID(plan["tenant"]), UUID(plan["unit"]), name="enrolling")
        self._sitting, self._programme = Sitting(office, self._viewer), UUID(plan["programme"])

    async def work(self) -> None:
        """Go on until killed. Another may be at the same just now, and is refused or refuses."""
        while True:
            people = int((self._folder / "people").read_text())
            for number in {*random.sample(range(people), min(2, people)), people - 1} - {-1}:
                given = [Recipient(TargetKind.EMAIL, f"p{number}@example.org")]
                act = partial(programmes_enrol.enrol, programme_id=self._programme, given=given, link=slow_link)
                await self._office.perform(self._viewer, act, repeatable=True)
            async with self._office.snapshot(self._viewer) as work:
                found = await work.fetch(_OPEN)
            for row in found:
                with contextlib.suppress(Refusal):
                    await self._sitting.sit(row["invitation"], row["session"], lambda _n, row=row: _choice(row))
            await asyncio.sleep(0 if found else 0.05)


def _choice(row: Any) -> str:
    person, place = int(row["email"].partition("@")[0][1:]), row["position"] - 1
    is_wrong = row["ordinal"] == 1 and not row["is_renewal"] and fails(person, place)
    return WRONG if is_wrong else RIGHT


def slow_link(invitation: Invitation) -> str:
    """Return an invitation's address after a moment: kills shall hit the middle of what issues it."""
    time.sleep(random.uniform(0, SLOW))  # noqa: S311 - a trial
    return f"{SITE}/#{invitation.id}"


async def follow(office: Office, hub: Hub, dsn: str, folder: Path) -> None:
    """Be a worker of the queue, which issues, renews and tells what is due as well, without waiting for the minute."""
    tenant = UUID(orjson.loads((folder / "plan").read_bytes())["tenant"])
    outbox = Outbox(folder / "outbox", Sender("chaos@example.org"))
    tools = Tools(office, outbox, TOKENS, SITE, LocalStorage(folder / "files"))
    pace = Pace(look=timedelta(seconds=0.2), heartbeat=timedelta(seconds=1))

    async def turn() -> None:
        while True:
            await job.retake_tenant(office, tenant, slow_link)
            await job.renew_tenant(office, tenant, slow_link)
            await job.tell_tenant(office, tenant, SITE)
            await asyncio.sleep(0.2)

    await asyncio.gather(Worker(dsn, hub, tools, ticks=(), pace=pace).run(asyncio.Event()), turn())


async def _main(kind: str, url: str, dsn: str, folder: Path, days: float) -> None:
    hub = Hub.over(dsn)
    await hub.start()
    office = Watched(url, ring=hub.ring, folder=folder).shifted(timedelta(days=days))
    await (People(office, folder).work() if kind == "people" else follow(office, hub, dsn, folder))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), float(sys.argv[5])))
