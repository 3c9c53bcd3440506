"""Drafts, previews, groups and large issues against the database."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from models.assignments import Assignment, AssignmentDraft, AssignmentTarget, Invitation, TargetKind
from models.base import uuid7
from models.identity import Group, GroupMember, User
from models.messages import Message
from services import (
    assignments_addresses,
    assignments_buckets,
    assignments_drafts,
    assignments_groups,
    assignments_issue,
    assignments_monitor,
    assignments_preview,
    invitations,
)
from services.assignments_buckets import Bucket
from services.assignments_drafts import Content
from services.assignments_preview import WarningKind
from services.assignments_recipients import Recipient
from services.assignments_terms import Terms
from services.paging import PageRequest
from services.refusals import InvalidInput, NotAMember, NotFound, StateDrift
from services.security import SecurityLevel
from tests.factories import assignments as factory
from tests.factories import sessions as sittings

LINK = partial(invitations.link, "https://example.org", factory.TOKENS)


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


async def do(world, act, *args):
    return await world.office.perform(world.system, lambda work: act(work, *args))


async def count(world, model, *where) -> int:
    async with world.office.snapshot(world.system) as work:
        return await work.session.scalar(select(func.count()).select_from(model).where(*where))


async def preview(world, terms, recipients):
    async with world.office.snapshot(world.system) as work:
        return await assignments_preview.preview(work, terms, recipients)


async def group_of(world, *user_ids) -> UUID:
    async def act(work):
        group = Group(id=uuid7(), name=f"Group {uuid7()}")
        work.session.add(group)
        await work.session.flush()
        work.session.add_all([GroupMember(group_id=group.id, user_id=user_id) for user_id in user_ids])
        return group.id

    return await do(world, act)


async def join(world, group_id, user_id):
    async def act(work):
        work.session.add(GroupMember(group_id=group_id, user_id=user_id))

    await do(world, act)


async def leave(world, group_id, user_id):
    async def act(work):
        left = delete(GroupMember).where(GroupMember.group_id == group_id, GroupMember.user_id == user_id)
        await work.session.execute(left)

    await do(world, act)


def a_group(group_id) -> Recipient:
    return Recipient(TargetKind.GROUP, str(group_id), group_id)


async def test_a_draft_is_kept_incomplete_and_gone_once_issued(world, version):
    empty = Content(Terms(valid_until=datetime(2020, 1, 1, tzinfo=UTC)), factory.by_email("not an address"))
    draft = UUID((await do(world, assignments_drafts.save, None, empty, None))["draft"])
    async with world.office.snapshot(world.system) as work:
        assert await assignments_drafts.content(work, draft) == empty
    whole = Content(
        Terms(evaluation_version_id=version.id, security_config={"full_screen": True}, time_limit_seconds=60),
        factory.by_email(*factory.addresses(2)),
    )
    await do(world, assignments_drafts.save, draft, whole, 1)
    with pytest.raises(StateDrift):
        await do(world, assignments_drafts.save, draft, empty, 1)

    async def issue(work):
        content = await assignments_drafts.take(work, draft, 2)
        return await assignments_issue.issue(work, content.terms, content.recipients)

    before = await count(world, Assignment)
    answer = await do(world, issue)
    assert [row["problem"] for row in answer["rows"]] == [None, None]
    assert await count(world, Assignment) == before + 1
    assert await count(world, AssignmentDraft, AssignmentDraft.id == draft) == 0
    with pytest.raises(NotFound):
        await do(world, assignments_drafts.remove, draft)


@pytest.mark.parametrize(
    ("terms", "path"),
    [
        ({"allowed_attempts": 0}, "allowedAttempts"),
        ({"feedback_mode": "everything"}, "feedbackMode"),
        ({"name": " "}, "name"),
        ({"valid_from": datetime(2099, 1, 1)}, "validFrom"),  # noqa: DTZ001 - a naive one is what is refused
    ],
)
async def test_a_draft_refuses_what_could_never_be_issued(world, terms, path):
    with pytest.raises(InvalidInput) as refused:
        await do(world, assignments_drafts.save, None, Content(Terms(**terms), []), None)
    assert refused.value.path[0] == path


async def test_a_preview_tells_all_of_it_and_changes_nothing(world, version):
    known = await world.staff("viewer")
    group, empty = await group_of(world, known.user_id), await group_of(world)
    (address,) = factory.addresses(1)
    recipients = [*factory.by_email(address, "broken"), a_group(group), a_group(empty), a_group(uuid7())]
    now = datetime.now(UTC)
    terms = Terms(
        evaluation_version_id=version.id,
        valid_from=now - timedelta(minutes=1),
        valid_until=now + timedelta(minutes=30),
        time_limit_seconds=3600,
    )
    before = [await count(world, model) for model in (User, Assignment, Invitation, Message)]
    found = await preview(world, terms, recipients)
    assert [await count(world, model) for model in (User, Assignment, Invitation, Message)] == before
    assert found.problems == []
    assert {(one.email, one.user_id is None) for one in found.people} == {
        (address, True),
        ((await person(world, known.user_id)).email, False),
    }
    assert [one.kind for one in found.warnings] == [
        WarningKind.OPENS_AT_ONCE,
        WarningKind.GROUP_EMPTY,
        WarningKind.ROWS_REFUSED,
        WarningKind.WINDOW_SHORTER_THAN_LIMIT,
    ]
    assert found.policy.time_limit_seconds.value == 3600
    issued = await do(world, assignments_issue.issue, terms, recipients)
    assert [row["problem"] is None for row in issued["rows"]] == [True, False, True, True, False]
    async with world.office.snapshot(world.system) as work:
        row = (await work.session.scalars(select(Assignment).where(Assignment.id == UUID(issued["assignment"])))).one()
    assert (row.name, row.run_label) == (found.assignment.name, found.assignment.run_label)
    again = await preview(world, terms, recipients)
    assert WarningKind.ALREADY_ISSUED in [one.kind for one in again.warnings]


async def person(world, user_id) -> User:
    async with world.office.snapshot(world.system) as work:
        return (await work.session.scalars(select(User).where(User.id == user_id))).one()


async def test_a_preview_names_everything_that_stands_against_it(world):
    found = await preview(world, Terms(), [])
    assert [one.path for one in found.problems] == [("evaluationVersionId",), ("recipients",)]


async def monitored(work, assignment_id):
    page = PageRequest(10, None, None, None)
    found = await assignments_monitor.rows(
        work, assignment_id, SecurityLevel.STANDARD, assignments_monitor.Filter(), [], page, await work.now()
    )
    return found.rows


async def test_a_group_is_decided_on_at_the_start(world, version):
    """Who was a member and left is refused, who joined later is invited, and nobody is invited twice."""
    one, two, three = [await world.staff("viewer") for _ in range(3)]
    group, other = await group_of(world, one.user_id, two.user_id), await group_of(world, two.user_id)
    terms = Terms(evaluation_version_id=version.id)
    answer = await do(world, assignments_issue.issue, terms, [a_group(group), a_group(other)])
    assert [row["invited"] for row in answer["rows"]] == [2, 0]
    assignment = UUID(answer["assignment"])
    for viewer in (one, two):
        await leave(world, group, viewer.user_id)
    made = {row.user_id: row for row in await factory.invitations_of(world, assignment)}
    with pytest.raises(NotAMember):
        await factory.redeem(world.office, invitations.mint(factory.TOKENS, made[one.user_id]))
    await factory.redeem(world.office, invitations.mint(factory.TOKENS, made[two.user_id]))
    await join(world, group, three.user_id)
    async with world.office.snapshot(world.system) as work:
        seen = await monitored(work, assignment)
        told = (await assignments_buckets.counts(work, [assignment]))[assignment]
    assert {row.user.id for row in seen} == {two.user_id}, "who left stays once they have begun, and only then"
    assert (told[Bucket.STARTED], told[Bucket.INVITED]) == (1, 0)
    async with world.office.snapshot(world.system) as work:
        assert await assignments_groups.addressing(work, group) == [assignment]
    mails = await count(world, Message)
    assert await do(world, assignments_groups.invite_joined, assignment, group, LINK) == 1
    assert await do(world, assignments_groups.invite_joined, assignment, group, LINK) == 0
    assert await count(world, Message) == mails + 1
    made = {row.user_id: row for row in await factory.invitations_of(world, assignment)}
    await factory.redeem(world.office, invitations.mint(factory.TOKENS, made[three.user_id]))


async def test_a_thousand_at_once(world, version):
    """One per cent of the addresses are broken: these are told by row, and everybody else has one invitation."""
    addresses = [f"broken {n}" if n % 100 == 7 else address for n, address in enumerate(factory.addresses(1000))]
    answer = await do(
        world, assignments_issue.issue, Terms(evaluation_version_id=version.id), factory.by_email(*addresses), LINK
    )
    bad = [index for index, row in enumerate(answer["rows"]) if row["problem"] is not None]
    assert bad == list(range(7, 1000, 100))
    assignment = UUID(answer["assignment"])
    for model in (AssignmentTarget, Invitation):
        assert await count(world, model, model.assignment_id == assignment) == 990


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a@b.org, c@d.org;e@f.org\n\n g@h.org ",
            [("a@b.org", None), ("c@d.org", None), ("e@f.org", None), ("g@h.org", None)],
        ),
        ('"Lovelace, Ada" <ada@example.org>', [("ada@example.org", "Lovelace, Ada")]),
        ("Ada Lovelace <ada@example.org>", [("ada@example.org", "Ada Lovelace")]),
        ("nobody", [("nobody", None)]),
        ("", []),
    ],
)
def test_addresses_as_people_paste_them(text, expected) -> None:
    assert [(one.ref, one.name) for one in assignments_addresses.recipients(text)] == expected


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = assignments_addresses.recipients(text)
    assert all(one.ref and one.kind is TargetKind.EMAIL for one in found)
