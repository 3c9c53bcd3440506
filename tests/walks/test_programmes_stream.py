"""A programme, live: everything that happens to its enrolments, each once and in order, by one cursor."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from schema.nodes import local_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import Persona
from tests.walks import programmes
from tests.walks.conftest import Live, document, key, receive, send


async def gathered(frames, count: int) -> list[dict[str, Any]]:
    """The next so many events."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += (await anext(frames))["events"]
    return found


async def paged(live: Live, programme: str, after: str, first: int, count: int) -> list[dict[str, Any]]:
    """As many events as there are after a cursor, in pages."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        given = {"programmeId": programme, "after": after, "first": first}
        page = (await live.ask("ProgrammeEvents", given, role="auditor"))["programmeEvents"]
        assert page["events"]
        found, after = found + page["events"], page["cursor"]
    return found


async def elsewhere(live: Live) -> str:
    """The token of an administrator who signs in in another org unit of the tenant."""
    admin = await demonstration.persona(live.service.house.office, "demo", "admin")
    unit = (await live.do("OrgUnitCreate", {"name": f"Unit {key()}"}, role="admin"))["orgUnit"]["id"]
    there = Persona(admin.tenant_id, local_id("OrgUnit", unit), admin.user_id, admin.name, admin.role_ids)
    return access_token(live.service.house.tokens, there, datetime.now(UTC))


async def refusal_of_stream(live: Live, programme: str, token: str) -> str:
    """The code with which following a programme is refused."""
    async with asyncio.timeout(10), live.socket(token) as connection:
        payload = {"query": document("ProgrammeStream"), "variables": {"programmeId": programme}}
        await send(connection, {"type": "subscribe", "id": "1", "payload": payload})
        while (message := await receive(connection))["type"] not in ("next", "error"):
            pass
    told = message["payload"]
    (error,) = told["errors"] if isinstance(told, dict) else told
    return error["extensions"]["code"]


STORY = [
    "ENROLLED",
    "ATTEMPT_HANDED_IN",
    "ATTEMPT_ISSUED",
    "ATTEMPT_HANDED_IN",
    "REQUIREMENT_MET",
    "COMPLETED",
    "CERTIFIED",
]


PASSED = ["ENROLLED", "ATTEMPT_HANDED_IN", "REQUIREMENT_MET", "COMPLETED", "CERTIFIED"]


async def test_a_programme_is_followed_from_enrolling_to_its_completion(live: Live):
    programme = await programmes.published(live, {"attempts": 2})
    token = await live.token("auditor")
    async with live.stream("ProgrammeStream", {"programmeId": programme}, token) as frames:
        first = await anext(frames)
        assert (first["heartbeat"], first["events"]) == (True, [])
        (enrolment,) = await programmes.enrol(live, programme)
        await programmes.sit(live, enrolment, 0, right=3)
        seen = await gathered(frames, 3)
    assert [one["kind"] for one in seen] == STORY[:3]
    assert seen[0]["actor"]["displayName"] == "Demo Manager"
    assert (seen[0]["requirement"], seen[1]["requirement"]["name"][:5]) == (None, "Paper")
    assert (seen[1]["facts"], seen[2]["facts"]) == ({"attempts_used": 1}, {"ordinal": 2})

    await programmes.sit(live, enrolment, 0, right=4)
    await programmes.until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    after = {"programmeId": programme, "after": first["cursor"]}
    async with live.stream("ProgrammeStream", after, token) as frames:
        again = await gathered(frames, len(STORY))
    assert [one["kind"] for one in again] == STORY
    assert [one["id"] for one in again[:3]] == [one["id"] for one in seen]
    assert len({one["id"] for one in again}) == len(STORY)
    assert {(one["enrolment"]["id"], one["enrolment"]["state"]) for one in again} == {(enrolment, "CERTIFIED")}
    for size in (1, 4, 100):
        by_pages = await paged(live, programme, first["cursor"], size, len(STORY))
        assert [one["id"] for one in by_pages] == [one["id"] for one in again]


async def test_a_stream_that_is_cut_anywhere_goes_on_without_loss_or_repetition(live: Live):
    programme = await programmes.published(live)
    token, seen = await live.token("auditor"), list[str]()
    async with live.stream("ProgrammeStream", {"programmeId": programme}, token) as frames:
        cursor = (await anext(frames))["cursor"]
    for _ in range(4):
        await programmes.enrol(live, programme, 2)
        async with live.stream("ProgrammeStream", {"programmeId": programme, "after": cursor}, token) as frames:
            async with asyncio.timeout(20):
                frame = await anext(frames)
        seen, cursor = seen + [one["id"] for one in frame["events"]], frame["cursor"]
    async with live.stream("ProgrammeStream", {"programmeId": programme, "after": cursor}, token) as frames:
        seen += [one["id"] for one in (await gathered(frames, 8 - len(seen)))] if len(seen) < 8 else []
    assert len(seen) == len(set(seen)) == 8


async def test_what_people_decide_is_told_with_who_and_why(live: Live):
    programme = await programmes.published(live)
    enrolment, requirement = await programmes.hold(live, programme)
    decision = {"enrolmentId": enrolment, "requirementId": requirement, "decision": "KEEP", "reason": "The board met."}
    await live.do("ProgrammeHoldDecide", decision, role="manager")
    (other,) = await programmes.enrol(live, programme)
    await live.do("ProgrammeEnrolmentCancel", {"id": other, "reason": "Moved away."}, role="manager")
    certificate = (await programmes.shown(live, enrolment))["certificate"]["id"]
    await live.do("CertificateReissue", {"id": certificate, "reason": "Another name."}, role="manager")
    events = (await live.ask("ProgrammeEvents", {"programmeId": programme}, role="auditor"))["programmeEvents"][
        "events"
    ]
    assert [one["kind"] for one in events] == [
        "ENROLLED",
        "ATTEMPT_HANDED_IN",
        "REQUIREMENT_MET",
        "COMPLETED",
        "CERTIFIED",
        "REQUIREMENT_HELD",
        "REQUIREMENT_KEPT",
        "ENROLLED",
        "CANCELLED",
        "CERTIFICATE_REVOKED",
        "CERTIFIED",
    ]
    told = [(one["reason"], one["actor"] and one["actor"]["displayName"]) for one in events]
    assert told[5:7] == [(None, None), ("The board met.", "Demo Manager")]
    assert told[8:] == [("Moved away.", "Demo Manager"), *[("Another name.", "Demo Manager")] * 2]
    assert events[6]["requirement"]["id"] == requirement
    assert [one["facts"].get("cause") for one in events[9:]] == ["reissued", None]
    assert events[10]["facts"]["replaces"] == events[9]["facts"]["certificate"] == events[4]["facts"]["certificate"]


async def test_a_transfer_is_told_before_what_comes_of_it(live: Live):
    enrolment = await programmes.outdated(live)
    programme = (await programmes.shown(live, enrolment))["programme"]["id"]
    await live.do("ProgrammeEnrolmentTransfer", {"id": enrolment, "reason": "New rules."}, role="manager")
    events = (await live.ask("ProgrammeEvents", {"programmeId": programme}, role="auditor"))["programmeEvents"]
    assert [one["kind"] for one in events["events"]] == ["ENROLLED", "TRANSFERRED", "ATTEMPT_ISSUED"]
    told = events["events"][1]
    assert (told["reason"], told["facts"]["from"], told["facts"]["to"], len(told["facts"]["kept"])) == (
        "New rules.",
        1,
        2,
        1,
    )


async def test_a_certificate_is_followed_through_its_renewal_reissue_and_revocation(live: Live):
    programme = await programmes.published(live, **programmes.MONTHLY)
    async with live.stream("ProgrammeStream", {"programmeId": programme}, await live.token("auditor")) as frames:
        await anext(frames)
        before = (await programmes.certify(live, programme))["id"]
        renewal = await programmes.renew(live, before)
        await programmes.sit(live, renewal, 0, right=4)
        seen = await programmes.until(live, renewal, lambda one: one["state"] == "CERTIFIED")
        given = {"id": seen["certificate"]["id"], "reason": "Another name."}
        new = (await live.do("CertificateReissue", given, role="manager"))["certificate"]["id"]
        await live.do("CertificateRevoke", {"id": new, "reason": "Somebody else sat it."}, role="manager")
        events = await gathered(frames, len(PASSED) * 2 + 3)
    ended = ["CERTIFICATE_REVOKED", "CERTIFIED", "CERTIFICATE_REVOKED"]
    assert [one["kind"] for one in events] == [*PASSED, *PASSED, *ended]
    assert [one["enrolment"]["id"] for one in events] == [before] * len(PASSED) + [renewal] * (len(PASSED) + 3)
    first, again = events[: len(PASSED)], events[len(PASSED) :]
    assert (first[0]["facts"], again[0]["facts"], again[0]["actor"]) == (
        {},
        {"renewal_of": str(local_id("ProgrammeEnrolment", before))},
        None,
    )
    told = [one["facts"] for one in (first[-1], again[4], again[6])]
    assert [one["renews"] for one in told] == [None, *[told[0]["certificate"]] * 2]
    assert [one["replaces"] for one in told] == [None, None, told[1]["certificate"]]
    assert told[0]["valid_through"] < told[1]["valid_through"] == told[2]["valid_through"]
    assert [(one["facts"]["cause"], one["reason"]) for one in (again[5], again[7])] == [
        ("reissued", "Another name."),
        ("decision", "Somebody else sat it."),
    ]


async def test_another_org_unit_and_another_tenant_see_nothing(live: Live):
    programme = await programmes.published(live)
    await programmes.enrol(live, programme)
    text = "query ($id: ID!) { programmeEvents(programmeId: $id) { events { id } } }"
    mine = await live.post(text, {"id": programme}, await live.token("admin"))
    assert len(mine["data"]["programmeEvents"]["events"]) == 1
    cursor = (await live.ask("ProgrammeEvents", {"programmeId": programme}, role="admin"))["programmeEvents"]["cursor"]
    for token in (await elsewhere(live), await live.token("admin", tenant="second")):
        refused = await live.post(text, {"id": programme}, token)
        assert [one["extensions"]["code"] for one in refused["errors"]] == ["NOT_FOUND"]
        assert await refusal_of_stream(live, programme, token) == "NOT_FOUND"
        own = await live.post("query { programmes { nodes { id } } }", token=token)
        assert programme not in [one["id"] for one in own["data"]["programmes"]["nodes"]]
    other = await programmes.published(live)
    given = {"programmeId": other, "after": cursor}
    foreign = await live.post(
        "query ($programmeId: ID!, $after: String) { programmeEvents(programmeId: $programmeId, "
        "after: $after) { cursor } }",
        given,
        await live.token("admin"),
    )
    assert [one["extensions"]["code"] for one in foreign["errors"]] == ["CURSOR_EXPIRED"]


async def test_who_may_not_read_programmes_follows_nothing(live: Live):
    programme = await programmes.published(live)
    text = "query ($id: ID!) { programmeEvents(programmeId: $id) { cursor } }"
    body = await live.post(text, {"id": programme}, await live.token("billing"))
    assert [one["extensions"]["code"] for one in body["errors"]] == ["FORBIDDEN"]
