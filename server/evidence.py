"""The doors of evidence: twelve for its acts, which run the stored operation documents, and one for its bytes.

An act goes to `/api/v1/submissions/{id}/evidence/…` or `/api/v1/submissions/items/{itemId}/evidence/…`, where ids are
UUIDs or global ids. It needs an `Idempotency-Key`. 409 is drift, 404 is hidden or missing, and verifying answers 202:
it is done in the background.
"""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from models.evidence import EvidenceItem
from resolvers import evidence
from resolvers.context import Context
from schema.nodes import global_id
from server.downloads import HEADERS, NOT_MODIFIED, download
from server.graphql_operation import Authenticate, MakeContext, Operations
from server.graphql_request import refused
from server.limits import HttpRefusal
from server.rest import SUCCESS, Door, Outcome, given, perform, shown
from services.refusals import BadUserInput

OF_SUBMISSION: Final = "/api/v1/submissions/{id}/evidence"
OF_ITEM: Final = "/api/v1/submissions/items/{id}/evidence"
CONTENT: Final = "/api/v1/evidence/{id}/content"

MEMBERS: Final = {
    "record": frozenset({"uploadId", "note"}),
    "amend": frozenset({"evidenceId", "priorEventId", "reason", "uploadId"}),
    "approve": frozenset({"evidenceId", "priorEventId", "reason"}),
    "reject": frozenset({"evidenceId", "priorEventId", "reason"}),
    "verify": frozenset({"evidenceId"}),
    "void": frozenset({"evidenceId", "priorEventId", "reason"}),
}
"""What the body of each act may have."""

KINDS: Final = {"uploadId": "Upload", "evidenceId": "EvidenceItem", "priorEventId": "EvidenceEvent"}
ACCEPTED: Final = 202
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_PARTIAL: Final = 206
_UNSATISFIABLE: Final = 416


def routes(operations: Operations, make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the routes of the acts, at both scopes, and of the content."""
    found = [
        Route(f"{path}/{name}", _act(_door(path, name), member, kind, operations, authenticate), methods=["POST"])
        for path, member, kind in ((OF_ITEM, "itemId", "SubmissionItem"), (OF_SUBMISSION, "submissionId", "Submission"))
        for name in MEMBERS
    ]
    return [
        *found,
        Route(
            CONTENT,
            download("EvidenceItem", "evidenceContent", make_context, authenticate, _read, _sent),
            methods=["GET"],
        ),
    ]


def _door(path: str, name: str) -> Door:
    document = f"evidence{name.capitalize()}"
    return Door(f"{path}/{name}", f"Evidence/{document[0].upper()}{document[1:]}", document, MEMBERS[name])


def _act(
    door: Door, member: str, kind: str, operations: Operations, authenticate: Authenticate
) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            _require_key(request)
            body = await given(door, request)
            outcome = await perform(door, operations, authenticate, request, _input(body, member, kind, request))
        except HttpRefusal as refusal:
            return refused(refusal)
        if door.field == "evidenceVerify" and outcome.is_done:
            outcome = Outcome(ACCEPTED, outcome.payload, outcome.headers)
        return shown(outcome)

    return answer


def _require_key(request: Request) -> None:
    if not request.headers.get("idempotency-key", "").strip():
        hint = "Send a random UUID, and the same one when you send the same again."
        raise HttpRefusal(400, BadUserInput("The header 'Idempotency-Key' is missing.", hint=hint))


def _input(body: dict[str, Any], member: str, kind: str, request: Request) -> dict[str, Any]:
    """Return the input of the mutation: the body's members, with the scope of the address."""
    found = {name: as_global(KINDS[name], value) if name in KINDS else value for name, value in body.items()}
    if "evidenceId" in found:
        found["id"] = found.pop("evidenceId")
    return found | {member: as_global(kind, request.path_params["id"])}


def as_global(kind: str, value: Any) -> Any:
    """Return the global id of what is named by its UUID; anything else is left for the operation to judge."""
    try:
        return global_id(kind, UUID(value))
    except (ValueError, AttributeError, TypeError):
        return value


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes that are sent: from `start` up to but not including `end`."""

    start: int
    end: int


async def _read(context: Any, _request: Request, evidence_id: UUID) -> EvidenceItem:
    return await evidence.stored(context, evidence_id)


def _sent(context: Context, request: Request, row: EvidenceItem) -> Response:
    """Answer with the bytes that are asked for: a browser keeps them, and never shows them as a page of ours."""
    tag = f'"{row.sha256}"'
    headers = HEADERS | {
        "etag": tag,
        "accept-ranges": "bytes",
        "content-disposition": disposition(row.file_name),
        "content-type": row.media_type,
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, NOT_MODIFIED, headers)
    wanted = request.headers.get("range", "")
    if request.headers.get("if-range", tag) != tag:
        wanted = ""
    span = span_of(wanted, row.size)
    if span is None:
        return Response(None, _UNSATISFIABLE, {"content-range": f"bytes */{row.size}", "accept-ranges": "bytes"})
    is_part = span != Span(0, row.size)
    if is_part:
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{row.size}"
    headers["content-length"] = str(span.end - span.start)
    status = _PARTIAL if is_part else SUCCESS
    if request.method == "HEAD":
        return Response(None, status, headers)
    return StreamingResponse(_bytes(context, row, span), status, headers)


async def _bytes(context: Context, row: EvidenceItem, span: Span) -> AsyncGenerator[bytes, None]:
    async for piece in context.house.files.read(row.object_key, span.start, span.end):
        yield piece


def span_of(header: str, size: int) -> Span | None:
    """Return what a `Range` asks of so many bytes: all of them where it cannot be read or names several parts.

    None when it asks for what is not there.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return Span(0, size)
    if not found[1]:
        count = int(found[2])
        return Span(max(0, size - count), size) if count else None
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return Span(0, size)
    return Span(start, min(size, int(found[2]) + 1) if found[2] else size) if start < size else None


def disposition(file_name: str) -> str:
    """Return the header that has a browser save a file under its name, whatever characters that has (RFC 6266)."""
    plain = "".join(one if (one.isascii() and one.isalnum()) or one in " ._-" else "_" for one in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
