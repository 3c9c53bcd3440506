"""The doors of signing in: JSON for programs, pages for browsers; each runs the stored document of its name.

A browser is known by a cookie of its own, the nonce, which goes to /auth alone. Programs send the nonce themselves.
Tokens are given to programs in the body; to a form the refresh token is given as a cookie that no script can read,
and the front end trades it for an access token at /auth/refresh.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server import rest, sign_ins_pages
from server.forms import NONCE, PAGE_HEADERS, Doors, careful, cookie_of, form_or_json, page, set_cookie
from server.graphql_operation import Authenticate, Operations
from server.rest import Door, Outcome
from services.sign_ins import SIGN_IN_LIFE

BROWSER: Final = "evalium_browser"
REFRESH: Final = "evalium_refresh"
AFTER_SIGN_IN: Final = "/"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-]{1,200}")
_YEAR: Final = 365 * 86_400
LOGIN: Final = Door("/auth/login", "Identity/SignInRequest", "signInRequest", frozenset({"email", "tenant", "nonce"}))
VERIFY: Final = Door(
    "/auth/verify", "Identity/SignInRedeem", "signInRedeem", frozenset({"token", "code", "nonce", "orgUnitId"})
)
REFRESHED: Final = Door(
    "/auth/refresh", "Identity/SignInRefresh", "signInRefresh", frozenset({"refreshToken", "nonce"})
)
LOGOUT: Final = Door("/auth/logout", "Identity/SignOut", "signOut", frozenset({"refreshToken"}))


def routes(operations: Operations, authenticate: Authenticate) -> list[Route]:
    """Return the routes of /auth/login, /auth/verify, /auth/refresh and /auth/logout."""
    doors = Doors(operations, authenticate)
    return [
        Route("/auth/login", _ask_page, methods=["GET"]),
        Route("/auth/login", careful(doors, _login), methods=["POST"]),
        Route("/auth/verify", _verify_page, methods=["GET"]),
        Route("/auth/verify", careful(doors, _verify), methods=["POST"]),
        Route("/auth/refresh", careful(doors, _refresh), methods=["POST"]),
        Route("/auth/logout", careful(doors, _logout), methods=["POST"]),
    ]


def _ask_page(_request: Request) -> Response:
    return page(sign_ins_pages.ask_page())


def _verify_page(request: Request) -> Response:
    """Show the button of a link, or the form for a code. It reads and changes nothing at all."""
    token = request.query_params.get("token", "")
    if not token:
        return page(sign_ins_pages.code_page())
    if not _TOKEN.fullmatch(token):
        return page(sign_ins_pages.refused_page("This is not a whole link.", "Open it from the mail again."), 400)
    return page(sign_ins_pages.button_page(token))


async def _login(doors: Doors, request: Request) -> Response:
    """Ask for a link; the browser is given its nonce, the same one as long as it has one."""
    is_form, given = await form_or_json(LOGIN, request)
    nonce = str(given.get("nonce") or cookie_of(request, BROWSER, NONCE) or secrets.token_urlsafe(32))
    outcome = await doors.run(LOGIN, request, {**given, "nonce": nonce})
    if not is_form:
        response = rest.shown(outcome)
    elif outcome.is_done:
        response = page(sign_ins_pages.mailed_page())
    else:
        response = page(sign_ins_pages.ask_page(outcome.message), outcome.status, outcome.headers)
    if NONCE.fullmatch(nonce):
        set_cookie(response, request, BROWSER, nonce, _YEAR, path="/auth")
    return response


async def _verify(doors: Doors, request: Request) -> Response:
    """Redeem a link or a code."""
    is_form, given = await form_or_json(VERIFY, request)
    nonce = given.get("nonce") or cookie_of(request, BROWSER, NONCE)
    outcome = await doors.run(VERIFY, request, {**given, **({"nonce": nonce} if nonce else {})})
    if not is_form:
        return rest.shown(outcome)
    if outcome.is_done:
        response = RedirectResponse(AFTER_SIGN_IN, 303, PAGE_HEADERS)
        _set_refresh(response, request, outcome.payload)
        return response
    return _explained(outcome, given)


def _explained(outcome: Outcome, given: Mapping[str, Any]) -> Response:
    """Return the page for a form that was refused."""
    problem = outcome.problem
    proof = ("token", str(given["token"])) if "token" in given else ("code", str(given.get("code", "")))
    match problem.get("code"):
        case "SIGN_IN_ELSEWHERE":
            return page(sign_ins_pages.elsewhere_page(problem["signInCode"]))
        case "ORG_UNIT_REQUIRED":
            choices = [(choice["id"], choice["name"]) for choice in problem["choices"]]
            return page(sign_ins_pages.choose_page(proof, choices))
        case "SIGN_IN_CODE_WRONG":
            return page(sign_ins_pages.code_page(f"{outcome.message} {outcome.hint}"), outcome.status)
        case _:
            shown = sign_ins_pages.refused_page(outcome.message, outcome.hint)
            return page(shown, outcome.status, outcome.headers)


async def _refresh(doors: Doors, request: Request) -> Response:
    """Renew tokens: the refresh token of the body goes back in the body, that of the cookie in the cookie."""
    given = await rest.given(REFRESHED, request)
    cookie = None if "refreshToken" in given else cookie_of(request, REFRESH, _TOKEN)
    if cookie is not None:
        given["refreshToken"] = cookie
        given.setdefault("nonce", cookie_of(request, BROWSER, NONCE))
    given.setdefault("refreshToken", "")
    outcome = await doors.run(REFRESHED, request, given)
    if cookie is None:
        return rest.shown(outcome)
    response = rest.shown(outcome.without("refreshToken"))
    if outcome.is_done:
        _set_refresh(response, request, outcome.payload)
    elif outcome.status in (400, 401):
        set_cookie(response, request, REFRESH, "", 0, path="/auth")
    return response


async def _logout(doors: Doors, request: Request) -> Response:
    """End the sign-in of the body's refresh token, of the cookie's, or of the access token."""
    given = await rest.given(LOGOUT, request)
    cookie = None if "refreshToken" in given else cookie_of(request, REFRESH, _TOKEN)
    outcome = await doors.run(LOGOUT, request, {**given, **({"refreshToken": cookie} if cookie else {})})
    response = rest.shown(outcome)
    if cookie is not None:
        set_cookie(response, request, REFRESH, "", 0, path="/auth")
    return response


def _set_refresh(response: Response, request: Request, payload: Mapping[str, Any]) -> None:
    kept = int(SIGN_IN_LIFE.total_seconds())
    set_cookie(response, request, REFRESH, payload["tokens"]["refreshToken"], kept, path="/auth")
