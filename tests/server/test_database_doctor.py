import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.cluster import ADMIN, Cluster
from server.database import embedded, migrate, prepare
from server.doctor import Finding, Health, examine
from server.driver import connected
from server.settings import Settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    for name in list(os.environ):
        if name.startswith("EVALIUM_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)
    folder = Path(tempfile.mkdtemp(prefix="evd-"))
    folder.chmod(0o755)
    monkeypatch.setenv("EVALIUM_DATA", str(folder / "data"))
    yield Settings()
    shutil.rmtree(folder)


async def found(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(settings)}


async def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(settings: Settings) -> None:
    findings = await found(settings)
    assert {finding.health for name, finding in findings.items() if name != "web pages"} == {Health.OK}
    assert "Not set up yet" in findings["database"].message
    assert not settings.data.exists()


async def test_a_healthy_service_is_found_healthy_running_or_not(settings: Settings) -> None:
    with embedded(settings) as cluster:
        address = await prepare(settings, cluster)
        assert "evalium migrate" in (await found(settings))["migrations"].advice
        await migrate(address)
        running = await found(settings)
    stopped = await found(settings)
    for findings in (running, stopped):
        assert {name for name, finding in findings.items() if finding.health is not Health.OK} <= {"web pages"}
        expected = {"database", "application's login", "migrations", "fsync", "data_checksums", "wake-ups", "clocks"}
        expected |= {"streams", "cluster", "restored rows", "running server", "files"}
        assert expected <= set(findings)


async def test_flaws_are_named_with_what_to_type(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALIUM_PROT", "1")
    settings.data.mkdir()
    settings.data.chmod(0o777)
    changed = {"redis_url": SecretStr("redis://127.0.0.1:1"), "signing_key": SecretStr("nonsense")}
    changed |= {"s3_bucket": "evidence", "s3_endpoint": "http://127.0.0.1:1", "s3_region": "eu-west-1"}
    changed |= {"s3_access_key": "key", "s3_secret_key": SecretStr("hush")}
    findings = await found(settings.model_copy(update=changed))
    assert "EVALIUM_PROT" in findings["settings"].message
    assert findings["data directory"].advice.startswith("chmod")
    assert (findings["redis"].health, findings["signing key"].health) == (Health.FAIL, Health.FAIL)
    assert (findings["files"].health, "'evidence' does not answer" in findings["files"].message) == (Health.FAIL, True)
    assert "hush" not in str(findings)


async def test_a_database_that_is_not_durable_or_not_safe_is_named(settings: Settings, cluster: Cluster) -> None:
    async with connected(cluster.dsn()) as connection:
        await connection.execute("CREATE ROLE careless LOGIN BYPASSRLS")
    url = SecretStr(cluster.dsn("careless", "evalium_careless"))
    findings = await found(settings.model_copy(update={"database_url": url}))
    assert findings["database"].health is Health.FAIL
    assert "does not exist" in findings["database"].message
    async with connected(cluster.dsn()) as connection:
        await connection.execute("CREATE DATABASE evalium_careless")
    admin = SecretStr(cluster.dsn(ADMIN, "evalium_careless"))
    assert "first start" in (await found(settings.model_copy(update={"database_url": admin})))["database"].message
    findings = await found(settings.model_copy(update={"database_url": url}))
    assert findings["fsync"].health is Health.WARN
    assert "bypasses row security" in findings["application's login"].message
    assert findings["migrations"].health is Health.FAIL
    assert not settings.data.exists()
    async with connected(cluster.dsn()) as connection:
        await connection.execute("DROP DATABASE evalium_careless")
        await connection.execute("DROP ROLE careless")
