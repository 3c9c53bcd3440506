"""Programmes, told in steps: defined, published, changed and compared."""

from typing import Any

from tests.walks import programmes
from tests.walks.conftest import Live, key


async def problem(live: Live, name: str, given: dict[str, Any], role: str = "manager") -> dict[str, Any]:
    data = await live.ask(name, {"input": given | {"idempotencyKey": key()}}, role=role)
    (payload,) = data.values()
    (found,) = payload["problems"]
    return found


async def test_a_programme_is_written_published_and_compared(live: Live):
    evaluation = await programmes.evaluation(live)
    programme = await programmes.begin(live, validityMonths=120, dueDays=90, expiryAnchor="DUE")
    refused = await problem(live, "ProgrammePublish", {"id": programme})
    assert (refused["code"], refused["message"]) == ("INVALID_INPUT", "There is no mandatory requirement.")
    for name in ("Theory", "Practice", "Report"):
        draft = await programmes.ask_for(live, programme, evaluation, name=name, minPercent="80.00", attempts=3)
    first, second, third = [one["id"] for one in draft["draftRequirements"]]

    version = await programmes.publish(live, programme)
    assert [one["name"] for one in version["requirements"]] == ["Theory", "Practice", "Report"]
    assert await differences(live, programme) == []
    again = await problem(live, "ProgrammePublish", {"id": programme})
    assert again["message"] == "Nothing differs from version 1."

    order = {"programmeId": programme, "requirementIds": [second, first, third]}
    await live.do("ProgrammeRequirementsReorder", order, role="manager")
    changed = {"name": "Practice", "evaluationId": evaluation, "minPercent": "70", "attempts": None}
    await live.do("ProgrammeRequirementUpdate", {"id": second, "requirement": changed}, role="manager")
    await live.do("ProgrammeRequirementRemove", {"id": third}, role="manager")
    await programmes.ask_for(live, programme, evaluation, name="Interview", isMandatory=False)
    rules = {"id": programme, "name": "General", "rules": {"validityMonths": 60}, "expectedVersion": draft["version"]}
    assert (await problem(live, "ProgrammeUpdate", rules))["code"] == "STATE_DRIFT"
    await live.do("ProgrammeUpdate", rules | {"expectedVersion": None}, role="manager")

    assert await differences(live, programme) == [
        ("MOVED", "Practice", "position", "2", "1"),
        ("CHANGED", "Practice", "minPercent", "80.00", "70.00"),
        ("CHANGED", "Practice", "attempts", "3", None),
        ("MOVED", "Theory", "position", "1", "2"),
        ("ADDED", "Interview", None, None, None),
        ("REMOVED", "Report", None, None, None),
    ]
    await programmes.publish(live, programme)
    shown = (await live.ask("Programme", {"id": programme}, role="auditor"))["programme"]
    assert [one["number"] for one in shown["versions"]] == [2, 1]
    assert [one["name"] for one in shown["publishedVersion"]["requirements"]] == ["Practice", "Theory", "Interview"]
    assert [one["id"] for one in shown["publishedVersion"]["requirements"][:2]] == [second, first]
    assert shown["publishedVersion"]["descriptionHtml"] == ""
    back = await live.ask("ProgrammeDiff", {"id": programme, "before": 2, "after": 1}, role="auditor")
    assert ("ADDED", "Report") in [(one["kind"], one["name"]) for one in back["programmeDiff"]]


async def differences(live: Live, programme: str) -> list[tuple]:
    found = (await live.ask("ProgrammeDiff", {"id": programme}, role="auditor"))["programmeDiff"]
    return [
        (one["kind"], one["name"], one["field"], one["before"], one["after"])
        for one in found
        if one["requirementId"] is not None
    ]


async def test_what_is_archived_is_not_written_any_more(live: Live):
    programme = await programmes.published(live)
    await live.do("ProgrammeArchive", {"id": programme, "reason": "Replaced."}, role="manager")
    assert (await problem(live, "ProgrammePublish", {"id": programme}))["code"] == "STATE_DRIFT"
    seen = (await live.ask("Programmes", {"isArchived": True, "first": 100}, role="viewer"))["programmes"]["nodes"]
    assert programme in [one["id"] for one in seen]


async def test_what_is_no_programme(live: Live):
    evaluation = await programmes.evaluation(live)
    programme = await programmes.begin(live)
    name = (await live.ask("Programme", {"id": programme}, role="admin"))["programme"]["name"]
    assert (await problem(live, "ProgrammeCreate", {"name": name}))["code"] == "ALREADY_EXISTS"
    due = {"name": "N", "rules": {"expiryAnchor": "DUE"}}
    assert (await problem(live, "ProgrammeCreate", due))["path"][-1] == "expiryAnchor"
    for wrong in ({"minPercent": "80.001"}, {"minPercent": "101"}, {"attempts": 0}, {"coolingOffDays": -1}):
        given = {"name": "R", "evaluationId": evaluation, **wrong}
        refused = await problem(live, "ProgrammeRequirementAdd", {"programmeId": programme, "requirement": given})
        assert (refused["code"], refused["path"][-1]) == ("INVALID_INPUT", next(iter(wrong)))
