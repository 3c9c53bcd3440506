"""Who acts: the verified bearer of a token, nobody, or the system itself."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID


class Via(StrEnum):
    """By which door the viewer came in."""

    ANONYMOUS = "anonymous"
    ACCESS = "access"
    SESSION = "session"
    SERVICE = "service"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Identity and scope of whoever acts. It says who somebody is and never what they may do.

    The ids are set as variables on every transaction, where row-level security reads them. `scope_all` opens all
    org units of the tenant and belongs to jobs and operator-minted service tokens alone. `expires_at` is the end of
    the token; a stream does not outlive it. `sign_in_id` and `service_token_id` name the row that decides whether the
    token still counts. `bearer_hash` is the SHA-256, in hexadecimal, of what is shown before the tenant is known.
    `rooms` are the only ones whose sessions are seen, by whoever proctors rooms only.
    """

    via: Via
    tenant_id: UUID | None = None
    org_unit_id: UUID | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    scope_all: bool = False
    name: str = ""
    token_id: str = ""
    expires_at: datetime | None = None
    sign_in_id: UUID | None = None
    service_token_id: UUID | None = None
    bearer_hash: str | None = None
    rooms: tuple[UUID, ...] | None = None

    @classmethod
    def anonymous(cls) -> Self:
        """Nobody: no tenant is set, so the database shows nothing."""
        return cls(via=Via.ANONYMOUS, name="anonymous")

    @classmethod
    def bearing(cls, bearer_hash: str) -> Self:
        """Nobody yet, with something to show: the directory of bearers opens for this hash alone."""
        return cls(via=Via.ANONYMOUS, name="anonymous", bearer_hash=bearer_hash)

    @classmethod
    def system(cls, tenant_id: UUID, org_unit_id: UUID | None = None, *, name: str = "system") -> Self:
        """Evalium itself, in one tenant: in one org unit, or in all of them when none is named."""
        return cls(
            via=Via.SYSTEM,
            tenant_id=tenant_id,
            org_unit_id=org_unit_id,
            scope_all=org_unit_id is None,
            name=name,
        )

    def elevated(self) -> Self:
        """Return the same actor without a candidate's narrowing, for an act that has checked the session itself."""
        return replace(self, session_id=None)

    def everywhere(self) -> Self:
        """Return the same actor across all org units, for an act on people that has checked this right itself."""
        return replace(self, scope_all=True)

    def in_person(self) -> Self:
        """Return the same person across org units and rooms, to read what is their own whatever right they hold."""
        return replace(self, scope_all=True, rooms=None)

    def impersonal(self) -> Self:
        """Return the scope without the person: whoever has the same one sees the very same rows."""
        return replace(
            self, user_id=None, name="", token_id="", expires_at=None, sign_in_id=None, service_token_id=None
        )

    @property
    def actor_id(self) -> UUID | None:
        """The id under which the ledger knows whoever acts: the person, the candidate's session, the service token."""
        return self.user_id or self.session_id or self.service_token_id

    @property
    def principal(self) -> str:
        """Who an idempotency key belongs to."""
        return f"{self.via}:{self.actor_id or self.token_id or self.name}"

    def variables(self) -> dict[str, str]:
        """Return the transaction-local variables for row-level security; the values are safe as SQL literals."""
        values = {
            "app.tenant_id": self.tenant_id,
            "app.org_unit_id": self.org_unit_id,
            "app.user_id": self.user_id,
            "app.session_id": self.session_id,
            "app.scope_all": "on" if self.scope_all else None,
            "app.bearer_hash": self.bearer_hash,
            "app.rooms": None if self.rooms is None else rooms_as_text(self.rooms),
        }
        return {name: str(value) for name, value in values.items() if value is not None}


def rooms_as_text(rooms: Iterable[UUID]) -> str:
    """Return rooms as the variable of row-level security has them; none at all shows no session."""
    return f"{{{','.join(map(str, rooms))}}}"
