"""How a sign-in goes on and ends: refresh tokens that are used once, and what ends with it in every process."""

import asyncio
import contextlib
import time
from datetime import timedelta

import pytest
import websockets
from sqlalchemy import delete, select, update

from models.identity import User, UserOrgUnit
from models.sign_ins import RefreshToken, SignIn
from services import sign_ins_expiry
from services.viewer import Viewer
from services.work import Work
from tests.factories import attempts
from tests.factories import sign_ins as made
from tests.walks import story
from tests.walks.conftest import Live, document, receive, running, send
from tests.walks.sign_ins import VIEWER, acts, as_system, change, codes, problem, redeem


@pytest.fixture(autouse=True)
async def afresh(live: Live):
    """No test feels what another one tried."""
    await attempts.forget(live.service.house)


async def refresh(live: Live, token: str, nonce: str | None = None, **more) -> dict:
    body = await live.post(document("SignInRefresh"), {"input": {"refreshToken": token, "nonce": nonce, **more}})
    return body["data"]["signInRefresh"] if body.get("data") else body


async def test_refresh_tokens_follow_one_another_and_one_that_comes_again_ends_the_sign_in(live: Live):
    who = await made.person(live)
    first = (await made.signed_in(live, who))["tokens"]
    second = (await refresh(live, first["refreshToken"]))["tokens"]
    third = (await refresh(live, second["refreshToken"]))["tokens"]
    assert len({one["refreshToken"] for one in (first, second, third)}) == 3
    assert codes(await live.post(VIEWER, token=third["accessToken"])) == []
    assert codes(await refresh(live, first["refreshToken"], who.nonce)) == ["UNAUTHENTICATED"]
    assert codes(await refresh(live, third["refreshToken"])) == ["UNAUTHENTICATED"], "the whole family is over"
    await until_refused(live, third["accessToken"])
    assert (await acts(live, who, "refresh.reused"))[-1] == "refresh.reused"


async def until_refused(live: Live, token: str) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while codes(await live.post(VIEWER, token=token)) != ["UNAUTHENTICATED"]:
        assert loop.time() - began < 5
        await asyncio.sleep(0.02)
    return loop.time() - began


async def test_a_lost_answer_is_given_again_to_the_same_browser_until_its_successor_was_used(live: Live):
    who = await made.person(live)
    first = (await made.signed_in(live, who))["tokens"]["refreshToken"]
    twins = await asyncio.gather(*(refresh(live, first, who.nonce) for _ in range(8)))
    assert len({one["tokens"]["refreshToken"] for one in twins}) == 1, "twins get the same successor"
    second = twins[0]["tokens"]["refreshToken"]
    assert (await refresh(live, second, who.nonce))["tokens"]
    assert codes(await refresh(live, first, who.nonce)) == ["UNAUTHENTICATED"]


async def test_the_grace_is_for_the_same_browser_and_for_thirty_seconds(live: Live, monkeypatch):
    for nonce, late in ((None, False), ("x" * 43, False), ("own", True)):
        who = await made.person(live)
        first = (await made.signed_in(live, who))["tokens"]["refreshToken"]
        assert (await refresh(live, first, who.nonce))["tokens"]
        if late:
            monkeypatch.setattr("services.sign_ins_refresh.GRACE", timedelta(0))
        assert codes(await refresh(live, first, who.nonce if nonce == "own" else nonce)) == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("scene", ["suspended", "moved"])
async def test_status_and_membership_are_looked_at_again_at_each_refresh(live: Live, scene: str):
    who = await made.person(live, units=2)
    token, _ = await made.mailed(live, who)
    choice = problem(await redeem(live, token=token, nonce=who.nonce))["choices"][0]["id"]
    tokens = (await redeem(live, token=token, nonce=who.nonce, orgUnitId=choice))["tokens"]
    if scene == "suspended":
        await change(live, who, update(User).where(User.id == who.user_id).values(status="suspended"))
    else:
        await change(live, who, delete(UserOrgUnit).where(UserOrgUnit.user_id == who.user_id))
    assert codes(await refresh(live, tokens["refreshToken"])) == ["UNAUTHENTICATED"]
    await until_refused(live, tokens["accessToken"])


@pytest.mark.parametrize("by", ["access", "refresh"])
async def test_signing_out_ends_the_sign_in_in_every_process(live: Live, tmp_path, by: str):
    who = await made.person(live)
    tokens = (await made.signed_in(live, who))["tokens"]
    async with running(live.database, tmp_path, **made.same_key(live)) as other:
        assert codes(await other.post(VIEWER, token=tokens["accessToken"])) == []
        given = {} if by == "access" else {"refreshToken": tokens["refreshToken"]}
        sent = tokens["accessToken"] if by == "access" else None
        await live.do("SignOut", given, token=sent)
        assert await until_refused(other, tokens["accessToken"]) < 1.5
        await until_refused(live, tokens["accessToken"])
        assert codes(await refresh(other, tokens["refreshToken"])) == ["UNAUTHENTICATED"]
    assert (await acts(live, who, "signed_out"))[-1] == "signed_out"


async def test_ones_own_sign_ins_are_listed_and_ended(live: Live):
    who = await made.person(live)
    here, there = (await made.signed_in(live, who))["tokens"], (await made.signed_in(live, who))["tokens"]
    listed = (await live.ask("MySignIns", token=here["accessToken"]))["mySignIns"]
    assert [one["isCurrent"] for one in listed["nodes"]] == [False, True]
    assert all(one["client"].startswith("python-httpx") or one["client"] for one in listed["nodes"])
    done = await live.do("SignInEnd", {"id": listed["nodes"][0]["id"]}, token=here["accessToken"])
    assert done["signIn"]["endedAt"]
    await until_refused(live, there["accessToken"])
    other = await made.person(live)
    foreign = (await made.signed_in(live, other))["tokens"]["accessToken"]
    body = await live.post(document("SignInEnd"), {"input": {"id": listed["nodes"][1]["id"]}}, foreign)
    assert body["data"]["signInEnd"]["problems"][0]["code"] == "NOT_FOUND"


async def test_a_token_that_was_used_long_ago_still_ends_the_sign_in_after_its_row_was_removed(live: Live):
    who = await made.person(live)
    first = (await made.signed_in(live, who))["tokens"]
    second = (await refresh(live, first["refreshToken"]))["tokens"]
    later = live.service.house.office.shifted(sign_ins_expiry.USED_KEPT + timedelta(minutes=1))
    while await later.perform(Viewer.system(who.tenant_id), sign_ins_expiry.prune):
        pass

    async def kept(work: Work) -> list[bool]:
        mine = select(RefreshToken.used_at).join(SignIn, SignIn.id == RefreshToken.sign_in_id)
        return [row.used_at is None for row in await work.rows(mine.where(SignIn.user_id == who.user_id))]

    assert await as_system(live, who.tenant_id, kept) == [True], "the one that is good is kept"
    for forged in (first["refreshToken"][:-2] + "AA", "A" + first["refreshToken"][1:]):
        assert codes(await refresh(live, forged)) == ["UNAUTHENTICATED"]
    assert codes(await live.post(VIEWER, token=second["accessToken"])) == [], "what we did not make ends nothing"
    assert codes(await refresh(live, first["refreshToken"], who.nonce)) == ["UNAUTHENTICATED"]
    assert codes(await refresh(live, second["refreshToken"])) == ["UNAUTHENTICATED"], "the whole family is over"
    assert "refresh.reused" in await acts(live, who, "refresh.reused")


async def test_an_idle_socket_ends_with_its_sign_in_in_another_process_too(live: Live, tmp_path, record_property):
    who = await made.person(live)
    tokens = (await made.signed_in(live, who))["tokens"]
    async with (
        running(live.database, tmp_path, **made.same_key(live)) as other,
        other.socket(tokens["accessToken"]) as idle,
        other.socket(await other.token("proctor")) as neighbour,
    ):
        await live.do("SignOut", {"refreshToken": tokens["refreshToken"]})
        begun = time.monotonic()
        async with asyncio.timeout(5):
            await idle.wait_closed()
        record_property("seconds until an idle socket was closed", time.monotonic() - begun)
        assert (idle.close_code, idle.close_reason) == (4401, "This sign-in was ended.")
        await (await neighbour.ping())
        await send(neighbour, {"type": "ping"})
        assert (await receive(neighbour))["type"] == "pong", "others stay"


async def test_what_runs_on_a_socket_ends_with_an_error_of_its_own_before_the_socket(live: Live):
    who = await made.person(live)
    tokens = (await made.signed_in(live, who))["tokens"]
    version = await story.publish(live)
    assignment, _ = await story.issue(live, version["id"], 1)
    async with live.socket(tokens["accessToken"]) as socket:
        payload = {"query": document("AssignmentStream"), "variables": {"assignmentId": assignment}}
        await send(socket, {"type": "subscribe", "id": "s", "payload": payload})
        first = await receive(socket)
        assert first["type"] == "next", first
        await live.do("SignOut", {"refreshToken": tokens["refreshToken"]})
        told = [first]
        async with asyncio.timeout(5):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    told.append(await receive(socket))
        assert "UNAUTHENTICATED" in str(told), told
        assert socket.close_code == 4401
