"""Reminders: once each, to whom they concern, at the instant that holds for the person."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select

from models.messages import Message
from models.overrides import OverrideKind
from services import assignments_reminders, invitations, overrides, sessions, sessions_expiry
from services.overrides import Target, Wanted
from services.overrides_rows import Change
from services.refusals import InvalidInput
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

LINK = partial(invitations.link, "https://example.org", factory.TOKENS)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def issue(world, version, count, **terms):
    answer = await factory.issue(world, version, factory.by_email(*factory.addresses(count)), **terms)
    assignment = UUID(answer["assignment"])
    return assignment, await factory.invitations_of(world, assignment)


async def now_of(world):
    async with world.office.snapshot(world.system) as work:
        return await work.now()


async def remind(world, assignment, after=timedelta(0)) -> int:
    office = world.office.shifted(after)
    return await office.perform(world.system, lambda work: assignments_reminders.remind(work, assignment, LINK))


async def due(world, assignment, after=timedelta(0)) -> bool:
    async with world.office.shifted(after).snapshot(world.system) as work:
        return (assignment, world.org_unit_id) in await assignments_reminders.due(work)


async def mails(world, invitation) -> list[dict]:
    async with world.office.snapshot(world.system) as work:
        wanted = select(Message).where(Message.subject_id == invitation.id, Message.template == "reminder")
        found = (await work.session.scalars(wanted.order_by(Message.id))).all()
        return [orjson.loads(work.vault.open(one.tenant_id, one.id, one.sealed)) for one in found]


async def start(world, invitation):
    session_id = UUID(await factory.redeem(world.office, invitations.mint(factory.TOKENS, invitation)))
    await world.office.perform(world.system, lambda work: sessions.start(work, session_id))
    return session_id


async def test_before_it_opens_everybody_is_reminded_once(world, version):
    opens = await now_of(world) + 3 * HOUR
    assignment, people = await issue(world, version, 3, valid_from=opens, remind_before_start_seconds=3600)
    assert not await due(world, assignment)
    assert await remind(world, assignment) == 0
    late = 2 * HOUR + timedelta(minutes=1)
    assert await due(world, assignment, late)
    counts = await asyncio.gather(*(remind(world, assignment, late) for _ in range(5)))
    assert sorted(counts) == [0, 0, 0, 0, 3], "five workers at once remind everybody once"
    (mail,) = await mails(world, people[0])
    assert mail["link"].startswith("https://example.org/")
    assert mail["opens_at"]
    assert await remind(world, assignment, 4 * HOUR) == 0


async def test_before_it_closes_who_has_not_handed_in_is_reminded(world, version):
    closes = await now_of(world) + 3 * HOUR
    terms = {"valid_until": closes, "remind_before_deadline_seconds": 3600}
    assignment, (fresh, busy, done, longer) = await issue(world, version, 4, **terms)
    await start(world, busy)
    handed_in = await start(world, done)
    await world.office.perform(world.system, lambda work: sessions_expiry.submit(work, handed_in))
    wanted = Wanted(
        assignment_id=assignment,
        target=Target(user_id=longer.user_id),
        change=Change(OverrideKind.WINDOW_UNTIL, instant=closes + 5 * HOUR),
    )

    async def extend(work):
        return await overrides.apply(work, wanted, "Ill.", is_high_stakes_confirmed=False)

    await world.office.perform(world.system, extend)
    assert await remind(world, assignment) == 0
    assert await remind(world, assignment, 2 * HOUR + timedelta(minutes=1)) == 2
    (mail,) = await mails(world, fresh)
    assert (bool(mail["link"]), bool(mail["closes_at"])) == (True, True)
    (mail,) = await mails(world, busy)
    assert mail["link"] == ""
    assert await mails(world, done) == await mails(world, longer) == []
    assert await due(world, assignment, 7 * HOUR + timedelta(minutes=1))
    assert await remind(world, assignment, 7 * HOUR + timedelta(minutes=1)) == 1
    assert len(await mails(world, longer)) == 1


async def test_nobody_is_reminded_who_was_invited_after_the_instant(world, version):
    opens = await now_of(world) + HOUR / 2
    assignment, _ = await issue(world, version, 1, valid_from=opens, remind_before_start_seconds=3600)
    assert await remind(world, assignment) == 0


@pytest.mark.parametrize("seconds", [299, 30 * 86_400 + 1])
async def test_other_leads_are_refused(world, version, seconds):
    with pytest.raises(InvalidInput, match="remindBeforeDeadlineSeconds"):
        await issue(world, version, 1, remind_before_deadline_seconds=seconds)
