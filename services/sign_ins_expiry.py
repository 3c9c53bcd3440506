"""What signing in leaves behind, removed some time after it is over; the ledger keeps what happened."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select

from models.sign_ins import Bearer, MagicLink, RefreshToken, SignIn, SignInRequest
from services.work import Work

KEPT: Final = timedelta(days=1)
"""How long a link or a sign-in is still known after its end, so that whoever comes late is told why it fails."""


USED_KEPT: Final = timedelta(days=1)
"""How long a used refresh token of a sign-in that goes on keeps its row. Later its mark tells that it was used."""


async def prune_requests(work: Work, *, limit: int = 1000) -> int:
    """Remove at most `limit` idempotency keys of requests for links that are no longer kept."""
    over = select(SignInRequest.key_hash).where(SignInRequest.expires_at < func.evalium_now()).limit(limit)
    removed = delete(SignInRequest).where(SignInRequest.key_hash.in_(over)).returning(SignInRequest.key_hash)
    return len(await work.rows(removed))


async def prune(work: Work, *, limit: int = 200) -> int:
    """Remove at most `limit` links, sign-ins and used refresh tokens each, with their entries in the directory."""
    links = select(MagicLink.id).where(MagicLink.expires_at < func.evalium_now() - KEPT).limit(limit)
    removed = await work.rows(delete(MagicLink).where(MagicLink.id.in_(links)).returning(MagicLink.id))
    gone = [row.id for row in removed]
    over = (
        select(SignIn.id).where(func.least(SignIn.expires_at, SignIn.ended_at) < func.evalium_now() - KEPT).limit(limit)
    )
    sign_ins = [row.id for row in await work.rows(over)]
    mine = RefreshToken.sign_in_id.in_(sign_ins)
    gone += [row.id for row in await work.rows(select(RefreshToken.id).where(mine))]
    await work.session.execute(delete(SignIn).where(SignIn.id.in_(sign_ins)))
    used = select(RefreshToken.id).where(RefreshToken.used_at < func.evalium_now() - USED_KEPT).limit(limit)
    spent = await work.rows(delete(RefreshToken).where(RefreshToken.id.in_(used)).returning(RefreshToken.id))
    gone += [row.id for row in spent]
    await work.session.execute(delete(Bearer).where(Bearer.subject_id.in_(gone)))
    return len(removed) + len(sign_ins) + len(spent)
