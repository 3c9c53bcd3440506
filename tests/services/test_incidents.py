"""Commands to many sessions: everything at once, each told by its row, and nobody given anything twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from models.activity import Activity
from models.base import uuid7
from models.incidents import Incident, IncidentKind, IncidentSession
from models.overrides import AssignmentOverride
from models.sessions import ReasonCategory, SessionEvent, SessionState
from services import (
    deadlines,
    idempotency,
    incidents,
    incidents_loss,
    invitations,
    overrides,
    policy,
    sessions,
    sessions_status,
)
from services.idempotency import Request
from services.incidents import MOST, Choice, Command, Filter, Listing
from services.incidents_loss import Loss, Pause
from services.paging import PageRequest
from services.refusals import (
    ConfirmationNeeded,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    NothingChosen,
    NothingLost,
    StateDrift,
)
from services.sessions_expiry import submit
from services.sessions_status import DisplayStatus
from tests.factories import assignments as issued
from tests.factories import sessions as factory

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE, SECOND, MICROSECOND = timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1)
PAGE = PageRequest(first=100)
INSTANTS = st.integers(0, 4 * 3600 * 1_000_000).map(lambda n: NINE + n * MICROSECOND)


@pytest.fixture
async def sitting(world) -> factory.Sitting:
    return await factory.sitting(world, run_label=f"Run_{uuid7().hex[-8:]}")


def of(*candidates) -> Choice:
    return Choice(listed=[(str(one.session_id), one.session_id) for one in candidates])


async def act_on(world, act, choice, *args, office=None, key=None, reason="Power cut.", **more):
    """Give a command; returns its answer."""
    command = Command(choice, ReasonCategory.TECHNICAL, reason)

    async def do(work):
        return await act(work, command, *args, **more)

    async def unit(work):
        given = {"reason": reason, "loss": str(args)}
        request = None if key is None else Request.of(act.__name__, key, given)
        return await idempotency.once(work, request, do)

    return await (office or world.office).perform(world.system, unit, repeatable=True)


async def pause(world, choice, **more):
    return await act_on(world, incidents.pause, choice, **more)


async def resume(world, choice, **more):
    return await act_on(world, incidents.resume, choice, **more)


async def compensate(world, choice, loss, *, confirmed=False, **more):
    return await act_on(world, incidents.compensate, choice, loss, is_high_stakes_confirmed=confirmed, **more)


def codes(answer) -> list[str | None]:
    return [row["problem"] and row["problem"]["code"] for row in answer["rows"]]


async def count(world, wanted) -> int:
    async with world.office.snapshot(world.system) as work:
        return await work.session.scalar(select(func.count()).select_from(wanted.subquery()))


async def parts(world, answer) -> list[IncidentSession]:
    async with world.office.snapshot(world.system) as work:
        incident_id = UUID(answer["incident"])
        return (await incidents.parts(work, [incident_id], PAGE))[incident_id].rows


def session(**more: Any) -> Any:
    return SimpleNamespace(**{"started_at": NINE, "state": "active", "version": 1} | more)


@st.composite
def _pauses(draw) -> list[Pause]:
    ends = sorted(draw(st.lists(INSTANTS, max_size=10, unique=True)))
    pairs = zip(ends[::2], ends[1::2], strict=False)
    return [Pause(since, until, is_over=True, incident_id=None) for since, until in pairs]


@given(INSTANTS, INSTANTS, INSTANTS, _pauses())
def test_what_is_owed_is_the_span_in_which_the_clock_ran(one, other, started, pauses) -> None:
    since, until = sorted((one, other))
    loss = Loss(lost_from=since, lost_until=until)
    edges = sorted({since, until, started, *(at for p in pauses for at in (p.since, p.until))})
    ran = timedelta(0)
    for begin, end in pairwise(edges):  # piece by piece: lost, working, and not paused
        middle = begin + (end - begin) / 2
        is_paused = any(p.since <= middle < p.until for p in pauses)
        if since <= middle < until and middle >= started and not is_paused:
            ran += end - begin
    if ran <= timedelta(0):
        with pytest.raises(NothingLost):
            incidents_loss.owed(loss, session(started_at=started), pauses)
        return
    owed = incidents_loss.owed(loss, session(started_at=started), pauses) * SECOND
    assert ran <= owed < ran + SECOND, "never less, and less than a second more"


@given(st.integers(1, 5000), _pauses())
def test_what_a_pause_has_given_is_not_given_again(seconds, pauses) -> None:
    mine = uuid4()
    named = [
        Pause(p.since, p.until, is_over=True, incident_id=str(mine) if n % 2 else None) for n, p in enumerate(pauses)
    ]
    assert incidents_loss.owed(Loss(seconds), session(), named) == seconds, "nothing is deducted that nobody named"
    paused = sum((p.until - p.since for p in named if p.incident_id), timedelta(0))
    loss = Loss(seconds, pause_id=mine)
    if paused >= seconds * SECOND:
        with pytest.raises(NothingLost):
            incidents_loss.owed(loss, session(), named)
    else:
        total = incidents_loss.owed(loss, session(), named) * SECOND + paused
        assert seconds * SECOND <= total < (seconds + 1) * SECOND


def test_a_pause_that_goes_on_is_not_deducted_yet() -> None:
    mine = uuid4()
    going_on = Pause(NINE, NINE + MINUTE, is_over=False, incident_id=str(mine))
    with pytest.raises(StateDrift):
        incidents_loss.owed(Loss(600, pause_id=mine), session(state="paused"), [going_on])


@pytest.mark.parametrize(
    ("loss", "field"),
    [
        (Loss(), "seconds"),
        (Loss(60, NINE, NINE + MINUTE), "seconds"),
        (Loss(lost_from=NINE), "seconds"),
        (Loss(60, lost_until=NINE), "seconds"),
        (Loss(0), "seconds"),
        (Loss(lost_from=NINE.replace(tzinfo=None), lost_until=NINE + MINUTE), "lostFrom"),
        (Loss(lost_from=NINE + MINUTE, lost_until=NINE), "lostUntil"),
        (Loss(lost_from=NINE, lost_until=NINE + timedelta(days=1)), "lostUntil"),
        (Loss(lost_from=NINE, lost_until=NINE + MINUTE, pause_id=uuid4()), "pauseIncidentId"),
    ],
)
def test_a_loss_is_said_in_one_way_and_lies_behind_us(loss, field) -> None:
    with pytest.raises(InvalidInput) as refused:
        incidents_loss.check(loss, NINE + timedelta(hours=2))
    assert refused.value.path == (field,)


async def test_pause_resume_and_exactly_the_rest_is_given(world, sitting):
    """Eleven minutes were lost; the pause came after three and lasted a little under eight."""
    running = [await sitting.candidate() for _ in range(4)]
    before = [(await one.row()).deadline_at for one in running]
    begun = await pause(world, of(*running))
    later = world.office.shifted(8 * MINUTE - 100 * timedelta(milliseconds=1))
    ended = await resume(world, Choice(incident_id=UUID(begun["incident"])), office=later)
    assert (codes(begun), codes(ended)) == ([None] * 4, [None] * 4)
    paused = [deadlines.span((await one.row()).paused_seconds) for one in running]
    assert len(set(paused)) == 1, "all of them at one instant"
    loss = Loss(660, pause_id=UUID(begun["incident"]))
    answer = await compensate(world, of(*running), loss, office=later)
    after = [(await one.row()).deadline_at for one in running]
    given_ = {row["seconds"] for row in answer["rows"]}
    assert given_ == {-(-(11 * MINUTE - paused[0]) // SECOND)}
    assert {new - old for old, new in zip(before, after, strict=True)} == {paused[0] + given_.pop() * SECOND}
    assert all(11 * MINUTE <= new - old < 11 * MINUTE + SECOND for old, new in zip(before, after, strict=True))


async def test_each_row_is_told_and_the_others_go_on(world, sitting):
    runs, waits, paused, gone = [await sitting.candidate(started=n != 1) for n in range(4)]
    await pause(world, of(paused))
    await world.office.perform(gone.viewer.elevated(), lambda work: submit(work, gone.session_id))
    nowhere = uuid4()
    choice = Choice(
        listed=[
            (str(one), one)
            for one in (gone.session_id, runs.session_id, nowhere, waits.session_id, runs.session_id, paused.session_id)
        ]
        + [("rubbish", None)]
    )
    answer = await pause(world, choice)
    expected = ["STATE_DRIFT", None, "NOT_FOUND", "STATE_DRIFT", "INVALID_INPUT", "STATE_DRIFT", "NOT_FOUND"]
    assert codes(answer) == expected
    states = [row["problem"] and row["problem"]["facts"].get("current_state") for row in answer["rows"]]
    assert states == ["SUBMITTED", None, None, "CREATED", None, "PAUSED", None]
    assert [row["session"] for row in answer["rows"]][2] is None
    assert (await runs.row()).state == SessionState.PAUSED
    async with world.office.snapshot(world.system) as work:
        kept = (await incidents.by_ids(work, [UUID(answer["incident"])]))[UUID(answer["incident"])]
        ledger = select(Activity).where(Activity.subject_id == kept.id)
        told = (await work.session.scalars(ledger)).one()
        of_session = await incidents.listed(work, Listing(session_id=runs.session_id), PAGE)
        others = await incidents.listed(work, Listing(IncidentKind.RESUME, runs.session_id), PAGE)
    assert (kept.kind, kept.reason, kept.chosen_count, kept.done_count) == ("pause", "Power cut.", 7, 1)
    assert (told.act, told.reason, told.after["done"]) == ("incident.commanded", "Power cut.", 1)
    assert [row.id for row in of_session.rows] == [kept.id]
    assert others.rows == []
    rows = {row.session_id: row.refusal for row in await parts(world, answer)}
    assert rows == {
        runs.session_id: None,
        waits.session_id: "STATE_DRIFT",
        paused.session_id: "STATE_DRIFT",
        gone.session_id: "STATE_DRIFT",
    }


async def test_a_filter_finds_whom_the_command_is_for(world, sitting):
    a, b, gone = [await sitting.candidate() for _ in range(3)]
    await sitting.candidate(started=False)
    await world.office.perform(gone.viewer.elevated(), lambda work: submit(work, gone.session_id))
    everybody = Choice(filter=Filter(sitting.assignment.id))
    begun = await pause(world, everybody)
    assert {row["session"] for row in begun["rows"]} == {str(a.session_id), str(b.session_id)}
    assert codes(begun) == [None, None]
    with pytest.raises(NothingChosen):
        await pause(world, everybody)
    given_ = await compensate(world, Choice(filter=Filter(run_label=sitting.assignment.run_label)), Loss(60))
    assert codes(given_) == [None, None], "who is paused is given it too"
    assert codes(await resume(world, everybody)) == [None, None]
    submitted = Filter(sitting.assignment.id, display_status=[DisplayStatus.SUBMITTED])
    assert codes(await pause(world, Choice(filter=submitted))) == ["STATE_DRIFT"]
    with pytest.raises(InvalidInput, match="narrows nothing"):
        await pause(world, Choice(filter=Filter()))


async def test_what_makes_no_sense_is_refused_as_a_whole(world, sitting):
    one = await sitting.candidate()
    with pytest.raises(NothingChosen):
        await pause(world, Choice(listed=[]))
    with pytest.raises(NothingChosen):
        await pause(world, Choice(listed=[(str(uuid4()), uuid4())]))
    with pytest.raises(InvalidInput, match=str(MOST)):
        await pause(world, Choice(listed=[(str(n), uuid4()) for n in range(MOST + 1)]))
    with pytest.raises(InvalidInput, match="reason"):
        await pause(world, of(one), reason="  ")
    with pytest.raises(NotFound):
        await resume(world, Choice(incident_id=uuid4()))
    given_ = await compensate(world, of(one), Loss(60))
    with pytest.raises(NotFound, match="pausing Incident"):
        await compensate(world, of(one), Loss(60, pause_id=UUID(given_["incident"])))
    assert (await one.row()).state == SessionState.ACTIVE


async def test_another_tenant_s_sessions_are_nowhere(world, sitting, office):
    from tests.factories import tenants  # noqa: PLC0415 - for this test alone

    one, other = await sitting.candidate(), await tenants.found(office)
    with pytest.raises(NothingChosen):
        await pause(other, of(one))
    assert (await one.row()).state == SessionState.ACTIVE


async def test_a_span_is_counted_for_each_session_by_its_own_clock(world, sitting):
    early, held = await sitting.candidate(), await sitting.candidate()
    waits = await sitting.candidate(started=False)
    start = (await early.row()).started_at
    ten = world.office.shifted(10 * MINUTE)
    await pause(world, of(held))
    await resume(world, of(held), office=world.office.shifted(4 * MINUTE))
    paused = deadlines.span((await held.row()).paused_seconds)
    held_from = (await held.row()).started_at
    loss = Loss(lost_from=start - MINUTE, lost_until=start + 9 * MINUTE)
    answer = await compensate(world, of(early, held, waits), loss, office=ten)
    assert codes(answer) == [None, None, "NOTHING_LOST"]
    worked = start + 9 * MINUTE - held_from - paused
    assert [row["seconds"] for row in answer["rows"]] == [540, -(-worked // SECOND), None]


async def test_high_stakes_want_to_be_confirmed(world):
    grave = await factory.sitting(world, security_config={"proctoring": "live"})
    _, (invitation,) = await _issued(world, grave.version)
    session_id = await _started(world, invitation)
    choice = Choice(listed=[("it", session_id)])
    with pytest.raises(ConfirmationNeeded):
        await compensate(world, choice, Loss(60))
    assert codes(await compensate(world, choice, Loss(60), confirmed=True)) == [None]


async def _issued(world, version, **terms):
    answer = await issued.issue(world, version, issued.by_email(*issued.addresses(1)), **terms)
    assignment_id = UUID(answer["assignment"])
    return assignment_id, await issued.invitations_of(world, assignment_id)


async def _started(world, invitation) -> UUID:
    session_id = UUID(await issued.redeem(world.office, invitations.mint(issued.TOKENS, invitation)))
    await world.office.perform(world.system, lambda work: sessions.start(work, session_id))
    return session_id


async def _session(world, session_id):
    async with world.office.snapshot(world.system) as work:
        return (await sessions.by_ids(work, [session_id]))[session_id]


async def test_what_was_given_can_be_taken_back_and_is_not_given_to_a_later_attempt(world, sitting):
    _, (invitation,) = await _issued(world, sitting.version, time_limit_seconds=3600, allowed_attempts=2)
    session_id = await _started(world, invitation)
    before = (await _session(world, session_id)).deadline_at
    answer = await compensate(world, Choice(listed=[("it", session_id)]), Loss(660), reason="Lost 11 minutes.")
    given_ = await _session(world, session_id)
    assert given_.deadline_at == before + 11 * MINUTE
    (part,) = await parts(world, answer)
    (added,) = policy.from_json(given_.policy).extension_seconds.added
    assert (added.value, added.source.id, added.source.why) == (660, str(part.override_id), "Lost 11 minutes.")
    (again,) = await issued.invite_again(world, invitation, [2])
    second = await _session(world, await _started(world, again))
    assert policy.from_json(second.policy).extension_seconds.value == 0
    await world.office.perform(world.system, lambda work: overrides.reverse(work, part.override_id, "A mistake."))
    assert (await _session(world, session_id)).deadline_at == before


async def test_time_is_given_and_taken_while_the_clock_stands(world, sitting):
    """What is taken back while a session is paused counts by its standing clock: it has no time left when it goes on."""
    _, (invitation,) = await _issued(world, sitting.version, time_limit_seconds=600)
    session_id = await _started(world, invitation)
    choice, end = Choice(listed=[("it", session_id)]), (await _session(world, session_id)).deadline_at
    early, late = world.office.shifted(9 * MINUTE), world.office.shifted(40 * MINUTE)
    given_ = await compensate(world, choice, Loss(660), office=early)
    begun = world.office.shifted(15 * MINUTE)
    await pause(world, choice, office=begun)
    await compensate(world, choice, Loss(60), office=late)
    assert (await _session(world, session_id)).deadline_at == end + 12 * MINUTE
    for incident in (given_, await compensate(world, choice, Loss(30), office=late)):
        (part,) = await parts(world, incident)
        await late.perform(world.system, lambda work, p=part: overrides.reverse(work, p.override_id, "A mistake."))
    standing = await _session(world, session_id)
    assert standing.deadline_at == standing.paused_at, "used up, and not before the clock was stopped"
    await resume(world, choice, office=late)
    after = await _session(world, session_id)
    assert after.deadline_at == after.resumed_at
    assert sessions_status.seconds_remaining(after, after.resumed_at) == 0


async def test_twins_with_one_key_act_once(world, sitting):
    running = [await sitting.candidate() for _ in range(10)]
    before = [(await one.row()).deadline_at for one in running]
    key = str(uuid4())
    answers = await asyncio.gather(*(compensate(world, of(*running), Loss(660), key=key) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert [(await one.row()).deadline_at - old for one, old in zip(running, before, strict=True)] == [11 * MINUTE] * 10
    ledger = select(AssignmentOverride.id).where(AssignmentOverride.assignment_id == sitting.assignment.id)
    assert await count(world, ledger) == 10
    with pytest.raises(IdempotencyMismatch):
        await compensate(world, of(*running), Loss(661), key=key)


async def test_commands_over_the_same_sessions_in_any_order_come_one_after_the_other(world, sitting):
    """Twelve commands at once over overlapping lists, half of them backwards: all of them count, none gets stuck."""
    running = [await sitting.candidate() for _ in range(8)]
    before = [(await one.row()).deadline_at for one in running]
    lists = [running[n % 3 :] if n % 2 else running[n % 3 :][::-1] for n in range(12)]
    await asyncio.gather(*(compensate(world, of(*chosen), Loss(10 + n)) for n, chosen in enumerate(lists)))
    for place, (one, old) in enumerate(zip(running, before, strict=True)):
        expected = sum(10 + n for n, chosen in enumerate(lists) if one in chosen)
        assert (await one.row()).deadline_at == old + expected * SECOND, place
        async with world.office.snapshot(world.system) as work:
            seqs = select(SessionEvent.seq).where(SessionEvent.session_id == one.session_id)
            found = [row.seq for row in await work.rows(seqs.order_by(SessionEvent.xid, SessionEvent.id))]
        assert found == list(range(1, len(found) + 1))


async def test_pausing_everybody_while_they_hand_in_and_save(world, sitting):
    running = [await sitting.candidate() for _ in range(12)]

    async def hand_in(one):
        try:
            await world.office.perform(one.viewer.elevated(), lambda work: submit(work, one.session_id))
        except StateDrift as refused:
            return refused.current_state
        return "SUBMITTED"

    async def save(one):
        try:
            await one.save(0, 1, one.right(0))
        except StateDrift as refused:
            return refused.current_state
        return "ACTIVE"

    answer, *ended = await asyncio.gather(
        pause(world, of(*running)), *(hand_in(one) for one in running[:6]), *(save(one) for one in running[6:])
    )
    for one, code, end in zip(running[:6], codes(answer), ended, strict=False):
        row = await one.row()
        assert row.state.upper() == end
        assert (code is None) is (end == "PAUSED")
    assert [(await one.row()).state for one in running[6:]] == ["paused"] * 6


async def test_nothing_is_left_of_a_command_that_fails_at_its_end(world, sitting):
    running = [await sitting.candidate() for _ in range(3)]
    command = Command(of(*running), ReasonCategory.STAFF, "Because.")

    class Cut(Exception):  # noqa: N818 - what happens from outside
        pass

    async def act(work):
        await incidents.compensate(work, command, Loss(60), is_high_stakes_confirmed=False)
        await work.session.flush()
        raise Cut

    before = [await one.row() for one in running]
    made = await count(world, select(Incident.id))
    with pytest.raises(Cut):
        await world.office.perform(world.system, act)
    assert await count(world, select(Incident.id)) == made
    for old, one in zip(before, running, strict=True):
        new = await one.row()
        assert (new.deadline_at, new.version, new.event_seq) == (old.deadline_at, old.version, old.event_seq)
