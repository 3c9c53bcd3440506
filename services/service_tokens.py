"""Service tokens: made by somebody who holds what they open, shown once, listed, revoked (domain.md section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update

from models.base import uuid7
from models.capabilities import Capability
from models.identity import OrgUnit
from models.service_tokens import ServiceToken
from realtime import topics
from services import identity, plain
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import InvalidInput, NotFound, StateDrift
from services.tokens import Tokens, TokenType
from services.work import Work

LONGEST_LIFE: Final = timedelta(days=366)
LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 500
MOST_OPERATIONS: Final = 200
USE_NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a new token shall be good for. Without `operations` it runs any; without an org unit it sees none's data."""

    name: str
    capabilities: Sequence[str]
    operations: Sequence[str] | None
    whole_tenant: bool
    expires_at: datetime


async def create(work: Work, scope: Scope, known_operations: frozenset[str]) -> Answer:
    """Make a service token; refuse capabilities that the creator does not hold, and a life of more than a year."""
    creator = work.viewer.user_id
    if creator is None:
        raise InvalidInput("A service token is made by a person, not by another token.", path=["name"])
    unit = None if scope.whole_tenant else work.viewer.org_unit_id
    name = _named(scope.name)
    now = await work.now()
    if not now < scope.expires_at <= now + LONGEST_LIFE:
        raise InvalidInput("A service token expires within a year from now.", path=["expiresAt"])
    held = (await identity.capabilities_of(work, [(creator, unit)]))[creator, unit]
    capabilities = _held(scope.capabilities, held)
    operations = None if scope.operations is None else _known(scope.operations, known_operations)
    token = ServiceToken(
        id=uuid7(),
        name=name,
        org_unit_id=unit,
        capabilities=capabilities,
        operations=operations,
        created_by=creator,
        created_at=now,
        expires_at=scope.expires_at.replace(microsecond=0),
    )
    work.session.add(token)
    await work.session.flush()
    told = {"name": name, "capabilities": capabilities, "operations": operations}
    told |= {"org_unit_id": None if unit is None else str(unit), "expires_at": token.expires_at.isoformat()}
    work.record("service_token.created", ("service_token", token.id), after=told)
    return {"token": str(token.id)}


def mint(tokens: Tokens, row: ServiceToken) -> str:
    """Return the signed token of a row; the API shows it in the answer that creates it and nowhere else."""
    return tokens.mint(
        TokenType.SERVICE,
        row.id,
        row.tenant_id,
        org_unit_id=row.org_unit_id,
        now=row.created_at,
        expires_at=row.expires_at,
        token_id=row.id,
        name=row.name,
    )


async def revoke(work: Work, token_id: UUID, reason: str) -> Answer:
    """Revoke a token at once, in every process; one that was revoked before is refused."""
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise InvalidInput(f"The reason needs 1 to {LONGEST_REASON} characters.", path=["reason"])
    row = (
        await work.session.scalars(
            select(ServiceToken).where(_seen(work), ServiceToken.id == token_id).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFound("service token", token_id)
    if row.revoked_at is not None:
        raise StateDrift(f"This token was revoked at {row.revoked_at.isoformat()}.", current_state="revoked")
    row.revoked_at, row.revoked_by, row.revoke_reason = await work.now(), work.viewer.actor_id, reason
    work.record("service_token.revoked", ("service_token", token_id), reason=reason, before={"name": row.name})
    work.touch(topics.rights(row.tenant_id))
    return {"token": str(token_id)}


async def listed(work: Work, page: PageRequest) -> Page[ServiceToken]:
    """List the tokens of the viewer's org unit and of the whole tenant, the newest first."""
    return await paged(work, select(ServiceToken).where(_seen(work)), [Order(ServiceToken.id, descending=True)], page)


async def by_id(work: Work, ids: Sequence[UUID]) -> dict[UUID, ServiceToken]:
    """Return the tokens with these ids, those that the viewer may see."""
    rows = await work.session.scalars(select(ServiceToken).where(_seen(work), ServiceToken.id.in_(ids)))
    return {row.id: row for row in rows}


async def units(work: Work, ids: Sequence[UUID]) -> dict[UUID, OrgUnit]:
    """Return the org units with these ids."""
    return {row.id: row for row in await plain.by(work, OrgUnit, "id", ids)}


async def note_use(work: Work, token_id: UUID) -> None:
    """Note that a token was used: at most once a minute, and in the ledger the first time of each day."""
    before = await work.session.scalar(select(ServiceToken.last_used_at).where(ServiceToken.id == token_id))
    now = await work.now()
    stale = or_(ServiceToken.last_used_at.is_(None), ServiceToken.last_used_at < now - USE_NOTED_EVERY)
    used = (
        update(ServiceToken)
        .where(ServiceToken.id == token_id, stale)
        .values(last_used_at=func.evalium_now())
        .returning(ServiceToken.name)
        .execution_options(synchronize_session=False)
    )
    rows = await work.rows(used)
    if rows and (before is None or before.date() != now.date()):
        work.record("service_token.used", ("service_token", token_id), after={"name": rows[0].name})


def _seen(work: Work):  # noqa: ANN202 - a condition
    unit = work.viewer.org_unit_id
    return or_(ServiceToken.org_unit_id.is_(None), ServiceToken.org_unit_id == unit)


def _named(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"The name needs 1 to {LONGEST_NAME} printable characters.", path=["name"])
    return name


def _held(wanted: Sequence[str], held: frozenset[Capability]) -> list[str]:
    """Return the wanted capabilities, sorted; refuse those that do not exist or that the creator does not hold."""
    if not wanted:
        raise InvalidInput("A service token needs at least one capability.", path=["capabilities"])
    for index, name in enumerate(wanted):
        if name not in set(Capability) or Capability(name) not in held:
            raise InvalidInput(
                f"You do not hold the capability '{name[:60]}' there, so no token of yours can.",
                path=["capabilities", index],
                hint="Name capabilities that 'viewer { capabilities }' lists.",
            )
    return sorted(set(wanted))


def _known(wanted: Sequence[str], known: frozenset[str]) -> list[str]:
    """Return the names of operation documents, sorted; refuse unknown ones."""
    if not 0 < len(wanted) <= MOST_OPERATIONS:
        raise InvalidInput(f"Name 1 to {MOST_OPERATIONS} operations, or leave them out.", path=["operations"])
    for index, name in enumerate(wanted):
        if name not in known:
            raise InvalidInput(
                f"There is no operation document '{name[:60]}'.",
                path=["operations", index],
                hint="GET /graphql/manifest.json lists them.",
            )
    return sorted(set(wanted))
