"""A public link as its visitor finds it: a page that changes nothing, one form, and a session in the front end."""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.factories import attempts
from tests.walks import story
from tests.walks.conftest import Live, document, running

FRONT_END = "https://exam.example.org/sit"


@pytest.fixture(scope="module")
async def open_house(live: Live, tmp_path_factory):
    async with running(
        live.database, tmp_path_factory.mktemp("front"), EVALIUM_FRONT_END_URL=FRONT_END, EVALIUM_WORKER=False
    ) as house:
        yield house


async def link(live: Live, **more):
    version = await story.publish(live)
    given = {"evaluationVersionId": version["id"], "publicLink": more}
    issued = await live.do("AssignmentIssue", given, role="manager")
    asked = "query($id: ID!) { assignment(id: $id) { publicLinks { id address used cap hasAccessCode } } }"
    body = await live.post(asked, {"id": issued["assignment"]["id"]}, await live.token("manager"))
    (made,) = body["data"]["assignment"]["publicLinks"]
    return issued["assignment"]["id"], made


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def test_a_visitor_starts_by_the_form_and_looking_uses_nothing_up(open_house: Live):
    live = open_house
    assignment, made = await link(live, accessCode="Tulip", cap=1)
    where = f"{live.base}{path_of(made['address'])}"
    for _ in range(3):
        assert (await live.http.get(where)).status_code == 200
        assert (await live.http.head(where)).status_code == 200
    token = parse_qs(urlsplit(made["address"]).query)["token"][0]
    form = {"token": token, "displayName": "Ada Passing", "email": f"{uuid4().hex}@example.org", "accessCode": "rose"}
    refused = await live.http.post(f"{live.base}/start", data=form)
    assert (refused.status_code, "access code" in refused.text) == (403, True)
    started = await live.http.post(f"{live.base}/start", data=form | {"accessCode": "tulip"})
    assert started.status_code == 303
    target, _, handed = started.headers["location"].partition("#")
    assert target == FRONT_END
    mine = (await live.ask("MySession", token=parse_qs(handed)["sessionToken"][0]))["mySession"]
    assert mine["state"] == "CREATED"
    live.http.cookies.clear()
    full = await live.http.post(f"{live.base}/start", data=form | {"accessCode": "tulip", "email": "b@example.org"})
    assert (full.status_code, "1 places" in full.text) == (410, True)
    rows = (await live.ask("AssignmentMonitor", {"id": assignment}, role="proctor"))["assignment"]["monitor"]["nodes"]
    assert [row["candidate"]["email"] for row in rows] == [form["email"]]


async def test_guessing_the_code_is_limited(live: Live):
    await attempts.forget(live.service.house)
    _, made = await link(live, accessCode="Tulip")
    token = parse_qs(urlsplit(made["address"]).query)["token"][0]
    codes = []
    for n in range(12):
        given = {"token": token, "displayName": "A", "email": f"g{n}@example.org", "accessCode": f"guess{n}"}
        body = await live.post(document("PublicLinkRedeem"), {"input": given | {"nonce": uuid4().hex}})
        payload = (body.get("data") or {}).get("publicLinkRedeem")
        codes += [one["code"] for one in (payload or {}).get("problems", [])]
        codes += [one["extensions"]["code"] for one in body.get("errors", [])]
    assert codes[:9] == ["ACCESS_CODE_WRONG"] * 9
    assert codes[-1] == "RATE_LIMITED"
    await attempts.forget(live.service.house)
