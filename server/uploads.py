"""`HEAD|PUT|PATCH /api/v1/uploads/{id}`: sending a file that was announced, in one piece or in several.

HEAD tells in `Upload-Offset` how many bytes are here. PATCH goes on behind them and names them in the header of the
same name; PUT sends the whole file, or with `Content-Range` a part. What has come stays when the connection is cut.
No more of a body than one piece is ever in memory.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from models.evidence import Upload, UploadState
from resolvers import uploads
from resolvers.context import Context
from schema.errors import formatted
from schema.nodes import global_id
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext
from server.graphql_request import address_of, identify, refused, unavailable
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE
from services.refusals import BadUserInput, Forbidden, LimitExceeded, NotFound, Refusal, StateDrift
from services.uploads_receive import Part

PATH: Final = "/api/v1/uploads/{id}"
PIECE_SECONDS: Final = 30.0
"""How long the next piece of a body may take; what has come by then stays."""

_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_CLOSE: Final = {"connection": "close"}
_COMMON: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def routes(make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the route of uploads."""

    async def upload(request: Request) -> Response:
        try:
            upload_id = _id(request)
            principal = await identify(request.headers, authenticate)
            part = None if request.method == "HEAD" else part_of(request)
        except HttpRefusal as refusal:
            return refused(refusal)
        told = GraphQLRequest(query="", address=address_of(request.scope))
        context: Any = make_context(principal, told)
        try:
            return await _answered(context, request, upload_id, part)
        except HttpRefusal as refusal:
            return refused(refusal)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Refusal as refusal:
            return _refused(context, refusal)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()

    return [Route(PATH, upload, methods=["HEAD", "PUT", "PATCH"])]


async def _answered(context: Context, request: Request, upload_id: UUID, part: Part | None) -> Response:
    if part is None:
        row, here = await uploads.told(context, upload_id)
        return _shown(row, here, is_finished=row.state == UploadState.FINISHED)
    row, here = await uploads.received(context, upload_id, _pieces(request), part)
    return _shown(row, here, is_finished=here == row.size)


def _shown(row: Upload, here: int, *, is_finished: bool) -> Response:
    """Tell how much is here; where all of it is, and that could not be noted, one more empty part is wanted."""
    body = {"upload": global_id("Upload", row.id), "offset": here, "sizeBytes": row.size, "isFinished": is_finished}
    headers = {
        "upload-offset": str(here),
        "upload-length": str(row.size),
        "upload-complete": "?1" if is_finished else "?0",
        **_COMMON,
    }
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")


def _refused(context: Context, refusal: Refusal) -> Response:
    if isinstance(refusal, Forbidden):
        context.denied(refusal.capability, "upload")
    headers = {**_COMMON, **_CLOSE}
    if isinstance(refusal, StateDrift) and refusal.current_version is not None:
        headers["upload-offset"] = str(refusal.current_version)
    body = orjson.dumps({"errors": [formatted(refusal)]})
    return Response(body, STATUS.get(refusal.code, UNPROCESSABLE), headers, media_type="application/json")


def part_of(request: Request) -> Part:
    """Read from the headers where in the file a body belongs; refuse headers that do not tell, or contradict."""
    headers = request.headers
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _malformed("Compressed bodies are not taken.", "Send the file as it is.")
    length = _whole(headers["content-length"]) if "content-length" in headers else None
    if request.method == "PATCH":
        if "upload-offset" not in headers:
            raise _malformed("'Upload-Offset' is missing.", "Ask by HEAD how many bytes are here, and go on there.")
        total = _whole(headers["upload-length"]) if "upload-length" in headers else None
        return Part(_whole(headers["upload-offset"]), length, total)
    if "content-range" not in headers:
        return Part(0, length, anew=True)
    found = _RANGE.fullmatch(headers["content-range"].strip())
    first, last, total = (int(found[1]), int(found[2]), int(found[3])) if found else (1, 0, 0)
    if last < first or total <= last or (length is not None and length != last - first + 1):
        raise _malformed("'Content-Range' does not fit the body.", "Write it as 'bytes 0-99/1000'.")
    return Part(first, last - first + 1, total, anew=first == 0)


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield the body as it comes in; whoever falls silent is cut off."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                piece = await anext(stream, None)
        except TimeoutError as error:
            said = f"Nothing came for {PIECE_SECONDS:g} seconds."
            refusal = LimitExceeded(said, hint="Go on behind the bytes that are here.")
            raise HttpRefusal(408, refusal, {"Connection": "close"}) from error
        if piece is None:
            return
        if piece:
            yield piece


def _id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError as error:
        raise HttpRefusal(404, NotFound("Upload", request.path_params["id"][:60])) from error


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(2**50))):
        raise _malformed(f"'{text[:40]}' is no number of bytes.", "Send a whole number.")
    return int(text)


def _malformed(said: str, hint: str) -> HttpRefusal:
    return HttpRefusal(400, BadUserInput(said, hint=hint), {"Connection": "close"})
