"""From settings to a database that is ready: the embedded PostgreSQL, or the one that DATABASE_URL names.

    with database.embedded(settings) as cluster:        # nothing to hold when DATABASE_URL is set
        address = await database.prepare(settings, cluster)
        await database.migrate(address)

`prepare` and `migrate` raise `DatabaseUnreachable` when the server does not answer, and may be called again.
"""

import contextlib
from collections.abc import Generator

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from migrations import run
from server import provision
from server.addresses import DatabaseAddress, Target, parse
from server.cluster import ADMIN, Cluster
from server.driver import connected
from server.settings import Settings, signing_key
from server.setup_errors import DatabaseUnreachable, MigrationsPending, UnsafeLogin

DATABASE = "evalium"


@contextlib.contextmanager
def embedded(settings: Settings) -> Generator[Cluster | None]:
    """Run the embedded PostgreSQL for the length of the block; None when DATABASE_URL names another one."""
    if settings.database_url is not None:
        yield None
        return
    with Cluster(settings.data) as cluster:
        yield cluster


async def prepare(settings: Settings, cluster: Cluster | None) -> DatabaseAddress:
    """Make or mend roles and grants where we may, and return the addresses; nothing is migrated yet."""
    if cluster is not None:
        return await prepare_embedded(cluster, DATABASE)
    assert settings.database_url is not None  # noqa: S101 - `embedded` gives a cluster otherwise
    return await prepare_external(settings.database_url, settings.admin_database_url, signing_key(settings))


async def prepare_embedded(cluster: Cluster, name: str) -> DatabaseAddress:
    """Create and provision one database of an embedded cluster; the socket's folder is what guards it."""
    async with connected(cluster.dsn()) as connection:
        if not await connection.fetchval("select exists (select from pg_database where datname = $1)", name):
            await connection.execute(f"CREATE DATABASE {provision.quoted(name)}")
    async with connected(cluster.dsn(database=name)) as connection:
        await provision.provision(connection)
    return address_in(cluster, name)


def address_in(cluster: Cluster, name: str) -> DatabaseAddress:
    """Return the addresses of a provisioned database of an embedded cluster."""
    admin = Target(ADMIN, None, str(cluster.sockets), cluster.port, name)
    app = admin.as_login(provision.LOGIN, None)
    return DatabaseAddress(app=app.sqlalchemy, app_dsn=app.dsn, admin_dsn=admin.dsn)


async def prepare_external(given: SecretStr, admin_given: SecretStr | None, key: Ed25519PrivateKey) -> DatabaseAddress:
    """Decide what DATABASE_URL is: an administrator's address, or the application's own plain login.

    An administrator's is used to provision, and the application gets a login of its own. A plain login is used as it
    is once it is shown to be safe; it is provisioned for first when an administrator's address is given beside it.
    """
    address = await external_address(given, admin_given, key)
    if address.admin_dsn is not None:
        login = parse(SecretStr(address.app_dsn))
        ours = login.user == provision.derived_login(login.database)
        password = login.password.get_secret_value() if ours and login.password is not None else None
        async with connected(address.admin_dsn) as connection:
            await provision.provision(connection, login=login.user, password=password)
    async with connected(address.app_dsn) as connection:
        provision.require_safe(await provision.standing(connection))
    return address


async def external_address(given: SecretStr, admin_given: SecretStr | None, key: Ed25519PrivateKey) -> DatabaseAddress:
    """Work out the addresses that `prepare_external` returns, and change nothing."""
    target = parse(given)
    admin = None if admin_given is None else parse(admin_given)
    async with connected(target.dsn) as connection:
        login = await provision.standing(connection)
    if login.administers:
        password = provision.derived_password(key.private_bytes_raw(), target.database)
        app = target.as_login(provision.derived_login(target.database), password)
        admin = admin or target
    else:
        app = target
    if admin is not None:
        _require_same_database(admin, app)
    return DatabaseAddress(app=app.sqlalchemy, app_dsn=app.dsn, admin_dsn=None if admin is None else admin.dsn)


def _require_same_database(admin: Target, app: Target) -> None:
    if admin.database != app.database:
        raise UnsafeLogin(
            f"EVALIUM_ADMIN_DATABASE_URL names the database '{admin.database}', DATABASE_URL '{app.database}'.",
            hint="Let both addresses name the same database.",
        )


async def migrate(address: DatabaseAddress) -> str:
    """Bring the database to the newest revision and return it; without an administrator it must be there already."""
    try:
        if address.admin_dsn is not None:
            return await run.upgrade(address.admin_dsn)
        state = await run.pending(address.app_dsn)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise DatabaseUnreachable(f"The database does not answer: {error}.") from error
    _require_current(state)
    return state.head


async def find(settings: Settings) -> DatabaseAddress:
    """Return the addresses of a database that another process of ours keeps ready; nothing is changed."""
    if settings.database_url is None:
        cluster = Cluster(settings.data)
        cluster.find_running()
        return address_in(cluster, DATABASE)
    address = await external_address(settings.database_url, settings.admin_database_url, signing_key(settings))
    async with connected(address.app_dsn) as connection:
        provision.require_safe(await provision.standing(connection))
    return address


async def require_current(address: DatabaseAddress) -> None:
    """Refuse a database that is behind the code."""
    _require_current(await run.pending(address.app_dsn))


def _require_current(state: run.Pending) -> None:
    if state:
        raise MigrationsPending(f"The database is at revision {state.current or 'none'}, the code at {state.head}.")
