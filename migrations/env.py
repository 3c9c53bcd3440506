"""How alembic meets the database: as the owner, one at a time, in short transactions, and with row security loud.

`SET row_security = off` turns a data migration that policies would silently reduce to zero rows into an error.
"""

import asyncio
import importlib
import pkgutil
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from alembic import context
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

LOCK_KEY = 0x6576616C69756D02
TRANSACTION_TIMEOUT_SINCE = 170000
SESSION = (
    # Waiting for another machine that migrates may take as long as its longest migration.
    "SET statement_timeout = '10min'",
    "SET lock_timeout = '10min'",
    f"SELECT pg_advisory_lock({LOCK_KEY})",
    # A lock that is not granted soon makes everybody behind it wait: give up early, and be run again.
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '1min'",
    "SET ROLE evalium_owner",
    "SET search_path = public",
    "SET row_security = off",
)
READERS = "evalium_app, evalium_maintenance"


def models() -> MetaData:
    """Import every module of `models`, and return the tables that they declare."""
    package = importlib.import_module("models")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"models.{found.name}")
    base: Any = importlib.import_module("models.base")
    return base.Base.metadata


def migrate(connection: Connection) -> None:
    """Run what alembic was asked for on a connection that is set up."""
    for statement in SESSION:
        connection.execute(text(statement))
    version = connection.execute(text("SELECT current_setting('server_version_num')::int")).scalar_one()
    if version >= TRANSACTION_TIMEOUT_SINCE:
        connection.execute(text("SET transaction_timeout = '10min'"))
    connection.commit()
    compare = context.config.attributes.get("compare", False)
    context.configure(
        connection=connection,
        target_metadata=models() if compare else None,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=False,  # comparing executes the defaults, and ours read variables that are not set
    )
    with context.begin_transaction():
        context.run_migrations()
    if not compare:
        connection.execute(text(f"GRANT SELECT ON alembic_version TO {READERS}"))
        connection.commit()


async def connect() -> None:
    """Open the one connection, which is also closed for good: its session variables must not go back to a pool."""
    dsn: str = context.config.attributes["dsn"]
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(dsn, timeout=10),
        poolclass=pool.NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database only; there is no SQL script mode.")
asyncio.run(connect())
