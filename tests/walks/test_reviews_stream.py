"""The queue, live: everything that happens to reviews, each once and in order, by one cursor as pages and as a stream."""

import asyncio

from tests.walks import essays
from tests.walks.conftest import Live


async def gathered(frames, count: int) -> list[dict]:
    """The next so many events."""
    found: list[dict] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += (await anext(frames))["events"]
    return found


async def test_the_queue_is_followed_from_handing_in_to_the_last_mark(live: Live):
    version = await essays.publish(live)
    token = await live.token("auditor")
    async with live.stream("ReviewStream", {}, token) as frames:
        first = await anext(frames)
        assert (first["heartbeat"], first["events"]) == (True, [])
        assignment, _ = await essays.hand_in(live, version, 1)
        (task,) = await essays.queue(live, assignment)
        await essays.mark(live, await live.token("assessor"), task["id"], "all", "9")
        seen = await gathered(frames, 5)
    kinds = ["OPENED", "CLAIMED", "ITEM_FINALISED", "ITEM_FINALISED", "FINALISED"]
    assert [one["kind"] for one in seen] == kinds
    assert {one["task"]["id"] for one in seen} == {task["id"]}
    assert seen[1]["actor"]["displayName"] == "Demo Assessor"

    paged, cursor = [], first["cursor"]
    while len(paged) < 5:
        page = (await live.ask("ReviewEvents", {"after": cursor, "first": 2}, token=token))["reviewEvents"]
        paged, cursor = paged + page["events"], page["cursor"]
    assert [one["id"] for one in paged] == [one["id"] for one in seen]
    async with live.stream("ReviewStream", {"after": first["cursor"]}, token) as frames:
        assert [one["id"] for one in await gathered(frames, 5)] == [one["id"] for one in seen]


async def test_who_may_not_read_submissions_follows_nothing(live: Live):
    body = await live.post("query { reviewEvents { cursor } }", token=await live.token("viewer"))
    assert [one["extensions"]["code"] for one in body["errors"]] == ["FORBIDDEN"]
