"""GraphiQL in a real Chromium, as a person uses it: token, query, running subscription, nothing from elsewhere.

The whole file speaks to one `LiveServer`: `evalium serve` in a process of its own.
"""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import pytest
from graphql import build_client_schema, get_introspection_query
from playwright.sync_api import Browser, Page, WebSocket, expect, sync_playwright

from server.web import find_dist
from tests.walks import story
from tests.walks.conftest import OPERATIONS, document
from tests.walks.process import Served, data_directory, running

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class LiveServer:
    """Where to go, as whom, and one query and one subscription that this server answers for that token."""

    url: str
    token: str
    query: str
    answer: str
    subscription: str
    event: str
    variables: str = ""


@dataclass
class Watch:
    """What one page did that a test may want to know."""

    problems: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)
    sent: list[dict[str, object]] = field(default_factory=list)


def unavailable(reason: str) -> None:
    """Skip with a reason on a developer's machine; fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def live_server() -> Iterator[LiveServer]:
    """The product itself, with an assignment whose candidates have done something already."""
    with data_directory() as data, running(data) as served:
        with ThreadPoolExecutor(1) as aside:  # Playwright's loop runs in this thread
            variables = aside.submit(asyncio.run, sat_by_two(served)).result()
        yield LiveServer(
            url=served.base,
            token=served.tokens["proctor"],
            query=document("Viewer"),
            answer="capabilities",
            subscription=document("AssignmentStream"),
            event="ANSWER_SAVED",
            variables=json.dumps(variables),
        )


async def sat_by_two(served: Served) -> dict[str, str]:
    """Issue an assignment, let two people begin to sit it, and return what follows it from before they came."""
    async with served.visited() as live:
        version = await story.publish(live)
        assignment, invitations = await story.issue(live, version["id"], 2)
        told = await live.ask("AssignmentMonitor", {"id": assignment}, role="proctor")
        for invitation in invitations:
            sitting = await story.sit_down(live, invitation)
            item = sitting.items[0]
            given = {"itemId": item["id"], "revision": 1, "response": story.choice(item, "right")}
            await live.do("AnswerSave", given, token=sitting.token)
    return {"assignmentId": assignment, "after": told["assignment"]["monitor"]["cursor"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        unavailable("no Chromium: put one on PATH or name it in CHROMIUM")
    if not (find_dist() / "graphiql.html").is_file():
        unavailable("GraphiQL is not built: run 'make web'")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, watch: Watch) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(30_000)
    home = urlsplit(live_server.url).netloc
    tab = context.new_page()

    def keep_home(route, request) -> None:
        if urlsplit(request.url).netloc in {home, ""}:
            route.continue_()
        else:
            watch.foreign.append(request.url)
            route.abort()

    def on_socket(opened: WebSocket) -> None:
        watch.sockets.append(opened)
        opened.on("framesent", lambda frame: watch.sent.append(json.loads(frame)))

    context.route("**/*", keep_home)
    tab.on("console", lambda message: watch.problems.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: watch.problems.append(str(error)))
    tab.on("websocket", on_socket)
    yield tab
    context.close()
    assert watch.problems == []
    assert watch.foreign == []


def open_graphiql(page: Page) -> None:
    page.goto("/graphiql")
    page.locator(".graphiql-query-editor .view-lines").wait_for()


def use_token(page: Page, token: str) -> None:
    page.get_by_label("Access token").fill(f"Bearer {token}\n")
    page.get_by_role("button", name="Use this token").click()


def write_into(page: Page, region: str, text: str) -> None:
    page.locator(f"{region} .view-lines").first.click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(text)


def run(page: Page, document: str, variables: str) -> None:
    page.get_by_role("button", name="New tab").click()
    write_into(page, ".graphiql-query-editor", document)
    if variables:
        page.get_by_role("button", name="Variables").click()
        write_into(page, ".graphiql-editor-tool", variables)
    page.get_by_role("button", name="Execute query").click()


def documents() -> dict[str, str]:
    """Return the name and the kind of every operation document in the repository."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(OPERATIONS.rglob("*.graphql"))]
    found = [re.search(r"^(query|mutation|subscription)\s+(\w+)", text, re.MULTILINE) for text in texts]
    return {match[2]: match[1] for match in found if match}


def test_the_page_opens_with_tabs_a_heading_and_the_identity_panel(page: Page) -> None:
    open_graphiql(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Evalium")
    expect(page.get_by_role("heading", name="Identity")).to_be_visible()
    tabs = page.locator(".graphiql-tab")
    assert 1 <= tabs.count() <= 8
    known = documents() or {"Hello": "query"}
    assert set(tabs.locator(".graphiql-tab-button").all_text_contents()) <= set(known)


def test_every_operation_document_is_listed_and_opens_in_a_tab(page: Page) -> None:
    open_graphiql(page)
    page.get_by_role("button", name="Show Documents").click()
    panel = page.get_by_role("region", name="Documents")
    known = documents()
    expect(panel.get_by_role("status")).to_have_text("1 document" if len(known) == 1 else f"{len(known)} documents")
    for name in list(known)[-2:]:
        panel.get_by_role("searchbox", name="Find").fill(name)
        panel.locator("li button").filter(has=page.get_by_text(name, exact=True)).click()
        expect(page.locator(".graphiql-tab-active .graphiql-tab-button")).to_have_text(name)
        expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text(name)


def test_a_query_is_sent_with_the_token_of_the_identity_panel(page: Page, live_server: LiveServer) -> None:
    open_graphiql(page)
    use_token(page, live_server.token)
    expect(page.get_by_text(re.compile(r"^Expires in \d+ "))).to_be_visible()
    run(page, live_server.query, "")
    expect(page.locator(".result-window .view-lines")).to_contain_text(live_server.answer)
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert live_server.token not in kept
    page.reload()
    expect(page.get_by_role("button", name=re.compile("^Token: .* left$"))).to_be_visible()


def test_the_docs_are_there_before_any_token(page: Page) -> None:
    open_graphiql(page)
    page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.locator(".graphiql-doc-explorer")
    for root in ("Query", "Mutation", "Subscription"):
        expect(docs.get_by_role("link", name=root, exact=True)).to_be_visible()
    docs.get_by_role("link", name="Subscription", exact=True).click()
    expect(docs).to_contain_text("assignmentStream")


def test_introspection_as_tools_ask_for_it_is_within_the_limits_of_staff(live_server: LiveServer) -> None:
    text = get_introspection_query(input_value_deprecation=True, schema_description=True)
    answers = [
        httpx2.post(f"{live_server.url}/graphql", json={"query": text}, headers=headers).json()
        for headers in ({"authorization": f"Bearer {live_server.token}"}, {})
    ]
    assert build_client_schema(answers[0]["data"]).get_type("StreamFrame") is not None
    assert "errors" in answers[1]


def test_a_subscription_runs_over_the_socket_and_stops(page: Page, live_server: LiveServer, watch: Watch) -> None:
    open_graphiql(page)
    use_token(page, live_server.token)
    run(page, live_server.subscription, live_server.variables)
    expect(page.locator(".result-window .view-lines")).to_contain_text('"data"')
    page.get_by_role("button", name="Show Stream").click()
    panel = page.get_by_role("region", name="Stream")
    expect(panel.get_by_role("listitem").last).to_contain_text(live_server.event)
    page.get_by_role("button", name="Stop query").click()
    expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    assert len(watch.sockets) == 1
    assert watch.sockets[0].url.endswith("/graphql")
    assert watch.sent[0] == {"type": "connection_init", "payload": {"Authorization": f"Bearer {live_server.token}"}}
    assert watch.sent[1]["type"] == "subscribe"
    assert watch.sent[-1]["type"] == "complete"


def test_text_that_is_no_token_is_refused_and_not_kept(page: Page) -> None:
    open_graphiql(page)
    use_token(page, "hunter2")
    expect(page.get_by_role("region", name="Identity")).to_contain_text("not an access token")
    assert page.evaluate("sessionStorage.length") == 0


def test_the_landing_page_leads_to_graphiql(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Evalium")
    page.get_by_role("link", name="Open GraphiQL").click()
    page.locator(".graphiql-query-editor .view-lines").wait_for()


def test_the_landing_page_fits_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto("/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
