"""A person's own programmes and assignments: all of theirs, in whatever org unit, and nothing of anybody else's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from jobs import programmes as job
from models.identity import User, UserOrgUnit
from models.messages import Message
from schema.nodes import global_id, local_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import Persona
from services.tokens import TokenType
from services.viewer import Viewer
from tests.factories import sign_ins
from tests.walks import essays, programmes, story
from tests.walks.conftest import Live, document, key
from tests.walks.test_query_counts import FEW, MANY, counted

NOTHING = {"MyProgrammes": "myProgrammes", "MyAssignments": "myAssignments"}


async def person(live: Live, tenant: str = "demo") -> sign_ins.Person:
    """Somebody in an org unit of a tenant, without any role."""
    like = await demonstration.persona(live.service.house.office, tenant, "admin")
    user_id, email = uuid4(), f"{uuid4().hex}@example.org"

    async def add(work):
        work.session.add(User(id=user_id, email=email, display_name="Pat Person"))
        await work.session.flush()
        work.session.add(UserOrgUnit(user_id=user_id, org_unit_id=like.org_unit_id))

    await live.service.house.office.perform(Viewer.system(like.tenant_id), add)
    return sign_ins.Person(like.tenant_id, user_id, email, [like.org_unit_id])


def bearer(live: Live, who: sign_ins.Person, unit=None) -> str:
    """The token of a person who signed in in an org unit."""
    persona = Persona(who.tenant_id, unit or who.units[0], who.user_id, "Pat Person", ())
    return access_token(live.service.house.tokens, persona, datetime.now(UTC))


async def enrol(live: Live, programme: str, who: sign_ins.Person, token: str | None = None) -> str:
    given = {"programmeId": programme, "recipients": [{"userId": global_id("User", who.user_id)}]}
    token = token or await live.token("manager")
    return (await live.do("ProgrammeEnrol", given, token=token))["results"][0]["enrolment"]["id"]


async def issue(live: Live, version: str, who: sign_ins.Person, token: str | None = None, **terms: Any) -> str:
    """Issue an assignment to a person; returns the invitation token."""
    given = {"evaluationVersionId": version, "recipients": [{"userId": global_id("User", who.user_id)}], **terms}
    done = await live.do(
        "AssignmentIssue", given, token=token or await live.token("manager"), **{"idempotency-key": key()}
    )
    return done["results"][0]["invitationToken"]


async def my(live: Live, name: str, token: str, **given: Any) -> dict[str, Any]:
    (found,) = (await live.ask(name, given, token=token)).values()
    return found


async def sit(live: Live, invitation: str, right: int) -> None:
    sitting = await story.sit_down(live, invitation)
    for n, item in enumerate(sitting.items):
        given = {"itemId": item["id"], "revision": 1, "response": story.choice(item, "right" if n < right else "wrong")}
        await live.do("AnswerSave", given, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sitting.token)


async def test_a_person_without_any_role_signs_in_and_sees_their_programmes_in_order(live: Live):
    who = await person(live)
    evaluation = await programmes.evaluation(live)
    first = await programmes.published(
        live, {"attempts": 2}, {"isMandatory": False}, evaluation_id=evaluation, dueDays=9
    )
    second = await programmes.published(live, evaluation_id=evaluation)
    enrolment, later = [await enrol(live, one, who) for one in (first, second)]
    token = (await sign_ins.signed_in(live, who))["tokens"]["accessToken"]
    assert (await live.post("{ viewer { capabilities } }", token=token))["data"]["viewer"]["capabilities"] == []

    await programmes.sit(live, enrolment, 0, right=3)
    await programmes.until(live, enrolment, lambda one: len(one["progress"][0]["attempts"]) == 2)
    found = await my(live, "MyProgrammes", token)
    assert [one["id"] for one in found["nodes"]] == [later, enrolment]
    assert found["totalCount"] == 2
    mine = found["nodes"][1]
    assert (mine["state"], mine["completionPercent"], mine["descriptionHtml"]) == (
        "IN_PROGRESS",
        "0.00",
        "<p>To <em>transmit</em>.</p>\n",
    )
    paper, _ = mine["requirements"]
    assert [one["position"] for one in mine["requirements"]] == [1, 2]
    assert (paper["state"], paper["attemptsUsed"], paper["attempt"], paper["allowedAttempts"]) == ("PENDING", 1, 2, 2)
    assert (paper["assignment"]["state"], paper["assignment"]["invitationStatus"]) == ("OPEN", "SENT")
    assert (paper["assignment"]["resultState"], paper["assignment"]["outcome"]) == ("NOT_HANDED_IN", None)

    await programmes.sit(live, enrolment, 0, right=4)
    await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    done = (await my(live, "MyProgrammes", token))["nodes"][1]
    assert (done["state"], done["completionPercent"]) == ("CERTIFIED", "100.00")
    assert done["completedAt"] is not None
    assert [one["state"] for one in done["requirements"]] == ["MET", "PENDING"]
    assert done["requirements"][0]["assignment"]["state"] == "DONE"
    assert done["requirements"][0]["assignment"]["outcome"] == "PASSED"
    certificate = done["certificate"]
    assert (certificate["state"], certificate["holderName"], done["isRenewal"]) == ("ACTIVE", "Pat Person", False)
    assert certificate["verificationUrl"].startswith(live.service.house.site)
    for name, start in (("pdfUrl", b"%PDF"), ("pngUrl", b"\x89PNG"), ("credentialUrl", b"ey")):
        address = certificate[name].replace(live.service.house.site, live.base)
        answer = await live.http.get(address, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.content[: len(start)]) == (200, start), name
    assert (await my(live, "MyAssignments", token))["nodes"] == []
    page = await my(live, "MyProgrammes", token, first=1)
    rest = await my(live, "MyProgrammes", token, first=1, after=page["pageInfo"]["endCursor"])
    assert [one["nodes"][0]["id"] for one in (page, rest)] == [later, enrolment]


async def test_a_renewal_stands_before_what_it_renews_and_a_revocation_is_told_without_its_reason(live: Live):
    who, secret = await person(live), f"Secret {key()}"
    enrolment = await enrol(live, await programmes.published(live, **programmes.MONTHLY), who)
    token = bearer(live, who)
    await programmes.sit(live, enrolment, 0, right=4)
    await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    renewal = await programmes.renew(live, enrolment)
    later, first = (await my(live, "MyProgrammes", token))["nodes"]
    assert [(one["id"], one["isRenewal"]) for one in (later, first)] == [(renewal, True), (enrolment, False)]
    assert (later["state"], later["completionPercent"], later["certificate"]) == ("IN_PROGRESS", "0.00", None)
    assert (first["state"], first["certificate"]["state"]) == ("CERTIFIED", "ACTIVE")
    assert later["dueAt"] == first["certificate"]["expiresAt"]
    assert later["requirements"][0]["attemptsUsed"] == 0
    assert first["requirements"][0]["assignment"]["id"] != later["requirements"][0]["assignment"]["id"]
    await programmes.sit(live, renewal, 0, right=4)
    await programmes.until(live, renewal, lambda one: one["state"] == "CERTIFIED")
    later, first = (await my(live, "MyProgrammes", token))["nodes"]
    assert later["certificate"]["validThrough"] > first["certificate"]["validThrough"]

    await live.do("CertificateRevoke", {"id": later["certificate"]["id"], "reason": secret}, role="manager")
    found = await my(live, "MyProgrammes", token)
    later, first = found["nodes"]
    assert (later["state"], later["completionPercent"], first["state"]) == ("COMPLETED", "100.00", "CERTIFIED")
    assert (later["certificate"]["state"], later["certificate"]["revokedAt"] is None) == ("REVOKED", False)
    assert secret not in str(found)


async def test_assignments_of_no_programme_stand_by_when_they_close(live: Live):
    who, now = await person(live), datetime.now(UTC)
    version = (await story.publish(live))["id"]
    ends = [(now + timedelta(days=days)).isoformat() for days in (5, 2)]
    for name, terms in (
        ("never", {}),
        ("later", {"validUntil": ends[0]}),
        ("sooner", {"validUntil": ends[1], "validFrom": (now + timedelta(days=1)).isoformat()}),
    ):
        invitation = await issue(live, version, who, name=name, **terms)
        if name == "never":
            await sit(live, invitation, 4)
    await enrol(live, await programmes.published(live), who)
    found = (await my(live, "MyAssignments", bearer(live, who)))["nodes"]
    assert [(one["name"], one["state"]) for one in found] == [
        ("sooner", "SCHEDULED"),
        ("later", "OPEN"),
        ("never", "DONE"),
    ]
    assert datetime.fromisoformat(found[1]["closesAt"]) == datetime.fromisoformat(ends[0])
    never = found[2]
    assert (never["resultState"], never["outcome"], never["invitationStatus"]) == ("TOLD", "PASSED", "SUBMITTED")
    await live.do("AssignmentClose", {"id": found[0]["id"], "reason": "Moved."}, role="manager")
    closed = (await my(live, "MyAssignments", bearer(live, who), isClosed=True))["nodes"]
    assert [(one["name"], one["state"]) for one in closed] == [("sooner", "CLOSED")]
    still = await my(live, "MyAssignments", bearer(live, who), isClosed=False)
    assert [one["name"] for one in still["nodes"]] == ["later", "never"]
    assert still["totalCount"] == 2


@pytest.mark.parametrize("right", [4, 0])
async def test_a_result_that_is_kept_back_is_told_by_nothing(live: Live, right: int):
    who = await person(live)
    programme = await programmes.published(live, {"attempts": 1})
    enrolment, token = await enrol(live, programme, who), bearer(live, who)
    attempt = (await programmes.shown(live, enrolment))["progress"][0]["attempts"][0]["assignment"]["id"]
    await live.do("ResultsHold", {"assignmentId": attempt, "reason": "The board meets."}, role="manager")
    await programmes.sit(live, enrolment, 0, right=right)
    state = "CERTIFIED" if right else "FAILED"
    await programmes.until(live, enrolment, lambda one: one["state"] == state)
    (mine,) = (await my(live, "MyProgrammes", token))["nodes"]
    (paper,) = mine["requirements"]
    assert (mine["state"], mine["completionPercent"], mine["completedAt"]) == ("IN_PROGRESS", "0.00", None)
    assert mine["certificate"] is None
    await tick(live)
    assert await mailed(live, who) == 0
    assert (paper["state"], paper["nextAttemptAt"], paper["attemptsUsed"]) == ("PENDING", None, 1)
    seen = paper["assignment"]
    assert (seen["state"], seen["resultState"], seen["outcome"]) == ("DONE", "WITHHELD", None)

    await live.do("ResultsRelease", {"assignmentId": attempt, "reason": "It met."}, role="manager")
    (mine,) = (await my(live, "MyProgrammes", token))["nodes"]
    (paper,) = mine["requirements"]
    assert (mine["state"], paper["state"]) == (state, "MET" if right else "FAILED")
    assert (mine["certificate"] is None) == (not right)
    await tick(live)
    assert await mailed(live, who) == bool(right)
    assert paper["assignment"]["outcome"] == ("PASSED" if right else "FAILED")


async def tick(live: Live) -> None:
    """Tell holders of their certificates, as the clock does every minute."""
    who = await demonstration.persona(live.service.house.office, "demo", "admin")
    await job.tell_tenant(live.service.house.office, who.tenant_id, live.service.house.site)


async def mailed(live: Live, who: sign_ins.Person) -> int:
    """How many mails of certificates there are to a person."""
    wanted = select(func.count()).where(Message.email == who.email, Message.template == "certificate")
    async with live.service.house.office.snapshot(Viewer.system(who.tenant_id)) as work:
        return await work.session.scalar(wanted.select_from(Message)) or 0


async def test_what_a_person_has_yet_to_judge_is_pending(live: Live):
    who = await person(live)
    programme = await programmes.begin(live)
    await programmes.ask_for(live, programme, await programmes.evaluation(live, of_essays=True))
    await programmes.publish(live, programme)
    enrolment = await enrol(live, programme, who)
    await programmes.sit(live, enrolment, 0)
    await programmes.until(live, enrolment, lambda one: one["progress"][0]["attemptsUsed"] == 1)
    (mine,) = (await my(live, "MyProgrammes", bearer(live, who)))["nodes"]
    assert mine["requirements"][0]["assignment"]["resultState"] == "PENDING"
    wanted = {"filter": {"programmeId": programme}}
    (task,) = (await live.ask("ReviewTasks", wanted, role="assessor"))["reviewTasks"]["nodes"]
    await essays.mark(live, await live.token("assessor"), task["id"], "all", "8")
    await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    (mine,) = (await my(live, "MyProgrammes", bearer(live, who)))["nodes"]
    assert (mine["state"], mine["requirements"][0]["state"]) == ("CERTIFIED", "MET")


async def test_what_is_never_told_is_not_told_by_a_programme_either(live: Live):
    who = await person(live)
    invitation = await issue(live, (await story.publish(live))["id"], who, feedbackMode="NONE")
    await sit(live, invitation, 4)
    (mine,) = (await my(live, "MyAssignments", bearer(live, who)))["nodes"]
    assert (mine["resultState"], mine["outcome"], mine["state"]) == ("NEVER_TOLD", None, "DONE")


async def elsewhere(live: Live) -> tuple[str, str]:
    """A new org unit, and the token of an administrator there."""
    admin = await demonstration.persona(live.service.house.office, "demo", "admin")
    unit = (await live.do("OrgUnitCreate", {"name": f"Unit {key()}"}, role="admin"))["orgUnit"]["id"]
    there = Persona(admin.tenant_id, local_id("OrgUnit", unit), admin.user_id, admin.name, admin.role_ids)
    return unit, access_token(live.service.house.tokens, there, datetime.now(UTC))


async def test_what_is_theirs_in_another_org_unit_is_seen_wherever_they_sign_in(live: Live):
    who = await person(live)
    unit, admin = await elsewhere(live)
    names = set[str]()
    for token in (await live.token("admin"), admin):
        version, name = await publish_as(live, token), f"Paper {key()}"
        names.add(name)
        await issue(live, version, who, token, name=name)
        await enrol(live, await programme_as(live, token, version), who, token)
    tokens = [bearer(live, who), bearer(live, who, local_id("OrgUnit", unit))]
    for token in tokens:
        assert {one["name"] for one in (await my(live, "MyAssignments", token))["nodes"]} == names
        found = await my(live, "MyProgrammes", token)
        assert (len(found["nodes"]), found["totalCount"]) == (2, 2)
        assert all(one["requirements"][0]["assignment"]["state"] == "OPEN" for one in found["nodes"])


async def publish_as(live: Live, token: str) -> str:
    """Publish an evaluation where the token is for; returns the version."""
    marker = uuid4().hex[:8]
    await live.do("QuestionPoolImport", {"entries": story.pool(marker), "publish": True}, token=token)
    sections = [{"title": "All", "drawPerGroup": True, "selector": {"referencePrefix": "W"}}]
    given = {"title": f"Paper {marker}", "passMark": {"points": "4"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, token=token)
    done = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, token=token)
    return done["version"]["id"]


async def programme_as(live: Live, token: str, version: str) -> str:
    of_it = (await live.ask("EvaluationVersion", {"id": version}, token=token))["evaluationVersion"]["evaluation"]["id"]
    given = {"name": f"Licence {uuid4().hex[:8]}", "rules": {}}
    programme = (await live.do("ProgrammeCreate", given, token=token))["programme"]["id"]
    asked = {"programmeId": programme, "requirement": {"name": "Paper", "evaluationId": of_it}}
    await live.do("ProgrammeRequirementAdd", asked, token=token)
    await live.do("ProgrammePublish", {"id": programme}, token=token)
    return programme


async def test_nobody_else_s_is_seen(live: Live):
    who, other, foreign = [await person(live, tenant) for tenant in ("demo", "demo", "second")]
    programme = await programmes.published(live)
    enrolment = await enrol(live, programme, who)
    invitation = await issue(live, (await story.publish(live))["id"], who)
    impostor = sign_ins.Person(foreign.tenant_id, who.user_id, who.email, foreign.units)
    operator = Persona(who.tenant_id, who.units[0], who.user_id, "Pat Person", ())
    for token in (bearer(live, other), bearer(live, foreign), bearer(live, impostor), await service(live, operator)):
        for name in NOTHING:
            found = await my(live, name, token)
            assert (found["nodes"], found["totalCount"]) == ([], 0)
    session = await story.redeem(live, invitation)
    for token in (session, None):
        for name in NOTHING:
            body = await live.post(document(name), {}, token)
            assert [one["extensions"]["code"] for one in body["errors"]] == ["UNAUTHENTICATED"]
    seen = await my(live, "MyProgrammes", bearer(live, who))
    assert [one["id"] for one in seen["nodes"]] == [enrolment]
    body = await live.post("query ($id: ID!) { node(id: $id) { id } }", {"id": enrolment}, bearer(live, who))
    assert body["data"]["node"] is None


async def service(live: Live, who: Persona) -> str:
    """A service token that an operator minted in a person's name."""
    house, now = live.service.house, datetime.now(UTC)
    return house.tokens.mint(
        TokenType.SERVICE,
        who.user_id,
        who.tenant_id,
        org_unit_id=None,
        scope_all=True,
        now=now,
        expires_at=now + timedelta(hours=1),
    )


async def test_as_many_statements_for_three_as_for_forty(live: Live):
    who, version = await person(live), (await story.publish(live))["id"]
    evaluation = (await live.ask("EvaluationVersion", {"id": version}, role="author"))["evaluationVersion"][
        "evaluation"
    ]
    token, numbers, certified = bearer(live, who), dict[tuple[str, int], int](), 0
    for have, want in ((0, FEW), (FEW, MANY)):
        for n in range(have, want):
            invitation = await issue(live, version, who)
            enrolment = await enrol(live, await programmes.published(live, evaluation_id=evaluation["id"]), who)
            if n < 2 or n % 4 == 0:
                await sit(live, invitation, 4)
                await programmes.sit(live, enrolment, 0, right=4)
                await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
        for name in NOTHING:
            tries = []
            for _ in range(5):
                with counted(live) as statements:
                    found = await my(live, name, token, first=100)
                tries.append(len(statements))
            assert len(found["nodes"]) == want
            certified += sum(one.get("certificate") is not None for one in found["nodes"])
            numbers[name, want] = min(tries)
    print(f"\n{numbers}")  # noqa: T201 - for the closing note
    assert certified == 2 + 11
    for name in NOTHING:
        assert numbers[name, FEW] == numbers[name, MANY]
