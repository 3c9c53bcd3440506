"""`GET /api/v1/certificates/{id}/pdf` and `…/badge.png`: a certificate to print, and as a picture to show."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paper.certificates import Form
from resolvers import certificates_paper
from resolvers.certificates_paper import Printed
from server.downloads import HEADERS, NOT_MODIFIED, download
from server.evidence import disposition
from server.graphql_operation import Authenticate, MakeContext

PATHS: Final = {
    Form.PDF: "/api/v1/certificates/{id}/pdf",
    Form.PNG: "/api/v1/certificates/{id}/badge.png",
}
_MEDIA_TYPES: Final = {Form.PDF: "application/pdf", Form.PNG: "image/png"}
_FIELDS: Final = {Form.PDF: "certificatePdf", Form.PNG: "certificateBadge"}


def routes(make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the routes of the downloads."""
    return [Route(path, _download(form, make_context, authenticate), methods=["GET"]) for form, path in PATHS.items()]


def _download(form: Form, make_context: MakeContext, authenticate: Authenticate) -> Callable[[Request], Any]:
    async def read(context: Any, request: Request, certificate_id: UUID) -> Printed:
        known = request.headers.get("if-none-match", "")
        return await certificates_paper.printed(context, certificate_id, form, known)

    def send(_context: Any, request: Request, printed: Printed) -> Response:
        headers = HEADERS | {
            "etag": f'"{printed.tag}"',
            "content-disposition": disposition(f"certificate-{UUID(request.path_params['id'])}.{form}"),
            "content-type": _MEDIA_TYPES[form],
        }
        if printed.content is None:
            return Response(None, NOT_MODIFIED, headers)
        return Response(printed.content, headers=headers)

    return download("Certificate", _FIELDS[form], make_context, authenticate, read, send)
