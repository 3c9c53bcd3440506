"""What is due by now is found by entering an index, below the row policies too."""

import pytest
from sqlalchemy import text

from services import programmes_read
from services.paging import PageRequest
from services.programmes_read import EnrolmentState, Filter


async def test_an_index_is_entered_by_the_time(world):
    async with world.office.work(world.system) as work:
        for name in ("seqscan", "bitmapscan"):
            await work.session.execute(text(f"set local enable_{name} = off"))
        asked = "explain (costs off) select id from programme_progress where next_at <= evalium_now()"
        lines = list(await work.session.scalars(text(asked)))
    assert any("Index Cond" in line and "next_at" in line for line in lines), lines


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(is_held=True), "held"),
        (Filter(states=[EnrolmentState.FAILED]), "failed"),
        (Filter(states=[EnrolmentState.OVERDUE]), "due"),
    ],
)
async def test_a_filter_of_enrolments_uses_its_index(world, monkeypatch, wanted: Filter, index: str):
    seen: list = []

    async def keep(_work, statement, *_more):
        seen.append(statement)

    monkeypatch.setattr(programmes_read, "paged", keep)
    async with world.office.work(world.system) as work:
        await programmes_read.listed(work, wanted, PageRequest())
        await work.session.execute(text("set local enable_seqscan = off"))
        (statement,) = seen
        raw = (await (await work.session.connection()).get_raw_connection()).driver_connection
        compiled = statement.with_only_columns(text("1")).compile(dialect=work.session.bind.dialect)
        assert compiled.params == {}
        lines = [row[0] for row in await raw.fetch(f"explain (costs off) {compiled}")]
    assert any(f"ix_programme_enrolments_{index}" in line for line in lines), lines
