"""The keys that sign a tenant's credentials."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import credential_keys as models
from resolvers import credential_keys
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.identity import User
from schema.nodes import Node, global_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY
from services.paging import PageRequest


@strawberry.type(description="An RSA key by which the tenant signs credentials. Its private half is shown to nobody.")
class CredentialKey(Node):
    """A key."""

    thumbprint: str = told("SHA-256 thumbprint of the public half (RFC 7638), base64url without padding.")
    created_at: datetime = told("When it was made, and began to sign.")
    retired_at: datetime | None = told("When another one took its place; null while it signs.")
    retire_reason: str | None = told("Why another one took its place; null while it signs.")
    row: strawberry.Private[models.CredentialKey]

    @strawberry.field(description="Address of the public half as a JWK; credentials that it signs name it as `kid`.")
    def url(self, info: Info) -> str:
        """Show the address."""
        return credential_keys.address(info.context, self.row)

    @strawberry.field(description="Who had it made; null for a tenant's first one, and where a service token had.")
    async def made_by(self, info: Info) -> User | None:
        """Show who made it."""
        found = await credential_keys.person(info.context, self.row.made_by)
        return found and User.of(found)

    @strawberry.field(description="Who retired it; null while it signs, and where a service token did.")
    async def retired_by(self, info: Info) -> User | None:
        """Show who retired it."""
        found = await credential_keys.person(info.context, self.row.retired_by)
        return found and User.of(found)

    @classmethod
    def of(cls, row: models.CredentialKey) -> "CredentialKey":
        """Show a key's row."""
        return cls(
            id=global_id("CredentialKey", row.id),
            uuid=row.id,
            thumbprint=row.thumbprint,
            created_at=row.created_at,
            retired_at=row.retired_at,
            retire_reason=row.retire_reason,
            row=row,
        )


@strawberry.input(description="Sign with another key from now on.")
class CredentialKeyRotateInput:
    """Why."""

    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Answer of `credentialKeyRotate`.")
class CredentialKeyRotatePayload:
    """What came of rotating."""

    credential_key: CredentialKey | None = told("The key that signs from now on; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


@strawberry.type
class CredentialKeysQuery:
    """Keys that sign credentials."""

    @ask(
        credential_keys.credential_keys_page,
        "Keys by which the tenant has signed credentials, the newest first; the one that has not retired signs now.",
    )
    async def credential_keys(
        self,
        info: Info,
        first: Annotated[int | None, says("Rows wanted from the front, at most 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Cursor after which the page begins.")] = None,
        last: Annotated[int | None, says("Rows wanted from the back, at most 100.")] = None,
        before: Annotated[str | None, says("Cursor before which the page ends.")] = None,
    ) -> Connection[CredentialKey]:
        """List them."""
        page = await credential_keys.credential_keys_page(info.context, PageRequest(first, after, last, before))
        return connect(page, CredentialKey.of)


@strawberry.type
class CredentialKeysMutation:
    """Rotating the key that signs credentials."""

    @act(
        credential_keys.credential_key_rotate,
        "Sign credentials with a new key from now on. The private half of the one before is destroyed; its public half "
        "stays published, so that what it has signed can still be verified.",
    )
    async def credential_key_rotate(
        self, info: Info, input: Annotated[CredentialKeyRotateInput, says("Why.")]
    ) -> CredentialKeyRotatePayload:
        """Rotate."""
        rotated = credential_keys.credential_key_rotate(info.context, input.reason, input.idempotency_key)
        row, problems = await attempt(rotated)
        return CredentialKeyRotatePayload(credential_key=row and CredentialKey.of(row), problems=problems)
