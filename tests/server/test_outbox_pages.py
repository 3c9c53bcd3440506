"""The outbox: every mail can be opened, nothing in one can run, and nobody else sees it."""

import re
from uuid import uuid4

import httpx2 as httpx
import pytest
from starlette.applications import Starlette

from mail.outbox import Outbox
from mail.post import Letter, Sender
from server import mailing, outbox_pages
from server.settings import Settings


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox", Sender("exams@example.org"))


def client(outbox, address="127.0.0.1"):
    app = Starlette(routes=outbox_pages.routes(outbox))
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://evalium.test")


async def put(outbox, **more):
    given = {
        "id": uuid4(),
        "email": "ada@example.org",
        "name": "Ada",
        "subject": "Hello",
        "text": "t",
        "html": "<p>t</p>",
    }
    letter = Letter(**(given | more))
    await outbox.deliver(letter)
    return letter


async def test_every_mail_can_be_opened_as_html_and_as_text(outbox):
    letter = await put(outbox, text="Start: https://x.example/#secret\n", html="<p>Start</p>")
    async with client(outbox) as http:
        listed = await http.get("/dev/outbox")
        page = await http.get(f"/dev/outbox/{letter.id}")
        html = await http.get(f"/dev/outbox/{letter.id}/html")
        text = await http.get(f"/dev/outbox/{letter.id}/text")
        assert (await http.get(f"/dev/outbox/{uuid4()}")).status_code == 404
        assert (await http.post("/dev/outbox")).status_code == 405
    assert f'href="/dev/outbox/{letter.id}"' in listed.text
    assert "https://x.example/#secret" in page.text
    assert (html.text, text.text) == (letter.html, letter.text)
    assert text.headers["content-type"].startswith("text/plain")
    for answer in (listed, page, html, text):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for answer in (listed, page):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    policy = html.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert re.search(r'<iframe [^>]*sandbox="allow-popups', page.text)


async def test_a_hostile_mail_stays_words_on_the_page(outbox):
    hostile = "<script>alert(1)</script>"
    letter = await put(outbox, subject=hostile, name=hostile, text=hostile)
    async with client(outbox) as http:
        for path in ("/dev/outbox", f"/dev/outbox/{letter.id}"):
            assert "<script" not in (await http.get(path)).text


async def test_it_is_for_this_machine_alone(outbox):
    letter = await put(outbox)
    paths = ["/dev/outbox", *(f"/dev/outbox/{letter.id}{tail}" for tail in ("", "/html", "/text"))]
    async with client(outbox, "192.0.2.7") as http:
        assert {(await http.get(path)).status_code for path in paths} == {403}
    async with client(outbox) as http:
        forwarded = {"x-forwarded-for": "192.0.2.7"}
        assert {(await http.get(path, headers=forwarded)).status_code for path in paths} == {403}
        assert (await http.get(f"/dev/outbox/{uuid4()}", headers=forwarded)).status_code == 403


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, True),
        ({"EVALIUM_HOST": "::1"}, True),
        ({"EVALIUM_HOST": "0.0.0.0"}, False),  # noqa: S104 - asked, not bound
        ({"EVALIUM_OUTBOX_PAGE": False}, False),
        ({"EVALIUM_SMTP_HOST": "mail.example.org"}, False),
    ],
)
def test_it_is_absent_in_production(given, shown):
    assert mailing.shows_outbox(Settings(**given)) is shown
