"""The monitor's REST door: the document's data, 304 by one look when nothing changed, and never when something did."""

from uuid import uuid4

import pytest
from sqlalchemy import update

from models.assignments import Assignment
from services import demonstration
from services.viewer import Viewer
from tests.walks import story
from tests.walks.conftest import Live
from tests.walks.test_query_counts import counted


@pytest.fixture(scope="module")
async def issued(live: Live):
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], 3)
    uuid = await live.post(
        "query($id: ID!) { assignment(id: $id) { uuid } }", {"id": assignment}, await live.token("manager")
    )
    return assignment, uuid["data"]["assignment"]["uuid"], invitations


async def ask(
    live: Live, uuid: str, role: str | None = "proctor", method: str = "GET", query: str = "", **headers: str
):
    if role is not None:
        headers["authorization"] = f"Bearer {await live.token(role)}"
    address = f"{live.base}/api/v1/assignments/{uuid}/monitor{query}"
    return await live.http.request(method, address, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def tag_of(live: Live, uuid: str, query: str = "") -> str:
    """The tag of a page; a writing transaction of a job beside it may keep one answer without."""
    for _ in range(50):
        answer = await ask(live, uuid, query=query)
        assert answer.status_code == 200, answer.text
        if "etag" in answer.headers:
            return answer.headers["etag"]
    raise AssertionError("no page had a tag")


async def test_the_page_is_the_documents_data(live: Live, issued):
    assignment, uuid, _ = issued
    answer = await ask(live, uuid)
    page = answer.json()["assignment"]
    assert (page["id"], page["monitor"]["totalCount"], len(page["monitor"]["nodes"])) == (assignment, 3, 3)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "authorization"
    head = await ask(live, uuid, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    part = (await ask(live, uuid, query="?first=2&bucket=invited&bucket=started&order=-email")).json()["assignment"]
    emails = [row["candidate"]["email"] for row in part["monitor"]["nodes"]]
    assert len(emails) == 2
    assert emails == sorted(emails, reverse=True)
    rest = f"?first=2&bucket=invited&order=-email&after={part['monitor']['pageInfo']['endCursor']}"
    assert len((await ask(live, uuid, query=rest)).json()["assignment"]["monitor"]["nodes"]) == 1
    assert (await ask(live, uuid, query="?search=nobody")).json()["assignment"]["monitor"]["nodes"] == []


async def test_nothing_new_is_304_by_one_statement_and_no_execution(live: Live, issued):
    _, uuid, _ = issued
    tag = await tag_of(live, uuid)
    with counted(live) as statements:
        answer = await ask(live, uuid, if_none_match=f'W/"x", {tag}')
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    heads = [one for one in statements if "pg_current_snapshot" in one]
    assert len(heads) == 1, statements
    assert len(statements) == 2, "one reads the rights, which are known for the next request"
    assert (await ask(live, uuid, method="HEAD", if_none_match=tag)).status_code == 304
    assert (await ask(live, uuid, role="manager", if_none_match=tag)).status_code == 200, "other rights, another page"
    assert (await ask(live, uuid, query="?first=1", if_none_match=tag)).status_code == 200


async def test_every_change_ends_the_304(live: Live, issued):
    assignment, uuid, invitations = issued

    async def redeem():
        await story.sit_down(live, invitations[0])

    async def relabel():
        await live.do("AssignmentRelabel", {"id": assignment, "runLabel": f"L_{uuid4().hex[:6]}"}, role="manager")

    async def rename():
        row = (await ask(live, uuid)).json()["assignment"]["monitor"]["nodes"][0]
        await live.do("UserUpdate", {"id": row["candidate"]["id"], "displayName": uuid4().hex}, role="admin")

    async def outside():
        persona = await demonstration.persona(live.service.house.office, "demo", "admin")
        viewer = Viewer.system(persona.tenant_id)
        change = update(Assignment).where(Assignment.id == uuid).values(name="Otherwise")
        await live.service.house.office.perform(viewer, lambda work: work.session.execute(change))

    for change in (redeem, relabel, rename, outside):
        tag = await tag_of(live, uuid)
        await change()
        answer = await ask(live, uuid, if_none_match=tag)
        assert answer.status_code == 200, change.__name__
        assert answer.headers.get("etag") != tag


async def test_refusals_have_their_status_also_with_a_tag(live: Live, issued):
    _, uuid, _ = issued
    tag = await tag_of(live, uuid)
    nobody = await ask(live, uuid, role=None, if_none_match=tag)
    assert (nobody.status_code, nobody.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert (await ask(live, uuid, role="viewer", if_none_match=tag)).status_code == 403
    for unknown in (str(uuid4()), "nonsense"):
        missing = await ask(live, unknown, if_none_match=tag)
        assert (missing.status_code, missing.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")
    expired = await ask(live, uuid, query="?changedAfter=nonsense")
    assert (expired.status_code, expired.json()["errors"][0]["extensions"]["code"]) == (422, "CURSOR_EXPIRED")
    for wrong in ("?first=201", "?first=x", "?first=1&first=2", "?bucket=none", "?order=-", "?other=1"):
        answer = await ask(live, uuid, query=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT"), wrong


async def test_the_cursor_is_a_delta(live: Live, issued):
    _, uuid, invitations = issued
    cursor = (await ask(live, uuid)).json()["assignment"]["monitor"]["cursor"]
    await story.redeem(live, invitations[1])
    delta = (await ask(live, uuid, query=f"?changedAfter={cursor}")).json()["assignment"]["monitor"]
    assert [row["attempt"] for row in delta["nodes"]] == [1]
    assert (delta["gone"], delta["totalCount"]) == ([], 1)
    other = (await ask(live, uuid, query=f"?bucket=invited&changedAfter={cursor}")).json()["assignment"]["monitor"]
    assert (other["nodes"], other["gone"]) == ([], [delta["nodes"][0]["id"]])
