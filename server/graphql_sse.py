"""Server-sent events on /graphql/stream, in the distinct-connections mode of the graphql-sse protocol.

One POST is one operation of any kind: `next` for each result, then `complete`. It has an address of its own, because
common clients offer text/event-stream with every query (frontend.md 2.4). Lines end with LF alone. A comment is sent
after ten silent seconds; a reader that takes nothing for twenty is let go.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Any, Final

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from schema.errors import formatted
from server.graphql_operation import Authenticate, GraphQLRequest, Operations
from server.graphql_request import accepted_request, identify, negotiated, refused, unavailable
from server.limits import WRITE_SECONDS, HttpRefusal
from server.live import SERVICE_RESTART, TOKEN_EXPIRED, LiveConnection, LiveConnections, Verdict
from services.refusals import AccessChanged, Unauthenticated

HEARTBEAT_SECONDS: Final = 10.0
EVENT_STREAM: Final = "text/event-stream"
_COMPLETE: Final = b"event: complete\ndata:\n\n"
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class SSEEndpoint:
    """The ASGI app of /graphql/stream."""

    heartbeat_seconds = HEARTBEAT_SECONDS
    write_seconds = WRITE_SECONDS

    def __init__(self, operations: Operations, authenticate: Authenticate, live: LiveConnections) -> None:
        self._operations = operations
        self._authenticate = authenticate
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a stream of events."""
        headers = Headers(scope=scope)
        try:
            request = await accepted_request(scope, headers, receive)
            negotiated(headers.get("accept", "*/*"), (EVENT_STREAM,))
            principal = await identify(headers, self._authenticate)
        except ClientDisconnect:
            return
        except HttpRefusal as refusal:
            await refused(refusal)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - what can fail here is the look-up of the token
            await unavailable(error)(scope, receive, send)
        else:
            connection = LiveConnection(principal)
            with self._live.joined(connection):
                stream = EventStream(connection, send, self.heartbeat_seconds, self.write_seconds)
                await stream.run(self._operations, request, receive)


class EventStream:
    """One open response; whatever ends it first, its operation is cancelled and closed before the last event."""

    def __init__(self, connection: LiveConnection, send: Send, heartbeat_seconds: float, write_seconds: float) -> None:
        self._connection = connection
        self._send = send
        self._heartbeat_seconds = heartbeat_seconds
        self._write_seconds = write_seconds
        self._last_write = asyncio.get_running_loop().time()

    async def run(self, operations: Operations, request: GraphQLRequest, receive: Receive) -> None:
        """Send events until the operation completes, the client leaves or stops reading, or a verdict is given."""
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        producer = asyncio.create_task(self._produce(operations, request))
        tasks = {producer, asyncio.create_task(self._keep_alive()), asyncio.create_task(_until_gone(receive))}
        try:
            await asyncio.wait({*tasks, self._connection.ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if any(isinstance(result, TimeoutError) for result in results):
            return  # the reader is stuck: nothing more would reach it, and uvicorn closes what is left unfinished
        with suppress(TimeoutError):
            await self._say_goodbye(is_complete=not producer.cancelled())

    async def _produce(self, operations: Operations, request: GraphQLRequest) -> None:
        async with aclosing(operations.answers(request, self._connection.principal)) as answers:
            async for answer in answers:
                await self._write(_next(answer.body))

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silent = loop.time() - self._last_write
            if silent >= self._heartbeat_seconds:
                await self._write(b":\n\n")
            else:
                await asyncio.sleep(self._heartbeat_seconds - silent)

    async def _say_goodbye(self, *, is_complete: bool) -> None:
        ended = self._connection.ended
        if is_complete:
            await self._write(_COMPLETE, more=False)
        elif ended.done():
            await self._write(_farewell(ended.result()), more=False)

    async def _write(self, chunk: bytes, *, more: bool = True) -> None:
        self._last_write = asyncio.get_running_loop().time()
        async with asyncio.timeout(self._write_seconds):
            await self._send({"type": "http.response.body", "body": chunk, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(body: bytes) -> bytes:
    return b"event: next\ndata: " + body + b"\n\n"


def _farewell(verdict: Verdict) -> bytes:
    """Return the last words to a stream that was ended: after a restart the client shall come back by itself."""
    if verdict.code == SERVICE_RESTART:
        return b"retry: 1000\n\n"
    refusal = Unauthenticated if verdict.code == TOKEN_EXPIRED else AccessChanged
    errors: list[dict[str, Any]] = [formatted(refusal(f"{verdict.reason}."))]
    return _next(orjson.dumps({"errors": errors})) + _COMPLETE
