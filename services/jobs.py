"""Background jobs: put into the queue in the transaction of the change that needs them (domain.md section 12).

A job has a name, which a handler of the `jobs` floor answers to, and a payload of ids. It runs at least once after the
commit, so its effect has to be idempotent. The queue is pgqueuer's; nothing else in the services knows that.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from models import jobs as tables
from models.base import uuid7
from realtime import topics
from services.work import Work

NAMES: Final = frozenset(
    {
        "assignments.invite_joined",
        "certificates.tell",
        "evidence.verify",
        "messages.deliver",
        "programmes.follow",
        "sign_ins.mail",
    }
)
"""Every job that a service may ask for; the `jobs` floor has a handler for each, which a test compares."""

TICKED: Final = frozenset(
    {
        "assignments.remind",
        "certificates.tell",
        "idempotency.prune",
        "messages.wipe",
        "programmes.renew",
        "programmes.retake",
        "queue.prune",
        "sign_ins.prune",
        "uploads.prune",
    }
)
"""Every job of the installation, which the clock asks for."""

QUEUE: Final = DBSettings(
    prefix="",
    db_schema=tables.SCHEMA,
    channel=Channel("evalium_jobs_unused"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
)
"""Where the queue lies. Every name is given here, or pgqueuer would read it from the environment."""

_ENQUEUE: Final = QueryQueueBuilder(QUEUE).build_enqueue_query("skip")


async def enqueue(
    work: Work,
    name: str,
    payload: dict[str, Any],
    *,
    key: str | None = None,
    after: timedelta | None = None,
) -> None:
    """Have a job done once this work has committed, `after` some time if that is given.

    The payload holds ids and no content. While a job of the same name and `key` is queued or running in the same
    tenant, a further one is dropped. The handler acts in the tenant and org unit of this work's viewer.
    """
    await enqueue_many(work, name, [(payload, key)], after=after)


async def enqueue_many(
    work: Work,
    name: str,
    jobs: Sequence[tuple[Mapping[str, Any], str | None]],
    *,
    after: timedelta | None = None,
) -> None:
    """Do the same for several jobs of one name, each a payload and a key, in one statement."""
    viewer = work.viewer
    if name not in NAMES:
        raise ValueError(f"No handler answers to the job '{name}'; services/jobs.py lists the names.")
    if viewer.tenant_id is None:
        raise ValueError("A job is asked for in the scope of a tenant.")
    await _insert(
        work,
        name,
        [orjson.dumps(dict(payload)) for payload, _ in jobs],
        [None if key is None else f"{viewer.tenant_id}/{name}/{key}" for _, key in jobs],
        [_whose(viewer.tenant_id, viewer.org_unit_id, viewer.user_id) for _ in jobs],
        after,
    )


async def tick(work: Work, name: str, instant: str) -> None:
    """Have a job of the installation done, which belongs to no tenant: once for each `instant` of its schedule."""
    if name not in TICKED:
        raise ValueError(f"No handler answers to the job '{name}'; services/jobs.py lists the names.")
    await _insert(work, name, [b"{}"], [f"{name}/{instant}"], [_whose(None, None, None)], None)


async def enqueue_bare(work: Work, name: str, payload: Mapping[str, Any], *, after: timedelta | None = None) -> None:
    """Have a job done that belongs to no tenant yet, such as finding out in whose tenants an address is known.

    The payload holds ids and hashes and no content.
    """
    if name not in NAMES:
        raise ValueError(f"No handler answers to the job '{name}'; services/jobs.py lists the names.")
    await _insert(work, name, [orjson.dumps(dict(payload))], [None], [_whose(None, None, None)], after)


async def _insert(
    work: Work,
    name: str,
    payloads: Sequence[bytes],
    keys: Sequence[str | None],
    headers: Sequence[str],
    after: timedelta | None,
) -> None:
    """Write the jobs through the session's own connection: one that is opened beside it would outlive a rollback."""
    size = len(payloads)
    delays = [after or timedelta(0)] * size
    connection = await work.session.connection()
    given = ([0] * size, [name] * size, list(payloads), delays, list(keys), list(headers))
    await connection.exec_driver_sql(_ENQUEUE, given)
    work.touch(topics.jobs())


def _whose(tenant_id: UUID | None, org_unit_id: UUID | None, user_id: UUID | None) -> str:
    """Return what the queue keeps beside the payload: the job's own id, and for whom it is done."""
    ids = {"tenant": tenant_id, "org_unit": org_unit_id, "user": user_id}
    return orjson.dumps({"id": str(uuid7()), **{k: str(v) for k, v in ids.items() if v is not None}}).decode()
