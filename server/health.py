"""`GET /healthz`: can queries be answered. `GET /readyz`: should this process be sent work, and what is amiss."""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from migrations import run
from resolvers.context import House
from server.live import LiveConnections
from services.viewer import Viewer

log = structlog.get_logger(__name__)

PATIENCE = 3.0
"""Seconds after which a database that does not answer counts as down."""

PULSE_PATIENCE = 6.0
"""Seconds without hearing our own wake-up (sent every two) after which the channel counts as silent."""

_REVISION = text("select version_num from public.alembic_version")
_FRESH = {"cache-control": "no-store"}


def routes(house: House, live: LiveConnections) -> list[Route]:
    """Return the routes of both questions; neither answer says anything that is secret."""
    head = run.head_on_disk()
    was_up = True

    async def revision() -> str | None:
        """Return the database's revision; None when it does not answer. Each change is logged once."""
        nonlocal was_up
        try:
            async with asyncio.timeout(PATIENCE), house.office.snapshot(Viewer.anonymous()) as work:
                found = str((await work.rows(_REVISION))[0].version_num)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if was_up:
                log.warning("health.database_down", cause=type(error).__name__)
            was_up = False
            return None
        if not was_up:
            log.info("health.database_up")
        was_up = True
        return found

    async def healthz(_request: Request) -> JSONResponse:
        if await revision() is None:
            return JSONResponse({"status": "unavailable", "database": "does not answer"}, 503, _FRESH)
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    async def readyz(_request: Request) -> JSONResponse:
        found = await revision()
        echo = house.hub.last_echo_age
        checks = {
            "database": "ok" if found is not None else "does not answer",
            "migrations": "unknown" if found is None else "ok" if found >= head else "pending",
            "shutdown": "draining" if live.is_draining else "ok",
        }
        is_ready = all(state == "ok" for state in checks.values())
        # Streams fall back to reading every two seconds without wake-ups. That is no reason to send work elsewhere:
        # the others most likely share the same silent channel.
        checks["wakeups"] = "ok" if echo is not None and echo < PULSE_PATIENCE else "silent"
        is_well = is_ready and checks["wakeups"] == "ok"
        status = "ready" if is_well else "degraded" if is_ready else "unavailable"
        return JSONResponse({"status": status, "checks": checks}, 200 if is_ready else 503, _FRESH)

    return [Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]
