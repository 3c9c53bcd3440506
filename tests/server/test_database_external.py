import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from server import provision
from server.addresses import DatabaseAddress, Target, parse
from server.cluster import ADMIN, Cluster
from server.database import migrate, prepare_external
from server.driver import connected
from server.setup_errors import (
    BadDatabaseAddress,
    DatabaseRefused,
    DatabaseTooOld,
    DatabaseUnreachable,
    MigrationsPending,
    MissingPrivilege,
    UnsafeLogin,
)
from tests.external import MARKS, Server, make_folder, old_server

KEY = Ed25519PrivateKey.generate()
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Server]:
    async with old_server() as made:
        yield made


@pytest.fixture
async def name(server: Server) -> str:
    database = f"db_{next(NUMBERS)}"
    await server.run(f"CREATE DATABASE {database}")
    return database


async def test_an_administrators_address_provisions_migrates_and_yields_a_safe_login(server: Server, name: str) -> None:
    given_url = server.url(ADMIN, name)
    address = await prepare_external(given_url, None, KEY)
    with pytest.raises(MigrationsPending, match="at revision none"):
        await migrate(DatabaseAddress(address.app, address.app_dsn, None))
    assert await migrate(address) == await migrate(DatabaseAddress(address.app, address.app_dsn, None))
    async with connected(address.app_dsn) as connection:
        login = await provision.standing(connection)
        assert (login.name, login.dangers, login.version // 10000) == (f"evalium_login_{name}", [], 15)
        assert await connection.fetchval("show statement_timeout") == "30s"
        assert await connection.fetchval("select count(*) from tenants") == 0
    engine = create_async_engine(address.app)
    async with engine.connect() as through_sqlalchemy:
        assert (await through_sqlalchemy.execute(text("select current_user"))).scalar() == login.name
    await engine.dispose()


async def test_machines_that_share_the_key_agree_and_the_log_never_shows_a_password(server: Server, name: str) -> None:
    urls = [server.url(ADMIN, name)] * 4
    answers = await asyncio.gather(*(prepare_external(url, None, KEY) for url in urls))
    assert len({answer.app for answer in answers}) == 1
    stored = "select rolpassword from pg_authid where rolname = "
    before = await server.run(f"{stored} 'evalium_login_{name}'")
    await prepare_external(urls[0], None, KEY)
    assert await server.run(f"{stored} 'evalium_login_{name}'") == before
    other = await prepare_external(urls[0], None, Ed25519PrivateKey.generate())
    assert other.app != answers[0].app
    with pytest.raises(DatabaseRefused, match="password authentication failed"):
        async with connected(answers[0].app_dsn):
            pass
    written = server.cluster.log_path.read_text()
    assert "SCRAM-SHA-256$" in written
    for answer in (answers[0], other):
        assert str(parse(SecretStr(answer.app_dsn)).password.get_secret_value()) not in written
        assert str(parse(SecretStr(answer.app_dsn)).password.get_secret_value()) not in repr(answer)


async def test_the_login_of_one_database_cannot_enter_another(server: Server, name: str) -> None:
    first = await prepare_external(server.url(ADMIN, name), None, KEY)
    await server.run(f"CREATE DATABASE {name}_other")
    await prepare_external(server.url(ADMIN, f"{name}_other"), None, KEY)
    login = parse(SecretStr(first.app_dsn))
    elsewhere = Target(login.user, login.password, login.host, login.port, f"{name}_other")
    with pytest.raises(DatabaseRefused, match="permission denied for database"):
        async with connected(elsewhere.dsn):
            pass


async def test_a_plain_login_is_used_once_an_administrator_made_it_safe(server: Server, name: str) -> None:
    await server.run(f"CREATE ROLE plain_{name} LOGIN PASSWORD '{MARKS}'")
    plain, admin = server.url(f"plain_{name}", name), server.url(ADMIN, name)
    with pytest.raises(UnsafeLogin, match="not a member of evalium_app"):
        await prepare_external(plain, None, KEY)
    address = await prepare_external(plain, admin, KEY)
    assert parse(SecretStr(address.app_dsn)).user == f"plain_{name}"
    with pytest.raises(MigrationsPending) as refusal:
        await migrate(await prepare_external(plain, None, KEY))
    assert "EVALIUM_ADMIN_DATABASE_URL" in refusal.value.advice
    await migrate(address)
    assert await migrate(await prepare_external(plain, None, KEY))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("ALTER ROLE {role} BYPASSRLS", "bypasses row security"),
        ("GRANT evalium_maintenance TO {role}", "bypasses row security"),
        ("GRANT evalium_owner TO {role}", "owns"),
    ],
)
async def test_an_unsafe_plain_login_is_refused(server: Server, name: str, spoil: str, reason: str) -> None:
    await server.run(f"CREATE ROLE plain_{name} LOGIN PASSWORD '{MARKS}'")
    plain, admin = server.url(f"plain_{name}", name), server.url(ADMIN, name)
    await migrate(await prepare_external(plain, admin, KEY))
    await server.run(spoil.format(role=f"plain_{name}"))
    with pytest.raises(UnsafeLogin, match=reason):
        await prepare_external(plain, None, KEY)


async def test_our_own_login_loses_what_somebody_gave_it(server: Server, name: str) -> None:
    await prepare_external(server.url(ADMIN, name), None, KEY)
    await server.run(f"GRANT evalium_maintenance TO evalium_login_{name}")
    await server.run(f"ALTER ROLE evalium_login_{name} SUPERUSER BYPASSRLS CREATEROLE")
    address = await prepare_external(server.url(ADMIN, name), None, KEY)
    async with connected(address.app_dsn) as connection:
        assert (await provision.standing(connection)).dangers == []


async def test_an_owner_with_createrole_is_administrator_enough(server: Server, name: str) -> None:
    await server.run(f"CREATE ROLE boss_{name} LOGIN CREATEROLE PASSWORD '{MARKS}'")
    with pytest.raises(MissingPrivilege):
        await prepare_external(server.url(f"boss_{name}", name), None, KEY)
    await server.run(f"ALTER DATABASE {name} OWNER TO boss_{name}")
    address = await prepare_external(server.url(f"boss_{name}", name), None, KEY)
    assert await migrate(address)


async def test_an_owner_with_createrole_is_enough_on_the_newest_version_too() -> None:
    folder = make_folder()
    try:
        with Cluster(folder, fast=True) as cluster:
            newest = Server(cluster)
            await newest.run("CREATE ROLE boss LOGIN CREATEROLE")
            await newest.run("CREATE DATABASE owned OWNER boss")
            given_url = SecretStr(cluster.dsn("boss", "owned"))
            for _ in range(2):
                address = await prepare_external(given_url, None, KEY)
                assert await migrate(address)
            bypasses = "select rolbypassrls from pg_roles where rolname = 'evalium_maintenance'"
            assert await newest.run(bypasses) is False  # only who bypasses may hand it on; doctor says so
            assert await newest.run("show transaction_timeout", "owned") == "1min"
    finally:
        shutil.rmtree(folder)


async def test_addresses_that_lead_nowhere_say_which_way_to_mend_them(server: Server, name: str) -> None:
    with pytest.raises(DatabaseRefused, match="password authentication failed"):
        await prepare_external(server.url(ADMIN, name, "wrong"), None, KEY)
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await prepare_external(server.url(ADMIN, "nowhere"), None, KEY)
    with pytest.raises(UnsafeLogin, match="names the database"):
        await prepare_external(server.url(ADMIN, name), server.url(ADMIN, "postgres"), KEY)
    silent = Target(ADMIN, None, "127.0.0.1", 1, name)
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1"):
        await prepare_external(SecretStr(silent.dsn), None, KEY)


async def test_the_embedded_cluster_is_accepted_by_its_socket_too(cluster: Cluster) -> None:
    async with connected(cluster.dsn()) as connection:
        await connection.execute("CREATE DATABASE by_socket")
    given_url = SecretStr(f"postgresql+asyncpg://{ADMIN}@/by_socket?host={cluster.sockets}")
    address = await prepare_external(given_url, None, KEY)
    assert await migrate(address)
    async with connected(cluster.dsn()) as connection:
        await connection.execute("DROP DATABASE by_socket")


@pytest.mark.parametrize("number", [140012, 90624])
def test_anything_older_than_15_is_refused(number: int) -> None:
    with pytest.raises(DatabaseTooOld, match=rf"PostgreSQL {number // 10000}\."):
        provision.require_version(number)
    provision.require_version(150000)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("mysql://u:hush@h/d", "begins with 'mysql'"),
        ("postgresql://u:hush@h/d?sslrootcert=x&target=y", "sslrootcert, target"),
        ("postgresql://h/d", "no user"),
        ("postgresql://u:hush@h", "no database"),
        ("postgresql://u:hush@h:port/d", "cannot be read"),
        ("hush", "cannot be read"),
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_it(address: str, reason: str) -> None:
    with pytest.raises(BadDatabaseAddress, match=reason) as refusal:
        parse(SecretStr(address))
    assert "hush" not in str(refusal.value)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda word: word == word.strip(),  # an address is trimmed as a whole
)
hosts = st.sampled_from(["db.example.org", "127.0.0.1", "::1", "/run/a folder", "/tmp/x"])  # noqa: S108 - only text


@given(
    words,
    st.none() | words.map("s3cret{}".format),
    hosts,
    st.integers(1, 65535),
    words,
    st.sampled_from([None, "require", "disable"]),
)
def test_both_forms_of_an_address_lead_back_to_it(
    user: str, password: str | None, host: str, port: int, database: str, sslmode: str | None
) -> None:
    target = Target(user, None if password is None else SecretStr(password), host, port, database, sslmode)
    assert parse(SecretStr(target.dsn)) == target
    assert parse(SecretStr(target.sqlalchemy.replace("ssl=", "sslmode="))) == target
    hidden = repr(DatabaseAddress(target.sqlalchemy, target.dsn, None))
    assert "s3cret" not in hidden


@given(words, words)
def test_login_names_fit_and_passwords_differ_by_database(one: str, two: str) -> None:
    assert len(provision.derived_login(one).encode()) <= 63
    assert (one == two) == (provision.derived_password(b"k", one) == provision.derived_password(b"k", two))


def test_a_verifier_fits_its_password_only() -> None:
    verifier = provision.scram_verifier("right")
    assert provision.verifies(verifier, "right")
    assert not provision.verifies(verifier, "wrong")
    assert not provision.verifies("md5abc", "right")
