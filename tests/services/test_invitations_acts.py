"""Invitations sent again, withdrawn, followed by another attempt, and copied."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.assignments import Invitation, InvitationStatus
from models.base import uuid7
from models.messages import Message, MessageChange
from models.overrides import OverrideKind
from models.sessions import DeliverySession, SessionState
from realtime import topics
from services import invitations, invitations_acts, messages_deliver, messages_history, overrides
from services.overrides import Target, Wanted
from services.overrides_rows import Change
from services.refusals import InvalidInput, InvitationExpired, InvitationRevoked, InvitationUsed
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

LINK = partial(invitations.link, "https://example.org", factory.TOKENS)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def invite(world, version, count=1, **terms) -> list[Invitation]:
    people = factory.by_email(*factory.addresses(count))
    answer = await factory.issue(world, version, people, **terms)
    return await factory.invitations_of(world, UUID(answer["assignment"]))


async def do(office, world, act, *args):
    return await office.perform(world.system, lambda work: act(work, *args))


def codes(answer) -> list[str | None]:
    return [row["problem"] and row["problem"]["code"] for row in answer["rows"]]


def token(invitation) -> str:
    return invitations.mint(factory.TOKENS, invitation)


async def count(world, model, *where) -> int:
    async with world.office.snapshot(world.system) as work:
        return await work.session.scalar(select(func.count()).select_from(model).where(*where))


async def again(world, invitation) -> Invitation:
    """The invitation as it is now."""
    rows = await factory.invitations_of(world, invitation.assignment_id)
    return next(row for row in rows if row.id == invitation.id)


async def end(world, session_id: str) -> None:
    async def act(work):
        row = await work.session.get(DeliverySession, (work.viewer.tenant_id, UUID(session_id)))
        row.state, row.ended_at = SessionState.TERMINATED, await work.now()

    await world.office.perform(world.system, act)


async def test_resending_kills_the_old_link_and_mails_a_new_one(world, version, rung):
    (old,) = await invite(world, version)
    rung.clear()
    answer = await do(world.office.shifted(40 * DAY), world, invitations_acts.resend, [old.id], LINK)
    assert codes(answer) == [None]
    new = await again(world, old)
    assert (new.id, new.ordinal, new.status) == (old.id, old.ordinal, InvitationStatus.SENT)
    assert new.jti != old.jti
    assert new.expires_at - new.sent_at == invitations.LIFE
    assert new.sent_at > old.expires_at, "an expired one comes to life again"
    assert topics.assignment_sessions(old.tenant_id, old.assignment_id) in rung
    assert await count(world, Message, Message.subject_id == old.id) == 1
    assert await count(world, Activity, Activity.subject_id == old.id, Activity.act == "invitation.resent") == 1
    with pytest.raises(InvitationRevoked):
        await factory.redeem(world.office, token(old))
    assert await factory.redeem(world.office, token(new))


async def test_what_cannot_be_sent_again_is_told_by_row_and_the_others_are_sent(world, version):
    free, used, gone = await invite(world, version, 3)
    await factory.redeem(world.office, token(used))
    await do(world.office, world, invitations_acts.revoke, [gone.id], "Sent by mistake.")
    wanted = [used.id, free.id, None, gone.id, uuid7(), free.id]
    answer = await do(world.office, world, invitations_acts.resend, wanted, LINK)
    assert codes(answer) == ["INVITATION_USED", None, "NOT_FOUND", "INVITATION_REVOKED", "NOT_FOUND", "INVALID_INPUT"]
    for unfit in ([], [uuid7()] * 501):
        with pytest.raises(InvalidInput):
            await do(world.office, world, invitations_acts.resend, unfit, LINK)


async def test_a_link_is_mailed_to_nobody_whom_it_leads_nowhere(world, version):
    until = datetime.now(UTC) + DAY
    (late,) = await invite(world, version, valid_until=until)
    (stranger,) = await invite(world, version)
    await factory.forget_target(world, stranger)
    answer = await do(world.office.shifted(2 * DAY), world, invitations_acts.resend, [late.id, stranger.id], LINK)
    assert codes(answer) == ["WINDOW_CLOSED", "NOT_A_MEMBER"]
    assert await count(world, Message, Message.subject_id.in_([late.id, stranger.id])) == 0


async def test_a_withdrawn_invitation_is_refused(world, version):
    free, used = await invite(world, version, 2)
    await factory.redeem(world.office, token(used))
    answer = await do(world.office, world, invitations_acts.revoke, [free.id, used.id], "Sent by mistake.")
    assert codes(answer) == [None, "INVITATION_USED"]
    assert "Terminate the session" in answer["rows"][1]["problem"]["hint"]
    with pytest.raises(InvitationRevoked):
        await factory.redeem(world.office, token(free))
    answer = await do(world.office, world, invitations_acts.revoke, [free.id], "Sent by mistake.")
    assert codes(answer) == ["STATE_DRIFT"]
    with pytest.raises(InvalidInput):
        await do(world.office, world, invitations_acts.revoke, [free.id], " ")


async def test_another_attempt_needs_one_that_is_left(world, version):
    (first,) = await invite(world, version, allowed_attempts=1)

    async def reinvite(invitation=first):
        return await do(world.office, world, invitations_acts.reinvite, [invitation.id], LINK)

    assert codes(await reinvite()) == ["STATE_DRIFT"], "it can still be redeemed"
    session_id = await factory.redeem(world.office, token(first))
    assert codes(await reinvite()) == ["STATE_DRIFT"], "the session is open"
    await end(world, session_id)
    refused = await reinvite()
    assert codes(refused) == ["NO_ATTEMPTS_LEFT"]
    assert "overrideApply" in refused["rows"][0]["problem"]["hint"]

    change = Change(OverrideKind.ADDED_ATTEMPTS, amount=1)
    wanted = Wanted(assignment_id=first.assignment_id, target=Target(user_id=first.user_id), change=change)
    await world.office.perform(
        world.system, lambda work: overrides.apply(work, wanted, "Fire drill.", is_high_stakes_confirmed=True)
    )
    answer = await reinvite()
    assert codes(answer) == [None]
    kept, new = await factory.invitations_of(world, first.assignment_id)
    assert (kept.id, kept.jti, kept.ordinal) == (first.id, first.jti, 1)
    assert (str(new.id), new.ordinal, new.session_id) == (answer["rows"][0]["invitation"], 2, None)
    assert await count(world, Message, Message.subject_id == new.id) == 1
    assert codes(await reinvite()) == ["INVITATION_REVOKED"], "there is a newer one"
    assert await factory.redeem(world.office, token(new)) != session_id


async def test_inviting_again_at_the_same_time_makes_one_invitation(world, version):
    (first,) = await invite(world, version, allowed_attempts=3)
    await end(world, await factory.redeem(world.office, token(first)))
    acts = [do(world.office, world, invitations_acts.reinvite, [first.id], LINK) for _ in range(8)]
    answers = [codes(answer)[0] for answer in await asyncio.gather(*acts)]
    assert sorted(map(str, answers)) == ["INVITATION_REVOKED"] * 7 + ["None"]
    assert len(await factory.invitations_of(world, first.assignment_id)) == 2


async def test_redeeming_and_withdrawing_at_the_same_time_have_one_outcome(world, version):
    sent = await invite(world, version, 10)
    acts = [do(world.office, world, invitations_acts.revoke, [one.id], "Sent by mistake.") for one in sent]
    redeems = [factory.redeem(world.office, token(one)) for one in sent]
    both = await asyncio.gather(*acts, *redeems, return_exceptions=True)
    for withdrawn, redeemed in zip(both[:10], both[10:], strict=True):
        if isinstance(redeemed, str):
            assert codes(withdrawn) == ["INVITATION_USED"]
        else:
            assert isinstance(redeemed, InvitationRevoked)
            assert codes(withdrawn) == [None]


async def test_a_link_is_copied_only_while_it_leads_somewhere_and_the_ledger_tells(world, version):
    free, used, gone = await invite(world, version, 3)
    await factory.redeem(world.office, token(used))
    await do(world.office, world, invitations_acts.revoke, [gone.id], "Sent by mistake.")
    answer = await do(world.office, world, invitations_acts.copy_link, free.id)
    assert answer == {"invitation": str(free.id), "jti": str(free.jti)}
    await do(world.office, world, invitations_acts.copy_link, free.id)
    told = (Activity.subject_id == free.id, Activity.act == "invitation.link_copied")
    assert await count(world, Activity, *told) == 2
    for one, refusal in ((used, InvitationUsed), (gone, InvitationRevoked)):
        with pytest.raises(refusal):
            await do(world.office, world, invitations_acts.copy_link, one.id)
    with pytest.raises(InvitationExpired):
        await do(world.office.shifted(40 * DAY), world, invitations_acts.copy_link, free.id)


async def test_the_delivery_is_that_of_the_newest_mail(world, version):
    (sent,) = await invite(world, version)

    async def state() -> MessageChange | None:
        async with world.office.snapshot(world.system) as work:
            found = await messages_history.deliveries(work, "invitation", [sent.id])
        return found[sent.id].change if sent.id in found else None

    async def newest() -> UUID:
        async with world.office.snapshot(world.system) as work:
            wanted = select(Message.id).where(Message.subject_id == sent.id).order_by(Message.id.desc())
            return (await work.session.scalars(wanted)).first()

    async def note(change) -> None:
        message_id = await newest()
        await world.office.perform(world.system, lambda work: messages_deliver.note(work, message_id, change))

    assert await state() is None
    await do(world.office, world, invitations_acts.resend, [sent.id], LINK)
    assert await state() is MessageChange.QUEUED
    for change in (MessageChange.DEFERRED, MessageChange.BOUNCED):
        await note(change)
        assert await state() is change
    await do(world.office, world, invitations_acts.resend, [sent.id], LINK)
    assert await state() is MessageChange.QUEUED
