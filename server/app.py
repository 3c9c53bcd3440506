"""The composition root: settings and addresses in, an ASGI application out."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from jobs import schedule
from jobs.handling import Tools
from jobs.worker import Worker
from paper.press import Press
from realtime.hub import Hub
from resolvers.context import Context, House
from schema.root import schema
from server import (
    assignments_monitor,
    badges,
    certificates_paper,
    certificates_verify,
    evidence,
    health,
    invitations,
    issuers,
    ledger,
    lockdown,
    mailing,
    metrics,
    open_badges,
    outbox_pages,
    public_links,
    rest,
    sign_ins,
    storing,
    uploads,
    web,
)
from server.addresses import DatabaseAddress
from server.graphql_http import graphql_routes
from server.graphql_operation import GraphQLRequest, Operations
from server.live import LiveConnections
from server.persisted import Documents
from server.settings import Settings, metrics_folder, public_url, signing_key
from server.shortcut import Shortcut
from server.viewer import Viewers
from services.invitations import link
from services.tokens import Tokens
from services.vault import Vault
from services.viewer import Via, Viewer
from services.work import Office


@dataclass(frozen=True, slots=True)
class Service:
    """A built service: the application, the house that its requests live in, and the connections it holds open."""

    app: Starlette
    house: House
    live: LiveConnections


def build(settings: Settings, address: DatabaseAddress, live: LiveConnections | None = None) -> Service:
    """Wire one process of the service; nothing is opened before the application starts.

    `live` holds its sockets and streams; whoever drains them passes its own.
    """
    live = live if live is not None else LiveConnections()
    redis = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    hub = Hub.over(address.app_dsn, redis_url=redis)
    tokens = Tokens(signing_key(settings))
    viewers = Viewers(tokens)
    documents = Documents.ours(allow_list=settings.allow_list)
    house = House(
        office=Office(address.app, ring=hub.ring, vault=Vault.of(tokens)),
        hub=hub,
        tokens=tokens,
        cursor_secret=tokens.secret_for("stream-cursors"),
        site=public_url(settings),
        front_end=settings.front_end_url,
        sign_ins_per_network=settings.sign_ins_per_network,
        operations=frozenset(one.name for one in documents.operations),
        storage=storing.storage(settings),
        upload_limits=storing.limits(settings),
        press=Press(settings.fonts),
    )

    async def authenticate(token: str | None) -> Viewer:
        return viewers.of(token)

    def make_context(viewer: Viewer, request: GraphQLRequest) -> Context:
        return Context(
            house,
            viewer,
            idempotency_key=request.idempotency_key,
            address=request.address,
            client=request.client,
            document=documents.name_of(request.query, request.document_id, request.extensions),
        )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        stop = asyncio.Event()
        await hub.start()
        post = mailing.post(settings)
        leading_to = partial(link, house.site, tokens)
        by_the_clock = [
            asyncio.create_task(schedule.run(house.office, house.notary, stop, link=leading_to)),
            asyncio.create_task(house.audit.run(stop)),
        ]
        if settings.worker:
            worker = Worker(address.app_dsn, hub, Tools(house.office, post, tokens, house.site, house.files))
            by_the_clock.append(asyncio.create_task(worker.run(stop)))
        try:
            async with metrics.looking(house):
                yield
        finally:
            stop.set()
            await asyncio.wait(by_the_clock)
            await post.close()
            await hub.stop()
            await house.office.close()

    graphql = graphql_routes(
        schema,
        authenticate=authenticate,
        make_context=make_context,
        live=live,
        may_introspect=_may_introspect,
        documents=documents,
        guard=house.rights.watch_credential,
    )
    operations = Operations(schema, make_context, _may_introspect)
    doors = [*rest.routes(operations, authenticate), *sign_ins.routes(operations, authenticate)]
    doors += invitations.routes(operations, authenticate, settings.front_end_url)
    doors += public_links.routes(operations, authenticate, settings.front_end_url)
    routes = [*graphql, *doors, *health.routes(house, live), *web.routes()]
    routes += assignments_monitor.routes(operations, make_context, authenticate)
    routes += lockdown.routes(house, operations, authenticate)
    routes += uploads.routes(make_context, authenticate)
    routes += evidence.routes(operations, make_context, authenticate)
    routes += badges.routes(house)
    routes += certificates_paper.routes(make_context, authenticate)
    routes += certificates_verify.routes(make_context)
    routes += ledger.routes(house, make_context, authenticate)
    routes += issuers.routes(house)
    routes += open_badges.routes(make_context, authenticate)
    routes += metrics.routes(settings.metrics_token, metrics_folder())
    if mailing.shows_outbox(settings):
        routes += outbox_pages.routes(mailing.outbox(settings))
    short = Middleware(Shortcut, path="/graphql", door=_door(graphql))
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(metrics.Measured), short])
    return Service(app, house, live)


def _door(routes: Sequence[BaseRoute]) -> ASGIApp:
    """Return what answers at /graphql."""
    return next(one.app for one in routes if isinstance(one, Route) and one.path == "/graphql")


def _may_introspect(viewer: Viewer) -> bool:
    """Staff and service tokens may; candidates and nobody may not (the SDL itself is public)."""
    return viewer.via in (Via.ACCESS, Via.SERVICE)
