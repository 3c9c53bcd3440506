"""What a browser finds: the landing page, GraphiQL, its assets and the schema for download.

Everything is served from this origin; the pages carry the tightest policy they can run under. GraphiQL is built by
`make web` into web/dist; without it the API is whole and /graphiql names the command.
"""

import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from server.web_pages import FAVICON, LANDING_STYLE_SOURCE, landing_page, not_built_page

ROOT: Final = Path(__file__).resolve().parent.parent
WHEEL_ASSETS: Final = Path(__file__).resolve().parent / "assets"

_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOCKED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE_POLICY: Final = f"{_LOCKED}; img-src 'self'; style-src '{LANDING_STYLE_SOURCE}'"
# Monaco, GraphiQL's editor, writes style elements of its own: 'unsafe-inline' for styles is unavoidable on this page.
_GRAPHIQL_POLICY: Final = (
    f"{_LOCKED}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'"
)
_ASSET_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".ttf": "font/ttf", ".svg": "image/svg+xml"}
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


def find_dist() -> Path:
    """Find the built pages: web/dist of a checkout, server/assets/web of an installed wheel."""
    packed = WHEEL_ASSETS / "web"
    return packed if packed.is_dir() else ROOT / "web" / "dist"


def find_sdl() -> Path:
    """Find the printed schema: graphql/schema.graphql of a checkout, its copy in an installed wheel."""
    packed = WHEEL_ASSETS / "graphql" / "schema.graphql"
    return packed if packed.is_file() else ROOT / "graphql" / "schema.graphql"


def routes(dist: Path | None = None, sdl: Path | None = None) -> list[BaseRoute]:
    """Make the routes `/`, `/graphiql`, `/schema.graphql`, `/favicon.svg` and `/assets/*`: GET and HEAD, no token.

    `dist` is looked at on each request, so that `make web` takes effect while the server runs.
    """
    folder = dist or find_dist()
    schema = sdl or find_sdl()

    def landing(_: Request) -> Response:
        return _page(landing_page(), _PAGE_POLICY)

    def graphiql(_: Request) -> Response:
        entry = folder / "graphiql.html"
        if not entry.is_file():
            return _page(not_built_page(), _PAGE_POLICY, status=503)
        return _page(entry.read_text(encoding="utf-8"), _GRAPHIQL_POLICY)

    def schema_file(_: Request) -> Response:
        headers = {**_SECURITY, "Cache-Control": "no-cache", "Content-Security-Policy": _LOCKED}
        return FileResponse(schema, media_type="text/plain; charset=utf-8", headers=headers)

    def favicon(_: Request) -> Response:
        headers = {**_SECURITY, "Cache-Control": "public, max-age=86400", "Content-Security-Policy": _LOCKED}
        return Response(FAVICON, media_type="image/svg+xml", headers=headers)

    def asset(request: Request) -> Response:
        return _asset(folder / "assets", request.path_params["name"], request.headers.get("accept-encoding", ""))

    return [
        Route("/", landing),
        Route("/graphiql", graphiql),
        Route("/schema.graphql", schema_file),
        Route("/favicon.svg", favicon),
        Route("/assets/{name}", asset),
    ]


def _page(html: str, policy: str, status: int = 200) -> Response:
    headers = {**_SECURITY, "Cache-Control": "no-store", "Content-Security-Policy": policy}
    return HTMLResponse(html, status_code=status, headers=headers)


def _asset(folder: Path, name: str, accepted: str) -> Response:
    """One hashed file; its name changes with its content, so a browser may keep it for a year."""
    path = folder / name
    media_type = _MEDIA_TYPES.get(path.suffix)
    if not _ASSET_NAME.fullmatch(name) or media_type is None or not path.is_file():
        return PlainTextResponse("No such asset.\n", status_code=404, headers=_SECURITY)
    headers = {
        **_SECURITY,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": _worker_policy(name),
        "Vary": "Accept-Encoding",
    }
    for encoding, suffix in _ENCODINGS:
        packed = path.with_name(path.name + suffix)
        if _accepts(accepted, encoding) and packed.is_file():
            headers["Content-Encoding"] = encoding
            return FileResponse(packed, media_type=media_type, headers=headers)
    return FileResponse(path, media_type=media_type, headers=headers)


def _worker_policy(name: str) -> str:
    """Limit a worker, which runs under the policy of its own script and not of the page, to imports from here."""
    return f"{_LOCKED}; script-src 'self'" if ".worker-" in name else _LOCKED


def _accepts(header: str, encoding: str) -> bool:
    """Whether an Accept-Encoding header (RFC 9110, 12.5.3) names an encoding with a weight above zero."""
    for part in header.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == encoding:
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False
