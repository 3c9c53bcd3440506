import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from migrations import run
from server import provision
from server.addresses import DatabaseAddress, parse
from server.cluster import Cluster
from server.database import address_in, prepare_embedded
from server.driver import connected

TEMPLATE = "evalium_template"
LONGEST = (
    "walks/test_process.py",
    "walks/test_candidate_reach.py",
    "walks/test_incidents.py",
    "walks/test_operations.py",
    "walks/test_query_counts.py",
    "walks/test_graphiql.py",
    "walks/test_certificates_page.py",
    "walks/test_workers.py",
    "walks/test_idempotency_walk.py",
    "walks/test_reviews_killed.py",
    "jobs/test_killed_workers.py",
    "realtime/test_bells.py",
    "walks/test_durability.py",
    "server/test_database_cluster.py",
    "walks/test_documents.py",
    "walks/test_audit.py",
    "walks/test_streams_survive.py",
    "jobs/test_killed_programmes.py",
)
"""Files that take more than twenty seconds: begun first, so that no worker has one before it when the others are done."""
HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ENOUGH = 4_000_000_000


def has_memory() -> bool:
    """Whether the clusters of all workers fit into memory, and leave most of it alone."""
    return os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ENOUGH


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; `make test` hands the files out in this order."""
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Look for garbage in what the tests make, and not again and again in the modules that they are made of."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this worker alone: an open transaction anywhere in a cluster holds back every stream in it."""
    folder = Path(tempfile.mkdtemp(prefix="evt-", dir=MEMORY if has_memory() else None))
    folder.chmod(0o755)  # for the user that postgres runs as when the tests run as root
    try:
        with Cluster(folder, fast=True) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def template_database(cluster: Cluster) -> str:
    """Name of a provisioned and migrated database to clone; nobody may be connected to it."""
    address = await prepare_embedded(cluster, TEMPLATE)
    assert address.admin_dsn is not None
    await run.upgrade(address.admin_dsn)
    return TEMPLATE


@pytest.fixture(scope="session")
async def make_database(cluster: Cluster, template_database: str) -> Callable[[], Awaitable[DatabaseAddress]]:
    """Clone the template: `address = await make_database()`. A clone goes with its cluster at the latest."""
    numbers = itertools.count(1)

    async def clone() -> DatabaseAddress:
        name = f"clone_{next(numbers)}"
        async with connected(cluster.dsn()) as admin:
            # by files and not through the log of a cluster that nobody recovers: half of the time
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY file_copy")
        async with connected(cluster.dsn(database=name)) as admin:
            await provision.provision(admin)  # grants and limits of a database are not cloned
        return address_in(cluster, name)

    return clone


@pytest.fixture(scope="module")
async def database(
    cluster: Cluster, make_database: Callable[[], Awaitable[DatabaseAddress]]
) -> AsyncIterator[DatabaseAddress]:
    """A database of this module alone, at the newest revision, empty but for what migrations put there."""
    address = await make_database()
    yield address
    async with connected(cluster.dsn()) as admin:  # what many modules leave would not fit into memory
        await admin.execute(f"DROP DATABASE {parse(SecretStr(address.app_dsn)).database} WITH (FORCE)")
