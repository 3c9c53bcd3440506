"""The monitor: buckets and statuses by the clock, filters, order, and one number of statements for any number of rows."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, text, update

from models.sessions import DeliverySession, SessionState
from server.driver import connected
from services import assignments, assignments_buckets, assignments_monitor, sessions, sessions_expiry, streams
from services.assignments_buckets import Bucket
from services.assignments_monitor import Filter, MonitorOrder
from services.invitations import mint
from services.paging import PageRequest
from services.security import SecurityLevel
from services.sessions_status import DisplayStatus
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

MINUTE = timedelta(minutes=1)
STANDARD = SecurityLevel.STANDARD


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


class Run:
    """An issued assignment with its people in the order of their addresses."""

    def __init__(self, world, assignment_id, emails, invitations):
        self.world = world
        self.id = assignment_id
        self.emails = emails
        self.invitations = invitations

    @classmethod
    async def of(cls, world, version, people, **terms):
        emails = factory.addresses(people)
        answer = await factory.issue(world, version, factory.by_email(*emails), **terms)
        assignment_id = UUID(answer["assignment"])
        return cls(world, assignment_id, emails, await factory.invitations_of(world, assignment_id))

    async def redeem(self, n, office=None) -> UUID:
        token = mint(factory.TOKENS, self.invitations[n])
        return UUID(await factory.redeem(office or self.world.office, token))

    async def start(self, n) -> UUID:
        session_id = await self.redeem(n)
        await self.world.office.perform(self.world.system, lambda work: sessions.start(work, session_id))
        return session_id

    async def submit(self, n) -> UUID:
        session_id = await self.start(n)
        await self.world.office.perform(self.world.system, lambda work: sessions_expiry.submit(work, session_id))
        return session_id

    async def set(self, session_id, **values):
        async def act(work):
            await work.session.execute(update(DeliverySession).where(DeliverySession.id == session_id).values(**values))

        await self.world.office.perform(self.world.system, act)

    async def page(self, office=None, *, planned=STANDARD, orders=(), first=200, after=None, **wanted):
        async with (office or self.world.office).snapshot(self.world.system) as work:
            at = await streams.horizon(work)
            page = PageRequest(first, after, largest=200)
            found = await assignments_monitor.rows(work, self.id, planned, Filter(**wanted), orders, page, at.as_of)
            assert await found.total(work) >= len(found.rows)
            return found

    async def people(self, office=None, **wanted) -> list[int]:
        found = await self.page(office, **wanted)
        return [self.emails.index(row.user.email) for row in found.rows]

    async def buckets(self, office=None) -> str:
        rows = (await self.page(office)).rows
        async with (office or self.world.office).snapshot(self.world.system) as work:
            counts = (await assignments_buckets.counts(work, [self.id]))[self.id]
        assert counts == {bucket: sum(row.bucket is bucket for row in rows) for bucket in Bucket}
        for bucket in Bucket:
            only = await self.page(office, buckets=[bucket])
            assert [row.target_id for row in only.rows] == [row.target_id for row in rows if row.bucket is bucket]
        for status in DisplayStatus:
            only = await self.page(office, display_status=[status])
            expected = [row.target_id for row in rows if row.display_status is status]
            assert [row.target_id for row in only.rows] == expected, status
        return "".join(row.bucket.name[0] for row in rows)


async def test_buckets_follow_invitation_session_and_clock(world, version):
    until = datetime.now(UTC) + timedelta(hours=3)
    run = await Run.of(world, version, 5, valid_until=until, time_limit_seconds=600)
    assert await run.buckets() == "IIIII"
    await run.redeem(1)
    await run.start(2)
    await run.submit(3)
    await run.set(await run.start(4), state=SessionState.TERMINATED, ended_at=datetime.now(UTC))
    assert await run.buckets() == "ISSCC"
    assert await run.buckets(world.office.shifted(timedelta(seconds=500))) == "ISSCC"
    assert await run.buckets(world.office.shifted(timedelta(seconds=606))) == "ISECC"
    assert await run.buckets(world.office.shifted(timedelta(hours=3, seconds=1))) == "EEECC"


async def test_closing_expires_those_who_have_not_started(world, version):
    run = await Run.of(world, version, 2)
    await run.redeem(0)
    await world.office.perform(world.system, lambda work: assignments.close(work, run.id, "Enough."))
    assert await run.buckets() == "SE"


async def test_a_window_that_has_not_opened_leaves_people_invited(world, version):
    run = await Run.of(world, version, 1, valid_from=datetime.now(UTC) + timedelta(days=1))
    assert await run.buckets() == "I"


async def test_without_a_window_the_invitation_expires(world, version):
    run = await Run.of(world, version, 1)
    assert await run.buckets(world.office.shifted(timedelta(days=30, seconds=1))) == "E"


async def test_the_latest_attempt_counts_and_a_person_has_one_row(world, version):
    run = await Run.of(world, version, 1, allowed_attempts=2)
    await run.submit(0)
    (again,) = await factory.invite_again(world, run.invitations[0], [2])
    (row,) = (await run.page()).rows
    assert (row.bucket, row.invited.status) == (Bucket.COMPLETED, "sent")
    run.invitations[0] = again
    await run.redeem(0)
    (row,) = (await run.page()).rows
    assert (row.bucket, row.session.attempt, row.invitation.ordinal, row.invited.status) == (
        Bucket.STARTED,
        2,
        2,
        "accepted",
    )


async def test_status_seconds_and_search(world, version):
    run = await Run.of(world, version, 3, time_limit_seconds=600)
    await run.start(0)
    await run.set(await run.start(1), last_activity_at=datetime.now(UTC) - timedelta(minutes=2))
    rows = (await run.page()).rows
    assert [row.display_status for row in rows] == [DisplayStatus.LIVE, DisplayStatus.IDLE, None]
    assert rows[0].seconds_remaining in range(590, 601)
    assert rows[2].seconds_remaining is None
    late = (await run.page(world.office.shifted(timedelta(hours=1)))).rows[0]
    assert (late.display_status, late.seconds_remaining, late.bucket) == (DisplayStatus.EXPIRED, 0, Bucket.EXPIRED)
    assert await run.people(search=run.emails[1][:4].upper()) == [1]
    assert await run.people(search="C%") == []
    assert await run.people(search="c00") == [0, 1, 2]


async def test_high_stakes_go_by_what_was_frozen_and_else_by_the_plan(world, version):
    strict = await Run.of(world, version, 2, security_config={"proctoring": "LIVE"})
    mild = await Run.of(world, version, 2)
    for run in (strict, mild):
        await run.redeem(0)
    high = SecurityLevel.HIGH_STAKES
    assert await strict.people(planned=high, high_stakes_only=True) == [0, 1]
    assert await mild.people(high_stakes_only=True) == []
    assert await strict.people(planned=STANDARD, high_stakes_only=True) == [0]
    assert [row.security_level for row in (await strict.page(planned=high)).rows] == [high, high]


@pytest.mark.parametrize("order", list(MonitorOrder))
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_every_order_are_whole(world, version, order, descending):
    run = await Run.of(world, version, 7)
    for n in (1, 3, 5):
        session_id = await run.start(n)
        await run.set(session_id, focus_lost_count=n % 2, answered_count=n)
    orders = [(order, descending)]
    whole = [row.target_id for row in (await run.page(orders=orders)).rows]
    assert len(set(whole)) == 7
    seen, after = [], None
    while True:
        page = await run.page(orders=orders, first=2, after=after)
        seen += [row.target_id for row in page.rows]
        if not page.has_next:
            break
        after = page.cursors[-1]
    assert seen == whole


async def test_a_hundred_rows_take_as_many_statements_as_five(world, version):
    engine = world.office._engine.sync_engine
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    numbers = []
    for people in (5, 100):
        run = await Run.of(world, version, people)
        for n in range(3):
            await run.start(n)
        statements.clear()
        event.listen(engine, "before_cursor_execute", note)
        try:
            page = await run.page()
            [row.invited for row in page.rows]
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert len(page.rows) == people
        numbers.append(len(statements))
        assert not any("session_events" in statement for statement in statements)
    assert numbers[0] == numbers[1]


async def test_a_page_does_not_walk_everybody_in_the_tenant(world, version, database):
    await Run.of(world, version, 1500)
    run = await Run.of(world, version, 5)
    async with connected(database.admin_dsn) as owner:
        await owner.execute("analyze")  # as the database does by itself, a minute later

    async def read(work):
        at = await streams.horizon(work)
        before = (await work.rows(text(_READ)))[0]
        page = await assignments_monitor.rows(work, run.id, STANDARD, Filter(), (), PageRequest(100, None), at.as_of)
        after = (await work.rows(text(_READ)))[0]
        return len(page.rows), after.read - before.read

    async with world.office.snapshot(world.system) as work:
        rows, people = await read(work)
    assert rows == 5
    assert people <= 5 * rows


_READ = "select seq_tup_read + idx_tup_fetch as read from pg_stat_xact_user_tables where relname = 'users'"
