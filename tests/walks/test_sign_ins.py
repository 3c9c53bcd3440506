"""Signing in over real sockets: a link works once, in the browser that asked, and tells nobody who has an account."""

import asyncio
import functools
import re
from collections import Counter
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import delete, event, update

from models.identity import User, UserOrgUnit
from models.sign_ins import MagicLink
from schema.nodes import global_id
from services import sign_ins
from tests.factories import attempts
from tests.factories import sign_ins as made
from tests.walks.conftest import Live, document, running
from tests.walks.sign_ins import VIEWER, acts, as_system, change, codes, problem, redeem


@pytest.fixture(autouse=True)
async def afresh(live: Live):
    """No test feels what another one tried."""
    await attempts.forget(live.service.house)


async def test_a_link_signs_in_once(live: Live):
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    done = await live.do("SignInRedeem", {"token": token, "nonce": who.nonce})
    body = await live.post(VIEWER, token=done["tokens"]["accessToken"])
    assert body["data"]["viewer"]["user"]["email"] == who.email == done["user"]["email"]
    assert body["data"]["viewer"]["orgUnit"]["name"] == done["orgUnit"]["name"] == "Main"
    assert problem(await redeem(live, token=token, nonce=who.nonce))["code"] == "SIGN_IN_LINK_USED"
    told = await acts(live, who, "sign_in.failed")
    assert told == ["user.added", "role.granted", "signed_in", "sign_in.failed"]


async def test_fifty_redeems_at_once_have_one_success(live: Live):
    for _ in range(4):
        who = await made.person(live)
        token, _ = await made.mailed(live, who)
        answers = await asyncio.gather(*(redeem(live, token=token, nonce=who.nonce) for _ in range(50)))
        told = Counter("OK" if one["tokens"] else problem(one)["code"] for one in answers)
        assert told == {"OK": 1, "SIGN_IN_LINK_USED": 49}


async def test_the_same_idempotency_key_gives_the_same_tokens_and_none_is_kept(live: Live):
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    given = {"token": token, "nonce": who.nonce, "idempotencyKey": uuid4().hex}
    first, second = await redeem(live, **given), await redeem(live, **given)
    assert first["tokens"] == second["tokens"] is not None
    kept = await as_system(
        live, who.tenant_id, lambda work: work.fetch("select t::text as row from idempotency_keys t")
    )
    text = str([row["row"] for row in kept])
    assert first["tokens"]["refreshToken"] not in text
    assert token not in text


def letters(outbox: Path) -> list[dict]:
    """The mails of an outbox; one that is being written is there a moment later."""
    return [orjson.loads(one.read_bytes()) for one in outbox.glob("*.json")] if outbox.exists() else []


async def test_the_mail_comes_by_the_job_and_its_link_signs_in(make_database, tmp_path: Path):
    """From the door to the outbox and back, through the queue of background jobs."""
    async with running(await make_database(), tmp_path) as served:
        who = await made.person(served)
        given = {"email": who.email, "tenant": "demo", "nonce": who.nonce}
        assert (await served.http.post(f"{served.base}/auth/login", json=given)).status_code == 200
        async with asyncio.timeout(20):
            while not (found := [one for one in letters(tmp_path / "outbox") if one["email"] == who.email]):
                await asyncio.sleep(0.05)
        text = found[0]["text"]
        token = re.search(r"/auth/verify\?token=([A-Za-z0-9_-]{43})", text)
        assert token, text
        assert re.search(r"\b\d{6}\b", text)
        assert (await served.do("SignInRedeem", {"token": token[1], "nonce": who.nonce}))["tokens"]


async def test_a_link_ends_after_fifteen_minutes(live: Live):
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    await change(live, who, update(MagicLink).values(expires_at=MagicLink.created_at))
    assert problem(await redeem(live, token=token, nonce=who.nonce))["code"] == "SIGN_IN_LINK_EXPIRED"


@pytest.mark.parametrize("scene", ["suspended", "in no org unit"])
async def test_who_may_not_sign_in_is_refused_at_the_redeem_too(live: Live, scene: str):
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    if scene == "suspended":
        await change(live, who, update(User).where(User.id == who.user_id).values(status="suspended"))
    else:
        await change(live, who, delete(UserOrgUnit).where(UserOrgUnit.user_id == who.user_id))
    assert problem(await redeem(live, token=token, nonce=who.nonce))["code"] == "SIGN_IN_NOT_ALLOWED"
    house = live.service.house
    asked = sign_ins.asked(who.email, None, who.nonce)
    assert await sign_ins.answer(house.office, asked, made.BASE, b"x" * 32) == 0


async def test_another_browser_gets_a_code_that_is_good_in_the_asking_one_alone(live: Live):
    who = await made.person(live)
    token, mailed_code = await made.mailed(live, who)
    for nonce in (None, made.new_nonce()):
        told = problem(await redeem(live, token=token, nonce=nonce))
        assert (told["code"], told["signInCode"]) == ("SIGN_IN_ELSEWHERE", mailed_code)
    assert problem(await redeem(live, code=mailed_code, nonce=made.new_nonce()))["code"] == "SIGN_IN_CODE_WRONG"
    assert problem(await redeem(live, code=mailed_code))["code"] == "SIGN_IN_CODE_WRONG"
    done = await live.do("SignInRedeem", {"code": mailed_code, "nonce": who.nonce})
    assert done["user"]["email"] == who.email
    assert problem(await redeem(live, token=token, nonce=who.nonce))["code"] == "SIGN_IN_LINK_USED"


@pytest.mark.parametrize("known", [True, False])
async def test_five_codes_and_no_more_whether_or_not_the_address_has_an_account(live: Live, known: bool):  # noqa: FBT001
    who = await made.person(live)
    right = (await made.mailed(live, who))[1] if known else "000000"
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    told = [await redeem(live, code=wrong, nonce=who.nonce) for _ in range(5)]
    assert [problem(one)["code"] for one in told] == ["SIGN_IN_CODE_WRONG"] * 5
    assert len({str(one) for one in told}) == 1
    assert codes(await redeem(live, code=right, nonce=who.nonce)) == ["RATE_LIMITED"]
    if known:
        assert await acts(live, who, "sign_in.failed")


async def test_twenty_wrong_codes_a_day_close_codes_for_the_account_and_links_go_on(live: Live):
    who = await made.person(live)
    for _ in range(5):
        nonce = made.new_nonce()
        _, right = await made.mailed(live, who, nonce=nonce)
        wrong = f"{(int(right) + 1) % 1_000_000:06d}"
        for _ in range(4):
            assert problem(await redeem(live, code=wrong, nonce=nonce))["code"] == "SIGN_IN_CODE_WRONG"
    nonce = made.new_nonce()
    token, right = await made.mailed(live, who, nonce=nonce)
    assert problem(await redeem(live, code=right, nonce=nonce))["code"] == "SIGN_IN_CODE_WRONG"
    assert (await redeem(live, token=token, nonce=nonce))["tokens"]


async def test_only_the_newest_link_of_a_browser_has_a_code(live: Live):
    who = await made.person(live)
    _, old = await made.mailed(live, who)
    _, new = await made.mailed(live, who)
    assert problem(await redeem(live, code=old, nonce=who.nonce))["code"] == "SIGN_IN_CODE_WRONG"
    assert (await redeem(live, code=new, nonce=who.nonce))["tokens"]


async def test_the_org_unit_is_picked_when_there_are_several(live: Live):
    who = await made.person(live, units=3)
    token, _ = await made.mailed(live, who)
    told = problem(await redeem(live, token=token, nonce=who.nonce))
    assert (told["code"], len(told["choices"])) == ("ORG_UNIT_REQUIRED", 3)
    foreign = (await made.person(live, units=2, tenant="second")).units[1]
    refused = await redeem(live, token=token, nonce=who.nonce, orgUnitId=global_id("OrgUnit", foreign))
    assert problem(refused)["code"] == "NOT_FOUND"
    choice = told["choices"][1]
    done = await live.do("SignInRedeem", {"token": token, "nonce": who.nonce, "orgUnitId": choice["id"]})
    assert done["orgUnit"]["name"] == choice["name"]
    body = await live.post(VIEWER, token=done["tokens"]["accessToken"])
    assert body["data"]["viewer"]["orgUnit"]["name"] == choice["name"]


async def test_an_address_in_two_organisations_gets_a_link_for_each_or_for_the_one_it_names(live: Live):
    one = await made.person(live)
    two = await made.person(live, tenant="second")
    await change(live, two, update(User).where(User.id == two.user_id).values(email=one.email))
    assert await made.accounts(live, one.email) == 2
    assert await made.accounts(live, two.email) == 0, "the directory follows a change of address"
    house = live.service.house
    for tenant, expected in ((None, 2), ("second", 1), ("SECOND ", 1), ("third", 0)):
        asked = sign_ins.asked(one.email.upper(), tenant, one.nonce)
        assert await sign_ins.answer(house.office, asked, made.BASE, b"x" * 32) == expected
        assert await sign_ins.answer(house.office, asked, made.BASE, b"x" * 32) == 0, "run again, it mails nothing"


async def test_who_was_invited_is_active_from_the_first_sign_in_on(live: Live):
    who = await made.person(live)
    await change(live, who, update(User).where(User.id == who.user_id).values(status="invited"))
    done = await made.signed_in(live, who)
    body = await live.post(VIEWER, token=done["tokens"]["accessToken"])
    assert "assignments.monitor" in body["data"]["viewer"]["capabilities"]
    assert await acts(live, who, "user.activated")


def statements(live: Live):
    """Collect what the service sends to the database."""
    engine = live.service.house.office._engine.sync_engine
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event.listen(engine, "after_cursor_execute", note)
    return seen, lambda: event.remove(engine, "after_cursor_execute", note)


def comparable(answer) -> tuple:
    ignored = {"date", "set-cookie"}
    return answer.status_code, {k: v for k, v in answer.headers.items() if k not in ignored}, answer.content


@pytest.mark.parametrize("door", ["rest", "graphql"])
async def test_known_unknown_and_suspended_addresses_are_answered_alike_by_the_same_work(
    live: Live, tmp_path: Path, door: str
):
    known, gone = await made.person(live), await made.person(live)
    await change(live, gone, update(User).where(User.id == gone.user_id).values(status="suspended"))
    told: list[object] = []
    work: list[Counter[str]] = []
    async with running(live.database, tmp_path, EVALIUM_WORKER=False) as alone:  # whose statements are the door's own
        for email in (known.email, f"{uuid4().hex}@example.org", gone.email):
            given = {"email": email, "nonce": known.nonce}
            tries: list[Counter[str]] = []
            for _ in range(5):  # the process's own rounds may run beside one try; no statement of theirs beside all
                seen, stop = statements(alone)
                if door == "rest":
                    answer = await alone.http.post(f"{alone.base}/auth/login", json=given)
                else:
                    body = {"query": document("SignInRequest"), "variables": {"input": given}}
                    answer = await alone.http.post(f"{alone.base}/graphql", json=body)
                stop()
                tries.append(Counter(seen))
            assert answer.status_code == 200
            told.append(comparable(answer))
            work.append(functools.reduce(Counter.__and__, tries))
    assert told[0] == told[1] == told[2]
    assert work[0] == work[1] == work[2]
    assert any("pgqueuer" in statement for statement in work[0])


async def test_asking_is_limited_by_address_at_every_door_and_by_aliases(live: Live):
    email, nonce = f"{uuid4().hex}@example.org", made.new_nonce()
    parts = " ".join(
        f'r{n}: signInRequest(input: {{email: "{email}", nonce: "{nonce}"}}) {{ accepted }}' for n in range(25)
    )
    body = await live.post(f"mutation {{ {parts} }}")
    assert codes(body) == ["RATE_LIMITED"] or codes(body).count("RATE_LIMITED") >= 15
    answer = await live.http.post(f"{live.base}/auth/login", json={"email": f" {email.upper()}"})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    other = await live.http.post(f"{live.base}/auth/login", json={"email": f"{uuid4().hex}@example.org"})
    assert other.status_code == 200


async def test_asking_is_limited_by_network_address_in_every_process(live: Live, tmp_path):
    async with running(live.database, tmp_path, EVALIUM_SIGN_INS_PER_NETWORK=3) as other:
        told = [
            (await one.http.post(f"{one.base}/auth/login", json={"email": f"{n}{uuid4().hex}@example.org"})).status_code
            for n, one in enumerate([live, other, live, other, other])
        ]
    assert told == [200, 200, 200, 429, 429]


async def test_wrong_links_are_told_ten_times_a_minute_and_a_right_one_is_never_held_up(live: Live):
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    told = [codes(await redeem(live, token=made.new_nonce(), nonce=who.nonce)) for _ in range(12)]
    assert told == [["UNAUTHENTICATED"]] * 10 + [["RATE_LIMITED"]] * 2
    assert (await redeem(live, token=token, nonce=who.nonce))["tokens"]
