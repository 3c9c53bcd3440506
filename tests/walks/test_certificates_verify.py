"""Checking a certificate by its address: what anybody is told, in every state, and what nobody is."""

import logging
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.factories import attempts
from tests.walks import certificates, programmes
from tests.walks.certificates import get
from tests.walks.conftest import Live

UNKNOWN = "A" * 43


@pytest.fixture(autouse=True)
async def afresh(live: Live):
    await attempts.forget(live.service.house)


@pytest.fixture(scope="module")
async def programme(live: Live) -> str:
    return await programmes.published(live, validityMonths=12)


@pytest.fixture(scope="module")
async def certificate(live: Live, programme: str) -> dict[str, Any]:
    return await certificates.certified(live, programme)


def token_of(certificate: dict[str, Any]) -> str:
    return certificate["verificationUrl"].rsplit("/", 1)[1]


async def told(live: Live, certificate: dict[str, Any]) -> dict[str, Any]:
    answer = await get(live, f"/api/v1/certs/verify/{token_of(certificate)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_careful(answer: httpx2.Response) -> bool:
    wanted = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex, nofollow",
    }
    return wanted.items() <= dict(answer.headers).items() and "set-cookie" not in answer.headers


async def test_one_that_counts(live: Live, certificate: dict[str, Any]):
    found = await told(live, certificate)
    assert found == {
        "state": "ACTIVE",
        "programme": certificate["programmeVersion"]["name"],
        "issuer": found["issuer"],
        "holder": found["holder"],
        "issuedOn": certificate["issuedAt"][:10],
        "validThrough": certificate["validThrough"],
        "revokedOn": None,
    }
    page = await get(live, certificate["verificationUrl"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for part in ("<h1", "This certificate is valid", found["programme"], found["issuer"], found["holder"]):
        assert part in page.text
    assert page.text.count("<h1") == 1
    policy = page.headers["content-security-policy"]
    assert ("default-src 'none'" in policy, "script-src" in policy, "<script" in page.text) == (True, False, False)
    assert "unsafe" not in policy


async def test_one_that_is_over(live: Live, certificate: dict[str, Any]):
    with certificates.later(live, days=400):
        assert (await told(live, certificate))["state"] == "EXPIRED"
        assert "This certificate has expired" in (await get(live, certificate["verificationUrl"])).text


@pytest.mark.parametrize("act", ["CertificateRevoke", "CertificateReissue"])
async def test_one_that_was_revoked_says_when_and_neither_why_nor_what_has_its_place(
    live: Live, programme: str, act: str
):
    certificate = await certificates.certified(live, programme)
    secret = f"Cheated {uuid4().hex}."
    done = (await live.do(act, {"id": certificate["id"], "reason": secret}, role="manager"))["certificate"]
    found = await told(live, certificate)
    revoked = await certificates.shown(live, certificate["id"])
    assert (found["state"], found["revokedOn"]) == ("REVOKED", revoked["revokedAt"][:10])
    page = await get(live, certificate["verificationUrl"])
    assert ("This certificate was revoked" in page.text, "Revoked on" in page.text) == (True, True)
    newer = await certificates.shown(live, done["id"])
    for answer in (str(found), page.text):
        for kept in (secret, certificate["uuid"], "REISSUED", "reissued"):
            assert kept not in answer
        assert act == "CertificateRevoke" or token_of(newer) not in answer
    assert certificate["user"]["id"] not in page.text


@pytest.mark.parametrize(("shown", "name"), [("FULL", "Ada <b>King</b>-Noel"), ("INITIALS", "A. B."), ("HIDDEN", None)])
async def test_the_tenant_decides_how_much_of_the_name_is_shown(
    live: Live, programme: str, shown: str, name: str | None
):
    certificate = await certificates.certified(live, programme)
    query = "mutation ($input: UserUpdateInput!) { userUpdate(input: $input) { problems { code } } }"
    given = {"id": certificate["user"]["id"], "displayName": "Ada <b>King</b>-Noel"}
    await live.post(query, {"input": given}, await live.token("admin"))
    given = {"id": certificate["id"], "reason": "Another name."}
    newer = (await live.do("CertificateReissue", given, role="manager"))["certificate"]
    newer = await certificates.shown(live, newer["id"])
    try:
        await live.do("CertificateSettingsUpdate", {"holderShown": shown, "reason": "A register."}, role="admin")
        assert (await told(live, newer))["holder"] == name
        page = (await get(live, newer["verificationUrl"])).text
    finally:
        await live.do("CertificateSettingsUpdate", {"holderShown": "INITIALS", "reason": "Enough."}, role="admin")
    assert "<b>" not in page
    assert ("King" in page) == (shown == "FULL")
    assert ("The issuer shows no names" in page) == (shown == "HIDDEN")


async def test_what_is_unknown_and_what_can_be_no_token_are_answered_by_the_same_bytes(
    live: Live, certificate: dict[str, Any]
):
    right = token_of(certificate)
    odd = [UNKNOWN, right.swapcase(), right[:-1], right + "A", "x", "a/b", "%2e%2e%2f", "%00", "%ff", "é", "=" * 43, ""]
    for path in ("/certificates/", "/api/v1/certs/verify/"):
        answers = []
        for one in odd:
            await attempts.forget(live.service.house)
            answers.append(await get(live, path + one))
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        heads = [sorted(one for one in answer.headers.items() if one[0] != "date") for answer in answers]
        assert all(head == heads[0] for head in heads)
        assert all(is_careful(answer) for answer in answers)
    assert answers[0].json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_guessing_is_slowed_down_and_a_right_address_passes(live: Live, certificate: dict[str, Any]):
    path = "/api/v1/certs/verify/"
    seen = [(await get(live, f"{path}{n:043d}")).status_code for n in range(11)]
    assert seen == [404] * 10 + [429]
    for refused in (await get(live, path + "x"), await get(live, "/certificates/x")):
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert is_careful(refused)
    assert "Too many tries" in refused.text
    assert (await told(live, certificate))["state"] == "ACTIVE"
    assert (await get(live, certificate["verificationUrl"])).status_code == 200


async def test_an_address_is_kept_by_no_cache_told_to_no_page_and_written_into_no_log(
    live: Live, certificate: dict[str, Any], caplog
):
    caplog.set_level(logging.DEBUG)
    path = f"/api/v1/certs/verify/{token_of(certificate)}"
    for address in (certificate["verificationUrl"], path):
        for method in ("GET", "HEAD"):
            url = live.base + address.removeprefix(live.service.house.site)
            answer = await live.http.request(method, url, headers={"authorization": "Bearer nonsense"})
            assert (answer.status_code, is_careful(answer)) == (200, True), "a token of somebody's session is no matter"
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert token_of(certificate) not in str(ours)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await live.http.post(live.base + path)).status_code == 405
