"""Signing in by a mailed link: asked for, answered by mail, listed and ended (domain.md section 3).

Whoever asks learns nothing about the address: the request does the same work for every one of them, and a job finds
out whom it belongs to and mails a link to the address that is stored, if there is one.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.base import uuid7
from models.identity import OrgUnit, Tenant, User, UserOrgUnit, UserRole, UserStatus
from models.sign_ins import BearerKind, MagicLink, SignIn, SignInEnd, SignInRequest
from realtime import topics
from services import bearers, idempotency, jobs, messages
from services.attempts import Limit
from services.bearers import hashed
from services.idempotency import Request
from services.identity import normal_email
from services.paging import Order, Page, PageRequest, paged
from services.refusals import IdempotencyMismatch, InvalidInput, NotFound
from services.viewer import Viewer
from services.work import Office, Work

LINK_LIFE: Final = timedelta(minutes=15)
SIGN_IN_LIFE: Final = timedelta(days=30)
ACCESS_LIFE: Final = timedelta(minutes=10)
LONGEST_CLIENT: Final = 200

PER_ADDRESS: Final = (Limit(10, 60), Limit(30, 3600))
"""How many links one address may ask for in a minute and in an hour."""

MAIL: Final = "sign_ins.mail"
CODES: Final = "sign-in-codes"
"""The purpose of the secret that codes follow from."""

_MOST_DELAY: Final = 1.0
_NONCE: Final = re.compile(r"[A-Za-z0-9_\-]{22,128}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a link, as hashes alone: of the address, and of the nonce of the browser that asks."""

    id: UUID
    address: str
    tenant: str | None
    nonce: str

    def payload(self) -> dict[str, Any]:
        """Return the request as the payload of a job."""
        return {"request": str(self.id), "address": self.address, "tenant": self.tenant, "nonce": self.nonce}

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Asked":
        """Read the payload of a job."""
        return cls(UUID(payload["request"]), payload["address"], payload["tenant"], payload["nonce"])


def asked(email: str, tenant: str | None, nonce: str) -> Asked:
    """Read a request; refuse what cannot be an address, and a nonce that is too short to be a secret."""
    slug = None if tenant is None else tenant.strip().casefold() or None
    return Asked(uuid7(), hashed(normal_email(email)), slug, hashed_nonce(nonce))


def hashed_nonce(nonce: str) -> str:
    """Return the hash under which a browser's nonce is kept; refuse one of another form."""
    if not _NONCE.fullmatch(nonce):
        raise InvalidInput(
            "The nonce must be 22 to 128 letters, digits, '-' and '_'.",
            path=["nonce"],
            hint="Make 32 random bytes once per browser, in base64url, and send the same ones with each step.",
        )
    return hashed(nonce)


def code_of(secret: bytes, token_hash: str) -> str:
    """Return the six digits that stand for a link in the browser that asked for it; the same at each call."""
    digest = hmac.digest(secret, token_hash.encode(), hashlib.sha256)
    return f"{int.from_bytes(digest[:8]) % 1_000_000:06d}"


async def request(work: Work, asked: Asked, key: Request | None) -> None:
    """Have the mail sent by a job, a moment later, whoever the address belongs to; once for each idempotency key."""
    if key is not None:
        row = {
            "key_hash": _key_hash(asked, key),
            "fingerprint": key.fingerprint,
            "expires_at": func.evalium_now() + idempotency.KEPT,
        }
        added = insert(SignInRequest).values(row).on_conflict_do_nothing().returning(SignInRequest.key_hash)
        if not await work.rows(added):
            return
    delay = timedelta(seconds=secrets.randbelow(1000) / 1000 * _MOST_DELAY)
    await jobs.enqueue_bare(work, MAIL, asked.payload(), after=delay)


async def is_repeated(work: Work, asked: Asked, key: Request | None) -> bool:
    """Tell whether a request came before under this key; the same key with another input is refused.

    Keys belong to the nonce of the browser: two browsers never meet in one.
    """
    if key is None:
        return False
    wanted = select(SignInRequest).where(SignInRequest.key_hash == _key_hash(asked, key))
    known = (await work.session.scalars(wanted)).one_or_none()
    if known is not None and known.fingerprint != key.fingerprint:
        raise IdempotencyMismatch(
            f"The idempotency key {key.key!r} was used before with another input.", path=["idempotencyKey"]
        )
    return known is not None


def _key_hash(asked: Asked, key: Request) -> str:
    return hashed(f"{asked.nonce}/{key.key}")


async def answer(office: Office, asked: Asked, base: str, secret: bytes) -> int:
    """Mail a link for each account that the address has and that may sign in; return how many.

    `base` is our own address. Answering a request again, as a job may be run again, mails nothing twice.
    """
    sent = 0
    for found in await bearers.find(office, BearerKind.ADDRESS, asked.address):

        async def mail(work: Work, user_id: UUID = found.subject_id) -> int:
            return await _mail(work, user_id, asked, base, secret)

        sent += await office.perform(Viewer.system(found.tenant_id, name="sign-in"), mail)
    return sent


async def _mail(work: Work, user_id: UUID, asked: Asked, base: str, secret: bytes) -> int:
    user = await work.session.get(User, (work.viewer.tenant_id, user_id))
    tenant = (await work.session.scalars(select(Tenant))).one()
    if user is None or hashed(user.email) != asked.address or asked.tenant not in (None, tenant.slug):
        return 0
    if user.status in {UserStatus.SUSPENDED, UserStatus.MERGED} or not await units_of(work, user_id):
        return 0
    link_id = uuid5(asked.id, str(user_id))
    if await work.session.get(MagicLink, (work.viewer.tenant_id, link_id)) is not None:
        return 0
    token = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    token_hash = hashed(token)
    link = MagicLink(
        id=link_id,
        user_id=user_id,
        token_hash=token_hash,
        nonce_hash=asked.nonce,
        expires_at=await work.now() + LINK_LIFE,
    )
    work.session.add(link)
    bearers.enter(work, BearerKind.LINK, token_hash, link.id)
    bearers.enter(work, BearerKind.BROWSER, asked.nonce, link.id)
    await messages.send(
        work,
        "magic_link",
        messages.Recipient(user.email, user.display_name),
        {
            "person_name": user.display_name,
            "tenant_name": tenant.name,
            "link": f"{base}/auth/verify?token={token}",
            "code": code_of(secret, token_hash),
            "expires_in": "15 minutes",
        },
        subject=("user", user_id),
    )
    return 1


async def units_of(work: Work, user_id: UUID) -> list[tuple[UUID, str]]:
    """Return the org units in which a person works, id and name, by name."""
    mine = select(OrgUnit.id, OrgUnit.name).join(UserOrgUnit, UserOrgUnit.org_unit_id == OrgUnit.id)
    rows = await work.rows(mine.where(UserOrgUnit.user_id == user_id).order_by(OrgUnit.name, OrgUnit.id))
    return [(row.id, row.name) for row in rows]


async def roles_of(work: Work, user_id: UUID, org_unit_id: UUID) -> list[str]:
    """Return the ids of the roles that a person holds in an org unit, as the hint that an access token carries."""
    held = select(UserRole.role_id).where(
        UserRole.user_id == user_id,
        (UserRole.org_unit_id == org_unit_id) | UserRole.org_unit_id.is_(None),
        (UserRole.expires_at > func.evalium_now()) | UserRole.expires_at.is_(None),
    )
    return sorted({str(row.role_id) for row in await work.rows(held)})


def _is_live() -> ColumnElement[bool]:
    return SignIn.ended_at.is_(None) & (SignIn.expires_at > func.evalium_now())


async def end(work: Work, wanted: ColumnElement[bool], why: SignInEnd, *, reason: str | None = None) -> list[UUID]:
    """End the live sign-ins of `wanted` at once, in every process, and return their ids."""
    ended = (
        update(SignIn)
        .where(wanted, _is_live())
        .values(ended_at=func.evalium_now(), end_reason=why)
        .returning(SignIn.id, SignIn.user_id)
    )
    rows = await work.rows(ended.execution_options(synchronize_session=False))
    for row in rows:
        act = "refresh.reused" if why is SignInEnd.REUSED else "signed_out"
        work.record(act, ("user", row.user_id), reason=reason, after={"sign_in_id": str(row.id), "why": why.value})
    if rows and work.viewer.tenant_id is not None:
        work.touch(topics.rights(work.viewer.tenant_id))
    return [row.id for row in rows]


async def end_all_of(work: Work, user_id: UUID, why: SignInEnd = SignInEnd.SUSPENDED) -> list[UUID]:
    """End every sign-in of a person, as when they are suspended; links that wait in their mail end with them."""
    unused = (MagicLink.user_id == user_id) & MagicLink.used_at.is_(None)
    await work.session.execute(update(MagicLink).where(unused).values(expires_at=func.evalium_now()))
    return await end(work, SignIn.user_id == user_id, why)


async def end_own(work: Work, sign_in_id: UUID) -> dict[str, Any]:
    """End one of the viewer's own sign-ins; one that is over already is left as it is."""
    mine = (SignIn.id == sign_in_id) & (SignIn.user_id == work.viewer.user_id)
    if not (await work.session.execute(select(SignIn.id).where(mine))).first():
        raise NotFound("sign-in", sign_in_id)
    await end(work, mine, SignInEnd.ENDED_BY_OWNER)
    return {"sign_in": str(sign_in_id)}


async def mine(work: Work, page: PageRequest) -> Page[SignIn]:
    """List where the viewer is signed in now, the newest first."""
    wanted = select(SignIn).where(SignIn.user_id == work.viewer.user_id, _is_live())
    return await paged(work, wanted, [Order(SignIn.id, descending=True)], page)


async def by_id(work: Work, ids: Sequence[UUID]) -> dict[UUID, SignIn]:
    """Return the sign-ins with these ids, those that exist."""
    found = await work.session.scalars(select(SignIn).where(SignIn.id.in_(ids)))
    return {row.id: row for row in found}


def is_over(row: SignIn, now: datetime) -> bool:
    """Tell whether a sign-in no longer counts."""
    return row.ended_at is not None or row.expires_at <= now
