"""Public links: made, shown and closed by staff, and used by whoever has one."""

from dataclasses import asdict
from uuid import UUID

from dataloaders import assignments as loaders
from dataloaders import sessions as session_loaders
from models.assignments import Assignment
from models.capabilities import Capability
from models.public_links import PublicLink
from resolvers.access import public, requires
from resolvers.assignments import Redeemed
from resolvers.context import Context
from services import assignments_redeem, invitations, public_links, public_links_redeem
from services.idempotency import Answer
from services.public_links import Wanted
from services.public_links_redeem import Visitor
from services.refusals import AccessCodeWrong, Unauthenticated
from services.work import Work


@requires(Capability.ASSIGNMENTS_ISSUE)
async def of_assignment(context: Context, assignment_id: UUID) -> list[PublicLink]:
    """Return the public links of an assignment."""
    return await context.loaders.of(loaders.public_links).load(assignment_id)


def address(context: Context, link: PublicLink) -> str:
    """Return the address to hand out, to whoever may see the link."""
    return public_links.address(context.house.site, context.house.tokens, link)


async def assignment(context: Context, link: PublicLink) -> Assignment | None:
    """Return the assignment of a link that the viewer may see."""
    return await context.loaders.of(loaders.by_id).load(link.assignment_id)


@requires(Capability.ASSIGNMENTS_ISSUE)
async def public_link_create(
    context: Context, assignment_id: UUID, wanted: Wanted, key: str | None
) -> PublicLink | None:
    """Make a public link to an active assignment."""
    secret = context.house.tokens.secret_for(public_links.CODES)

    async def act(work: Work) -> Answer:
        return await public_links.create(work, assignment_id, wanted, secret)

    given = {"assignment": str(assignment_id), **asdict(wanted)}
    answer = await context.write("publicLinkCreate", key, given, act)
    return await _link(context, UUID(answer["link"]))


@requires(Capability.ASSIGNMENTS_ISSUE)
async def public_link_close(context: Context, link_id: UUID, reason: str, key: str | None) -> PublicLink | None:
    """Close a public link."""

    async def act(work: Work) -> Answer:
        return await public_links.close(work, link_id, reason)

    answer = await context.write("publicLinkClose", key, {"id": str(link_id), "reason": reason}, act)
    return await _link(context, UUID(answer["link"]))


@public
async def public_link_redeem(context: Context, token: str, visitor: Visitor, key: str | None) -> Redeemed:
    """Turn a public link into a session of whoever has it; the token says in whose tenant and org unit.

    Ten wrong tokens a minute from one address, and ten wrong access codes for one link from one address, are told why
    they fail. What the rest of the operation reads, it reads as the candidate whose token is returned.
    """
    tokens, attempts = context.house.tokens, context.house.attempts
    try:
        claims = invitations.verify(tokens, token)
    except Unauthenticated:
        await attempts.failed("address", context.address)
        raise
    guesses = ("public-link", str(claims.subject), context.address)
    await attempts.check(*guesses)
    viewer = assignments_redeem.bearer(claims)
    secret = tokens.secret_for(public_links.CODES)

    async def act(work: Work) -> Answer:
        return await public_links_redeem.redeem(work, claims, visitor, secret)

    try:
        answer = await context.write("publicLinkRedeem", key, {"token": token, **asdict(visitor)}, act, viewer=viewer)
    except (Unauthenticated, AccessCodeWrong):
        await attempts.failed(*guesses)
        raise
    session_id = UUID(answer["session_id"])
    await context.become(assignments_redeem.candidate(claims, session_id))
    session = await context.loaders.of(session_loaders.by_id).load(session_id)
    if session is None:
        raise LookupError(f"session {session_id} cannot be read back")
    return Redeemed(session, *assignments_redeem.session_token(tokens, session))


async def _link(context: Context, link_id: UUID) -> PublicLink | None:
    return (await context.read(public_links.by_ids, [link_id])).get(link_id)
