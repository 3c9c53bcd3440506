"""Assignments issued through the service, and invitations redeemed through it."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from models.assignments import AssignmentTarget, Invitation, TargetKind
from models.base import uuid7
from services import assignments_issue, assignments_redeem, invitations
from services.assignments_recipients import Recipient
from services.assignments_terms import Terms
from services.tokens import Tokens

TOKENS = Tokens(Ed25519PrivateKey.generate())
NONCE = "n" * 32


def by_email(*addresses: str) -> list[Recipient]:
    return [Recipient(TargetKind.EMAIL, address) for address in addresses]


def addresses(count: int) -> list[str]:
    mark = uuid7().hex[-12:]
    return [f"c{number:03}.{mark}@example.org" for number in range(count)]


async def issue(world, version, recipients=None, **terms):
    """Issue; returns the answer of the act."""
    given = by_email(*addresses(1)) if recipients is None else recipients

    async def act(work):
        return await assignments_issue.issue(work, Terms(evaluation_version_id=version.id, **terms), given)

    return await world.office.perform(world.system, act)


async def invitations_of(world, assignment_id) -> list[Invitation]:
    async with world.office.snapshot(world.system) as work:
        wanted = select(Invitation).where(Invitation.assignment_id == assignment_id).order_by(Invitation.id)
        return list(await work.session.scalars(wanted))


async def invite_again(world, invitation: Invitation, ordinals) -> list[Invitation]:
    """Further invitations of the same person to the same assignment."""
    made = [
        Invitation(
            id=uuid7(),
            assignment_id=invitation.assignment_id,
            user_id=invitation.user_id,
            ordinal=ordinal,
            jti=uuid7(),
            sent_at=invitation.sent_at,
            expires_at=invitation.expires_at,
        )
        for ordinal in ordinals
    ]

    async def act(work):
        work.session.add_all(made)
        await work.session.flush()
        for one in made:
            await work.session.refresh(one)

    await world.office.perform(world.system, act)
    return made


async def redeem(office, token: str, nonce: str = NONCE):
    """Redeem as the door does; returns the session's id."""
    claims = invitations.verify(TOKENS, token)

    async def act(work):
        return await assignments_redeem.redeem(work, claims, nonce)

    return (await office.perform(assignments_redeem.bearer(claims), act))["session_id"]


async def forget_target(world, invitation: Invitation) -> None:
    """Move the target to another person, as if the invited one were no longer addressed."""

    async def act(work):
        wanted = select(AssignmentTarget).where(
            AssignmentTarget.assignment_id == invitation.assignment_id,
            AssignmentTarget.user_id == invitation.user_id,
        )
        target = (await work.session.scalars(wanted)).one()
        target.user_id = (await world.staff("viewer")).user_id

    await world.office.perform(world.system, act)
