"""A licensing office with the public question pools: its examinations, its programmes, and people who sit papers."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from jobs import programmes as job
from jobs.handling import Task, Tools
from models.assignments import Invitation
from models.base import uuid7
from models.programmes import ExpiryAnchor
from services import (
    assignments_addresses,
    assignments_redeem,
    authoring_evaluations,
    authoring_pool,
    identity,
    invitations,
    invitations_acts,
    pool,
    programmes,
    programmes_enrol,
    programmes_requirements,
    sessions,
    sessions_expiry,
)
from services.authoring import Drift
from services.authoring_evaluations import EvaluationSettings
from services.authoring_sections import SectionDraft, Selector
from services.paging import PageRequest
from services.programmes import Content, Rules
from services.programmes_requirements import Given
from services.sessions_answers import Saved
from services.sessions_writes import SessionWrites
from services.viewer import Viewer
from services.work import Office, Work

POOLS: Final = {"Technician": "technician-2026-2030.json", "General": "general-2023-2027.json"}
LICENCES: Final = {"Technician": ("Technician",), "General": ("Technician", "General")}
"""Licences, and the examinations that each asks for."""

QUESTIONS: Final = 35
TO_PASS: Final = 26
ATTEMPTS: Final = 3
COOLING_OFF: Final = 10
RULES: Final = Rules(
    validity_months=120,
    expiry_anchor=ExpiryAnchor.WINDOW_END,
    lead_days=90,
    grace_days=730,
    reminder_days=(60, 30, 7),
)
ZONE: Final = "America/New_York"
BESIDE: Final = 6
"""How many people sit, and how many jobs are done, at the same time."""

_ONE: Final = PageRequest(1)

_OPEN: Final = """
select a.assignment_id, a.enrolment_id, a.ordinal, e.user_id, p.name as licence, r.name as exam,
 case when e.renewal_of_id is null then 0 when b.renewal_of_id is null then 1 else 2 end as generation
from programme_attempts a
join programme_enrolments e on e.id = a.enrolment_id
join programme_progress g on g.id = a.progress_id
join programme_requirements r on r.id = g.requirement_id
join programmes p on p.id = e.programme_id
left join programme_enrolments b on b.id = e.renewal_of_id
where g.state = 'pending' and not exists (select from submissions s where s.assignment_id = a.assignment_id)
order by a.assignment_id"""

_ASKED: Final = """
select id, payload from jobs.pgqueuer where entrypoint = 'programmes.follow' and id > $1 order by id"""


@dataclass(frozen=True, slots=True)
class Open:
    """An attempt that was issued and not handed in; `generation` counts the renewals before it."""

    assignment_id: UUID
    enrolment_id: UUID
    ordinal: int
    user_id: UUID
    licence: str
    exam: str
    generation: int


class Stage:
    """The office, its clock, and what people do there."""

    def __init__(self, tools: Tools, admin: Any) -> None:
        self.tools, self.admin = tools, admin
        self.office = tools.office
        self.tenant, self.viewer = UUID(int=0), Viewer.system(UUID(int=0))
        self.link = partial(invitations.link, tools.site, tools.tokens)
        self.programmes: dict[str, UUID] = {}
        self.questions: dict[str, int] = {}
        self.sittings = self.resent = 0
        self._right: dict[UUID, str] = {}
        self._followed = 0

    def turn(self, at: datetime) -> None:
        """Move the clock of everything that is done from now on."""
        self.office = self.tools.office.shifted(at - datetime.now(UTC))

    async def do(self, act: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """Perform an act of the office."""
        return await self.office.perform(self.viewer, lambda work: act(work, *given, **more))

    async def open_office(self, pools: Path) -> None:
        """Found the tenant, import the pools, and publish examinations and programmes."""

        async def found(work: Work) -> identity.NewTenant:
            return await identity.found_tenant(work, name="Licences", slug="licences", time_zone=ZONE, org_unit="Main")

        tenant = await self.office.perform(Viewer.system(uuid7()), found)
        self.tenant, self.viewer = tenant.tenant_id, Viewer.system(tenant.tenant_id, tenant.org_unit_id)
        exams = {name: await self._examination(name, pools / file) for name, file in POOLS.items()}
        for name, asked in LICENCES.items():
            made = UUID((await self.do(programmes.create, Content(name, "", RULES)))["programme"])
            for exam in asked:
                given = Given(name=exam, evaluation_id=exams[exam], attempts=ATTEMPTS, cooling_off_days=COOLING_OFF)
                await self.do(programmes_requirements.add, made, given)
            await self.do(programmes.publish, made, None)
            self.programmes[name] = made

    async def _examination(self, name: str, file: Path) -> UUID:
        """Import a pool and publish an evaluation that draws one question of each of its groups."""
        source = await asyncio.to_thread(file.read_bytes)
        report, entries = pool.parse(source), orjson.loads(source)
        if len(report.drafts) != len(entries) or len(report.groups) != QUESTIONS:
            raise AssertionError(f"{file.name} is not read whole: {len(report.drafts)} of {len(entries)} questions")
        self.questions[name] = len(entries)
        right: dict[str, str] = {one["id"]: one["answers"][one["correct"]].strip() for one in entries}
        for start in range(0, len(entries), authoring_pool.MOST_ROWS):
            some = entries[start : start + authoring_pool.MOST_ROWS]
            rows = (await self.do(authoring_pool.import_pool, some, publish=True))["results"]
            if any(row["status"] != "created" for row in rows):
                raise AssertionError(f"{file.name} is not imported whole")
        known = "select v.id, q.reference from question_versions v join questions q on q.id = v.question_id"
        rows = await self.admin.fetch(known)
        self._right |= {row["id"]: right[row["reference"]] for row in rows if row["reference"] in right}
        section = SectionDraft(
            title=name,
            draw_per_group=True,
            shuffle_options=True,
            selector=Selector(reference_prefix=entries[0]["id"][0]),
        )
        settings = EvaluationSettings(title=f"{name} examination", pass_points=Decimal(TO_PASS))
        made = await self.do(authoring_evaluations.create, name=None, settings=settings, sections=[section])
        evaluation_id = UUID(made["evaluation_id"])
        await self.do(authoring_evaluations.publish, evaluation_id, Drift())
        return evaluation_id

    async def enrol(self, people: int) -> dict[UUID, int]:
        """Enrol so many people in every licence from a CSV; return the number of each person."""
        lines = [f'p{n}@example.org,"Person {n}"' for n in range(people)]
        given = assignments_addresses.rows("\n".join(["email,display_name", *lines]))
        for programme_id in self.programmes.values():
            answer = await self.do(programmes_enrol.enrol, programme_id, given, self.link)
            if sum(row["enrolled"] for row in answer["rows"]) != people:
                raise AssertionError("not everybody was enrolled")
        rows = await self.admin.fetch("select id, email from users where email like 'p%@example.org'")
        return {row["id"]: int(row["email"][1:].split("@")[0]) for row in rows}

    async def opened(self) -> list[Open]:
        """Return the attempts that can be sat."""
        return [Open(**dict(row)) for row in await self.admin.fetch(_OPEN)]

    async def sit(self, papers: Mapping[Open, int]) -> None:
        """Let papers be sat beside each other, each with so many right answers, and follow what was handed in."""
        writes, gate = SessionWrites(self.office), asyncio.Semaphore(BESIDE)

        async def one(paper: Open, right: int) -> None:
            async with gate:
                await self._sit(paper, right, writes)

        await asyncio.gather(*(one(paper, right) for paper, right in papers.items()))
        await self.follow()

    async def _sit(self, paper: Open, right: int, writes: SessionWrites) -> None:
        """Sit one paper from its newest invitation to handing in, as the candidate's browser does."""
        invitation = await self._invitation(paper)
        claims = invitations.verify(self.tools.tokens, invitations.mint(self.tools.tokens, invitation))
        nonce = uuid7().hex
        redeemed = await self.office.perform(
            assignments_redeem.bearer(claims), lambda work: assignments_redeem.redeem(work, claims, nonce)
        )
        session_id = UUID(redeemed["session_id"])
        candidate = assignments_redeem.candidate(claims, session_id)
        await self.office.perform(candidate, lambda work: sessions.start(work, session_id))
        async with self.office.snapshot(candidate) as work:
            items = (await sessions.papers(work, [session_id]))[session_id].items
        knows = random.Random(str(session_id)).sample(range(QUESTIONS), right)  # noqa: S311 - a trial
        answers = [self._answer(item, right=place in knows) for place, item in enumerate(items)]
        saved = await writes.save_many(candidate, answers)
        if len(saved) != QUESTIONS or not all(isinstance(one, Saved) and one.is_current for one in saved):
            raise AssertionError(f"not all answers were saved: {saved}")
        await self.office.perform(candidate.elevated(), lambda work: sessions_expiry.submit(work, session_id))
        self.sittings += 1

    def _answer(self, item: Mapping[str, Any], *, right: bool) -> tuple[UUID, int, dict[str, str]]:
        wanted, options = self._right[UUID(item["question_version_id"])], item["content"]["options"]
        choice = next(one["id"] for one in options if (one["text"] == wanted) == right)
        return UUID(item["item_id"]), 1, {"choice": choice}

    async def _invitation(self, paper: Open) -> Invitation:
        """Return the invitation to a paper; one whose link is dead is sent again, as staff would, and counted."""
        row = await self._sent(paper)
        async with self.office.snapshot(self.viewer) as work:
            if row.expires_at > await work.now():
                return row
        answer = await self.do(invitations_acts.resend, [row.id], self.link)
        if answer["rows"][0]["problem"] is not None:
            raise AssertionError(f"the invitation cannot be sent again: {answer}")
        self.resent += 1
        return await self._sent(paper)

    async def _sent(self, paper: Open) -> Invitation:
        async with self.office.snapshot(self.viewer) as work:
            (row,) = (await invitations.of_assignment(work, paper.assignment_id, _ONE)).rows
            return row.invitation

    async def follow(self) -> None:
        """Do the jobs that the scores have asked for, some of them twice at the same time."""
        asked = await self.admin.fetch(_ASKED, self._followed)
        self._followed = max([self._followed, *(row["id"] for row in asked)])
        tools = Tools(self.office, self.tools.post, self.tools.tokens, self.tools.site, self.tools.files)
        gate = asyncio.Semaphore(BESIDE)

        async def one(payload: dict[str, Any]) -> None:
            task = Task(uuid7(), job.FOLLOW.name, self.tenant, None, None, payload, 1)
            async with gate:
                await job.follow(tools, task)

        payloads = [orjson.loads(row["payload"]) for row in asked]
        await asyncio.gather(*(one(payload) for payload in [*payloads, *payloads[::10]]))

    async def at_once(self, act: Callable[[Office], Any], workers: int = 4) -> Sequence[Any]:
        """Let so many workers do the same at the same time."""
        return await asyncio.gather(*(act(self.office) for _ in range(workers)))

    async def retake(self) -> None:
        """Issue the attempts whose cooling off is over."""
        await self.at_once(lambda office: job.retake_tenant(office, self.tenant, self.link))

    async def renew(self) -> int:
        """Renew what is due until a whole round finds nothing, at least twice; return how many rounds that took."""
        rounds = 0
        while True:
            made = await self.at_once(lambda office: job.renew_tenant(office, self.tenant, self.link))
            rounds += 1
            if not any(made) and rounds > 1:
                return rounds

    async def tell(self) -> int:
        """Mail what holders are to be told; return how many mails that made."""
        return sum(await self.at_once(lambda office: job.tell_tenant(office, self.tenant, self.tools.site)))
