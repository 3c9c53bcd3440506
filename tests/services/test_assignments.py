"""Issuing and closing, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select

from models.activity import Activity
from models.assignments import Assignment, AssignmentTarget, TargetKind
from models.identity import User, UserRole, UserStatus
from services import assignments, assignments_issue, invitations
from services.assignments import AssignmentOrder, Filter
from services.assignments_recipients import Recipient
from services.assignments_terms import Terms
from services.paging import PageRequest
from services.refusals import InvalidInput, NobodyToInvite, NotFound, StateDrift
from tests.factories import assignments as factory
from tests.factories import sessions as sittings


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def stored(world, answer) -> Assignment:
    async with world.office.snapshot(world.system) as work:
        return await assignments.require(work, UUID(answer["assignment"]))


async def count(world, model, *where) -> int:
    async with world.office.snapshot(world.system) as work:
        return (await work.session.execute(select(func.count()).select_from(model).where(*where))).scalar_one()


async def test_issuing_makes_people_targets_and_invitations(world, version):
    first, second = factory.addresses(2)
    answer = await factory.issue(world, version, factory.by_email(f"  {first.upper()} ", second), run_label="Run_1")
    assignment = await stored(world, answer)
    assert (assignment.run_label, assignment.name, assignment.status) == ("Run_1", version.title, "active")
    made = await factory.invitations_of(world, assignment.id)
    assert [str(one.id) for one in made] == [row["invitation"] for row in answer["rows"]]
    assert all(one.expires_at == one.sent_at + timedelta(days=30) for one in made)
    async with world.office.snapshot(world.system) as work:
        people = list(await work.session.scalars(select(User).where(User.email.in_([first, second]))))
        targets = list(
            await work.session.scalars(select(AssignmentTarget).where(AssignmentTarget.assignment_id == assignment.id))
        )
    assert {person.email for person in people} == {first, second} == {target.ref for target in targets}
    assert await count(world, UserRole, UserRole.user_id.in_([person.id for person in people])) == 0
    again = await factory.issue(world, version, factory.by_email(first))
    assert (await factory.invitations_of(world, UUID(again["assignment"])))[0].user_id in {one.user_id for one in made}


async def test_bad_rows_are_reported_and_good_ones_issued(world, version):
    first, second = factory.addresses(2)
    known = await world.staff("viewer", second)
    suspended = await world.staff("viewer")

    async def suspend(work):
        (await work.session.get_one(User, (world.tenant_id, suspended.user_id))).status = UserStatus.SUSPENDED

    await world.office.perform(world.system, suspend)
    user = TargetKind.USER
    rows = [
        *factory.by_email(first, "not an address", first.upper()),
        Recipient(user, "known", known.user_id),
        *factory.by_email(second),
        Recipient(user, "nobody", uuid4()),
        Recipient(user, "gibberish", None),
        Recipient(user, "suspended", suspended.user_id),
    ]
    answer = await factory.issue(world, version, rows)
    codes = [row["problem"] and row["problem"]["code"] for row in answer["rows"]]
    invalid, missing = "INVALID_INPUT", "NOT_FOUND"
    assert codes == [None, invalid, invalid, None, invalid, missing, missing, "NOT_A_MEMBER"]
    assert [row["invitation"] is None for row in answer["rows"]] == [code is not None for code in codes]
    assert answer["rows"][2]["problem"]["path"] == ["recipients", "2", "email"]
    assert "row 0" in answer["rows"][2]["problem"]["message"]
    assert "row 3" in answer["rows"][4]["problem"]["message"]
    assert len(await factory.invitations_of(world, UUID(answer["assignment"]))) == 2


async def test_when_no_row_is_good_nothing_is_created(world, version):
    before = await count(world, Assignment), await count(world, User)
    with pytest.raises(NobodyToInvite) as refused:
        await factory.issue(world, version, [*factory.by_email("bad", "worse@"), Recipient(TargetKind.USER, "x")])
    assert [row.code for row in refused.value.rows] == ["INVALID_INPUT", "INVALID_INPUT", "NOT_FOUND"]
    assert (await count(world, Assignment), await count(world, User)) == before


@pytest.mark.parametrize(
    ("terms", "path"),
    [
        ({"valid_until": datetime(2020, 1, 1, tzinfo=UTC)}, "validUntil"),
        (
            {"valid_from": datetime(2099, 1, 2, tzinfo=UTC), "valid_until": datetime(2099, 1, 1, tzinfo=UTC)},
            "validUntil",
        ),
        ({"valid_until": datetime(2099, 1, 1)}, "validUntil"),  # noqa: DTZ001 - a naive one is what is refused
        ({"allowed_attempts": 0}, "allowedAttempts"),
        ({"time_limit_seconds": -1}, "timeLimitSeconds"),
        ({"run_label": "no spaces"}, "runLabel"),
        ({"name": "  "}, "name"),
        ({"feedback_mode": "everything"}, "feedbackMode"),
        ({"security_config": {"lockdown_browser": "perhaps"}}, "securityConfig"),
    ],
)
async def test_terms_that_cannot_hold_are_refused(world, version, terms, path):
    with pytest.raises(InvalidInput) as refused:
        await factory.issue(world, version, **terms)
    assert refused.value.path[0] == path


async def test_a_label_is_made_of_title_and_quarter_in_the_tenants_zone(world, version):
    opens = datetime(2099, 5, 1, tzinfo=UTC)
    assignment = await stored(world, await factory.issue(world, version, valid_from=opens))
    assert assignment.run_label == "Electrical_safety_Q2_2099"


async def test_recipients_are_bounded(world, version):
    with pytest.raises(InvalidInput, match="no recipients"):
        await factory.issue(world, version, [])
    with pytest.raises(InvalidInput, match="5001"):
        await factory.issue(world, version, factory.by_email(*factory.addresses(5001)))


async def test_five_hundred_take_as_many_statements_as_five(world, version):
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    numbers = []
    for size in (5, 500):
        statements.clear()
        event.listen(world.office._engine.sync_engine, "before_cursor_execute", note)
        try:
            answer = await factory.issue(world, version, factory.by_email(*factory.addresses(size)))
        finally:
            event.remove(world.office._engine.sync_engine, "before_cursor_execute", note)
        assert sum(row["problem"] is None for row in answer["rows"]) == size
        numbers.append(len(statements))
    assert numbers[0] == numbers[1], statements


async def test_an_unknown_version_is_refused(world):
    unknown = Terms(evaluation_version_id=uuid4())
    with pytest.raises(NotFound):
        await world.office.perform(
            world.system, lambda work: assignments_issue.issue(work, unknown, factory.by_email("a@b.org"))
        )


async def test_closing_needs_a_reason_happens_once_and_is_told(world, version, rung):
    answer = await factory.issue(world, version)
    assignment_id = UUID(answer["assignment"])

    async def close(reason):
        return await world.office.perform(world.system, lambda work: assignments.close(work, assignment_id, reason))

    with pytest.raises(InvalidInput):
        await close("  ")
    rung.clear()
    await close(" The fire alarm went off. ")
    assert len(rung) == 1
    with pytest.raises(StateDrift) as drifted:
        await close("again")
    assert drifted.value.current_state == "CLOSED"
    with pytest.raises(NotFound):
        await world.office.perform(world.system, lambda work: assignments.close(work, uuid4(), "x"))
    row = await stored(world, answer)
    assert row.status == "closed"
    assert row.closed_at is not None
    async with world.office.snapshot(world.system) as work:
        wanted = select(Activity).where(Activity.subject_id == assignment_id).order_by(Activity.id)
        told = list(await work.session.scalars(wanted))
    assert [one.act for one in told] == ["assignment.issued", "assignment.closed"]
    assert told[1].reason == "The fire alarm went off."
    assert told[0].after is not None
    assert told[0].after["invited"] == 1


async def test_lists_filter_and_page(world, version):
    label = f"L_{uuid4().hex}"
    for name in ("Alpha 50%", "alpha two", "Beta"):
        await factory.issue(world, version, run_label=label, name=name)
    orders = [(AssignmentOrder.NAME, False)]
    async with world.office.snapshot(world.system) as work:

        async def names(**wanted):
            page = await assignments.listed(work, Filter(run_label=label, **wanted), orders, PageRequest())
            return {row.name for row in page.rows}

        assert await names() == {"Alpha 50%", "alpha two", "Beta"}
        assert await names(search="ALPHA") == {"Alpha 50%", "alpha two"}
        assert await names(search="alpha 50%") == {"Alpha 50%"}
        assert await names(status=["closed"]) == set()
        assert await names(evaluation_version_id=uuid4()) == set()


async def test_an_invitation_ends_with_its_window_and_its_token_is_always_the_same(world, version):
    until = datetime.now(UTC) + timedelta(days=3)
    answer = await factory.issue(world, version, valid_until=until)
    (invitation,) = await factory.invitations_of(world, UUID(answer["assignment"]))
    assert invitation.expires_at == until
    token = invitations.mint(factory.TOKENS, invitation)
    assert token == invitations.mint(factory.TOKENS, invitation)
    claims = invitations.verify(factory.TOKENS, token)
    assert (claims.subject, claims.token_id, claims.org_unit_id) == (invitation.id, invitation.jti, world.org_unit_id)
    far = await factory.issue(world, version, valid_until=until + timedelta(days=4000))
    (later,) = await factory.invitations_of(world, UUID(far["assignment"]))
    assert later.expires_at == later.sent_at + timedelta(days=400)
    invitations.mint(factory.TOKENS, later)


async def test_addresses_issued_twice_at_once_become_one_person_each(world, version):
    same = factory.addresses(30)
    await asyncio.gather(*(factory.issue(world, version, factory.by_email(*order)) for order in (same, same[::-1]) * 4))
    assert await count(world, User, User.email.in_(same)) == 30
