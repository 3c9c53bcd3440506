"""Overrides against the database: what is previewed happens, at once, once, and can be taken back."""

import asyncio
import random
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select

from models.base import uuid7
from models.identity import Group, GroupMember
from models.overrides import OverrideKind
from models.sessions import DeliverySession, SessionEvent
from services import accommodations, invitations, overrides, policy, policy_defaults, sessions
from services.accommodations import Needs
from services.overrides import Filter, Target, Wanted
from services.overrides_rows import Change
from services.overrides_words import changes
from services.paging import PageRequest
from services.policy import SourceKind
from services.policy_defaults import Defaults
from services.refusals import (
    ConfirmationNeeded,
    DeadlinePassed,
    InvalidInput,
    NotAMember,
    NotFound,
    StateDrift,
    WindowClosed,
)
from tests.factories import assignments as issued
from tests.factories import sessions as made
from tests.factories import tenants

K = OverrideKind
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
QUARTER = Change(K.EXTENSION, Decimal(900))
CASES = 100


@pytest.fixture(scope="module")
async def sitting(world) -> made.Sitting:
    return await made.sitting(world)


async def apply(world, assignment_id, target, change, reason="Because.", *, confirmed=False, office=None, **more):
    wanted = Wanted(assignment_id=assignment_id, target=target, change=change, **more)

    async def act(work):
        return await overrides.apply(work, wanted, reason, is_high_stakes_confirmed=confirmed)

    return await (office or world.office).perform(world.system, act)


async def preview(world, assignment_id, target, change):
    async with world.office.snapshot(world.system) as work:
        return await overrides.preview(work, Wanted(assignment_id=assignment_id, target=target, change=change))


async def reverse(world, override_id, reason="Not needed."):
    async def act(work):
        return await overrides.reverse(work, UUID(override_id), reason)

    return await world.office.perform(world.system, act)


async def issue(world, version, count=1, **terms):
    """An assignment with invitations; returns its id and them."""
    answer = await issued.issue(world, version, issued.by_email(*issued.addresses(count)), **terms)
    assignment_id = UUID(answer["assignment"])
    return assignment_id, await issued.invitations_of(world, assignment_id)


async def redeemed(world, invitation, office=None) -> UUID:
    token = invitations.mint(issued.TOKENS, invitation)
    return UUID(await issued.redeem(office or world.office, token))


async def started(world, invitation, office=None) -> UUID:
    session_id = await redeemed(world, invitation, office)

    async def act(work):
        return await sessions.start(work, session_id)

    await (office or world.office).perform(world.system, act)
    return session_id


async def session_of(world, session_id) -> DeliverySession:
    async with world.office.snapshot(world.system) as work:
        return (await sessions.by_ids(work, [session_id]))[session_id]


async def told(world, session_id) -> SessionEvent:
    """The newest event of a session."""
    async with world.office.snapshot(world.system) as work:
        wanted = select(SessionEvent).where(SessionEvent.session_id == session_id)
        return (await work.session.scalars(wanted.order_by(SessionEvent.seq.desc()).limit(1))).one()


async def group_of(world, *user_ids) -> UUID:
    async def act(work):
        group = Group(id=uuid7(), name=f"Group {uuid7()}")
        work.session.add(group)
        await work.session.flush()
        work.session.add_all([GroupMember(group_id=group.id, user_id=user_id) for user_id in user_ids])
        return group.id

    return await world.office.perform(world.system, act)


def limits(session) -> policy.Policy:
    return policy.from_json(session.policy)


async def test_an_extension_reaches_the_running_session_at_once_and_can_be_taken_back(world, sitting):
    assignment, (invitation,) = await issue(world, sitting.version, time_limit_seconds=3600)
    session_id = await started(world, invitation)
    before = await session_of(world, session_id)
    target = Target(user_id=invitation.user_id)
    answer = await apply(world, assignment, target, QUARTER, "The lights went out.")
    assert answer["sessions"] == [str(session_id)]
    after, event = await session_of(world, session_id), await told(world, session_id)
    assert after.deadline_at == before.deadline_at + 15 * MINUTE
    assert (event.kind, event.reason, event.payload["seconds"]) == ("time_extended", "The lights went out.", 900)
    assert datetime.fromisoformat(event.payload["deadline_before"]) == before.deadline_at
    assert datetime.fromisoformat(event.payload["deadline_after"]) == after.deadline_at
    (added,) = limits(after).extension_seconds.added
    assert (added.value, added.source.id, added.source.why) == (900, answer["override"], "The lights went out.")
    await reverse(world, answer["override"])
    assert (await session_of(world, session_id)).deadline_at == before.deadline_at
    assert (await told(world, session_id)).payload["seconds"] == -900
    with pytest.raises(StateDrift, match="reversed already"):
        await reverse(world, answer["override"])
    async with world.office.snapshot(world.system) as work:
        page = await overrides.listed(work, Filter(user_id=invitation.user_id), PageRequest(10, None, None, None))
    assert [row.reverses is None for row in page.rows] == [False, True]


async def test_it_counts_for_whoever_starts_later_and_only_while_it_is_valid(world, sitting):
    assignment, people = await issue(world, sitting.version, 3, time_limit_seconds=3600)
    now = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
    for invitation, until in zip(people, (None, now, None), strict=True):
        await apply(world, assignment, Target(user_id=invitation.user_id), QUARTER, valid_until=until)
    answer = await apply(world, assignment, Target(user_id=people[2].user_id), QUARTER)
    await reverse(world, answer["override"])
    seconds = [limits(await session_of(world, await redeemed(world, one))).extension_seconds.value for one in people]
    assert seconds == [900, 900, 900]
    ended, (invitation,) = await issue(world, sitting.version, time_limit_seconds=3600)
    async with world.office.snapshot(world.system) as work:
        soon = await work.now() + MINUTE
    await apply(world, ended, Target(user_id=invitation.user_id), QUARTER, valid_until=soon)
    later = world.office.shifted(2 * MINUTE)
    session_id = await redeemed(world, invitation, later)
    assert limits(await session_of(world, session_id)).extension_seconds.value == 0


async def test_attempts_are_added_to_what_is_allowed(world, sitting):
    assignment, (invitation,) = await issue(world, sitting.version)
    target = Target(user_id=invitation.user_id)
    (effect,) = (await preview(world, assignment, target, Change(K.ADDED_ATTEMPTS, Decimal(1)))).affected
    assert [(one.limit, one.before, one.after) for one in changes(effect.before, effect.after)] == [
        ("Attempts", "1", "2")
    ]
    await apply(world, assignment, target, Change(K.ADDED_ATTEMPTS, Decimal(1)))
    await redeemed(world, invitation)
    (again,) = await issued.invite_again(world, invitation, [2])
    second = await session_of(world, await redeemed(world, again))
    assert second.attempt == 2
    assert limits(second).allowed_attempts.value == 2


async def test_a_later_close_lets_a_late_invitation_be_redeemed(world, sitting):
    async with world.office.snapshot(world.system) as work:
        now = await work.now()
    assignment, (one, other) = await issue(world, sitting.version, 2, valid_until=now + 10 * MINUTE)
    await apply(world, assignment, Target(user_id=one.user_id), Change(K.WINDOW_UNTIL, instant=now + 60 * MINUTE))
    late = world.office.shifted(30 * MINUTE)
    session_id = await started(world, one, late)
    assert (await session_of(world, session_id)).deadline_at == now + 60 * MINUTE
    with pytest.raises(WindowClosed):
        await redeemed(world, other, late)


async def test_a_group_override_counts_for_who_is_in_it_and_among_the_recipients(world, sitting):
    assignment, people = await issue(world, sitting.version, 3, time_limit_seconds=3600)
    outsider = await made.sit(sitting, started=True)
    group = await group_of(world, people[0].user_id, people[1].user_id, outsider.user_id)
    sits = await started(world, people[0])
    plan = await preview(world, assignment, Target(group_id=group), Change(K.TIME_MULTIPLIER, Decimal("1.5")))
    assert {one.user.id for one in plan.affected} == {people[0].user_id, people[1].user_id}
    assert sum(one.session is not None for one in plan.affected) == 1
    answer = await apply(world, assignment, Target(group_id=group), Change(K.TIME_MULTIPLIER, Decimal("1.5")))
    assert answer["sessions"] == [str(sits)]
    found = [await session_of(world, sits)]
    found += [await session_of(world, await redeemed(world, one)) for one in people[1:]]
    assert [limits(one).limits().my_limit_seconds for one in found] == [5400, 5400, 3600]
    assert limits(found[1]).time_multiplier.source.kind is SourceKind.GROUP_OVERRIDE


async def test_high_stakes_want_to_be_confirmed(world):
    grave = await made.sitting(world, security_config={"proctoring": "live"})
    assignment, (invitation,) = await issue(world, grave.version)
    target = Target(user_id=invitation.user_id)
    with pytest.raises(ConfirmationNeeded):
        await apply(world, assignment, target, QUARTER)
    await apply(world, assignment, target, QUARTER, confirmed=True)


async def test_what_makes_no_sense_is_refused_and_changes_nothing(world, sitting):
    assignment, (invitation,) = await issue(world, sitting.version)
    candidate = Target(user_id=invitation.user_id)
    async with world.office.snapshot(world.system) as work:
        past = await work.now() - MINUTE
    for change, words in {
        Change(K.EXTENSION, Decimal(0)): "extensionSeconds is 0",
        Change(K.EXTENSION, Decimal(900), restrict=True): "cannot restrict",
        Change(K.TIME_MULTIPLIER, Decimal("1.00001")): "timeMultiplier",
        Change(K.TIME_MULTIPLIER, is_unlimited=True): "cannot be unlimited",
        Change(K.WINDOW_UNTIL, instant=past): "closed already",
    }.items():
        with pytest.raises(InvalidInput, match=words):
            await apply(world, assignment, candidate, change)
    with pytest.raises(InvalidInput, match="reason"):
        await apply(world, assignment, candidate, QUARTER, "  ")
    with pytest.raises(InvalidInput, match="still to come"):
        await apply(world, assignment, candidate, QUARTER, valid_until=past)
    with pytest.raises(NotAMember):
        await apply(world, assignment, Target(user_id=(await world.staff("viewer")).user_id), QUARTER)
    with pytest.raises(NotFound):
        await apply(world, assignment, Target(group_id=uuid7()), QUARTER)
    with pytest.raises(NotFound):
        await apply(world, uuid7(), candidate, QUARTER)
    async with world.office.snapshot(world.system) as work:
        page = await overrides.listed(work, Filter(assignment_id=assignment), PageRequest(10, None, None, None))
    assert page.rows == []


async def test_an_ended_session_is_never_touched(world, sitting):
    assignment, (invitation,) = await issue(world, sitting.version, time_limit_seconds=60)
    session_id = await started(world, invitation)
    late = world.office.shifted(5 * MINUTE)
    answer = await apply(world, assignment, Target(user_id=invitation.user_id), QUARTER, office=late)
    assert answer["sessions"] == []
    assert limits(await session_of(world, session_id)).extension_seconds.value == 0


async def test_the_answer_of_the_last_second_of_an_extension_is_taken(world, sitting):
    one = await sitting.candidate(time_limit=10 * MINUTE)
    end = (await one.row()).deadline_at
    target = Target(user_id=one.user_id)

    async def make_recipient(work):
        from models.assignments import AssignmentTarget  # noqa: PLC0415

        work.session.add(
            AssignmentTarget(assignment_id=sitting.assignment.id, kind="user_id", ref="x", user_id=one.user_id)
        )

    await world.office.perform(world.system, make_recipient)
    async with world.office.snapshot(world.system) as work:
        now = await work.now()
    await apply(world, sitting.assignment.id, target, QUARTER)
    at_the_end = world.office.shifted(end + timedelta(seconds=899) - now)
    assert (await one.save(0, 1, one.right(0), office=at_the_end)).is_current
    after = world.office.shifted(end + timedelta(seconds=907) - now)
    with pytest.raises(DeadlinePassed):
        await one.save(0, 2, one.right(0), office=after)


async def test_whoever_redeems_while_an_override_is_applied_gets_it(world, sitting):
    """Twenty people redeem on connections of their own while their group is given more time: nobody misses it."""
    assignment, people = await issue(world, sitting.version, 20, time_limit_seconds=3600)
    group = await group_of(world, *(one.user_id for one in people))

    async def give():
        await asyncio.sleep(0)
        return await apply(world, assignment, Target(group_id=group), QUARTER)

    *made_, _ = await asyncio.gather(*(redeemed(world, one) for one in people), give())
    seconds = {limits(await session_of(world, session_id)).extension_seconds.value for session_id in made_}
    assert seconds == {900}


def _random_change(source: random.Random, now: datetime) -> Change:
    kind = source.choice(list(K))
    if kind is K.WINDOW_UNTIL:
        return Change(kind, instant=now + source.randint(1, 300) * MINUTE, restrict=source.random() < 0.5)
    amount = {
        K.EXTENSION: Decimal(source.randint(1, 7200)),
        K.ADDED_ATTEMPTS: Decimal(source.randint(1, 5)),
        K.TIME_LIMIT: Decimal(source.randint(60, 7200)),
        K.TIME_MULTIPLIER: Decimal(source.randint(10_000, 30_000)) / 10_000,
        K.ALLOWED_ATTEMPTS: Decimal(source.randint(1, 5)),
    }[kind]
    restricts = kind not in {K.EXTENSION, K.ADDED_ATTEMPTS} and source.random() < 0.5
    return Change(kind, amount, restrict=restricts)


async def test_the_preview_s_numbers_are_found_after_applying(world, sitting, record_property):
    source = random.Random(5)  # noqa: S311 - for numbers to try
    async with world.office.snapshot(world.system) as work:
        now = await work.now()
    terms = {"time_limit_seconds": 3600, "valid_until": now + timedelta(hours=3), "allowed_attempts": 2}
    assignment, people = await issue(world, sitting.version, 10, **terms)
    sitting_now = {one.user_id: await started(world, one) for one in people[:5]}
    waiting = {one.user_id: await redeemed(world, one) for one in people[5:8]}
    open_now = sitting_now | waiting
    compared = 0
    for n in range(CASES):
        if n % 10 == 9:  # fresh people, so that strict limits do not end everybody
            assignment, people = await issue(world, sitting.version, 10, **terms)
            open_now = {one.user_id: await started(world, one) for one in people[:5]}
        person = source.choice(people)
        change, target = _random_change(source, now), Target(user_id=person.user_id)
        (effect,) = (await preview(world, assignment, target, change)).affected
        await apply(world, assignment, target, change)
        session_id = open_now.get(person.user_id)
        if effect.session is None:
            (now_so,) = (await preview(world, assignment, target, QUARTER)).affected
            assert values(now_so.before) == values(effect.after)
        else:
            session = await session_of(world, session_id)
            assert values(limits(session)) == values(effect.after)
            moved = abs(session.deadline_at - effect.deadline_after)
            assert moved < 2 * SECOND, "the same, but for an end that is now"
        compared += 1
    record_property("previews compared with what was applied", compared)
    assert compared == CASES


def values(limits_: policy.Policy) -> dict:
    return {name: getattr(limits_, name).value for name in policy.Policy.model_fields}


async def test_a_profile_is_frozen_into_sessions_that_begin(world, sitting):
    _, (one, other) = await issue(world, sitting.version, 2, time_limit_seconds=3600)
    before = await redeemed(world, other)

    async def write(work, user_id, needs, version=None):
        return await accommodations.update(work, user_id, needs, "Asked for.", version)

    for user_id in (one.user_id, other.user_id):
        needs = Needs(time_multiplier=Decimal("1.25"), break_seconds=600, notes="Reads slowly.")
        await world.office.perform(world.system, lambda work, u=user_id, n=needs: write(work, u, n))
    session = await session_of(world, await redeemed(world, one))
    assert limits(session).limits().my_limit_seconds == 4500 + 600
    assert limits(session).time_multiplier.source.kind is SourceKind.ACCOMMODATION
    assert "slowly" not in str(session.policy)
    assert limits(await session_of(world, before)).limits().my_limit_seconds == 3600
    with pytest.raises(StateDrift):
        await world.office.perform(world.system, lambda work: write(work, one.user_id, Needs(), 0))
    with pytest.raises(InvalidInput, match="timeMultiplier"):
        await world.office.perform(
            world.system, lambda work: write(work, one.user_id, Needs(time_multiplier=Decimal(11)))
        )

    async def remove(work):
        return await accommodations.remove(work, one.user_id, "Not needed.")

    await world.office.perform(world.system, remove)
    with pytest.raises(NotFound):
        await world.office.perform(world.system, remove)


async def test_the_tenant_s_defaults_hold_where_nothing_else_is_said(office):
    world = await tenants.found(office)
    sitting = await made.sitting(world)
    assignment, (one, other) = await issue(world, sitting.version, 2)

    async def update(work, wanted, version=None):
        return await policy_defaults.update(work, wanted, "House rules.", version)

    wanted = Defaults(time_limit_seconds=1800, network_grace_seconds=30, idle_threshold_seconds=120)
    await office.perform(world.system, lambda work: update(work, wanted, 0))
    first = await session_of(world, await redeemed(world, one))
    assert (limits(first).time_limit_seconds.value, first.grace_seconds) == (1800, 30)
    assert limits(first).time_limit_seconds.source.kind is SourceKind.TENANT_DEFAULT
    await apply(world, assignment, Target(user_id=other.user_id), Change(K.TIME_LIMIT, is_unlimited=True))
    second = await session_of(world, await redeemed(world, other))
    assert limits(second).time_limit_seconds.value is policy.UNLIMITED
    with pytest.raises(StateDrift):
        await office.perform(world.system, lambda work: update(work, wanted, 0))
    with pytest.raises(InvalidInput) as refused:
        await office.perform(world.system, lambda work: update(work, Defaults(idle_threshold_seconds=1)))
    assert refused.value.path[0] == "idleThresholdSeconds"


async def test_it_reaches_both_attempts_of_somebody_who_has_two_open(world, sitting):
    assignment, (invitation,) = await issue(world, sitting.version, time_limit_seconds=3600, allowed_attempts=2)
    first = await started(world, invitation)
    (again,) = await issued.invite_again(world, invitation, [2])
    second = await started(world, again)
    ends = [(await session_of(world, one)).deadline_at for one in (first, second)]
    answer = await apply(world, assignment, Target(user_id=invitation.user_id), QUARTER)
    assert answer["sessions"] == [str(first), str(second)]
    assert [(await session_of(world, one)).deadline_at for one in (first, second)] == [
        end + 15 * MINUTE for end in ends
    ]
    await reverse(world, answer["override"])
    assert [(await session_of(world, one)).deadline_at for one in (first, second)] == ends
