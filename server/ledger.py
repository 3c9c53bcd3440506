"""The ledger's doors beside GraphQL: the published key, the streamed export, and the commands of the same names."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from resolvers import activity
from resolvers.context import Context, House
from schema.errors import formatted
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext
from server.graphql_request import address_of, identify, refused
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE
from server.setup_errors import SetupError
from services import ledger, ledger_export, ledger_keys, ledger_verify
from services.activity import Filter
from services.ledger import Checkpoint, Notary
from services.ledger_verify import Verdict
from services.refusals import BadUserInput, Forbidden, Refusal
from services.viewer import Viewer
from services.work import Office, is_passing

EXPORT_PATH: Final = "/api/v1/activity/export"
KEY_PATH: Final = "/.well-known/evalium-ledger.json"
_PARAMETERS: Final = ("from", "until", "actor", "act", "subjectKind", "subjectId", "reason", "after")


class UnreadableFile(SetupError):  # noqa: N818 - named for what is wrong
    """A file given to `evalium verify` cannot be read as what it should be."""

    hint = "Give an export of 'evalium export-activity', a checkpoint document, or /.well-known/evalium-ledger.json."


def routes(house: House, make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the routes of the published key and of the export."""

    async def key(_request: Request) -> Response:
        try:
            async with house.office.snapshot(Viewer.anonymous()) as work:
                keys = await ledger_keys.known(work, house.notary)
        except Exception as error:
            if not is_passing(error):
                raise
            return JSONResponse({"error": "The database is away."}, 503, {"retry-after": "5"})
        return JSONResponse(ledger.published(keys), headers={"cache-control": "public, max-age=300"})

    async def export(request: Request) -> Response:
        try:
            principal = await identify(request.headers, authenticate)
        except HttpRefusal as refusal:
            return refused(refusal)
        given = GraphQLRequest(query="", address=address_of(request.scope))
        context: Any = make_context(principal, given)
        return await _exported(context, request)

    return [Route(KEY_PATH, key, methods=["GET"]), Route(EXPORT_PATH, export, methods=["GET"])]


async def _exported(context: Context, request: Request) -> Response:
    """Answer with the stream once its first line is there, so that a refusal still has a status of its own."""
    try:
        wanted, after = _wanted(request)
        lines = activity.activity_export(context, wanted, after, None, None)
        first = await anext(lines)
    except Refusal as refusal:
        if isinstance(refusal, Forbidden):
            context.denied(refusal.capability, "activityExport")
        await context.aclose()
        status = STATUS.get(refusal.code, UNPROCESSABLE)
        return Response(orjson.dumps({"errors": [formatted(refusal)]}), status, media_type="application/json")

    async def body() -> AsyncGenerator[bytes, None]:
        try:
            yield first.encode() + b"\n"
            async for line in lines:
                yield line.encode() + b"\n"
        finally:
            await context.aclose()

    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="activity.jsonl"'}
    return StreamingResponse(body(), media_type="application/jsonl", headers=headers)


def _wanted(request: Request) -> tuple[Filter, int]:
    given = dict(request.query_params)
    unknown = sorted(set(given) - set(_PARAMETERS))
    if unknown:
        raise BadUserInput(f"'{unknown[0]}' is not known here.", hint=f"Known are: {', '.join(_PARAMETERS)}.")

    def read(name: str, kind: Callable[[str], Any]) -> Any:
        try:
            return kind(given[name]) if name in given else None
        except (ValueError, OverflowError) as error:
            raise BadUserInput(f"'{name}' cannot be read: '{given[name][:60]}'.") from error

    wanted = Filter(
        read("from", _time),
        read("until", _time),
        read("actor", UUID),
        given.get("act"),
        given.get("subjectKind"),
        read("subjectId", UUID),
        given.get("reason"),
    )
    return wanted, read("after", int) or 0


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("it has no time zone")
    return found


async def export_to(office: Office, notary: Notary, tenant_id: UUID, path: Path) -> int:
    """Write the whole ledger of a tenant to a file, as an operator, and return how many lines."""
    viewer = Viewer.system(tenant_id, name="evalium export-activity")

    async def record(work: Any) -> None:
        ledger_export.note(work, Filter())

    await office.perform(viewer, record)
    await ledger_export.settle(office, notary, tenant_id)
    async with office.snapshot(viewer) as work:
        span = await ledger_export.span(work, Filter())
    written = 0
    with path.open("w", encoding="utf-8") as file:
        async for line in ledger_export.lines(office, viewer, span):
            file.write(line + "\n")
            written += 1
    return written


def verify_files(path: Path, checkpoints: Sequence[Path], key: Path | None) -> Verdict:
    """Verify an exported file against checkpoints and a key kept elsewhere; refuses files that are something else."""
    try:
        keys = {} if key is None else ledger.published_keys(ledger.parse(key.read_text("utf-8")))
        kept = [Checkpoint.of(ledger.parse(one.read_text("utf-8"))) for one in checkpoints]
        with path.open(encoding="utf-8") as file:
            return ledger_verify.verify(file, kept, keys)
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableFile(str(error) or "The file cannot be read.") from error
