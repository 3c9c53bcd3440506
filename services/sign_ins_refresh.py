"""Refreshing a sign-in: each refresh token is used once, for its successor; one that comes again ends the family."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from models.base import uuid7
from models.identity import User, UserOrgUnit, UserStatus
from models.sign_ins import BearerKind, RefreshToken, SignIn, SignInEnd
from services import bearers, sign_ins, sign_ins_redeem
from services.bearers import hashed
from services.idempotency import Answer
from services.refusals import Unauthenticated
from services.viewer import Via, Viewer
from services.work import Office, Work

GRACE: Final = timedelta(seconds=30)
"""How long a used token gives its own successor again, to the same browser, in case the answer was lost."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A refresh token that was found, and whose it is. Without an id it was used so long ago that its row is gone."""

    tenant_id: UUID
    refresh_id: UUID | None
    sign_in_id: UUID
    user_id: UUID
    org_unit_id: UUID
    name: str

    @property
    def person(self) -> Viewer:
        """Whoever is signed in: the person, in the org unit of the sign-in."""
        return Viewer(
            via=Via.ACCESS,
            tenant_id=self.tenant_id,
            org_unit_id=self.org_unit_id,
            user_id=self.user_id,
            name=self.name,
            sign_in_id=self.sign_in_id,
        )


def unknown() -> Unauthenticated:
    """Refuse what is no refresh token of ours."""
    return Unauthenticated("This refresh token is not valid.", path=["refreshToken"], hint="Sign in again.")


async def find(office: Office, token: str, secret: bytes) -> Shown:
    """Find whose a refresh token is, also one that was used, however long ago; refuse one that never was."""
    for found in await bearers.find(office, BearerKind.REFRESH, hashed(token)):
        of_row = RefreshToken.id == found.subject_id
        if (shown := await _shown(office, found.tenant_id, found.subject_id, of_row)) is not None:
            return shown
    family = sign_ins_redeem.family_of(secret, token)
    if family is not None and (shown := await _shown(office, family[0], None, SignIn.id == family[1])) is not None:
        return shown
    raise unknown()


async def _shown(office: Office, tenant_id: UUID, refresh_id: UUID | None, wanted: ColumnElement[bool]) -> Shown | None:
    of_sign_in = RefreshToken.sign_in_id == SignIn.id
    mine = (
        select(SignIn.id, SignIn.user_id, SignIn.org_unit_id, User.display_name)
        .outerjoin(RefreshToken, of_sign_in)
        .join(User, User.id == SignIn.user_id)
        .where(wanted)
        .limit(1)
    )
    async with office.snapshot(Viewer.system(tenant_id)) as work:
        row = (await work.session.execute(mine)).one_or_none()
    if row is None:
        return None
    return Shown(tenant_id, refresh_id, row.id, row.user_id, row.org_unit_id, name=row.display_name)


async def refresh(work: Work, shown: Shown, token: str, nonce: str | None, secret: bytes) -> Answer:
    """Use a refresh token for its successor.

    An answer with `ended` says that the family is over: because its person may no longer sign in there, or because
    the token came a second time. Within the grace, the same browser gets the same successor instead, as long as
    nobody has used that one. The sign-in's row is locked first, so that twins come one after the other.
    """
    locked = select(SignIn).where(SignIn.id == shown.sign_in_id).with_for_update()
    sign_in = (await work.session.scalars(locked)).one()
    now = await work.now()
    if sign_ins.is_over(sign_in, now):
        return {"ended": sign_in.end_reason or "expired"}
    if (lost := await _lost(work, sign_in)) is not None:
        return await _end(work, sign_in, lost)
    wanted = select(RefreshToken).where(RefreshToken.id == shown.refresh_id)
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:  # used so long ago that it was removed
        return await _end(work, sign_in, SignInEnd.REUSED)
    if row.used_at is not None:
        return await _again(work, sign_in, row, nonce)
    sign_in.seen_at = now
    answer = await sign_ins_redeem.standing(work, sign_in, uuid7(), now)
    await sign_ins_redeem.keep(work, answer, successor(secret, answer, token))
    row.used_at, row.successor_id = now, UUID(answer["refresh"])
    return answer


def successor(secret: bytes, answer: Answer, token: str) -> str:
    """Return the refresh token that follows `token` in a standing."""
    return sign_ins_redeem.refresh_secret(secret, answer, token)


async def _lost(work: Work, sign_in: SignIn) -> SignInEnd | None:
    """Tell why the person may not go on, if they may not: suspended, or no longer in the org unit."""
    status = await work.session.scalar(select(User.status).where(User.id == sign_in.user_id))
    if status != UserStatus.ACTIVE:
        return SignInEnd.SUSPENDED
    member = select(UserOrgUnit.id).where(
        UserOrgUnit.user_id == sign_in.user_id, UserOrgUnit.org_unit_id == sign_in.org_unit_id
    )
    return None if (await work.session.execute(member)).first() else SignInEnd.ACCESS_LOST


async def _end(work: Work, sign_in: SignIn, why: SignInEnd) -> Answer:
    await sign_ins.end(work, SignIn.id == sign_in.id, why)
    return {"ended": why.value}


async def _again(work: Work, sign_in: SignIn, row: RefreshToken, nonce: str | None) -> Answer:
    """Answer a token that was used: its successor once more within the grace, or the end of the family."""
    next_one = (
        await work.session.execute(
            select(RefreshToken, (RefreshToken.created_at + GRACE > func.evalium_now()).label("is_recent")).where(
                RefreshToken.id == row.successor_id
            )
        )
    ).one_or_none()
    same_browser = nonce is not None and hmac.compare_digest(sign_in.nonce_hash, hashed(nonce))
    if next_one is None or not (same_browser and next_one.is_recent) or next_one.RefreshToken.used_at is not None:
        return await _end(work, sign_in, SignInEnd.REUSED)
    return await sign_ins_redeem.standing(work, sign_in, next_one.RefreshToken.id, row.used_at or await work.now())
