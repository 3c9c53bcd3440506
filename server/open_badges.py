"""`GET /api/v1/certificates/{id}/credential`: the Open Badges credential of a certificate, as a file to keep."""

import hashlib
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers import open_badges
from server.downloads import HEADERS, NOT_MODIFIED, download
from server.evidence import disposition
from server.graphql_operation import Authenticate, MakeContext
from services.open_badges import MEDIA_TYPE

PATH: Final = "/api/v1/certificates/{id}/credential"


def routes(make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the route of the download."""
    answer = download("Certificate", "certificateCredential", make_context, authenticate, _read, _sent)
    return [Route(PATH, answer, methods=["GET"])]


async def _read(context: Any, _request: Request, certificate_id: UUID) -> str:
    return await open_badges.credential(context, certificate_id)


def _sent(_context: Any, request: Request, token: str) -> Response:
    tag = f'"{hashlib.sha256(token.encode()).hexdigest()[:32]}"'
    headers = HEADERS | {
        "etag": tag,
        "content-disposition": disposition(f"credential-{UUID(request.path_params['id'])}.jwt"),
        "content-type": MEDIA_TYPE,
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, NOT_MODIFIED, headers)
    return Response(token, headers=headers)
