"""The few REST doors: each runs the stored operation document of the same name, through the same resolvers.

Status: 401 and 403 as for GraphQL, 404 as hidden, 409 for drift and running twins, 410 for used or expired links, 422
for every other refusal (api.md, "REST doors").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.graphql_operation import Authenticate, GraphQLRequest, Operations
from server.graphql_request import address_of, identify, refused, retry_after
from server.limits import HttpRefusal, check_json_headers, read_body, read_json
from server.web import find_sdl
from services.refusals import BadUserInput, LimitExceeded

STATUS: Final[Mapping[str, int]] = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "STATE_DRIFT": 409,
    "IN_PROGRESS": 409,
    "INVITATION_USED": 410,
    "INVITATION_EXPIRED": 410,
    "INVITATION_REVOKED": 410,
    "WINDOW_CLOSED": 410,
    "BAD_USER_INPUT": 400,
    "LIMIT_EXCEEDED": 400,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
}
UNPROCESSABLE: Final = 422


@dataclass(frozen=True, slots=True)
class Door:
    """One REST address and the mutation behind it: the body's members become the mutation's input."""

    path: str
    document: str
    field: str
    members: frozenset[str]


DOORS: Final = (
    Door(
        "/api/v1/assignments/redeem",
        "Assignments/InvitationRedeem",
        "invitationRedeem",
        frozenset({"token", "nonce"}),
    ),
)


def routes(operations: Operations, authenticate: Authenticate) -> list[Route]:
    """Return a route for each door."""
    return [Route(door.path, _endpoint(door, operations, authenticate), methods=["POST"]) for door in DOORS]


def _endpoint(door: Door, operations: Operations, authenticate: Authenticate) -> Callable[[Request], Any]:
    document = (find_sdl().parent / "operations" / f"{door.document}.graphql").read_text("utf-8")

    async def answer(request: Request) -> Response:
        try:
            given = await _input(door, request)
            principal = await identify(request.headers, authenticate)
        except HttpRefusal as refusal:
            return refused(refusal)
        operation = GraphQLRequest(
            query=document,
            variables={"input": given},
            idempotency_key=request.headers.get("idempotency-key"),
            address=address_of(request.scope),
        )
        result = await operations.answer(operation, principal)
        return _response(door, orjson.loads(result.body))

    return answer


async def _input(door: Door, request: Request) -> dict[str, Any]:
    headers = Headers(scope=request.scope)
    check_json_headers(headers)
    try:
        body = read_json(await read_body(headers, request.receive))
    except (BadUserInput, LimitExceeded) as refusal:
        raise HttpRefusal(400, refusal) from refusal
    if not isinstance(body, dict):
        raise HttpRefusal(400, BadUserInput("The body must be one JSON object."))
    given = cast("dict[str, Any]", body)
    unknown = sorted(set(given) - door.members)
    if unknown:
        known = ", ".join(sorted(door.members))
        raise HttpRefusal(400, BadUserInput(f"'{unknown[0]}' is not known here.", hint=f"The body has: {known}."))
    return given


def _response(door: Door, result: dict[str, Any]) -> Response:
    errors = result.get("errors")
    if errors:
        code = str(errors[0].get("extensions", {}).get("code", ""))
        return _json({"errors": errors}, STATUS.get(code, UNPROCESSABLE), retry_after(errors))
    payload: dict[str, Any] = result["data"][door.field]
    problems: list[dict[str, Any]] = payload["problems"]
    status = STATUS.get(problems[0]["code"], UNPROCESSABLE) if problems else 200
    return _json(payload, status)


def _json(body: object, status: int, more: Mapping[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        {"cache-control": "no-store", "referrer-policy": "no-referrer", **(more or {})},
        media_type="application/json",
    )
