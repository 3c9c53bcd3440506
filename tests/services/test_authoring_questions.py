import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, text

from models.activity import Activity
from models.authoring import Question, QuestionVersion
from models.base import uuid7
from server.driver import connected
from services import authoring, authoring_questions
from services.authoring import Drift
from services.authoring_questions import QuestionChanges, QuestionFilter
from services.content_kinds import QuestionKind
from services.paging import PageRequest
from services.refusals import InvalidInput, NotFound, StateDrift
from services.viewer import Via, Viewer
from services.work import Office
from tests.factories import authoring as make
from tests.factories import tenants
from tests.factories.tenants import World


async def _question_of(world: World, version_id: UUID) -> UUID:
    async with world.office.snapshot(world.system) as work:
        return (await authoring.by_id(work, QuestionVersion, [version_id]))[version_id].question_id


async def _update(world: World, question_id: UUID, changes: QuestionChanges, drift: Drift | None = None):
    async def act(work):
        return await authoring_questions.update(work, question_id, changes, drift or Drift())

    return await world.office.perform(world.system, act)


async def _publish(world: World, question_id: UUID, drift: Drift | None = None):
    async def act(work):
        return await authoring_questions.publish(work, question_id, drift or Drift())

    return await world.office.perform(world.system, act)


async def test_a_draft_is_edited_in_place_and_a_published_version_gets_a_draft_behind_it(world: World):
    question_id = await _question_of(world, await make.question(world, publish=False))
    before = await make.version(world, QuestionVersion, question_id)
    await _update(world, question_id, QuestionChanges(stem="Which one?", group="G1"))
    draft = await make.version(world, QuestionVersion, question_id)
    assert (draft.id, draft.number, draft.stem, draft.group) == (before.id, 1, "Which one?", "G1")
    assert draft.content_hash != before.content_hash

    await _publish(world, question_id)
    await _update(world, question_id, QuestionChanges(references="§ 1"))
    latest = await make.version(world, QuestionVersion, question_id)
    assert (latest.number, latest.status, latest.stem) == (2, "draft", "Which one?")
    async with world.office.snapshot(world.system) as work:
        published = (await authoring.newest(work, QuestionVersion, [question_id], published=True))[question_id]
        assert (published.id, published.content_hash) == (draft.id, draft.content_hash)
        assert (await authoring.keys(work, [published.id, latest.id])) == {
            published.id: {"explanation": "", "correct": "b"},
            latest.id: {"explanation": "", "correct": "b"},
        }
        versions = (await authoring.history(work, QuestionVersion, [question_id], 5))[question_id]
        assert [version.number for version in versions] == [2, 1]


async def test_the_kind_may_change_with_the_body(world: World):
    question_id = await _question_of(world, await make.question(world, publish=False))
    await _update(world, question_id, QuestionChanges(body=(QuestionKind.NUMERIC, {"unit": "V"}, {"value": "3"})))
    draft = await make.version(world, QuestionVersion, question_id)
    assert (draft.kind, draft.content) == ("numeric", {"unit": "V"})


async def test_the_hash_is_that_of_the_question_and_not_of_its_name(world: World):
    one, two = await make.question(world), await make.question(world)
    other = await make.question(world, key={"correct": "a"})
    async with world.office.snapshot(world.system) as work:
        found = await authoring.by_id(work, QuestionVersion, [one, two, other])
    assert found[one].content_hash == found[two].content_hash != found[other].content_hash


async def test_a_reference_is_used_once_in_an_org_unit(world: World):
    name = f"Q-{uuid7()}"
    await make.question(world, reference=name)
    with pytest.raises(InvalidInput, match=name):
        await make.question(world, reference=f" {name} ")


@pytest.mark.parametrize("reference", ["", "   ", "x" * 121, "a\x00b"])
async def test_a_reference_that_cannot_be_one_is_refused(world: World, reference: str):
    async def act(work):
        return await authoring_questions.create(work, reference=reference, text=make.CHOICE)

    with pytest.raises(InvalidInput) as refused:
        await world.office.perform(world.system, act)
    assert refused.value.path == ("reference",)


@pytest.mark.parametrize(
    "changes",
    [{"stem": " "}, {"key": {"correct": "z"}}, {"content": {}}, {"group": "x" * 200}, {"references": "x" * 3000}],
)
async def test_what_breaks_a_rule_of_the_kind_is_refused(world: World, changes: dict):
    with pytest.raises(InvalidInput):
        await make.question(world, **changes)


async def test_drift_is_refused_with_what_is_there_now(world: World):
    question_id = await _question_of(world, await make.question(world, publish=False))
    seen = await make.version(world, QuestionVersion, question_id)
    await _update(world, question_id, QuestionChanges(stem="Else?"), Drift(1, seen.content_hash))
    with pytest.raises(StateDrift) as refused:
        await _update(world, question_id, QuestionChanges(stem="Lost?"), Drift(1, seen.content_hash))
    assert (refused.value.current_state, refused.value.current_version) == ("DRAFT", 1)
    with pytest.raises(StateDrift):
        await _publish(world, question_id, Drift(number=2))
    await _publish(world, question_id, Drift(number=1))
    with pytest.raises(StateDrift, match="published already"):
        await _publish(world, question_id)


async def test_a_foreign_question_does_not_exist(office: Office, world: World):
    question_id = await _question_of(world, await make.question(world, publish=False))
    other = await tenants.found(office)
    with pytest.raises(NotFound):
        await _update(other, question_id, QuestionChanges(stem="Mine?"))
    with pytest.raises(NotFound):
        await _publish(world, uuid7())


async def test_a_viewer_of_all_org_units_may_not_write(world: World):
    async def act(work):
        return await authoring_questions.create(work, reference="R", text=make.CHOICE)

    with pytest.raises(InvalidInput, match="spans all org units"):
        await world.office.perform(Viewer.system(world.tenant_id), act)


async def test_a_published_version_is_frozen_for_its_owner_too(world: World, database):
    version_id = await make.question(world)
    async with connected(database.admin_dsn) as owner:
        tables = {"question_versions": "stem = 'Else'", "question_keys": "key = '{}'::jsonb"}
        for table, change in tables.items():
            await owner.execute(f"alter table {table} no force row level security")
            for statement in (f"update {table} set {change}", f"delete from {table}"):
                with pytest.raises(Exception, match="never changed"):
                    await owner.execute(f"{statement} where id = '{version_id}'")
            await owner.execute(f"alter table {table} force row level security")


async def test_the_application_cannot_change_a_published_version_either(world: World):
    version_id = await make.question(world)
    with pytest.raises(Exception, match="never changed"):
        async with world.office.work(world.system) as work:
            await work.session.execute(
                text("update question_versions set stem = 'Else' where id = :id"), {"id": version_id}
            )


async def test_a_candidates_session_sees_nothing_of_it(world: World):
    version_id = await make.question(world)
    session = Viewer(
        via=Via.SESSION, tenant_id=world.tenant_id, org_unit_id=world.org_unit_id, session_id=uuid7(), name="candidate"
    )
    async with world.office.snapshot(session) as work:
        assert await authoring.keys(work, [version_id]) == {}
        assert await authoring.by_id(work, QuestionVersion, [version_id]) == {}


async def test_every_act_is_in_the_ledger(world: World):
    question_id = await _question_of(world, await make.question(world))
    await _update(world, question_id, QuestionChanges(stem="Else?"))
    async with world.office.snapshot(Viewer.system(world.tenant_id)) as work:
        rows = await work.session.scalars(
            select(Activity).where(Activity.subject_id == question_id).order_by(Activity.id)
        )
        assert [row.act for row in rows] == ["question.created", "question.published", "question.updated"]


async def test_the_list_filters_by_the_latest_version_and_pages_by_reference(office: Office):
    world = await tenants.found(office)
    await make.pool(world, [make.entry(f"T1A{n:02}") for n in range(5)])
    await make.pool(world, [make.entry("T2A00", correct=1), make.entry("X_A")], publish=False)

    async def listed(page: PageRequest | None = None, orders=(), **wanted):
        async with world.office.snapshot(world.system) as work:
            found = await authoring_questions.listed(work, QuestionFilter(**wanted), orders, page or PageRequest())
            return [row.reference for row in found.rows], found, await found.total(work)

    names, _, total = await listed(reference_prefix="T1")
    assert (names, total) == ([f"T1A{n:02}" for n in range(5)], 5)
    assert (await listed(group="T2A"))[0] == ["T2A00"]
    assert (await listed(status="draft"))[0] == ["T2A00", "X_A"]
    assert (await listed(reference_prefix="X_"))[0] == ["X_A"]
    assert (await listed(reference_prefix="X%"))[0] == []
    assert (await listed(kind=QuestionKind.ESSAY))[0] == []
    assert (await listed(ids=[]))[0] == []
    names, page, total = await listed(PageRequest(first=3), [("created_at", True), ("reference", False)])
    assert (len(names), total, page.has_next) == (3, 7, True)
    rest, page, _ = await listed(
        PageRequest(first=9, after=page.cursors[-1]), [("created_at", True), ("reference", False)]
    )
    assert sorted(names + rest) == [*(f"T1A{n:02}" for n in range(5)), "T2A00", "X_A"]


async def test_twins_that_create_the_same_reference_make_one_question(world: World):
    name = f"Q-{uuid7()}"
    done = await asyncio.gather(*(make.question(world, reference=name) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, UUID) for one in done) == 1
    assert sum(isinstance(one, InvalidInput) for one in done) == 5
    async with world.office.snapshot(world.system) as work:
        rows = await work.rows(select(Question.id).where(Question.reference == name))
    assert len(rows) == 1
