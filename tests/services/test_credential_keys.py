"""Keys that sign credentials: one that signs, past ones that verify, and private halves that nobody sees."""

import asyncio
import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models.activity import Activity
from models.base import uuid7
from models.credential_keys import CredentialKey
from services import credential_keys
from services.refusals import InvalidInput
from services.refusals_files import CredentialKeyLost
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office
from tests.factories import tenants

SMALL = [credential_keys.make(2048) for _ in range(4)]


async def first(office: Office, place: tenants.World, candidate=SMALL[0]) -> CredentialKey:
    return await office.perform(
        Viewer.system(place.tenant_id), lambda work: credential_keys.first(work, candidate), repeatable=True
    )


async def rotate(office: Office, viewer: Viewer, candidate, reason: str = "The year is over."):
    return await office.perform(viewer, lambda work: credential_keys.rotate(work, candidate, reason))


async def rows(office: Office, place: tenants.World) -> list[CredentialKey]:
    async with office.snapshot(place.system) as work:
        return list(await work.session.scalars(select(CredentialKey).order_by(CredentialKey.id)))


def test_a_key_is_long_enough():
    assert credential_keys.BITS == 3072


async def test_of_many_who_make_the_first_key_at_once_one_has_its_way(office):
    place = await tenants.found(office)
    made = await asyncio.gather(*[first(office, place, SMALL[n % 4]) for n in range(8)])
    assert len({row.id for row in made}) == 1
    (row,) = await rows(office, place)
    assert (row.retired_at, row.made_by) == (None, None)


async def test_rotating_destroys_the_private_half_and_keeps_the_public_one(office):
    place = await tenants.found(office)
    await first(office, place, SMALL[0])
    admin = await place.staff("tenant_admin")
    await rotate(office, admin, SMALL[1], "  A laptop was stolen. ")
    await rotate(office, admin, SMALL[2])
    old, middle, new = await rows(office, place)
    assert [one.sealed is None for one in (old, middle, new)] == [True, True, False]
    assert (old.retire_reason, old.retired_by) == ("A laptop was stolen.", admin.user_id)
    assert old.retired_at == middle.created_at
    async with office.snapshot(place.system) as work:
        published = await credential_keys.published(work)
        assert list(published.values()) == [one.public for one in SMALL[:3]]
        current = await credential_keys.current(work)
        assert current is not None
        key = credential_keys.opened(work, current)
    assert key.public_key().public_numbers().n == int.from_bytes(_decoded(SMALL[2].public["n"]))
    key.public_key().verify(key.sign(b"it", padding.PKCS1v15(), SHA256()), b"it", padding.PKCS1v15(), SHA256())


async def test_rotating_without_any_key_makes_the_first_one(office):
    place = await tenants.found(office)
    await rotate(office, await place.staff("tenant_admin"), SMALL[0])
    (row,) = await rows(office, place)
    assert row.retired_at is None


async def test_who_rotates_at_the_same_time_takes_turns(office):
    place = await tenants.found(office)
    admin = await place.staff("tenant_admin")
    await asyncio.gather(*[rotate(office, admin, one) for one in SMALL])
    found = await rows(office, place)
    assert [one.retired_at is None for one in found].count(True) == 1
    assert len(found) == len(SMALL)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
async def test_a_reason_is_needed(office, reason: str):
    place = await tenants.found(office)
    with pytest.raises(InvalidInput):
        await rotate(office, place.system, SMALL[0], reason)
    assert await rows(office, place) == []


async def test_a_key_of_another_installation_is_a_refusal_and_is_rotated_away(office, database, caplog):
    place = await tenants.found(office)
    await first(office, place)
    other = Office(database.app, ring=lambda _topics: None, vault=Vault(b"1" * 32))
    try:
        async with other.snapshot(place.system) as work:
            row = await credential_keys.current(work)
            assert row is not None
            with pytest.raises(CredentialKeyLost, match=row.thumbprint):
                credential_keys.opened(work, row)
        await rotate(other, await place.staff("tenant_admin"), SMALL[1], "The signing key was changed.")
        async with other.snapshot(place.system) as work:
            row = await credential_keys.current(work)
            assert row is not None
            assert credential_keys.opened(work, row).key_size == 2048
    finally:
        await other.close()


async def test_a_seal_that_is_moved_to_another_tenant_does_not_open(office):
    one, other = await tenants.found(office), await tenants.found(office)
    await first(office, one, SMALL[0])
    await first(office, other, SMALL[1])
    (theirs,) = await rows(office, one)
    async with office.snapshot(other.system) as work:
        row = await credential_keys.current(work)
        assert row is not None
        row.sealed = theirs.sealed
        with pytest.raises(CredentialKeyLost):
            credential_keys.opened(work, row)


async def test_the_ledger_tells_who_and_why_and_no_secret(office):
    place = await tenants.found(office)
    await first(office, place)
    admin = await place.staff("tenant_admin")
    await rotate(office, admin, SMALL[1], "Each spring.")
    async with office.snapshot(place.system) as work:
        wanted = select(Activity).where(Activity.subject_kind == "credential_key").order_by(Activity.id)
        made, rotated = list(await work.session.scalars(wanted))
    prints = [credential_keys.thumbprint(one.public) for one in SMALL[:2]]
    assert (made.act, made.after) == ("credential_key.made", {"thumbprint": prints[0]})
    assert (rotated.act, rotated.reason, rotated.actor_id) == ("credential_key.rotated", "Each spring.", admin.user_id)
    assert (rotated.before, rotated.after) == ({"thumbprint": prints[0]}, {"thumbprint": prints[1]})


STATEMENTS = [
    "update credential_keys set public = '{}'",
    "update credential_keys set thumbprint = 'x'",
    "delete from credential_keys",
]


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_what_was_published_is_neither_changed_nor_removed(office, statement: str):
    place = await tenants.found(office)
    await first(office, place)
    with pytest.raises(DBAPIError):
        await office.perform(place.system, lambda work: work.session.execute(text(statement)))


async def test_a_retired_key_never_comes_back(office):
    place = await tenants.found(office)
    await rotate(office, place.system, SMALL[0])
    await rotate(office, place.system, SMALL[1])
    back = (
        "update credential_keys set retired_at = null, retire_reason = null, sealed = '1' where retired_at is not null"
    )
    with pytest.raises(DBAPIError):
        await office.perform(place.system, lambda work: work.session.execute(text(back)))


async def test_two_keys_that_sign_cannot_stand_beside_each_other(office):
    place = await tenants.found(office)
    await first(office, place)

    async def second(work):
        row = CredentialKey(id=uuid7(), thumbprint="other", public={}, sealed=b"1")
        work.session.add(row)
        await work.session.flush()

    with pytest.raises(IntegrityError):
        await office.perform(place.system, second)


async def test_making_a_key_does_not_hold_up_the_process():
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    try:
        candidate = await credential_keys.made()
    finally:
        counting.cancel()
    assert len(_decoded(candidate.public["n"])) == 384
    assert turns > 100


def _decoded(number: str) -> bytes:
    return base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
