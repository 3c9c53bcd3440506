"""`GET /api/v1/certificates/{id}/credential`: the Open Badges credential of a certificate, as a file to keep."""

import hashlib
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers import open_badges
from schema.errors import formatted
from server.evidence import disposition
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext
from server.graphql_request import address_of, identify, refused, unavailable
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE
from services.open_badges import MEDIA_TYPE
from services.refusals import Forbidden, NotFound, Refusal

PATH: Final = "/api/v1/certificates/{id}/credential"
_NOT_MODIFIED: Final = 304


def routes(make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the route of the download."""
    return [Route(PATH, _credential(make_context, authenticate), methods=["GET"])]


def _credential(make_context: MakeContext, authenticate: Authenticate) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            certificate_id = UUID(request.path_params["id"])
            principal = await identify(request.headers, authenticate)
        except ValueError:
            return refused(HttpRefusal(404, NotFound("Certificate", request.path_params["id"][:60])))
        except HttpRefusal as refusal:
            return refused(refusal)
        context: Any = make_context(principal, GraphQLRequest(query="", address=address_of(request.scope)))
        try:
            token = await open_badges.credential(context, certificate_id)
        except Refusal as refusal:
            if isinstance(refusal, Forbidden):
                context.denied(refusal.capability, "certificateCredential")
            return _told(refusal)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()
        return _sent(request, certificate_id, token)

    return answer


def _told(refusal: Refusal) -> Response:
    body = orjson.dumps({"errors": [formatted(refusal)]})
    status = STATUS.get(refusal.code, UNPROCESSABLE)
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")


def _sent(request: Request, certificate_id: UUID, token: str) -> Response:
    tag = f'"{hashlib.sha256(token.encode()).hexdigest()[:32]}"'
    headers = {
        "etag": tag,
        "cache-control": "private, no-cache",
        "content-disposition": disposition(f"credential-{certificate_id}.jwt"),
        "content-type": MEDIA_TYPE,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, _NOT_MODIFIED, headers)
    return Response(token, headers=headers)
