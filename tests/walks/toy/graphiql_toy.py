"""A server as small as can be, with the browser pages of Evalium: one query and one subscription that needs a token."""

import asyncio
from collections.abc import AsyncGenerator

import strawberry
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.types import Info

from server.web import routes


@strawberry.type
class Query:
    @strawberry.field
    def whoami(self, info: Info) -> str:
        """Return the Authorization header, as the server received it."""
        return info.context["request"].headers.get("authorization", "nobody")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: Info) -> AsyncGenerator[str, None]:
        """Send what `connection_init` carried, with a running number."""
        sent = (info.context["connection_params"] or {}).get("Authorization", "nobody")
        for number in range(1000):
            yield f"{number} for {sent}"
            await asyncio.sleep(0.05)


api = GraphQL(strawberry.Schema(query=Query, subscription=Subscription), graphql_ide=None)
app = Starlette(routes=[*routes(), Route("/graphql", api), WebSocketRoute("/graphql", api), Mount("/graphql/", api)])
