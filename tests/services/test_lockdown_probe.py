"""Probes against the database: kept, told, held against the policy, and lost by silence."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs import sessions as sweeper
from models.activity import Activity
from models.lockdown import AssignmentLockdown, LockdownState
from models.sessions import DeliverySession, ReasonCategory, SessionEvent, SessionState
from services import lockdown, lockdown_keys, lockdown_probe, sessions
from services.lockdown import Keys, Signal
from services.refusals import InvalidInput, LockdownRequired, StateDrift
from services.sessions_expiry import submit
from tests.factories import sessions as factory

KEY, EXAM = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "e" * 64
SITE = "https://exam.evalium.test"
REFUSE = {"lockdown_browser": "required"}
RAISE = REFUSE | {"lockdown_failure": "raise_exception"}
VERIFIED, NOT_DETECTED, TAMPERED = LockdownState.VERIFIED, LockdownState.NOT_DETECTED, LockdownState.TAMPERED


@pytest.fixture
async def sitting(world) -> factory.Sitting:
    found = await factory.sitting(world)
    await set_keys(world, found, Keys([KEY.upper()]))
    return found


async def set_keys(world, sitting, keys: Keys) -> None:
    await world.office.perform(
        world.system, partial(lockdown_keys.change, assignment_id=sitting.assignment.id, keys=keys)
    )


async def address(one) -> str:
    return f"{SITE}/s/42?session={(await one.row()).probe_nonce}"


async def probe(one, *, url: str | None = None, office: Any = None, shown: str | None = "") -> None:
    """Probe with the hash of the key for an address, which is the session's own unless another one is given."""
    at = url or await address(one)
    signal = Signal(at, lockdown.key_hash(at, KEY) if shown == "" else shown)
    act = partial(lockdown_probe.probe, session_id=one.session_id, signal=signal, sites=[SITE])
    await (office or one.sitting.world.office).perform(one.viewer.elevated(), act)


async def start(one, *, office: Any = None) -> None:
    act = partial(sessions.start, session_id=one.session_id)
    await (office or one.sitting.world.office).perform(one.viewer.elevated(), act)


async def told(one) -> list[dict[str, Any]]:
    wanted = select(SessionEvent.payload).where(SessionEvent.session_id == one.session_id)
    wanted = wanted.where(SessionEvent.kind == "probe_result").order_by(SessionEvent.seq)
    async with one.sitting.world.office.snapshot(one.sitting.world.system) as work:
        return list(await work.session.scalars(wanted))


async def ledger(one, act: str) -> list[Activity]:
    wanted = select(Activity).where(Activity.subject_id == one.session_id, Activity.act == act)
    async with one.sitting.world.office.snapshot(one.sitting.world.system) as work:
        return list(await work.session.scalars(wanted))


async def test_keys_are_kept_once_and_the_ledger_does_not_say_them(world, sitting):
    await set_keys(world, sitting, Keys([KEY, KEY], [EXAM]))
    async with world.office.snapshot(world.system) as work:
        (row,) = await work.session.scalars(
            select(AssignmentLockdown).where(AssignmentLockdown.assignment_id == sitting.assignment.id)
        )
        rows = list(
            await work.session.scalars(
                select(Activity).where(Activity.subject_id == sitting.assignment.id).order_by(Activity.id)
            )
        )
    assert (row.config_keys, row.browser_exam_keys) == ([KEY], [EXAM])
    first, second = [one for one in rows if one.act == "assignment.lockdown_changed"]
    assert first.before is None
    assert (second.before or {})["browser_exam_keys"] == {"count": 0, "fingerprints": []}
    assert (second.after or {})["config_keys"] == {"count": 1, "fingerprints": [lockdown_keys.fingerprint(KEY)]}
    assert KEY not in str([first.after, second.before, second.after])


async def test_a_start_is_refused_until_the_browser_is_verified(sitting):
    one = await sitting.candidate(started=False, security=REFUSE)
    with pytest.raises(LockdownRequired, match="not been checked yet"):
        await start(one)
    await probe(one, shown=None)
    with pytest.raises(LockdownRequired, match="no sign"):
        await start(one)
    await probe(one)
    row = await one.row()
    assert (row.probe_state, row.probe_failed_count, row.state) == (VERIFIED, 1, SessionState.CREATED)
    late = sitting.world.office.shifted(timedelta(seconds=331))
    with pytest.raises(LockdownRequired, match="not heard since"):
        await start(one, office=late)
    await start(one)
    assert (await one.row()).state == SessionState.ACTIVE
    assert (await one.row()).lockdown_exception_at is None
    assert [event["state"] for event in await told(one)] == [NOT_DETECTED, VERIFIED]


async def test_a_refused_start_is_told_once_a_minute_and_changes_nothing(sitting):
    one = await sitting.candidate(started=False, security=REFUSE)
    for office in (sitting.world.office, sitting.world.office, sitting.world.office.shifted(timedelta(seconds=61))):
        await office.perform(one.viewer.elevated(), partial(lockdown_probe.refused_start, session_id=one.session_id))
    row = await one.row()
    assert (row.state, row.version, row.probe_state, row.started_at) == (SessionState.CREATED, 0, None, None)
    assert [event["start_refused"] for event in await told(one)] == [True, True]


async def test_by_policy_a_session_starts_with_an_exception_instead(sitting):
    one = await sitting.candidate(started=False, security=RAISE)
    await start(one)
    row = await one.row()
    assert (row.state, row.lockdown_exception_at) == (SessionState.ACTIVE, row.started_at)
    (event,) = await told(one)
    assert (event["state"], event["exception"]) == (NOT_DETECTED, True)
    (recorded,) = await ledger(one, "session.lockdown_exception")
    assert (recorded.after or {})["user_id"] == str(one.user_id)
    other = await sitting.candidate(started=False, security=RAISE)
    await probe(other)
    await start(other)
    assert (await other.row()).lockdown_exception_at is None


async def test_a_proctor_lets_one_session_start_and_says_why(world, sitting):
    one, other = [await sitting.candidate(started=False, security=REFUSE) for _ in range(2)]
    waive = partial(
        lockdown_probe.waive, session_id=one.session_id, category=ReasonCategory.TECHNICAL, reason="A borrowed laptop."
    )
    for _ in range(2):
        await world.office.perform(world.system, waive)
    await start(one)
    with pytest.raises(LockdownRequired):
        await start(other)
    (recorded,) = await ledger(one, "session.lockdown_waived")
    assert recorded.reason == "A borrowed laptop."
    assert [event.get("waived") for event in await told(one)] == [True]
    await probe(one, shown="0" * 64)
    row = await one.row()
    assert (row.probe_state, row.lockdown_exception_at) == (TAMPERED, None)
    assert await ledger(one, "session.lockdown_exception") == []


async def test_a_hash_of_another_session_is_found_out_and_told(sitting):
    one, other = [await sitting.candidate(started=False, security=REFUSE) for _ in range(2)]
    assert (await one.row()).probe_nonce != (await other.row()).probe_nonce
    await probe(one)
    await probe(other, url=await address(one))
    row = await other.row()
    assert (row.probe_state, row.probe_cause) == (TAMPERED, "other_session")
    with pytest.raises(LockdownRequired, match="made in another session"):
        await start(other)
    (event,) = await told(other)
    assert event["signals"]["url"] == await address(one)


async def test_every_kind_of_key_that_is_set_is_asked_for(world, sitting):
    await set_keys(world, sitting, Keys([KEY], [EXAM]))
    one = await sitting.candidate(started=False, security=REFUSE)
    await probe(one)
    assert (await one.row()).probe_cause == "incomplete"
    await set_keys(world, sitting, Keys([KEY]))
    await probe(one)
    assert (await one.row()).probe_state == VERIFIED


async def test_the_same_finding_is_told_once_a_minute_and_another_at_once(sitting):
    one = await sitting.candidate(started=False, security=REFUSE)
    for _ in range(3):
        await probe(one)
    await probe(one, office=sitting.world.office.shifted(timedelta(seconds=61)))
    await probe(one, shown="0" * 64)
    await probe(one, shown=None)
    states = [event["state"] for event in await told(one)]
    assert states == [VERIFIED, VERIFIED, TAMPERED, NOT_DETECTED]
    assert (await one.row()).probe_failed_count == 2


async def test_a_browser_that_is_not_heard_of_is_told_by_the_sweeper_once(sitting):
    office = sitting.world.office
    silent, heard = [await sitting.candidate(started=False, security=REFUSE) for _ in range(2)]
    for one in (silent, heard):
        await probe(one)
        await start(one)
    await probe(heard, office=office.shifted(timedelta(seconds=200)))
    late = office.shifted(timedelta(seconds=340))
    for _ in range(2):
        await sweeper.sweep(late)
    row = await silent.row()
    assert (row.probe_state, row.probe_cause, row.state) == (NOT_DETECTED, "silent", SessionState.ACTIVE)
    assert row.lockdown_exception_at is not None
    assert [event["state"] for event in await told(silent)] == [VERIFIED, NOT_DETECTED]
    assert len(await ledger(silent, "session.lockdown_exception")) == 1
    assert ((await heard.row()).probe_state, len(await told(heard))) == (VERIFIED, 2)
    await probe(silent, office=late)
    row = await silent.row()
    assert row.probe_state == VERIFIED
    assert row.lockdown_exception_at is not None, "a proctor has yet to look at it"


async def test_what_is_shown_is_what_the_list_finds_at_every_instant(sitting):
    office = sitting.world.office
    many = [await sitting.candidate(started=False, security=REFUSE) for _ in range(4)]
    many += [await sitting.candidate(started=False, security=REFUSE | {"probe_interval_seconds": 600})]
    plain = await sitting.candidate(started=False)
    for one, shown in zip(many[1:], ("", "0" * 64, None, ""), strict=True):
        await probe(one, shown=shown)
    for seconds in (0, 328, 331, 628, 631):
        async with office.shifted(timedelta(seconds=seconds)).snapshot(sitting.world.system) as work:
            now = await work.now()
            for state in LockdownState:
                wanted = select(DeliverySession.id).where(
                    lockdown.shown_as_any([state]), DeliverySession.assignment_id == sitting.assignment.id
                )
                found = set(await work.session.scalars(wanted))
                rows = await sessions.by_ids(work, [one.session_id for one in many])
                expected = {
                    one.session_id
                    for one in many
                    if lockdown.state_of(rows[one.session_id], lockdown.config_of(rows[one.session_id]), now) is state
                }
                assert found == expected, (seconds, state)
                assert plain.session_id not in found


async def test_what_has_ended_or_wants_no_browser_is_not_probed(sitting):
    plain = await sitting.candidate()
    with pytest.raises(InvalidInput, match="wants no lockdown browser"):
        await probe(plain)
    ended = await sitting.candidate(started=False, security=REFUSE)
    await probe(ended)
    await start(ended)
    await sitting.world.office.perform(ended.viewer.elevated(), partial(submit, session_id=ended.session_id))
    with pytest.raises(StateDrift):
        await probe(ended)
    with pytest.raises(InvalidInput, match="2001 characters"):
        await probe(plain, url="x" * 2001)


async def test_a_candidate_sees_no_keys(world, sitting):
    one = await sitting.candidate(started=False, security=REFUSE)
    count = select(func.count()).select_from(AssignmentLockdown)
    async with world.office.snapshot(one.viewer) as work:
        assert await work.session.scalar(count) == 0
    async with world.office.snapshot(one.viewer.elevated()) as work:
        assert await work.session.scalar(count) > 0


async def test_probes_at_once_are_each_counted_and_told_once(sitting):
    one = await sitting.candidate(started=False, security=REFUSE)
    await probe(one)
    await start(one)
    await asyncio.gather(*(probe(one, shown="0" * 64) for _ in range(12)))
    assert (await one.row()).probe_failed_count == 12
    assert [event["state"] for event in await told(one)] == [VERIFIED, TAMPERED]
    assert len(await ledger(one, "session.lockdown_exception")) == 1
