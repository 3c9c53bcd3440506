"""A duplicate is merged whole, in one transaction, and nothing else ever moves a submission."""

from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import ForeignKeyConstraint, func, select, update
from sqlalchemy.exc import DBAPIError

from models import Base
from models.activity import Activity
from models.assignments import AssignmentTarget, Invitation, TargetKind
from models.base import uuid7
from models.identity import GroupMember, User, UserOrgUnit, UserStatus
from models.sessions import DeliverySession
from models.submissions import Submission
from services import groups, roles_grants, sessions_expiry, users_merge
from services.assignments_recipients import Recipient, look
from services.refusals import InvalidInput, LastAdministrator, NotFound, OneselfRefused, StateDrift, StillInUse
from services.roles_grants import Wanted
from tests.factories import sessions as session_factory
from tests.factories import tenants


@pytest.fixture(scope="module")
async def world(office):
    return await tenants.found(office)


@pytest.fixture(scope="module")
async def admin(world):
    return (await world.staff("tenant_admin")).everywhere()


async def perform(world, viewer, act, *args):
    return await world.office.perform(viewer, lambda work: act(work, *args))


async def merge(world, admin, kept, duplicate, reason="the same person"):
    return await perform(world, admin, users_merge.merge, kept, duplicate, reason)


async def target(world, sitting, user_id):
    async def act(work):
        given = {"assignment_id": sitting.assignment.id, "kind": TargetKind.USER, "ref": str(user_id)}
        work.session.add(AssignmentTarget(id=uuid7(), user_id=user_id, **given))

    await world.office.perform(world.system, act)


async def counts(world, user_id) -> list[int]:
    async with world.office.snapshot(world.system) as work:
        tables = (AssignmentTarget, Invitation, DeliverySession, Submission, GroupMember, UserOrgUnit)
        return [
            await work.session.scalar(select(func.count()).select_from(t).where(t.user_id == user_id)) for t in tables
        ]


async def test_everything_goes_over_and_the_duplicate_never_signs_in_again(world, admin):
    sitting = await session_factory.sitting(world)
    kept, duplicate = await sitting.candidate(), await sitting.candidate()
    for one in (kept, duplicate):
        await target(world, sitting, one.user_id)
        await perform(world, one.viewer.elevated(), sessions_expiry.submit, one.session_id)
    group = UUID((await perform(world, admin, groups.create, f"G {uuid7()}"))["group"])
    await perform(world, admin, groups.add_members, group, [duplicate.user_id])
    await perform(world, admin, roles_grants.assign, duplicate.user_id, Wanted(world.roles["viewer"]), "why")
    async with world.office.snapshot(admin) as work:
        preview = await users_merge.preview(work, kept.user_id, duplicate.user_id)
    done = await merge(world, admin, kept.user_id, duplicate.user_id)
    assert done["moved"] == {
        "org_units": 0, "groups": 1, "targets": 1, "invitations": 1, "sessions": 1, "submissions": 1, "grants_ended": 1,
    }  # fmt: skip
    assert preview.refusal is None
    assert [getattr(preview.counts, name) for name in done["moved"]] == list(done["moved"].values())
    assert await counts(world, duplicate.user_id) == [0, 0, 0, 0, 0, 0]
    assert await counts(world, kept.user_id) == [1, 2, 2, 2, 1, 0]
    async with world.office.snapshot(world.system) as work:
        attempts = await work.rows(
            select(DeliverySession.attempt).where(DeliverySession.user_id == kept.user_id).order_by("attempt")
        )
        assert [row.attempt for row in attempts] == [1, 2]
        user = (await work.session.scalars(select(User).where(User.id == duplicate.user_id))).one()
        assert (user.status, user.merged_into) == (UserStatus.MERGED, kept.user_id)
        told = (await work.session.scalars(select(Activity).where(Activity.act == "user.merged"))).one()
        assert (told.subject_id, told.after["merged_into"]) == (duplicate.user_id, str(kept.user_id))
    with pytest.raises(StateDrift, match="merged"):
        await merge(world, admin, kept.user_id, duplicate.user_id)
    with pytest.raises(StateDrift):
        await perform(world, admin, roles_grants.assign, duplicate.user_id, Wanted(world.roles["viewer"]), "why")

    async def recipients(work):
        return await look(work, [Recipient(TargetKind.EMAIL, user.email)])

    (found,) = await world.office.perform(world.system, recipients)
    assert found.user_id == kept.user_id, "an invitation to the old address reaches the person"


async def test_two_open_sessions_of_one_assignment_are_refused_and_nothing_moves(world, admin):
    sitting = await session_factory.sitting(world)
    kept, duplicate = await sitting.candidate(), await sitting.candidate()
    with pytest.raises(StillInUse, match="same assignment"):
        await merge(world, admin, kept.user_id, duplicate.user_id)
    assert await counts(world, duplicate.user_id) == [0, 1, 1, 0, 0, 0]
    async with world.office.snapshot(admin) as work:
        preview = await users_merge.preview(work, kept.user_id, duplicate.user_id)
    assert isinstance(preview.refusal, StillInUse)
    await perform(world, kept.viewer.elevated(), sessions_expiry.submit, kept.session_id)
    await merge(world, admin, kept.user_id, duplicate.user_id)


async def test_a_submission_goes_to_the_kept_person_and_to_nobody_else(world, admin, database):
    sitting = await session_factory.sitting(world)
    one, other = await sitting.candidate(), await sitting.candidate()
    await perform(world, one.viewer.elevated(), sessions_expiry.submit, one.session_id)

    async def steal(work):
        await work.session.execute(
            update(Submission).where(Submission.user_id == one.user_id).values(user_id=other.user_id)
        )

    with pytest.raises(DBAPIError, match="stays with its person"):
        await world.office.perform(world.system, steal)
    owner = await asyncpg.connect(database.admin_dsn)
    try:
        for change in ("snapshot = '{}'", "session_id = gen_random_uuid()"):
            with pytest.raises(asyncpg.PostgresError, match="never changed"):
                await owner.execute(f"update submissions set {change} where user_id = $1", one.user_id)
    finally:
        await owner.close()


async def test_who_cannot_be_merged(world, admin):
    viewer = await world.staff("viewer")
    with pytest.raises(InvalidInput):
        await merge(world, admin, viewer.user_id, viewer.user_id)
    with pytest.raises(OneselfRefused):
        await merge(world, admin, viewer.user_id, admin.user_id)
    with pytest.raises(NotFound):
        await merge(world, admin, viewer.user_id, uuid7())
    with pytest.raises(InvalidInput):
        await merge(world, admin, viewer.user_id, (await world.staff("viewer")).user_id, " ")


async def test_the_last_lasting_administrator_is_not_merged_away(office):
    world = await tenants.found(office)
    last, acting, other = [await world.staff(role) for role in ("tenant_admin", "viewer", "viewer")]
    async with office.snapshot(world.system) as work:
        now = await work.now()
    ending = Wanted(world.roles["tenant_admin"], expires_at=now.replace(year=now.year + 1))
    await perform(world, last, roles_grants.assign, acting.user_id, ending, "for a year")
    with pytest.raises(LastAdministrator):
        await merge(world, acting.everywhere(), other.user_id, last.user_id)


def test_every_reference_to_a_person_is_thought_of() -> None:
    tables = {
        table.name
        for table in Base.metadata.tables.values()
        for key in table.constraints
        if isinstance(key, ForeignKeyConstraint) and key.elements[0].column.table.name == "users"
    }
    assert tables == {*users_merge.MOVED, *users_merge.ENDED, *users_merge.AUTHORED}
