"""What the doors for browsers have in common: pages that need no script, forms, and cookies that no script can read."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server import rest
from server.graphql_operation import Authenticate, Operations
from server.graphql_request import refused
from server.limits import HttpRefusal, read_body
from server.rest import Door, Outcome
from server.sign_ins_pages import STYLE_SOURCE
from services.refusals import BadUserInput

FORM: Final = "application/x-www-form-urlencoded"
NONCE: Final = re.compile(r"[A-Za-z0-9_\-]{22,128}")
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """What every door needs: the operations behind it, and who shows which token."""

    operations: Operations
    authenticate: Authenticate

    async def run(self, door: Door, request: Request, given: dict[str, Any]) -> Outcome:
        """Run the document behind a door with these members as its input."""
        return await rest.perform(door, self.operations, self.authenticate, request, given)


def careful(
    doors: Doors, act: Callable[[Doors, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Refuse what another site had a browser send, and answer what never became an operation."""

    async def answer(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            refusal = BadUserInput("Another site sent this.", hint="Do it on our own page.")
            return refused(HttpRefusal(403, refusal))
        try:
            return await act(doors, request)
        except HttpRefusal as refusal:
            return refused(refusal)

    return answer


def page(html: str, status: int = 200, more: Mapping[str, str] | None = None, *, leads_to: str = "") -> Response:
    """Answer with a page; its forms go to us, and from there at most to the origin of `leads_to`."""
    targets = f"'self' {leads_to}".rstrip()
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action {targets}; frame-ancestors 'none'; img-src 'self'; "
        f"style-src '{STYLE_SOURCE}'"
    )
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, **(more or {})}
    return HTMLResponse(html, status_code=status, headers=headers)


async def form_or_json(door: Door, request: Request) -> tuple[bool, dict[str, Any]]:
    """Return whether the body is a form, and its members."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        return False, await rest.given(door, request)
    return True, await form(door, request)


async def form(door: Door, request: Request) -> dict[str, Any]:
    """Read the members of a form; a nonce never comes by form, it stands in the browser's cookie."""
    headers = Headers(scope=request.scope)
    try:
        pairs = parse_qsl((await read_body(headers, request.receive)).decode(), max_num_fields=10)
    except ValueError as error:
        raise HttpRefusal(400, BadUserInput("The form cannot be read.")) from error
    return {name: value for name, value in pairs if name in door.members - {"nonce"} and "\x00" not in value}


def cookie_of(request: Request, name: str, form: re.Pattern[str]) -> str | None:
    """Return a cookie, if it has the form that it was given."""
    value = request.cookies.get(name)
    return value if value is not None and form.fullmatch(value) else None


def set_cookie(
    response: Response, request: Request, name: str, value: str, seconds: int, *, path: str, strict: bool = True
) -> None:
    """Set a cookie that no script can read and that goes to `path` alone.

    One that is strict comes with requests of our own pages only; another one also when a link leads here, as from a
    mail.
    """
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        httponly=True,
        samesite="strict" if strict else "lax",
        secure=request.url.scheme == "https",
    )
