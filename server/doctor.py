"""What `evalium doctor` looks at: every condition of a healthy service, what is wrong with it, and what to type.

It changes nothing: a data directory that does not exist is not made, and an embedded PostgreSQL that does not run is
started for the examination only.
"""

import asyncio
import contextlib
import stat
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from redis import asyncio as redis
from redis.exceptions import RedisError

from migrations import run
from server import doctor_engines, provision, web
from server.addresses import parse
from server.cluster import ADMIN, Cluster
from server.database import DATABASE, address_in, external_address
from server.driver import Connection, connected
from server.findings import Finding, Health
from server.postgres_files import carried_programs
from server.settings import Settings, has_signing_key, signing_key, unknown_variables
from server.setup_errors import DataDirectoryInUse, SetupError
from services.ledger import Notary
from services.ledger_seal import told
from services.tokens import Tokens

ECHO_CHANNEL = "evalium_doctor"
PATIENCE_SECONDS = 3.0
LARGEST_SKEW = 2.0
HELD_SECONDS = 1.0
_OLDEST = """
select case when pg_snapshot_xmin(s) < pg_snapshot_xmax(s) then pg_snapshot_xmin(s)::text end
  from pg_current_snapshot() s
"""
_LONG = """
select pid, coalesce(usename, backend_type) as who, coalesce(datname, 'none') as place,
       extract(epoch from clock_timestamp() - xact_start)::float8 as age
  from pg_stat_activity
 where backend_xid is not null and xact_start < clock_timestamp() - interval '5 seconds' order by xact_start limit 5
"""
_WHERE = """
select pg_is_in_recovery() as replica, (select timeline_id from pg_control_checkpoint()) as timeline,
       (select count(*) from pg_stat_replication) as replicas
"""
_UNREAD = """
select count(*) from pg_class
 where relnamespace in (select oid from pg_namespace where nspname in ('public', 'jobs'))
   and relkind in ('r', 'p') and not has_table_privilege($1, oid, 'SELECT')
"""
_UNSEALED = """
select count(*) from activity a where a.at < now() - interval '1 minute'
   and not exists (select from activity_seals s where s.tenant_id = a.tenant_id and s.id = a.id)
"""
_NEWEST_CHECKPOINTS = """
select distinct on (c.tenant_id) c.*, s.hash from activity_checkpoints c
  left join activity_seals s on s.tenant_id = c.tenant_id and s.position = c.count
 where c.key_id = $1 order by c.tenant_id, c.number desc
"""
_AHEAD = "select exists (select from session_events where xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
_FIND_TRANSACTION = (
    "As an administrator: SELECT pid, usename, datname, query FROM pg_stat_activity "
    "WHERE backend_xid IS NOT NULL ORDER BY xact_start;"
)
DURABLE = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything and return one or more findings for each subject, in the order in which to mend them."""
    findings = [_variables(), _key(settings), _data_directory(settings)]
    if settings.database_url is None:
        findings.append(_programs())
    findings += await _database(settings)
    if settings.redis_url is not None:
        findings.append(await _redis(settings.redis_url.get_secret_value()))
    findings.append(await doctor_engines.mail(settings))
    findings.append(await doctor_engines.files(settings))
    findings.append(_assets())
    findings.append(await asyncio.to_thread(_running, settings))
    return findings


def _variables() -> Finding:
    unknown = unknown_variables()
    if unknown:
        return Finding("settings", Health.WARN, f"No setting reads {', '.join(unknown)}.", "See docs/settings.md.")
    return Finding("settings", Health.OK, "Every EVALIUM_ variable is known.")


def _key(settings: Settings) -> Finding:
    if not has_signing_key(settings):
        return Finding("signing key", Health.OK, "None yet; the first start makes one.")
    try:
        signing_key(settings)
    except (SetupError, OSError) as error:
        return _failed("signing key", error)
    return Finding("signing key", Health.OK, "An Ed25519 key is in place.")


def _data_directory(settings: Settings) -> Finding:
    folder, name = settings.data, "data directory"
    if not folder.exists():
        return Finding(name, Health.OK, f"{folder} does not exist yet; the first start makes it.")
    if not folder.is_dir():
        return Finding(name, Health.FAIL, f"{folder} is not a folder.", "Set EVALIUM_DATA to a folder.")
    if folder.stat().st_mode & stat.S_IWOTH:
        return Finding(name, Health.WARN, f"Everybody may write to {folder}.", f"chmod o-w '{folder}'")
    return Finding(name, Health.OK, str(folder))


def _programs() -> Finding:
    try:
        return Finding("embedded PostgreSQL", Health.OK, str(carried_programs()))
    except SetupError as error:
        return _failed("embedded PostgreSQL", error)


async def _database(settings: Settings) -> list[Finding]:
    try:
        async with _reached(settings) as dsn:
            if dsn is None:
                return [Finding("database", Health.OK, "Not set up yet; the first start does it.")]
            async with connected(dsn) as connection:
                return [
                    await _version(connection),
                    await _login(connection),
                    await _maintenance(connection),
                    await _migrations(dsn),
                    *await _durability(connection),
                    await _wake_up(dsn, connection),
                    await _clock(connection),
                    await _head(connection),
                    *await doctor_engines.queue(connection),
                    *await _operator_view(settings, dsn),
                ]
    except (SetupError, OSError, run.BrokenHistory) as error:
        return [_failed("database", error)]


@contextlib.asynccontextmanager
async def _reached(settings: Settings) -> AsyncGenerator[str | None]:
    """Give the application's address of the database; None before the first start, which makes what it names."""
    if settings.database_url is not None:
        kept = has_signing_key(settings)
        key = signing_key(settings) if kept else Ed25519PrivateKey.generate()
        address = await external_address(settings.database_url, settings.admin_database_url, key)
        plain = parse(SecretStr(address.app_dsn)) == parse(settings.database_url)
        yield address.app_dsn if kept or plain else None
        return
    cluster = Cluster(settings.data)
    if not cluster.exists:
        yield None
        return
    try:
        await asyncio.to_thread(cluster.start)
    except DataDirectoryInUse:
        cluster.find_running()
    try:
        yield address_in(cluster, DATABASE).app_dsn
    finally:
        await asyncio.to_thread(cluster.stop)


async def _version(connection: Connection) -> Finding:
    number = (await provision.standing(connection)).version
    return Finding("database", Health.OK, f"PostgreSQL {number // 10000}.{number % 10000} answers.")


async def _login(connection: Connection) -> Finding:
    login = await provision.standing(connection)
    if login.dangers:
        advice = "Give DATABASE_URL an administrator's address, and start once."
        return Finding("application's login", Health.FAIL, f"'{login.name}': {'; '.join(login.dangers)}.", advice)
    return Finding("application's login", Health.OK, f"'{login.name}' owns nothing and bypasses nothing.")


async def _maintenance(connection: Connection) -> Finding:
    bypasses = await connection.fetchval("select rolbypassrls from pg_roles where rolname = $1", provision.MAINTENANCE)
    if not bypasses:
        return Finding(
            "maintenance role",
            Health.WARN,
            f"{provision.MAINTENANCE} is missing or does not bypass row security, so it cannot take a full backup.",
            f"As a superuser: ALTER ROLE {provision.MAINTENANCE} BYPASSRLS;",
        )
    unread = await connection.fetchval(_UNREAD, provision.MAINTENANCE)
    if unread:
        message = f"{provision.MAINTENANCE} may not read {unread} tables, so its backups would fail."
        return Finding("maintenance role", Health.WARN, message, "evalium migrate")
    return Finding("maintenance role", Health.OK, f"{provision.MAINTENANCE} can take full backups.")


async def _migrations(dsn: str) -> Finding:
    state = await run.pending(dsn)
    if state:
        message = f"The database is at revision {state.current or 'none'}, the code at {state.head}."
        return Finding("migrations", Health.FAIL, message, "evalium migrate")
    return Finding("migrations", Health.OK, f"At the newest revision, {state.head}.")


async def _durability(connection: Connection) -> list[Finding]:
    findings: list[Finding] = []
    for name in DURABLE:
        value = await connection.fetchval("select current_setting($1)", name)
        if value != "off":
            findings.append(Finding(name, Health.OK, f"{name} is {value}."))
        else:
            message = f"{name} is off: a power cut can lose or damage answers that were acknowledged."
            advice = f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
            if name == "data_checksums":
                advice = "Stop PostgreSQL and run pg_checksums --enable."
            findings.append(Finding(name, Health.WARN, message, advice))
    return findings


async def _wake_up(dsn: str, sender: Connection) -> Finding:
    """Ring ourselves through PostgreSQL: a pooler in transaction mode swallows every ring without an error."""
    heard = asyncio.Event()
    try:
        async with connected(dsn) as listener:
            await listener.add_listener(ECHO_CHANNEL, lambda *_: heard.set())
            await sender.execute(f"NOTIFY {ECHO_CHANNEL}")
            async with asyncio.timeout(PATIENCE_SECONDS):
                await heard.wait()
    except TimeoutError:
        message = "A NOTIFY did not come back; live streams fall back to slow polling."
        advice = "Give DATABASE_URL the server's own address, not that of a pooler in transaction mode."
        return Finding("wake-ups", Health.WARN, message, advice)
    return Finding("wake-ups", Health.OK, "A NOTIFY came back.")


async def _clock(connection: Connection) -> Finding:
    """Compare the clocks, halfway through a round trip: tokens live by this machine's, deadlines by the database's."""
    before = time.time()
    theirs: float = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    skew = theirs - (before + time.time()) / 2
    if abs(skew) > LARGEST_SKEW:
        message = f"The database's clock is {skew:+.1f} s from this machine's; tokens and deadlines disagree."
        return Finding("clocks", Health.WARN, message, "Let both keep time by NTP: timedatectl set-ntp true")
    return Finding("clocks", Health.OK, f"The clocks of machine and database differ by {abs(skew):.2f} s.")


async def _head(connection: Connection) -> Finding:
    """See whether one writing transaction holds the streams back, which any login can see from two snapshots."""
    oldest = await connection.fetchval(_OLDEST)
    if oldest is not None:
        await asyncio.sleep(HELD_SECONDS)
        if await connection.fetchval(_OLDEST) == oldest:
            message = f"One writing transaction has held back every stream for more than {HELD_SECONDS:g} s."
            return Finding("streams", Health.WARN, message, _FIND_TRANSACTION)
    return Finding("streams", Health.OK, "No writing transaction holds the streams back.")


async def _operator_view(settings: Settings, dsn: str) -> list[Finding]:
    """Look at what only an administrator sees: who holds a transaction open, and rows that a restore left behind."""
    try:
        admin_dsn = await _admin_dsn(settings, dsn)
        if admin_dsn is None:
            return []
        async with connected(admin_dsn) as admin:
            found = [*await _long_transactions(admin), *await _replicas(admin), *await _restored(admin)]
            return [*found, *await _ledger(settings, admin)]
    except (SetupError, asyncpg.PostgresError) as error:
        return [
            Finding("administrator's view", Health.WARN, f"Not possible: {error}.", "Use an administrator's login.")
        ]


async def _admin_dsn(settings: Settings, dsn: str) -> str | None:
    if settings.database_url is None:
        return parse(SecretStr(dsn)).as_login(ADMIN, None).dsn
    key = signing_key(settings) if has_signing_key(settings) else Ed25519PrivateKey.generate()
    return (await external_address(settings.database_url, settings.admin_database_url, key)).admin_dsn


async def _long_transactions(admin: Connection) -> list[Finding]:
    rows = await admin.fetch(_LONG)
    return [
        Finding(
            "open transaction",
            Health.WARN,
            f"Process {row['pid']} ({row['who']}, database {row['place']}) has had one open for {row['age']:.0f} s.",
            f"If nobody needs it: SELECT pg_terminate_backend({row['pid']});",
        )
        for row in rows
    ]


async def _replicas(admin: Connection) -> list[Finding]:
    """Say where we are: cursors are good for one cluster and one timeline, and a replica takes no writes."""
    row = await admin.fetchrow(_WHERE)
    assert row is not None  # noqa: S101 - it selects from functions
    if row["replica"]:
        message = "DATABASE_URL names a read replica; nothing can be written there."
        return [Finding("cluster", Health.FAIL, message, "Give the address of the primary.")]
    message = f"Timeline {row['timeline']}; {row['replicas']} replicas follow. A promotion ends all cursors."
    return [Finding("cluster", Health.OK, message)]


async def _restored(admin: Connection) -> list[Finding]:
    """Look for positions in the future, which a logical restore leaves. Only a superuser sees them all."""
    if not await admin.fetchval("select to_regclass('public.session_events') is not null"):
        return []
    if await admin.fetchval(_AHEAD):
        message = "Events carry transaction ids that this cluster has not reached: streams do not show them."
        return [Finding("restored rows", Health.FAIL, message, "Stop the service, then: evalium restored")]
    return [Finding("restored rows", Health.OK, "Every event is where streams read it.")]


async def _ledger(settings: Settings, admin: Connection) -> list[Finding]:
    """See whether rows wait long for their seal, and whether each tenant's newest checkpoint fits its chain."""
    if not await admin.fetchval("select to_regclass('public.activity_checkpoints') is not null"):
        return []
    name, waiting = "ledger", await admin.fetchval(_UNSEALED)
    if waiting:
        message = f"{waiting} ledger rows have waited for their seal for more than a minute."
        return [Finding(name, Health.WARN, message, "Start the service, or see which transaction stays open.")]
    if has_signing_key(settings):
        notary = Notary(Tokens(signing_key(settings)).secret_for("ledger-checkpoints"))
        for row in await admin.fetch(_NEWEST_CHECKPOINTS, notary.key_id):
            if row["hash"] != row["head"] or not told(row).is_signed_by(notary.public):
                message = f"Checkpoint {row['number']} of tenant {row['tenant_id']} does not fit its chain."
                advice = "Export it, and verify it with a checkpoint that was kept elsewhere: docs/guides/ledger.md"
                return [Finding(name, Health.FAIL, message, advice)]
    return [Finding(name, Health.OK, "Every row is sealed; the newest checkpoints fit.")]


async def _redis(url: str) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType] - typed in part only
            told: dict[str, object] = await client.info("server")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - likewise
            version = str(told.get("redis_version", "of unknown version"))
    except (RedisError, OSError, ValueError, TimeoutError) as error:
        message = f"The Redis of REDIS_URL does not answer: {error or 'no answer in time'}."
        return Finding("redis", Health.FAIL, message, "Start it, or unset REDIS_URL.")
    return Finding("redis", Health.OK, f"Redis {version} answers.")


def _assets() -> Finding:
    folder = web.find_dist()
    if not folder.is_dir():
        return Finding("web pages", Health.WARN, f"{folder} is missing; the API is whole without it.", "make web")
    return Finding("web pages", Health.OK, str(folder))


def _running(settings: Settings) -> Finding:
    """Ask the server that should run here how it is; one that does not run is no fault."""
    name, address = "running server", f"http://{_reachable(settings.host)}:{settings.port}/readyz"
    try:
        response = httpx2.get(address, timeout=PATIENCE_SECONDS)
        told = cast("dict[str, Any]", response.json())
    except (httpx2.HTTPError, ValueError) as error:
        return Finding(name, Health.OK, f"None answers at {address} ({type(error).__name__}).")
    checks = cast("dict[str, str]", told.get("checks", {}))
    amiss = ", ".join(f"{what}: {state}" for what, state in checks.items() if state != "ok")
    match told.get("status"):
        case "ready":
            return Finding(name, Health.OK, f"{address} says that all is well.")
        case "degraded":
            advice = "Streams look every two seconds meanwhile. Mend Redis, or the way to PostgreSQL, whichever it is."
            return Finding(name, Health.WARN, f"{address} says: {amiss}.", advice)
        case _:
            advice = "Mend what is named above; the server comes back by itself."
            return Finding(name, Health.FAIL, f"{address} answers {response.status_code}: {amiss or told}.", advice)


def _reachable(host: str) -> str:
    """Return where a server that listens on `host` is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not listened on
    return f"[{host}]" if ":" in host else host


def _failed(name: str, error: Exception) -> Finding:
    if isinstance(error, SetupError):
        return Finding(name, Health.FAIL, error.message, error.advice)
    return Finding(name, Health.FAIL, str(error), "Read the message; it names the file or address.")
