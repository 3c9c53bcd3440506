"""A certificate on paper and as a picture: what stands on it, who downloads it, and when nobody does."""

import io
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pypdf
import pytest
from PIL import Image

from tests.walks import certificates, programmes
from tests.walks.certificates import get
from tests.walks.conftest import Live

DOORS = ("pdfUrl", "pngUrl")


@pytest.fixture(scope="module")
async def programme(live: Live) -> str:
    return await programmes.published(live, validityMonths=12)


@pytest.fixture(scope="module")
async def certificate(live: Live, programme: str) -> dict[str, Any]:
    return await certificates.certified(live, programme)


def text(pdf: bytes) -> str:
    (page,) = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return page.extract_text()


def said(day: str) -> str:
    told = date.fromisoformat(day)
    return f"{told.day} {told:%B %Y}"


async def test_the_paper_says_what_the_certificate_says_and_where_to_check_it(live: Live, certificate: dict[str, Any]):
    answer = await get(live, certificate["pdfUrl"], await live.token("viewer"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert f'filename="certificate-{certificate["uuid"]}.pdf"' in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    words = text(answer.content)
    assert certificate["holderName"].replace("@", "") in words.replace("\n", "").replace("@", "")
    for part in (certificate["programme"]["name"], said(certificate["validThrough"]), certificate["uuid"]):
        assert part in words
    assert certificate["verificationUrl"] in words.replace("\n", "")
    assert "EXPIRED" not in words


async def test_the_picture_is_a_png(live: Live, certificate: dict[str, Any]):
    answer = await get(live, certificate["pngUrl"], await live.token("viewer"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert f'filename="certificate-{certificate["uuid"]}.png"' in answer.headers["content-disposition"]
    shown = Image.open(io.BytesIO(answer.content))
    assert (shown.format, shown.size) == ("PNG", (1684, 1191))
    shown.load()
    credential = await get(live, certificate["credentialUrl"], await live.token("viewer"))
    assert shown.text == {"openbadgecredential": credential.text}


@pytest.mark.parametrize("door", DOORS)
async def test_what_a_reader_has_is_not_printed_again(live: Live, certificate: dict[str, Any], door: str):
    token = await live.token("viewer")
    whole = await get(live, certificate[door], token)
    assert whole.headers["cache-control"] == "private, no-cache"
    again = await get(live, certificate[door], token, if_none_match=whole.headers["etag"])
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert (await get(live, certificate[door], token)).content == whole.content, "the same certificate, the same bytes"


@pytest.mark.parametrize("door", DOORS)
async def test_one_that_was_revoked_is_refused(live: Live, programme: str, door: str):
    certificate = await certificates.certified(live, programme)
    token = await live.token("admin")
    tag = (await get(live, certificate[door], token)).headers["etag"]
    secret = f"Cheated {uuid4().hex}."
    await live.do("CertificateRevoke", {"id": certificate["id"], "reason": secret}, role="manager")
    answer = await get(live, certificate[door], token, if_none_match=tag)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (410, "CERTIFICATE_REVOKED")
    assert secret not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_one_that_is_over_says_so(live: Live, certificate: dict[str, Any]):
    token = await live.token("viewer")
    before = await get(live, certificate["pdfUrl"], token)
    with certificates.later(live, days=400):
        after = await get(live, certificate["pdfUrl"], token, if_none_match=before.headers["etag"])
    assert after.status_code == 200, "not what the reader has"
    assert "EXPIRED" in text(after.content)


@pytest.mark.parametrize("door", DOORS)
async def test_the_holder_downloads_the_own_one_and_no_other(
    live: Live, programme: str, certificate: dict[str, Any], door: str
):
    theirs = await certificates.certified(live, programme)
    token = await certificates.holder(live, certificate)
    assert (await get(live, certificate[door], token)).status_code == 200
    assert (await get(live, theirs[door], token)).status_code == 403
    unknown = theirs[door].replace(theirs["uuid"], str(uuid4()))
    assert (await get(live, unknown, token)).status_code == 403, "no other answer than for one that is there"


@pytest.mark.parametrize("door", DOORS)
async def test_who_may_not_see_certificates_downloads_none(
    live: Live, programme: str, certificate: dict[str, Any], door: str
):
    url = certificate[door]
    assert (await get(live, url)).status_code == 401
    assert (await get(live, url, "nonsense")).status_code == 401
    assert (await get(live, url, await live.token("billing"))).status_code == 403
    assert (await get(live, url, await live.token("admin", "second"))).status_code == 404
    for odd in ("nothing", str(uuid4()), "%00"):
        asked = url.replace(certificate["uuid"], odd)
        assert (await get(live, asked, await live.token("admin"))).status_code == 404, odd
    enrolment = (await programmes.enrol(live, programme))[0]
    candidate = await programmes.sit(live, enrolment, 0, right=0)
    assert (await get(live, url, candidate)).status_code == 401, "a session token is for a session"


async def test_a_service_token_downloads_for_those_who_issue(live: Live, certificate: dict[str, Any]):
    ends = datetime.now(UTC).replace(microsecond=0)
    for capabilities, status in ((["programmes.read"], 200), (["evaluations.read"], 403)):
        given = {
            "name": "Letters",
            "capabilities": capabilities,
            "expiresAt": ends.replace(year=ends.year + 1).isoformat(),
        }
        token = (await live.do("ServiceTokenCreate", given, role="admin"))["token"]
        assert (await get(live, certificate["pdfUrl"], token)).status_code == status, capabilities


@pytest.mark.parametrize("door", DOORS)
async def test_a_name_that_no_font_has_is_refused_with_the_way_out(live: Live, programme: str, door: str):
    certificate = await certificates.certified(live, programme)
    query = """mutation ($input: UserUpdateInput!) { userUpdate(input: $input) { problems { code message } } }"""
    given = {"id": certificate["user"]["id"], "displayName": "王小明"}
    body = await live.post(query, {"input": given}, await live.token("admin"))
    assert body["data"]["userUpdate"]["problems"] == []
    given = {"id": certificate["id"], "reason": "The name was romanised."}
    newer = (await live.do("CertificateReissue", given, role="manager"))["certificate"]
    newer = await certificates.shown(live, newer["id"])
    answer = await get(live, newer[door], await live.token("admin"))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (422, "UNPRINTABLE")
    assert "王" in error["message"]
    assert "EVALIUM_FONTS" in error["extensions"]["hint"]
