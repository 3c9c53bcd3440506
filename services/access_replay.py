"""Who might do what at a past instant, replayed from rows of the ledger. Pure: no database, no clock.

The ledger states results, not steps: a row about a person may state `status` and `org_units`, a row about a role
states `capabilities`, and a grant is told completely when it is given and when it is taken. So the state at an
instant is the fold of the rows up to it, and `decide` is the rule of `services.identity.capabilities_of`, with the
reasons that the live rule does not need to tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from models.identity import UserStatus


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the ledger, as far as rights are concerned."""

    at: datetime
    act: str
    subject_kind: str
    subject_id: UUID
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str | None = None
    actor_name: str = ""


@dataclass(frozen=True, slots=True)
class RoleThen:
    """A role as it was."""

    id: UUID
    name: str
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class GrantThen:
    """A grant as it was given; `ended_at` is when it was taken back, if it was."""

    id: UUID
    user_id: UUID
    role_id: UUID
    org_unit_id: UUID | None
    granted_at: datetime | None
    granted_by: str
    reason: str | None
    expires_at: datetime | None
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_reason: str | None = None


@dataclass(slots=True)
class State:
    """Roles, grants and people at an instant; `known_since` is from when the ledger tells all of it."""

    known_since: datetime | None = None
    roles: dict[UUID, RoleThen] = field(default_factory=dict[UUID, RoleThen])
    grants: dict[UUID, GrantThen] = field(default_factory=dict[UUID, GrantThen])
    statuses: dict[UUID, str] = field(default_factory=dict[UUID, str])
    org_units: dict[UUID, frozenset[UUID]] = field(default_factory=dict[UUID, frozenset[UUID]])


class Verdict(StrEnum):
    """Why a right is there, or is not."""

    GRANTED = "granted"
    NOT_RECORDED = "not_recorded"
    NO_GRANT = "no_grant"
    GRANT_REMOVED = "grant_removed"
    GRANT_EXPIRED = "grant_expired"
    GRANT_ELSEWHERE = "grant_elsewhere"
    ROLE_LACKS_CAPABILITY = "role_lacks_capability"
    USER_NOT_ACTIVE = "user_not_active"
    NOT_IN_ORG_UNIT = "not_in_org_unit"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was looked at, with the role and the grant that it is about."""

    verdict: Verdict
    role: RoleThen | None = None
    grant: GrantThen | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it was allowed; the first reason is the one that decided."""

    allowed: bool
    reasons: Sequence[Reason]


def replay(rows: Iterable[Row], until: datetime) -> State:
    """Fold rows, which come in the order of the ledger, up to and including an instant."""
    state = State()
    for row in rows:
        if row.at > until:
            break
        _take(state, row)
    return state


def decide(state: State, user_id: UUID, capability: str, org_unit_id: UUID | None, at: datetime) -> Decision:
    """Decide whether a person had a capability, in an org unit or in the whole tenant when none is named."""
    if state.known_since is None or state.known_since > at:
        return Decision(allowed=False, reasons=[Reason(Verdict.NOT_RECORDED)])
    own = [grant for grant in state.grants.values() if grant.user_id == user_id]
    looked = [_look(state, grant, capability, org_unit_id, at) for grant in own]
    against = _against(state, user_id, org_unit_id)
    good = [reason for reason in looked if reason.verdict is Verdict.GRANTED]
    if good and not against:
        return Decision(allowed=True, reasons=[*good, *(one for one in looked if one not in good)])
    looked.sort(key=lambda reason: _TELLING.index(reason.verdict))
    return Decision(allowed=False, reasons=[*against, *looked] or [Reason(Verdict.NO_GRANT)])


def capabilities(state: State, user_id: UUID, org_unit_id: UUID | None, at: datetime) -> frozenset[str]:
    """Return everything that a person might do in an org unit at an instant."""
    if state.statuses.get(user_id) != UserStatus.ACTIVE:
        return frozenset()
    held: set[str] = set()
    for grant in state.grants.values():
        if grant.user_id == user_id and _in_force(grant, at) and grant.org_unit_id in (None, org_unit_id):
            held |= state.roles[grant.role_id].capabilities if grant.role_id in state.roles else frozenset()
    return frozenset(held)


_TELLING = (
    Verdict.GRANTED,
    Verdict.GRANT_EXPIRED,
    Verdict.GRANT_REMOVED,
    Verdict.GRANT_ELSEWHERE,
    Verdict.ROLE_LACKS_CAPABILITY,
)
"""From what nearly allowed it to what has little to do with it."""


def _against(state: State, user_id: UUID, org_unit_id: UUID | None) -> list[Reason]:
    """Return what stands against a person whatever their grants."""
    status = state.statuses.get(user_id)
    found: list[Reason] = []
    if status != UserStatus.ACTIVE:
        found.append(Reason(Verdict.USER_NOT_ACTIVE, status=status))
    if org_unit_id is not None and org_unit_id not in state.org_units.get(user_id, frozenset()):
        found.append(Reason(Verdict.NOT_IN_ORG_UNIT))
    return found


def _look(state: State, grant: GrantThen, capability: str, org_unit_id: UUID | None, at: datetime) -> Reason:
    role = state.roles.get(grant.role_id)
    if role is None or capability not in role.capabilities:
        return Reason(Verdict.ROLE_LACKS_CAPABILITY, role, grant)
    if grant.ended_at is not None:
        return Reason(Verdict.GRANT_REMOVED, role, grant)
    if not _in_force(grant, at):
        return Reason(Verdict.GRANT_EXPIRED, role, grant)
    if grant.org_unit_id not in (None, org_unit_id):
        return Reason(Verdict.GRANT_ELSEWHERE, role, grant)
    return Reason(Verdict.GRANTED, role, grant)


def _in_force(grant: GrantThen, at: datetime) -> bool:
    return grant.ended_at is None and (grant.expires_at is None or grant.expires_at > at)


def _take(state: State, row: Row) -> None:
    match row.act:
        case "tenant.founded" if "roles" in (row.after or {}):
            state.known_since = row.at
            _set_roles(state, row)
        case "rights.recorded":
            _set_baseline(state, row)
        case "role.created" | "role.updated":
            _set_role(state, row)
        case "role.granted" if "grant_id" in (row.after or {}):
            _give(state, row)
        case "role.removed":
            _end(state, row)
        case _ if row.subject_kind == "user" and row.after:
            _set_person(state, row.subject_id, row.after)
        case _:
            pass


def _set_roles(state: State, row: Row) -> None:
    for told in (row.after or {})["roles"]:
        role_id = UUID(told["id"])
        state.roles[role_id] = RoleThen(role_id, told["name"], frozenset(told["capabilities"]))


def _set_baseline(state: State, row: Row) -> None:
    """Begin anew: what was told before may be incomplete."""
    told = row.after or {}
    state.known_since = row.at
    state.roles.clear()
    state.grants.clear()
    _set_roles(state, row)
    for grant in told["grants"]:
        _add_grant(state, UUID(grant["user_id"]), grant | {"grant_id": grant["id"]}, row, given_then=False)
    for member in told["members"]:
        state.org_units[UUID(member["user_id"])] = frozenset(map(UUID, member["org_units"]))


def _set_role(state: State, row: Row) -> None:
    told = row.after or {}
    known = state.roles.get(row.subject_id)
    name = told.get("name") or (known.name if known else "")
    state.roles[row.subject_id] = RoleThen(row.subject_id, name, frozenset(told["capabilities"]))


def _give(state: State, row: Row) -> None:
    _add_grant(state, row.subject_id, row.after or {}, row, given_then=True)


def _add_grant(state: State, user_id: UUID, told: dict[str, Any], row: Row, *, given_then: bool) -> None:
    grant_id = UUID(told["grant_id"])
    state.grants[grant_id] = GrantThen(
        id=grant_id,
        user_id=user_id,
        role_id=UUID(told["role_id"]),
        org_unit_id=UUID(told["org_unit_id"]) if told.get("org_unit_id") else None,
        granted_at=row.at if given_then else None,
        granted_by=row.actor_name if given_then else "",
        reason=row.reason if given_then else told.get("reason"),
        expires_at=datetime.fromisoformat(told["expires_at"]) if told.get("expires_at") else None,
    )
    if told.get("user_status"):
        state.statuses[user_id] = told["user_status"]


def _end(state: State, row: Row) -> None:
    told = row.before or {}
    grant = state.grants.get(UUID(told["grant_id"]))
    if grant is not None:
        state.grants[grant.id] = replace(grant, ended_at=row.at, ended_by=row.actor_name, ended_reason=row.reason)


def _set_person(state: State, user_id: UUID, told: dict[str, Any]) -> None:
    if "status" in told:
        state.statuses[user_id] = told["status"]
    if "org_units" in told:
        state.org_units[user_id] = frozenset(map(UUID, told["org_units"]))
