"""The verification page in a real Chromium: every state, telephone and desktop, light and dark, with axe and without a script.

With EVALIUM_SCREENSHOTS, pictures of it are left in that folder.
"""

import os
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from server.certificates_pages import verified_page
from services.certificates_rules import CertificateState
from services.certificates_verify import Verified
from tests.factories import attempts
from tests.walks import certificates, programmes
from tests.walks.conftest import Live
from tests.walks.test_graphiql import unavailable
from tests.walks.test_sign_ins_pages import CHROMIUM

pytestmark = pytest.mark.browser

WIDTHS = {"phone": (360, 740), "desktop": (1280, 800)}
STATES = {
    "active": "This certificate is valid",
    "expired": "This certificate has expired",
    "revoked": "This certificate was revoked",
    "unknown": "No such certificate",
    "busy": "Too many tries",
}


@pytest.fixture(scope="module")
async def addresses(live: Live) -> dict[str, str]:
    """An address of each kind; the one that is over is so with the clock ahead."""
    programme = await programmes.published(live, validityMonths=12)
    active, revoked = [await certificates.certified(live, programme) for _ in range(2)]
    await live.do("CertificateRevoke", {"id": revoked["id"], "reason": "Somebody else sat it."}, role="manager")
    site = live.service.house.site
    found = {name: one["verificationUrl"].replace(site, live.base) for name, one in (("a", active), ("r", revoked))}
    nowhere = f"{live.base}/certificates/{'A' * 43}"
    return {"active": found["a"], "expired": found["a"], "revoked": found["r"], "unknown": nowhere, "busy": nowhere}


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    found = next((path for path in CHROMIUM if path.exists()), None)
    if found is None:
        unavailable("There is no Chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def opened(live: Live, page: Page, state: str, address: str) -> None:
    await attempts.forget(live.service.house)
    if state == "busy":
        for _ in range(10):
            await live.http.get(address)
    with certificates.later(live, days=400 if state == "expired" else 0):
        await page.goto(address, wait_until="networkidle")


async def findings(page: Page) -> Any:
    """What axe finds with all of its rules; it is a script, which the page itself lets nobody run."""
    found = await Axe().run(page)
    assert "color-contrast" in {one["id"] for one in found.response["passes"]}, "it has looked"
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
async def test_it_is_readable_by_everybody_everywhere(
    live: Live, addresses: dict[str, str], chromium: Browser, state: str, width: str, scheme: Any
):
    across, down = WIDTHS[width]
    context = await chromium.new_context(
        viewport={"width": across, "height": down}, color_scheme=scheme, bypass_csp=True
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    await opened(live, page, state, addresses[state])
    assert [one for one in complaints if "404" not in one and "429" not in one] == []
    headings = page.get_by_role("heading")
    assert (await headings.count(), await headings.inner_text()) == (1, STATES[state])
    assert await page.title() == f"{STATES[state]} · Evalium"
    assert await page.evaluate("document.documentElement.lang") == "en-GB"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if folder := os.environ.get("EVALIUM_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{state}-{width}-{scheme}.png", full_page=True)
    assert await findings(page) == []
    await context.close()


async def test_it_is_whole_without_a_script_and_asks_no_other_house(
    live: Live, addresses: dict[str, str], chromium: Browser
):
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await opened(live, page, "active", addresses["active"])
    assert await page.get_by_role("term").all_inner_texts() == [
        "Programme",
        "Issued by",
        "Issued to",
        "Issued on",
        "Valid through",
    ]
    assert all(url.startswith(live.base) for url in asked)
    ground = await page.locator("h1").evaluate("one => getComputedStyle(one).backgroundColor")
    assert ground != "rgba(0, 0, 0, 0)", "the style is let in by the policy"


async def test_names_as_long_as_they_may_be_stay_on_a_telephone(chromium: Browser):
    page = await (await chromium.new_context(viewport={"width": 360, "height": 740})).new_page()
    day = date(2026, 11, 26)
    for sign in ("W", "\u738b", "wi "):
        long = (sign * 200)[:200]
        await page.set_content(verified_page(Verified(long, long, long, day, None, None, CertificateState.ACTIVE)))
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), sign
        assert await page.get_by_text("No end").is_visible()
