"""Programmes, told in steps: defined, published and compared; people enrolled, followed, held back and let go."""

from typing import Any
from uuid import uuid4

from tests.walks import essays, programmes
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


async def test_people_are_enrolled_and_followed_however_a_score_comes_about(live: Live):
    programme = await programmes.begin(live, dueDays=90)
    theory, report = [await programmes.evaluation(live, of_essays=essay) for essay in (False, True)]
    await programmes.ask_for(live, programme, theory, name="Theory", attempts=2)
    await programmes.ask_for(live, programme, report, name="Report")
    await programmes.publish(live, programme)
    (enrolment,) = await programmes.enrol(live, programme)

    await programmes.sit(live, enrolment, 0, right=3)
    seen = await programmes.until(live, enrolment, lambda one: len(one["progress"][0]["attempts"]) == 2)
    first = seen["progress"][0]
    assert (first["state"], first["attemptsUsed"], seen["completionPercent"]) == ("PENDING", 1, "0.00")
    await programmes.sit(live, enrolment, 0, right=4)
    seen = await programmes.until(live, enrolment, lambda one: one["metCount"] == 1)
    assert (seen["completionPercent"], seen["state"]) == ("50.00", "IN_PROGRESS")
    assert seen["progress"][0]["submission"]["latestScore"]["outcome"] == "PASSED"

    await programmes.sit(live, enrolment, 1)
    wanted = {"filter": {"programmeId": programme}}
    (task,) = (await live.ask("ReviewTasks", wanted, role="assessor"))["reviewTasks"]["nodes"]
    await essays.mark(live, await live.token("assessor"), task["id"], "all", "8")
    seen = await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    assert (seen["completionPercent"], [one["state"] for one in seen["progress"]]) == ("100.00", ["MET", "MET"])

    mine = {"filter": {"userId": seen["user"]["id"]}}
    listed = (await live.ask("ProgrammeEnrolments", mine, role="auditor"))["programmeEnrolments"]
    assert [(one["id"], one["programme"]["id"]) for one in listed["nodes"]] == [(enrolment, programme)]
    other = {"filter": {"programmeId": programme, "state": ["FAILED", "OVERDUE", "IN_PROGRESS"]}}
    assert (await live.ask("ProgrammeEnrolments", other, role="auditor"))["programmeEnrolments"]["totalCount"] == 0


async def test_a_correction_holds_what_it_calls_into_question_until_a_person_decides(live: Live):
    programme = await programmes.published(live)
    enrolment, requirement = await programmes.hold(live, programme)
    seen = await programmes.shown(live, enrolment)
    assert (seen["state"], seen["progress"][0]["state"], seen["progress"][0]["hold"]) == ("CERTIFIED", "MET", "HELD")
    wanted = {"filter": {"programmeId": programme, "isHeld": True}}
    assert (await live.ask("ProgrammeEnrolments", wanted, role="auditor"))["programmeEnrolments"]["totalCount"] == 1
    decision = {
        "enrolmentId": enrolment,
        "requirementId": requirement,
        "decision": "WITHDRAW",
        "reason": "The board met.",
    }
    done = await live.do("ProgrammeHoldDecide", decision, role="manager")
    assert (done["enrolment"]["state"], done["enrolment"]["progress"][0]["state"]) == ("FAILED", "FAILED")


async def test_groups_are_enrolled_row_by_row_and_cancelled_with_a_reason(live: Live):
    programme = await programmes.published(live)
    group = (await live.do("GroupCreate", {"name": f"Class {uuid4().hex[:8]}"}, role="admin"))["group"]["id"]
    people = [
        (await live.do("UserInvite", {"email": f"{uuid4().hex}@example.org", "displayName": "Ada"}, role="admin"))[
            "user"
        ]
        for _ in range(2)
    ]
    await live.do("GroupMembersAdd", {"id": group, "userIds": [one["id"] for one in people]}, role="admin")
    given = [{"userId": people[0]["id"]}, {"groupId": group}, {"email": "none"}]
    done = await live.do("ProgrammeEnrol", {"programmeId": programme, "recipients": given}, role="manager")
    rows = [(row["enrolledCount"], row["alreadyCount"], len(row["problems"])) for row in done["results"]]
    assert rows == [(1, 0, 0), (1, 0, 0), (0, 0, 1)]
    pasted = f"Ada Lovelace <{uuid4().hex}@example.org>; {uuid4().hex}@example.org\nnobody"
    text = await live.do("ProgrammeEnrol", {"programmeId": programme, "addresses": pasted}, role="manager")
    assert [row["enrolledCount"] for row in text["results"]] == [1, 1, 0]
    again = await live.do("ProgrammeEnrol", {"programmeId": programme, "recipients": given[:2]}, role="manager")
    assert [(row["enrolledCount"], row["alreadyCount"]) for row in again["results"]] == [(0, 1), (0, 1)]
    enrolment = done["results"][0]["enrolment"]
    assert again["results"][0]["enrolment"] == enrolment
    ended = {"id": enrolment["id"], "reason": "Moved away."}
    cancelled = (await live.do("ProgrammeEnrolmentCancel", ended, role="manager"))["enrolment"]
    assert (cancelled["state"], cancelled["cancelReason"]) == ("CANCELLED", "Moved away.")
    assert (await problem(live, "ProgrammeEnrolmentCancel", ended))["code"] == "STATE_DRIFT"
    told = (await live.ask("Activity", {"filter": {"act": "programme_enrolment."}}, role="auditor"))["activity"][
        "nodes"
    ]
    assert ("programme_enrolment.cancelled", "Moved away.") in [(row["act"], row["reason"]) for row in told]


async def test_who_is_enrolled_stays_under_their_version(live: Live):
    programme = await programmes.published(live)
    (before,) = await programmes.enrol(live, programme)
    await programmes.ask_for(live, programme, await programmes.evaluation(live), name="New")
    await programmes.publish(live, programme)
    (after,) = await programmes.enrol(live, programme)
    seen = [await programmes.shown(live, one) for one in (before, after)]
    assert [one["programmeVersion"]["number"] for one in seen] == [1, 2]
    assert [len(one["progress"]) for one in seen] == [1, 2]


async def test_a_list_is_enrolled_from_csv_row_by_row(live: Live):
    programme = await programmes.published(live)
    address = f"{uuid4().hex}@example.org"
    text = f'\ufeffEmail,display_name\r\n{address},"Lovelace, Ada"\r\n\r\nnone,Nobody\r\n'
    given = {"programmeId": programme, "recipients": [{"email": f"{uuid4().hex}@example.org"}], "csv": text}
    done = await live.do("ProgrammeEnrol", given, role="manager")
    rows = done["results"]
    assert [(row["index"], row["enrolledCount"], len(row["problems"])) for row in rows] == [
        (0, 1, 0),
        (1, 1, 0),
        (2, 0, 1),
    ]
    seen = await programmes.shown(live, rows[1]["enrolment"]["id"])
    assert seen["user"]["displayName"] == "Lovelace, Ada"
    for text, line in (
        ("name\nAda", "The first line is 'name'."),
        ("email\n", "The file has no row below its header."),
    ):
        refused = await problem(live, "ProgrammeEnrol", {"programmeId": programme, "csv": text})
        assert (refused["code"], refused["message"], refused["path"]) == ("INVALID_INPUT", line, ["csv"])


async def test_an_enrolment_goes_on_by_the_newest_version_and_what_can_be_done_is_told(live: Live):
    enrolment = await programmes.outdated(live)
    await programmes.sit(live, enrolment, 0, right=4)
    seen = await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    assert can(seen) == {"CANCEL": False, "TRANSFER": False, "DECIDE_HOLD": False}
    refused = await problem(live, "ProgrammeEnrolmentTransfer", {"id": enrolment, "reason": "New rules."})
    assert (refused["code"], refused["currentState"]) == ("STATE_DRIFT", "CERTIFIED")

    enrolment = await programmes.outdated(live)
    assert can(await programmes.shown(live, enrolment)) == {"CANCEL": True, "TRANSFER": True, "DECIDE_HOLD": False}
    read = (await live.ask("ProgrammeEnrolment", {"id": enrolment}, role="auditor"))["programmeEnrolment"]
    assert not any(can(read).values())
    given = {"id": enrolment, "reason": "New rules."}
    done = (await live.do("ProgrammeEnrolmentTransfer", given, role="manager"))["enrolment"]
    assert (done["programmeVersion"]["number"], done["mandatoryCount"], len(done["progress"])) == (2, 2, 2)
    assert not can(await programmes.shown(live, enrolment))["TRANSFER"]
    for place in (0, 1):
        await programmes.sit(live, enrolment, place, right=4)
    seen = await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    certificate = (await live.ask("Certificate", {"id": seen["certificate"]["id"]}, role="manager"))["certificate"]
    assert (certificate["programmeVersion"]["number"], can(certificate)) == (2, {"REVOKE": True, "REISSUE": True})


async def test_what_enrolling_would_do_is_shown_and_then_done(live: Live):
    evaluation = await programmes.evaluation(live)
    programme = await programmes.begin(live, dueDays=30)
    for name in ("Theory", "Practice"):
        await programmes.ask_for(live, programme, evaluation, name=name)
    fresh = [f"{uuid4().hex}@example.org" for _ in range(3)]
    given = {"programmeId": programme, "addresses": f"none, {fresh[0]}", "csv": f"email\n{fresh[1]}\n{fresh[2]}"}
    early = await previewed(live, given)
    assert [one["code"] for one in early["problems"]] == ["STATE_DRIFT"]
    assert (early["enrolledCount"], early["programmeVersion"]) == (0, None)
    await programmes.publish(live, programme)
    await live.do("ProgrammeEnrol", {"programmeId": programme, "addresses": fresh[0]}, role="manager")
    seen = await previewed(live, given)
    assert (seen["enrolledCount"], seen["alreadyCount"], seen["assignmentCount"]) == (2, 1, 4)
    assert [(one["email"], one["isNew"]) for one in seen["sample"]] == [(one, True) for one in fresh[1:]]
    assert [(one["index"], one["problem"]["code"]) for one in seen["refused"]] == [(0, "INVALID_INPUT")]
    assert (seen["programmeVersion"]["number"], seen["problems"], seen["dueAt"] is None) == (1, [], False)
    rows = (await live.do("ProgrammeEnrol", given, role="manager"))["results"]
    assert sum(row["enrolledCount"] for row in rows) == seen["enrolledCount"]
    issued = [len(one["attempts"]) for row in rows[2:] for one in row["enrolment"]["progress"]]
    assert sum(issued) == seen["assignmentCount"]
    await live.do("ProgrammeArchive", {"id": programme, "reason": "Replaced."}, role="manager")
    late = await previewed(live, given)
    assert [one["message"] for one in late["problems"]] == ["The programme is archived."]


async def previewed(live: Live, given: dict[str, Any]) -> dict[str, Any]:
    return (await live.ask("ProgrammeEnrolPreview", {"input": given}, role="manager"))["programmeEnrolPreview"]


def can(shown: dict[str, Any]) -> dict[str, bool]:
    return {one["action"]: one["enabled"] for one in shown["availableActions"]}
