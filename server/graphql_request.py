"""Reading a GraphQL request from HTTP, agreeing on a media type, and refusing: the same for JSON and event streams."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope

from schema.errors import formatted, internal
from server.graphql_operation import Authenticate, GraphQLRequest, bearer
from server.limits import HttpRefusal, check_json_headers, read_body, read_json
from services.refusals import BadUserInput, LimitExceeded, Refusal, Unauthenticated

JSON: Final = "application/json"
_EXACT: Final = 2


async def accepted_request(scope: Scope, headers: Mapping[str, str], receive: Receive) -> GraphQLRequest:
    """Read one GraphQL request from an HTTP request; refuses everything that is not a well-formed POST of JSON."""
    if scope["method"] != "POST":
        refusal = BadUserInput(f"{scope['method']} is not answered here.", hint="Send the operation by POST, as JSON.")
        raise HttpRefusal(405, refusal, {"Allow": "POST"})
    check_json_headers(headers)
    body = await read_body(headers, receive)
    try:
        return GraphQLRequest.of(
            read_json(body),
            idempotency_key=headers.get("idempotency-key"),
            address=address_of(scope),
            client=headers.get("user-agent", ""),
        )
    except (BadUserInput, LimitExceeded) as refusal:
        raise HttpRefusal(400, refusal) from refusal


def address_of(scope: Scope) -> str:
    """Return the network address of whoever sent a request; empty when it is not known, as over a UNIX socket."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def negotiated(accept: str, offered: Collection[str]) -> str:
    """Return the offered media type that `accept` prefers; the first offer for wildcards, the last one named on a tie.

    Refuses (406) when none is acceptable.
    """
    best: tuple[float, int, int] | None = None
    chosen = ""
    for index, media in enumerate(offered):
        quality, exactness = _weight(accept, media)
        rank = (quality, exactness, index if exactness == _EXACT else -index)
        if quality > 0 and (best is None or rank > best):
            best, chosen = rank, media
    if best is None:
        names = " or ".join(offered)
        refusal = BadUserInput(f"The answer is {names}, which 'Accept' does not allow.", hint=f"Accept {names}.")
        raise HttpRefusal(406, refusal)
    return chosen


@lru_cache(maxsize=64)
def _weight(accept: str, media: str) -> tuple[float, int]:
    """Return quality and exactness that the most exact matching range of `accept` gives to `media`."""
    ranges = {media: _EXACT, f"{media.partition('/')[0]}/*": 1, "*/*": 0}
    found = (0.0, -1)
    for part in accept.split(","):
        name, *parameters = [piece.strip().lower() for piece in part.split(";")]
        exactness = ranges.get(name, -1)
        if exactness > found[1]:
            found = (_quality(parameters), exactness)
    return found


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


async def identify(headers: Mapping[str, str], authenticate: Authenticate) -> Any:
    """Return the principal of an HTTP request; a token that does not hold is answered with 401."""
    try:
        return await authenticate(bearer(headers.get("authorization")))
    except Unauthenticated as refusal:
        raise HttpRefusal(401, refusal, {"WWW-Authenticate": "Bearer"}) from refusal


def retry_after(errors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the header that tells when to come back, if one of an answer's errors says so."""
    waits = [int(error.get("extensions", {}).get("retryAfterSeconds", 0)) for error in errors]
    return {"Retry-After": str(max(waits))} if any(waits) else {}


def refused(refusal: HttpRefusal, media: str = JSON) -> Response:
    """Return the response to a request that never became an operation."""
    body = orjson.dumps({"errors": [formatted(refusal.refusal)]})
    return Response(body, refusal.status, refusal.headers, media_type=media)


def unavailable(error: Exception, media: str = JSON) -> Response:
    """Return 503 for a failure of our own before the operation, or 403 for a refusal by the look-up of the token."""
    if isinstance(error, Refusal):
        return refused(HttpRefusal(403, error), media)
    body = orjson.dumps({"errors": [internal(error, operation=None).formatted]})
    return Response(body, 503, {"Retry-After": "1"}, media_type=media)
