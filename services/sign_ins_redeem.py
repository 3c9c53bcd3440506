"""Redeeming a link: once, in the browser that asked for it, for a family of tokens (docs/decisions)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update

from models.base import uuid7
from models.identity import User, UserStatus
from models.sign_ins import BearerKind, MagicLink, RefreshToken, SignIn
from realtime import topics
from services import bearers, sign_ins
from services.attempts import Limit
from services.bearers import hashed
from services.idempotency import Answer
from services.refusals import NotFound, Refusal, Unauthenticated
from services.tokens import Tokens, TokenType
from services.viewer import Via, Viewer
from services.work import Office, Work

CODES_PER_BROWSER: Final = Limit(5, 900)
"""How many codes a browser may try while a link lives."""

CODES_PER_ACCOUNT: Final = Limit(20, 86_400)
"""How many wrong codes a day an account takes before none is looked at any more; links go on to work."""

NOBODY: Final = UUID(int=0)

_NAMED: Final = 64
"""Bytes of a refresh token before its mark: 32 of its own, its tenant's and its sign-in's id."""


class SignInLinkUsed(Refusal):
    """The sign-in link was used before; it works once."""

    code = "SIGN_IN_LINK_USED"
    hint = "Ask for a new link."


class SignInLinkExpired(Refusal):
    """The sign-in link's 15 minutes are over, or it was withdrawn."""

    code = "SIGN_IN_LINK_EXPIRED"
    hint = "Ask for a new link, and open it within 15 minutes."


class SignInNotAllowed(Refusal):
    """The account is suspended, or works in no org unit any more."""

    code = "SIGN_IN_NOT_ALLOWED"
    hint = "Ask an administrator of your organisation."


class SignInElsewhere(Refusal):
    """The link was opened in another browser than the one that asked for it; the code signs in there."""

    code = "SIGN_IN_ELSEWHERE"
    hint = "Type the six digits in the browser in which you asked for the link, and tell them to nobody."

    def __init__(self, digits: str) -> None:
        super().__init__(f"You asked for this link in another browser. There, type the code {digits}.")
        self.digits = digits


class SignInCodeWrong(Refusal):
    """The code is not that of the newest link which this browser asked for, or that link has expired or was used."""

    code = "SIGN_IN_CODE_WRONG"
    hint = "Read the code again in the newest mail; after five wrong ones, ask for a new link 15 minutes later."


class OrgUnitRequired(Refusal):
    """The person works in several org units and has to say in which one to sign in; nothing was used up."""

    code = "ORG_UNIT_REQUIRED"
    hint = "Send the same again with the 'orgUnitId' of one of the choices."

    def __init__(self, choices: Sequence[tuple[UUID, str]]) -> None:
        names = ", ".join(name for _, name in choices)
        super().__init__(f"You work in several org units: {names}.", path=["orgUnitId"])
        self.choices = tuple(choices)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was found by its token or its code, and whose it is."""

    tenant_id: UUID
    link_id: UUID
    user_id: UUID
    name: str
    by_code: bool

    @property
    def person(self) -> Viewer:
        """Whoever signs in: the person, in the tenant of the link."""
        return Viewer(
            via=Via.ACCESS, tenant_id=self.tenant_id, user_id=self.user_id, name=self.name, token_id=str(self.link_id)
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """The two tokens of a sign-in, and until when each is good."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


async def by_token(office: Office, token: str) -> Link:
    """Find the link with a token; refuse one that was never mailed."""
    for found in await bearers.find(office, BearerKind.LINK, hashed(token)):
        async with office.snapshot(Viewer.system(found.tenant_id)) as work:
            row = (await work.session.execute(_whose().where(MagicLink.id == found.subject_id))).one_or_none()
        if row is not None:
            return Link(found.tenant_id, row.MagicLink.id, row.user_id, row.display_name, by_code=False)
    raise Unauthenticated("This is not a sign-in link of ours.", path=["token"], hint="Open the whole link.")


async def by_code(office: Office, secret: bytes, nonce_hash: str, digits: str) -> tuple[Link | None, list[Link]]:
    """Find the link that a browser asked for and that a code stands for, and all links it might have been.

    Only the newest link of each account counts. The same statements run for a browser whose address has no account.
    """
    found = await bearers.find(office, BearerKind.BROWSER, nonce_hash)
    newest: list[tuple[Link, str]] = []
    for tenant_id in sorted({one.tenant_id for one in found}) or [NOBODY]:
        ids = [one.subject_id for one in found if one.tenant_id == tenant_id]
        async with office.snapshot(Viewer.system(tenant_id)) as work:
            mine = _whose().where(MagicLink.id.in_(ids or [NOBODY])).order_by(MagicLink.created_at.desc()).limit(1)
            newest += [
                (
                    Link(tenant_id, row.MagicLink.id, row.user_id, row.display_name, by_code=True),
                    row.MagicLink.token_hash,
                )
                for row in (await work.session.execute(mine)).all()
            ]
    right = [
        link for link, token_hash in newest if hmac.compare_digest(sign_ins.code_of(secret, token_hash), digits.strip())
    ]
    return (right[0] if right else None), [link for link, _ in newest]


def _whose() -> Any:
    return select(MagicLink, User.id.label("user_id"), User.display_name).join(User, User.id == MagicLink.user_id)


async def redeem(
    work: Work, link: Link, *, secret: bytes, nonce: str | None, org_unit_id: UUID | None, client: str
) -> Answer:
    """Burn a link and begin a sign-in; refused unless it is the asking browser's, alive, and its person may sign in."""
    row, user = await _locked(work, link)
    now = await work.now()
    if row.used_at is not None:
        raise SignInLinkUsed("This link was used before.")
    if row.expires_at <= now:
        raise SignInLinkExpired("The 15 minutes of this link are over.")
    if user.status in {UserStatus.SUSPENDED, UserStatus.MERGED}:
        raise SignInNotAllowed("This account is suspended.")
    if nonce is None or not hmac.compare_digest(row.nonce_hash, hashed(nonce)):
        raise SignInElsewhere(sign_ins.code_of(secret, row.token_hash))
    unit = _chosen(await sign_ins.units_of(work, user.id), org_unit_id)
    burnt = (
        update(MagicLink)
        .where(MagicLink.id == link.link_id, MagicLink.used_at.is_(None))
        .values(used_at=func.evalium_now())
        .returning(MagicLink.id)
        .execution_options(synchronize_session=False)
    )
    if not await work.rows(burnt):
        raise SignInLinkUsed("This link was used before.")
    if user.status == UserStatus.INVITED:
        user.status = UserStatus.ACTIVE
        work.record(
            "user.activated",
            ("user", user.id),
            before={"status": UserStatus.INVITED},
            after={"status": UserStatus.ACTIVE},
        )
        work.touch(topics.rights(link.tenant_id))
    return await _begin(work, link, unit, row.nonce_hash, client, now)


async def _locked(work: Work, link: Link) -> tuple[MagicLink, User]:
    """Read link and person as they are now, and keep the person from being suspended meanwhile."""
    wanted = (
        select(MagicLink, User)
        .join(User, User.id == MagicLink.user_id)
        .where(MagicLink.id == link.link_id)
        .with_for_update(read=True, of=[User])
    )
    row = (await work.session.execute(wanted)).one_or_none()
    if row is None:
        raise SignInLinkExpired("This link is no longer known.")
    return row.MagicLink, row.User


def _chosen(units: Sequence[tuple[UUID, str]], wanted: UUID | None) -> UUID:
    if not units:
        raise SignInNotAllowed("You work in no org unit.")
    if wanted is not None:
        if wanted not in {unit for unit, _ in units}:
            raise NotFound("org unit of yours", wanted, path=["orgUnitId"])
        return wanted
    if len(units) > 1:
        raise OrgUnitRequired(units)
    return units[0][0]


async def _begin(work: Work, link: Link, unit: UUID, nonce_hash: str, client: str, now: datetime) -> Answer:
    sign_in = SignIn(
        id=uuid7(),
        user_id=link.user_id,
        org_unit_id=unit,
        nonce_hash=nonce_hash,
        client="".join(sign for sign in client if sign.isprintable())[: sign_ins.LONGEST_CLIENT],
        seen_at=now,
        expires_at=now + sign_ins.SIGN_IN_LIFE,
    )
    work.session.add(sign_in)
    await work.session.flush()
    work.record(
        "signed_in",
        ("user", link.user_id),
        after={"sign_in_id": str(sign_in.id), "org_unit_id": str(unit), "by": "code" if link.by_code else "link"},
    )
    return await standing(work, sign_in, uuid7(), now)


async def standing(work: Work, sign_in: SignIn, refresh_id: UUID, at: datetime) -> Answer:
    """Return all that the tokens of a sign-in follow from, besides secrets: they can be made again from it."""
    return {
        "tenant": str(sign_in.tenant_id),
        "sign_in": str(sign_in.id),
        "user": str(sign_in.user_id),
        "org_unit": str(sign_in.org_unit_id),
        "refresh": str(refresh_id),
        "roles": await sign_ins.roles_of(work, sign_in.user_id, sign_in.org_unit_id),
        "at": at.isoformat(),
        "ends": sign_in.expires_at.isoformat(),
    }


def refresh_secret(secret: bytes, answer: Answer, shown: str) -> str:
    """Return a refresh token: it follows from our secret and from what was shown for it, and cannot be guessed.

    A lost answer can therefore be given again without any token being kept. The token also names its tenant and its
    sign-in, under a mark of ours, so that it is known for what it is after its row was removed.
    """
    refresh_id = UUID(answer["refresh"])
    own = hmac.digest(secret, refresh_id.bytes + shown.encode(), hashlib.sha256)
    named = own + UUID(answer["tenant"]).bytes + UUID(answer["sign_in"]).bytes
    return base64.urlsafe_b64encode(named + _mark(secret, named)).decode().rstrip("=")


def family_of(secret: bytes, token: str) -> tuple[UUID, UUID] | None:
    """Return the tenant and the sign-in of a refresh token that we made; None for anything else."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    named, mark = raw[:_NAMED], raw[_NAMED:]
    if len(named) != _NAMED or not hmac.compare_digest(mark, _mark(secret, named)):
        return None
    return UUID(bytes=named[32:48]), UUID(bytes=named[48:])


def _mark(secret: bytes, named: bytes) -> bytes:
    return hmac.digest(secret, b"family/" + named, hashlib.sha256)[:16]


async def keep(work: Work, answer: Answer, token: str) -> None:
    """Keep the hash of the refresh token of a standing."""
    refresh_id = UUID(answer["refresh"])
    token_hash = hashed(token)
    work.session.add(RefreshToken(id=refresh_id, sign_in_id=UUID(answer["sign_in"]), token_hash=token_hash))
    bearers.enter(work, BearerKind.REFRESH, token_hash, refresh_id)
    await work.session.flush()


def issue(tokens: Tokens, tenant_id: UUID, answer: Answer, name: str, refresh_token: str) -> Issued:
    """Sign the access token of a standing; the same standing gives the same token."""
    at, ends = datetime.fromisoformat(answer["at"]), datetime.fromisoformat(answer["ends"])
    until = min(at + sign_ins.ACCESS_LIFE, ends)
    access = tokens.mint(
        TokenType.ACCESS,
        UUID(answer["user"]),
        tenant_id,
        org_unit_id=UUID(answer["org_unit"]),
        now=at,
        expires_at=until,
        token_id=UUID(answer["refresh"]),
        role_ids=tuple(UUID(role) for role in answer["roles"]),
        sign_in_id=UUID(answer["sign_in"]),
        name=name,
    )
    return Issued(access, until, refresh_token, ends)
