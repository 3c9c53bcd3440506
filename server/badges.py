"""`GET /api/v1/badges/{tenant id}/{badge id}.png`: the image of a badge, for pages and mails of anybody.

Whoever has the address was shown it. An image is never changed, so whoever has it never asks again. Whatever is not
there answers 404 alike.
"""

from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.context import House
from server.downloads import NOT_MODIFIED
from server.graphql_request import refused, unavailable
from server.limits import HttpRefusal
from server.publishing import ANYWHERE, as_written
from services import programmes_badge
from services.open_badges import BADGES
from services.refusals import NotFound
from services.viewer import Viewer

PATH: Final = f"{BADGES}/{{tenant}}/{{id}}.png"
_HEADERS: Final = ANYWHERE | {"content-security-policy": "default-src 'none'; sandbox"}


def routes(house: House) -> list[Route]:
    """Return the route of the images."""

    async def answer(request: Request) -> Response:
        tenant_id, badge_id = (as_written(request.path_params[name]) for name in ("tenant", "id"))
        try:
            found = None if tenant_id is None or badge_id is None else await _read(house, tenant_id, badge_id)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        if found is None:
            refusal = NotFound("badge", request.path_params["id"][:60])
            return refused(HttpRefusal(404, refusal, {"cache-control": "no-store", **_HEADERS}))
        tag = f'"{badge_id}"'
        headers = {"etag": tag, "cache-control": "public, max-age=31536000, immutable", **_HEADERS}
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, NOT_MODIFIED, headers)
        return Response(found, headers=headers, media_type="image/png")

    return [Route(PATH, answer, methods=["GET"])]


async def _read(house: House, tenant_id: UUID, badge_id: UUID) -> bytes | None:
    """Read as Evalium itself, in the tenant that the address names."""
    async with house.office.snapshot(Viewer.system(tenant_id, name="badges")) as work:
        return await programmes_badge.content(work, badge_id)
