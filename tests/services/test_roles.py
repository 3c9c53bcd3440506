"""Roles and grants: nobody gives what they do not hold, system roles are fixed, and an administrator is always left."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.base import uuid7
from models.capabilities import Capability
from models.identity import OrgUnit, UserRole
from realtime import topics
from services import identity, org_units, roles, roles_grants, users
from services.refusals import (
    AlreadyExists,
    CapabilitiesClash,
    InvalidInput,
    LastAdministrator,
    NotHeld,
    OneselfRefused,
    StateDrift,
    StillInUse,
    SystemRoleFixed,
)
from services.roles import Change
from services.roles_grants import Wanted
from services.system_roles import SYSTEM_ROLES
from tests.factories import tenants


@pytest.fixture
async def tenant(office):
    return await tenants.found(office)


async def perform(tenant, viewer, act, *args, **more):
    return await tenant.office.perform(viewer, lambda work: act(work, *args, **more))


async def custom(tenant, viewer, *capabilities) -> UUID:
    made = await perform(tenant, viewer, roles.create, Change(f"R {uuid7()}", "", [str(one) for one in capabilities]))
    return UUID(made["role"])


async def unit(tenant) -> UUID:
    made = await perform(tenant, tenant.system, org_units.create, f"Unit {uuid7()}")
    return UUID(made["org_unit"])


async def grant(tenant, giver, taker, role_id, **more):
    made = await perform(tenant, giver, roles_grants.assign, taker.user_id, Wanted(role_id, **more), "because")
    return UUID(made["grant"])


async def held(tenant, viewer, org_unit_id=None):
    person = (viewer.user_id, org_unit_id or tenant.org_unit_id)
    async with tenant.office.snapshot(tenant.system) as work:
        return (await identity.capabilities_of(work, [person]))[person]


async def test_a_custom_role_is_created_changed_granted_and_deleted_once_nobody_holds_it(tenant, rung):
    admin, viewer = await tenant.staff("tenant_admin"), await tenant.staff("viewer")
    role_id = await custom(tenant, admin, Capability.USERS_READ)
    rung.clear()
    grant_id = await grant(tenant, admin, viewer, role_id)
    assert rung == [topics.rights(tenant.tenant_id)]
    assert Capability.USERS_READ in await held(tenant, viewer)
    await perform(tenant, admin, roles.update, role_id, Change(capabilities=["activity.read"]))
    assert await held(tenant, viewer) >= {Capability.ACTIVITY_READ}
    assert Capability.USERS_READ not in await held(tenant, viewer)
    with pytest.raises(StillInUse, match="1 person holds"):
        await perform(tenant, admin, roles.remove, role_id, "not needed")
    await perform(tenant, admin, roles_grants.remove, grant_id, "enough")
    assert Capability.ACTIVITY_READ not in await held(tenant, viewer)
    await perform(tenant, admin, roles.remove, role_id, "not needed")
    async with tenant.office.snapshot(tenant.system) as work:
        acts = await work.rows(select(Activity.act).where(Activity.subject_id == role_id).order_by(Activity.id))
    assert [row.act for row in acts] == ["role.created", "role.updated", "role.deleted"]


async def test_system_roles_are_cloned_and_never_changed(tenant):
    admin = await tenant.staff("tenant_admin")
    for key, role_id in tenant.roles.items():
        with pytest.raises(SystemRoleFixed):
            await perform(tenant, admin, roles.update, role_id, Change(name="Mine"))
        with pytest.raises(SystemRoleFixed):
            await perform(tenant, admin, roles.remove, role_id, "why")
        made = await perform(tenant, admin, roles.clone, role_id, f"Clone of {key}", None)
        async with tenant.office.snapshot(tenant.system) as work:
            cloned = (await roles.capabilities_of(work, [UUID(made["role"])])).popitem()[1]
        system = next(one for one in SYSTEM_ROLES if one.key == key)
        apart = {Capability.BILLING_MANAGE} if key == "tenant_admin" else set()
        assert set(cloned) == system.capabilities - apart


async def test_billing_stays_apart_and_names_are_unique_whatever_their_capitals(tenant):
    admin = await tenant.staff("tenant_admin")
    with pytest.raises(CapabilitiesClash, match=r"assignments\.read"):
        await custom(tenant, admin, Capability.BILLING_MANAGE, Capability.ASSIGNMENTS_READ)
    await custom(tenant, admin, Capability.BILLING_MANAGE, Capability.USERS_READ)
    with pytest.raises(AlreadyExists):
        await perform(tenant, admin, roles.create, Change("AUDITOR", "", []))
    with pytest.raises(InvalidInput, match=r"no\.such"):
        await perform(tenant, admin, roles.create, Change("X", "", ["no.such"]))


async def test_nobody_gives_or_puts_into_a_role_what_they_do_not_hold(tenant):
    admin, lead, other = [await tenant.staff(role) for role in ("tenant_admin", "viewer", "viewer")]
    leading = await custom(tenant, admin, Capability.ROLES_MANAGE, Capability.USERS_READ)
    await grant(tenant, admin, lead, leading)
    with pytest.raises(NotHeld, match=r"reviews\.grade"):
        await custom(tenant, lead, Capability.REVIEWS_GRADE)
    with pytest.raises(NotHeld):
        await grant(tenant, lead, other, tenant.roles["tenant_admin"])
    with pytest.raises(NotHeld):
        await perform(tenant, lead, roles.clone, tenant.roles["auditor"], "Mine", None)
    own = await custom(tenant, lead, Capability.USERS_READ)
    with pytest.raises(NotHeld, match=r"activity\.read"):
        await perform(tenant, lead, roles.update, own, Change(capabilities=["users.read", "activity.read"]))
    await grant(tenant, lead, other, own)
    assert Capability.USERS_READ in await held(tenant, other)
    async with tenant.office.snapshot(tenant.system) as work:
        mine = await roles_grants.of_users(work, [admin.user_id])
    with pytest.raises(NotHeld):
        await perform(tenant, lead, roles_grants.remove, mine[admin.user_id][0].id, "a coup")


async def test_a_right_held_in_one_org_unit_is_given_there_and_nowhere_else(tenant):
    admin, lead, other = [await tenant.staff(role) for role in ("tenant_admin", "viewer", "viewer")]
    here, there = await unit(tenant), await unit(tenant)
    leading = await custom(tenant, admin, Capability.ROLES_MANAGE, Capability.ACTIVITY_READ)
    await grant(tenant, admin, lead, leading, org_unit_id=here)
    reading = await custom(tenant, admin, Capability.ACTIVITY_READ)
    for place in (None, there):
        with pytest.raises(NotHeld):
            await grant(tenant, lead, other, reading, org_unit_id=place)
    await grant(tenant, lead, other, reading, org_unit_id=here)
    assert Capability.ACTIVITY_READ in await held(tenant, other, here)
    assert Capability.ACTIVITY_READ not in await held(tenant, other, there)
    with pytest.raises(NotHeld):
        await custom(tenant, lead, Capability.ACTIVITY_READ)  # a role counts in the whole tenant
    with pytest.raises(AlreadyExists):
        await grant(tenant, admin, other, reading, org_unit_id=here)


async def test_a_guest_auditor_ends_by_the_clock(tenant):
    admin, guest = await tenant.staff("tenant_admin"), await tenant.staff("viewer")
    async with tenant.office.snapshot(tenant.system) as work:
        now = await work.now()
    with pytest.raises(InvalidInput, match="ended already"):
        await grant(tenant, admin, guest, tenant.roles["auditor"], expires_at=now)
    await grant(tenant, admin, guest, tenant.roles["auditor"], expires_at=now + timedelta(hours=1))
    for shift, seen in ((timedelta(minutes=59), True), (timedelta(minutes=61), False)):
        async with tenant.office.shifted(shift).snapshot(tenant.system) as work:
            person = (guest.user_id, tenant.org_unit_id)
            assert (Capability.ACTIVITY_READ in (await identity.capabilities_of(work, [person]))[person]) is seen


async def test_the_last_lasting_administrator_cannot_be_taken_by_any_way(tenant):
    admin, second = await tenant.staff("tenant_admin"), await tenant.staff("viewer")
    async with tenant.office.snapshot(tenant.system) as work:
        grants, now = await roles_grants.of_users(work, [admin.user_id]), await work.now()
    (mine,) = grants[admin.user_id]
    ending = {"expires_at": now + timedelta(days=1)}
    await grant(tenant, admin, second, tenant.roles["tenant_admin"], **ending)
    with pytest.raises(LastAdministrator):  # the other one ends, and does not count
        await perform(tenant, second, roles_grants.remove, mine.id, "why")
    with pytest.raises(LastAdministrator):
        await perform(tenant, second, users.suspend, admin.user_id, "why")
    with pytest.raises(OneselfRefused):
        await perform(tenant, admin, users.suspend, admin.user_id, "why")
    here = await unit(tenant)
    await grant(tenant, admin, second, tenant.roles["tenant_admin"], org_unit_id=here)
    with pytest.raises(LastAdministrator):  # nor does one of a single org unit
        await perform(tenant, admin, roles_grants.remove, mine.id, "why")
    third = await tenant.staff("tenant_admin")
    await perform(tenant, third, users.suspend, admin.user_id, "now there is another")
    with pytest.raises(StateDrift):
        await perform(tenant, third, users.suspend, admin.user_id, "twice")


@pytest.mark.parametrize("way", ["remove", "suspend"])
async def test_of_two_administrators_who_remove_each_other_exactly_one_succeeds(office, way):
    for _ in range(5):
        tenant = await tenants.found(office)
        pair = [await tenant.staff("tenant_admin"), await tenant.staff("tenant_admin")]
        async with office.snapshot(tenant.system) as work:
            grants = await roles_grants.of_users(work, [one.user_id for one in pair])

        async def against(actor, victim, tenant=tenant, grants=grants):
            if way == "suspend":
                return await perform(tenant, actor, users.suspend, victim.user_id, "you")
            return await perform(tenant, actor, roles_grants.remove, grants[victim.user_id][0].id, "you")

        done = await asyncio.gather(against(*pair), against(*pair[::-1]), return_exceptions=True)
        refused = [one for one in done if isinstance(one, Exception)]
        assert len(refused) == 1, done
        assert isinstance(refused[0], LastAdministrator | NotHeld), done
        async with office.snapshot(tenant.system) as work:
            left = [one for one in pair if Capability.ROLES_MANAGE in await held(tenant, one)]
            assert len(left) == 1
            assert await work.session.scalar(select(func.count()).select_from(UserRole)) == (
                1 if way == "remove" else 2
            )


async def test_an_archived_org_unit_takes_no_grant(tenant):
    admin, other = await tenant.staff("tenant_admin"), await tenant.staff("viewer")
    place = await unit(tenant)
    await perform(tenant, admin.everywhere(), org_units.archive, place, "closed")
    async with tenant.office.snapshot(tenant.system) as work:
        assert await work.session.scalar(select(OrgUnit.archived_at).where(OrgUnit.id == place)) is not None
    with pytest.raises(Exception, match="No OrgUnit"):
        await grant(tenant, admin, other, tenant.roles["viewer"], org_unit_id=place)
