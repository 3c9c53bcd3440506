"""Rows about programmes: that a page of enrolments costs the same of 200 and of 20,000, whatever narrows it."""

import random
from typing import Any, Final
from uuid import uuid4

import httpx2

from bench.measure import Bench, Side, post
from bench.rows import Found, Row, by_time
from bench.world import World, copy
from schema.nodes import local_id
from server import database
from server.demo_client import Client
from server.driver import Connection, connected

PEOPLE: Final = {"Few": 40, "Many": 200}
COPIES: Final = {"Few": range(40, 44), "Many": range(1, 100)}
"""By what each programme's people are multiplied: 200 enrolments, and 20,000."""

TIMES: Final = 100

PAGE: Final = """query Page($filter: ProgrammeEnrolmentFilter, $first: Int = 40) {
  programmeEnrolments(filter: $filter, first: $first) { pageInfo { endCursor } nodes {
    id state completionPercent metCount mandatoryCount dueAt expiresAt user { displayName email }
    certificate { id state validThrough } availableActions { action enabled }
    progress { requirement { name } state attemptsUsed attempts { ordinal } } } } }"""

COUNTS: Final = "query Counts($p: ID!) {" + "".join(
    f" {name.lower()}: programmeEnrolments(filter: {{programmeId: $p, {narrow}}}) {{ totalCount }}"
    for name, narrow in (
        ("ALL", ""),
        ("OVERDUE", "state: [OVERDUE]"),
        ("FAILED", "state: [FAILED]"),
        ("HELD", "isHeld: true"),
        ("SOON", "expiresWithinDays: 90"),
    )
) + " }"  # fmt: skip

FILTERS: Final[tuple[dict[str, Any], ...]] = (
    {"state": ["OVERDUE"]},
    {"state": ["FAILED"]},
    {"isHeld": True},
    {"expiresWithinDays": 90},
)

_OVERRIDES: Final = {
    0: {"due_at": "now() - interval '1 day'"},
    1: {"failed_count": "1"},
    2: {"held_count": "1"},
    3: {
        "status": "'certified'",
        "met_count": "mandatory_count",
        "completed_at": "now()",
        "certified_at": "now()",
        "expires_at": "now() + interval '60 days'",
    },
}
"""What becomes of the enrolments of a copy, by its number: a few in a hundred are each of what is looked for."""


async def page(bench: Bench, _world: World) -> Found:
    """Read the newest 40 of 200 and of 20,000 enrolments, with progress, certificate and what can be done."""
    few, many = await _programmes(bench)
    sides = [bench.ours([[_asked(bench, {"programmeId": one})]]) for one in (many, few)]
    await bench.compare(*sides)
    return by_time(sides[0], sides[1])


async def narrowed(bench: Bench, _world: World) -> Found:
    """Read the newest 40 of what is overdue, failed, held and about to expire, of 200 and of 20,000, in turn."""
    few, many = await _programmes(bench)
    sides = [bench.ours([[_asked(bench, {"programmeId": one, **narrow}) for narrow in FILTERS]]) for one in (many, few)]
    await bench.compare(*sides)
    return by_time(sides[0], sides[1])


async def counted(bench: Bench, _world: World) -> Found:
    """Count all, overdue, failed, held and about to expire at once, of 20,000 enrolments, per enrolment beside 200."""
    few, many = await _programmes(bench)

    def side(programme: str) -> Side:
        return bench.ours(
            [[post("/graphql", {"query": COUNTS, "variables": {"p": programme}}, bench.site.tokens["admin"])]]
        )

    sides = [side(one) for one in (many, few)]
    await bench.compare(*sides)
    return by_time(sides[0], sides[1], TIMES)


def _asked(bench: Bench, narrow: dict[str, Any]) -> bytes:
    return post("/graphql", {"query": PAGE, "variables": {"filter": narrow}}, bench.site.tokens["admin"])


async def _programmes(bench: Bench) -> tuple[str, str]:
    """Return a programme of 200 people, and one of 20,000, made the first time."""
    async with httpx2.AsyncClient(timeout=120) as http:
        admin = bench.site.client(http, bench.site.tokens["admin"], random.Random(3))  # noqa: S311 - a measurement
        listed = (await admin.ask("Programmes", {"first": 10}))["nodes"]
        known = {one["name"]: str(one["id"]) for one in listed}
        if "Few" not in known:
            evaluation = (await admin.ask("Evaluations", {"first": 1}))["nodes"][0]["id"]
            known = {name: await _programme(admin, evaluation, name) for name in ("Few", "Many")}
            async with connected(bench.site.cluster.dsn(database=database.DATABASE)) as connection:
                for name, copies in COPIES.items():
                    await _multiply(connection, str(local_id("Programme", known[name])), copies)
    return known["Few"], known["Many"]


async def _programme(admin: Client, evaluation: str, name: str) -> str:
    made = (await admin.do("ProgrammeCreate", {"name": name, "rules": {"validityMonths": 12}}))["programme"]["id"]
    for paper in ("Theory", "Practice"):
        given = {"name": paper, "evaluationId": evaluation}
        await admin.do("ProgrammeRequirementAdd", {"programmeId": made, "requirement": given})
    await admin.do("ProgrammePublish", {"id": made})
    people = [{"email": f"{uuid4().hex}@bench.example"} for _ in range(PEOPLE[name])]
    await admin.do("ProgrammeEnrol", {"programmeId": made, "recipients": people})
    return str(made)


async def _multiply(connection: Connection, programme: str, copies: range) -> None:
    of_it = "enrolment_id in (select id from originals)"
    await connection.execute(
        "create temp table originals as select id, user_id from programme_enrolments"  # noqa: S608 - an id of ours
        f" where programme_id = '{programme}'",
    )
    for number in copies:
        await copy(
            connection, "users", number, "id in (select user_id from originals)", {"email": f"'{number}' || t.email"}
        )
        await copy(
            connection, "programme_enrolments", number, "id in (select id from originals)", _OVERRIDES.get(number % 40)
        )
        await copy(connection, "programme_progress", number, of_it)
        attempts = f"id in (select assignment_id from programme_attempts where {of_it})"  # noqa: S608 - written here
        await copy(connection, "assignments", number, attempts)
        await copy(connection, "programme_attempts", number, of_it)
    await connection.execute("drop table originals")
    await connection.execute("analyze")


PROGRAMMES: Final = (
    Row("P1", "enrolments of a programme: 200 -> 20,000, the same page", 1.2, 1.05, page, most=True),
    Row("P2", "the same, narrowed: overdue, failed, held, about to expire", 1.2, 1.05, narrowed, most=True),
    Row("P3", "counting five kinds of enrolments, per enrolment", 1.0, 0.5, counted, most=True),
)
