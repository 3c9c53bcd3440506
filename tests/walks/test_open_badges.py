"""Certificates as Open Badges: downloaded, checked as a stranger would with a library that signed nothing, revoked."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import select, text

from models.activity import Activity
from schema.nodes import local_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import Persona
from services.viewer import Viewer
from tests.factories import pictures
from tests.walks import programmes
from tests.walks.conftest import Live


async def tenant_of(live: Live, name: str = "demo") -> UUID:
    return (await demonstration.persona(live.service.house.office, name, "admin")).tenant_id


async def with_badge(live: Live) -> tuple[str, str]:
    """Publish a programme of one paper, with a picture; returns its id and the picture's."""
    programme = await programmes.begin(live, validityMonths=12)
    await programmes.ask_for(live, programme, await programmes.evaluation(live), name="Paper *one*", minPercent="50")
    given = {"programmeId": programme, "image": pictures.sent()}
    shown = (await live.do("ProgrammeBadgeSet", given, role="manager"))["programme"]
    await programmes.publish(live, programme)
    return programme, shown["badgeUrl"]


@pytest.fixture(scope="module")
async def programme(live: Live) -> tuple[str, str]:
    return await with_badge(live)


async def certified(live: Live, programme: str) -> dict[str, Any]:
    """Somebody passes; returns the certificate as staff see it."""
    enrolment = await programmes.certify(live, programme)
    return await shown(live, enrolment["certificate"]["id"])


async def shown(live: Live, certificate: str) -> dict[str, Any]:
    return (await live.ask("Certificate", {"id": certificate}, role="admin"))["certificate"]


def here(live: Live, url: str) -> str:
    """An address of the site, at the port of the test's own server."""
    site = live.service.house.site
    assert url.startswith(site)
    return live.base + url.removeprefix(site)


async def get(live: Live, url: str, token: str | None = None, **headers: str) -> httpx2.Response:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return await live.http.get(here(live, url), headers={name.replace("_", "-"): one for name, one in headers.items()})


async def download(live: Live, certificate: dict[str, Any], role: str = "admin") -> str:
    answer = await get(live, certificate["credentialUrl"], await live.token(role))
    assert answer.status_code == 200, answer.text
    return answer.text


async def checked(live: Live, credential: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a stranger does with a file: fetch the key that it names, verify, compare; header and payload."""
    header = jws.extract_compact(credential.encode()).headers()
    key = RSAKey.import_key((await get(live, header["kid"])).json())
    said = orjson.loads(jws.deserialize_compact(credential, key, algorithms=["RS256"]).payload)
    assert header == {"alg": "RS256", "typ": "JWT", "kid": header["kid"]}
    assert said["iss"] == said["issuer"]["id"] == header["kid"].rsplit("/keys/", 1)[0]
    assert (said["jti"], said["sub"]) == (said["id"], said["credentialSubject"]["id"])
    assert datetime.fromtimestamp(said["nbf"], UTC) == datetime.fromisoformat(said["validFrom"])
    assert said["nbf"] <= datetime.now(UTC).timestamp()
    return header, said


async def is_revoked(live: Live, said: dict[str, Any]) -> bool:
    assert said["credentialStatus"]["type"] == "1EdTechRevocationList"
    found = (await get(live, said["credentialStatus"]["id"])).json()
    assert (found["id"], found["issuer"]) == (said["credentialStatus"]["id"], said["iss"])
    assert found["revokedCredential"] == found["revokedCredentials"]
    assert all(set(one) == {"id", "revoked"} for one in found["revokedCredential"])
    return said["id"] in {one["id"] for one in found["revokedCredential"]}


async def test_a_stranger_checks_what_was_downloaded(live: Live, programme: tuple[str, str]):
    certificate = await certified(live, programme[0])
    answer = await get(live, certificate["credentialUrl"], await live.token("viewer"))
    assert answer.headers["content-type"].startswith("text/plain")
    assert f'filename="credential-{certificate["uuid"]}.jwt"' in answer.headers["content-disposition"]
    _, said = await checked(live, answer.text)
    assert said["id"] == f"urn:uuid:{certificate['uuid']}"
    assert datetime.fromisoformat(said["validUntil"]) == datetime.fromisoformat(certificate["expiresAt"])
    assert datetime.fromtimestamp(said["exp"], UTC) == datetime.fromisoformat(said["validUntil"])
    assert not await is_revoked(live, said)
    every = KeySet.import_key_set((await get(live, f"{said['iss']}/jwks.json")).json())
    assert jws.deserialize_compact(answer.text, every, algorithms=["RS256"]).payload, "found in the set as well"


async def test_all_that_a_credential_names_can_be_fetched(live: Live, programme: tuple[str, str]):
    certificate = await certified(live, programme[0])
    _, said = await checked(live, await download(live, certificate))
    what = said["credentialSubject"]["achievement"]
    assert what["name"] == certificate["programmeVersion"]["name"] == said["name"]
    assert what["criteria"]["narrative"] == "Passed:\n\n- Paper \\*one\\*, at least 50 %"
    achievement = await get(live, what["id"])
    assert achievement.headers["etag"]
    assert {**what, "@context": achievement.json()["@context"]} == achievement.json()
    profile = (await get(live, said["iss"])).json()
    assert said["issuer"].items() <= profile.items()
    image = await get(live, what["image"]["id"])
    assert (image.headers["content-type"], image.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    assert what["image"]["id"] == programme[1]


async def test_the_holder_is_recognised_by_whoever_knows_the_address(live: Live, programme: tuple[str, str]):
    certificate = await certified(live, programme[0])
    query = "query ($id: ID!) { certificate(id: $id) { user { email } } }"
    body = await live.post(query, {"id": certificate["id"]}, await live.token("admin"))
    email = body["data"]["certificate"]["user"]["email"]
    credential = await download(live, certificate)
    _, said = await checked(live, credential)
    (found,) = said["credentialSubject"]["identifier"]
    assert found["identityHash"] == f"sha256${hashlib.sha256((email + found['salt']).encode()).hexdigest()}"
    assert email not in str(said)
    assert certificate["holderName"] not in str(said), "initials are shown by default, and no part of a credential"
    try:
        await live.do("CertificateSettingsUpdate", {"holderShown": "FULL", "reason": "A register."}, role="admin")
        _, full = await checked(live, await download(live, certificate))
        assert full["credentialSubject"]["identifier"][1]["identityHash"] == certificate["holderName"]
    finally:
        await live.do("CertificateSettingsUpdate", {"holderShown": "INITIALS", "reason": "Enough."}, role="admin")
    assert await download(live, certificate) == credential, "the same certificate gives the same file"


async def test_a_flipped_byte_is_refused(live: Live, programme: tuple[str, str]):
    credential = await download(live, await certified(live, programme[0]))
    key = RSAKey.import_key((await get(live, jws.extract_compact(credential.encode()).headers()["kid"])).json())
    header, payload, signature = (len(part) for part in credential.split("."))
    places = [0, 9, header - 2, header + 1, header + payload // 2, header + payload - 3, len(credential) - signature]
    for place in [*places, len(credential) - 40]:
        changed = bytearray(credential, "ascii")
        changed[place] ^= 1
        with pytest.raises((JoseError, ValueError)):
            jws.deserialize_compact(bytes(changed), key, algorithms=["RS256"])


async def test_a_rotated_key_still_verifies_what_it_has_signed(live: Live, programme: tuple[str, str]):
    certificate = await certified(live, programme[0])
    before = await download(live, certificate)
    old, _ = await checked(live, before)
    done = await live.do("CredentialKeyRotate", {"reason": "Each spring."}, role="admin")
    after = await download(live, certificate)
    new, said = await checked(live, after)
    assert new["kid"] == done["credentialKey"]["url"] != old["kid"]
    assert (await checked(live, before))[1] == said, "it says the same, by either key"


@pytest.mark.parametrize("act", ["CertificateRevoke", "CertificateReissue"])
async def test_what_was_revoked_is_found_in_the_list_and_can_still_be_downloaded(
    live: Live, programme: tuple[str, str], act: str
):
    certificate = await certified(live, programme[0])
    credential = await download(live, certificate)
    _, said = await checked(live, credential)
    assert not await is_revoked(live, said)
    secret = f"Cheated {uuid4().hex}."
    await live.do(act, {"id": certificate["id"], "reason": secret}, role="manager")
    assert await is_revoked(live, said)
    listed = await get(live, said["credentialStatus"]["id"])
    assert secret not in listed.text
    assert listed.headers["cache-control"] == "public, max-age=60"
    assert await download(live, certificate) == credential, "it says what it said"
    if act == "CertificateReissue":
        query = "query ($id: ID!) { certificate(id: $id) { enrolment { certificate { id } } } }"
        body = await live.post(query, {"id": certificate["id"]}, await live.token("admin"))
        newer = await shown(live, body["data"]["certificate"]["enrolment"]["certificate"]["id"])
        _, other = await checked(live, await download(live, newer))
        assert other["id"] != said["id"]
        assert not await is_revoked(live, other)


async def holder(live: Live, certificate: dict[str, Any]) -> str:
    """An access token of whoever a certificate was issued to, for an org unit of somebody else."""
    house, who = live.service.house, await demonstration.persona(live.service.house.office, "demo", "admin")
    user_id = local_id("User", certificate["user"]["id"])
    persona = Persona(who.tenant_id, uuid4(), user_id, "Holder", ())
    return access_token(house.tokens, persona, datetime.now(UTC))


async def test_the_holder_downloads_the_own_one_and_no_other(live: Live, programme: tuple[str, str]):
    mine, theirs = await certified(live, programme[0]), await certified(live, programme[0])
    token = await holder(live, mine)
    assert (await get(live, mine["credentialUrl"], token)).text == await download(live, mine)
    assert (await get(live, theirs["credentialUrl"], token)).status_code == 403
    unknown = theirs["credentialUrl"].replace(theirs["uuid"], str(uuid4()))
    assert (await get(live, unknown, token)).status_code == 403, "no other answer than for one that is there"


async def test_who_may_not_see_certificates_downloads_none(live: Live, programme: tuple[str, str]):
    url = (await certified(live, programme[0]))["credentialUrl"]
    token = await live.token("admin")
    assert (await get(live, url)).status_code == 401
    assert (await get(live, url, "nonsense")).status_code == 401
    assert (await get(live, url, await live.token("billing"))).status_code == 403
    assert (await get(live, url, await live.token("admin", "second"))).status_code == 404
    for odd in ("nothing", str(uuid4()), "%00"):
        parts = url.rsplit("/", 2)
        assert (await get(live, f"{parts[0]}/{odd}/credential", token)).status_code == 404, odd
    enrolment = (await programmes.enrol(live, programme[0]))[0]
    candidate = await programmes.sit(live, enrolment, 0, right=0)
    assert (await get(live, url, candidate)).status_code == 401, "a session token is for a session"
    whole = await get(live, url, token)
    assert whole.headers["cache-control"] == "private, no-cache"
    assert (await get(live, url, token, if_none_match=whole.headers["etag"])).status_code == 304


async def test_a_service_token_downloads_for_those_who_issue(live: Live, programme: tuple[str, str]):
    url = (await certified(live, programme[0]))["credentialUrl"]
    ends = datetime.now(UTC).replace(microsecond=0)
    for capabilities, status in ((["programmes.read"], 200), (["evaluations.read"], 403)):
        given = {
            "name": "Wallets",
            "capabilities": capabilities,
            "expiresAt": ends.replace(year=ends.year + 1).isoformat(),
        }
        token = (await live.do("ServiceTokenCreate", given, role="admin"))["token"]
        assert (await get(live, url, token)).status_code == status, capabilities


async def test_nothing_is_told_of_programmes_that_nobody_was_certified_by(live: Live, programme: tuple[str, str]):
    other, _ = await with_badge(live)
    version = (await live.ask("Programme", {"id": other}, role="manager"))["programme"]["publishedVersion"]
    version_id, tenant_id = local_id("ProgrammeVersion", version["id"]), await tenant_of(live)
    issuer = f"{live.service.house.site}/api/v1/issuers/{tenant_id}"
    for path in (f"achievements/{version_id}", "achievements/%00", "badges/nothing"):
        assert (await get(live, f"{issuer}/{path}")).status_code == 404, path
    _, said = await checked(live, await download(live, await certified(live, other)))
    assert (await get(live, f"{issuer}/achievements/{version_id}")).status_code == 200
    foreign = issuer.replace(str(tenant_id), str(await tenant_of(live, "second")))
    await live.do("CredentialKeyRotate", {"reason": "To have one."}, token=await live.token("admin", "second"))
    assert (await get(live, f"{foreign}/achievements/{version_id}")).status_code == 404
    await live.do("CertificateRevoke", {"id": (await certified(live, other))["id"], "reason": "No."}, role="manager")
    assert (await get(live, f"{foreign}/revocations")).json()["revokedCredential"] == []
    assert said["iss"] == issuer


async def test_a_key_that_cannot_be_opened_is_told_and_rotated_away(live: Live, programme: tuple[str, str]):
    certificate = await certified(live, programme[0])
    before = await download(live, certificate)
    spoil = text("update credential_keys set sealed = 'spoilt' where retired_at is null")
    async with live.service.house.office.work(Viewer.system(await tenant_of(live))) as work:
        await work.session.execute(spoil)
    answer = await get(live, certificate["credentialUrl"], await live.token("admin"))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (503, "CREDENTIAL_KEY_LOST")
    await live.do("CredentialKeyRotate", {"reason": "It was lost."}, role="admin")
    assert (await checked(live, await download(live, certificate)))[1] == (await checked(live, before))[1]


async def test_no_private_half_is_in_the_ledger(live: Live):
    await live.do("CredentialKeyRotate", {"reason": "Each spring."}, role="admin")
    async with live.service.house.office.snapshot(Viewer.system(await tenant_of(live))) as work:
        rows = await work.session.scalars(select(Activity).where(Activity.subject_kind == "credential_key"))
        told = [(one.before, one.after) for one in rows]
    assert told
    for before, after in told:
        assert set(before or {}) | set(after) == {"thumbprint"}
