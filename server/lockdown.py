"""`GET /api/v1/sessions/probe/{nonce}`: the probe by the headers that Safe Exam Browser adds to each request.

It runs the stored operation `Lockdown/SessionProbe` with the address as the browser saw it: behind a proxy the service
itself sees another one, so the site is the configured one.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.context import House
from server.graphql_operation import Authenticate, Operations
from server.graphql_request import refused
from server.limits import HttpRefusal
from server.rest import Door, perform, shown

PATH: Final = "/api/v1/sessions/probe/{nonce}"
CONFIG_KEY: Final = "x-safeexambrowser-configkeyhash"
BROWSER_EXAM_KEY: Final = "x-safeexambrowser-requesthash"
DOOR: Final = Door(PATH, "Lockdown/SessionProbe", "sessionProbe", frozenset())


def routes(house: House, operations: Operations, authenticate: Authenticate) -> list[Route]:
    """Return the route of the probe."""
    sites = [house.site] if house.front_end is None else [house.site, house.front_end]

    async def probe(request: Request) -> Response:
        members: dict[str, Any] = {
            "url": seen(request, sites),
            "configKeyHash": request.headers.get(CONFIG_KEY),
            "browserExamKeyHash": request.headers.get(BROWSER_EXAM_KEY),
            "source": "HEADER",
        }
        try:
            return shown(await perform(DOOR, operations, authenticate, request, members))
        except HttpRefusal as refusal:
            return refused(refusal)

    return [Route(PATH, probe, methods=["GET"])]


def seen(request: Request, sites: list[str]) -> str:
    """Return the address that the browser asked for: at the site that its Host header names, else at the first one.

    Only sites that are configured count, whatever the header says.
    """
    host = request.headers.get("host", "").lower()
    site = next((one for one in sites if urlsplit(one).netloc.lower() == host), sites[0])
    base = site if site == sites[0] else f"{urlsplit(site).scheme}://{urlsplit(site).netloc}"
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    query: bytes = request.scope.get("query_string") or b""
    return f"{base}{raw.decode('latin-1')}{'?' if query else ''}{query.decode('latin-1')}"
