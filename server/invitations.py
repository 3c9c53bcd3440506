"""Where the link of an invitation leads: a page with one button, which redeems and hands over to the front end.

Mail scanners open links, so GET and HEAD burn nothing. The button is there only when there is a front end to go on
in; without one the page says so, and the invitation stays unused.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server import invitations_pages, rest
from server.forms import NONCE, PAGE_HEADERS, Doors, careful, cookie_of, form, page, set_cookie
from server.graphql_operation import Authenticate, Operations

PATH: Final = "/invitation"
BROWSER: Final = "evalium_candidate"
"""The cookie by which a browser that redeemed gets its session again, when the answer was lost."""

(REDEEM,) = (door for door in rest.DOORS if door.field == "invitationRedeem")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+){2}")
_LONGEST: Final = 2000
_DAY: Final = 86_400


def routes(operations: Operations, authenticate: Authenticate, front_end: str | None) -> list[Route]:
    """Return the routes of /invitation; `front_end` is where candidates sit their assessments."""
    doors = Doors(operations, authenticate)

    def shown(request: Request) -> Response:
        return _shown(request, front_end)

    return [
        Route(PATH, shown, methods=["GET"]),
        Route(PATH, careful(doors, _redeemed(front_end)), methods=["POST"]),
    ]


def _shown(request: Request, front_end: str | None) -> Response:
    """Show the button. It reads and changes nothing, and gives the browser what it is known by later."""
    token = request.query_params.get("token", "")
    if not is_token(token):
        return page(invitations_pages.mangled_page(), 400)
    if front_end is None:
        return page(invitations_pages.nowhere_page())
    response = page(invitations_pages.button_page(token), leads_to=origin(front_end))
    if cookie_of(request, BROWSER, NONCE) is None:
        _remember(response, request, secrets.token_urlsafe(32))
    return response


def _redeemed(front_end: str | None) -> Callable[[Doors, Request], Awaitable[Response]]:
    async def answer(doors: Doors, request: Request) -> Response:
        """Redeem, and go on in the front end: the session's token stands behind the '#', which no server is sent."""
        given = await form(REDEEM, request)
        if front_end is None:
            return page(invitations_pages.nowhere_page(), 409)
        nonce = cookie_of(request, BROWSER, NONCE) or secrets.token_urlsafe(32)
        outcome = await doors.run(REDEEM, request, {"token": "", **given, "nonce": nonce})
        if not outcome.is_done:
            told = invitations_pages.refused_page(outcome.message, outcome.hint)
            return page(told, outcome.status, outcome.headers)
        response = RedirectResponse(f"{front_end}#{handed(outcome.payload)}", 303, PAGE_HEADERS)
        _remember(response, request, nonce)
        return response

    return answer


def handed(payload: dict[str, Any]) -> str:
    """Return what the front end is given."""
    return urlencode({"sessionToken": payload["sessionToken"], "expiresAt": payload["expiresAt"]})


def _remember(response: Response, request: Request, nonce: str) -> None:
    set_cookie(response, request, BROWSER, nonce, _DAY, path=PATH, strict=False)


def is_token(text: str) -> bool:
    """Tell whether a text has the form of a token."""
    return len(text) <= _LONGEST and _TOKEN.fullmatch(text) is not None


def origin(address: str) -> str:
    """Return the origin of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
