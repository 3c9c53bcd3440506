"""Many people at once: each row on its own, in order, and twice the same file changes nothing."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from models.base import uuid7
from models.capabilities import Capability
from models.identity import User, UserRole, UserStatus
from models.messages import Message
from services import groups, roles, roles_grants, users, users_import, users_import_run
from services.memberships import OF_GROUPS, OF_ORG_UNITS
from services.refusals import InvalidInput, NotHeld
from services.roles import Change
from services.roles_grants import Wanted
from services.users_import import Action, Existing
from tests.factories import tenants


@pytest.fixture
async def tenant(office):
    return await tenants.found(office)


@pytest.fixture
async def admin(tenant):
    return await tenant.staff("tenant_admin")


async def run(tenant, viewer, text, existing=Existing.SKIP, reason="new staff", site=None):
    async def act(work):
        return await users_import_run.run(work, text, existing, reason, site)

    return (await tenant.office.perform(viewer, act))["rows"]


async def planned(tenant, viewer, text, existing=Existing.SKIP):
    async with tenant.office.snapshot(viewer) as work:
        return await users_import.plan(work, text, existing)


def told(rows) -> list[tuple[str, list[str]]]:
    return [(row["action"], [problem["code"] for problem in row["problems"]]) for row in rows]


BAD = """email,display_name,time_zone,org_units,groups,roles
good@example.org,Good,Europe/Paris,Main,Class;,Viewer
nobody,No Address,,,,
good@example.org,Twice,,,,
zone@example.org,Zone,Mars/Olympus,,,
unit@example.org,Unit,,Nowhere,Nobody,None
"quoted@example.org","Last, First",,main,CLASS,viewer;auditor
=cmd@example.org,=1+1,,,,
"""


async def test_every_row_is_answered_on_its_own_and_previewed_alike(tenant, admin):
    await tenant.office.perform(admin, lambda work: groups.create(work, "Class"))
    preview = await planned(tenant, admin, BAD)
    rows = await run(tenant, admin, BAD, site="https://exams.example.org")
    assert told(rows) == [
        ("create", []),
        ("refuse", ["INVALID_INPUT"]),
        ("refuse", ["INVALID_INPUT"]),
        ("refuse", ["INVALID_INPUT"]),
        ("refuse", ["NOT_FOUND"] * 3),
        ("create", []),
        ("create", []),
    ]
    assert [(row.index, row.line, row.action) for row in preview] == [
        (row["index"], row["line"], row["action"]) for row in rows
    ]
    ids = [UUID(row["user"]) for row in rows if row["user"]]
    async with tenant.office.snapshot(tenant.system) as work:
        units, crowd = await OF_ORG_UNITS.of_users(work, ids), await OF_GROUPS.of_users(work, ids)
        grants = await roles_grants.of_users(work, ids)
        assert [(len(units[one]), len(crowd[one]), len(grants[one])) for one in ids] == [
            (1, 1, 1),
            (1, 1, 2),
            (0, 0, 0),
        ]
        people = (await work.session.scalars(select(User).where(User.id.in_(ids)).order_by(User.email))).all()
        assert [(one.display_name, one.status) for one in people] == [
            ("=1+1", UserStatus.INVITED),
            ("Good", UserStatus.INVITED),
            ("Last, First", UserStatus.INVITED),
        ]
        assert await work.session.scalar(select(func.count()).select_from(Message)) == 3


async def test_who_exists_is_left_or_completed_and_never_reduced(tenant, admin):
    await run(tenant, admin, "email,display_name,org_units\nada@example.org,Ada,Main\n")
    again = "email,display_name,time_zone,org_units,roles\nADA@example.org,Ada L.,Europe/Rome,,viewer\n"
    assert told(await run(tenant, admin, again)) == [("skip", [])]
    assert told(await run(tenant, admin, again, Existing.UPDATE)) == [("update", [])]
    assert told(await run(tenant, admin, again, Existing.UPDATE)) == [("update", [])], "and nothing twice"
    async with tenant.office.snapshot(tenant.system) as work:
        ada = (await work.session.scalars(select(User).where(User.email == "ada@example.org"))).one()
        assert (ada.display_name, ada.time_zone) == ("Ada L.", "Europe/Rome")
        assert [unit.name for unit in (await OF_ORG_UNITS.of_users(work, [ada.id]))[ada.id]] == ["Main"]
        held = select(func.count()).select_from(UserRole).where(UserRole.user_id == ada.id)
        assert await work.session.scalar(held) == 1
    await tenant.office.perform(admin, lambda work: users.suspend(work, ada.id, "left"))
    assert told(await run(tenant, admin, again, Existing.UPDATE)) == [("refuse", ["STATE_DRIFT"])]


async def test_roles_out_of_reach_are_refused_by_row(tenant, admin):
    lead = await tenant.staff("viewer")
    wanted = ["users.manage", "roles.manage", *(str(one) for one in Capability if one.endswith(".read"))]

    async def make(work):
        made = await roles.create(work, Change("Lead", "", wanted))
        return UUID(made["role"])

    role_id = await tenant.office.perform(admin, make)
    await tenant.office.perform(admin, lambda work: roles_grants.assign(work, lead.user_id, Wanted(role_id), "leads"))
    text = "email,roles\na@example.org,Viewer\nb@example.org,Tenant Admin\n"
    assert told(await run(tenant, lead, text)) == [("create", []), ("refuse", ["NOT_HELD"])]
    with pytest.raises(InvalidInput, match="reason"):
        await run(tenant, admin, "email,roles\nc@example.org,Viewer\n", reason=None)
    with pytest.raises(NotHeld):
        await planned(tenant, await tenant.staff("viewer"), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "email\n",
        "name\nx\n",
        "email,email\nx,y\n",
        "email,colour\nx,y\n",
        "email\na@example.org,b\n",
        'email\n"open\n',
        "email\n" + "a@example.org\n" * 5001,
    ],
)
def test_a_file_that_is_none_is_refused_whole(text):
    with pytest.raises(InvalidInput):
        users_import.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        rows = users_import.parse(f"email,display_name\n{text}")
    except InvalidInput:
        return
    assert [row.index for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize("site", [None, "https://exams.example.org"])
async def test_five_thousand_rows_in_one_file(tenant, admin, record_property, site):
    mark = uuid7().hex[-8:]
    lines = [f"p{n}.{mark}@example.org,Person {n},Main,Viewer" for n in range(5000)]
    text = "\n".join(["email,display_name,org_units,roles", *lines])
    begun = time.monotonic()
    rows = await run(tenant, admin, text, site=site)
    seconds = time.monotonic() - begun
    record_property(f"seconds for 5000 rows, mails {site is not None}", seconds)
    print(f"\n5000 rows, mails {site is not None}: {seconds:.1f} s")  # noqa: T201 - for the closing note
    assert {row["action"] for row in rows} == {Action.CREATE}
    async with tenant.office.snapshot(tenant.system) as work:
        assert await work.session.scalar(select(func.count()).select_from(User)) == 5001
        mails = await work.session.scalar(select(func.count()).select_from(Message))
        assert mails == (5000 if site else 0)
