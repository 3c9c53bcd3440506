import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import select

from models.activity import Activity
from models.authoring import Question, QuestionVersion
from services import authoring, drawing
from services.authoring_sections import SectionDraft, Selector
from services.refusals import InvalidInput
from services.viewer import Viewer
from services.work import Office
from tests.factories import authoring as make
from tests.factories import tenants
from tests.factories.tenants import World


@pytest.fixture
async def bare(office: Office) -> World:
    """A tenant without any question."""
    return await tenants.found(office)


async def _versions(world: World) -> dict[str, list[tuple[int, str]]]:
    async with world.office.snapshot(world.system) as work:
        rows = await work.rows(
            select(Question.reference, QuestionVersion.number, QuestionVersion.status)
            .join(QuestionVersion, QuestionVersion.question_id == Question.id)
            .order_by(Question.reference, QuestionVersion.number)
        )
    found: dict[str, list[tuple[int, str]]] = {}
    for reference, number, status in rows:
        found.setdefault(reference, []).append((number, status))
    return found


def _said(rows) -> list[tuple[str, str]]:
    return [(row["reference"], row["status"]) for row in rows]


async def test_a_bad_row_leaves_its_neighbours_alone(bare: World):
    rows = await make.pool(
        bare,
        [
            make.entry("T1A01"),
            make.entry("T1A02", correct=9),
            {},
            make.entry("T1A01", correct=1),
            make.entry("T1A03", figure="T-1"),
            make.entry("T1A04", question=" "),
            {**make.entry("T1A05"), "answers": ["Same", "Same"]},
        ],
    )
    assert [row["index"] for row in rows] == list(range(7))
    assert _said(rows) == [
        ("T1A01", "created"),
        ("T1A02", "refused"),
        ("", "refused"),
        ("T1A01", "refused"),
        ("T1A03", "created"),
        ("T1A04", "refused"),
        ("T1A05", "refused"),
    ]
    assert "twice" in rows[3]["problems"][0]["message"]
    assert rows[1]["problems"][0]["path"] == ["entries", "1", "correct"]
    assert (rows[4]["problems"], len(rows[4]["warnings"])) == ([], 1)
    assert await _versions(bare) == {"T1A01": [(1, "published")], "T1A03": [(1, "published")]}


async def test_the_same_rows_again_change_nothing(bare: World):
    entries = [make.entry(f"T1A{n:02}") for n in range(20)]
    assert {row["status"] for row in await make.pool(bare, entries)} == {"created"}
    before = await _versions(bare)
    assert {row["status"] for row in await make.pool(bare, entries)} == {"unchanged"}
    assert {row["status"] for row in await make.pool(bare, entries, publish=False)} == {"unchanged"}
    assert await _versions(bare) == before


async def test_another_text_is_another_version_of_what_is_published_and_an_edit_of_a_draft(bare: World):
    await make.pool(bare, [make.entry("A01")])
    await make.pool(bare, [make.entry("B01")], publish=False)
    rows = await make.pool(bare, [make.entry("A01", correct=2), make.entry("B01", correct=2)], publish=False)
    assert _said(rows) == [("A01", "updated"), ("B01", "updated")]
    assert await _versions(bare) == {"A01": [(1, "published"), (2, "draft")], "B01": [(1, "draft")]}
    rows = await make.pool(bare, [make.entry("A01", correct=2), make.entry("B01", correct=2)])
    assert _said(rows) == [("A01", "updated"), ("B01", "updated")]
    assert await _versions(bare) == {"A01": [(1, "published"), (2, "published")], "B01": [(1, "published")]}
    async with bare.office.snapshot(bare.system) as work:
        questions = list((await work.session.scalars(select(Question.id))).all())
        newest = await authoring.newest(work, QuestionVersion, questions)
        keys = await authoring.keys(work, [version.id for version in newest.values()])
    assert {key["correct"] for key in keys.values()} == {"c"}


async def test_more_rows_than_a_call_may_have_are_refused(bare: World):
    with pytest.raises(InvalidInput, match="501"):
        await make.pool(bare, [make.entry(f"A{n}") for n in range(501)])


async def test_an_import_is_one_line_of_the_ledger(bare: World):
    await make.pool(bare, [make.entry("A01"), make.entry("A02", correct=7)])
    async with bare.office.snapshot(Viewer.system(bare.tenant_id)) as work:
        row = (await work.session.scalars(select(Activity).where(Activity.act == "questions.imported"))).one()
    assert row.after == {"created": 1, "updated": 0, "unchanged": 0, "refused": 1, "published": True}


async def test_twin_imports_make_every_question_once(bare: World):
    entries = [make.entry(f"T1A{n:02}") for n in range(30)]
    reports = await asyncio.gather(*(make.pool(bare, entries) for _ in range(4)))
    statuses = sorted(row["status"] for report in reports for row in report)
    assert statuses == ["created"] * 30 + ["unchanged"] * 90
    assert len(await _versions(bare)) == 30


@pytest.mark.parametrize("rows", [5, 200])
async def test_an_import_takes_the_same_number_of_statements_whatever_its_size(bare: World, rows: int):
    with make.counted(bare.office) as statements:
        await make.pool(bare, [make.entry(f"T{n:03}") for n in range(rows)])
    assert len(statements) == 9


async def test_an_examination_is_drawn_from_a_whole_pool_one_question_of_each_group(bare: World):
    entries = [make.entry(f"T{group:02}{n:02}") for group in range(35) for n in range(12)]
    rows = await make.pool(bare, entries[:250]) + await make.pool(bare, entries[250:])
    assert {row["status"] for row in rows} == {"created"}
    section = SectionDraft(title="Technician", selector=Selector(reference_prefix="T"), draw_per_group=True)
    _, version_id = await make.evaluation(bare, [section], pass_percent=None, pass_points=Decimal(26))
    async with bare.office.snapshot(bare.system) as work:
        plan = await authoring.blueprint(work, version_id)
    assert len(plan.items) == len(entries) == 420
    paper = drawing.draw(plan.sections, 1)
    assert len(paper) == len({plan.items[drawn.item_id].group for drawn in paper}) == 35
