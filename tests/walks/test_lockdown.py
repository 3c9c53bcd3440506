"""The lockdown browser, proven over real sockets by headers and by the page, and what becomes of who cannot."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from schema.nodes import local_id
from services import lockdown_probe
from services.lockdown import Signal
from services.tokens import TokenType
from services.viewer import Via, Viewer
from tests.walks import made, story
from tests.walks.conftest import Live, document, key
from tests.walks.story import Locked, seb
from tests.walks.test_overrides import frame_with

CONFIG, EXAM = "x-safeexambrowser-configkeyhash", "x-safeexambrowser-requesthash"


@pytest.fixture(scope="module")
async def version_id(live: Live) -> str:
    return (await story.publish(live))["id"]


async def by_header(live: Live, one: Locked, url: str | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Ask at the door of the session, as the browser would."""
    at = (url or one.probe_url).removeprefix(live.service.house.site)
    sent = {"authorization": f"Bearer {one.token}", **headers}
    response = await live.http.get(f"{live.base}{at}", headers=sent)
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


async def by_page(live: Live, one: Locked, url: str, shown: str | None = None) -> dict[str, Any]:
    given = {"url": url, "configKeyHash": shown or seb(url)}
    return (await live.do("SessionProbe", given, token=one.token))["session"]["lockdown"]


async def starting(live: Live, one: Locked, **given: Any) -> list[str]:
    payload = (await live.ask("SessionStart", {"input": given}, token=one.token))["sessionStart"]
    return [problem["code"] for problem in payload["problems"]]


async def seen(live: Live, one: Locked) -> dict[str, Any]:
    return (await live.ask("SessionLockdown", {"id": one.session_id}, role="proctor"))["session"]["lockdown"]


async def probes(live: Live, one: Locked) -> list[dict[str, Any]]:
    page = (await live.ask("SessionEvents", {"sessionId": one.session_id}, role="admin"))["sessionEvents"]
    return [event for event in page["events"] if event["__typename"] == "ProbeRecorded"]


async def test_the_way_of_a_candidate_from_a_plain_browser_into_safe_exam_browser(live: Live, version_id: str):
    assignment, (one,) = await story.lock(live, version_id, 1)
    retry = key()
    assert await starting(live, one, idempotencyKey=retry) == ["LOCKDOWN_REQUIRED"]
    status, plain = await by_header(live, one)
    assert (status, plain["session"]["lockdown"]["state"]) == (200, "NOT_DETECTED")
    assert await starting(live, one) == ["LOCKDOWN_REQUIRED"]
    status, proven = await by_header(live, one, **{CONFIG: seb(one.probe_url)})
    mine = proven["session"]["lockdown"]
    assert (status, mine["state"], mine["words"]) == (200, "VERIFIED", "Lockdown: Verified.")
    assert await starting(live, one, idempotencyKey=retry) == [], "a refusal is not kept under its key"
    page = one.page(live)
    assert (await by_page(live, one, f"{page}#item-3"))["state"] == "VERIFIED"
    assert (await seen(live, one))["state"] == "VERIFIED"
    assert [event["state"] for event in await probes(live, one)] == ["NOT_DETECTED", "NOT_DETECTED", "VERIFIED"]
    assert [event["isStartRefused"] for event in await probes(live, one)] == [True, False, False]
    filtered = {"filter": {"assignmentId": assignment, "lockdown": ["VERIFIED"]}}
    nodes = (await live.ask("SessionsByLockdown", filtered, role="proctor"))["sessions"]["nodes"]
    assert [node["id"] for node in nodes] == [one.session_id]
    text = "query ($id: ID!) { sessionEvents(sessionId: $id) { events { ... on ProbeRecorded { technicalDetails } } } }"
    shown = await live.post(text, {"id": one.session_id}, await live.token("admin"))
    urls = [(event["technicalDetails"] or {}).get("url") for event in shown["data"]["sessionEvents"]["events"] if event]
    assert urls == [None, one.probe_url, one.probe_url]
    hidden = await live.post(text, {"id": one.session_id}, await live.token("proctor"))
    assert {error["extensions"]["code"] for error in hidden["errors"]} == {"FORBIDDEN"}
    assert one.nonce not in str(hidden)
    details = await live.ask("SessionLockdownDetails", {"id": one.session_id}, role="admin")
    assert details["session"]["lockdown"]["technicalDetails"]["url"] == f"{page}#item-3"


async def test_what_was_shown_in_another_session_is_refused_and_told(live: Live, version_id: str):
    _, (one, other) = await story.lock(live, version_id, 2)
    proof = {CONFIG: seb(one.probe_url)}
    assert (await by_header(live, one, **proof))[1]["session"]["lockdown"]["state"] == "VERIFIED"
    _, replayed = await by_header(live, other, one.probe_url, **proof)
    told = replayed["session"]["lockdown"]
    assert (replayed["session"]["id"], told["state"]) == (other.session_id, "TAMPERED")
    assert told["words"] == "Lockdown: Tampered: what was shown was made in another session."
    assert (await by_header(live, other, **proof))[1]["session"]["lockdown"]["state"] == "TAMPERED"
    assert (await by_page(live, other, one.page(live)))["state"] == "TAMPERED"
    assert (await by_page(live, other, f"https://elsewhere.example.org/?session={other.nonce}"))["state"] == "TAMPERED"
    assert await starting(live, other) == ["LOCKDOWN_REQUIRED"]
    assert (await seen(live, other))["state"] == "TAMPERED"
    assert (await seen(live, one))["state"] == "VERIFIED"
    assert await starting(live, one) == []


async def test_whatever_host_is_named_only_configured_sites_count(live: Live, version_id: str):
    _, (one,) = await story.lock(live, version_id, 1)
    path = f"/api/v1/sessions/probe/{one.nonce}"
    forged = f"http://elsewhere.example.org{path}"
    _, answer = await by_header(live, one, host="elsewhere.example.org", **{CONFIG: seb(forged)})
    assert answer["session"]["lockdown"]["state"] == "TAMPERED"
    with_query = f"{one.probe_url}?n=1"
    _, answer = await by_header(live, one, with_query, **{CONFIG: seb(with_query), EXAM: "0" * 64})
    assert answer["session"]["lockdown"]["state"] == "VERIFIED", "no browser exam key is set, so none is compared"


async def test_the_door_is_for_the_candidate_alone(live: Live, version_id: str):
    _, (one,) = await story.lock(live, version_id, 1)
    at = f"{live.base}/api/v1/sessions/probe/{one.nonce}"
    assert (await live.http.get(at)).status_code == 401
    staff = {"authorization": f"Bearer {await live.token('admin')}"}
    assert (await live.http.get(at, headers=staff)).status_code == 401
    assert (await live.http.post(at, headers=staff)).status_code == 405
    _, (plain,) = await story.issue(live, version_id, 1)
    bearer = {"authorization": f"Bearer {await story.redeem(live, plain)}"}
    refused = await live.http.get(at, headers=bearer)
    assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, "INVALID_INPUT")
    text = document("AssignmentLockdown")
    body = await live.post(text, {"id": "x"}, one.token)
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_proctor_sees_the_exception_at_once_and_allows_it(live: Live, version_id: str):
    assignment, (one,) = await story.lock(live, version_id, 1, lockdownFailure="RAISE_EXCEPTION")
    proctor, about = await live.token("proctor"), {"assignmentId": assignment}
    past = (await live.ask("AssignmentEvents", about, token=proctor))["assignmentEvents"]["cursor"]
    async with asyncio.timeout(20), live.stream("AssignmentStream", {**about, "after": past}, proctor) as frames:
        assert await starting(live, one) == []
        shown = await frame_with(frames, "PROBE_RESULT")
    assert shown["event"]["kind"] == "PROBE_RESULT"
    found = await seen(live, one)
    assert (found["state"], found["exception"]["isOpen"]) == ("NOT_DETECTED", True)
    given = {"sessionId": one.session_id, "category": "TECHNICAL", "reason": "A borrowed laptop."}
    waived = (await live.do("SessionProbeWaive", given, role="proctor"))["session"]["lockdown"]
    assert (waived["exception"]["isOpen"], waived["waivedAt"] is not None) == (False, True)
    assert (await probes(live, one))[-1]["isWaived"] is True
    assert (await live.ask("MyLockdown", token=one.token))["mySession"]["lockdown"]["isWaived"] is True


async def test_silence_is_shown_by_the_clock_and_mended_by_a_probe(live: Live, version_id: str):
    _, (one,) = await story.lock(live, version_id, 1, probeIntervalSeconds=30)
    await probe_as_of(live, one, timedelta(seconds=-55))
    assert (await seen(live, one))["state"] == "VERIFIED"
    await probe_as_of(live, one, timedelta(seconds=-61))
    found = await seen(live, one)
    assert (found["state"], found["isOverdue"]) == ("NOT_DETECTED", True)
    assert found["words"].startswith("Lockdown: Not detected: not heard since ")
    assert await starting(live, one) == ["LOCKDOWN_REQUIRED"]
    assert (await by_page(live, one, one.page(live)))["state"] == "VERIFIED"
    assert await starting(live, one) == []


async def probe_as_of(live: Live, one: Locked, shift: timedelta) -> None:
    """Probe at another instant."""
    house, session_id = live.service.house, local_id("Session", one.session_id)
    claims = house.tokens.verify(one.token, TokenType.SESSION)
    viewer = Viewer(via=Via.SESSION, tenant_id=claims.tenant_id, org_unit_id=claims.org_unit_id, name="candidate")
    page = one.page(live)
    signal = Signal(page, seb(page))
    act = partial(lockdown_probe.probe, session_id=session_id, signal=signal, sites=[house.site])
    await house.office.shifted(shift).perform(viewer, act)


async def keys_of(live: Live, assignment: str) -> dict[str, Any]:
    return (await live.ask("AssignmentLockdown", {"id": assignment}, role="admin"))["assignment"]["lockdown"]


async def test_keys_come_with_the_issue_or_later_and_a_wrong_one_issues_nothing(live: Live, version_id: str):
    assignment, _ = await story.lock(live, version_id, 1)
    assert (await keys_of(live, assignment))["configKeys"] == [story.SEB_KEY]
    later = {"assignmentId": assignment, "keys": {"configKeys": [], "browserExamKeys": ["E" * 64]}}
    await live.do("AssignmentLockdownUpdate", later, role="manager")
    found = await keys_of(live, assignment)
    assert (found["configKeyCount"], found["browserExamKeys"]) == (0, ["e" * 64])
    label = f"Wrong_{key()[:8]}"
    given = {"evaluationVersionId": version_id, "recipients": [{"email": f"{key()}@example.org"}], "runLabel": label}
    wrong = {"input": {**given, "lockdown": {"configKeys": ["xyz"]}}}
    payload = (await live.ask("AssignmentIssue", wrong, role="manager"))["assignmentIssue"]
    assert payload["problems"][0]["path"] == ["lockdown", "configKeys", "0"]
    listed = (await live.ask("Assignments", {"filter": {"runLabel": label}}, role="manager"))["assignments"]
    assert listed["nodes"] == []


async def test_what_a_schedule_issues_takes_over_the_keys_of_the_run_before(live: Live, version_id: str):
    given = made.planned(version_id)
    given["terms"]["securityConfig"] = {"lockdownBrowser": "REQUIRED"}
    schedule = (await live.do("AssignmentScheduleCreate", given, role="manager"))["schedule"]["id"]

    async def run() -> str:
        await live.do("AssignmentScheduleRunNow", {"id": schedule}, role="manager")
        shown = (await live.ask("AssignmentSchedule", {"id": schedule}, role="manager"))["assignmentSchedule"]
        return shown["runs"]["nodes"][0]["assignment"]["id"]

    first = await run()
    assert (await keys_of(live, first))["configKeyCount"] == 0
    keys = {"configKeys": [story.SEB_KEY]}
    await live.do("AssignmentLockdownUpdate", {"assignmentId": first, "keys": keys}, role="manager")
    second = await run()
    assert second != first
    assert (await keys_of(live, second))["configKeys"] == [story.SEB_KEY]
