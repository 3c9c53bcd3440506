"""What `make bench` measures against: `python -m bench.reference PORT DSN` answers the same questions without GraphQL.

A bare Starlette application, raw asyncpg with prepared statements, one statement for each question and the variables of
row-level security on BEGIN, as the same login and under the same uvicorn options as the product. It checks nothing.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import orjson
import uvicorn
from graphql import GraphQLError, parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.limits import UVICORN_OPTIONS

POOL = 16

POINT = """
select s.id, s.state, s.started_at, s.deadline_at, s.answered_count, s.item_count, s.focus_lost_count,
 a.id as assignment_id, a.name, a.run_label, a.status, u.id as user_id, u.display_name, u.email, evalium_now() as now
from delivery_sessions s join assignments a on a.id = s.assignment_id join users u on u.id = s.user_id
where s.id = $1
"""

MONITOR = """
select t.id, u.id as user_id, u.display_name, u.email, s.id as session_id, s.state, s.attempt, s.answered_count,
 s.item_count, s.deadline_at, s.focus_lost_count, s.focus_lost_at, s.last_activity_at, s.current_position,
 s.disconnected_at, i.status, i.expires_at, a.name, a.run_label, a.status as assignment_status, evalium_now() as now
from assignment_targets t join assignments a on a.id = t.assignment_id join users u on u.id = t.user_id
join invitations i on i.assignment_id = t.assignment_id and i.user_id = t.user_id and i.ordinal = (
 select max(ordinal) from invitations o where o.assignment_id = t.assignment_id and o.user_id = t.user_id)
left join delivery_sessions s on s.assignment_id = t.assignment_id and s.user_id = t.user_id and s.attempt = (
 select max(attempt) from delivery_sessions o where o.assignment_id = t.assignment_id and o.user_id = t.user_id)
where t.assignment_id = $1 order by u.email, t.id limit 100
"""

NESTED = """
select s.id, s.state, s.answered_count, s.item_count, s.started_at, s.ended_at, a.id as assignment_id, a.name,
 a.run_label, b.id as submission_id, b.submitted_at, b.cause, evalium_now() as now
from delivery_sessions s join assignments a on a.id = s.assignment_id left join submissions b on b.session_id = s.id
where a.run_label = $1 order by s.created_at desc, s.id desc limit 400
"""

INGEST = """
insert into session_events (org_unit_id, session_id, assignment_id, at, actor_id, id, seq, kind, client_at, payload)
values ($1, $2, $3, now(), null, uuidv7(), $4, 'tab_switch', now(), '{}')
"""

UPSERT = """
insert into answers (org_unit_id, session_id, id, item_id, revision, response, saved_at)
values ($1, $2, uuidv7(), $3, $4, $5, now())
on conflict (tenant_id, session_id, item_id)
do update set revision = excluded.revision, response = excluded.response, saved_at = excluded.saved_at
"""


class _Connection(asyncpg.Connection):
    """A connection that is not reset when it goes back to the pool: nothing outlives a transaction here."""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's own signature
        """Do nothing."""


class _Answers:
    """The questions, each in one transaction."""

    def __init__(self) -> None:
        self.pool: Any = None

    async def _run(self, given: dict[str, Any], act: Callable[[Any], Awaitable[Any]]) -> Response:
        variables = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in given["scope"].items())
        async with self.pool.acquire() as connection:
            await connection.execute(f"BEGIN; SELECT {variables}")
            found = await act(connection)
            await connection.execute("COMMIT")
        return Response(orjson.dumps(found, default=str), media_type="application/json")

    def read(self, statement: str) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of a reading statement."""

        async def answer(request: Request) -> Response:
            given = orjson.loads(await request.body())

            async def act(connection: Any) -> Any:
                rows = await connection.fetch(statement, *given["arguments"])
                return {"data": [dict(row) for row in rows]}

            return await self._run(given, act)

        return answer

    async def ingest(self, request: Request) -> Response:
        """Insert one event and commit."""
        given = orjson.loads(await request.body())
        unit, session, assignment = (UUID(one) for one in given["ids"])

        async def act(connection: Any) -> Any:
            await connection.execute(INGEST, unit, session, assignment, _numbers.next(session))
            return {"data": True}

        return await self._run(given, act)

    async def save(self, request: Request) -> Response:
        """Store one answer and commit."""
        given = orjson.loads(await request.body())
        unit, session, item = (UUID(one) for one in given["ids"])

        async def act(connection: Any) -> Any:
            response = orjson.dumps(given["response"]).decode()
            await connection.execute(UPSERT, unit, session, item, given["revision"], response)
            return {"data": True}

        return await self._run(given, act)


async def _parse(request: Request) -> Response:
    """Parse a document, by graphql-core and without any limit, and tell only whether it is one."""
    document = orjson.loads(await request.body())["query"]
    try:
        parse(document, no_location=False)
    except (GraphQLError, RecursionError):
        return Response(b'{"errors":[]}')
    return Response(b'{"errors":[],"data":null}')


class _Numbers:
    """Event numbers far above those that the product gives out."""

    def __init__(self) -> None:
        self._last: dict[UUID, int] = {}

    def next(self, session: UUID) -> int:
        self._last[session] = self._last.get(session, 10**12) + 1
        return self._last[session]


_numbers = _Numbers()


async def _healthy(_request: Request) -> Response:
    return Response(b"ok")


def _application(dsn: str) -> Starlette:
    answers = _Answers()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        answers.pool = await asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType] - asyncpg has no types
            dsn,
            min_size=POOL,
            max_size=POOL,
            connection_class=_Connection,
            server_settings={"jit": "off", "timezone": "UTC"},
        )
        yield
        await answers.pool.close()

    return Starlette(
        routes=[
            Route("/point", answers.read(POINT), methods=["POST"]),
            Route("/monitor", answers.read(MONITOR), methods=["POST"]),
            Route("/nested", answers.read(NESTED), methods=["POST"]),
            Route("/ingest", answers.ingest, methods=["POST"]),
            Route("/save", answers.save, methods=["POST"]),
            Route("/parse", _parse, methods=["POST"]),
            Route("/healthz", _healthy, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


def main() -> None:
    """Serve until killed."""
    port, dsn = sys.argv[1:]
    config = uvicorn.Config(
        _application(dsn), host="127.0.0.1", port=int(port), log_level="warning", access_log=False, **UVICORN_OPTIONS
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
