"""The world that `make bench` measures in: made by the product itself, then multiplied by copying rows.

One assignment with so many running sessions for points, monitor, answers and telemetry; twenty assignments with twenty
submitted sessions each for the nested list; and one assignment with twenty times as many sessions for the monitor.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2

from bench.chaos_site import Site
from schema.nodes import local_id
from server import database
from server.demo_client import Client
from server.driver import Connection, connected

RUNNING = 100
LISTS = 20
CROWD = 20
"""How many times as many sessions the large assignment has."""

_COPIED = {
    "users": ("id",),
    "assignments": ("id",),
    "assignment_targets": ("id", "assignment_id", "user_id"),
    "invitations": ("id", "assignment_id", "user_id", "jti", "session_id"),
    "delivery_sessions": ("id", "assignment_id", "invitation_id", "user_id"),
    "submissions": ("id", "session_id", "assignment_id", "user_id"),
    "submission_items": ("id", "submission_id"),
    "submission_score_versions": ("id", "submission_id"),
    "programme_enrolments": ("id", "user_id"),
    "programme_progress": ("id", "enrolment_id"),
    "programme_attempts": ("id", "enrolment_id", "progress_id", "assignment_id"),
}
"""Tables that are copied, and their columns that name something copied."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person at work: the token, and the session and its items by their ids in GraphQL and in the database."""

    token: str
    session: str
    session_id: UUID
    items: list[Any]
    item_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class World:
    """What the rows ask about."""

    scope: dict[str, str]
    org_unit_id: UUID
    assignment: str
    assignment_id: UUID
    crowded: str
    crowded_id: UUID
    candidates: list[Candidate]


async def filled(site: Site) -> World:
    """Fill a site."""
    chance = random.Random(1)  # noqa: S311 - a measurement, and repeatable
    async with httpx2.AsyncClient(timeout=60) as http:
        admin = site.client(http, site.tokens["admin"], chance)
        version = await published(admin)
        assignment, people = await _running(site, admin, http, version, "Hot", RUNNING)
        crowded, _ = await _running(site, admin, http, version, "Crowd", 1)
        _, submitted = await _running(site, admin, http, version, "List", LISTS)
        for _, token, _ in submitted:
            await site.client(http, token, chance).do("SessionSubmit", {})
    async with connected(site.cluster.dsn(database=database.DATABASE)) as connection:
        await _multiply(connection)
        return await _told(connection, assignment, crowded, people)


async def published(admin: Client) -> str:
    """Publish an evaluation of six questions and return its version."""
    entries = [
        {"id": f"C{n}A01", "question": f"Question {n}?", "answers": ["a", "b", "c"], "correct": 0} for n in range(6)
    ]
    await admin.do("QuestionPoolImport", {"entries": entries, "publish": True})
    section = {"title": "All", "selector": {"referencePrefix": "C"}}
    created = await admin.do("EvaluationCreate", {"title": "B", "passMark": {"points": "1"}, "sections": [section]})
    return str((await admin.do("EvaluationPublish", {"id": created["evaluation"]["id"]}))["version"]["id"])


async def _running(
    site: Site, admin: Client, http: httpx2.AsyncClient, version: str, label: str, people: int
) -> tuple[str, list[tuple[str, str, list[Any]]]]:
    """Issue to so many people, and let each of them start; return the assignment, and session, token and items."""
    recipients = [{"email": f"{uuid4().hex}@bench.example"} for _ in range(people)]
    terms = {"evaluationVersionId": version, "recipients": recipients, "runLabel": label}
    issued = await admin.do("AssignmentIssue", terms)
    slots = asyncio.Semaphore(8)

    async def start(row: Any) -> tuple[str, str, list[Any]]:
        async with slots:
            token = await admin.redeem(row["invitationToken"], uuid4().hex)
            candidate = site.client(http, token, random.Random(2))  # noqa: S311 - as above
            await candidate.do("SessionStart", {})
            mine = await candidate.ask("MySession", {})
            return mine["id"], token, mine["paper"]["items"]

    return issued["assignment"]["id"], list(await asyncio.gather(*(start(row) for row in issued["results"])))


async def _multiply(connection: Connection) -> None:
    """Copy the list's assignment with all that belongs to it, and the hot one's people into the crowded one."""
    for number in range(1, LISTS):
        where = "select id from assignments where run_label = 'List' and name not like '% copy %'"
        await copy(connection, "assignments", number, f"id in ({where})", {"name": f"t.name || ' copy {number}'"})
        for table in ("assignment_targets", "invitations", "delivery_sessions", "submissions"):
            await copy(connection, table, number, f"assignment_id in ({where})", {"user_id": "t.user_id"})
    hot = "assignment_id = (select id from assignments where run_label = 'Hot')"
    crowded = {"assignment_id": "(select id from assignments where run_label = 'Crowd')"}
    for number in range(100, 100 + CROWD):
        people = f"id in (select user_id from assignment_targets where {hot})"  # noqa: S608 - all of it is written here
        await copy(connection, "users", number, people, {"email": f"'{number}' || t.email"})
        for table in ("assignment_targets", "invitations", "delivery_sessions"):
            await copy(connection, table, number, hot, crowded)
    # Only what holds rows, as autovacuum does: a table that was analysed while it was empty is believed to stay so.
    filled = [name for name in _COPIED if not name.startswith("programme")]
    await connection.execute(f"analyze {', '.join(filled)}, answers")


async def copy(
    connection: Connection, table: str, number: int, where: str, overrides: dict[str, str] | None = None
) -> None:
    """Copy rows; whatever names something copied gets an id that follows from the old one and the copy's number."""
    columns = await connection.fetch(
        "select column_name as name from information_schema.columns where table_schema = 'public'"
        " and table_name = $1 and is_generated = 'NEVER'",
        table,
    )
    names = [row["name"] for row in columns]
    values = [(overrides or {}).get(name) or _value(table, name, number) for name in names]
    await connection.execute(
        f"insert into {table} ({', '.join(names)}) select {', '.join(values)} from {table} t where {where}"  # noqa: S608 - names are literals of this file
        " on conflict do nothing",
    )


def _value(table: str, name: str, number: int) -> str:
    return f"md5(t.{name}::text || ':{number}')::uuid" if name in _COPIED[table] else f"t.{name}"


async def more_events(connection: Connection, world: World, session_ids: Sequence[UUID], count: int) -> None:
    """Append so many events to an assignment, in turn over these sessions."""
    await connection.execute(
        "insert into session_events (tenant_id, org_unit_id, session_id, assignment_id, at, id, seq, kind, payload)"
        " select $1, $2, ($4::uuid[])[1 + n % cardinality($4::uuid[])], $3, now(), uuidv7(),"
        " $5::bigint + n, 'tab_switch', '{}'"
        " from generate_series(1, $6::int) n",
        UUID(world.scope["app.tenant_id"]),
        world.org_unit_id,
        world.assignment_id,
        list(session_ids),
        random.getrandbits(50),
        count,
    )
    await connection.execute("analyze session_events")


async def _told(
    connection: Connection, assignment: str, crowded: str, people: list[tuple[str, str, list[Any]]]
) -> World:
    hot = await connection.fetch(
        "select id, tenant_id, org_unit_id, run_label from assignments where run_label in ('Hot', 'Crowd')",
    )
    of = {row["run_label"]: row for row in hot}
    candidates: list[Candidate] = []
    for session, token, items in people:
        paper = await connection.fetch(
            "select p.session_id, x->>'item_id' as item_id from session_papers p, jsonb_array_elements(p.items) x"
            " where p.session_id = $1 order by (x->>'position')::int",
            _own_id(session),
        )
        ids = [UUID(row["item_id"]) for row in paper]
        candidates.append(Candidate(token, session, paper[0]["session_id"], items, ids))
    scope = {"app.tenant_id": str(of["Hot"]["tenant_id"]), "app.org_unit_id": str(of["Hot"]["org_unit_id"])}
    ids = of["Hot"]["id"], of["Crowd"]["id"]
    return World(scope, of["Hot"]["org_unit_id"], assignment, ids[0], crowded, ids[1], candidates)


def _own_id(session: str) -> UUID:
    return local_id("Session", session, path=["id"])
