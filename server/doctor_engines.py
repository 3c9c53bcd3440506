"""What `evalium doctor` looks at beside the database: the queue of background jobs, the way of mails, and files."""

import asyncio
import os
from uuid import UUID

from mail.post import Deferred
from mail.smtp import SmtpPost
from server import mailing, storing
from server.driver import Connection, connected
from server.findings import Finding, Health
from server.settings import Settings
from storage.objects import key_of

LONGEST_WAIT = 60.0
BUCKET_SECONDS = 5.0
_QUEUE = """
select count(*) filter (where open) as waiting, count(*) filter (where status = 'failed') as parked,
       coalesce(extract(epoch from now() - min(execute_after) filter (where open)), 0)::float8 as age,
       array_agg(distinct entrypoint) filter (where status = 'failed') as names
  from (select *, status in ('queued', 'picked') and execute_after <= now() as open from jobs.pgqueuer) queue
"""


async def queue_of(dsn: str) -> list[Finding]:
    """Say how the queue of one database stands."""
    async with connected(dsn) as connection:
        return await queue(connection)


async def queue(connection: Connection) -> list[Finding]:
    """Say how the queue of background jobs stands, and which jobs were given up."""
    if not await connection.fetchval("select to_regclass('jobs.pgqueuer') is not null"):
        return [Finding("background jobs", Health.FAIL, "There is no queue yet.", "evalium migrate")]
    row = await connection.fetchrow(_QUEUE)
    assert row is not None  # noqa: S101 - it aggregates
    told = f"{row['waiting']} waiting, the oldest for {row['age']:.0f} s; {row['parked']} parked."
    if row["parked"]:
        names = ", ".join(row["names"])
        message = f"{told} Given up: {names}."
        return [Finding("background jobs", Health.WARN, message, "evalium jobs, then: evalium jobs --requeue ID")]
    if row["age"] > LONGEST_WAIT:
        advice = "Start a worker: evalium worker, or evalium serve with EVALIUM_WORKER=1."
        return [Finding("background jobs", Health.WARN, told, advice)]
    return [Finding("background jobs", Health.OK, told)]


async def mail(settings: Settings) -> Finding:
    """Open a connection to the mail server, sign in, and hang up; nothing is sent."""
    post = mailing.post(settings)
    if not isinstance(post, SmtpPost):
        return Finding("mail", Health.OK, f"No mail server is set; mails land in {mailing.outbox_folder(settings)}.")
    try:
        await post.greet()
    except Deferred as error:
        return Finding("mail", Health.FAIL, str(error), "Compare EVALIUM_SMTP_* with what the mail server wants.")
    finally:
        await post.close()
    return Finding("mail", Health.OK, f"The mail server {settings.smtp_host}:{settings.smtp_port} answers.")


async def files(settings: Settings) -> Finding:
    """Look whether files that people hand in can be kept; nothing is written."""
    folder = storing.folder(settings)
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        advice = f"Let the service write to {folder}, or set EVALIUM_FILES."
        return Finding("files", Health.FAIL, f"Nothing can be written below {there}.", advice)
    if settings.s3_bucket is None:
        return Finding("files", Health.OK, f"Files lie in {folder}.")
    try:
        async with asyncio.timeout(BUCKET_SECONDS):
            await storing.storage(settings).arrived(key_of(UUID(int=0), UUID(int=0)))
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator is told
        told = f"The bucket '{settings.s3_bucket}' does not answer: {type(error).__name__}."
        return Finding("files", Health.FAIL, told, "Compare EVALIUM_S3_* with what the service wants.")
    return Finding("files", Health.OK, f"The bucket '{settings.s3_bucket}' answers.")
