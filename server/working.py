"""`evalium worker`: background jobs without a server, and what operators do with jobs that were given up."""

import asyncio
import signal
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from jobs import schedule
from jobs.handling import Tools
from jobs.worker import Worker
from realtime.hub import Hub
from server import mailing, opening, storing
from server.addresses import DatabaseAddress
from server.settings import Settings, public_url, signing_key
from services import invitations, jobs_parked
from services.jobs_parked import ParkedJob
from services.ledger import Notary
from services.tokens import Tokens
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office, Work

log = structlog.get_logger(__name__)


def work(settings: Settings) -> None:
    """Do background jobs until SIGINT or SIGTERM; what has been begun is finished first."""
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    opened = asyncio.create_task(opening.joined(settings))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({opened, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not opened.done():
        opened.cancel()
        await asyncio.wait({opened})
        return
    await _serve(settings, opened.result(), stop)


async def _serve(settings: Settings, address: DatabaseAddress, stop: asyncio.Event) -> None:
    redis = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    hub = Hub.over(address.app_dsn, redis_url=redis)
    tokens = Tokens(signing_key(settings))
    office = Office(address.app, ring=hub.ring, vault=Vault.of(tokens))
    post = mailing.post(settings)
    await hub.start()
    log.info("worker.works")
    try:
        async with asyncio.TaskGroup() as group:
            link = partial(invitations.link, public_url(settings), tokens)
            tools = Tools(office, post, tokens, public_url(settings), storing.storage(settings))
            group.create_task(Worker(address.app_dsn, hub, tools).run(stop))
            group.create_task(schedule.run(office, Notary(tokens.secret_for("ledger-checkpoints")), stop, link=link))
    finally:
        await post.close()
        await hub.stop()
        await office.close()
    log.info("worker.stopped")


async def parked(address: DatabaseAddress) -> list[ParkedJob]:
    """Return the jobs that were given up, of every tenant."""
    office = _office(address)
    try:
        async with office.snapshot(Viewer.anonymous()) as reading:
            return await jobs_parked.all_parked(reading)
    finally:
        await office.close()


async def requeued(address: DatabaseAddress, ids: Sequence[UUID]) -> list[ParkedJob]:
    """Have parked jobs tried again; workers find them within two seconds."""
    office = _office(address)
    try:
        return [await office.perform(Viewer.anonymous(), partial(_requeue, one)) for one in ids]
    finally:
        await office.close()


async def _requeue(job_id: UUID, work: Work) -> ParkedJob:
    return await jobs_parked.requeue_any(work, job_id)


def _office(address: DatabaseAddress) -> Office:
    return Office(address.app, ring=lambda _topics: None, pool_size=1)
