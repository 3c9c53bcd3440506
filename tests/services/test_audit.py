"""Notes for the ledger: bounded, written after the answer, never felt by a request, and not lost to an outage."""

import asyncio

import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.activity import Activity
from models.base import uuid7
from services import audit
from services.audit import Audit
from services.viewer import Via, Viewer
from services.work import Office
from tests.factories import tenants


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def place(office):
    return await tenants.found(office)


async def rows(place, act):
    async with place.office.snapshot(place.system) as work:
        return await work.rows(
            select(Activity.act, Activity.after, Activity.actor_kind, Activity.actor_name, Activity.org_unit_id)
            .where(Activity.act == act)
            .order_by(Activity.xid, Activity.id)
        )


async def test_a_loop_of_refusals_is_two_rows_a_minute(place, office):
    clock = Clock()
    notes = Audit(office, clock)
    viewer = await place.staff("viewer")
    told = {"capability": "users.read", "field": "users"}
    for _ in range(1000):
        notes.note(viewer, "permission.denied", ("user", viewer.user_id), after=told, bound="users.read")
    assert await notes.flush() == 1
    clock.now += 61
    assert await notes.flush() == 1
    found = await rows(place, "permission.denied")
    assert [row.after for row in found] == [told, told | {"count": 999, "seconds": 60.0}]
    assert {(row.actor_kind, row.actor_name, row.org_unit_id) for row in found} == {
        ("access", "viewer", place.org_unit_id)
    }
    clock.now += 61
    assert await notes.flush() == 0


async def test_another_principal_or_capability_is_counted_apart(place, office):
    notes = Audit(office)
    one, two = await place.staff("viewer"), await place.staff("proctor")
    for viewer in (one, two):
        for bound in ("users.read", "roles.read"):
            notes.note(viewer, "permission.denied", ("user", viewer.user_id), after={"c": bound}, bound=bound)
    assert await notes.flush() == 4


async def test_a_failed_log_in_names_nobody_but_its_tenant(place, office):
    notes = Audit(office)
    nobody = Viewer(via=Via.ANONYMOUS, tenant_id=place.tenant_id, name="who@example.org")
    notes.note(nobody, "login.failed", ("tenant", place.tenant_id), reason="unknown address")
    notes.note(Viewer.anonymous(), "login.failed", ("tenant", uuid7()))
    assert await notes.flush() == 1
    assert [row.actor_name for row in await rows(place, "login.failed")] == ["who@example.org"]


async def test_a_candidates_session_is_the_actor_though_it_may_not_write(place, office):
    notes = Audit(office)
    candidate = Viewer(
        via=Via.SESSION, tenant_id=place.tenant_id, org_unit_id=place.org_unit_id, session_id=uuid7(), name="candidate"
    )
    notes.note(candidate, "permission.denied", ("session", candidate.session_id), bound="users.read")
    assert await notes.flush() == 1
    assert [row.actor_kind for row in await rows(place, "permission.denied")] == ["session"]


async def test_a_lost_database_delays_notes_and_says_so_once(place, office, monkeypatch):
    notes = Audit(office)
    real, failures = Office.perform, 0

    async def away(self, viewer, act, **options):
        nonlocal failures
        failures += 1
        raise OperationalError("select", None, OSError("away"))

    monkeypatch.setattr(Office, "perform", away)
    for number in range(3):
        notes.note(place.system, "token.used", ("token", uuid7()), after={"n": number})
    with structlog.testing.capture_logs() as logs:
        assert await notes.flush() == 0
        assert await notes.flush() == 0
        monkeypatch.setattr(Office, "perform", real)
        assert await notes.flush() == 3
    assert failures == 2
    assert [entry["event"] for entry in logs] == ["audit.delayed", "audit.resumed"]
    assert [row.after["n"] for row in await rows(place, "token.used")] == [0, 1, 2]


async def test_a_commit_whose_answer_was_lost_is_not_written_twice(place, office, monkeypatch):
    notes = Audit(office)
    real = Office.perform

    async def forgetful(self, viewer, act, **options):
        await real(self, viewer, act, **options)
        raise OperationalError("commit", None, OSError("cut"))

    notes.note(place.system, "token.used", ("token", uuid7()))
    monkeypatch.setattr(Office, "perform", forgetful)
    assert await notes.flush() == 0
    monkeypatch.setattr(Office, "perform", real)
    await notes.flush()
    assert len(await rows(place, "token.used")) == 1


async def test_the_queue_and_the_counts_are_bounded(place, office, monkeypatch):
    monkeypatch.setattr(audit, "MOST_WAITING", 10)
    notes = Audit(office)
    for number in range(50):
        notes.note(place.system, "token.used", ("token", uuid7()), bound=str(number))
    assert await notes.flush() == 10


async def test_what_waits_is_written_at_the_end_with_the_counts(place, office):
    notes = Audit(office)
    stop = asyncio.Event()
    running = asyncio.create_task(notes.run(stop))
    subject = uuid7()
    for _ in range(3):
        notes.note(place.system, "token.used", ("token", subject), bound="one")
    async with asyncio.timeout(10):
        while not await rows(place, "token.used"):
            await asyncio.sleep(0.02)
        stop.set()
        await running
    assert [(row.after or {}).get("count") for row in await rows(place, "token.used")] == [None, 2]
