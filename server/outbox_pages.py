"""`GET /dev/outbox`: the mails that this machine has kept, for whoever tries Evalium without a mail server.

Mails hold sign-in links, so the pages are there for this machine alone and never through a proxy. A mail's HTML is
shown in a frame that can run nothing, load nothing and is of no origin.
"""

from html import escape
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mail.outbox import Kept, Outbox
from server.metrics import is_this_machine
from server.web_pages import LANDING_STYLE_SOURCE, page

_POLICY: Final = (
    f"default-src 'none'; style-src '{LANDING_STYLE_SOURCE}'; frame-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


def routes(outbox: Outbox) -> list[Route]:
    """Return the list, one mail's page, and its two contents."""

    async def listed(request: Request) -> Response:
        return _refused(request) or _page("Outbox", _list(outbox))

    async def one(request: Request) -> Response:
        kept = _found(outbox, request)
        if (refused := _refused(request)) is not None:
            return refused
        return _missing() if kept is None else _page(kept.letter.subject, _mail(kept))

    async def html(request: Request) -> Response:
        kept = _found(outbox, request)
        if (refused := _refused(request)) is not None:
            return refused
        if kept is None:
            return _missing()
        return HTMLResponse(kept.letter.html, headers={**_HEADERS, "content-security-policy": _MAIL_POLICY})

    async def text(request: Request) -> Response:
        kept = _found(outbox, request)
        if (refused := _refused(request)) is not None:
            return refused
        return _missing() if kept is None else PlainTextResponse(kept.letter.text, headers=_HEADERS)

    return [
        Route("/dev/outbox", listed, methods=["GET"]),
        Route("/dev/outbox/{message:uuid}", one, methods=["GET"]),
        Route("/dev/outbox/{message:uuid}/html", html, methods=["GET"]),
        Route("/dev/outbox/{message:uuid}/text", text, methods=["GET"]),
    ]


def _found(outbox: Outbox, request: Request) -> Kept | None:
    message: UUID = request.path_params["message"]
    return outbox.one(message)


def _refused(request: Request) -> Response | None:
    if is_this_machine(request):
        return None
    return PlainTextResponse("Not for you: see EVALIUM_OUTBOX_PAGE in docs/settings.md.\n", 403, headers=_HEADERS)


def _missing() -> Response:
    return PlainTextResponse("No such mail; the newest thousand are kept.\n", 404, headers=_HEADERS)


def _page(title: str, body: str) -> Response:
    return HTMLResponse(page(escape(title), body), headers={**_HEADERS, "content-security-policy": _POLICY})


def _list(outbox: Outbox) -> str:
    rows = "".join(
        f'<dt>{kept.at:%Y-%m-%d %H:%M:%S}</dt><dd><a href="/dev/outbox/{kept.letter.id}">{escape(kept.letter.subject)}'
        f"</a><br>{escape(kept.letter.name)} &lt;{escape(kept.letter.email)}&gt;</dd>"
        for kept in outbox.listed()
    )
    lead = "Mails that would have been sent, newest first. No mail server is configured."
    return f'<h1>Outbox</h1><p class="lead">{lead}</p>' + (f"<dl>{rows}</dl>" if rows else "<p>No mail yet.</p>")


def _mail(kept: Kept) -> str:
    letter = kept.letter
    return (
        f"<h1>{escape(letter.subject)}</h1>"
        f'<p class="lead">To {escape(letter.name)} &lt;{escape(letter.email)}&gt;, {kept.at:%Y-%m-%d %H:%M:%S} UTC</p>'
        f'<iframe class="mail" title="The mail as HTML" src="/dev/outbox/{letter.id}/html" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        f"<h2>As plain text</h2><pre>{escape(letter.text)}</pre>"
        f'<p><a href="/dev/outbox/{letter.id}/text">Plain text alone</a> · <a href="/dev/outbox">All mails</a></p>'
    )
