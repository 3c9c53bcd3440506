"""Where a public link leads: a form for name and address, which starts and hands over to the front end."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server import invitations_pages, public_links_pages
from server.forms import NONCE, PAGE_HEADERS, Doors, careful, cookie_of, form, page, set_cookie
from server.graphql_operation import Authenticate, Operations
from server.invitations import BROWSER, handed, is_token, origin
from server.rest import Door

PATH: Final = "/start"
START: Final = Door(
    PATH,
    "Assignments/PublicLinkRedeem",
    "publicLinkRedeem",
    frozenset({"token", "displayName", "email", "accessCode", "nonce"}),
)
_DAY: Final = 86_400


def routes(operations: Operations, authenticate: Authenticate, front_end: str | None) -> list[Route]:
    """Return the routes of /start; `front_end` is where candidates sit their assessments."""
    doors = Doors(operations, authenticate)

    def shown(request: Request) -> Response:
        return _shown(request, front_end)

    return [
        Route(PATH, shown, methods=["GET"]),
        Route(PATH, careful(doors, _started(front_end)), methods=["POST"]),
    ]


def _shown(request: Request, front_end: str | None) -> Response:
    """Show the form. It reads and changes nothing, and gives the browser what it is known by later."""
    token = request.query_params.get("token", "")
    if not is_token(token):
        return page(invitations_pages.mangled_page(), 400)
    if front_end is None:
        return page(invitations_pages.nowhere_page())
    response = page(public_links_pages.form_page(token), leads_to=origin(front_end))
    if cookie_of(request, BROWSER, NONCE) is None:
        _remember(response, request, secrets.token_urlsafe(32))
    return response


def _started(front_end: str | None) -> Callable[[Doors, Request], Awaitable[Response]]:
    async def answer(doors: Doors, request: Request) -> Response:
        """Start, and go on in the front end: the session's token stands behind the '#', which no server is sent."""
        given = await form(START, request)
        if front_end is None:
            return page(invitations_pages.nowhere_page(), 409)
        nonce = cookie_of(request, BROWSER, NONCE) or secrets.token_urlsafe(32)
        blank = {"token": "", "displayName": "", "email": ""}
        said = {name: value for name, value in given.items() if name != "accessCode" or value}
        outcome = await doors.run(START, request, {**blank, **said, "nonce": nonce})
        if not outcome.is_done:
            told = invitations_pages.refused_page(outcome.message, outcome.hint)
            return page(told, outcome.status, outcome.headers)
        response = RedirectResponse(f"{front_end}#{handed(outcome.payload)}", 303, PAGE_HEADERS)
        _remember(response, request, nonce)
        return response

    return answer


def _remember(response: Response, request: Request, nonce: str) -> None:
    set_cookie(response, request, BROWSER, nonce, _DAY, path=PATH, strict=False)
