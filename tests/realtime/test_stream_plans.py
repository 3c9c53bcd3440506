"""Reading on costs what is new, not what is there: the plans of the stream's statements as the application runs them."""

import json
from uuid import UUID

import pytest

from models.base import uuid7
from realtime.cursors import Position
from server.driver import connected
from services import streams
from tests.factories import sessions as factory

EVENTS, OTHERS, TRANSACTIONS = 6_000, 14_000, 400
FILL = """
insert into session_events (tenant_id, org_unit_id, id, session_id, assignment_id, seq, kind, at, xid)
select $1, $2, gen_random_uuid(), $3, $4, 1000 + n, 'focus_lost', now(), 3 + (n * $5 / $6)
from generate_series(1, $6) n
"""


@pytest.fixture(scope="module")
async def busy(world, database):
    """An assignment with thousands of events in hundreds of transactions, beside other assignments; its candidate."""
    mine, other = [await (await factory.sitting(world)).candidate() for _ in range(2)]
    async with connected(database.admin_dsn) as admin:
        for candidate, count in ((mine, EVENTS), (other, OTHERS)):
            whose = (world.tenant_id, world.org_unit_id, candidate.session_id, candidate.sitting.assignment.id)
            await admin.execute(FILL, *whose, TRANSACTIONS, count)
        await admin.execute("analyze session_events")
    return mine


@pytest.fixture(params=["assignment", "session"])
def stream(request, world, busy):
    if request.param == "assignment":
        return streams.assignment_stream(world.tenant_id, busy.sitting.assignment.id)
    return streams.session_stream(world.tenant_id, busy.session_id)


def index_of(stream):
    return f"ix_session_events_{stream.name.split('/')[0]}"


@pytest.fixture(params=[streams.events, streams.events_shown], ids=["bare", "shown"])
def reading(request):
    """Both ways to read: the events alone, and with their sessions and people."""
    return request.param


async def page_of(reading, work, stream, after, limit):
    found = await reading(work, stream, after, limit)
    return found[0] if isinstance(found, tuple) else found


async def plans(world, reading, stream, after, limit):
    """Read a page, then explain its one statement with the values that it took; the scans for the page and beyond it."""
    sent = []
    async with world.office.snapshot(world.system) as work:
        fetch = work.fetch

        async def noted(statement, *values):
            sent.append((statement, values))
            return await fetch(statement, *values)

        work.fetch = noted
        page = await page_of(reading, work, stream, after, limit)
        ((statement, values),) = sent
        explain = f"explain (analyze, buffers, costs off, timing off, format json) {statement}"
        answer = (await fetch(explain, *values))[0][0]
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return page, *sorted(scans(plan), key=lambda scan: "ROW(xid, id) >" not in scan["Index Cond"])


def scans(plan):
    inner = [scan for part in plan.get("Plans", []) for scan in scans(part)]
    return [plan, *inner] if plan.get("Relation Name") == "session_events" else inner


async def middle(world, stream, skip):
    async with world.office.snapshot(world.system) as work:
        page = await streams.events(work, stream, Position.start(), skip)
    return page.position


@pytest.mark.parametrize("skip", [0, 2_000, 5_990])
async def test_a_page_is_read_from_its_place_in_the_index(world, reading, stream, skip):
    after = await middle(world, stream, skip) if skip else Position.start()
    page, scan, beyond = await plans(world, reading, stream, after, 100)
    assert page.rows
    assert scan["Index Name"] == index_of(stream)
    assert "ROW(xid, id) >" in scan["Index Cond"]
    assert "xid <" in scan["Index Cond"]
    assert scan["Rows Removed by Filter"] == 0
    assert scan["Actual Rows"] == len(page.rows)
    blocks = scan["Shared Hit Blocks"] + scan["Shared Read Blocks"]
    assert blocks <= len(page.rows) + 10  # a row's block each, and the way down the index: it begins at the place
    assert "xid >=" in beyond["Index Cond"]
    assert beyond["Actual Rows"] == 0


async def test_a_reader_who_has_everything_touches_nothing(world, reading, stream):
    end = await middle(world, stream, 2 * EVENTS)
    page, *found = await plans(world, reading, stream, end, 100)
    assert not page.rows
    assert len(found) == 2
    for scan in found:
        assert scan["Index Name"] == index_of(stream)
        assert scan.get("Rows Removed by Filter", 0) == 0
        assert scan["Actual Rows"] == 0
        assert "xid" in scan["Index Cond"]


async def test_a_stream_of_another_tenant_shows_nothing(world, busy):
    foreign = streams.assignment_stream(uuid7(), busy.sitting.assignment.id)
    async with world.office.snapshot(type(world.system).system(UUID(int=7))) as work:
        page = await streams.events(work, foreign, Position.start(), 100)
    assert not page.rows
