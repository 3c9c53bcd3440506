"""People who sign in, for the trials of signing in: made by the services themselves, beside the running processes."""

import contextlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx2
import orjson
from sqlalchemy import select

from bench.chaos_site import Site
from models.messages import Message
from realtime.hub import Hub
from server import database
from server.settings import Settings, signing_key
from services import demonstration, identity, sign_ins
from services.tokens import Tokens
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office, Work


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff, and the nonce of the browser that they use."""

    tenant_id: UUID
    user_id: UUID
    email: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Desk:
    """An office of this very process: a change that is made here is made in another process than those that serve."""

    office: Office
    tokens: Tokens

    async def hire(self, role: str) -> Person:
        """Give a new person a role."""
        like = await demonstration.persona(self.office, "demo", role)
        email = f"{uuid4().hex}@example.org"

        async def add(work: Work) -> UUID:
            return await identity.add_staff(
                work,
                email=email,
                display_name="Sam Signer",
                org_unit_id=like.org_unit_id,
                role_id=like.role_ids[0],
                reason="trial",
            )

        user_id = await self.office.perform(Viewer.system(like.tenant_id), add)
        return Person(like.tenant_id, user_id, email, secrets.token_urlsafe(32))

    async def link(self, person: Person) -> str:
        """Have a link mailed to a person, and return its token as the mail carries it."""
        asked = sign_ins.asked(person.email, None, person.nonce)
        await sign_ins.answer(self.office, asked, "http://mail", self.tokens.secret_for(sign_ins.CODES))
        async with self.office.snapshot(Viewer.system(person.tenant_id)) as work:
            newest = select(Message).where(Message.email == person.email).order_by(Message.id.desc()).limit(1)
            message = (await work.session.scalars(newest)).one()
            if message.sealed is None:
                raise RuntimeError("The mail was sent already; the trial needs processes that do no background jobs.")
            variables: dict[str, str] = orjson.loads(work.vault.open(person.tenant_id, message.id, message.sealed))
        return parse_qs(urlsplit(variables["link"]).query)["token"][0]

    async def sign_in(self, http: httpx2.AsyncClient, base: str, person: Person) -> dict[str, Any]:
        """Sign a person in over HTTP and return both tokens."""
        given = {"token": await self.link(person), "nonce": person.nonce}
        answer = (await http.post(f"{base}/auth/verify", json=given)).raise_for_status().json()
        return answer["tokens"]


@contextlib.asynccontextmanager
async def desk(site: Site) -> AsyncGenerator[Desk, None]:
    """Open a desk at a site, with a doorbell of its own."""
    address = database.address_in(site.cluster, database.DATABASE)
    tokens = Tokens(signing_key(Settings.model_validate({"EVALIUM_DATA": site.folder})))
    hub = Hub.over(address.app_dsn)
    await hub.start()
    office = Office(address.app, ring=hub.ring, pool_size=4, vault=Vault.of(tokens))
    try:
        yield Desk(office, tokens)
    finally:
        await office.close()
        await hub.stop()
