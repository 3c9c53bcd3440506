"""A PostgreSQL that is not the embedded one: version 15, the oldest that we support, over TCP with scram passwords."""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.addresses import Target
from server.cluster import ADMIN, Cluster
from server.driver import connected

OLD_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
MARKS = "passwörd:/@?#%"


@dataclass(frozen=True)
class Server:
    cluster: Cluster

    def url(self, user: str, database: str, password: str = MARKS) -> SecretStr:
        return SecretStr(Target(user, SecretStr(password), "127.0.0.1", self.cluster.port, database).dsn)

    async def run(self, statement: str, database: str = "postgres") -> object:
        async with connected(self.cluster.dsn(database=database)) as connection:
            return await connection.fetchval(statement)


def make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="evx-"))
    folder.chmod(0o755)
    return folder


@contextlib.asynccontextmanager
async def old_server() -> AsyncIterator[Server]:
    """Start it for the length of the block; skip where it is not installed, but fail in CI."""
    if not (OLD_PROGRAMS / "postgres").exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{OLD_PROGRAMS} is missing: the oldest supported PostgreSQL must be tested here")
        pytest.skip(f"no PostgreSQL 15 in {OLD_PROGRAMS}")
    folder = make_folder()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        with Cluster(folder, programs=OLD_PROGRAMS, fast=True, port=port) as cluster:
            made = Server(cluster)
            await made.run(f"ALTER ROLE {ADMIN} PASSWORD '{MARKS}'")
            await made.run("ALTER SYSTEM SET log_statement = 'all'")
            await made.run("SELECT pg_reload_conf()")
            yield made
    finally:
        shutil.rmtree(folder)
