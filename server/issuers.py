"""What the public reads of a tenant that issues credentials: its profile, its keys, what it revoked, what it certifies.

The tenant stands in the address, since credentials name these addresses. Whatever is not there answers 404 alike: an
id that is none, an unknown tenant, and one that has signed nothing.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.context import House
from server.downloads import NOT_MODIFIED
from server.graphql_request import refused, unavailable
from server.limits import HttpRefusal
from server.publishing import ANYWHERE, as_written
from services import certificates_credential, credential_keys, issuers, open_badges
from services.open_badges import ISSUERS, Issuer
from services.refusals import NotFound
from services.viewer import Viewer
from services.work import Work

_MINUTE: Final = 60
_DAY: Final = 86_400
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Document:
    """What is read, and for how many seconds whoever reads it may keep it without asking again."""

    body: bytes
    media_type: str
    kept: int

    @classmethod
    def of(cls, content: dict[str, Any], kept: int, media_type: str = "application/json") -> "Document":
        """Return JSON as a document."""
        return cls(orjson.dumps(content), media_type, kept)


Read = Callable[[Work, Issuer, str], Awaitable[Document | None]]


def routes(house: House) -> list[Route]:
    """Return the routes of an issuer's documents; they are read without a token, and by pages of any origin."""
    doors: dict[str, Read] = {
        "": _profile,
        "/jwks.json": _keys,
        "/keys/{name}": _key,
        "/revocations": _revocations,
        "/achievements/{name}": _achievement,
    }
    return [Route(f"{ISSUERS}/{{tenant}}{path}", _door(house, read), methods=["GET"]) for path, read in doors.items()]


async def _profile(_work: Work, issuer: Issuer, _name: str) -> Document | None:
    return Document.of({"@context": [open_badges.CONTEXT[1]], **open_badges.profile(issuer)}, 5 * _MINUTE)


async def _keys(work: Work, issuer: Issuer, _name: str) -> Document | None:
    keys = open_badges.key_set(issuer, await credential_keys.published(work))
    return Document.of(keys, 5 * _MINUTE, "application/jwk-set+json")


async def _key(work: Work, issuer: Issuer, name: str) -> Document | None:
    known = await credential_keys.published(work, [name]) if _THUMBPRINT.fullmatch(name) else {}
    found = known.get(name)
    if found is None:
        return None
    return Document.of(open_badges.public_key(issuer, name, found), _DAY, "application/jwk+json")


async def _revocations(work: Work, issuer: Issuer, _name: str) -> Document | None:
    return Document.of(open_badges.revocation_list(issuer, await certificates_credential.revoked(work)), _MINUTE)


async def _achievement(work: Work, issuer: Issuer, name: str) -> Document | None:
    version_id = as_written(name)
    found = None if version_id is None else await certificates_credential.achievement(work, version_id)
    if found is None:
        return None
    return Document.of({"@context": [open_badges.CONTEXT[1]], **open_badges.achievement(issuer, found)}, _DAY)


def _door(house: House, read: Read) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        tenant_id = as_written(request.path_params["tenant"])
        try:
            found = None if tenant_id is None else await _read(house, tenant_id, read, request)
        except Exception as error:  # noqa: BLE001 - our own failure, told as such and logged
            return unavailable(error)
        if found is None:
            refusal = NotFound("document of an issuer", request.url.path[:200])
            return refused(HttpRefusal(404, refusal, {"cache-control": "no-store", **ANYWHERE}))
        return _sent(request, found)

    return answer


async def _read(house: House, tenant_id: UUID, read: Read, request: Request) -> Document | None:
    """Read as Evalium itself, in the tenant that the address names: the one place where no token decides the tenant."""
    async with house.office.snapshot(Viewer.system(tenant_id)) as work:
        issuer = await issuers.issuer(work, house.site)
        return None if issuer is None else await read(work, issuer, request.path_params.get("name", ""))


def _sent(request: Request, found: Document) -> Response:
    tag = f'"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={found.kept}", **ANYWHERE}
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, NOT_MODIFIED, headers)
    return Response(found.body, headers=headers, media_type=found.media_type)
