"""The composition root: settings and addresses in, an ASGI application out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import Headers

from jobs import schedule
from realtime.hub import Hub
from resolvers.context import Context, House
from schema.root import schema
from server import health, rest, web
from server.addresses import DatabaseAddress
from server.graphql_http import graphql_routes
from server.settings import Settings, signing_key
from server.viewer import viewer_of
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office


@dataclass(frozen=True, slots=True)
class Service:
    """A built service: the application, and the house that its requests live in."""

    app: Starlette
    house: House


def build(settings: Settings, address: DatabaseAddress) -> Service:
    """Wire one process of the service; nothing is opened before the application starts."""
    redis = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    hub = Hub.over(address.app_dsn, redis_url=redis)
    tokens = Tokens(signing_key(settings))
    house = House(
        office=Office(address.app, ring=hub.ring),
        hub=hub,
        tokens=tokens,
        cursor_secret=tokens.secret_for("stream-cursors"),
    )

    async def authenticate(token: str | None) -> Viewer:
        return viewer_of(tokens, token)

    def make_context(viewer: Viewer, headers: Headers) -> Context:
        return Context(house, viewer, idempotency_key=headers.get("idempotency-key"))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        stop = asyncio.Event()
        await hub.start()
        sweeper = asyncio.create_task(schedule.run(house.office, stop))
        try:
            yield
        finally:
            stop.set()
            await sweeper
            await hub.stop()
            await house.office.close()

    graphql = graphql_routes(schema, authenticate=authenticate, make_context=make_context)
    routes = [*graphql, *rest.routes(schema, make_context), *health.routes(house.office), *web.routes()]
    return Service(Starlette(routes=routes, lifespan=lifespan), house)
