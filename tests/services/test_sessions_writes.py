"""Writes that are committed together are right as if each had come alone, and no candidate reaches another's session."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.base import uuid7
from models.sessions import Answer, SessionEvent
from services import sessions_batch, sessions_writes
from services.driver import TenantConnection
from services.idempotency import Request
from services.refusals import IdempotencyMismatch, NotFound, Refusal, Unauthenticated
from services.sessions_events import Reported, ReportedKind
from services.sessions_writes import SessionWrites
from services.unit import Unit
from services.work import Office
from tests.factories import sessions as factory
from tests.factories import tenants

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
LOST = [Reported(ReportedKind.FOCUS_LOST, AT)]
BACK = [Reported(ReportedKind.FOCUS_REGAINED, AT)]


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


@pytest.fixture
def writes(office) -> SessionWrites:
    return SessionWrites(office)


@pytest.fixture
def transactions(monkeypatch):
    """The variables of each transaction that was begun."""
    begun = []
    original = Unit.begin

    async def noted(self, variables):
        begun.append(variables)
        await original(self, variables)

    monkeypatch.setattr(Unit, "begin", noted)
    return begun


async def rows_of(world, candidate):
    async with world.office.snapshot(world.system) as work:
        events = await work.session.scalars(
            select(SessionEvent).where(SessionEvent.session_id == candidate.session_id).order_by(SessionEvent.seq)
        )
        answers = await work.session.scalars(select(Answer).where(Answer.session_id == candidate.session_id))
        told = [(row.seq, row.kind, row.payload, row.client_at) for row in events]
        kept = {row.item_id: (row.revision, row.response) for row in answers}
    row = await candidate.row()
    return told, kept, (row.event_seq, row.answered_count, row.focus_lost_count, row.current_position)


async def test_sixty_four_who_wait_share_a_commit_and_each_gets_the_own_answer(world, sitting, writes, transactions):
    candidates = [await sitting.candidate() for _ in range(32)]
    saves = [writes.save(one.viewer, one.item_id(0), 1, one.right(0)) for one in candidates]
    reports = [writes.report(one.viewer, "b", LOST) for one in candidates]
    answers = await asyncio.gather(*saves, *reports)
    assert len(transactions) == 1
    for one, saved, taken in zip(candidates, answers[:32], answers[32:], strict=True):
        assert (saved.row.item_id, saved.row.response, saved.is_current) == (one.item_id(0), one.right(0), True)
        assert taken == {"session_id": str(one.session_id), "accepted": 1, "last_seq": 4}
        told, kept, counters = await rows_of(world, one)
        assert [event[:2] for event in told] == [(1, "created"), (2, "started"), (3, "answer_saved"), (4, "focus_lost")]
        assert kept == {one.item_id(0): (1, one.right(0))}
        assert counters == (4, 1, 1, 1)


async def test_one_who_is_refused_harms_nobody_beside(sitting, writes, transactions):
    good, bad, ended = [await sitting.candidate() for _ in range(3)]
    foreign = good.item_id(0)  # all papers of one evaluation share the ids of their items
    outcomes = await asyncio.gather(
        writes.save(good.viewer, foreign, 1, good.right(0)),
        writes.save(bad.viewer, bad.item_id(0), 1, {"choice": "z"}),
        writes.save(ended.viewer, uuid7(), 1, None),
        writes.report(bad.viewer, "a\x00b", LOST),
        writes.report(bad.viewer, "\ud800", LOST),
        return_exceptions=True,
    )
    assert outcomes[0].is_current
    assert [one.code for one in outcomes[1:]] == ["INVALID_INPUT", "NOT_FOUND", "INVALID_INPUT", "INVALID_INPUT"]
    assert len(transactions) == 1


async def test_an_act_that_breaks_the_statement_breaks_only_itself(sitting, writes, monkeypatch, transactions):
    candidates = [await sitting.candidate() for _ in range(5)]
    original = Unit.fetch

    async def choking(self, statement, *values):
        if "told as" in statement and candidates[2].session_id in values[1]:
            await original(self, "select 1 / 0")
        return await original(self, statement, *values)

    monkeypatch.setattr(Unit, "fetch", choking)
    outcomes = await asyncio.gather(
        *[writes.report(one.viewer, "b", LOST) for one in candidates], return_exceptions=True
    )
    assert [isinstance(one, Exception) for one in outcomes] == [False, False, True, False, False]
    assert len(transactions) == 6
    assert [(await one.row()).event_seq for one in candidates] == [3, 3, 2, 3, 3]


async def test_a_session_that_is_busy_elsewhere_holds_up_nobody_else(office, sitting, writes):
    busy, free = await sitting.candidate(), await sitting.candidate()
    async with office.work(busy.viewer) as work:
        await work.lock(f"session/{busy.viewer.tenant_id}/{busy.session_id}")
        waiting = asyncio.ensure_future(writes.report(busy.viewer, "b", LOST))
        assert (await writes.report(free.viewer, "b", LOST))["last_seq"] == 3
        assert not waiting.done()
    assert (await waiting)["last_seq"] == 3


async def test_one_who_leaves_takes_nobody_along(sitting, writes):
    candidates = [await sitting.candidate() for _ in range(4)]
    tasks = [asyncio.ensure_future(writes.report(one.viewer, "b", LOST)) for one in candidates]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert [one["last_seq"] for one in outcomes[1:]] == [3, 3, 3]


async def test_fifty_twins_have_one_effect_and_other_input_is_refused(sitting, writes):
    candidate = await sitting.candidate()
    request = Request.of("sessionEventsRecord", "k", {"a": 1})
    answers = await asyncio.gather(*[writes.report(candidate.viewer, f"{n}", LOST, request) for n in range(50)])
    assert {one["last_seq"] for one in answers} == {3}
    assert (await candidate.row()).event_seq == 3
    assert await writes.report(candidate.viewer, "later", LOST, request) == answers[0]
    other = Request.of("sessionEventsRecord", "k", {"a": 2})
    with pytest.raises(IdempotencyMismatch):
        await writes.report(candidate.viewer, "later", LOST, other)
    item = candidate.item_id(0)
    saving = Request.of("answerSave", "k", {"a": 1})
    assert (await writes.save(candidate.viewer, item, 1, candidate.right(0), saving)).is_current
    assert (await writes.save(candidate.viewer, item, 9, None, saving)).row.revision == 1


async def test_after_a_day_a_key_is_free_again(office, sitting, writes):
    candidate = await sitting.candidate(time_limit=timedelta(days=3))
    request = Request.of("sessionEventsRecord", "k", {})
    await writes.report(candidate.viewer, "1", LOST, request)
    later = SessionWrites(office.shifted(timedelta(hours=25)))
    assert (await later.report(candidate.viewer, "2", LOST, request))["last_seq"] == 4
    assert (await later.report(candidate.viewer, "3", LOST, request))["last_seq"] == 4


async def test_tenants_and_org_units_never_share_a_transaction(office, sitting, writes, transactions):
    others = await factory.sitting(await tenants.found(office))
    mine, theirs = [await sitting.candidate() for _ in range(3)], [await others.candidate() for _ in range(3)]
    pairs = zip(mine, theirs, strict=True)
    await asyncio.gather(*[writes.report(one.viewer, "b", LOST) for pair in pairs for one in pair])
    assert len(transactions) == 2
    own = str(mine[0].viewer.tenant_id)
    in_order = sorted(transactions, key=lambda variables: variables["app.tenant_id"] != own)
    for variables, candidates in zip(in_order, (mine, theirs), strict=True):
        assert variables["app.tenant_id"] == str(candidates[0].viewer.tenant_id)
        assert variables["app.session_ids"] == f"{{{','.join(str(one.session_id) for one in candidates)}}}"


async def test_a_transaction_of_several_sees_and_writes_these_sessions_alone(office, sitting):
    one, two, outside = [await sitting.candidate() for _ in range(3)]
    variables = sessions_batch.variables(
        (one.viewer.tenant_id, one.viewer.org_unit_id), [one.session_id, two.session_id]
    )

    async def look(unit):
        for table, column in (
            ("delivery_sessions", "id"),
            ("session_papers", "session_id"),
            ("session_events", "session_id"),
        ):
            rows = await unit.fetch(f"select distinct {column} as owner from {table}")
            assert {row["owner"] for row in rows} == {one.session_id, two.session_id}
        assert await unit.fetch("select 1 from question_keys") == []
        assert await unit.fetch("select 1 from users") == []
        changed = "update delivery_sessions set event_seq = 99 where id = $1 returning id"
        assert await unit.fetch(changed, outside.session_id) == []

    await office.perform_unit(variables, look)
    assert (await outside.row()).event_seq == 2


async def test_a_token_of_another_place_reaches_nothing(office, sitting, writes):
    candidate = await sitting.candidate()
    other = await tenants.found(office)
    stranger = type(candidate.viewer)(
        via=candidate.viewer.via,
        tenant_id=other.tenant_id,
        org_unit_id=other.org_unit_id,
        session_id=candidate.session_id,
    )
    with pytest.raises(NotFound):
        await writes.report(stranger, "b", LOST)
    with pytest.raises(Unauthenticated):
        await writes.report(candidate.viewer.elevated(), "b", LOST)


@pytest.mark.parametrize("reached", [False, True])
async def test_a_connection_lost_during_commit_loses_and_doubles_nothing(sitting, writes, monkeypatch, reached):
    """Half of the acts can find their own effect and are done again; a save without a key gets the error, as before.

    The connection is closed where COMMIT is sent: before it reaches the database, or when it has taken effect.
    """
    candidates = [await sitting.candidate() for _ in range(4)]
    original = TenantConnection.execute
    cut = []

    async def cutting(self, query, *args, **options):
        if query != "COMMIT" or cut:
            return await original(self, query, *args, **options)
        cut.append(await original(self, query) if reached else None)
        self.terminate()
        raise ConnectionResetError("cut")

    monkeypatch.setattr(TenantConnection, "execute", cutting)
    request = Request.of("answerSave", "k", {"a": 1})
    outcomes = await asyncio.gather(
        writes.report(candidates[0].viewer, "b", LOST),
        writes.save(candidates[1].viewer, candidates[1].item_id(0), 1, candidates[1].right(0), request),
        writes.save(candidates[2].viewer, candidates[2].item_id(0), 1, candidates[2].right(0)),
        writes.report(candidates[3].viewer, "b", LOST),
        return_exceptions=True,
    )
    assert len(cut) == 1
    assert isinstance(outcomes[2], OperationalError)
    assert [outcomes[0]["last_seq"], outcomes[1].is_current, outcomes[3]["last_seq"]] == [3, True, 3]
    assert [(await one.row()).event_seq for one in candidates] == [3, 3, 3 if reached else 2, 3]
    again = await writes.save(candidates[2].viewer, candidates[2].item_id(0), 1, candidates[2].right(0))
    assert again.is_current
    assert [(await one.row()).event_seq for one in candidates] == [3, 3, 3, 3]


async def test_batches_beside_each_other_never_share_a_session(world, sitting, writes, monkeypatch):
    """Fifty batches of eight candidates, more than one transaction takes: every candidate's come in their order."""
    candidates = [await sitting.candidate() for _ in range(8)]
    open_now, most = [], []
    original = SessionWrites._settled

    async def noted(self, silo, acts, tried, *, wait):
        mine = {one.session_id for one in acts}
        assert not any(mine & others for others in open_now)
        open_now.append(mine)
        most.append(len(open_now))
        try:
            return await original(self, silo, acts, tried, wait=wait)
        finally:
            open_now.remove(mine)

    monkeypatch.setattr(SessionWrites, "_settled", noted)

    async def sit(one):
        for n in range(6):
            pair = [writes.report(one.viewer, f"{n}{half}", BACK * 40) for half in "ab"]
            first, second = await asyncio.gather(*pair)
            assert (first["last_seq"], second["last_seq"]) == (2 + 80 * n + 40, 2 + 80 * n + 80)

    await asyncio.gather(*[sit(one) for one in candidates])
    assert 1 < max(most) <= sessions_writes.IN_FLIGHT
    for one in candidates:
        told_of, _, _ = await rows_of(world, one)
        assert [event[0] for event in told_of] == list(range(1, 483))


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("save"), st.integers(0, 1), st.integers(0, 1), st.integers(0, 5), st.sampled_from("abcz-")),
        st.tuples(st.just("report"), st.integers(0, 1), st.sampled_from("xy"), st.integers(0, 3), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=14,
)


async def told(waiting):
    try:
        answer = await waiting
    except Refusal as refusal:
        return refusal.code, refusal.path  # a message lists the options in the order of one paper
    if isinstance(answer, dict):
        return answer["accepted"], answer["last_seq"]
    return answer.row.revision, answer.row.response, answer.is_current


def asked(writes, candidates, act):
    kind, who, what, number, given = act
    one = candidates[who]
    if kind == "save":
        response = None if given == "-" else {"choice": given}
        return writes.save(one.viewer, one.item_id(what), number, response)
    events = [Reported(ReportedKind.ITEM_VIEWED, AT, position=given)] * number
    return writes.report(one.viewer, what, events)


@given(acts=ACTS)
@settings(max_examples=40, deadline=None)
async def test_together_is_as_one_by_one(world, sitting, office: Office, acts):
    crowd = [await sitting.candidate() for _ in range(2)]
    twins = [await sitting.candidate() for _ in range(2)]
    together = SessionWrites(office)
    gathered = await asyncio.gather(*[told(asked(together, crowd, act)) for act in acts])
    alone = [await told(asked(SessionWrites(office), twins, act)) for act in acts]
    assert gathered == alone
    for one, other in zip(crowd, twins, strict=True):
        assert await rows_of(world, one) == await rows_of(world, other)


async def test_what_changes_over_and_over_stays_on_its_page(world, sitting, writes):
    """A row that has room beside it is changed without touching any index; one that moves is put into each of them."""
    candidates = [await sitting.candidate() for _ in range(6)]
    ids = [one.session_id for one in candidates]

    async def pages() -> list[str]:
        async with world.office.snapshot(world.system) as work:
            asked = (
                "select split_part(ctid::text, ',', 1) as page from delivery_sessions where id = any($1)"
                " union all (select split_part(ctid::text, ',', 1) from answers where session_id = any($1))"
            )
            return sorted(row["page"] for row in await work.fetch(asked, ids))

    await asyncio.gather(*(writes.save(one.viewer, one.item_id(0), 1, one.right(0)) for one in candidates))
    before = await pages()
    for revision in range(2, 40):
        for one in candidates:
            await writes.save(one.viewer, one.item_id(0), revision, one.right(0))
    assert await pages() == before


LOOKUPS = {
    "_ANSWERS": "(uuid[], uuid[])",
    "_FILES": "(uuid[], uuid[])",
    "_BATCHES": "(uuid[], text[])",
    "_ITEMS": "(uuid[], uuid[])",
    "_KEYS": "(text[], text[], text[])",
    "_REVISIONS": "(uuid[])",
    "_SESSIONS": "(uuid[])",
    "_SEEN": "(uuid[], timestamptz)",
}


@pytest.mark.parametrize("name", LOOKUPS)
async def test_rows_are_looked_up_by_an_index_even_while_a_table_is_believed_to_be_empty(world, sitting, name):
    """A plan is kept for as long as the connection: one that reads a whole table is slow as soon as that has grown."""
    types = LOOKUPS[name]
    given = ", ".join("now()" if one == "timestamptz" else "'{}'" for one in types.strip("()").split(", "))

    async def explained(unit):
        await unit.fetch(f"prepare looked_up {types} as {getattr(sessions_batch, name)}")
        plan = [row[0] for row in await unit.fetch(f"explain execute looked_up ({given})")]
        await unit.fetch("deallocate looked_up")
        return "\n".join(plan)

    one = await sitting.candidate()
    plan = await world.office.perform_unit(one.viewer.variables(), explained)
    assert "Index" in plan
    assert not {kind for kind in ("Seq Scan", "Hash Join", "Merge Join") if kind in plan}, plan
