"""Why somebody may do something, or may not: the role, the grant and the scope that decided."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import strawberry

from resolvers import access_explain
from schema.access import Info, ask, says, told
from schema.enums import closed_set
from schema.identity import OrgUnit, User
from schema.nodes import global_id, looked_for, split_id
from services.access_explain import Explanation
from services.access_replay import Reason, Verdict

NOWHERE: Final = UUID(int=0)
"""Stands for an id that names nothing."""

closed_set(
    Verdict,
    "AccessVerdict",
    "Why a right is there, or is not.",
    {
        Verdict.GRANTED: "A grant in force gives it there.",
        Verdict.NOT_RECORDED: "The ledger does not tell rights of that time.",
        Verdict.NO_GRANT: "The person held no role at all.",
        Verdict.GRANT_REMOVED: "A grant that gave it had been taken back.",
        Verdict.GRANT_EXPIRED: "A grant that gave it had ended by itself.",
        Verdict.GRANT_ELSEWHERE: "A grant gives it in another org unit only.",
        Verdict.ROLE_LACKS_CAPABILITY: "A role that is held does not hold it.",
        Verdict.USER_NOT_ACTIVE: "The person was not active: invited, suspended or merged.",
        Verdict.NOT_IN_ORG_UNIT: "The object lies in an org unit in which the person did not work.",
    },
)


@strawberry.type(description="One thing that was looked at, as it was at that instant.")
class AccessReason:
    """A reason."""

    verdict: Verdict = told("What came of it.")
    role_id: strawberry.ID | None = told("Global id of the role; null when it is about none.")
    role_name: str | None = told("What the role was called then.")
    grant_id: strawberry.ID | None = told("Global id of the grant; null when it is about none.")
    org_unit_id: strawberry.ID | None = told("Org unit to which the grant is bound; null when it counts everywhere.")
    granted_at: datetime | None = told("When the grant was given; null when that is older than the ledger.")
    granted_by: str | None = told("Name of who gave it, as the ledger has it.")
    expires_at: datetime | None = told("When the grant ends by itself; null when it does not.")
    removed_at: datetime | None = told("When the grant was taken back; null when it was not.")
    removed_by: str | None = told("Name of who took it back.")
    reason: str | None = told("Why it was taken back, or else why it was given.")
    user_status: str | None = told("What the person was, when that decided.")

    @classmethod
    def of(cls, reason: Reason) -> "AccessReason":
        """Show a reason."""
        role, grant = reason.role, reason.grant
        return cls(
            verdict=reason.verdict,
            role_id=role and global_id("Role", role.id),
            role_name=role and role.name,
            grant_id=grant and global_id("Grant", grant.id),
            org_unit_id=grant and grant.org_unit_id and global_id("OrgUnit", grant.org_unit_id),
            granted_at=grant and grant.granted_at,
            granted_by=(grant and grant.granted_by) or None,
            expires_at=grant and grant.expires_at,
            removed_at=grant and grant.ended_at,
            removed_by=(grant and grant.ended_by) or None,
            reason=grant and (grant.ended_reason or grant.reason),
            user_status=reason.status,
        )


@strawberry.type(description="A decision explained.")
class AccessExplanation:
    """An explanation."""

    explanation: strawberry.Private[Explanation]
    allowed: bool = told("Whether it was allowed.")
    capability: str = told("The capability that was asked about.")
    at: datetime = told("The instant that was asked about, by the database's clock.")
    reasons: list[AccessReason] = told("What was looked at; the first one decided.")

    @strawberry.field(description="The person who was asked about, as they are now.")
    async def user(self) -> User:
        """Show the person."""
        return User.of(self.explanation.user)

    @strawberry.field(description="The org unit in which it was asked; null for the whole tenant.")
    async def org_unit(self, info: Info) -> OrgUnit | None:
        """Show the org unit."""
        row = await access_explain.org_unit(info.context, self.explanation.org_unit_id)
        return row and OrgUnit.of(row)

    @classmethod
    def of(cls, explanation: Explanation) -> "AccessExplanation":
        """Show an explanation."""
        return cls(
            explanation=explanation,
            allowed=explanation.decision.allowed,
            capability=str(explanation.capability),
            at=explanation.at,
            reasons=[AccessReason.of(reason) for reason in explanation.decision.reasons],
        )


@strawberry.type
class AccessExplainQuery:
    """Queries about decisions."""

    @ask(
        access_explain.access_explain_query,
        "Why a person may do something, or may not, now or at a past instant; that needs `activity.read` too.",
    )
    async def access_explain(
        self,
        info: Info,
        user_id: Annotated[strawberry.ID, says("Global id of the person.")],
        capability: Annotated[str, says("Name of the capability.")],
        object_id: Annotated[
            strawberry.ID | None,
            says(
                "Global id of the object that it is about: an org unit, what lies in one, or a person, group or "
                "role, which belong to the whole tenant; the whole tenant when left out."
            ),
        ] = None,
        at: Annotated[datetime | None, says("An instant of the past; now when left out.")] = None,
    ) -> AccessExplanation:
        """Explain a decision."""
        place = None if object_id is None else (split_id(object_id) or ("object", NOWHERE))
        asked = (looked_for("User", user_id) or NOWHERE, capability, place, at)
        return AccessExplanation.of(await access_explain.access_explain_query(info.context, *asked))
