"""`GET /healthz`: 200 when the service can answer queries, 503 while it cannot."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.viewer import Viewer
from services.work import Office

log = structlog.get_logger(__name__)

PATIENCE = 3.0
"""Seconds after which a database that does not answer counts as down."""


def routes(office: Office) -> list[Route]:
    """Return the health route."""

    async def healthz(_request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(PATIENCE), office.snapshot(Viewer.anonymous()) as work:
                await work.now()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("health.database_down", cause=type(error).__name__)
            return JSONResponse({"status": "unavailable", "database": "does not answer"}, status_code=503)
        return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})

    return [Route("/healthz", healthz, methods=["GET"])]
