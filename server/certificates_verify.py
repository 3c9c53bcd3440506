"""`GET /certificates/{token}` and `/api/v1/certs/verify/{token}`: whether a certificate counts, for anybody.

The token is the key: it stands in no log, no cache keeps an answer, and no page that is left for another is told of
it. An unknown token and one that can be none are answered by the same bytes.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers import certificates_verify
from schema.errors import formatted
from server import certificates_pages
from server.forms import PAGE_HEADERS, page
from server.graphql_operation import GraphQLRequest, MakeContext
from server.graphql_request import address_of, retry_after, unavailable
from server.rest import STATUS, SUCCESS, UNPROCESSABLE
from services.certificates_verify import Verified
from services.refusals import RateLimited, Refusal
from services.viewer import Viewer

PAGE: Final = "/certificates/{token:path}"
JSON: Final = "/api/v1/certs/verify/{token:path}"
_ANYWHERE: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


def routes(make_context: MakeContext) -> list[Route]:
    """Return the routes of the page and of the answer for programs."""
    return [
        Route(PAGE, _door(make_context, _shown, _page_of), methods=["GET"]),
        Route(JSON, _door(make_context, _told, _json_of), methods=["GET"]),
    ]


def _door(
    make_context: MakeContext, answered: Callable[[Verified], Response], refused: Callable[[Refusal], Response]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        asked = GraphQLRequest(query="", address=address_of(request.scope))
        context: Any = make_context(Viewer.anonymous(), asked)
        try:
            return answered(await certificates_verify.verified(context, request.path_params["token"]))
        except Refusal as refusal:
            return refused(refusal)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()

    return answer


def _shown(found: Verified) -> Response:
    return page(certificates_pages.verified_page(found))


def _page_of(refusal: Refusal) -> Response:
    if isinstance(refusal, RateLimited):
        return page(certificates_pages.busy_page(refusal), STATUS[refusal.code], retry_after([formatted(refusal)]))
    return page(certificates_pages.unknown_page(), STATUS.get(refusal.code, UNPROCESSABLE))


def _told(found: Verified) -> Response:
    body: dict[str, Any] = {
        "state": found.state.name,
        "programme": found.programme,
        "issuer": found.issuer,
        "holder": found.holder,
        "issuedOn": found.issued_on,
        "validThrough": found.valid_through,
        "revokedOn": found.revoked_on,
    }
    return _json(body, SUCCESS, {})


def _json_of(refusal: Refusal) -> Response:
    error = formatted(refusal)
    return _json({"errors": [error]}, STATUS.get(refusal.code, UNPROCESSABLE), retry_after([error]))


def _json(body: dict[str, Any], status: int, more: dict[str, str]) -> Response:
    headers = {**PAGE_HEADERS, **_ANYWHERE, **more}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
