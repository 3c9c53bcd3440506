"""`GET /api/v1/assignments/{id}/monitor`: the monitor for whoever asks again and again, answered with 304 by one look.

The entity tag is weak. It holds the newest transaction that changed the monitor, the first instant at which the clock
alone changes it, and a digest of what was asked by whom. It is taken before the page is read: a page may be newer than
its tag and is then sent again, and never older.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers import assignments_monitor
from resolvers.context import Context
from schema.errors import formatted
from schema.nodes import global_id
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext, Operations
from server.graphql_request import address_of, identify, refused, retry_after, unavailable
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE, stored
from services.assignments_changes import Head, ticks
from services.refusals import BadUserInput, Forbidden, NotFound, Refusal

PATH: Final = "/api/v1/assignments/{id}/monitor"
_MANY: Final = frozenset({"bucket", "order"})
_PARAMETERS: Final = ("first", "after", "search", "bucket", "order", "changedAfter")
_HEADERS: Final = {
    "cache-control": "private, no-cache",
    "vary": "authorization",
    "referrer-policy": "no-referrer",
}
_NOT_MODIFIED: Final = 304
_LONGEST_FIRST: Final = 9
_LONGEST_INSTANT: Final = 19
"""Digits that can be read without a look at their number."""


def routes(operations: Operations, make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the route of the monitor."""

    async def monitor(request: Request) -> Response:
        try:
            principal = await identify(request.headers, authenticate)
            assignment_id, operation = _operation(request)
        except HttpRefusal as refusal:
            return refused(refusal)
        context: Any = make_context(principal, operation)
        try:
            known, tag = await _looked(context, request, operation, assignment_id)
        except Refusal as refusal:
            if isinstance(refusal, Forbidden):
                context.denied(refusal.capability, "assignment.monitor")
            return refused(HttpRefusal(STATUS.get(refusal.code, UNPROCESSABLE), refusal))
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()
        headers = _HEADERS | ({"etag": tag} if tag else {})
        if known:
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        answer = await operations.answer(operation, principal)
        return _answered(orjson.loads(answer.body), assignment_id, headers)

    return [Route(PATH, monitor, methods=["GET"])]


async def _looked(
    context: Context, request: Request, operation: GraphQLRequest, assignment_id: UUID
) -> tuple[bool, str | None]:
    """Tell whether what the client holds is still so, and the tag of what it holds or is about to get."""
    head = await assignments_monitor.monitor_head(context, assignment_id)
    if head is None:
        raise NotFound("Assignment", assignment_id)
    asked = await _digest(context, operation)
    start = f"{hashlib.sha256(head.epoch.encode()).hexdigest()[:8]}.{head.newest}.{asked}."
    for tag in _tags(request.headers.get("if-none-match", "")):
        if tag.startswith(start) and _holds_until(tag.removeprefix(start), head):
            return True, f'W/"{tag}"'
    if not head.is_settled:
        return False, None
    turn = await assignments_monitor.monitor_turn(context, assignment_id, head.as_of)
    return False, f'W/"{start}{_written(turn)}"'


async def _digest(context: Context, operation: GraphQLRequest) -> str:
    """Return a digest of all that a page depends on besides the data: what is asked, by whom, with which rights."""
    held = sorted(await context.capabilities())
    told = [operation.query, operation.variables, repr(context.viewer.impersonal()), held]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _tags(header: str) -> list[str]:
    return [one.strip().removeprefix("W/").strip('"') for one in header[:2000].split(",")]


def _holds_until(text: str, head: Head) -> bool:
    """Tell whether the clock has not come to the instant of a tag; a tag that is not ours holds nothing."""
    return text == "never" or (text.isdecimal() and len(text) <= _LONGEST_INSTANT and ticks(head.as_of) < int(text))


def _written(turn: datetime | None) -> str:
    return "never" if turn is None else str(ticks(turn))


def _operation(request: Request) -> tuple[UUID, GraphQLRequest]:
    """Return which assignment is asked for, and the operation that shows it."""
    try:
        assignment_id = UUID(request.path_params["id"])
    except ValueError as error:
        raise HttpRefusal(404, NotFound("Assignment", request.path_params["id"][:60])) from error
    operation = GraphQLRequest(
        query=stored("Assignments/AssignmentMonitor"),
        variables=_variables(request, assignment_id),
        address=address_of(request.scope),
        client=request.headers.get("user-agent", ""),
    )
    return assignment_id, operation


def _variables(request: Request, assignment_id: UUID) -> dict[str, Any]:
    given = request.query_params
    for name in dict.fromkeys(given):
        if name not in _PARAMETERS:
            hint = f"Known are: {', '.join(_PARAMETERS)}."
            raise HttpRefusal(400, BadUserInput(f"'{name[:60]}' is not known here.", hint=hint))
        if name not in _MANY and len(given.getlist(name)) > 1:
            raise HttpRefusal(400, BadUserInput(f"'{name}' is given more than once."))
    found: dict[str, Any] = {name: given[name] for name in ("after", "search", "changedAfter") if name in given}
    if "first" in given:
        found["first"] = _whole(given["first"])
    if "bucket" in given:
        found["filter"] = {"buckets": [one.upper() for one in given.getlist("bucket")]}
    if "order" in given:
        found["orderBy"] = [_order(one) for one in given.getlist("order")]
    return {"id": global_id("Assignment", assignment_id)} | found


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_FIRST):
        raise HttpRefusal(400, BadUserInput(f"'first' is a whole number, not '{text[:60]}'."))
    return int(text)


def _order(text: str) -> dict[str, str]:
    """Read one column of the order: its name, with a minus before it where it descends."""
    return {"field": text.removeprefix("-").upper(), "direction": "DESC" if text.startswith("-") else "ASC"}


def _answered(result: Mapping[str, Any], assignment_id: UUID, headers: Mapping[str, str]) -> Response:
    errors = result.get("errors")
    if not errors and result["data"]["assignment"] is None:
        errors = [dict(formatted(NotFound("Assignment", assignment_id)))]
    if errors:
        code = str(errors[0].get("extensions", {}).get("code", ""))
        told = {"cache-control": "no-store", **retry_after(errors)}
        body = orjson.dumps({"errors": errors})
        return Response(body, STATUS.get(code, UNPROCESSABLE), told, media_type="application/json")
    return Response(orjson.dumps(result["data"]), headers=headers, media_type="application/json")
