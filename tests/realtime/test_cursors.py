"""Cursors: what goes in comes out; everything else is refused, and never taken for the beginning or the end."""

import asyncio
import base64
import shutil
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.cursors import EPOCH_SQL, LEEWAY, LIFE, CursorRefused, Cursors, Position
from server.cluster import Cluster
from server.database import prepare_embedded
from server.driver import connected
from tests.external import make_folder, old_server

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
STREAM = f"assignment/{UUID(int=1)}/{UUID(int=2)}"
CURSORS = Cursors(b"s" * 32, "7423/1/16384")
PLACE = Position(4711, UUID(int=815))
TOKEN = CURSORS.issue(STREAM, PLACE, NOW)

positions = st.builds(Position, st.integers(0, 2**63 - 1), st.uuids())
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(positions, times, st.text(max_size=80), st.timedeltas(-LEEWAY, LIFE))
def test_what_was_issued_is_read_within_seven_days(place, at, stream, age):
    token = CURSORS.issue(stream, place, at)
    assert token.isascii()
    assert len(token) < 100
    assert CURSORS.read(token, stream, at + age) == place


def test_every_altered_character_is_refused():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for n, kept in enumerate(TOKEN):
        for other in alphabet.replace(kept, ""):
            with pytest.raises(CursorRefused):
                CURSORS.read(TOKEN[:n] + other + TOKEN[n + 1 :], STREAM, NOW)


def test_every_altered_bit_is_refused():
    raw = base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))
    for n in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[n // 8] ^= 1 << n % 8
        with pytest.raises(CursorRefused):
            CURSORS.read(base64.urlsafe_b64encode(changed).decode().rstrip("="), STREAM, NOW)


def test_every_shortened_or_lengthened_token_is_refused():
    for n in range(len(TOKEN)):
        with pytest.raises(CursorRefused):
            CURSORS.read(TOKEN[:n], STREAM, NOW)
    for more in ("A", "=", "==", " ", "\n", "\0", TOKEN):
        for longer in (TOKEN + more, more + TOKEN):
            with pytest.raises(CursorRefused):
                CURSORS.read(longer, STREAM, NOW)


@given(st.text(max_size=200))
@example("é")
@example("\ud800")
@example("A" * 88)
@example("A" * 100_000)
def test_garbage_is_refused(garbage):
    with pytest.raises(CursorRefused):
        CURSORS.read(garbage, STREAM, NOW)


@given(positions, st.text(max_size=60), st.text(max_size=60))
def test_another_stream_is_refused(place, mine, other):
    token = CURSORS.issue(mine, place, NOW)
    if mine != other:
        with pytest.raises(CursorRefused, match="another stream"):
            CURSORS.read(token, other, NOW)


def test_another_cluster_and_another_key_are_refused():
    with pytest.raises(CursorRefused, match="another database cluster"):
        Cursors(CURSORS.secret, "7423/2/16384").read(TOKEN, STREAM, NOW)
    with pytest.raises(CursorRefused, match="altered or made elsewhere"):
        Cursors(b"t" * 32, CURSORS.epoch).read(TOKEN, STREAM, NOW)


def test_too_old_and_from_the_future_are_refused():
    second = timedelta(seconds=1)
    for late in (LIFE + second, LIFE * 100, -LEEWAY - second, -LIFE):
        with pytest.raises(CursorRefused, match="7 days"):
            CURSORS.read(TOKEN, STREAM, NOW + late)
    assert CURSORS.read(TOKEN, STREAM, NOW + LIFE) == PLACE


@given(positions, positions)
def test_positions_are_ordered_as_the_table_is(a, b):
    assert (a < b) == ((a.xid, a.id.bytes) < (b.xid, b.id.bytes))
    assert Position.start() <= a


@given(st.integers(3, 2**62), st.uuids())
def test_a_horizon_lies_between_what_ended_and_what_did_not(xmin, row):
    assert Position(xmin - 1, row) <= Position.before(xmin) < Position(xmin, row)


async def test_the_application_may_ask_for_the_epoch(database, make_database):
    other = await make_database()
    epochs = []
    for dsn in (database.app_dsn, database.app_dsn, database.admin_dsn, other.app_dsn):
        async with connected(dsn) as login:
            epochs.append(await login.fetchval(EPOCH_SQL))
    assert epochs[0] == epochs[1] == epochs[2] != epochs[3]


@pytest.fixture(params=["carried", "oldest"])
async def restartable(request):
    if request.param == "oldest":
        async with old_server() as server:
            yield server.cluster
        return
    folder = make_folder()
    with Cluster(folder, fast=True) as cluster:
        yield cluster
    shutil.rmtree(folder)


async def test_the_application_reads_one_epoch_before_and_after_a_restart(restartable):
    address = await prepare_embedded(restartable, "evalium")
    epochs = set()
    for _ in range(2):
        async with connected(address.app_dsn) as app:
            epochs.add(await app.fetchval(EPOCH_SQL))
        await asyncio.to_thread(restartable.stop)
        await asyncio.to_thread(restartable.start)
    assert len(epochs) == 1
