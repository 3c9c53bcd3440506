"""A file that is downloaded with a token: who asks, what is refused, and that a browser shows it as no page of ours."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from schema.errors import formatted
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext
from server.graphql_request import address_of, identify, refused, unavailable
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE
from services.refusals import Forbidden, NotFound, Refusal

T = TypeVar("T")

NOT_MODIFIED: Final = 304
HEADERS: Final = {
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def download(
    kind: str,
    field: str,
    make_context: MakeContext,
    authenticate: Authenticate,
    read: Callable[[Any, Request, UUID], Awaitable[T]],
    send: Callable[[Any, Request, T], Response],
) -> Callable[[Request], Any]:
    """Return what answers for files of a kind, named by the UUID in the address.

    `field` is what the ledger calls it when somebody may not have it. `send` comes after what was read with is closed.
    """

    async def answer(request: Request) -> Response:
        try:
            wanted = UUID(request.path_params["id"])
            principal = await identify(request.headers, authenticate)
        except ValueError:
            return refused(HttpRefusal(404, NotFound(kind, request.path_params["id"][:60])))
        except HttpRefusal as refusal:
            return refused(refusal)
        context: Any = make_context(principal, GraphQLRequest(query="", address=address_of(request.scope)))
        try:
            found = await read(context, request, wanted)
        except Refusal as refusal:
            if isinstance(refusal, Forbidden):
                context.denied(refusal.capability, field)
            return _told(refusal)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()
        return send(context, request, found)

    return answer


def _told(refusal: Refusal) -> Response:
    body = orjson.dumps({"errors": [formatted(refusal)]})
    status = STATUS.get(refusal.code, UNPROCESSABLE)
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")
