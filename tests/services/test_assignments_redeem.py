"""Redeeming: every refusal, every race, on real connections and the database's clock."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.assignments import Invitation, InvitationStatus
from models.base import uuid7
from models.identity import User, UserStatus
from models.sessions import DeliverySession, SessionEvent
from services import assignments, assignments_redeem, invitations, policy, sessions
from services.idempotency import Request, once
from services.invitations import Invited
from services.paging import PageRequest
from services.refusals import (
    InvalidInput,
    InvitationExpired,
    InvitationRevoked,
    InvitationUsed,
    NoAttemptsLeft,
    NotAMember,
    Refusal,
    Unauthenticated,
    WindowClosed,
    WindowNotOpen,
)
from services.tokens import TokenType
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

MINUTE = timedelta(minutes=1)
OTHER = "o" * 32


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def invite(world, version, **terms) -> Invitation:
    answer = await factory.issue(world, version, **terms)
    (invitation,) = await factory.invitations_of(world, UUID(answer["assignment"]))
    return invitation


def token_of(invitation: Invitation) -> str:
    return invitations.mint(factory.TOKENS, invitation)


async def sessions_of(world, assignment_id) -> list[DeliverySession]:
    async with world.office.snapshot(world.system) as work:
        wanted = select(DeliverySession).where(DeliverySession.assignment_id == assignment_id)
        return list(await work.session.scalars(wanted))


async def together(*acts) -> tuple[list, list[Refusal]]:
    answers = await asyncio.gather(*acts, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) + sum(isinstance(answer, str) for answer in answers) == len(answers), answers
    return [answer for answer in answers if isinstance(answer, str)], refused


async def test_redeeming_opens_a_session_with_its_policy_frozen(world, version):
    until = datetime.now(UTC) + timedelta(days=2)
    invitation = await invite(
        world,
        version,
        valid_until=until,
        time_limit_seconds=2700,
        allowed_attempts=2,
        feedback_mode="OUTCOME",
        security_config={"lockdown_browser": "REQUIRED"},
    )
    session_id = await factory.redeem(world.office, token_of(invitation))
    (session,) = await sessions_of(world, invitation.assignment_id)
    frozen = policy.from_json(session.policy)
    assert str(session.id) == session_id
    assert (session.attempt, session.window_until, session.grace_seconds) == (1, until, 5)
    assert frozen.time_limit_seconds.value == 2700
    assert frozen.time_limit_seconds.source.id == str(invitation.assignment_id)
    assert frozen.network_grace_seconds.source.kind == "system_default"
    assert frozen.security.value.level == "high_stakes"
    (kept,) = await factory.invitations_of(world, invitation.assignment_id)
    assert (kept.status, kept.session_id) == (InvitationStatus.ACCEPTED, session.id)
    assert kept.nonce_hash is not None
    assert factory.NONCE not in kept.nonce_hash
    async with world.office.snapshot(world.system) as work:
        assert await work.session.scalar(select(Activity.act).where(Activity.subject_id == invitation.id))
        events = await work.session.scalars(select(SessionEvent.kind).where(SessionEvent.session_id == session.id))
        assert list(events) == ["created"]


async def test_a_lost_answer_does_not_cost_the_attempt(world, version):
    invitation = await invite(world, version)
    token = token_of(invitation)
    first = await factory.redeem(world.office, token)
    assert await factory.redeem(world.office, token) == first
    assert await factory.redeem(world.office.shifted(1.9 * MINUTE), token) == first
    with pytest.raises(InvitationUsed):
        await factory.redeem(world.office, token, OTHER)
    with pytest.raises(InvitationUsed):
        await factory.redeem(world.office.shifted(2.1 * MINUTE), token)
    assert len(await sessions_of(world, invitation.assignment_id)) == 1


async def test_a_retry_counts_although_the_window_has_closed_in_between(world, version):
    until = datetime.now(UTC) + MINUTE
    invitation = await invite(world, version, valid_until=until)
    first = await factory.redeem(world.office, token_of(invitation))
    late = world.office.shifted(1.5 * MINUTE)
    assert await factory.redeem(late, token_of(invitation)) == first
    with pytest.raises(InvitationUsed):
        await factory.redeem(late, token_of(invitation), OTHER)


async def test_outside_the_window_by_the_databases_clock(world, version):
    opens = datetime.now(UTC) + timedelta(hours=1)
    closes = opens + timedelta(hours=1)
    invitation = await invite(world, version, valid_from=opens, valid_until=closes)
    token = token_of(invitation)
    with pytest.raises(WindowNotOpen) as early:
        await factory.redeem(world.office, token)
    with pytest.raises(WindowClosed) as late:
        await factory.redeem(world.office.shifted(timedelta(hours=2, seconds=1)), token)
    assert (early.value.opens_at, late.value.closed_at) == (opens, closes)
    assert await factory.redeem(world.office.shifted(timedelta(hours=1, minutes=59)), token)


async def test_a_closed_assignment_says_when_it_was_closed(world, version):
    invitation = await invite(world, version)
    await world.office.perform(
        world.system, lambda work: assignments.close(work, invitation.assignment_id, "No longer needed.")
    )
    with pytest.raises(WindowClosed):
        await factory.redeem(world.office, token_of(invitation))


async def test_an_invitation_without_a_window_ends_after_thirty_days(world, version):
    invitation = await invite(world, version)
    with pytest.raises(InvitationExpired):
        await factory.redeem(world.office.shifted(timedelta(days=30, seconds=1)), token_of(invitation))
    assert await factory.redeem(world.office.shifted(timedelta(days=29)), token_of(invitation))


async def test_a_revoked_and_a_replaced_invitation(world, version):
    revoked, replaced = await invite(world, version), await invite(world, version)
    old = token_of(replaced)

    async def act(work):
        for key, changes in ((revoked.id, {"status": InvitationStatus.REVOKED}), (replaced.id, {"jti": uuid7()})):
            row = await work.session.get_one(Invitation, (world.tenant_id, key))
            for name, value in changes.items():
                setattr(row, name, value)

    await world.office.perform(world.system, act)
    for token in (token_of(revoked), old):
        with pytest.raises(InvitationRevoked):
            await factory.redeem(world.office, token)


async def test_a_suspended_person_and_one_no_longer_addressed(world, version):
    suspended, forgotten = await invite(world, version), await invite(world, version)

    async def suspend(work):
        (await work.session.get_one(User, (world.tenant_id, suspended.user_id))).status = UserStatus.SUSPENDED

    await world.office.perform(world.system, suspend)
    await factory.forget_target(world, forgotten)
    for invitation in (suspended, forgotten):
        with pytest.raises(NotAMember):
            await factory.redeem(world.office, token_of(invitation))


async def test_attempts_are_counted_over_all_invitations_of_a_person(world, version):
    invitation = await invite(world, version, allowed_attempts=2)
    second, third = await factory.invite_again(world, invitation, (2, 3))
    for one in (invitation, second):
        await factory.redeem(world.office, token_of(one))
    with pytest.raises(NoAttemptsLeft) as refused:
        await factory.redeem(world.office, token_of(third))
    assert (refused.value.used, refused.value.allowed) == (2, 2)
    assert {row.attempt for row in await sessions_of(world, invitation.assignment_id)} == {1, 2}
    (_, _, untouched) = await factory.invitations_of(world, invitation.assignment_id)
    assert untouched.status == InvitationStatus.SENT


async def test_twenty_redeems_of_one_token_in_twenty_browsers_open_one_session(world, version):
    invitation = await invite(world, version, allowed_attempts=1000)
    token = token_of(invitation)
    opened, refused = await together(*(factory.redeem(world.office, token, f"{n:032}") for n in range(20)))
    assert (len(opened), len(refused)) == (1, 19)
    assert {refusal.code for refusal in refused} == {"INVITATION_USED"}
    assert len(await sessions_of(world, invitation.assignment_id)) == 1


async def test_twenty_redeems_of_one_token_in_one_browser_all_get_that_session(world, version):
    invitation = await invite(world, version)
    opened, refused = await together(*(factory.redeem(world.office, token_of(invitation)) for _ in range(20)))
    assert (len(opened), refused) == (20, [])
    assert len(set(opened)) == 1
    assert len(await sessions_of(world, invitation.assignment_id)) == 1


async def test_twenty_invitations_of_a_person_with_one_attempt_left_open_one_session(world, version):
    invitation = await invite(world, version)
    everyone = [invitation, *await factory.invite_again(world, invitation, range(2, 21))]
    assert len(everyone) == 20
    opened, refused = await together(
        *(factory.redeem(world.office, token_of(one), f"{one.ordinal:032}") for one in everyone)
    )
    assert (len(opened), len(refused)) == (1, 19)
    assert {refusal.code for refusal in refused} == {"NO_ATTEMPTS_LEFT"}
    assert len(await sessions_of(world, invitation.assignment_id)) == 1
    burnt = [one for one in await factory.invitations_of(world, invitation.assignment_id) if one.accepted_at]
    assert len(burnt) == 1


async def test_once_closing_was_answered_nobody_starts_any_more(world, version):
    answer = await factory.issue(world, version, factory.by_email(*factory.addresses(12)))
    assignment_id = UUID(answer["assignment"])
    tokens = [token_of(one) for one in await factory.invitations_of(world, assignment_id)]

    async def close():
        await world.office.perform(world.system, lambda work: assignments.close(work, assignment_id, "Stop."))
        return len(await sessions_of(world, assignment_id))

    at_close, *_ = await asyncio.gather(
        close(), *(factory.redeem(world.office, token) for token in tokens), return_exceptions=True
    )
    assert len(await sessions_of(world, assignment_id)) == at_close


async def test_what_is_no_invitation_of_ours(world, version):
    invitation = await invite(world, version)
    token = token_of(invitation)
    facts = {"org_unit_id": world.org_unit_id, "now": invitation.sent_at, "expires_at": invitation.expires_at}
    foreign = replace(world, tenant_id=uuid7())
    bad = [
        "",
        "x.y.z",
        token[:-3],
        token[:-6] + "AAAAAA",
        factory.TOKENS.mint(TokenType.SERVICE, invitation.id, world.tenant_id, **facts),
        factory.TOKENS.mint(TokenType.INVITATION, uuid7(), world.tenant_id, **facts),
        factory.TOKENS.mint(TokenType.INVITATION, invitation.id, foreign.tenant_id, **facts),
        factory.TOKENS.mint(TokenType.INVITATION, invitation.id, world.tenant_id, **{**facts, "org_unit_id": None}),
        factory.TOKENS.mint(TokenType.INVITATION, invitation.id, world.tenant_id, **{**facts, "org_unit_id": uuid7()}),
    ]
    for one in bad:
        with pytest.raises(Unauthenticated, match="not a valid invitation") as refused:
            await factory.redeem(world.office, one)
        assert "whole link" in refused.value.advice
    assert await factory.redeem(world.office, token)


@pytest.mark.parametrize("nonce", ["", "short", "n" * 15, "n" * 129, "n" * 20 + "\n"])
async def test_a_nonce_of_the_wrong_shape_burns_nothing(world, version, nonce):
    invitation = await invite(world, version)
    with pytest.raises(InvalidInput):
        await factory.redeem(world.office, token_of(invitation), nonce)
    assert await factory.redeem(world.office, token_of(invitation))


async def test_under_an_idempotency_key_two_candidates_do_not_meet(world, version):
    answer = await factory.issue(world, version, factory.by_email(*factory.addresses(2)))
    made = await factory.invitations_of(world, UUID(answer["assignment"]))

    async def redeem(invitation, office=world.office):
        claims = invitations.verify(factory.TOKENS, token_of(invitation))
        request = Request.of("invitationRedeem", "the same key", {"token": token_of(invitation)})

        async def unit(work):
            return await once(work, request, lambda w: assignments_redeem.redeem(w, claims, factory.NONCE))

        return (await office.perform(assignments_redeem.bearer(claims), unit, repeatable=True))["session_id"]

    first, second = [await redeem(one) for one in made]
    assert first != second
    assert await redeem(made[0], world.office.shifted(timedelta(hours=3))) == first


async def test_a_session_token_is_the_same_at_each_call_and_lives_seven_days(world, version):
    invitation = await invite(world, version)
    await factory.redeem(world.office, token_of(invitation))
    (session,) = await sessions_of(world, invitation.assignment_id)
    token, ends = assignments_redeem.session_token(factory.TOKENS, session)
    assert (token, ends) == assignments_redeem.session_token(factory.TOKENS, session)
    assert ends - session.created_at == timedelta(days=7)
    claims = factory.TOKENS.verify(token, TokenType.SESSION)
    assert (claims.subject, claims.org_unit_id) == (session.id, world.org_unit_id)


async def test_an_invitation_stands_where_its_session_stands(world, version):
    invitation = await invite(world, version, time_limit_seconds=600)

    async def standing(office=world.office) -> Invited:
        async with office.snapshot(world.system) as work:
            page = await invitations.of_assignment(work, invitation.assignment_id, PageRequest())
            (same,) = (await invitations.by_id(work, [invitation.id])).values()
            assert same.status == page.rows[0].status
            return page.rows[0]

    assert (await standing()).status == InvitationStatus.SENT
    assert (await standing(world.office.shifted(timedelta(days=31)))).status == InvitationStatus.EXPIRED
    session_id = UUID(await factory.redeem(world.office, token_of(invitation)))
    assert (await standing()).status == InvitationStatus.ACCEPTED
    await world.office.perform(world.system, lambda work: sessions.start(work, session_id))
    assert (await standing()).status == InvitationStatus.STARTED
    assert (await standing(world.office.shifted(timedelta(seconds=606)))).status == InvitationStatus.EXPIRED
    assert (await standing()).session is not None


async def test_nothing_of_a_refused_redeem_remains(world, version):
    invitation = await invite(world, version, valid_from=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(WindowNotOpen):
        await factory.redeem(world.office, token_of(invitation))
    async with world.office.snapshot(world.system) as work:
        told = select(func.count()).select_from(Activity).where(Activity.subject_id == invitation.id)
        assert (await work.session.execute(told)).scalar_one() == 0
