"""The graphql-transport-ws protocol on /graphql, with every frame checked before it is believed.

An operation that fails before it runs gets an `error` frame of its own and never closes its neighbours. The bearer
token comes in the payload of `connection_init` and nowhere else. Legacy graphql-ws is not spoken.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractContextManager, ExitStack, aclosing, nullcontext
from functools import partial
from typing import Any, Final, cast

import orjson
from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.http.websocket_origin import is_same_origin, normalize_allowed_origins, normalize_origin

from schema.errors import formatted, internal
from server.graphql_operation import Answer, Authenticate, GraphQLRequest, Operations, bearer
from server.graphql_request import address_of
from server.limits import INIT_SECONDS, MAX_OPERATIONS_PER_SOCKET, WRITE_SECONDS, read_json
from server.live import TOKEN_EXPIRED, LiveConnection, LiveConnections
from server.sockets import door, text_frame
from services.refusals import BadUserInput, LimitExceeded, Refusal

PROTOCOL: Final = "graphql-transport-ws"
CANCEL_SECONDS: Final = 0.5
MOST_IDS: Final = 4
"""Operation ids for which the frame of an answer is kept: many clients call their one operation the same."""

_LONGEST_ID: Final = 128
_LONGEST_REASON: Final = 120


Guard = Callable[[Any, Callable[[Exception], None]], AbstractContextManager[None]]
"""Watches a principal for the length of a socket, and tells the refusal while what they bear counts no more."""


def unguarded(_principal: Any, _end: Callable[[Exception], None]) -> AbstractContextManager[None]:
    """Watch nobody."""
    return nullcontext()


class SocketEndpoint:
    """Accepts sockets from our own pages and from programs, and serves each until it ends."""

    init_seconds = INIT_SECONDS

    def __init__(
        self,
        operations: Operations,
        authenticate: Authenticate,
        allowed_origins: Collection[str],
        live: LiveConnections,
        guard: Guard = unguarded,
    ) -> None:
        self._operations = operations
        self._authenticate = authenticate
        self._guard = guard
        self._origins = normalize_allowed_origins(allowed_origins)
        self._live = live

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve one socket; a page of another origin is refused with 403 before the handshake."""
        if not self._is_welcome(Headers(scope=websocket.scope)):
            await websocket.close(1008)
            return
        if PROTOCOL not in websocket.scope["subprotocols"]:
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await websocket.accept(PROTOCOL)
        websocket.scope["headers"] = []  # nothing asks for them any more, for as long as the socket is open
        connection = LiveConnection()
        connection.end_in(self.init_seconds, 4408, "Connection initialisation timeout")
        with self._live.joined(connection):
            await GraphQLSocket(self._operations, self._authenticate, websocket, connection, self._guard).serve()

    def _is_welcome(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or is_same_origin(origin, headers.get("host")):
            return True
        return "*" in self._origins or normalize_origin(origin) in self._origins


class GraphQLSocket:
    """One socket and its operations. What ends it is always the connection's verdict, or the peer going away."""

    def __init__(
        self,
        operations: Operations,
        authenticate: Authenticate,
        websocket: WebSocket,
        connection: LiveConnection,
        guard: Guard,
    ) -> None:
        self._guard = guard
        self._guarded = ExitStack()
        self._operations = operations
        self._authenticate = authenticate
        self._websocket = websocket
        self._connection = connection
        self._write_now = door(websocket.scope)
        self._is_initialised = False
        self._is_acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the receiver, and every operation until its context is closed

    async def serve(self) -> None:
        """Receive frames until the end, cancel what runs, then close: no frame follows the close."""
        receiver = self._started(self._receive())
        ended = self._connection.ended
        try:
            await asyncio.wait({receiver, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._guarded.close()
            tasks = {receiver, *self._tasks}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
        if ended.done():
            await self._close(*ended.result())
        await asyncio.wait(tasks)

    def _started(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            internal(error, operation=None)
            self._connection.end(1011, "Internal error")

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._websocket.close(code, reason[:_LONGEST_REASON])
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            return  # the peer reads nothing more, or has closed the socket itself

    async def _receive(self) -> None:
        """Handle frames in order; a frame that breaks the protocol gives the verdict 4400."""
        while not self._connection.ended.done():
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                self._connection.end(4400, "Frames must be text")
                return
            try:
                await self._handle(_frame(text))
            except Refusal as refusal:
                self._connection.end(4400, refusal.message)
            except WebSocketDisconnect:
                return
            del message, text  # which would be kept until the next one

    async def _handle(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "connection_init":
                await self._initialise(_payload(frame))
            case "ping":
                _payload(frame)
                await self._write({"type": "pong"})
            case "pong":
                _payload(frame)
            case "subscribe":
                await self._subscribe(_id(frame), self._request(frame))
            case "complete":
                self._cancel(_id(frame))
            case unknown:
                raise BadUserInput(f"Unknown message type '{str(unknown)[:40]}'")

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._is_initialised:
            self._connection.end(4429, "Too many initialisation requests")
            return
        self._is_initialised = True
        try:
            principal = await self._authenticate(_token(payload))
        except Refusal as refusal:
            self._connection.end(4403, f"Forbidden: {refusal.message}")
            return
        except Exception as error:  # noqa: BLE001 - logged with its traceback; the peer learns that it may try again
            internal(error, operation=None)
            self._connection.end(1013, "The token could not be checked; try again")
            return
        self._connection.belongs_to(principal)
        self._guarded.enter_context(self._guard(principal, self._refuse))
        await self._write({"type": "connection_ack"})
        self._is_acknowledged = True

    def _refuse(self, refusal: Exception) -> None:
        """End a socket on which nothing runs any more: what runs ends by itself, with an error of its own."""
        if not self._running:
            self._connection.end(TOKEN_EXPIRED, str(refusal))

    def _request(self, frame: dict[str, Any]) -> GraphQLRequest:
        return GraphQLRequest.of(frame.get("payload"), address=address_of(self._websocket.scope))

    async def _subscribe(self, id: str, request: GraphQLRequest) -> None:
        if not self._is_acknowledged:
            self._connection.end(4401, "Unauthorized")
        elif id in self._running:
            self._connection.end(4409, f"Subscriber for {id} already exists")
        elif len(self._tasks) > MAX_OPERATIONS_PER_SOCKET:
            refusal = LimitExceeded(
                f"{MAX_OPERATIONS_PER_SOCKET} operations run on this socket already.",
                hint="Complete some of them, or open another socket.",
            )
            await self._write({"id": id, "type": "error", "payload": [formatted(refusal)]})
        else:
            self._running[id] = self._started(self._run(id, request))

    def _cancel(self, id: str) -> None:
        """Cancel an operation and free its id at once; its task counts until its context is closed."""
        task = self._running.pop(id, None)
        if task is not None:
            task.cancel()

    async def _run(self, id: str, request: GraphQLRequest) -> None:
        try:
            principal, push = self._connection.principal, partial(self._written, id)
            async with aclosing(self._operations.answers(request, principal, push=push)) as answers:
                async for answer in answers:
                    if not answer.was_executed:
                        self._forget(id)
                        await self._write({"id": id, "type": "error", "payload": answer.errors})
                        return
                    if not self._written(id, answer):
                        await self._write({"id": id, "type": "next", "payload": orjson.Fragment(answer.body)})
                    del answer  # which would be kept until the next one
            self._forget(id)
            await self._write({"id": id, "type": "complete"})
        except WebSocketDisconnect:
            return  # the receiver learns of it too, and ends the rest
        finally:
            self._forget(id)

    def _forget(self, id: str) -> None:
        """Free the id before the last frame, unless a newer operation has taken it since."""
        if self._running.get(id) is asyncio.current_task():
            del self._running[id]

    def _written(self, id: str, answer: Answer) -> bool:
        """Send an answer at once, in the very bytes that others were sent; false when the peer has yet to read."""
        if self._write_now is None or self._connection.ended.done():
            return False
        frame = answer.frames.get(id)
        if frame is None:
            frame = text_frame(b'{"id":%b,"type":"next","payload":%b}' % (orjson.dumps(id), answer.body))
            if len(answer.frames) < MOST_IDS:
                answer.frames[id] = frame
        return self._write_now(frame)

    async def _write(self, frame: dict[str, Any]) -> None:
        if self._connection.ended.done():
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._websocket.send_text(orjson.dumps(frame).decode())
        except TimeoutError:
            self._connection.end(1008, f"Nothing was read for {WRITE_SECONDS:g} seconds")


def _frame(text: str) -> dict[str, Any]:
    frame = read_json(text)
    if not isinstance(frame, dict) or not isinstance(cast("dict[str, Any]", frame).get("type"), str):
        raise BadUserInput("A message must be an object with a string 'type'")
    return cast("dict[str, Any]", frame)


def _payload(frame: dict[str, Any]) -> dict[str, Any]:
    payload = frame.get("payload")
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise BadUserInput("The payload of this message must be an object")
    return cast("dict[str, Any]", payload)


def _id(frame: dict[str, Any]) -> str:
    value = frame.get("id")
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID:
        raise BadUserInput(f"The 'id' must be a string of 1 to {_LONGEST_ID} characters")
    return value


def _token(payload: dict[str, Any]) -> str | None:
    """Return the bearer token of `connection_init`; the key is read in any case, several of them are refused."""
    values = [value for key, value in payload.items() if key.lower() == "authorization" and value is not None]
    if not values:
        return None
    if len(values) > 1 or not isinstance(values[0], str):
        raise BadUserInput("'Authorization' must be one string")
    return bearer(values[0])
