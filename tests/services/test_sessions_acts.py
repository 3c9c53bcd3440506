"""Acts of proctors: legal transitions only, no time lost by pauses, one end of each session, and nothing without a trace."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from models.activity import Activity
from models.sessions import TERMINAL, ReasonCategory, SessionEvent, SessionState
from models.submissions import Submission
from services import (
    activity_related,
    deadlines,
    sessions_actions,
    sessions_acts,
    sessions_messages,
    sessions_pause,
    sessions_terminate,
)
from services.paging import PageRequest
from services.refusals import InvalidInput, Refusal, StateDrift
from services.sessions_actions import SessionAction
from services.sessions_acts import MOST, Target
from services.sessions_expiry import expire, submit
from services.sessions_pause import Why
from tests.factories import sessions as factory

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
WHY = Why(ReasonCategory.EXAMINEE, "Left the room.")
PAGE = PageRequest(first=100)
STEPS = {
    SessionAction.PAUSE: sessions_pause.stop,
    SessionAction.RESUME: sessions_pause.go_on,
    SessionAction.TERMINATE: sessions_terminate.end,
}
LEGAL = {
    (SessionState.ACTIVE, SessionAction.PAUSE): SessionState.PAUSED,
    (SessionState.PAUSED, SessionAction.RESUME): SessionState.ACTIVE,
    (SessionState.CREATED, SessionAction.TERMINATE): SessionState.TERMINATED,
    (SessionState.ACTIVE, SessionAction.TERMINATE): SessionState.TERMINATED,
    (SessionState.PAUSED, SessionAction.TERMINATE): SessionState.TERMINATED,
}
SPANS = st.integers(0, 600_000_000).map(lambda n: n * MICROSECOND)


def one_session(*, started: bool) -> Any:
    return SimpleNamespace(
        state=SessionState.ACTIVE if started else SessionState.CREATED,
        started_at=NINE if started else None,
        deadline_at=NINE + timedelta(days=1),
        ended_at=None,
        grace_seconds=5,
        paused_at=None,
        resumed_at=None,
        last_activity_at=None,
        policy={"idle_threshold_seconds": {"value": 60}},
        paused_seconds=Decimal(0),
        version=1,
    )


@given(st.lists(st.tuples(st.sampled_from(list(STEPS)), SPANS), max_size=20), st.booleans())
def test_only_legal_transitions_and_no_time_is_lost(steps, started) -> None:
    one, now, paused, changes = one_session(started=started), NINE, timedelta(0), 0
    for action, passing in steps:
        now += passing
        paused += passing if one.state == SessionState.PAUSED else timedelta(0)
        before, wanted = one.state, LEGAL.get((one.state, action))
        offered = {row.action: row.enabled for row in sessions_actions.available(one, now, may=True)}
        assert offered[action] is (wanted is not None), "what is offered is what is done"
        if wanted is None:
            with pytest.raises(StateDrift) as refused:
                STEPS[action](one, now)
            assert (refused.value.current_state, refused.value.current_version) == (before.upper(), one.version)
        else:
            STEPS[action](one, now)
            changes += 1
        assert one.state == (wanted or before)
        assert one.version == 1 + changes
        assert (one.paused_at is not None) is (one.state == SessionState.PAUSED)
        assert (one.ended_at is not None) is (one.state in TERMINAL)
        if one.state != SessionState.PAUSED:
            assert deadlines.span(one.paused_seconds) == paused
            assert one.deadline_at == NINE + timedelta(days=1) + paused
    assert not any(row.enabled for row in sessions_actions.available(one, now, may=False))


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def act(world, do, candidates, *args):
    targets = [Target(str(one.session_id), one.session_id) for one in candidates]
    return (await world.office.perform(world.system, lambda work: do(work, targets, *args)))["rows"]


async def traces(world, session_id):
    """The kinds of events in order, acts of the ledger in order, and submissions of a session."""
    async with world.office.snapshot(world.system) as work:
        event, row = SessionEvent, Activity
        kinds = await work.session.scalars(select(event.kind).where(event.session_id == session_id).order_by(event.seq))
        told = select(row).where(row.subject_id == session_id, row.act.startswith("session.")).order_by(row.xid, row.id)
        handed_in = await work.session.scalars(select(Submission).where(Submission.session_id == session_id))
        return list(kinds), list(await work.session.scalars(told)), list(handed_in)


async def test_a_paused_session_that_is_terminated_hands_in_what_was_saved(world, sitting):
    candidate = await sitting.candidate()
    await candidate.save(0, 1, candidate.right(0))
    await act(world, sessions_acts.pause, [candidate], WHY)
    waiting = await sitting.candidate(started=False)
    rows = await act(world, sessions_acts.terminate, [candidate, waiting], WHY)
    assert [row["problem"] for row in rows] == [None, None]
    kinds, ledger, (submission,) = await traces(world, candidate.session_id)
    session = await candidate.row()
    assert (session.state, session.paused_at, submission.cause) == ("terminated", None, "terminated")
    assert session.paused_seconds > 0
    assert kinds[-2:] == ["paused", "terminated"]
    assert (ledger[-1].act, ledger[-1].before, ledger[-1].reason) == (
        "session.terminated", {"state": "paused"}, WHY.text
    )  # fmt: skip
    assert (await traces(world, waiting.session_id))[2] == []
    again, unknown = await act(world, sessions_acts.terminate, [candidate, SimpleNamespace(session_id=None)], WHY)
    assert again["problem"]["facts"] == {"current_state": "TERMINATED", "current_version": session.version}
    assert unknown["problem"]["code"] == "NOT_FOUND"
    async with world.office.snapshot(world.system) as work:
        of_submission = await activity_related.of_submission(work, submission.id, PAGE)
        of_assignment = await activity_related.of_assignment(work, sitting.assignment.id, PAGE)
    assert ledger[-1].id in {row.id for row in of_submission.rows}
    assert ledger[-1].id in {row.id for row in of_assignment.rows}


async def test_messages_notes_and_more_time(world, sitting):
    candidate = await sitting.candidate()
    before = (await candidate.row()).deadline_at
    await act(world, sessions_acts.message, [candidate], " Ten minutes\r\nleft. ")
    await act(world, sessions_acts.note, [candidate], "Looks pale.")
    await act(world, sessions_acts.extend, [candidate], 90, WHY)
    after = await candidate.row()
    assert after.deadline_at - before == timedelta(seconds=90)
    kinds, ledger, _ = await traces(world, candidate.session_id)
    assert kinds[-3:] == ["message", "note", "time_extended"]
    assert [row.act for row in ledger][-3:] == ["session.messaged", "session.noted", "session.limits_changed"]
    async with world.office.snapshot(world.system) as work:
        (message,) = (await sessions_messages.received(work, [candidate.session_id]))[candidate.session_id]
    assert message.payload == {"text": "Ten minutes\nleft."}
    stale = Target("", candidate.session_id, after.version - 1)
    (row,) = (await world.office.perform(world.system, lambda work: sessions_acts.pause(work, [stale], WHY)))["rows"]
    assert row["problem"]["facts"] == {"current_state": "ACTIVE", "current_version": after.version}
    await act(world, sessions_acts.terminate, [candidate], WHY)
    for do, args in ((sessions_acts.message, ("Hello?",)), (sessions_acts.extend, (60, WHY))):
        (row,) = await act(world, do, [candidate], *args)
        assert row["problem"]["code"] == "STATE_DRIFT"
    (row,) = await act(world, sessions_acts.note, [candidate], "Said goodbye.")
    assert row["problem"] is None


@pytest.mark.parametrize(
    ("do", "args"),
    [
        (sessions_acts.pause, (Why(ReasonCategory.OTHER, " "),)),
        (sessions_acts.terminate, (Why(ReasonCategory.OTHER, ""),)),
        (sessions_acts.extend, (60, Why(ReasonCategory.OTHER, ""))),
        (sessions_acts.extend, (0, WHY)),
        (sessions_acts.message, ("",)),
        (sessions_acts.message, ("\x1b[31m",)),
        (sessions_acts.note, ("x" * 1001,)),
    ],
)
async def test_what_is_refused_as_a_whole(world, sitting, do, args):
    candidate = await sitting.candidate()
    for chosen, given_ in (([candidate], args), ([], args), ([candidate] * (MOST + 1), args)):
        with pytest.raises(InvalidInput):
            await act(world, do, chosen, *given_)


async def test_two_proctors_at_the_same_sessions(world, sitting):
    candidates = [await sitting.candidate() for _ in range(6)]
    done: Counter[str] = Counter()

    async def proctor(order) -> None:
        for do in order:
            for row in await act(world, do, candidates, WHY):
                done[do.__name__] += row["problem"] is None
                assert row["problem"] is None or "current_state" in row["problem"]["facts"]

    pause, resume, terminate = sessions_acts.pause, sessions_acts.resume, sessions_acts.terminate
    await asyncio.gather(proctor([pause, resume, pause, terminate]), proctor([resume, pause, resume, terminate]))
    seen: Counter[str] = Counter()
    for candidate in candidates:
        kinds, ledger, handed_in = await traces(world, candidate.session_id)
        assert [row.act for row in ledger if row.act != "session.started"][-len(kinds[2:]) :] == [
            f"session.{kind}" for kind in kinds[2:]
        ]
        assert (kinds[-1], kinds.count("terminated"), len(handed_in)) == ("terminated", 1, 1)
        turns = kinds[2:-1]
        assert turns == ["paused" if n % 2 == 0 else "resumed" for n in range(len(turns))]
        seen += Counter(kinds[2:])
    assert (seen["paused"], seen["resumed"], seen["terminated"]) == (done["pause"], done["resume"], done["terminate"])


async def test_submit_expiry_and_terminate_race_to_one_outcome(world, sitting):
    """The clock of expiry is two hours ahead, so that all three can win."""
    late = world.office.shifted(timedelta(hours=2))
    for turn in range(30):
        candidate = await sitting.candidate()
        racing = [
            world.office.perform(candidate.viewer.elevated(), lambda work, one=candidate: submit(work, one.session_id)),
            late.perform(world.system, lambda work, one=candidate: expire(work, one.session_id)),
            act(world, sessions_acts.terminate, [candidate], WHY),
        ]
        turned = racing[turn % 3 :] + racing[: turn % 3]
        for answer in await asyncio.gather(*turned, return_exceptions=True):
            assert not isinstance(answer, BaseException) or isinstance(answer, Refusal), answer
        kinds, ledger, (submission,) = await traces(world, candidate.session_id)
        state = (await candidate.row()).state
        assert kinds == ["created", "started", state]
        assert submission.cause == state
        assert [row.act for row in ledger].count("session.terminated") == (state == SessionState.TERMINATED)
