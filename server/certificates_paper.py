"""`GET /api/v1/certificates/{id}/pdf` and `…/badge.png`: a certificate to print, and as a picture to show."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paper.certificates import Form
from resolvers import certificates_paper
from resolvers.certificates_paper import Printed
from schema.errors import formatted
from server.evidence import disposition
from server.graphql_operation import Authenticate, GraphQLRequest, MakeContext
from server.graphql_request import address_of, identify, refused, unavailable
from server.limits import HttpRefusal
from server.rest import STATUS, UNPROCESSABLE
from services.refusals import Forbidden, NotFound, Refusal

PATHS: Final = {
    Form.PDF: "/api/v1/certificates/{id}/pdf",
    Form.PNG: "/api/v1/certificates/{id}/badge.png",
}
_MEDIA_TYPES: Final = {Form.PDF: "application/pdf", Form.PNG: "image/png"}
_FIELDS: Final = {Form.PDF: "certificatePdf", Form.PNG: "certificateBadge"}
_NOT_MODIFIED: Final = 304


def routes(make_context: MakeContext, authenticate: Authenticate) -> list[Route]:
    """Return the routes of the downloads."""
    return [Route(path, _download(form, make_context, authenticate), methods=["GET"]) for form, path in PATHS.items()]


def _download(form: Form, make_context: MakeContext, authenticate: Authenticate) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            certificate_id = UUID(request.path_params["id"])
            principal = await identify(request.headers, authenticate)
        except ValueError:
            return refused(HttpRefusal(404, NotFound("Certificate", request.path_params["id"][:60])))
        except HttpRefusal as refusal:
            return refused(refusal)
        context: Any = make_context(principal, GraphQLRequest(query="", address=address_of(request.scope)))
        try:
            known = request.headers.get("if-none-match", "")
            printed = await certificates_paper.printed(context, certificate_id, form, known)
        except Refusal as refusal:
            if isinstance(refusal, Forbidden):
                context.denied(refusal.capability, _FIELDS[form])
            return _told(refusal)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        finally:
            await context.aclose()
        return _sent(certificate_id, form, printed)

    return answer


def _told(refusal: Refusal) -> Response:
    body = orjson.dumps({"errors": [formatted(refusal)]})
    status = STATUS.get(refusal.code, UNPROCESSABLE)
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")


def _sent(certificate_id: UUID, form: Form, printed: Printed) -> Response:
    headers = {
        "etag": f'"{printed.tag}"',
        "cache-control": "private, no-cache",
        "content-disposition": disposition(f"certificate-{certificate_id}.{form}"),
        "content-type": _MEDIA_TYPES[form],
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }
    if printed.content is None:
        return Response(None, _NOT_MODIFIED, headers)
    return Response(printed.content, headers=headers)
