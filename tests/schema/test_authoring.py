import base64
from collections.abc import AsyncIterator

import pytest
from graphql import parse

from models.base import uuid7
from schema import guard_shape
from server.addresses import DatabaseAddress
from services.vault import Vault
from services.work import Office
from tests.factories import authoring as make
from tests.factories import tenants
from tests.factories.tenants import World

RUBRIC = {
    "criteria": [
        {
            "id": "argument",
            "title": "Argument",
            "levels": [
                {"id": "pass", "label": "Pass", "points": "1"},
                {"id": "merit", "label": "Merit", "points": "2.5", "description": "With a *reason*."},
            ],
        }
    ]
}
BODIES = {
    "SINGLE_CHOICE": {
        "singleChoice": {"options": [{"id": "a", "text": "*A*"}, {"id": "b", "text": "B"}], "correct": "a"}
    },
    "MULTIPLE_CHOICE": {
        "multipleChoice": {
            "options": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}, {"id": "c", "text": "C"}],
            "correct": ["a", "c"],
            "rule": "PER_OPTION",
        }
    },
    "TRUE_FALSE": {"trueFalse": {"correct": False, "explanation": "No."}},
    "NUMERIC": {"numeric": {"value": "3.3", "tolerance": "0.05", "toleranceKind": "RELATIVE", "unit": "V"}},
    "SHORT_TEXT": {"shortText": {"accepted": ["Ohm"], "case": "EXACT", "maxLength": 20}},
    "MATCHING": {
        "matching": {
            "left": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}],
            "right": [{"id": "a", "text": "eins"}, {"id": "b", "text": "zwei"}],
            "pairs": [{"left": "1", "right": "a"}, {"left": "2", "right": "b"}],
            "rule": "PER_PAIR",
        }
    },
    "ORDERING": {
        "ordering": {
            "items": [{"id": "a", "text": "first"}, {"id": "b", "text": "second"}, {"id": "c", "text": "third"}],
            "rule": "ADJACENT_PAIRS",
        }
    },
    "ESSAY": {"essay": {"maxWords": 300, "rubric": RUBRIC}},
    "FILE_UPLOAD": {
        "fileUpload": {"acceptedMediaTypes": ["image/*"], "maxFiles": 2, "maxBytes": 1000, "rubric": RUBRIC}
    },
    "OBSERVATION": {"observation": {"explanation": "Gloves on, switch off, test lamp.", "rubric": RUBRIC}},
}


@pytest.fixture(scope="module")
async def office(database: DatabaseAddress) -> AsyncIterator[Office]:
    office = Office(database.app, ring=lambda _topics: None, pool_size=8, vault=Vault(bytes(32)))
    yield office
    await office.close()


@pytest.fixture
async def world(office: Office) -> World:
    return await tenants.found(office)


@pytest.fixture
async def author(world: World):
    return await world.staff("author")


def _global(kind: str, uuid) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{uuid}".encode()).decode().rstrip("=")


async def _create(world: World, author, **changes):
    given = {"reference": f"Q-{uuid7()}", "stem": "Which **one**?", "body": BODIES["SINGLE_CHOICE"], **changes}
    return await make.run(world, author, "QuestionCreate", input=given)


@pytest.mark.parametrize("kind", BODIES)
async def test_every_kind_is_written_and_read_back_with_its_key(world: World, author, kind: str):
    made = await _create(world, author, body=BODIES[kind], group="G", references="§ 2")
    assert made["problems"] == []
    assert (made["version"]["kind"], made["version"]["status"], made["version"]["number"]) == (kind, "DRAFT", 1)
    read = await make.run(world, author, "Question", id=made["question"]["id"])
    latest = read["latestVersion"]
    assert latest["stemHtml"] == "<p>Which <strong>one</strong>?</p>\n"
    assert (latest["group"], latest["references"]) == ("G", "§ 2")
    key, content = latest["key"], latest["content"]
    expected = {
        "SINGLE_CHOICE": lambda: key["correct"] == "a" and content["options"][0]["textHtml"] == "<p><em>A</em></p>\n",
        "MULTIPLE_CHOICE": lambda: (key["correctIds"], key["rule"]) == (["a", "c"], "PER_OPTION"),
        "TRUE_FALSE": lambda: key["correct"] == "false" and key["explanationHtml"] == "<p>No.</p>\n",
        "NUMERIC": lambda: (key["value"], key["toleranceKind"], content["unit"]) == ("3.3", "RELATIVE", "V"),
        "SHORT_TEXT": lambda: (key["accepted"], key["case"], content["maxLength"]) == (["Ohm"], "EXACT", 20),
        "MATCHING": lambda: len(key["pairs"]) == len(content["right"]) == 2 and key["rule"] == "PER_PAIR",
        "ORDERING": lambda: sorted(key["order"]) == [item["id"] for item in content["items"]],
        "ESSAY": lambda: content["maxWords"] == 300 and key["rubric"]["criteria"][0]["levels"][1]["label"] == "Merit",
        "FILE_UPLOAD": lambda: (
            (content["acceptedMediaTypes"], content["maxFiles"], content["maxBytes"]) == (["image/*"], 2, 1000)
        ),
        "OBSERVATION": lambda: (content["isAnswered"], key["rubric"]["criteria"][0]["title"]) == (False, "Argument"),
    }
    assert expected[kind]()


async def test_a_question_is_changed_published_and_changed_again(world: World, author):
    question = (await _create(world, author))["question"]["id"]
    changed = await make.run(
        world, author, "QuestionUpdate", input={"id": question, "body": BODIES["ESSAY"], "expectedVersion": 1}
    )
    assert (changed["version"]["kind"], changed["version"]["number"]) == ("ESSAY", 1)
    published = await make.run(world, author, "QuestionPublish", input={"id": question})
    assert published["version"]["publishedAt"] is not None
    drifted = await make.run(world, author, "QuestionPublish", input={"id": question})
    assert drifted["problems"][0]["code"] == "STATE_DRIFT"
    assert (drifted["problems"][0]["currentState"], drifted["problems"][0]["currentVersion"]) == ("PUBLISHED", 1)
    again = await make.run(world, author, "QuestionUpdate", input={"id": question, "stem": "Else?"})
    assert (again["version"]["number"], again["version"]["status"]) == (2, "DRAFT")
    read = await make.run(world, author, "Question", id=question)
    assert [version["number"] for version in read["versions"]] == [2, 1]
    assert read["publishedVersion"]["number"] == 1


async def test_what_is_wrong_is_a_problem_with_its_place(world: World, author):
    body = {"singleChoice": {**BODIES["SINGLE_CHOICE"]["singleChoice"], "correct": "z"}}
    refused = await _create(world, author, body=body)
    assert refused["question"] is None
    assert refused["problems"][0]["code"] == "INVALID_INPUT"
    assert refused["problems"][0]["path"] == ["body", "singleChoice", "correct"]
    pairs = [{"left": "1", "right": "a"}, {"left": "1", "right": "b"}]
    twice = await _create(world, author, body={"matching": {**BODIES["MATCHING"]["matching"], "pairs": pairs}})
    assert "twice" in twice["problems"][0]["message"]
    assert twice["problems"][0]["path"] == ["body", "matching", "pairs", "1"]
    blank = await _create(world, author, stem=" ")
    assert blank["problems"][0]["path"] == ["stem"]
    unknown = await make.run(world, author, "QuestionPublish", input={"id": _global("Question", uuid7())})
    nonsense = await make.run(world, author, "QuestionPublish", input={"id": "nonsense"})
    assert unknown["problems"][0]["code"] == nonsense["problems"][0]["code"] == "NOT_FOUND"


async def test_a_pool_is_imported_composed_published_and_read(world: World, author):
    entries = [
        {
            "id": f"T{n // 4}A{n:02}",
            "question": f"Question {n}?",
            "answers": ["A", "B", "C", "D"],
            "correct": n % 4,
            "refs": "x",
        }
        for n in range(12)
    ]
    bad = {"id": "T9", "question": "No answers?", "correctLetter": "B"}
    report = await make.run(world, author, "QuestionPoolImport", input={"entries": [*entries, bad], "publish": True})
    assert [row["status"] for row in report["results"]] == ["CREATED"] * 12 + ["REFUSED"]
    assert report["results"][12]["problems"][0]["code"] == "INVALID_INPUT"
    assert report["results"][0]["question"]["id"]

    listed = await make.run(
        world, author, "Questions", first=5, filter={"referencePrefix": "T1", "status": "PUBLISHED"}
    )
    assert (listed["totalCount"], [row["reference"] for row in listed["nodes"]]) == (
        4,
        [f"T1A0{n}" if n < 10 else f"T1A{n}" for n in range(4, 8)],
    )

    section = {"title": "Pool", "selector": {"referencePrefix": "T", "points": "2"}, "drawPerGroup": True}
    given = {
        "title": "Technician",
        "instructions": "Read <script>x</script> **this**.",
        "passMark": {"percent": "74.29"},
        "timeLimitSeconds": 3600,
        "allowedAttempts": 2,
        "feedbackMode": "OUTCOME",
        "securityConfig": {"fullScreen": True},
        "sections": [section],
    }
    made = await make.run(world, author, "EvaluationCreate", input=given)
    assert made["problems"] == []
    assert (made["version"]["itemsPerSession"], made["version"]["maxPoints"]) == (3, "6.0000")
    evaluation = made["evaluation"]["id"]
    published = await make.run(world, author, "EvaluationPublish", input={"id": evaluation, "expectedVersion": 1})
    assert published["version"]["status"] == "PUBLISHED"

    version = await make.run(world, author, "EvaluationVersion", id=published["version"]["id"])
    assert version["instructionsHtml"].startswith("<p>Read &lt;script&gt;x&lt;/script&gt; <strong>")
    assert (version["passMark"], version["feedbackMode"]) == ({"percent": "74.29", "points": None}, "OUTCOME")
    assert (version["securityLevel"], version["securityConfig"]["fullScreen"]) == ("ELEVATED", True)
    items = version["sections"][0]["items"]
    assert [item["position"] for item in items] == list(range(1, 13))
    assert items[0]["questionVersion"]["question"]["reference"] == "T0A00"
    behind = await make.run(world, author, "EvaluationVersion", id=published["version"]["id"], after=10)
    assert [item["position"] for item in behind["sections"][0]["items"]] == [11, 12]
    assert (await make.run(world, author, "Evaluation", id=evaluation))["publishedVersion"]["number"] == 1
    listed = await make.run(world, author, "Evaluations", filter={"status": "PUBLISHED", "namePrefix": "Tech"})
    assert [row["name"] for row in listed["nodes"]] == ["Technician"]


async def test_an_evaluation_is_changed_setting_by_setting(world: World, author):
    question = await _create(world, author)
    section = {"title": "All", "items": [{"questionVersionId": question["version"]["id"], "points": "1.5"}]}
    given = {"title": "Draft", "timeLimitSeconds": 60, "passMark": {"points": "1"}, "sections": [section]}
    made = await make.run(world, author, "EvaluationCreate", input=given)
    evaluation = made["evaluation"]["id"]
    refused = await make.run(world, author, "EvaluationPublish", input={"id": evaluation})
    assert refused["problems"][0]["path"] == ["sections", "0"]
    await make.run(world, author, "QuestionPublish", input={"id": question["question"]["id"]})
    changed = await make.run(
        world,
        author,
        "EvaluationUpdate",
        input={"id": evaluation, "timeLimitSeconds": None, "passMark": {"percent": "0"}},
    )
    assert changed["problems"] == []
    version = await make.run(world, author, "EvaluationVersion", id=changed["version"]["id"])
    assert (version["timeLimitSeconds"], version["passMark"]) == (None, {"percent": "0.00", "points": None})
    assert (version["title"], version["sections"][0]["items"][0]["points"]) == ("Draft", "1.5000")
    missing = {"title": "A", "items": [{"questionVersionId": "nonsense"}]}
    refused = await make.run(
        world, author, "EvaluationUpdate", input={"id": evaluation, "sections": [section, missing]}
    )
    assert refused["problems"][0]["path"] == ["sections", "1", "items", "0", "questionVersionId"]


async def test_the_same_key_gives_the_same_answer(world: World, author):
    given = {"reference": "Once", "idempotencyKey": "k-1"}
    first, second = await _create(world, author, **given), await _create(world, author, **given)
    assert first == second
    assert first["problems"] == []
    other = await _create(world, author, **given, stem="Else?")
    assert other["problems"][0]["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize("path", sorted((make.ROOT / "graphql/operations/Authoring").iterdir()), ids=lambda p: p.stem)
def test_an_operation_document_is_cheap_enough_to_be_answered(path):
    document = parse(path.read_text())
    reader = guard_shape.ShapeReader(make.SCHEMA._schema, document, {"first": 100})
    measure = reader.measure(document.definitions[0])
    assert measure.cost <= guard_shape.MAX_COST
    assert measure.depth <= guard_shape.MAX_DEPTH


ACTS = {
    "QuestionCreate": {"reference": "R", "stem": "S", "body": BODIES["ESSAY"]},
    "QuestionUpdate": {"id": "nonsense"},
    "QuestionPublish": {"id": "nonsense"},
    "QuestionPoolImport": {"entries": []},
    "EvaluationCreate": {"title": "T"},
    "EvaluationUpdate": {"id": "nonsense"},
    "EvaluationPublish": {"id": "nonsense"},
}
READS = ("Question", "Evaluation", "EvaluationVersion")


async def _codes(world: World, viewer, name: str, **variables) -> list[str]:
    document = (make.ROOT / f"graphql/operations/Authoring/{name}.graphql").read_text()
    return (await make.ask(world, viewer, document, **variables))["errors"]


async def test_whoever_lacks_the_capability_learns_nothing(world: World):
    proctor, viewer = await world.staff("proctor"), await world.staff("viewer")
    for name, given in ACTS.items():
        assert await _codes(world, proctor, name, input=given) == ["FORBIDDEN"], name
    assert await _codes(world, viewer, "Question", id="nonsense") == ["FORBIDDEN"]
    assert await _codes(world, viewer, "Questions") == ["FORBIDDEN"]
    assert await _codes(world, viewer, "Evaluations") == []
    billing = await world.staff("billing_admin")
    for name in READS:
        assert await _codes(world, billing, name, id="nonsense") == ["FORBIDDEN"], name
    assert await _codes(world, billing, "Evaluations") == ["FORBIDDEN"]


async def test_importing_and_publishing_at_once_takes_both_capabilities(world: World, author):
    assert (await make.run(world, author, "QuestionPoolImport", input={"entries": [], "publish": True}))[
        "results"
    ] == []
    integrator = await world.staff("integrator")
    assert await _codes(world, integrator, "QuestionPoolImport", input={"entries": []}) == ["FORBIDDEN"]


async def test_whoever_may_not_read_questions_sees_an_evaluation_without_them(world: World):
    _, version_id = await make.evaluation(world)
    viewer = await world.staff("viewer")
    document = (make.ROOT / "graphql/operations/Authoring/EvaluationVersion.graphql").read_text()
    answer = await make.ask(world, viewer, document, id=_global("EvaluationVersion", version_id))
    assert answer["errors"] == ["FORBIDDEN"]
    item = answer["data"]["evaluationVersion"]["sections"][0]["items"][0]
    assert (item["questionVersion"], item["points"]) == (None, "1.0000")


async def test_objects_of_another_tenant_are_not_there(office: Office, world: World):
    evaluation_id, version_id = await make.evaluation(world)
    stranger_world = await tenants.found(office)
    stranger = await stranger_world.staff("tenant_admin")
    assert await make.run(stranger_world, stranger, "Evaluation", id=_global("Evaluation", evaluation_id)) is None
    assert (
        await make.run(stranger_world, stranger, "EvaluationVersion", id=_global("EvaluationVersion", version_id))
        is None
    )
    assert (await make.run(stranger_world, stranger, "Evaluations"))["nodes"] == []
    assert await make.run(world, await world.staff("author"), "Question", id="nonsense") is None


async def _statements(world: World, viewer, document: str, **variables) -> int:
    with make.counted(world.office) as statements:
        answer = await make.ask(world, viewer, document, **variables)
    assert answer["errors"] == []
    return len(statements)


async def test_lists_take_the_same_number_of_statements_whatever_their_length(office: Office):
    questions = """{ questions(first: 100) { totalCount nodes { reference latestVersion { stem key { explanation } }
        publishedVersion { number } versions(first: 3) { number question { reference } } } } }"""
    evaluations = """{ evaluations(first: 100) { totalCount nodes { name publishedVersion { number } latestVersion {
        maxPoints itemsPerSession evaluation { name } sections { title maxPoints
        items(first: 10) { points questionVersion { stem question { reference } } } } } } } }"""
    counts = []
    for size in (2, 20):
        world = await tenants.found(office)
        author = await world.staff("author")
        await make.pool(world, [make.entry(f"T{n:03}") for n in range(size)])
        for _ in range(size):
            await make.evaluation(world)
        counts.append([await _statements(world, author, document) for document in (questions, evaluations)])
    assert counts[0] == counts[1]
    assert max(counts[1]) <= 12
