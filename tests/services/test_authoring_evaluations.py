from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from models.authoring import EvaluationVersion
from models.base import uuid7
from server.driver import connected
from services import authoring, authoring_evaluations, authoring_sections, drawing
from services.authoring import Drift
from services.authoring_sections import ItemDraft, SectionDraft, SectionMeasure, Selector
from services.content_kinds import QuestionKind
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Office
from tests.factories import authoring as make
from tests.factories import tenants
from tests.factories.tenants import World


async def _update(world: World, evaluation_id: UUID, changes=None, sections=None, drift=None):
    async def act(work):
        return await authoring_evaluations.update(work, evaluation_id, changes or {}, sections, drift or Drift())

    return await world.office.perform(world.system, act)


async def _publish(world: World, evaluation_id: UUID):
    async def act(work):
        return await authoring_evaluations.publish(work, evaluation_id, Drift())

    return await world.office.perform(world.system, act)


async def _measures(world: World, version_id: UUID) -> list[SectionMeasure]:
    async with world.office.snapshot(world.system) as work:
        return (await authoring_sections.measured(work, [version_id]))[version_id]


async def _items(world: World, count: int, points: str = "1", **changes) -> list[ItemDraft]:
    return [ItemDraft(await make.question(world, **changes), Decimal(points)) for _ in range(count)]


async def test_a_version_is_composed_published_and_drawn_from(world: World):
    sections = [
        SectionDraft(title="Two of three", items=await _items(world, 3, "2"), draw=2, shuffle_items=True),
        SectionDraft(title="All", items=[*await _items(world, 1, "1.5"), *await _items(world, 1, "0.25")]),
    ]
    _, version_id = await make.evaluation(world, sections, pass_percent=None, pass_points=Decimal("5.75"))
    assert [(m.drawn, m.points) for m in await _measures(world, version_id)] == [(2, 4), (2, Decimal("1.75"))]
    async with world.office.snapshot(world.system) as work:
        plan = await authoring.blueprint(work, version_id)
        secrets = await authoring.keys(work, [item.question_version_id for item in plan.items.values()])
    assert [section.title for section in plan.sections] == ["Two of three", "All"]
    paper = drawing.draw(plan.sections, seed=7)
    assert len(paper) == drawing.size(plan.sections) == 4
    assert sum(plan.items[drawn.item_id].points for drawn in paper) == Decimal("5.75")
    assert set(secrets) == {item.question_version_id for item in plan.items.values()}
    assert not any("correct" in str(item) for item in plan.items.values())


async def test_a_draft_keeps_its_sections_unless_they_are_given(world: World):
    evaluation_id, version_id = await make.evaluation(world, publish=False)
    first = await make.version(world, EvaluationVersion, evaluation_id)
    await _update(world, evaluation_id, {"title": "Renamed", "time_limit_seconds": 600})
    draft = await make.version(world, EvaluationVersion, evaluation_id)
    assert (draft.id, draft.title, draft.time_limit_seconds) == (version_id, "Renamed", 600)
    assert draft.content_hash != first.content_hash
    assert [m.items for m in await _measures(world, version_id)] == [1]
    await _update(world, evaluation_id, sections=[SectionDraft(title="New", items=await _items(world, 2))])
    assert [(m.title, m.items) for m in await _measures(world, version_id)] == [("New", 2)]


async def test_a_published_version_is_followed_by_a_draft_with_the_same_sections(world: World):
    evaluation_id, version_id = await make.evaluation(world)
    before = await make.version(world, EvaluationVersion, evaluation_id)
    answer = await _update(world, evaluation_id, {"instructions": "Read *this*."})
    draft = await make.version(world, EvaluationVersion, evaluation_id)
    assert (str(draft.id), draft.number, draft.status) == (answer["version_id"], 2, "draft")
    assert draft.id != version_id
    assert [m.items for m in await _measures(world, draft.id)] == [1]
    async with world.office.snapshot(world.system) as work:
        assert (await authoring.issuable(work, version_id)).content_hash == before.content_hash
        with pytest.raises(InvalidInput, match="is a draft"):
            await authoring.issuable(work, draft.id)
        with pytest.raises(NotFound):
            await authoring.issuable(work, uuid7())
    await _publish(world, evaluation_id)
    with pytest.raises(StateDrift, match="published already"):
        await _publish(world, evaluation_id)


async def test_drift_and_foreign_evaluations_are_refused(office: Office, world: World):
    evaluation_id, _ = await make.evaluation(world, publish=False)
    seen = await make.version(world, EvaluationVersion, evaluation_id)
    await _update(world, evaluation_id, {"title": "First"}, drift=Drift(1, seen.content_hash))
    with pytest.raises(StateDrift):
        await _update(world, evaluation_id, {"title": "Second"}, drift=Drift(1, seen.content_hash))
    with pytest.raises(NotFound):
        await _update(await tenants.found(office), evaluation_id, {"title": "Mine"})


async def test_names_are_used_once(world: World):
    title = f"Name {uuid7()}"
    await make.evaluation(world, publish=False, title=title)
    with pytest.raises(InvalidInput, match="already"):
        await make.evaluation(world, publish=False, title=title)


@pytest.mark.parametrize(
    "settings",
    [
        {"title": " "},
        {"title": "x" * 201},
        {"instructions": "x" * 20_001},
        {"pass_percent": Decimal("70.001")},
        {"pass_percent": Decimal("100.01")},
        {"pass_percent": Decimal("NaN")},
        {"pass_percent": Decimal(-1)},
        {"pass_points": Decimal("1e30")},
        {"pass_points": Decimal("0.00001")},
        {"time_limit_seconds": 0},
        {"time_limit_seconds": 10**9},
        {"allowed_attempts": 0},
        {"feedback_mode": "everything"},
        {"security_config": {"unknown": True}},
    ],
    ids=str,
)
async def test_a_setting_out_of_bounds_is_refused(world: World, settings: dict):
    with pytest.raises(InvalidInput):
        await make.evaluation(world, [], publish=False, **settings)


async def test_security_is_stored_whole(world: World):
    _, version_id = await make.evaluation(world, security_config={"full_screen": True}, feedback_mode="outcome")
    async with world.office.snapshot(world.system) as work:
        version = await authoring.issuable(work, version_id)
    assert version.security_config["full_screen"] is True
    assert version.security_config["paste"] == "recorded"
    assert version.feedback_mode == "outcome"


async def test_what_cannot_be_composed_is_refused_naming_the_place(world: World):
    one = await make.question(world)
    cases = [
        ([SectionDraft(title="A", items=[ItemDraft(uuid7())])], ("sections", 0, "items", 0, "questionVersionId")),
        ([SectionDraft(title="A", items=[ItemDraft(one, Decimal(0))])], ("sections", 0, "items", 0, "points")),
        ([SectionDraft(title="A", items=[ItemDraft(one, Decimal("0.00001"))])], ("sections", 0, "items", 0, "points")),
        ([SectionDraft(title="A", items=[ItemDraft(one), ItemDraft(one)])], ("sections", 0)),
        (
            [SectionDraft(title="A", items=[ItemDraft(one)]), SectionDraft(title="B", items=[ItemDraft(one)])],
            ("sections", 1),
        ),
        ([SectionDraft(title="A", draw=0)], ("sections", 0, "draw")),
        ([SectionDraft(title="A", draw=1, draw_per_group=True)], ("sections", 0, "drawPerGroup")),
        ([SectionDraft(title="A", items=[ItemDraft(one)], selector=Selector())], ("sections", 0, "selector")),
        ([SectionDraft(title="A", selector=Selector(reference_prefix="no such"))], ("sections", 0, "selector")),
        ([SectionDraft(title=" ")], ("sections", 0, "title")),
        ([SectionDraft(title="A")] * 51, ("sections",)),
    ]
    for sections, path in cases:
        with pytest.raises((InvalidInput, NotFound)) as refused:
            await make.evaluation(world, sections, publish=False)
        assert refused.value.path == path


async def test_what_gives_no_fair_paper_is_not_published(world: World):
    draft = await make.question(world, publish=False)
    grouped, loose = await _items(world, 1, group="G1"), await _items(world, 1)
    cases = [
        ([], {}, "no section"),
        ([SectionDraft(title="Empty")], {}, "'Empty' has no item"),
        ([SectionDraft(title="Open", items=[ItemDraft(draft)])], {}, "'Open' holds a draft of question 'Q-"),
        ([SectionDraft(title="Few", items=loose, draw=2)], {}, "'Few' draws 2 of 1"),
        ([SectionDraft(title="Loose", items=[*grouped, *loose], draw_per_group=True)], {}, "has no group"),
        (
            [SectionDraft(title="Uneven", items=[*loose, *await _items(world, 1, "2")], draw=1)],
            {},
            r"'Uneven' is drawn at random, but its items are worth from 1\.0000 to 2\.0000 points",
        ),
        ([SectionDraft(title="A", items=loose)], {"pass_percent": None}, "none is set"),
        ([SectionDraft(title="A", items=loose)], {"pass_points": Decimal(1)}, "both a percentage and points are set"),
        (
            [SectionDraft(title="A", items=loose)],
            {"pass_percent": None, "pass_points": Decimal(2)},
            "cannot be reached",
        ),
    ]
    for sections, settings, said in cases:
        with pytest.raises(InvalidInput, match=said):
            await make.evaluation(world, sections, **settings)


async def test_a_selector_picks_the_newest_published_versions_by_reference(office: Office):
    world = await tenants.found(office)
    await make.pool(world, [make.entry("T1B02"), make.entry("T1A01"), make.entry("G1A01")])
    await make.pool(world, [make.entry("T1A01", correct=1), make.entry("T9Z99")], publish=False)
    section = SectionDraft(
        title="T",
        selector=Selector(reference_prefix="T", kind=QuestionKind.SINGLE_CHOICE, points=Decimal(3)),
        draw_per_group=True,
    )
    _, version_id = await make.evaluation(world, [section])
    async with world.office.snapshot(world.system) as work:
        plan = await authoring.blueprint(work, version_id)
        secrets = await authoring.keys(work, [item.question_version_id for item in plan.items.values()])
    assert [(item.group, item.points) for item in plan.items.values()] == [("T1A", 3), ("T1B", 3)]
    assert {key["correct"] for key in secrets.values()} == {"a"}
    with pytest.raises(InvalidInput, match="group 'T9Z'"):
        await make.evaluation(world, [SectionDraft(title="T", selector=Selector(group="T9Z"))])


async def test_a_published_version_is_frozen_for_its_owner_too(world: World, database):
    _, version_id = await make.evaluation(world)
    tables = {
        "evaluation_versions": ("title = 'Else'", "id"),
        "evaluation_sections": ("title = 'Else'", "evaluation_version_id"),
        "evaluation_items": ("points = 9", "evaluation_version_id"),
    }
    async with connected(database.admin_dsn) as owner:
        for table, (change, column) in tables.items():
            await owner.execute(f"alter table {table} no force row level security")
            for statement in (f"update {table} set {change}", f"delete from {table}"):
                with pytest.raises(Exception, match="never changed"):
                    await owner.execute(f"{statement} where {column} = '{version_id}'")
            await owner.execute(f"alter table {table} force row level security")


async def test_nothing_can_be_added_to_a_published_version(world: World):
    _, version_id = await make.evaluation(world)
    with pytest.raises(Exception, match="never changed"):
        async with world.office.work(world.system) as work:
            await work.session.execute(
                text(
                    "insert into evaluation_sections (id, evaluation_version_id, position, title) "
                    "values (:id, :version, 9, 'More')"
                ),
                {"id": uuid7(), "version": version_id},
            )


@given(
    pools=st.lists(
        st.tuples(st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=6), st.booleans(), st.integers(1, 4)),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_paper_has_the_size_and_points_that_were_measured(pools, seed):
    sections, measures, worth = [], [], {}
    for groups, per_group, points in pools:
        items = tuple(drawing.PoolItem(uuid7(), group) for group in groups)
        draw = None if per_group else max(1, len(items) // 2)
        worth |= {item.id: points for item in items}
        sections.append(drawing.Section(uuid7(), "S", items, draw=draw, draw_per_group=per_group))
        each = Decimal(points)
        measures.append(
            SectionMeasure(
                "S", draw, per_group, len(items), len(set(groups)), each * len(items), each, each, None, None
            )
        )
    paper = drawing.draw(sections, seed)
    assert len(paper) == sum(measure.drawn for measure in measures)
    assert sum(worth[drawn.item_id] for drawn in paper) == authoring_sections.refuse_unpublishable(measures)
