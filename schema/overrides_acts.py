"""What changes overrides: apply, reverse."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import overrides
from resolvers.overrides import Applied
from schema.access import Info, act, says, told
from schema.nodes import local_id
from schema.overrides import Override
from schema.overrides_inputs import OverrideChangeInput, OverrideTargetInput
from schema.problems import Problem, attempt
from schema.sessions import Session
from schema.users_acts import KEY, WHY
from services.overrides import Wanted


@strawberry.input(description="An override to apply: whose limits, which one, and why.")
class OverrideApplyInput:
    """An override."""

    assignment_id: strawberry.ID = told("Global id of the assignment.")
    target: OverrideTargetInput = told("Whom it is for.")
    change: OverrideChangeInput = told("What it does.")
    reason: str = told(WHY)
    restrict: bool = told("True when it may be stricter than what it replaces.", default=False)
    valid_until: datetime | None = told(
        "Until when sessions that begin get it; what it gave to a session stays. For good when left out.", default=None
    )
    is_high_stakes_confirmed: bool = told(
        "True once a person has confirmed that this touches an assessment with high stakes.", default=False
    )
    idempotency_key: str | None = told(KEY, default=None)

    def wanted(self) -> Wanted:
        """Return the override as the service reads it."""
        return Wanted(
            assignment_id=local_id("Assignment", self.assignment_id, path=["assignmentId"]),
            target=self.target.plain(),
            change=self.change.plain(restrict=self.restrict),
            valid_until=self.valid_until,
        )


@strawberry.input(description="An override to take back, and why.")
class OverrideReverseInput:
    """Which override."""

    id: strawberry.ID = told("Global id of the override.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="An override as recorded, and the sessions whose limits it changed at once.")
class OverridePayload:
    """Answer of the acts on overrides."""

    override: Override | None = told("The override, or the reversal; null when nothing was recorded.")
    sessions: list[Session] = told("The open sessions that it changed, as they are now.")
    problems: list[Problem] = told("Why nothing was recorded.")


async def _answered(recorded: Awaitable[Applied]) -> OverridePayload:
    done, problems = await attempt(recorded)
    return OverridePayload(
        override=done and Override.of(done.override),
        sessions=[] if done is None else [Session.of(row) for row in done.sessions],
        problems=problems,
    )


@strawberry.type
class OverridesMutation:
    """Acts on overrides."""

    @act(
        overrides.override_apply,
        "Change a limit for a person or a group on one assignment. Open sessions change at once, in one transaction; "
        "candidates and proctors are told the old and the new end.",
    )
    async def override_apply(
        self, info: Info, input: Annotated[OverrideApplyInput, says("Whose, which, and why.")]
    ) -> OverridePayload:
        """Apply."""

        async def apply() -> Applied:
            confirmed, key = input.is_high_stakes_confirmed, input.idempotency_key
            return await overrides.override_apply(
                info.context, input.wanted(), input.reason, key, is_high_stakes_confirmed=confirmed
            )

        return await _answered(apply())

    @act(
        overrides.override_reverse,
        "Take an override back by a row of its own. Open sessions lose it at once, and end now at the earliest.",
    )
    async def override_reverse(
        self, info: Info, input: Annotated[OverrideReverseInput, says("Which, and why.")]
    ) -> OverridePayload:
        """Reverse."""

        async def reverse() -> Applied:
            override_id = local_id("Override", input.id)
            return await overrides.override_reverse(info.context, override_id, input.reason, input.idempotency_key)

        return await _answered(reverse())
