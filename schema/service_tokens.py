"""Service tokens: what programs of the tenant show."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models import service_tokens as models
from resolvers import service_tokens, sign_ins
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.identity import OrgUnit, User
from schema.nodes import Node, global_id, local_id
from schema.problems import Problem, attempt
from schema.sign_ins import KEY, shown_unit
from services.paging import PageRequest
from services.service_tokens import Scope


@strawberry.type(description="A token for a program: named, scoped and expiring. The token itself is shown once.")
class ServiceToken(Node):
    """A service token."""

    name: str = told("What it is for.")
    capabilities: list[str] = told("What it may do at most; less, when its creator no longer holds one of them.")
    operations: list[str] | None = told("Operation documents that it runs and no others; null when any.")
    created_at: datetime = told("When it was made.")
    expires_at: datetime = told("When it ends, at most a year after it was made.")
    last_used_at: datetime | None = told("When it was last used, to within a minute; null when never.")
    revoked_at: datetime | None = told("When it was revoked; null while it was not.")
    revoke_reason: str | None = told("Why it was revoked.")
    row: strawberry.Private[models.ServiceToken]

    @strawberry.field(description="The org unit whose data it sees; null when it sees people and roles alone.")
    async def org_unit(self, info: Info) -> OrgUnit | None:
        """Show the org unit."""
        unit: UUID | None = self.row.org_unit_id
        found = None if unit is None else await sign_ins.org_unit_of(info.context, unit)
        return found and shown_unit(found)

    @strawberry.field(description="Who made it; its rights end where theirs do.")
    async def created_by(self, info: Info) -> User | None:
        """Show the creator."""
        found = await service_tokens.creator(info.context, self.row)
        return found and User.of(found)

    @classmethod
    def of(cls, row: models.ServiceToken) -> "ServiceToken":
        """Show a token's row."""
        return cls(
            id=global_id("ServiceToken", row.id),
            uuid=row.id,
            name=row.name,
            capabilities=[str(one) for one in row.capabilities],
            operations=None if row.operations is None else [str(one) for one in row.operations],
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            revoke_reason=row.revoke_reason,
            row=row,
        )


@strawberry.input(description="Make a service token.")
class ServiceTokenCreateInput:
    """What it is for, and what it may."""

    name: str = told("What it is for, 1 to 100 characters.")
    capabilities: list[str] = told(
        "Names of capabilities that you hold yourself, as `viewer { capabilities }` lists them."
    )
    operations: list[str] | None = told("Names of operation documents that it runs and no others.", default=None)
    is_whole_tenant: bool = told(
        "Not bound to your org unit: it sees people, groups and roles, and nothing that belongs to an org unit.",
        default=False,
    )
    expires_at: datetime = told("When it ends, at most a year from now.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="The new token.")
class ServiceTokenCreatePayload:
    """What creating answers."""

    service_token: ServiceToken | None = told("The token's entry; null when refused.")
    token: str | None = told("The token itself. It is shown here and nowhere else; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


@strawberry.input(description="Revoke a service token.")
class ServiceTokenRevokeInput:
    """Which one, and why."""

    id: strawberry.ID = told("The token's entry.")
    reason: str = told("Why, 1 to 500 characters.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="The revoked token.")
class ServiceTokenRevokePayload:
    """What revoking answers."""

    service_token: ServiceToken | None = told("The token's entry; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


@strawberry.type
class ServiceTokensQuery:
    """Service tokens."""

    @ask(
        service_tokens.service_tokens_page, "Service tokens of the org unit and of the whole tenant, the newest first."
    )
    async def service_tokens(
        self,
        info: Info,
        first: Annotated[int | None, says("Rows wanted from the front, at most 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Cursor after which the page begins.")] = None,
        last: Annotated[int | None, says("Rows wanted from the back, at most 100.")] = None,
        before: Annotated[str | None, says("Cursor before which the page ends.")] = None,
    ) -> Connection[ServiceToken]:
        """List them."""
        page = await service_tokens.service_tokens_page(info.context, PageRequest(first, after, last, before))
        return connect(page, ServiceToken.of)


@strawberry.type
class ServiceTokensMutation:
    """Making and revoking service tokens."""

    @act(service_tokens.service_token_create, "Make a token for a program.")
    async def service_token_create(
        self, info: Info, input: Annotated[ServiceTokenCreateInput, says("What it is for, and what it may.")]
    ) -> ServiceTokenCreatePayload:
        """Make one."""
        scope = Scope(
            name=input.name,
            capabilities=input.capabilities,
            operations=input.operations,
            whole_tenant=input.is_whole_tenant,
            expires_at=input.expires_at,
        )
        made, problems = await attempt(service_tokens.service_token_create(info.context, scope, input.idempotency_key))
        if made is None:
            return ServiceTokenCreatePayload(service_token=None, token=None, problems=problems)
        return ServiceTokenCreatePayload(service_token=ServiceToken.of(made.row), token=made.token, problems=[])

    @act(service_tokens.service_token_revoke, "Revoke a token at once, in every process, with its open streams.")
    async def service_token_revoke(
        self, info: Info, input: Annotated[ServiceTokenRevokeInput, says("Which one, and why.")]
    ) -> ServiceTokenRevokePayload:
        """Revoke one."""

        async def revoke() -> models.ServiceToken:
            token_id = local_id("ServiceToken", input.id)
            return await service_tokens.service_token_revoke(
                info.context, token_id, input.reason, input.idempotency_key
            )

        row, problems = await attempt(revoke())
        return ServiceTokenRevokePayload(service_token=row and ServiceToken.of(row), problems=problems)
