"""The page behind an invitation: visits burn nothing, the button hands over, and what it says is true."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.async_api import async_playwright

from tests.factories import attempts
from tests.walks import story
from tests.walks.conftest import Live, running
from tests.walks.test_graphiql import unavailable
from tests.walks.test_sign_ins_pages import CHROMIUM, cookies

FRONT_END = "https://sit.example.org/begin"


@pytest.fixture(scope="module")
async def sitting(database, tmp_path_factory) -> AsyncIterator[Live]:
    """A service that knows a front end for candidates."""
    async with running(database, tmp_path_factory.mktemp("data"), EVALIUM_FRONT_END_URL=FRONT_END) as service:
        yield service


@pytest.fixture(autouse=True)
async def afresh(sitting: Live):
    await attempts.forget(sitting.service.house)


async def invited(live: Live, people: int = 1, **terms: object) -> list[str]:
    version = await story.publish(live)
    return (await story.issue(live, version["id"], people, **terms))[1]


async def press(live: Live, token: str, cookie: str = "", **headers: str) -> httpx2.Response:
    live.http.cookies.clear()
    headers |= {"cookie": cookie} if cookie else {}
    return await live.http.post(f"{live.base}/invitation", data={"token": token}, headers=headers)


def handed(answer: httpx2.Response) -> str:
    """The session token that the front end is given."""
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == FRONT_END
    assert address.query == ""
    return parse_qs(address.fragment)["sessionToken"][0]


async def test_five_visits_burn_nothing_and_then_the_button_hands_over_to_the_front_end(sitting: Live):
    (token,) = await invited(sitting)
    address = f"{sitting.base}/invitation?token={token}"
    for method in ("GET", "HEAD", "GET", "HEAD", "GET"):
        visit = await sitting.http.request(method, address)
        assert visit.status_code == 200
        assert (visit.headers["cache-control"], visit.headers["referrer-policy"]) == ("no-store", "no-referrer")
        policy = visit.headers["content-security-policy"]
        assert ("script-src" in policy, "form-action 'self' https://sit.example.org;" in policy) == (False, True)
    known = f"evalium_candidate={cookies(visit)['evalium_candidate']}" if cookies(visit) else ""
    first = await press(sitting, token, known)
    assert (first.status_code, first.text, first.headers["referrer-policy"]) == (303, "", "no-referrer")
    mine = (await sitting.ask("MySession", token=handed(first)))["mySession"]
    assert mine["state"] == "CREATED"
    kept = f"evalium_candidate={cookies(first)['evalium_candidate']}"
    again = await press(sitting, token, kept)
    assert (await sitting.ask("MySession", token=handed(again)))["mySession"]["id"] == mine["id"], "a lost answer"
    other = await press(sitting, token)
    assert (other.status_code, 'role="alert"' in other.text) == (410, True)


async def test_the_browser_is_told_apart_by_a_cookie_that_also_comes_with_the_link_of_a_mail(sitting: Live):
    (token,) = await invited(sitting)
    sitting.http.cookies.clear()
    visit = await sitting.http.get(f"{sitting.base}/invitation", params={"token": token})
    (cookie,) = visit.headers.get_list("set-cookie")
    assert {"HttpOnly", "Path=/invitation", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    sitting.http.cookies.clear()
    kept = {"cookie": f"evalium_candidate={cookies(visit)['evalium_candidate']}"}
    again = await sitting.http.get(f"{sitting.base}/invitation", params={"token": token}, headers=kept)
    assert "set-cookie" not in again.headers, "the same one as long as the browser has it"


async def test_what_was_refused_is_told_with_its_status_and_burns_nothing(sitting: Live):
    (early,) = await invited(sitting, validFrom="2090-01-01T00:00:00Z", validUntil="2090-01-02T00:00:00Z")
    refused = await press(sitting, early)
    assert (refused.status_code, "2090" in refused.text, 'role="alert"' in refused.text) == (422, True, True)
    forged = await press(sitting, f"{early[:-4]}AAAA")
    assert (forged.status_code, "set-cookie" in forged.headers) == (401, False)
    assert (await press(sitting, "")).status_code == 401
    foreign = await press(sitting, early, **{"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    for mangled in ("", "<b>", "a.b", "a" * 3000 + ".b.c"):
        visit = await sitting.http.get(f"{sitting.base}/invitation", params={"token": mangled})
        assert (visit.status_code, "<button>" in visit.text, "<b>" in visit.text) == (400, False, False)


async def test_without_a_front_end_the_page_says_so_and_nothing_is_used(live: Live):
    (token,) = await invited(live)
    visit = await live.http.get(f"{live.base}/invitation", params={"token": token})
    assert (visit.status_code, "<button>" in visit.text, "set-cookie" in visit.headers) == (200, False, False)
    assert "Your invitation is unused" in visit.text
    assert (await press(live, token)).status_code == 409
    assert await story.redeem(live, token)


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [False, True])
async def test_in_chromium_scanners_burn_nothing_and_the_button_goes_on(sitting: Live, *, scripts: bool):
    found = next((path for path in CHROMIUM if path.exists()), None)
    if found is None:
        unavailable("There is no Chromium.")
    (token,) = await invited(sitting)
    address = f"{sitting.base}/invitation?token={token}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            context = await browser.new_context(java_script_enabled=scripts, viewport={"width": 390, "height": 800})
            await context.route(f"{FRONT_END}**", lambda route: route.fulfill(body="the front end"))
            page = await context.new_page()
            for _ in range(5):
                await page.goto(address, wait_until="networkidle")
            await page.get_by_role("button", name="Go to the assessment").click()
            await page.wait_for_url(f"{FRONT_END}#sessionToken=*")
            session = parse_qs(urlsplit(page.url).fragment)["sessionToken"][0]
            assert (await sitting.ask("MySession", token=session))["mySession"]["state"] == "CREATED"
        finally:
            await browser.close()
