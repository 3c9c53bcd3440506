"""The badge of a programme: chosen for the draft, kept by versions, shown to anybody, and drawn on certificates."""

import io
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from tests.factories import pictures
from tests.walks import certificates, programmes
from tests.walks.certificates import get
from tests.walks.conftest import Live


async def choose(live: Live, programme: str, colour: str = "red") -> dict[str, Any]:
    given = {"programmeId": programme, "image": pictures.sent(colour)}
    return (await live.do("ProgrammeBadgeSet", given, role="manager"))["programme"]


async def shown(live: Live, programme: str) -> dict[str, Any]:
    return (await live.ask("Programme", {"id": programme}, role="viewer"))["programme"]


async def diff(live: Live, programme: str, **between: int) -> list[dict[str, Any]]:
    found = await live.ask("ProgrammeDiff", {"id": programme, **between}, role="viewer")
    return [one for one in found["programmeDiff"] if one["field"] == "badge"]


def colour(png: bytes, place: tuple[int, int]) -> Any:
    return Image.open(io.BytesIO(png)).convert("RGBA").getpixel(place)


async def test_versions_keep_the_badge_that_the_draft_had(live: Live):
    programme = await programmes.published(live)
    assert (await shown(live, programme))["badgeUrl"] is None
    red = await choose(live, programme)
    (change,) = await diff(live, programme)
    assert (change["kind"], change["before"]) == ("CHANGED", None)
    assert change["after"] in red["badgeUrl"]
    await programmes.publish(live, programme)
    blue = await choose(live, programme, "blue")
    assert (blue["version"], blue["badgeUrl"] != red["badgeUrl"]) == (red["version"] + 1, True)
    seen = await shown(live, programme)
    assert (seen["badgeUrl"], seen["publishedVersion"]["badgeUrl"]) == (blue["badgeUrl"], red["badgeUrl"])
    await programmes.publish(live, programme)
    await live.do("ProgrammeBadgeClear", {"programmeId": programme}, role="manager")
    await programmes.publish(live, programme)
    assert (await shown(live, programme))["publishedVersion"]["badgeUrl"] is None
    assert [len(await diff(live, programme, before=n, after=n + 1)) for n in (1, 2, 3)] == [1, 1, 1]
    again = await live.ask("ProgrammeBadgeClear", {"input": {"programmeId": programme}}, role="manager")
    assert again["programmeBadgeClear"]["problems"][0]["code"] == "INVALID_INPUT"


async def test_anybody_sees_the_image_and_keeps_it(live: Live):
    url = (await choose(live, await programmes.begin(live)))["badgeUrl"]
    answer = await get(live, url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (answer.headers["x-content-type-options"], answer.headers["access-control-allow-origin"]) == ("nosniff", "*")
    assert Image.open(io.BytesIO(answer.content)).size == (400, 400)
    assert colour(answer.content, (200, 200)) == (255, 0, 0, 255)
    again = await get(live, url, if_none_match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await choose(live, await programmes.begin(live)))["badgeUrl"] == url, (
        "one image, however often it is chosen"
    )


async def test_what_is_no_badge_answers_alike(live: Live):
    url = (await choose(live, await programmes.begin(live)))["badgeUrl"]
    tenant, badge = url.removesuffix(".png").rsplit("/", 2)[1:]
    bodies = set()
    for there, one in (
        (str(uuid4()), badge),
        (tenant, str(uuid4())),
        (badge, tenant),
        (tenant, "nothing"),
        ("nowhere", badge),
    ):
        answer = await get(live, f"/api/v1/badges/{there}/{one}.png")
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
        bodies.add(answer.text.replace(one, ""))
    assert len(bodies) == 1
    for odd in (badge.upper(), f"{{{badge}}}", "%00"):
        assert (await get(live, f"/api/v1/badges/{tenant}/{odd}.png")).status_code == 404, odd


async def test_certificates_carry_the_badge_of_their_version(live: Live):
    programme = await programmes.begin(live)
    await programmes.ask_for(live, programme, await programmes.evaluation(live))
    await choose(live, programme)
    await programmes.publish(live, programme)
    certificate = await certificates.certified(live, programme)
    await choose(live, programme, "blue")
    await programmes.publish(live, programme)
    picture = await get(live, certificate["pngUrl"], await live.token("admin"))
    assert colour(picture.content, (842, 215)) == (255, 0, 0, 255)


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("not base64!", "INVALID_INPUT", "base64"),
        ("", "IMAGE_REFUSED", "not a PNG"),
        ("PHN2Zy8+", "IMAGE_REFUSED", "not a PNG"),
        (pictures.sent(size=(100, 400)), "IMAGE_REFUSED", "100 by 400 pixels"),
        (pictures.sent(size=(400, 2001)), "IMAGE_REFUSED", "400 by 2001 pixels"),
        ("A" * 240_004, "IMAGE_REFUSED", "180000 bytes"),
    ],
)
async def test_what_is_no_such_image_is_refused_with_the_reason(live: Live, image: str, code: str, said: str):
    programme = await programmes.begin(live)
    given = {"programmeId": programme, "image": image}
    (problem,) = (await live.ask("ProgrammeBadgeSet", {"input": given}, role="manager"))["programmeBadgeSet"][
        "problems"
    ]
    assert (problem["code"], problem["path"]) == (code, ["image"])
    assert said in problem["message"]
    assert (await shown(live, programme))["version"] == 1


async def test_a_badge_is_for_who_manages_programmes_and_for_the_draft_they_saw(live: Live):
    programme = await programmes.begin(live)
    given = {"programmeId": programme, "image": pictures.sent(), "expectedVersion": 7}
    problems = (await live.ask("ProgrammeBadgeSet", {"input": given}, role="manager"))["programmeBadgeSet"]["problems"]
    assert (problems[0]["code"], problems[0]["currentVersion"]) == ("STATE_DRIFT", 1)
    query = "mutation ($input: ProgrammeBadgeSetInput!) { programmeBadgeSet(input: $input) { problems { code } } }"
    body = await live.post(query, {"input": given}, await live.token("viewer"))
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    body = await live.post(query, {"input": given}, await live.token("admin", "second"))
    assert body["data"]["programmeBadgeSet"]["problems"][0]["code"] == "NOT_FOUND"
