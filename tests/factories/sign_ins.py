"""Links as the mail carries them: asked for through the API, answered by the job, opened from the sealed message."""

import base64
import re
import secrets
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import orjson
from sqlalchemy import select

from models.identity import OrgUnit, UserOrgUnit
from models.messages import Message
from models.sign_ins import BearerKind
from services import bearers, demonstration, identity, sign_ins
from services.viewer import Viewer
from tests.walks.conftest import Live

BASE = "https://evalium.example"


def new_nonce() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class Person:
    """Somebody who can sign in, in one or more org units of a demonstration tenant."""

    tenant_id: UUID
    user_id: UUID
    email: str
    units: list[UUID]
    nonce: str = field(default_factory=new_nonce)


async def person(live: Live, role: str = "proctor", *, units: int = 1, tenant: str = "demo") -> Person:
    """Add a member of staff with one role."""
    like = await demonstration.persona(live.service.house.office, tenant, role)
    email = f"{uuid4().hex}@example.org"

    async def add(work):
        user_id = await identity.add_staff(
            work,
            email=email,
            display_name="Sam Signer",
            org_unit_id=like.org_unit_id,
            role_id=like.role_ids[0],
            reason="test",
        )
        more = [OrgUnit(id=uuid4(), name=f"Unit {uuid4().hex[:8]}") for _ in range(units - 1)]
        work.session.add_all(more)
        await work.session.flush()
        work.session.add_all(UserOrgUnit(user_id=user_id, org_unit_id=unit.id) for unit in more)
        return user_id, [like.org_unit_id, *(unit.id for unit in more)]

    user_id, ids = await live.service.house.office.perform(Viewer.system(like.tenant_id), add)
    return Person(like.tenant_id, user_id, email, ids)


async def mailed(live: Live, who: Person, *, nonce: str | None = None) -> tuple[str, str]:
    """Answer a request for a link as the job does; returns the token and the code that the mail carries."""
    house = live.service.house
    asked = sign_ins.asked(who.email, None, nonce or who.nonce)

    async def act(work):
        assert await sign_ins._mail(work, who.user_id, asked, BASE, house.tokens.secret_for(sign_ins.CODES)) == 1
        return await _read(work, who)

    return await house.office.perform(Viewer.system(who.tenant_id), act)


async def _read(work, who: Person) -> tuple[str, str]:
    """Open the newest mail to a person, before it is sent and its secrets are wiped."""
    wanted = select(Message).where(Message.email == who.email).order_by(Message.id.desc()).limit(1)
    message = (await work.session.scalars(wanted)).one()
    assert message.sealed is not None
    variables = orjson.loads(work.vault.open(who.tenant_id, message.id, message.sealed))
    token = re.fullmatch(re.escape(f"{BASE}/auth/verify?token=") + r"([A-Za-z0-9_-]{43})", variables["link"])
    assert token is not None
    return token[1], variables["code"]


async def signed_in(live: Live, who: Person) -> dict:
    """Sign a person in and return the payload."""
    token, _ = await mailed(live, who)
    return await live.do("SignInRedeem", {"token": token, "nonce": who.nonce})


async def accounts(live: Live, email: str) -> int:
    return len(await bearers.find(live.service.house.office, BearerKind.ADDRESS, bearers.hashed(email)))


def same_key(live: Live) -> dict[str, str]:
    """The setting by which another process trusts the tokens of this one."""
    return {"EVALIUM_SIGNING_KEY": base64.b64encode(live.service.house.tokens._key.private_bytes_raw()).decode()}
