"""Scores corrected both ways under each policy: carried through once, told as it was, and explained by the ledger.

Of those who sit for each programme one half is right and certified, and one half wrong. A correction of the key turns
that round, and is undone ten days later. Everybody is followed twice after each.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from bench.chaos_jobs import VAULT, new_folder
from bench.sitting import RIGHT, WRONG, Published, Sitting, publish
from models.activity import Activity
from models.assignments import Assignment, Invitation, TargetKind
from models.authoring import EvaluationItem
from models.base import uuid7
from models.certificates import Certificate
from models.corrections import CorrectionKind
from models.jobs import queue
from models.programmes import RemediationPolicy
from models.programmes_enrolments import ProgrammeAttempt, ProgrammeEnrolment, ProgrammeProgress
from server import database
from server.cluster import Cluster
from services import (
    certificates_read,
    corrections,
    identity,
    programmes,
    programmes_enrol,
    programmes_follow,
    programmes_requirements,
    programmes_signal,
)
from services.assignments_recipients import Recipient
from services.certificates_read import Filter
from services.corrections_draft import Given
from services.paging import PageRequest
from services.programmes import Content, Rules
from services.viewer import Viewer
from services.work import Office, Work

P = RemediationPolicy
QUESTIONS: Final = 10
TURNED: Final = 4
"""Questions whose key is turned: who was right has 60 % by it, and who was wrong 100."""

Stands = tuple[str, str, str | None]
_PASSED, _TO_DO = ("certified", "met", None), ("in_progress", "pending", None)
_HELD = ("certified", "met", "held")

STATES: Final[dict[P, Sequence[tuple[Stands, Stands]]]] = {
    P.HOLD: [(_PASSED, _TO_DO), (_HELD, _PASSED), (_PASSED, _HELD)],
    P.KEEP: [(_PASSED, _TO_DO), (_PASSED, _PASSED), (_PASSED, _PASSED)],
    P.REVOKE_AND_REISSUE: [(_PASSED, _TO_DO), (_TO_DO, _PASSED), (_PASSED, _TO_DO)],
}
"""How those who were right and those who were wrong stand: at first, corrected, and corrected back."""

VALID: Final[dict[P, Sequence[tuple[bool, bool]]]] = {
    P.HOLD: [(False, False), (True, False), (True, True), (True, True)],
    P.KEEP: [(False, False), (True, False), (True, True), (True, True)],
    P.REVOKE_AND_REISSUE: [(False, False), (True, False), (False, True), (True, False)],
}
"""Whether their certificates count before all, at first, between the corrections, and after them."""


@dataclass(slots=True)
class Outcome:
    """What the trial has found."""

    people: int
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    followed: int = 0
    certificates: dict[str, str] = field(default_factory=dict[str, str])
    answered: int = 0
    """Certificates that the questions about a day were answered with."""

    explained: int = 0
    """Rows of requirements, enrolments and certificates that were read again out of the ledger."""

    wrong: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Cohort:
    """The enrolments under one policy: of those who are right at first, and of those who are not."""

    programme: UUID
    right: set[UUID]
    wrong: set[UUID]

    @property
    def everybody(self) -> list[UUID]:
        """All of them."""
        return [*self.right, *self.wrong]


async def trial(people: int) -> Outcome:
    """Run it on a database of its own, with so many people under each policy."""
    folder = new_folder()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        office = Office(address.app, ring=lambda _topics: None, vault=VAULT, pool_size=12)
        try:
            return await Trial(office, people).run()
        finally:
            await office.close()
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


class Trial:
    """One tenant, one evaluation, a programme under each policy, and a clock that goes on."""

    def __init__(self, office: Office, people: int) -> None:
        self._start = self._office = office
        self._half, self._found = people // 2, Outcome(people // 2 * 2)
        self._viewer = Viewer.system(uuid7())
        self._cohorts: dict[P, Cohort] = {}
        self._moments: list[datetime] = []
        self._seats = asyncio.Semaphore(8)
        self._began = monotonic()

    async def run(self) -> Outcome:
        """Let everybody sit, correct, undo, and compare with what must be."""
        published = await self._founded()
        for policy in P:
            self._cohorts[policy] = await self._sat(policy, published)
        await self._now()
        self._lap("sitting")
        await self._followed(0)
        self._turn(5)
        await self._now()
        self._turn(10)
        apply = partial(corrections.apply, version_id=published.version_id, given=await self._lines(published))
        batch = await self._corrected(partial(apply, reason="The key was wrong."))
        await self._followed(1)
        self._turn(15)
        await self._now()
        self._turn(20)
        await self._corrected(partial(corrections.undo, batch_id=batch, reason="It was right."))
        await self._followed(2)
        self._turn(25)
        await self._now()
        for policy, cohort in self._cohorts.items():
            await self._answered(policy, cohort)
            await self._explained(policy, cohort)
        self._lap("looking")
        return self._found

    async def _founded(self) -> Published:
        async def found(work: Work) -> identity.NewTenant:
            name = f"remediation-{uuid7()}"
            return await identity.found_tenant(work, name="Trial", slug=name, time_zone="UTC", org_unit="Main")

        tenant = await self._do(found)
        self._viewer = Viewer.system(tenant.tenant_id, tenant.org_unit_id)
        return await publish(self._office, self._viewer, QUESTIONS)

    async def _do(self, act: Any) -> Any:
        return await self._office.perform(self._viewer, act)

    async def _sat(self, policy: P, published: Published) -> Cohort:
        """Enrol people in a programme, and let them sit: one half right, and one half wrong where the key is turned."""
        rules = Rules(validity_months=12, remediation=policy)
        programme = UUID((await self._do(partial(programmes.create, content=Content(policy, "", rules))))["programme"])
        asked = programmes_requirements.Given(name="Paper", evaluation_id=published.evaluation_id, attempts=2)
        await self._do(partial(programmes_requirements.add, programme_id=programme, given=asked))
        await self._do(partial(programmes.publish, programme_id=programme, expected_version=None))
        given = [Recipient(TargetKind.EMAIL, f"{policy}{n}@example.org") for n in range(2 * self._half)]
        rows = (await self._do(partial(programmes_enrol.enrol, programme_id=programme, given=given, link=None)))["rows"]
        ids = [UUID(row["enrolment"]) for row in rows]
        cohort = Cohort(programme, set(ids[: self._half]), set(ids[self._half :]))
        attempt, sitting = ProgrammeAttempt, Sitting(self._office, self._viewer)
        sent = select(attempt.enrolment_id, Invitation.id)
        sent = sent.join(Invitation, Invitation.assignment_id == attempt.assignment_id)

        async def sit(enrolment_id: UUID, invitation_id: UUID) -> None:
            is_right = enrolment_id in cohort.right
            async with self._seats:
                await sitting.sit(invitation_id, None, lambda n: RIGHT if is_right or n >= TURNED else WRONG)

        found = await self._rows(sent.where(attempt.enrolment_id.in_(ids)))
        await asyncio.gather(*(sit(one.enrolment_id, one.id) for one in found))
        return cohort

    async def _lines(self, published: Published) -> list[Given]:
        item = EvaluationItem
        wanted = select(item.question_version_id).where(item.evaluation_version_id == published.version_id)
        found = await self._rows(wanted.order_by(item.position).limit(TURNED))
        return [Given(one.question_version_id, CorrectionKind.KEY, {"key": {"correct": WRONG}}) for one in found]

    async def _corrected(self, act: Any) -> UUID:
        """Correct, and see that everybody is to be followed for it."""
        waiting = select(func.count().label("n")).select_from(queue)
        waiting = waiting.where(queue.c.entrypoint == programmes_signal.FOLLOW)
        before = (await self._rows(waiting))[0].n
        batch = UUID((await self._do(act))["batch"])
        self._want("jobs for a correction", (await self._rows(waiting))[0].n - before, len(P) * self._found.people)
        self._lap("correcting")
        return batch

    async def _followed(self, step: int) -> None:
        """Follow everybody, twice; the second time adds nothing."""
        before = ()
        for again in (False, True):
            everybody = [one for cohort in self._cohorts.values() for one in cohort.everybody]
            await asyncio.gather(*(self._follow(one) for one in everybody))
            self._found.followed += len(everybody)
            for policy, cohort in self._cohorts.items():
                right, wrong = STATES[policy][step]
                wanted = {("right", *right): self._half, ("wrong", *wrong): self._half}
                self._want(f"{policy}, step {step}, again {again}", await self._states(cohort), wanted)
            counts = [(await self._rows(select(func.count().label("n")).select_from(one)))[0].n for one in COUNTED]
            if again:
                self._want(f"rows added by looking again, step {step}", counts, before)
            before = counts
        self._lap("following")

    async def _follow(self, enrolment_id: UUID) -> None:
        async with self._seats:
            await self._do(partial(programmes_follow.follow, enrolment_id=enrolment_id, link=None))

    async def _states(self, cohort: Cohort) -> dict[Any, int]:
        row, progress = ProgrammeEnrolment, ProgrammeProgress
        wanted = select(row.id, row.status, progress.state, progress.hold)
        wanted = wanted.join(progress, progress.enrolment_id == row.id).where(row.programme_id == cohort.programme)
        found = await self._rows(wanted)
        return Counter((_whose(cohort, one.id), one.status, one.state, one.hold) for one in found)

    async def _answered(self, policy: P, cohort: Cohort) -> None:
        """Ask what counted before, at first, between and after, and see that what came back has kept its days."""
        for moment, (right, wrong) in zip(self._moments, VALID[policy], strict=True):
            found: list[UUID] = []
            after: str | None = None
            while True:
                wanted = Filter(programme_id=cohort.programme, valid_at=moment)
                async with self._office.snapshot(self._viewer) as work:
                    page = await certificates_read.listed(work, wanted, PageRequest(100, after))
                found += [one.enrolment_id for one in page.rows]
                if not page.has_next:
                    break
                after = page.cursors[-1]
            expected = [*(cohort.right if right else ()), *(cohort.wrong if wrong else ())]
            self._want(f"{policy}, valid at {moment}", sorted(found), sorted(expected))
            self._found.answered += len(found)
        chains = await self._chains(cohort)
        taken_back = policy is P.REVOKE_AND_REISSUE
        for enrolment_id, (first, *later) in chains.items():
            comes_back = taken_back and enrolment_id in cohort.right
            said = [(one.replaces_id, one.valid_through, one.grounds, one.revoked_at) for one in later]
            same = [(first.id, first.valid_through, first.grounds, None)] * comes_back
            self._want(f"{policy}, certificates after the first", said, same)
            self._want(f"{policy}, the first is revoked", first.revoked_at is not None, taken_back)
        rows = [one for chain in chains.values() for one in chain]
        revoked = sum(one.revoked_at is not None for one in rows)
        self._found.certificates[policy] = f"{len(rows)} issued, {revoked} revoked"

    async def _explained(self, policy: P, cohort: Cohort) -> None:
        """Read requirements, enrolments and certificates out of the ledger, and compare them with their rows."""
        chains, progress = await self._chains(cohort), ProgrammeProgress
        told: dict[UUID, list[Any]] = {}
        issued = [one.id for chain in chains.values() for one in chain]
        wanted = select(Activity.subject_id, Activity.act, Activity.before, Activity.after).order_by(Activity.id)
        for row in await self._rows(wanted.where(Activity.subject_id.in_([*cohort.everybody, *issued]))):
            told.setdefault(row.subject_id, []).append(row)
        columns = select(progress.enrolment_id, progress.state, progress.submission_id, progress.hold)
        for row in await self._rows(columns.where(progress.enrolment_id.in_(cohort.everybody))):
            said: dict[str, Any] = {"state": "pending", "submission": None, "hold": None}
            for one in told[row.enrolment_id]:
                if one.act.startswith("programme_requirement."):
                    self._want(f"{policy}, before {one.act}", {name: one.before[name] for name in said}, said)
                    said = {name: one.after[name] for name in said}
            there = {"state": row.state, "submission": row.submission_id and str(row.submission_id), "hold": row.hold}
            self._want(f"{policy}, a requirement by the ledger", said, there)
        for enrolment_id in cohort.everybody:
            acts = Counter(one.act for one in told[enrolment_id])
            chain = chains.get(enrolment_id, [])
            ends = sum(one.revoked_at is not None for one in chain)
            counts = acts["programme_enrolment.created"], acts["programme_enrolment.completed"]
            said_of = (*counts, acts["programme_enrolment.reopened"])
            self._want(f"{policy}, an enrolment by the ledger", said_of, (1, len(chain), ends))
            for one in chain:
                acts_of = [row.act for row in told[one.id]]
                whole = ["certificate.issued"] + ["certificate.revoked"] * (one.revoked_at is not None)
                self._want(f"{policy}, a certificate by the ledger", acts_of, whole)
        self._found.explained += 2 * len(cohort.everybody) + len(issued)

    async def _chains(self, cohort: Cohort) -> dict[UUID, list[Any]]:
        """Return the certificates of each enrolment that has any, the first issued at the front."""
        cert = Certificate
        columns = (cert.id, cert.enrolment_id, cert.replaces_id, cert.valid_through, cert.grounds, cert.revoked_at)
        wanted = select(*columns).where(cert.programme_id == cohort.programme).order_by(cert.issued_at, cert.id)
        chains: dict[UUID, list[Any]] = {}
        for row in await self._rows(wanted):
            chains.setdefault(row.enrolment_id, []).append(row)
        return chains

    async def _rows(self, wanted: Any) -> Sequence[Any]:
        async with self._office.snapshot(self._viewer) as work:
            return await work.rows(wanted)

    async def _now(self) -> None:
        async with self._office.snapshot(self._viewer) as work:
            self._moments.append(await work.now())

    def _turn(self, days: float) -> None:
        self._office = self._start.shifted(timedelta(days=days))

    def _lap(self, step: str) -> None:
        now = monotonic()
        self._found.seconds[step] = self._found.seconds.get(step, 0.0) + now - self._began
        self._began = now

    def _want(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self._found.wrong.append(f"{what}: {found}, not {wanted}")


COUNTED: Final = (
    ProgrammeEnrolment,
    ProgrammeProgress,
    ProgrammeAttempt,
    Assignment,
    Invitation,
    Certificate,
    Activity,
)
"""What looking again must not add to."""


def _whose(cohort: Cohort, enrolment_id: UUID) -> str:
    return "right" if enrolment_id in cohort.right else "wrong"
