"""People: invited with a mail, found by a prefix under row security, suspended, and reached only as far as one holds."""

import re
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects import postgresql

from models.base import uuid7
from models.capabilities import Capability
from models.identity import GroupMember, User, UserOrgUnit, UserStatus
from models.messages import Message
from realtime import topics
from services import groups, identity, org_units, roles, roles_grants, users
from services.memberships import OF_GROUPS
from services.paging import PageRequest
from services.refusals import AlreadyExists, InvalidInput, NotFound, NotHeld, StateDrift, StillInUse
from services.roles import Change as RoleChange
from services.roles_grants import Wanted
from services.users import Change, Filter, Invited
from tests.factories import sessions as session_factory
from tests.factories import tenants

SITE = "https://exams.example.org"


@pytest.fixture
async def tenant(office):
    return await tenants.found(office)


@pytest.fixture
async def admin(tenant):
    return await tenant.staff("tenant_admin")


async def perform(tenant, viewer, act, *args, **more):
    return await tenant.office.perform(viewer, lambda work: act(work, *args, **more))


def somebody(email=None, name="Ada Lovelace", **more):
    given = {"time_zone": None, "org_unit_ids": (), "roles": (), "reason": None}
    return Invited(email=email or f"{uuid7()}@example.org", display_name=name, **(given | more))


async def invite(tenant, viewer, **more) -> UUID:
    return UUID((await perform(tenant, viewer, users.invite, somebody(**more), SITE))["user"])


async def found(tenant, wanted: Filter) -> list[str]:
    async with tenant.office.snapshot(tenant.system) as work:
        return [user.display_name for user in (await users.listed(work, wanted, PageRequest())).rows]


async def test_an_invited_person_gets_org_units_roles_and_a_mail(tenant, admin):
    wanted = Wanted(tenant.roles["viewer"])
    more = {"org_unit_ids": [tenant.org_unit_id], "roles": [wanted], "reason": "Joins us."}
    user_id = await invite(tenant, admin, email=" Ada@Example.ORG ", **more)
    async with tenant.office.snapshot(tenant.system) as work:
        user = (await work.session.scalars(select(User).where(User.id == user_id))).one()
        assert (user.email, user.status) == ("ada@example.org", UserStatus.INVITED)
        assert [one.role_id for one in (await roles_grants.of_users(work, [user_id]))[user_id]] == [wanted.role_id]
        assert await work.session.scalar(select(UserOrgUnit.org_unit_id).where(UserOrgUnit.user_id == user_id))
        mails = (await work.session.scalars(select(Message.email).where(Message.subject_id == user_id))).all()
        assert mails == ["ada@example.org"]
        person = (user_id, tenant.org_unit_id)
        assert (await identity.capabilities_of(work, [person]))[person] == frozenset(), "not before the first sign-in"
    with pytest.raises(AlreadyExists):
        await invite(tenant, admin, email="ADA@example.org")


async def test_what_cannot_be_invited_leaves_nothing_behind(tenant, admin):
    async with tenant.office.snapshot(tenant.system) as work:
        before = await work.session.scalar(select(func.count()).select_from(User))
    cases = [
        ({"email": "nobody"}, InvalidInput),
        ({"name": " "}, InvalidInput),
        ({"time_zone": "Mars/Olympus"}, InvalidInput),
        ({"org_unit_ids": [uuid7()]}, NotFound),
        ({"roles": [Wanted(tenant.roles["viewer"])]}, InvalidInput),
        ({"roles": [Wanted(uuid7())], "reason": "why"}, NotFound),
    ]
    for more, refusal in cases:
        with pytest.raises(refusal):
            await invite(tenant, admin, **more)
    async with tenant.office.snapshot(tenant.system) as work:
        assert await work.session.scalar(select(func.count()).select_from(User)) == before
        assert await work.session.scalar(select(func.count()).select_from(Message)) == 0


async def test_people_are_found_by_the_beginning_of_name_or_address(tenant, admin):
    ada = await invite(tenant, admin, email="ada@one.example", name="Ada Lovelace")
    await invite(tenant, admin, email="bob@ada.example", name="Bob %_ Hopper")
    await invite(tenant, admin, email="cora@two.example", name="ada lower")
    assert await found(tenant, Filter(search="ADA")) == ["Ada Lovelace", "ada lower"]
    assert await found(tenant, Filter(search="bob@")) == ["Bob %_ Hopper"]
    assert await found(tenant, Filter(search="bob %")) == ["Bob %_ Hopper"]
    assert await found(tenant, Filter(search="%")) == []
    made = await perform(tenant, admin, groups.create, "Crowd")
    await perform(tenant, admin, groups.add_members, UUID(made["group"]), [ada])
    assert await found(tenant, Filter(group_id=UUID(made["group"]))) == ["Ada Lovelace"]
    await perform(tenant, admin, org_units.add_members, tenant.org_unit_id, [ada, None])
    assert "Ada Lovelace" in await found(tenant, Filter(org_unit_id=tenant.org_unit_id))
    await perform(tenant, admin, roles_grants.assign, ada, Wanted(tenant.roles["auditor"]), "why")
    assert await found(tenant, Filter(role_id=tenant.roles["auditor"])) == ["Ada Lovelace"]
    await perform(tenant, admin, users.suspend, ada, "why")
    assert await found(tenant, Filter(status=[UserStatus.SUSPENDED])) == ["Ada Lovelace"]


async def test_the_search_uses_its_indexes_under_row_security(tenant, admin):
    async with tenant.office.work(tenant.system) as work:
        rows = [{"id": uuid7(), "email": f"p{n}@example.org", "display_name": f"Person {n}"} for n in range(3000)]
        await work.session.execute(User.__table__.insert(), rows)
    async with tenant.office.snapshot(tenant.system) as work:
        await work.session.execute(text("set local plan_cache_mode = force_generic_plan"))
        for column, index in ((User.email, "uq_users_tenant_id_email"), (User.search_name, "ix_users_search_name")):
            wanted = select(User.id).where(users._begins(column, func.lower("person 29")))
            written = str(wanted.compile(dialect=postgresql.dialect()))
            places = re.sub(r"%\((\w+)\)s", "$1", re.sub(r"%\(param_\w+\)s", "$2", written))
            await work.session.execute(
                text(f"prepare {column.key}_begins (text, text) as {places}".replace(":", "\\:"))
            )
            plan = await work.rows(text(f"explain execute {column.key}_begins ('person 29', '{users.LAST}')"))
            told = "\n".join(row[0] for row in plan)
            assert index in told, told
            assert f"({column.key} >= lower($1))" in told, told


async def test_whoever_holds_less_cannot_touch_an_account_that_holds_more(tenant, admin):
    """Another address would be a way to sign in as an administrator."""
    lead = await tenant.staff("viewer")
    made = await perform(tenant, admin, roles.create, RoleChange("People", "", ["users.read", "users.manage"]))
    await perform(tenant, admin, roles_grants.assign, lead.user_id, Wanted(UUID(made["role"])), "leads people")
    other = await invite(tenant, lead)
    await perform(tenant, lead, users.update, other, Change(email="new@example.org"))
    with pytest.raises(NotHeld):
        await perform(tenant, lead, users.update, admin.user_id, Change(email="mine@example.org"))
    with pytest.raises(NotHeld):
        await perform(tenant, lead, users.suspend, admin.user_id, "why")
    await perform(tenant, lead, users.update, admin.user_id, Change(display_name="Chief"))
    with pytest.raises(AlreadyExists):
        await perform(tenant, lead, users.update, lead.user_id, Change(email="NEW@example.org"))


async def test_who_manages_one_org_unit_manages_its_people_only(tenant, admin):
    lead = await tenant.staff("viewer")
    made = await perform(tenant, admin, org_units.create, "Branch")
    branch = UUID(made["org_unit"])
    made = await perform(tenant, admin, roles.create, RoleChange("Local", "", ["users.manage", "users.read"]))
    local = Wanted(UUID(made["role"]), org_unit_id=branch)
    await perform(tenant, admin, roles_grants.assign, lead.user_id, local, "leads the branch")
    with pytest.raises(NotHeld):
        await invite(tenant, lead)
    theirs = await invite(tenant, lead, org_unit_ids=[branch])
    await perform(tenant, lead, users.suspend, theirs, "why")
    elsewhere = await invite(tenant, admin, org_unit_ids=[tenant.org_unit_id])
    for act in (users.suspend, users.reactivate):
        with pytest.raises(NotHeld):
            await perform(tenant, lead, act, elsewhere, "why")
    with pytest.raises(NotHeld):
        await perform(tenant, lead, org_units.add_members, tenant.org_unit_id, [theirs])
    for act, given in ((org_units.create, "X"), (groups.create, "X")):
        with pytest.raises(NotHeld):
            await perform(tenant, lead, act, given)


async def test_suspending_takes_every_right_at_once_and_rings(tenant, admin, rung):
    proctor = await tenant.staff("proctor")
    person = (proctor.user_id, tenant.org_unit_id)

    async def held():
        async with tenant.office.snapshot(tenant.system) as work:
            return (await identity.capabilities_of(work, [person]))[person]

    assert Capability.SESSIONS_PROCTOR in await held()
    rung.clear()
    await perform(tenant, admin, users.suspend, proctor.user_id, "on leave")
    assert rung == [topics.rights(tenant.tenant_id)]
    assert await held() == frozenset()
    with pytest.raises(StateDrift) as drift:
        await perform(tenant, admin, users.suspend, proctor.user_id, "again")
    assert drift.value.current_state == "SUSPENDED"
    await perform(tenant, admin, users.reactivate, proctor.user_id, "back")
    assert Capability.SESSIONS_PROCTOR in await held()


async def test_an_org_unit_with_active_assignments_is_not_archived_from_anywhere(office):
    world = await tenants.found(office)
    admin = await world.staff("tenant_admin")
    await session_factory.sitting(world)
    made = await perform(world, admin, org_units.create, "Elsewhere")
    elsewhere = UUID(made["org_unit"])
    from_there = replace(admin, org_unit_id=elsewhere)
    with pytest.raises(StillInUse, match="active"):
        await perform(world, from_there.everywhere(), org_units.archive, world.org_unit_id, "closed")
    await perform(world, admin.everywhere(), org_units.archive, elsewhere, "closed")
    with pytest.raises(StateDrift):
        await perform(world, admin, org_units.add_members, elsewhere, [admin.user_id])


async def test_members_are_added_and_removed_row_by_row(tenant, admin):
    one, two = await invite(tenant, admin), await invite(tenant, admin)
    group = UUID((await perform(tenant, admin, groups.create, "Class"))["group"])
    answer = await perform(tenant, admin, groups.add_members, group, [one, uuid7(), two, one])
    assert [row["problem"] and row["problem"]["code"] for row in answer["rows"]] == [None, "NOT_FOUND", None, None]
    async with tenant.office.snapshot(tenant.system) as work:
        assert await OF_GROUPS.counts(work, [group]) == {group: 2}
        pages = await OF_GROUPS.members(work, [group], PageRequest(first=1))
        assert (len(pages[group].rows), pages[group].has_next) == (1, True)
        rest = await OF_GROUPS.members(work, [group], PageRequest(first=1, after=pages[group].cursors[0]))
        assert {pages[group].rows[0].id, rest[group].rows[0].id} == {one, two}
    await perform(tenant, admin, groups.remove_members, group, [one, uuid7()])
    await perform(tenant, admin, groups.remove, group, "over")
    async with tenant.office.snapshot(tenant.system) as work:
        assert await work.session.scalar(select(func.count()).select_from(GroupMember)) == 0


async def test_a_group_that_something_refers_to_is_not_deleted(tenant, admin, database):
    group = UUID((await perform(tenant, admin, groups.create, "Addressed"))["group"])
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        await connection.execute(
            "create table targets_of_groups (tenant_id uuid, group_id uuid, foreign key (tenant_id, group_id) references groups)"
        )
        await connection.execute("insert into targets_of_groups values ($1, $2)", tenant.tenant_id, group)
        with pytest.raises(StillInUse, match="Addressed"):
            await perform(tenant, admin, groups.remove, group, "why")
    finally:
        await connection.execute("drop table targets_of_groups")
        await connection.close()
    await perform(tenant, admin, groups.remove, group, "why")
