"""Signing in with a browser: scanners burn nothing, forms work without a script, cookies stay where they belong."""

import logging
import re
from http.cookies import SimpleCookie
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import async_playwright

from tests.factories import attempts
from tests.factories import sign_ins as made
from tests.walks.conftest import Live, document
from tests.walks.test_graphiql import unavailable

FORM = {"content-type": "application/x-www-form-urlencoded"}
CHROMIUM = [Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"), Path("/usr/bin/google-chrome")]


@pytest.fixture(autouse=True)
async def afresh(live: Live):
    await attempts.forget(live.service.house)


def cookies(answer: httpx2.Response) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return {name: morsel.value for name, morsel in jar.items()}


async def form(live: Live, path: str, **fields: str) -> httpx2.Response:
    more = fields.pop("cookie", None)
    headers = {"cookie": more} if more else {}
    live.http.cookies.clear()  # each request is that of a browser of its own
    return await live.http.post(f"{live.base}{path}", data=fields, headers=headers, follow_redirects=False)


async def test_five_visits_of_scanners_burn_nothing(live: Live, caplog):
    caplog.set_level(logging.DEBUG)
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    address = f"{live.base}/auth/verify?token={token}"
    for method, headers in (
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"purpose": "prefetch", "sec-purpose": "prefetch"}),
        ("HEAD", {"user-agent": "Mail scanner"}),
    ):
        answer = await live.http.request(method, address, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert token not in str(ours)
    assert (await live.do("SignInRedeem", {"token": token, "nonce": who.nonce}))["tokens"]


async def test_a_browser_without_scripts_asks_opens_and_is_signed_in_by_cookie(live: Live):
    who = await made.person(live)
    asked = await form(live, "/auth/login", email=who.email)
    assert (asked.status_code, "Look into your mail" in asked.text) == (200, True)
    nonce = cookies(asked)["evalium_browser"]
    for header in asked.headers.get_list("set-cookie"):
        assert {"HttpOnly", "Path=/auth", "SameSite=strict"} <= {part.strip() for part in header.split(";")}
    token, _ = await made.mailed(live, who, nonce=nonce)
    done = await form(live, "/auth/verify", token=token, cookie=f"evalium_browser={nonce}")
    assert (done.status_code, done.headers["location"], done.text) == (303, "/", "")
    assert token not in str(done.headers)
    kept = f"evalium_browser={nonce}; evalium_refresh={cookies(done)['evalium_refresh']}"
    renewed = await live.http.post(f"{live.base}/auth/refresh", json={}, headers={"cookie": kept})
    assert renewed.status_code == 200
    assert "refreshToken" not in renewed.json()["tokens"], "what came by cookie goes by cookie"
    access = renewed.json()["tokens"]["accessToken"]
    assert (await live.ask("Viewer", token=access))["viewer"]["user"]["email"] == who.email
    kept = f"evalium_refresh={cookies(renewed)['evalium_refresh']}"
    out = await live.http.post(f"{live.base}/auth/logout", json={}, headers={"cookie": kept})
    assert (out.status_code, cookies(out)["evalium_refresh"]) == (200, "")
    again = await live.http.post(f"{live.base}/auth/refresh", json={}, headers={"cookie": kept})
    assert again.status_code == 401


async def test_a_link_opened_elsewhere_shows_the_code_that_the_asking_browser_takes(live: Live):
    who = await made.person(live, units=2)
    nobody = f"{uuid4().hex}@example.org"  # to whom no second, newer link is mailed meanwhile
    nonce = cookies(await form(live, "/auth/login", email=nobody))["evalium_browser"]
    token, code = await made.mailed(live, who, nonce=nonce)
    elsewhere = await form(live, "/auth/verify", token=token)
    assert (elsewhere.status_code, code in elsewhere.text) == (200, True)
    assert "evalium_refresh" not in cookies(elsewhere)
    kept = f"evalium_browser={nonce}"
    wrong = await form(live, "/auth/verify", code="1", cookie=kept)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    choose = await form(live, "/auth/verify", code=code, cookie=kept)
    units = re.findall(r'name="orgUnitId" value="([^"]+)"', choose.text)
    assert len(units) == 2
    done = await form(live, "/auth/verify", code=code, orgUnitId=units[0], cookie=kept)
    assert (done.status_code, "evalium_refresh" in cookies(done)) == (303, True)
    used = await form(live, "/auth/verify", token=token, cookie=kept)
    assert (used.status_code, "Ask for a new link" in used.text) == (410, True)


async def test_another_site_can_neither_ask_nor_redeem_nor_renew(live: Live):
    for path in ("/auth/login", "/auth/verify", "/auth/refresh", "/auth/logout"):
        answer = await live.http.post(f"{live.base}{path}", json={}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
    for path in ("/auth/refresh", "/auth/logout"):
        answer = await live.http.post(f"{live.base}{path}", data={"refreshToken": "x"}, headers=FORM)
        assert answer.status_code == 415, "only JSON, which no form of another site can send"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/auth/login", {"email": "not an address"}, 422),
        ("/auth/login", {"email": "a@b.example", "nonce": "short"}, 422),
        ("/auth/login", {"email": 5}, 400),
        ("/auth/login", {"mail": "a@b.example"}, 400),
        ("/auth/login", {}, 400),
        ("/auth/verify", {}, 422),
        ("/auth/verify", {"token": "x", "code": "y"}, 422),
        ("/auth/verify", {"token": "x"}, 401),
        ("/auth/verify", {"code": "123456"}, 422),
        ("/auth/verify", {"token": "x", "orgUnitId": "y"}, 404),
        ("/auth/refresh", {}, 401),
        ("/auth/refresh", {"refreshToken": ["x"]}, 400),
        ("/auth/logout", {}, 401),
        ("/auth/logout", {"refreshToken": "x"}, 401),
    ],
)
async def test_what_is_wrong_is_told_with_a_status(live: Live, path: str, body: dict, status: int):
    answer = await live.http.post(f"{live.base}{path}", json=body)
    assert answer.status_code == status, answer.text
    assert status == 400 or answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.get("errors") or told.get("problems")


async def test_a_mangled_link_says_so(live: Live):
    for token in ("<b>", "a" * 500, "x y"):
        answer = await live.http.get(f"{live.base}/auth/verify", params={"token": token})
        assert (answer.status_code, token in answer.text) == (400, False)
    empty = await live.http.get(f"{live.base}/auth/verify")
    assert 'name="code"' in empty.text


@pytest.mark.browser
async def test_in_chromium_a_visit_burns_nothing_and_the_button_signs_in(live: Live, tmp_path):
    found = next((path for path in CHROMIUM if path.exists()), None)
    if found is None:
        unavailable("There is no Chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            for width, scripts in ((390, False), (1280, True)):
                context = await browser.new_context(
                    viewport={"width": width, "height": 800}, java_script_enabled=scripts
                )
                await _sign_in(live, context, tmp_path)
                await context.close()
        finally:
            await browser.close()


async def _sign_in(live: Live, context, tmp_path: Path) -> None:
    who = await made.person(live)
    page = await context.new_page()
    await page.goto(f"{live.base}/auth/login")
    await page.get_by_label("Your e-mail address").fill(who.email)
    await page.get_by_role("button").click()
    await page.get_by_role("heading", name="Look into your mail").wait_for()
    (nonce,) = [one["value"] for one in await context.cookies(f"{live.base}/auth/") if one["name"] == "evalium_browser"]
    token, _ = await made.mailed(live, who, nonce=nonce)
    scanner = await context.browser.new_context(java_script_enabled=True)
    for _ in range(2):
        visit = await scanner.new_page()
        await visit.goto(f"{live.base}/auth/verify?token={token}", wait_until="networkidle")
    await scanner.close()
    await page.goto(f"{live.base}/auth/verify?token={token}")
    wide = await page.evaluate("document.documentElement.scrollWidth <= innerWidth") if context.pages else True
    assert wide
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{live.base}/")
    names = {one["name"] for one in await context.cookies(f"{live.base}/auth/")}
    assert names == {"evalium_browser", "evalium_refresh"}


async def test_documents_are_the_bodies_of_the_doors(live: Live):
    """What the door answers is what the stored document answers."""
    who = await made.person(live)
    token, _ = await made.mailed(live, who)
    door = await live.http.post(f"{live.base}/auth/verify", json={"token": token, "nonce": who.nonce})
    body = await live.post(document("SignInRedeem"), {"input": {"token": token, "nonce": who.nonce}})
    assert set(door.json()) == set(body["data"]["signInRedeem"])
