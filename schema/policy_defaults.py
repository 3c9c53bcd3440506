"""The tenant's default limits: where standards come from."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.policy import PolicyDefaults as DefaultsRow
from resolvers import identity, policy
from schema.access import Info, act, ask, says, told
from schema.identity import User
from schema.policy import FeedbackMode, Limits, SecurityConfigInput
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY
from services.policy_defaults import Defaults, resolved


@strawberry.type(description="The limits of whatever says nothing of its own, each with where it comes from.")
class PolicyDefaults:
    """Defaults of the tenant over those of Evalium."""

    row: strawberry.Private[DefaultsRow | None]
    limits: Limits = told("The limits, set by the tenant or by Evalium.")
    changed_at: datetime | None = told("When the tenant's defaults were set; null while none are.")
    version: int = told("Counts the changes, for `expectedVersion`; 0 while the tenant sets nothing.")

    @strawberry.field(description="Who set them; null while nobody has.")
    async def changed_by(self, info: Info) -> User | None:
        """Show who set them."""
        who = None if self.row is None else self.row.changed_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: DefaultsRow | None) -> "PolicyDefaults":
        """Show the defaults."""
        return cls(
            row=row,
            limits=Limits.of(resolved(row)),
            changed_at=None if row is None else row.changed_at,
            version=0 if row is None else row.version,
        )


@strawberry.input(description="All of the tenant's defaults; what is left out is left to Evalium.")
class PolicyDefaultsUpdateInput:
    """Defaults to set."""

    time_limit_seconds: int | None = told("Working time in seconds, 1 to 31622400.", default=None)
    allowed_attempts: int | None = told("How often one person may sit an assessment, 1 to 1000.", default=None)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=None)
    security_config: SecurityConfigInput | None = told("How assessments are supervised.", default=None)
    network_grace_seconds: int | None = told(
        "Seconds after the deadline in which an answer on its way still counts, 0 to 600.", default=None
    )
    idle_threshold_seconds: int | None = told(
        "Seconds without any activity after which a session is shown as idle, 5 to 3600.", default=None
    )
    reason: str = told(WHY)
    expected_version: int | None = told(
        "Version that the change was decided on, 0 for none; any when left out.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)

    def plain(self) -> Defaults:
        """Return the defaults as the service reads them."""
        return Defaults(
            time_limit_seconds=self.time_limit_seconds,
            allowed_attempts=self.allowed_attempts,
            feedback_mode=self.feedback_mode,
            security_config=None if self.security_config is None else self.security_config.plain(),
            network_grace_seconds=self.network_grace_seconds,
            idle_threshold_seconds=self.idle_threshold_seconds,
        )


@strawberry.type(description="The defaults as set.")
class PolicyDefaultsUpdatePayload:
    """Answer of `policyDefaultsUpdate`."""

    defaults: PolicyDefaults | None = told("The defaults; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type
class PolicyQuery:
    """Queries about default limits."""

    @ask(policy.defaults, "Where standards come from: the limits of whatever says nothing of its own.")
    async def policy_defaults(self, info: Info) -> PolicyDefaults:
        """Show the defaults."""
        return PolicyDefaults.of(await policy.defaults(info.context))


@strawberry.type
class PolicyMutation:
    """Acts on default limits."""

    @act(
        policy.policy_defaults_update,
        "Set all of the tenant's default limits. They count for sessions that begin from now on.",
    )
    async def policy_defaults_update(
        self, info: Info, input: Annotated[PolicyDefaultsUpdateInput, says("Which, and why.")]
    ) -> PolicyDefaultsUpdatePayload:
        """Set."""
        changed = policy.policy_defaults_update(
            info.context, input.plain(), input.reason, input.expected_version, input.idempotency_key
        )
        row, problems = await attempt(changed)
        shown = None if row is None else PolicyDefaults.of(row)
        return PolicyDefaultsUpdatePayload(defaults=shown, problems=problems)
