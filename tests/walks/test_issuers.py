"""What a stranger reads of a tenant: its profile and its keys, without a token, and nothing of one that signs nothing."""

from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc.jwk import KeySet, RSAKey

from services import demonstration
from services.viewer import Viewer
from tests.factories import tenants
from tests.walks.conftest import Live


async def tenant_of(live: Live, name: str = "demo") -> UUID:
    return (await demonstration.persona(live.service.house.office, name, "admin")).tenant_id


async def rotate(live: Live, tenant: str = "demo") -> dict:
    token = await live.token("admin", tenant)
    done = await live.do("CredentialKeyRotate", {"reason": "Each spring."}, token=token)
    return done["credentialKey"]


def here(live: Live, url: str) -> str:
    """An address of the site, at the port of the test's own server."""
    site = live.service.house.site
    assert url.startswith(site)
    return live.base + url.removeprefix(site)


async def read(live: Live, tenant_id: object, path: str = "") -> httpx2.Response:
    return await live.http.get(f"{live.base}/api/v1/issuers/{tenant_id}{path}")


async def test_a_stranger_finds_profile_and_keys(live: Live):
    key = await rotate(live)
    tenant_id = await tenant_of(live)
    profile = (await read(live, tenant_id)).json()
    assert profile["id"] == f"{live.service.house.site}/api/v1/issuers/{tenant_id}"
    assert (profile["type"], profile["name"]) == (["Profile"], "Demonstration")
    assert (await live.http.get(here(live, profile["id"]))).json() == profile
    one = await live.http.get(here(live, key["url"]))
    assert one.headers["content-type"] == "application/jwk+json"
    assert one.headers["access-control-allow-origin"] == "*"
    assert one.json()["kid"] == key["url"]
    assert RSAKey.import_key(one.json()).thumbprint() == key["thumbprint"]
    every = (await read(live, tenant_id, "/jwks.json")).json()
    assert one.json() in every["keys"]
    assert KeySet.import_key_set(every).get_by_kid(key["url"]).thumbprint() == key["thumbprint"]


async def test_a_retired_key_stays_published_and_is_told_with_its_reason(live: Live):
    old, new = await rotate(live), await rotate(live)
    every = (await read(live, await tenant_of(live), "/jwks.json")).json()["keys"]
    assert [one["kid"] for one in every][-2:] == [old["url"], new["url"]]
    assert (await live.http.get(here(live, old["url"]))).status_code == 200
    shown = (await live.ask("CredentialKeys", {"first": 2}, role="admin"))["credentialKeys"]["nodes"]
    assert [one["thumbprint"] for one in shown] == [new["thumbprint"], old["thumbprint"]]
    assert (shown[0]["retiredAt"], shown[1]["retireReason"]) == (None, "Each spring.")
    assert shown[1]["retiredBy"]["displayName"]


async def test_no_answer_has_a_private_member(live: Live):
    await rotate(live)
    tenant_id = await tenant_of(live)
    for one in (await read(live, tenant_id, "/jwks.json")).json()["keys"]:
        assert set(one) == {"kty", "n", "e", "alg", "use", "kid"}
    body = await live.post('{ __type(name: "CredentialKey") { fields { name } } }', token=await live.token("admin"))
    fields = {one["name"] for one in body["data"]["__type"]["fields"]}
    assert fields == {
        "id",
        "uuid",
        "thumbprint",
        "createdAt",
        "retiredAt",
        "retireReason",
        "url",
        "madeBy",
        "retiredBy",
    }


async def test_two_tenants_have_keys_of_their_own(live: Live):
    mine, theirs = await rotate(live), await rotate(live, "second")
    own, other = await tenant_of(live), await tenant_of(live, "second")
    assert mine["thumbprint"] != theirs["thumbprint"]
    kids = {one["kid"] for one in (await read(live, own, "/jwks.json")).json()["keys"]}
    assert mine["url"] in kids
    assert not kids & {one["kid"] for one in (await read(live, other, "/jwks.json")).json()["keys"]}
    crossed = await read(live, own, f"/keys/{theirs['thumbprint']}")
    assert crossed.status_code == 404


async def test_what_is_not_there_answers_alike(live: Live):
    await rotate(live)
    silent = await tenants.found(live.service.house.office)
    known = await tenant_of(live)
    told = set()
    for tenant_id in (
        uuid4(),
        silent.tenant_id,
        "nothing",
        f"{{{known}}}",
        str(known).upper(),
        known.hex,
        "%00",
        "a" * 4000,
    ):
        for path in ("", "/jwks.json", "/keys/nothing"):
            answer = await read(live, tenant_id, path)
            assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), (tenant_id, path)
            (error,) = answer.json()["errors"]
            told.add((error["message"].split("'")[0], error["extensions"]["code"], error["extensions"]["hint"]))
    for name in ("nothing", "%00", "a" * 43, "ü" * 43, "a" * 5000):
        answer = await read(live, known, f"/keys/{name}")
        assert answer.status_code == 404, name
        (error,) = answer.json()["errors"]
        told.add((error["message"].split("'")[0], error["extensions"]["code"], error["extensions"]["hint"]))
    assert len(told) == 1


async def test_a_key_that_was_fetched_need_not_be_sent_again(live: Live):
    key = await rotate(live)
    url = here(live, key["url"])
    whole = await live.http.get(url)
    assert whole.headers["cache-control"] == "public, max-age=86400"
    again = await live.http.get(url, headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await live.http.head(url)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", whole.headers["etag"])
    assert (await live.http.post(url)).status_code == 405


@pytest.mark.parametrize("role", ["author", "manager", "auditor", "integrator"])
async def test_only_those_who_run_the_tenant_see_and_rotate(live: Live, role: str):
    token = await live.token(role)
    for text in (
        "{ credentialKeys(first: 1) { nodes { id } } }",
        'mutation { credentialKeyRotate(input: {reason: "x"}) { problems { code } } }',
    ):
        body = await live.post(text, token=token)
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN", text


async def test_a_blank_reason_is_a_problem_and_rotates_nothing(live: Live):
    key = await rotate(live)
    text = 'mutation { credentialKeyRotate(input: {reason: " "}) { credentialKey { id } problems { code path } } }'
    done = (await live.post(text, token=await live.token("admin")))["data"]["credentialKeyRotate"]
    assert done == {"credentialKey": None, "problems": [{"code": "INVALID_INPUT", "path": ["reason"]}]}
    every = (await read(live, await tenant_of(live), "/jwks.json")).json()["keys"]
    assert every[-1]["kid"] == key["url"]


async def test_the_database_sees_no_private_half(live: Live):
    """What is stored of a key does not contain its primes, in whatever form they were to be looked for."""
    await rotate(live)
    viewer = Viewer.system(await tenant_of(live))
    async with live.service.house.office.snapshot(viewer) as work:
        (row,) = await work.fetch("select sealed from credential_keys where retired_at is null")
    assert b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" not in row["sealed"], "no RSA key in plain DER"
