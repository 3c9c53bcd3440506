"""Starting by a public link on real connections: so many and no more, each once, and nobody who may not."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from models.assignments import AssignmentTarget, Invitation
from models.identity import User, UserStatus
from models.public_links import PublicLink
from models.sessions import DeliverySession
from services import assignments_redeem, invitations, public_links, public_links_redeem
from services.public_links import Wanted
from services.public_links_redeem import Visitor
from services.refusals import (
    AccessCodeWrong,
    InvalidInput,
    NoAttemptsLeft,
    NotAMember,
    PublicLinkClosed,
    PublicLinkFull,
    Unauthenticated,
    WindowClosed,
)
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

KEY = bytes(32)


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def link_to(world, version, wanted=Wanted(), **terms) -> PublicLink:  # noqa: B008 - frozen
    answer = await factory.issue(world, version, **terms)
    assignment = UUID(answer["assignment"])

    async def act(work):
        return await public_links.create(work, assignment, wanted, KEY)

    made = UUID((await world.office.perform(world.system, act))["link"])
    async with world.office.snapshot(world.system) as work:
        return (await public_links.by_ids(work, [made]))[made]


async def start(world, link, email=None, *, code=None, nonce=None, office=None) -> UUID:
    claims = invitations.verify(factory.TOKENS, public_links.mint(factory.TOKENS, link))
    visitor = Visitor("Ada Passing", email or f"{uuid4().hex}@example.org", code, nonce or uuid4().hex)

    async def act(work):
        return await public_links_redeem.redeem(work, claims, visitor, KEY)

    answer = await (office or world.office).perform(assignments_redeem.bearer(claims), act)
    return UUID(answer["session_id"])


async def count(world, model, *where) -> int:
    async with world.office.snapshot(world.system) as work:
        return await work.session.scalar(select(func.count()).select_from(model).where(*where))


async def test_forty_at_once_find_ten_places(world, version):
    link = await link_to(world, version, Wanted(cap=10))
    results = await asyncio.gather(*(start(world, link) for _ in range(40)), return_exceptions=True)
    kinds = Counter(type(one).__name__ for one in results)
    assert kinds == {"UUID": 10, "PublicLinkFull": 30}
    assert await count(world, DeliverySession, DeliverySession.assignment_id == link.assignment_id) == 10
    async with world.office.snapshot(world.system) as work:
        assert (await public_links.by_ids(work, [link.id]))[link.id].used == 10
    assert await count(world, User, User.display_name == "Ada Passing") == 10, "who was refused left nothing behind"


async def test_one_browser_gets_one_session_and_attempts_count(world, version):
    link = await link_to(world, version, Wanted(cap=5), allowed_attempts=1)
    email, nonce = f"{uuid4().hex}@example.org", uuid4().hex
    both = await asyncio.gather(*(start(world, link, email, nonce=nonce) for _ in range(2)))
    assert both[0] == both[1] == await start(world, link, email.upper(), nonce=nonce)
    with pytest.raises(NoAttemptsLeft):
        await start(world, link, email)
    async with world.office.snapshot(world.system) as work:
        made = (await work.session.scalars(select(Invitation).where(Invitation.public_link_id == link.id))).all()
        targets = await work.session.scalars(
            select(AssignmentTarget.kind).where(AssignmentTarget.user_id == made[0].user_id)
        )
        assert (len(made), list(targets)) == (1, ["public_link"])


async def test_what_a_link_says_comes_first(world, version):
    link = await link_to(world, version, Wanted(access_code=" Tulip 7 "))
    for wrong in (None, "", "tulip", "rose"):
        with pytest.raises(AccessCodeWrong):
            await start(world, link, code=wrong)
    await start(world, link, code="TULIP 7")
    assert "ulip" not in str(vars(link))

    async def close(work):
        return await public_links.close(work, link.id, "Everybody came.")

    await world.office.perform(world.system, close)
    with pytest.raises(PublicLinkClosed):
        await start(world, link, code="Tulip 7")
    with pytest.raises(PublicLinkClosed):
        await world.office.perform(world.system, close)


async def test_window_and_person_are_looked_at_as_for_every_invitation(world, version):
    async with world.office.snapshot(world.system) as work:
        closes = await work.now() + timedelta(minutes=5)
    link = await link_to(world, version, valid_until=closes)
    with pytest.raises(WindowClosed):
        await start(world, link, office=world.office.shifted(timedelta(minutes=6)))
    suspended = await world.staff("viewer")

    async def suspend(work):
        user = await work.session.get_one(User, (world.tenant_id, suspended.user_id))
        user.status = UserStatus.SUSPENDED
        return user.email

    email = await world.office.perform(world.system, suspend)
    with pytest.raises(NotAMember):
        await start(world, link, email)
    with pytest.raises(InvalidInput):
        await start(world, link, "not an address")
    for wanted in (Wanted(cap=0), Wanted(access_code="abc")):
        with pytest.raises(InvalidInput):
            await link_to(world, version, wanted)


async def test_an_invitation_is_no_public_link_and_the_other_way_round(world, version):
    link = await link_to(world, version)
    (invitation,) = await factory.invitations_of(world, link.assignment_id)
    with pytest.raises(Unauthenticated):
        await factory.redeem(world.office, public_links.mint(factory.TOKENS, link))
    claims = invitations.verify(factory.TOKENS, invitations.mint(factory.TOKENS, invitation))
    visitor = Visitor("Ada", "ada@example.org", None, uuid4().hex)

    async def act(work):
        return await public_links_redeem.redeem(work, claims, visitor, KEY)

    with pytest.raises(Unauthenticated):
        await world.office.perform(assignments_redeem.bearer(claims), act)
    assert PublicLinkFull(3).cap == 3
