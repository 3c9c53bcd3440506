"""A correction over a large cohort: how long it takes, how much memory, and whether everything is as it should be.

Previewed, applied while somebody hands in, sent again under the same key, and undone; then every score is compared with
the one that it had.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx2

from bench import cohort
from bench.chaos_site import Site, built
from bench.cohort import Cohort
from bench.streams import memory
from server import database
from server.demo_client import Client, DemoFailed
from server.driver import connected

R = TypeVar("R")

_SCORES: Final = """
select count(*) as scores, count(distinct v.submission_id) as people, max(v.number) as newest,
 count(*) filter (where v.number = s.latest_score_version) as counting
from submission_score_versions v join submissions s on s.id = v.submission_id
where s.evaluation_version_id = $1"""
_STRAYED: Final = """
select count(*) from submissions s
join submission_score_versions v on v.submission_id = s.id and v.number = s.latest_score_version
join submission_score_versions f on f.submission_id = s.id and f.number = 1
where s.evaluation_version_id = $1
 and (v.items, v.points, v.max_points, v.percent, v.outcome)
 is distinct from (f.items, f.points, f.max_points, f.percent, f.outcome)"""

_LATE: Final = """
select count(*) from submission_score_versions v join submissions s on s.id = v.submission_id
where s.evaluation_version_id = $1 and v.number = 1 and v.cause = 'automatic' and v.max_points <> 34
 and not exists (select from submission_score_versions w where w.submission_id = s.id and w.number = 2)"""


@dataclass(slots=True)
class Outcome:
    """What the trial has found: seconds and bytes of growth by step, and what was wrong."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    grown: dict[str, int] = field(default_factory=dict[str, int])
    wrong: list[str] = field(default_factory=list[str])
    changed: int = 0
    refused: int = 0
    """How often somebody who handed in beside it was told to try again."""


async def trial(people: int) -> Outcome:
    """Correct the scores of so many people; two of 35 questions are concerned."""
    async with built(1, redis=False) as site, httpx2.AsyncClient(timeout=60) as http:
        made = await cohort.filled(site, http, people)
        return await _Trial(site, http, made).run()


@contextlib.asynccontextmanager
async def watched(site: Site) -> AsyncGenerator[list[int], None]:
    """Note by how many bytes the first process grows at most while the block runs."""
    process = site.apis[0].process
    if process is None:
        raise RuntimeError("the API process is gone")
    before, grown = memory(process.pid), [0]

    async def look() -> None:
        while True:
            grown[0] = max(grown[0], memory(process.pid) - before)
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    try:
        yield grown
    finally:
        looking.cancel()


class _Trial:
    def __init__(self, site: Site, http: httpx2.AsyncClient, made: Cohort) -> None:
        self.site, self.made, self.found = site, made, Outcome()
        self.admin = Client(site.apis[0].base, http, site.tokens["admin"])
        self.late = Client(site.apis[0].base, http, made.late)
        void = {"questionVersionId": made.questions[0], "change": {"void": "EXCLUDE"}}
        accept = {"questionVersionId": made.questions[1], "change": {"accept": {"choice": "b"}}}
        self.about = {"evaluationVersionId": made.version, "lines": [void, accept]}

    async def run(self) -> Outcome:
        """Do it step by step."""
        await self.admin.ask("CorrectionPreview", {"input": self.about, "first": 0})
        seen = await self._timed("preview", self.admin.ask("CorrectionPreview", {"input": self.about, "first": 100}))
        self.found.changed = seen["summary"]["changedCount"]
        self._want("previewed people", seen["summary"]["affectedCount"], self.made.people)
        given = {**self.about, "reason": "A trial.", "fingerprint": seen["summary"]["fingerprint"]}
        given["idempotencyKey"] = str(uuid4())
        handed_in = asyncio.create_task(self._hand_in())
        batch = await self._timed("apply", self.admin.ask("CorrectionApply", {"input": given}))
        self._want("problems", batch["problems"], [])
        await handed_in
        before = await self._scores()
        again = await self._timed("apply again", self.admin.ask("CorrectionApply", {"input": given}))
        self._want("the same batch", again["batch"]["id"], batch["batch"]["id"])
        self._want("scores after the same again", await self._scores(), before)
        self._want("changed scores", before["scores"] - before["people"], self.found.changed)
        self._want("late scores out of all points", await self._fetch(_LATE, self.made.version_id), 0)
        undo = {"id": batch["batch"]["id"], "reason": "A trial."}
        await self._timed("undo", self.admin.do("CorrectionUndo", undo))
        after = await self._scores()
        self._want("newest score", after["newest"], 3)
        self._want("scores that count", after["counting"], after["people"])
        self._want("scores not restored", await self._fetch(_STRAYED, self.made.version_id), 1)
        return self.found

    async def _hand_in(self) -> None:
        """Hand in while the correction is at work, as often as it takes; it waits, and is scored by the correction."""
        async with connected(self.site.cluster.dsn(database=database.DATABASE)) as connection, asyncio.timeout(60):
            busy = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted"
            while await connection.fetchval(busy) < 2:  # noqa: ASYNC110, PLR2004 - the key and the version; the database tells no other way
                await asyncio.sleep(0.01)
        began = monotonic()
        while True:
            try:
                await self.late.do("SessionSubmit", {})
                break
            except DemoFailed:
                self.found.refused += 1
        self.found.seconds["handing in beside it"] = monotonic() - began

    async def _timed(self, step: str, act: Awaitable[R]) -> R:
        async with watched(self.site) as grown:
            began = monotonic()
            answer = await act
            self.found.seconds[step] = monotonic() - began
        self.found.grown[step] = grown[0]
        return answer

    async def _scores(self) -> Any:
        return await self._row(_SCORES, self.made.version_id)

    async def _row(self, statement: str, *values: Any) -> Any:
        async with connected(self.site.cluster.dsn(database=database.DATABASE)) as connection:
            return dict((await connection.fetch(statement, *values))[0])

    async def _fetch(self, statement: str, *values: Any) -> Any:
        async with connected(self.site.cluster.dsn(database=database.DATABASE)) as connection:
            return await connection.fetchval(statement, *values)

    def _want(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.found.wrong.append(f"{what}: {found}, not {wanted}")
