"""The rows of the scoreboard (`performance.md`): what is asked of the product and of its reference."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from bench import pgbench
from bench.load import FRESH, RISING
from bench.measure import ROUNDS, Bench, Side, post
from bench.world import Candidate, World, more_events
from server import database
from server.demo_client import document
from server.driver import connected

BUSY = 64

POINT = """query Point($id: ID!) { session(id: $id) {
  id state displayStatus secondsRemaining startedAt deadlineAt answeredCount itemCount focusLostCount
  assignment { id name runLabel status } candidate { id displayName email } } }"""

NESTED = (
    "query Nested($a: String!, $b: String!, $c: String!) {"
    ' p0: sessions(filter: {runLabel: "List"}, first: 100) { ...S }'
    ' p1: sessions(filter: {runLabel: "List"}, first: 100, after: $a) { ...S }'
    ' p2: sessions(filter: {runLabel: "List"}, first: 100, after: $b) { ...S }'
    ' p3: sessions(filter: {runLabel: "List"}, first: 100, after: $c) { ...S } }'
    " fragment S on SessionConnection { pageInfo { endCursor } nodes {"
    " id displayStatus answeredCount itemCount startedAt endedAt"
    " assignment { id name runLabel } submission { id submittedAt cause } } }"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A row as measured: the ratio by which it is judged, and what it was made of."""

    ratio: float
    ours: str
    reference: str
    detail: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the scoreboard. `goal` and `aim` are ratios; `most` tells that smaller is better."""

    name: str
    title: str
    goal: float
    aim: float
    measure: Callable[[Bench, World], Awaitable[Found]]
    most: bool = False

    def met(self, ratio: float) -> bool:
        """Tell whether the goal is met."""
        return ratio <= self.goal if self.most else ratio >= self.goal


def by_rate(ours: Side, theirs: Side, of: int = 1) -> Found:
    """Compare answers in a second; `of` of what is counted is in one answer."""
    told = [
        f"{side.middle('rate') * of:,.0f}/s, p50 {side.middle('p50') * 1e3:.1f} ms, "
        f"{side.middle('app') / of:,.0f}+{side.middle('db') / of:,.0f} µs{_faults(side)}"
        for side in (ours, theirs)
    ]
    detail = {"ours": ours.told(), "reference": theirs.told()}
    return Found(ours.middle("rate") / theirs.middle("rate"), told[0], told[1], detail)


def _faults(side: Side) -> str:
    return f", {side.faults.total()} faults" if side.faults else ""


def _asked(bench: Bench, text: str, variables: dict[str, Any]) -> bytes:
    return post("/graphql", {"query": text, "variables": variables}, bench.site.tokens["proctor"])


async def point(bench: Bench, world: World) -> Found:
    """Read one session with assignment and candidate, 8 clients, another session each time."""
    spread = [world.candidates[n::8] for n in range(8)]
    ours = bench.ours([[_asked(bench, POINT, {"id": one.session}) for one in part] for part in spread])
    theirs = bench.theirs([[_read(world, "/point", one.session_id) for one in part] for part in spread])
    await bench.compare(ours, theirs)
    return by_rate(ours, theirs)


def _read(world: World, path: str, argument: object) -> bytes:
    return post(path, {"scope": world.scope, "arguments": [str(argument)]})


async def monitor(bench: Bench, world: World, clients: int = 1) -> Found:
    """Read a page of 100 rows of the monitor, over and over."""
    asked = _asked(bench, document("AssignmentMonitor"), {"id": world.assignment, "first": 100})
    ours, theirs = (
        bench.ours([[asked]] * clients),
        bench.theirs([[_read(world, "/monitor", world.assignment_id)]] * clients),
    )
    await bench.compare(ours, theirs)
    return by_rate(ours, theirs)


async def monitor_by_many(bench: Bench, world: World) -> Found:
    """Let 50 clients read the same page of the monitor at once."""
    return await monitor(bench, world, clients=50)


async def nested(bench: Bench, world: World) -> Found:
    """Read 400 sessions of 20 assignments, each with assignment and submission, one client."""
    cursors = await _cursors(bench)
    asked = post("/graphql", {"query": NESTED, "variables": cursors}, bench.site.tokens["admin"])
    ours = bench.ours([[asked]])
    theirs = bench.theirs([[_read(world, "/nested", "List")]])
    await bench.compare(ours, theirs)
    return by_rate(ours, theirs)


async def _cursors(bench: Bench) -> dict[str, str]:
    """Walk the list once for the cursors of its pages."""
    api, given = bench.site.apis[0].base, {"a": "", "b": "", "c": ""}
    page = """query ($after: String) { sessions(filter: {runLabel: "List"}, first: 100, after: $after) {
      pageInfo { endCursor } } }"""
    headers = {"authorization": f"Bearer {bench.site.tokens['proctor']}"}
    after: str | None = None
    async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
        for name in given:
            body = {"query": page, "variables": {"after": after}}
            answer = (await http.post(f"{api}/graphql", json=body)).json()
            given[name] = after = answer["data"]["sessions"]["pageInfo"]["endCursor"]
    return given


async def ingest(bench: Bench, world: World) -> Found:
    """Record batches of one event, 64 candidates."""
    ours = bench.ours([[batch(one, 1)] for one in world.candidates[:BUSY]])
    told = [(str(world.org_unit_id), str(one.session_id), str(world.assignment_id)) for one in world.candidates[:BUSY]]
    theirs = bench.theirs([[post("/ingest", {"scope": world.scope, "ids": ids})] for ids in told])
    await bench.compare(ours, theirs)
    return by_rate(ours, theirs)


def batch(one: Candidate, size: int) -> bytes:
    """Return the request that records so many events of a candidate."""
    event = {"kind": "TAB_SWITCH", "clientAt": "2026-01-01T00:00:00Z"}
    given = {"batchId": FRESH, "events": [event] * size}
    return post("/graphql", {"query": document("SessionEventsRecord"), "variables": {"input": given}}, one.token)


async def ingest_many(bench: Bench, world: World) -> Found:
    """Record batches of 50 events, 8 candidates; pgbench sends the same statement with 8 clients."""
    ours = bench.ours([[batch(one, 50)] for one in world.candidates[:8]])
    rates: list[float] = []
    for _ in range(ROUNDS):
        await bench.measure(ours)
        rates.append(await pgbench.inserts(bench, world, 8, 50, seconds=bench.seconds))
    rate = statistics.median(rates)
    told = (
        f"{ours.middle('rate') * 50:,.0f} events/s, p50 {ours.middle('p50') * 1e3:.1f} ms, "
        f"{ours.middle('app') / 50:,.0f}+{ours.middle('db') / 50:,.0f} µs"
    )
    return Found(
        ours.middle("rate") / rate, told, f"{rate * 50:,.0f} events/s", {"ours": ours.told(), "pgbench": rates}
    )


async def autosave(bench: Bench, world: World) -> Found:
    """Save one answer, 64 candidates."""
    people = world.candidates[:BUSY]
    ours = bench.ours([[_answer(one, n) for n in range(len(one.items))] for one in people])
    theirs = bench.theirs([[_upsert(world, one, n) for n in range(len(one.items))] for one in people])
    await bench.compare(ours, theirs)
    return by_rate(ours, theirs)


def _answer(one: Candidate, n: int) -> bytes:
    item = one.items[n]
    response = {"choice": item["content"]["options"][n % 3]["id"]}
    given = {"itemId": item["id"], "revision": RISING, "response": response}
    return post("/graphql", {"query": document("AnswerSave"), "variables": {"input": given}}, one.token)


def _upsert(world: World, one: Candidate, n: int) -> bytes:
    ids = (str(world.org_unit_id), str(one.session_id), str(one.item_ids[n]))
    response = {"choice": one.items[n]["content"]["options"][n % 3]["id"]}
    return post("/save", {"scope": world.scope, "ids": ids, "revision": RISING, "response": response})


async def flat_events(bench: Bench, world: World) -> Found:
    """Read the same page of the monitor at 10,000 and at 500,000 events of its assignment."""
    asked = _asked(bench, document("AssignmentMonitor"), {"id": world.assignment, "first": 100})
    few, many = bench.ours([[asked]]), bench.ours([[asked]])
    sessions = [one.session_id for one in world.candidates]
    async with connected(bench.site.cluster.dsn(database=database.DATABASE)) as admin:
        await more_events(admin, world, sessions, 10_000)
        for _ in range(ROUNDS):
            await bench.measure(few)
        await more_events(admin, world, sessions, 490_000)
        for _ in range(ROUNDS):
            await bench.measure(many)
    return by_time(many, few)


def by_time(ours: Side, theirs: Side, per: float = 1.0) -> Found:
    """Compare how long an answer takes; `per` is how many times as much there is on our side."""
    told = [
        f"p50 {side.middle('p50') * 1e3:.1f} ms, {side.middle('app'):,.0f}+{side.middle('db'):,.0f} µs"
        for side in (ours, theirs)
    ]
    detail = {"ours": ours.told(), "reference": theirs.told()}
    return Found(ours.middle("p50") / theirs.middle("p50") / per, told[0], told[1], detail)


async def flat_sessions(bench: Bench, world: World) -> Found:
    """Read a page of 100 rows of 100 sessions and of 2,000, with the numbers in each bucket."""
    text, proctor = document("AssignmentMonitor"), {"first": 100}
    few = bench.ours([[_asked(bench, text, {"id": world.assignment, **proctor})]])
    many = bench.ours([[_asked(bench, text, {"id": world.crowded, **proctor})]])
    await bench.compare(many, few)
    return by_time(many, few)


ROWS: Sequence[Row] = (
    Row("Q1", "point read, 8 clients", 0.35, 0.8, point),
    Row("Q2", "monitor, 100 rows, 1 client", 0.25, 0.8, monitor),
    Row("Q3", "nested list, 400 sessions of 20 assignments", 0.15, 0.6, nested),
    Row("Q2x50", "monitor by 50 clients at once", 2.0, 5.0, monitor_by_many),
    Row("M1", "ingest one event, 64 clients", 1.0, 2.5, ingest),
    Row("M2", "ingest 50 events, 8 clients", 0.5, 0.8, ingest_many),
    Row("A1", "autosave one answer, 64 clients", 0.7, 1.5, autosave),
    Row("F1", "monitor: 100 -> 2,000 sessions, the same page", 1.2, 1.05, flat_sessions, most=True),
    Row("F2", "monitor: 10,000 -> 500,000 events, the same page", 1.2, 1.05, flat_events, most=True),
)
