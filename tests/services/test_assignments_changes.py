"""What changed in a monitor: an old list and the changes since make the new list, and the head tells of every change."""

import contextlib
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from models.assignments import Assignment, Invitation, InvitationStatus, TargetKind
from models.base import uuid7
from models.identity import Group, GroupMember, User
from models.sessions import DeliverySession, EventKind
from services import (
    assignments,
    assignments_changes,
    assignments_monitor,
    sessions,
    sessions_events,
    sessions_expiry,
    sessions_hold,
    streams,
)
from services.assignments_buckets import Bucket
from services.assignments_changes import Since
from services.assignments_monitor import Filter
from services.assignments_recipients import Recipient
from services.invitations import mint
from services.paging import PageRequest
from services.refusals import Refusal
from services.security import SecurityLevel
from services.sessions_sheet import Happening
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

PEOPLE, STEPS = 8, 30
STANDARD = SecurityLevel.STANDARD
LISTS = [Filter(), Filter(buckets=[Bucket.STARTED]), Filter(search="c00")]


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


class Watched:
    """An assignment to some people and to the members of a group, acted upon at random while time goes on."""

    def __init__(self, world, version, seed):
        self.world, self.version = world, version
        self.chance = random.Random(seed)  # noqa: S311 - repeatable acts
        self.shift = timedelta(0)
        self.done: list[str] = []

    @property
    def office(self):
        return self.world.office.shifted(self.shift)

    async def begin(self):
        self.emails = factory.addresses(PEOPLE)
        await factory.issue(self.world, self.version, factory.by_email(*self.emails))
        group = Group(id=uuid7(), name=f"G {uuid7().hex}")
        self.group_id = group.id

        async def found(work):
            work.session.add(group)
            await work.session.flush()
            people = list(await work.session.scalars(people_with(self.emails)))
            members = [GroupMember(id=uuid7(), group_id=group.id, user_id=person.id) for person in people[:3]]
            work.session.add_all(members)
            return [person.id for person in people]

        self.user_ids = await self.world.office.perform(self.world.system, found)
        to = [Recipient(TargetKind.GROUP, str(group.id), group.id), *factory.by_email(*self.emails[3:])]
        ends = datetime.now(UTC) + timedelta(hours=3)
        answer = await factory.issue(self.world, self.version, to, valid_until=ends, time_limit_seconds=900)
        self.id = UUID(answer["assignment"])
        self.invitations = await factory.invitations_of(self.world, self.id)

    async def perform(self, act):
        return await self.office.perform(self.world.system, act)

    async def step(self):
        acts = [self.redeem, self.start, self.report, self.submit, self.revoke, self.rename, self.leave, self.later]
        act = self.chance.choices(acts, [4, 4, 4, 2, 1, 1, 1, 3])[0]
        self.done.append(act.__name__)
        await act()

    async def redeem(self):
        await self._redeemed(self.chance.choice(self.invitations))

    async def _redeemed(self, invitation):
        try:
            return UUID(await factory.redeem(self.office, mint(factory.TOKENS, invitation), f"{invitation.id.hex}"))
        except Refusal:  # a refused act is one that changes nothing
            return None

    async def _session(self, *states):
        async def read(work):
            wanted = sessions_of(self.id, states)
            return list(await work.session.scalars(wanted))

        found = await self.perform(read)
        return self.chance.choice(found) if found else None

    async def start(self):
        if session := await self._session("created"):
            await self._tried(lambda work: sessions.start(work, session.id))

    async def submit(self):
        if session := await self._session("active"):
            await self._tried(lambda work: sessions_expiry.submit(work, session.id))

    async def report(self):
        if session := await self._session("active"):

            async def lose(work):
                held = await sessions_hold.hold(work, session.id)
                held.focus_lost_count += 1
                held.last_activity_at = await work.now()
                lost = [Happening(EventKind.FOCUS_LOST)]
                await sessions_events.append(work, held, lost, at=held.last_activity_at, actor_id=held.user_id)

            await self.perform(lose)

    async def _tried(self, act):
        with contextlib.suppress(Refusal):
            await self.perform(act)

    async def revoke(self):
        one = self.chance.choice(self.invitations)
        status = self.chance.choice([InvitationStatus.REVOKED, InvitationStatus.SENT])
        change = update(Invitation).where(Invitation.id == one.id, Invitation.session_id.is_(None))
        await self.perform(lambda work: work.session.execute(change.values(status=status)))

    async def rename(self):
        change = update(User).where(User.id == self.chance.choice(self.user_ids))
        name = f"N {self.chance.random()}"
        await self.perform(lambda work: work.session.execute(change.values(display_name=name)))

    async def leave(self):
        person = self.chance.choice(self.user_ids[:3])
        gone = delete(GroupMember).where(GroupMember.group_id == self.group_id, GroupMember.user_id == person)

        async def turn(work):
            if not (await work.session.execute(gone)).rowcount:
                work.session.add(GroupMember(id=uuid7(), group_id=self.group_id, user_id=person))

        await self.perform(turn)

    async def later(self):
        self.shift += timedelta(seconds=self.chance.choice([5, 70, 600, 2000]))

    async def look(self, wanted, since=None):
        """The list, or what changed of it; the place from which the next changes count; and the head."""
        stream = streams.assignment_stream(self.world.tenant_id, self.id)
        async with self.office.snapshot(self.world.system) as work:
            at, position = await streams.here(work, stream)
            asked = Filter(buckets=wanted.buckets, search=wanted.search, since=since)
            page = PageRequest(200, largest=200)
            found = await assignments_monitor.rows(work, self.id, STANDARD, asked, [], page, at.as_of)
            gone = await assignments_monitor.gone(work, self.id, STANDARD, asked) if since else []
            head = await assignments_changes.head(work, self.id)
            position = head.furthest(position)
            turn = await assignments_changes.next_turn(work, self.id, head.as_of)
        return {row.target_id: shown(row) for row in found.rows}, gone, Since(position, at.as_of), head, turn


def people_with(emails):
    return select(User).where(User.email.in_(emails)).order_by(User.email)


def sessions_of(assignment_id, states):
    wanted = select(DeliverySession).where(DeliverySession.assignment_id == assignment_id)
    return wanted.where(DeliverySession.state.in_(states)).order_by(DeliverySession.id)


def shown(row):
    """All that a client is shown of a row, but what counts on by itself."""
    session = row.session
    counters = (
        None
        if session is None
        else (
            session.id,
            session.state,
            session.version,
            session.deadline_at,
            session.last_activity_at,
            session.focus_lost_count,
            session.answered_count,
            session.attempt,
            session.disconnected_at,
        )
    )
    invited = row.invited
    return row.user.email, row.user.display_name, row.bucket, row.display_status, row.invitation.id, invited, counters


def plain(list_):
    return {key: (*row[:5], row[5].status, row[5].invitation.expires_at, row[6]) for key, row in list_.items()}


@pytest.mark.parametrize("seed", range(4))
async def test_the_old_list_and_what_changed_make_the_new_list(world, version, seed):
    watched = Watched(world, version, seed)
    await watched.begin()
    kept = [await watched.look(wanted) for wanted in LISTS]
    held, fewer = 0, 0
    for _ in range(STEPS):
        await watched.step()
        for n, wanted in enumerate(LISTS):
            old, _, since, head, turn = kept[n]
            delta, gone, place, *_ = await watched.look(wanted, since)
            fresh, _, _, new_head, new_turn = await watched.look(wanted)
            merged = {key: row for key, row in old.items() if key not in gone} | delta
            assert plain(merged) == plain(fresh), (watched.done, n)
            fewer += len(delta) < len(fresh)
            same = head.is_settled and head.newest == new_head.newest and (turn is None or new_head.as_of < turn)
            if same:
                held += 1
                assert plain(old) == plain(fresh), (watched.done, n)
            kept[n] = (fresh, gone, place, new_head, new_turn)
    assert held, "the head must stand still where nothing happens"
    assert fewer, "what changed must be less than everything"


async def test_closing_and_relabelling_move_the_head(world, version):
    watched = Watched(world, version, 0)
    await watched.begin()
    (old, _, since, head, _) = await watched.look(Filter())
    await watched.perform(lambda work: assignments.relabel(work, watched.id, "Other_Label"))
    later = (await watched.look(Filter()))[3]
    assert later.newest > head.newest
    await watched.perform(lambda work: assignments.close(work, watched.id, "Enough."))
    delta, gone, *_ = await watched.look(Filter(), since)
    assert {row[2] for row in delta.values()} == {Bucket.EXPIRED}
    assert (set(delta), gone) == (set(old), [])


async def test_a_write_that_is_still_open_keeps_the_head_unsettled(world, version):
    watched = Watched(world, version, 1)
    await watched.begin()
    async with world.office.work(world.system) as open_work:
        change = update(Assignment).where(Assignment.id == watched.id).values(name="Open")
        await open_work.session.execute(change)
        await watched.rename()
        head = (await watched.look(Filter()))[3]
        assert not head.is_settled
    assert (await watched.look(Filter()))[3].is_settled
