"""The directory of bearers opens for the hash that is shown, and for nothing else; and what is over leaves it."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import delete, func, select, update

from models.base import uuid7
from models.identity import User
from models.sign_ins import Bearer, BearerKind, MagicLink, RefreshToken, SignIn
from realtime import topics
from server.addresses import DatabaseAddress
from services import bearers, sign_ins, sign_ins_expiry
from services.bearers import hashed
from services.refusals import InvalidInput
from services.viewer import Viewer
from services.work import Office
from tests.factories import tenants
from tests.factories.tenants import World


async def test_a_hash_opens_its_own_row_in_every_tenant_and_no_other(office: Office, world: World):
    other = await tenants.found(office)
    email = f"{uuid4().hex}@example.org"
    ours, theirs = await world.staff("viewer", email), await other.staff("viewer", email)
    await world.staff("viewer")
    found = await bearers.find(office, BearerKind.ADDRESS, hashed(email))
    assert {(one.tenant_id, one.subject_id) for one in found} == {
        (world.tenant_id, ours.user_id),
        (other.tenant_id, theirs.user_id),
    }
    assert await bearers.find(office, BearerKind.LINK, hashed(email)) == []
    async with office.snapshot(Viewer.bearing(hashed(email))) as work:
        assert len(await work.rows(select(Bearer))) == 2, "all that is there to see"
        assert await work.rows(select(User)) == []
    async with office.snapshot(Viewer.anonymous()) as work:
        assert await work.rows(select(Bearer)) == []


async def test_who_bears_a_hash_changes_and_adds_nothing(database: DatabaseAddress, office: Office, world: World):
    email = f"{uuid4().hex}@example.org"
    person = await world.staff("viewer", email)
    connection = await asyncpg.connect(database.app_dsn)
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.bearer_hash', $1, true)", hashed(email))
            assert await connection.fetchval("select count(*) from bearers") == 1
        for statement in (
            "insert into bearers (tenant_id, kind, hash, subject_id) values ($1, 'link', $2, $3)",
            "update bearers set subject_id = $3 where tenant_id = $1 and hash = $2",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("select set_config('app.bearer_hash', $1, true)", hashed(email))
                    await connection.execute(statement, world.tenant_id, hashed(email), person.user_id)
    finally:
        await connection.close()


async def test_the_directory_follows_the_address(office: Office, world: World):
    old, new = f"{uuid4().hex}@example.org", f"{uuid4().hex}@example.org"
    person = await world.staff("viewer", old)

    async def move(work):
        await work.session.execute(update(User).where(User.id == person.user_id).values(email=new))

    await office.perform(world.system, move)
    assert await bearers.find(office, BearerKind.ADDRESS, hashed(old)) == []
    assert len(await bearers.find(office, BearerKind.ADDRESS, hashed(new))) == 1


async def test_what_is_over_is_removed_with_its_entries_and_people_stay(office: Office, world: World):
    person = await world.staff("viewer")

    async def leave(work):
        link = MagicLink(
            id=uuid7(), user_id=person.user_id, token_hash=uuid4().hex, nonce_hash="n", expires_at=func.evalium_now()
        )
        sign_in = SignIn(
            id=uuid7(),
            user_id=person.user_id,
            org_unit_id=world.org_unit_id,
            nonce_hash="n",
            expires_at=await work.now() + sign_ins.SIGN_IN_LIFE,
        )
        work.session.add_all([link, sign_in])
        await work.session.flush()
        token = RefreshToken(id=uuid7(), sign_in_id=sign_in.id, token_hash=uuid4().hex)
        work.session.add(token)
        bearers.enter(work, BearerKind.LINK, link.token_hash, link.id)
        bearers.enter(work, BearerKind.REFRESH, token.token_hash, token.id)

    async def count(table) -> int:
        async with office.snapshot(world.system) as work:
            return (await work.session.execute(select(func.count()).select_from(table))).scalar_one()

    people = await count(Bearer)
    await office.perform(world.system, leave)
    for days, left in ((0, 3), (2, 2), (32, 0)):
        later = office.shifted(timedelta(days=days))
        while await later.perform(world.system, sign_ins_expiry.prune):
            pass
        assert await count(MagicLink) + await count(SignIn) + await count(RefreshToken) == left
    assert await count(Bearer) == people


@pytest.mark.parametrize("nonce", ["", "short", "a" * 129, "a" * 30 + ";", "a" * 30 + "é", "a" * 21 + "\n" * 5])
def test_a_nonce_that_is_no_secret_or_no_cookie_is_refused(nonce: str):
    with pytest.raises(InvalidInput):
        sign_ins.hashed_nonce(nonce)


def test_six_digits_follow_from_the_link_and_the_secret():
    codes = {sign_ins.code_of(b"s" * 32, hashed(str(n))) for n in range(2000)}
    assert all(len(code) == 6 and code.isdecimal() for code in codes)
    assert len(codes) > 1950
    assert sign_ins.code_of(b"s" * 32, "x") == sign_ins.code_of(b"s" * 32, "x") != sign_ins.code_of(b"t" * 32, "x")


async def test_suspending_ends_sign_ins_and_links_and_rings(office: Office, world: World, rung: list):
    person = await world.staff("viewer")

    async def begin(work):
        until = await work.now() + sign_ins.SIGN_IN_LIFE
        work.session.add_all(
            [
                SignIn(
                    id=uuid7(), user_id=person.user_id, org_unit_id=world.org_unit_id, nonce_hash="n", expires_at=until
                ),
                MagicLink(id=uuid7(), user_id=person.user_id, token_hash=uuid4().hex, nonce_hash="n", expires_at=until),
            ]
        )

    async def end(work):
        return await sign_ins.end_all_of(work, person.user_id)

    await office.perform(world.system, begin)
    rung.clear()
    assert len(await office.perform(world.system, end)) == 1
    assert rung == [topics.rights(world.tenant_id)]
    assert await office.perform(world.system, end) == []
    async with office.snapshot(world.system) as work:
        live = MagicLink.expires_at > func.evalium_now()
        assert await work.rows(select(MagicLink).where(MagicLink.user_id == person.user_id, live)) == []
    await office.perform(world.system, lambda work: work.session.execute(delete(MagicLink)))
