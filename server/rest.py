"""The few REST doors: each runs the stored operation document of the same name, through the same resolvers.

Status: 401 and 403 as for GraphQL, 404 as hidden, 409 for drift and running twins, 410 for used or expired links, 422
for every other refusal (api.md, "REST doors").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
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
    "PUBLIC_LINK_CLOSED": 410,
    "PUBLIC_LINK_FULL": 410,
    "ACCESS_CODE_WRONG": 403,
    "SIGN_IN_LINK_USED": 410,
    "SIGN_IN_LINK_EXPIRED": 410,
    "SIGN_IN_NOT_ALLOWED": 403,
    "SIGN_IN_ELSEWHERE": 409,
    "ORG_UNIT_REQUIRED": 409,
    "OUT_OF_SCOPE": 403,
    "CERTIFICATE_REVOKED": 410,
    "FILE_LOST": 410,
    "FILE_TOO_LARGE": 413,
    "MEDIA_TYPE_REFUSED": 415,
    "BAD_USER_INPUT": 400,
    "LIMIT_EXCEEDED": 400,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "CREDENTIAL_KEY_LOST": 503,
    "UNAVAILABLE": 503,
}
UNPROCESSABLE: Final = 422
SUCCESS: Final = 200


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the operation behind a door answered, as a status and the payload or the errors."""

    status: int
    payload: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """Whether it took effect."""
        return self.status == SUCCESS

    @property
    def problem(self) -> dict[str, Any]:
        """The first problem or error; empty when it took effect."""
        found: list[dict[str, Any]] = self.payload.get("problems") or self.payload.get("errors") or []
        return found[0] if found else {}

    @property
    def message(self) -> str:
        """What was refused."""
        return str(self.problem.get("message", ""))

    @property
    def hint(self) -> str:
        """The next step."""
        extensions: dict[str, Any] = self.problem.get("extensions") or self.problem
        return str(extensions.get("hint", ""))

    def without(self, name: str) -> "Outcome":
        """Return the outcome without a member of its tokens, which goes another way."""
        tokens: dict[str, Any] | None = self.payload.get("tokens")
        if tokens is None:
            return self
        rest = {key: value for key, value in tokens.items() if key != name}
        return Outcome(self.status, self.payload | {"tokens": rest}, self.headers)


def _endpoint(door: Door, operations: Operations, authenticate: Authenticate) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            return shown(await perform(door, operations, authenticate, request, await given(door, request)))
        except HttpRefusal as refusal:
            return refused(refusal)

    return answer


async def perform(
    door: Door, operations: Operations, authenticate: Authenticate, request: Request, members: dict[str, Any]
) -> Outcome:
    """Run the document behind a door with these members as its input."""
    principal = await identify(request.headers, authenticate)
    operation = GraphQLRequest(
        query=stored(door.document),
        variables={"input": members},
        idempotency_key=request.headers.get("idempotency-key"),
        address=address_of(request.scope),
        client=request.headers.get("user-agent", ""),
    )
    answer = await operations.answer(operation, principal)
    return _outcome(door, orjson.loads(answer.body))


@cache
def stored(name: str) -> str:
    """Return the text of a stored operation document, by subject and name."""
    return (find_sdl().parent / "operations" / f"{name}.graphql").read_text("utf-8")


async def given(door: Door, request: Request) -> dict[str, Any]:
    """Read the members of a JSON body; one that the door does not know is refused."""
    headers = Headers(scope=request.scope)
    check_json_headers(headers)
    try:
        body = read_json(await read_body(headers, request.receive))
    except (BadUserInput, LimitExceeded) as refusal:
        raise HttpRefusal(400, refusal) from refusal
    if not isinstance(body, dict):
        raise HttpRefusal(400, BadUserInput("The body must be one JSON object."))
    members = cast("dict[str, Any]", body)
    unknown = sorted(set(members) - door.members)
    if unknown:
        known = ", ".join(sorted(door.members))
        raise HttpRefusal(400, BadUserInput(f"'{unknown[0]}' is not known here.", hint=f"The body has: {known}."))
    return members


def _outcome(door: Door, result: dict[str, Any]) -> Outcome:
    errors = result.get("errors")
    if errors:
        code = str(errors[0].get("extensions", {}).get("code", ""))
        return Outcome(STATUS.get(code, UNPROCESSABLE), {"errors": errors}, retry_after(errors))
    payload: dict[str, Any] = result["data"][door.field]
    problems: list[dict[str, Any]] = payload["problems"]
    status = STATUS.get(problems[0]["code"], UNPROCESSABLE) if problems else SUCCESS
    return Outcome(status, payload, {})


def shown(outcome: Outcome) -> Response:
    """Return an outcome as JSON."""
    return Response(
        orjson.dumps(outcome.payload),
        outcome.status,
        {"cache-control": "no-store", "referrer-policy": "no-referrer", **outcome.headers},
        media_type="application/json",
    )
