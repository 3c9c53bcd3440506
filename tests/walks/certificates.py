"""Certificates as their readers have them: by address, in every state."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from schema.nodes import local_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import Persona
from tests.walks import programmes
from tests.walks.conftest import Live


async def certified(live: Live, programme: str) -> dict[str, Any]:
    """Somebody passes; returns the certificate as staff see it."""
    enrolment = await programmes.certify(live, programme)
    return await shown(live, enrolment["certificate"]["id"])


async def shown(live: Live, certificate: str) -> dict[str, Any]:
    return (await live.ask("Certificate", {"id": certificate}, role="admin"))["certificate"]


async def get(live: Live, url: str, token: str | None = None, **headers: str) -> httpx2.Response:
    """Fetch an address of the site, from the port of the test's own server."""
    site = live.service.house.site
    assert url.startswith((site, "/"))
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    sent = {name.replace("_", "-"): one for name, one in headers.items()}
    return await live.http.get(live.base + url.removeprefix(site), headers=sent)


async def holder(live: Live, certificate: dict[str, Any]) -> str:
    """An access token of whoever a certificate was issued to, for an org unit of somebody else."""
    house, who = live.service.house, await demonstration.persona(live.service.house.office, "demo", "admin")
    user_id = local_id("User", certificate["user"]["id"])
    persona = Persona(who.tenant_id, uuid4(), user_id, "Holder", ())
    return access_token(house.tokens, persona, datetime.now(UTC))


@contextmanager
def later(live: Live, **ahead: int) -> Iterator[None]:
    """Let the clock of the service be ahead for the length of the block."""
    office = live.service.house.office
    office._shift = timedelta(**ahead)
    try:
        yield
    finally:
        office._shift = timedelta(0)
