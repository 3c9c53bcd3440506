"""Ten wrong tries a minute are told why they fail, at every door; who holds a genuine invitation is not held up."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from tests.factories import attempts
from tests.walks import story
from tests.walks.conftest import Live, document, receive, send

WRONG = "eyJhbGciOiJFZERTQSJ9.e30.AAAA"


@pytest.fixture(autouse=True)
async def afresh(live: Live) -> None:
    await attempts.forget(live.service.house)


def given(token: str) -> dict[str, object]:
    return {"input": {"token": token, "nonce": uuid4().hex}}


def code(body: dict) -> str:
    return body["errors"][0]["extensions"]["code"]


async def redeem(live: Live, token: str):
    body = {"query": document("InvitationRedeem"), "variables": given(token)}
    return await live.http.post(f"{live.base}/graphql", json=body)


async def test_the_eleventh_wrong_token_is_429_at_every_door(live: Live):
    answers = [await redeem(live, f"{WRONG}{n}") for n in range(11)]
    assert [code(one.json()) for one in answers] == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMITED"]
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    door = await live.http.post(f"{live.base}/api/v1/assignments/redeem", json={"token": WRONG, "nonce": uuid4().hex})
    assert (door.status_code, code(door.json())) == (429, "RATE_LIMITED")
    assert 1 <= int(door.headers["retry-after"]) <= 60
    async with live.socket(await live.token("viewer")) as socket:
        payload = {"query": document("InvitationRedeem"), "variables": given(WRONG)}
        await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        assert "RATE_LIMITED" in str(await receive(socket))
    version = await story.publish(live)
    _, (invitation,) = await story.issue(live, version["id"], 1)
    assert (await redeem(live, invitation)).json()["data"]["invitationRedeem"]["problems"] == []


async def test_aliases_do_not_help(live: Live):
    parts = " ".join(
        f'r{n}: invitationRedeem(input: {{token: "{WRONG}{n}", nonce: "{uuid4().hex}"}}) {{ sessionToken }}'
        for n in range(25)
    )
    codes: Counter[str] = Counter()
    for _ in range(2):
        body = await live.post(f"mutation {{ {parts} }}")
        codes.update(error["extensions"]["code"] for error in body["errors"])
    assert codes["UNAUTHENTICATED"] <= 10


async def test_a_spent_invitation_tells_ten_times_that_it_is_spent(live: Live):
    version = await story.publish(live)
    _, (invitation, other) = await story.issue(live, version["id"], 2)
    await story.redeem(live, invitation)
    answers = await asyncio.gather(*(redeem(live, invitation) for _ in range(30)))
    codes: Counter[str] = Counter()
    for answer in answers:
        body = answer.json()
        payload = (body.get("data") or {}).get("invitationRedeem")
        codes[payload["problems"][0]["code"] if payload else code(body)] += 1
    assert codes == {"INVITATION_USED": 10, "RATE_LIMITED": 20}
    assert await story.redeem(live, other)
