"""POST /graphql by the GraphQL-over-HTTP specification, and the routes of every GraphQL transport.

A request that is refused before anything ran has no `data`. A client that accepts
application/graphql-response+json gets such a refusal with a status of 4xx; to application/json it is answered with
200 if the request was well formed, as the specification asks.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from schema.errors import EvaliumSchema
from server.graphql_operation import Answer, Authenticate, MakeContext, Operations
from server.graphql_request import JSON, accepted_request, identify, negotiated, refused, retry_after, unavailable
from server.graphql_sse import SSEEndpoint
from server.graphql_ws import Guard, SocketEndpoint, unguarded
from server.limits import HttpRefusal
from server.live import LiveConnections
from server.persisted import Documents
from services.refusals import RateLimited

RESPONSE_JSON: Final = "application/graphql-response+json"


class GraphQLEndpoint:
    """The ASGI app of /graphql: queries and mutations by POST, every operation over a socket."""

    def __init__(self, operations: Operations, authenticate: Authenticate, socket: SocketEndpoint) -> None:
        self._operations = operations
        self._authenticate = authenticate
        self._socket = socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one socket."""
        if scope["type"] == "websocket":
            await self._socket(WebSocket(scope, receive, send))
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        media = JSON
        try:
            media = negotiated(headers.get("accept", "*/*"), (JSON, RESPONSE_JSON))
            request = await accepted_request(scope, headers, receive)
            principal = await identify(headers, self._authenticate)
            answer = await self._operations.answer(request, principal)
            response = Response(answer.body, _status(answer, media), retry_after(answer.errors), media_type=media)
        except ClientDisconnect:
            return
        except HttpRefusal as refusal:
            response = refused(refusal, media)
        except Exception as error:  # noqa: BLE001 - what can fail here is the look-up of the token
            response = unavailable(error, media)
        await response(scope, receive, send)


def _status(answer: Answer, media: str) -> int:
    if answer.code == RateLimited.code:
        return 429
    if media == JSON or answer.was_executed:
        return 200
    return 500 if answer.is_fault else 400


def _manifest(documents: Documents) -> Callable[[Request], Response]:
    """Return the endpoint that lists the documents by their hashes; like the SDL it is public."""
    body = documents.manifest()
    return lambda _request: Response(body, media_type=JSON)


def graphql_routes(
    schema: EvaliumSchema,
    *,
    authenticate: Authenticate,
    make_context: MakeContext,
    allowed_origins: Collection[str] = (),
    live: LiveConnections | None = None,
    may_introspect: Callable[[Any], bool] = lambda _principal: False,
    documents: Documents | None = None,
    guard: Guard = unguarded,
) -> list[BaseRoute]:
    """Return the routes of /graphql (POST and graphql-transport-ws), /graphql/stream and /graphql/manifest.json.

    `authenticate` turns a bearer token, or None, into a principal with `expires_at`; `make_context` makes the context
    of one operation from the principal and the request, and its `aclose()` is awaited when the
    operation ends. `live` holds the open sockets and streams, to be cut and drained. `documents` are the operations
    that may be sent by their hash. `guard` watches who uses a socket: it is closed when their token counts no more.
    """
    connections = live if live is not None else LiveConnections()
    documents = documents if documents is not None else Documents()
    operations = Operations(schema, make_context, may_introspect, documents)
    socket = SocketEndpoint(operations, authenticate, allowed_origins, connections, guard)
    endpoint = GraphQLEndpoint(operations, authenticate, socket)
    return [
        Route("/graphql/stream", SSEEndpoint(operations, authenticate, connections)),
        Route("/graphql/manifest.json", _manifest(documents)),
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
    ]
