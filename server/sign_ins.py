"""The doors of signing in: JSON for programs, pages for browsers; each runs the stored document of its name.

A browser is known by a cookie of its own, the nonce, which goes to /auth alone. Programs send the nonce themselves.
Tokens are given to programs in the body; to a form the refresh token is given as a cookie that no script can read,
and the front end trades it for an access token at /auth/refresh.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from server import rest, sign_ins_pages
from server.graphql_operation import Authenticate, Operations
from server.graphql_request import refused
from server.limits import HttpRefusal, read_body
from server.rest import Door, Outcome
from services.refusals import BadUserInput
from services.sign_ins import SIGN_IN_LIFE

BROWSER: Final = "evalium_browser"
REFRESH: Final = "evalium_refresh"
FORM: Final = "application/x-www-form-urlencoded"
AFTER_SIGN_IN: Final = "/"
_NONCE: Final = re.compile(r"[A-Za-z0-9_\-]{22,128}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-]{1,200}")
_YEAR: Final = 365 * 86_400
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self'; "
    f"style-src '{sign_ins_pages.STYLE_SOURCE}'"
)
_PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LOGIN: Final = Door("/auth/login", "Identity/SignInRequest", "signInRequest", frozenset({"email", "tenant", "nonce"}))
VERIFY: Final = Door(
    "/auth/verify", "Identity/SignInRedeem", "signInRedeem", frozenset({"token", "code", "nonce", "orgUnitId"})
)
REFRESHED: Final = Door(
    "/auth/refresh", "Identity/SignInRefresh", "signInRefresh", frozenset({"refreshToken", "nonce"})
)
LOGOUT: Final = Door("/auth/logout", "Identity/SignOut", "signOut", frozenset({"refreshToken"}))


@dataclass(frozen=True, slots=True)
class _Doors:
    """What every door needs: the operations behind it, and who shows which token."""

    operations: Operations
    authenticate: Authenticate

    async def run(self, door: Door, request: Request, given: dict[str, Any]) -> Outcome:
        return await rest.perform(door, self.operations, self.authenticate, request, given)


def routes(operations: Operations, authenticate: Authenticate) -> list[Route]:
    """Return the routes of /auth/login, /auth/verify, /auth/refresh and /auth/logout."""
    doors = _Doors(operations, authenticate)
    return [
        Route("/auth/login", _ask_page, methods=["GET"]),
        Route("/auth/login", _careful(doors, _login), methods=["POST"]),
        Route("/auth/verify", _verify_page, methods=["GET"]),
        Route("/auth/verify", _careful(doors, _verify), methods=["POST"]),
        Route("/auth/refresh", _careful(doors, _refresh), methods=["POST"]),
        Route("/auth/logout", _careful(doors, _logout), methods=["POST"]),
    ]


def _careful(
    doors: _Doors, act: Callable[[_Doors, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Refuse what another site had a browser send, and answer what never became an operation."""

    async def answer(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            refusal = BadUserInput("Another site sent this.", hint="Sign in on our own page.")
            return refused(HttpRefusal(403, refusal))
        try:
            return await act(doors, request)
        except HttpRefusal as refusal:
            return refused(refusal)

    return answer


def _ask_page(_request: Request) -> Response:
    return _page(sign_ins_pages.ask_page())


def _verify_page(request: Request) -> Response:
    """Show the button of a link, or the form for a code. It reads and changes nothing at all."""
    token = request.query_params.get("token", "")
    if not token:
        return _page(sign_ins_pages.code_page())
    if not _TOKEN.fullmatch(token):
        return _page(sign_ins_pages.refused_page("This is not a whole link.", "Open it from the mail again."), 400)
    return _page(sign_ins_pages.button_page(token))


async def _login(doors: _Doors, request: Request) -> Response:
    """Ask for a link; the browser is given its nonce, the same one as long as it has one."""
    is_form, given = await _given(LOGIN, request)
    nonce = str(given.get("nonce") or _cookie(request, BROWSER, _NONCE) or secrets.token_urlsafe(32))
    outcome = await doors.run(LOGIN, request, {**given, "nonce": nonce})
    if not is_form:
        response = rest.shown(outcome)
    elif outcome.is_done:
        response = _page(sign_ins_pages.mailed_page())
    else:
        response = _page(sign_ins_pages.ask_page(outcome.message), outcome.status, outcome.headers)
    if _NONCE.fullmatch(nonce):
        _set(response, request, BROWSER, nonce, _YEAR)
    return response


async def _verify(doors: _Doors, request: Request) -> Response:
    """Redeem a link or a code."""
    is_form, given = await _given(VERIFY, request)
    nonce = given.get("nonce") or _cookie(request, BROWSER, _NONCE)
    outcome = await doors.run(VERIFY, request, {**given, **({"nonce": nonce} if nonce else {})})
    if not is_form:
        return rest.shown(outcome)
    if outcome.is_done:
        response = RedirectResponse(AFTER_SIGN_IN, 303, {k: v for k, v in _PAGE_HEADERS.items() if k[0] in "CR"})
        _set_refresh(response, request, outcome.payload)
        return response
    return _explained(outcome, given)


def _explained(outcome: Outcome, given: Mapping[str, Any]) -> Response:
    """Return the page for a form that was refused."""
    problem = outcome.problem
    proof = ("token", str(given["token"])) if "token" in given else ("code", str(given.get("code", "")))
    match problem.get("code"):
        case "SIGN_IN_ELSEWHERE":
            return _page(sign_ins_pages.elsewhere_page(problem["signInCode"]))
        case "ORG_UNIT_REQUIRED":
            choices = [(choice["id"], choice["name"]) for choice in problem["choices"]]
            return _page(sign_ins_pages.choose_page(proof, choices))
        case "SIGN_IN_CODE_WRONG":
            return _page(sign_ins_pages.code_page(f"{outcome.message} {outcome.hint}"), outcome.status)
        case _:
            page = sign_ins_pages.refused_page(outcome.message, outcome.hint)
            return _page(page, outcome.status, outcome.headers)


async def _refresh(doors: _Doors, request: Request) -> Response:
    """Renew tokens: the refresh token of the body goes back in the body, that of the cookie in the cookie."""
    given = await rest.given(REFRESHED, request)
    cookie = None if "refreshToken" in given else _cookie(request, REFRESH, _TOKEN)
    if cookie is not None:
        given["refreshToken"] = cookie
        given.setdefault("nonce", _cookie(request, BROWSER, _NONCE))
    given.setdefault("refreshToken", "")
    outcome = await doors.run(REFRESHED, request, given)
    if cookie is None:
        return rest.shown(outcome)
    response = rest.shown(outcome.without("refreshToken"))
    if outcome.is_done:
        _set_refresh(response, request, outcome.payload)
    elif outcome.status in (400, 401):
        _set(response, request, REFRESH, "", 0)
    return response


async def _logout(doors: _Doors, request: Request) -> Response:
    """End the sign-in of the body's refresh token, of the cookie's, or of the access token."""
    given = await rest.given(LOGOUT, request)
    cookie = None if "refreshToken" in given else _cookie(request, REFRESH, _TOKEN)
    outcome = await doors.run(LOGOUT, request, {**given, **({"refreshToken": cookie} if cookie else {})})
    response = rest.shown(outcome)
    if cookie is not None:
        _set(response, request, REFRESH, "", 0)
    return response


async def _given(door: Door, request: Request) -> tuple[bool, dict[str, Any]]:
    """Return whether the body is a form, and its members."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        return False, await rest.given(door, request)
    headers = Headers(scope=request.scope)
    try:
        pairs = parse_qsl((await read_body(headers, request.receive)).decode(), max_num_fields=10)
    except ValueError as error:
        raise HttpRefusal(400, BadUserInput("The form cannot be read.")) from error
    return True, {name: value for name, value in pairs if name in door.members - {"nonce"} and "\x00" not in value}


def _cookie(request: Request, name: str, form: re.Pattern[str]) -> str | None:
    value = request.cookies.get(name)
    return value if value is not None and form.fullmatch(value) else None


def _set_refresh(response: Response, request: Request, payload: Mapping[str, Any]) -> None:
    _set(response, request, REFRESH, payload["tokens"]["refreshToken"], int(SIGN_IN_LIFE.total_seconds()))


def _set(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    """Set a cookie that no script can read, that no other site can have sent, and that goes to /auth alone."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/auth",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _page(html: str, status: int = 200, more: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(html, status_code=status, headers={**_PAGE_HEADERS, **(more or {})})
