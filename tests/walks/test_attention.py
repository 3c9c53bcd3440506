"""A session comes to need attention and a connection breaks, on real sockets: what staff see, and what is kept."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.walks import story
from tests.walks.conftest import Live, document
from tests.walks.story import Sitting
from tests.walks.test_overrides import frame_with
from tests.walks.test_query_counts import count

FEW, MANY = 2, 10
PASTE = {"kind": "PASTE_DETECTED", "clientAt": "2026-11-20T12:00:00Z", "position": 1, "details": {"characters": 12}}
LISTED = """query ($n: Int!) { sessions(first: $n, filter: {attention: [NONE]}, orderBy: [{field: ATTENTION_LEVEL}]) { nodes {
    id attention { level since rules { rule level words since } acknowledgedAt acknowledgedNote acknowledgedBy { displayName } }
    connection { state since disconnections disconnectedSeconds lastSeenAt } } } }"""


@pytest.fixture(scope="module")
async def owner(live: Live) -> AsyncIterator[asyncpg.Connection]:
    assert live.database.admin_dsn is not None
    connection = await asyncpg.connect(live.database.admin_dsn)
    yield connection
    await connection.close()


async def sit(live: Live, **terms: Any) -> tuple[str, Sitting]:
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1, **terms)
    return assignment, await story.sit_down(live, invitation)


async def seen(live: Live, sitting: Sitting) -> dict[str, Any]:
    return (await live.ask("Session", {"id": sitting.session_id}, role="admin"))["session"]


async def listed(live: Live, assignment: str, *levels: str) -> list[str]:
    wanted = {"filter": {"assignmentId": assignment, "attention": list(levels)}}
    return [one["id"] for one in (await live.ask("Sessions", wanted, role="proctor"))["sessions"]["nodes"]]


async def paste(live: Live, sitting: Sitting, times: int = 1) -> None:
    given = {"batchId": uuid4().hex, "events": [PASTE] * times}
    await live.do("SessionEventsRecord", given, token=sitting.token)


async def test_a_session_enters_attention_is_acknowledged_and_comes_back(live: Live):
    assignment, sitting = await sit(live)
    proctor = await live.token("proctor")
    given = {"sessionIds": [sitting.session_id, "bm9uZQ=="], "note": "Pasted from the allowed formulary."}
    async with (
        asyncio.timeout(30),
        live.stream("MySessionStream", {}, sitting.token) as mine,
        live.stream("SessionStream", {"sessionId": sitting.session_id}, proctor) as watched,
    ):
        submitted = asyncio.create_task(kinds_until(mine, "SUBMITTED"))
        raised = asyncio.create_task(frame_with(watched, "ATTENTION_RAISED"))
        await paste(live, sitting)
        assert await listed(live, assignment, "NOTICE", "WARNING", "URGENT") == []
        await paste(live, sitting, 2)
        event = (await raised)["event"]
        assert (event["levelBefore"], event["level"], event["reason"]) == ("NONE", "NOTICE", None)
        assert [one["words"] for one in event["rules"]] == ["Text was pasted 3 times or more."]
        assert await listed(live, assignment, "NOTICE") == [sitting.session_id]
        attention = (await seen(live, sitting))["attention"]
        assert (attention["level"], attention["since"]) == ("NOTICE", event["at"])

        cleared = asyncio.create_task(frame_with(watched, "ATTENTION_CLEARED"))
        body = await live.post(document("SessionAttentionAcknowledge"), {"input": given}, proctor)
        done, unknown = body["data"]["sessionAttentionAcknowledge"]["results"]
        assert (done["problems"], [one["code"] for one in unknown["problems"]]) == ([], ["NOT_FOUND"])
        assert done["session"]["attention"]["acknowledgedBy"]["displayName"]
        event = (await cleared)["event"]
        assert (event["level"], event["isAcknowledged"], event["reason"]) == ("NONE", True, given["note"])
        assert await listed(live, assignment, "NOTICE") == []
        body = await live.post(document("SessionAttentionAcknowledge"), {"input": given}, proctor)
        again = body["data"]["sessionAttentionAcknowledge"]["results"][0]["problems"]
        assert [(one["code"], one["currentState"]) for one in again] == [("STATE_DRIFT", "ACTIVE")]

        raised = asyncio.create_task(frame_with(watched, "ATTENTION_RAISED"))
        await paste(live, sitting)
        assert (await raised)["event"]["level"] == "NOTICE"
        await live.do("SessionSubmit", {}, token=sitting.token)
        assert await submitted == ["SUBMITTED"], "a candidate is told of nothing else"
    ended = (await seen(live, sitting))["attention"]
    assert (ended["level"], ended["rules"]) == ("NONE", [])


async def kinds_until(frames: Any, last: str) -> list[str]:
    """The kinds of all events of a stream, up to one of this kind."""
    kinds: list[str] = []
    while last not in kinds:
        kinds += [event["kind"] for event in (await anext(frames))["events"]]
    return kinds


async def test_who_may_not_is_refused(live: Live):
    _, sitting = await sit(live)
    given = {"input": {"sessionIds": [sitting.session_id], "note": "Seen."}}
    for token in (sitting.token, await live.token("author")):
        body = await live.post(document("SessionAttentionAcknowledge"), given, token)
        assert body["errors"][0]["extensions"]["code"] in {"FORBIDDEN", "UNAUTHENTICATED"}
    rules = {"standard": [], "highStakes": [], "reason": "Mine."}
    body = await live.post(document("AttentionRulesUpdate"), {"input": rules}, await live.token("proctor"))
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for name in ("AttentionRules", "Session"):
        body = await live.post(document(name), {"id": sitting.session_id} if name == "Session" else {}, sitting.token)
        assert body["errors"][0]["extensions"]["code"] in {"FORBIDDEN", "UNAUTHENTICATED"}


async def test_a_browser_falls_silent_and_comes_back(live: Live, owner: asyncpg.Connection):
    _, sitting = await sit(live, timeLimitSeconds=3600)
    assert (await seen(live, sitting))["connection"]["state"] == "UNKNOWN"
    pulse = (await live.do("SessionHeartbeat", {}, token=sitting.token))["pulse"]
    shown = await seen(live, sitting)
    assert (pulse["state"], pulse["deadlineAt"]) == ("ACTIVE", shown["deadlineAt"])
    assert (shown["connection"]["state"], shown["connection"]["lastSeenAt"]) == ("CONNECTED", pulse["serverNow"])
    async with (
        asyncio.timeout(30),
        live.stream("SessionStream", {"sessionId": sitting.session_id}, await live.token("proctor")) as frames,
    ):
        cut = asyncio.create_task(both(frames, "DISCONNECTED", "ATTENTION_RAISED"))
        await live.do("SessionHeartbeat", {}, token=sitting.token)
        await owner.execute(
            "update delivery_sessions set last_seen_at = last_seen_at - interval '31 seconds', attention_check_at = now()"
            " where id = $1",
            shown["uuid"],
        )
        lost, raised = await cut
        assert lost["isNoticedByEvalium"]
        assert [(one["rule"], one["words"]) for one in raised["rules"]] == [
            ("DISCONNECTED", "The connection is lost for 30 seconds or longer.")
        ]
        away = (await seen(live, sitting))["connection"]
        assert (away["state"], away["disconnections"]) == ("DISCONNECTED", 1)
        assert Decimal(away["disconnectedSeconds"]) > 31
        back = asyncio.create_task(both(frames, "RECONNECTED", "ATTENTION_CLEARED"))
        pulse = (await live.do("SessionHeartbeat", {}, token=sitting.token))["pulse"]
        found, cleared = await back
        assert (found["isNoticedByEvalium"], cleared["level"]) == (True, "NONE")
    since, until = datetime.fromisoformat(away["since"]), datetime.fromisoformat(pulse["serverNow"])
    assert Decimal(found["secondsAway"]) == Decimal(str((until - since).total_seconds()))
    shown = (await seen(live, sitting))["connection"]
    assert (shown["state"], shown["since"]) == ("CONNECTED", None)
    assert Decimal(shown["disconnectedSeconds"]) == Decimal(found["secondsAway"])


async def both(frames: Any, *kinds: str) -> list[dict[str, Any]]:
    """The first event of each of these kinds, in order."""
    found: dict[str, dict[str, Any]] = {}
    async for frame in frames:
        found |= {event["kind"]: event for event in frame["events"] if event["kind"] in kinds}
        if len(found) == len(kinds):
            return [found[kind] for kind in kinds]
    raise AssertionError("the stream ended")


async def test_a_queue_is_replayed_over_sockets_that_break(live: Live):
    """Batches of a queue are sent in any order, doubled, and cut off on the way; then what is owed is sent."""
    _, sitting = await sit(live)
    chance, headers = random.Random(7), {"authorization": f"Bearer {sitting.token}"}  # noqa: S311 - repeatable
    queue = [
        {
            "itemId": item["id"],
            "revision": n + 1,
            "response": story.choice(item, chance.choice(["wrong", "right", "worse"])),
        }
        for n, item in enumerate(chance.choice(sitting.items) for _ in range(60))
    ]
    acknowledged: dict[str, int] = {}

    async def send(some: list[dict[str, Any]], patience: float | None) -> None:
        """Send a batch on a socket of its own, which is closed if no answer has come in time."""
        body = {"query": document("AnswersSave"), "variables": {"input": {"answers": some}}}
        async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
            try:
                async with asyncio.timeout(patience):
                    payload = (await http.post(f"{live.base}/graphql", json=body)).json()["data"]["answersSave"]
            except TimeoutError:
                return
        assert payload["problems"] == []
        for row in payload["results"]:
            item, revision = row["answer"]["itemId"], row["answer"]["revision"]
            acknowledged[item] = max(acknowledged.get(item, 0), revision)

    async def revisions() -> dict[str, int]:
        pulse = (await live.do("SessionHeartbeat", {"includeRevisions": True}, token=sitting.token))["pulse"]
        return {one["itemId"]: one["revision"] for one in pulse["revisions"]}

    for _ in range(6):
        batches = [chance.sample(queue, chance.randint(1, 12)) for _ in range(4)]
        patience = [None, *[chance.uniform(0.0005, 0.03) for _ in batches]]
        await asyncio.gather(*[send(some, wait) for some, wait in zip([*batches, batches[0]], patience, strict=True)])
        stored = await revisions()
        assert all(stored[item] >= revision for item, revision in acknowledged.items())
    stored = await revisions()
    owed = [one for one in queue if one["revision"] > stored.get(one["itemId"], 0)]
    if owed:
        await send(owed, None)
    mine = (await live.ask("MySession", token=sitting.token))["mySession"]
    newest = {one["itemId"]: one for one in queue}
    kept = {one["itemId"]: (one["revision"], one["response"]["choice"]) for one in mine["answers"]}
    assert kept == {item: (one["revision"], one["response"]["choice"]) for item, one in newest.items()}
    assert mine["answeredCount"] == len(newest)


async def test_a_list_costs_the_same_for_two_and_for_ten(live: Live):
    version = await story.publish(live)
    _, invitations = await story.issue(live, version["id"], MANY)
    slots = asyncio.Semaphore(3)

    async def seat(invitation: str) -> str:
        async with slots:
            sitting = await story.sit_down(live, invitation)
            await paste(live, sitting, 3)
            await live.do("SessionHeartbeat", {}, token=sitting.token)
            return sitting.session_id

    ids = await asyncio.gather(*map(seat, invitations))
    await live.do("SessionAttentionAcknowledge", {"sessionIds": ids, "note": "Seen."}, role="proctor")
    few, rows_few, _ = await count(live, LISTED, {"n": FEW}, "proctor")
    many, rows_many, statements = await count(live, LISTED, {"n": MANY}, "proctor")
    assert (rows_few, rows_many) == (FEW, MANY)
    assert few == many, statements
