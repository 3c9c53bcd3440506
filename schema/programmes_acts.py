"""What changes programmes: create, update, publish, archive, and the requirements of the draft."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Annotated

import strawberry

from models.programmes import ExpiryAnchor, RemediationPolicy
from models.programmes import Programme as ProgrammeRow
from resolvers import programmes
from schema.access import Info, act, says, told
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.programmes import Programme, ProgrammeVersion
from schema.users_acts import KEY, WHY
from services.programmes import Content, Rules
from services.programmes_requirements import Given

KIND = "Programme"
REQUIREMENT = "ProgrammeRequirement"
EXPECTED = "Version of the draft that the change was decided on; any when left out."


@strawberry.input(description="What holds for a programme as a whole.")
class ProgrammeRulesInput:
    """Rules of the draft."""

    due_days: int | None = told(
        "Within how many days after enrolment it is to be completed, 1 to 3660; never due when left out.", default=None
    )
    validity_months: int | None = told(
        "How many calendar months a certificate is valid, 1 to 1200; for ever when left out.", default=None
    )
    expiry_anchor: ExpiryAnchor = told(
        "From when validity counts; DUE takes `dueDays`.", default=ExpiryAnchor.CERTIFIED
    )
    lead_days: int = told("How many days before its end a renewal begins, 0 to 3660.", default=30)
    grace_days: int = told("How many days after its end a renewal still counts as one, 0 to 3660.", default=0)
    reminder_days: list[int] = told(
        "How many days before its end the holder is reminded of renewing, each 0 to 3660, at most 10; none when empty.",
        default_factory=lambda: [30, 7],
    )
    remediation: RemediationPolicy = told(
        "What a correction does to a requirement that was met.", default=RemediationPolicy.HOLD
    )

    def plain(self) -> Rules:
        """Return them as the service reads them."""
        return Rules(
            due_days=self.due_days,
            validity_months=self.validity_months,
            expiry_anchor=self.expiry_anchor,
            lead_days=self.lead_days,
            grace_days=self.grace_days,
            reminder_days=self.reminder_days,
            remediation=self.remediation,
        )


@strawberry.input(description="A programme to begin.")
class ProgrammeCreateInput:
    """What its draft says."""

    name: str = told("Name, 1 to 200 characters, unique in the org unit.")
    description: str = told("What it is for, as Markdown, up to 20000 characters.", default="")
    rules: ProgrammeRulesInput | None = told("What holds for it; the defaults when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def content(self) -> Content:
        """Return it as the service reads it."""
        return Content(self.name, self.description, (self.rules or ProgrammeRulesInput()).plain())


@strawberry.input(description="A draft to write anew: what is left out takes its default again.")
class ProgrammeUpdateInput(ProgrammeCreateInput):
    """Which programme, and what its draft says."""

    id: strawberry.ID = told("Global id of the programme.")
    expected_version: int | None = told(EXPECTED, default=None)


@strawberry.input(description="A draft to publish.")
class ProgrammePublishInput:
    """Which programme."""

    id: strawberry.ID = told("Global id of the programme.")
    expected_version: int | None = told(EXPECTED, default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A programme to put away.")
class ProgrammeArchiveInput:
    """Which programme, and why."""

    id: strawberry.ID = told("Global id of the programme.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What a requirement says.")
class ProgrammeRequirementInput:
    """A requirement."""

    name: str = told("What people know it by, 1 to 200 characters.")
    evaluation_id: strawberry.ID = told("Global id of the evaluation that is to be passed, of the same org unit.")
    min_percent: Decimal | None = told(
        "Score that meets it, 0 to 100 with two decimals; the evaluation's own pass mark decides when left out.",
        default=None,
    )
    is_mandatory: bool = told("Whether the programme is not complete without it.", default=True)
    attempts: int | None = told("How many attempts there are, 1 to 100; null: as many as it takes.", default=1)
    cooling_off_days: int = told(
        "How many days after a failed attempt the next one is issued, 0 to 3660; 0: at once.", default=0
    )

    def plain(self) -> Given:
        """Return it as the service reads it."""
        return Given(
            name=self.name,
            evaluation_id=local_id("Evaluation", self.evaluation_id, path=["requirement", "evaluationId"]),
            min_percent=self.min_percent,
            is_mandatory=self.is_mandatory,
            attempts=self.attempts,
            cooling_off_days=self.cooling_off_days,
        )


@strawberry.input(description="A requirement to add.")
class ProgrammeRequirementAddInput:
    """To which programme, and what it says."""

    programme_id: strawberry.ID = told("Global id of the programme.")
    requirement: ProgrammeRequirementInput = told("What it says; it stands behind the others.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A requirement to write anew.")
class ProgrammeRequirementUpdateInput:
    """Which requirement, and what it says."""

    id: strawberry.ID = told("Id of the requirement.")
    requirement: ProgrammeRequirementInput = told("What it says.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A requirement to take out of the draft.")
class ProgrammeRequirementRemoveInput:
    """Which requirement."""

    id: strawberry.ID = told("Id of the requirement.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Requirements to put in order.")
class ProgrammeRequirementsReorderInput:
    """Of which programme, in which order."""

    programme_id: strawberry.ID = told("Global id of the programme.")
    requirement_ids: list[strawberry.ID] = told("Each requirement of the draft once, in the new order.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A programme as begun.")
class ProgrammeCreatePayload:
    """Answer of `programmeCreate`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft as written.")
class ProgrammeUpdatePayload:
    """Answer of `programmeUpdate`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A programme as published.")
class ProgrammePublishPayload:
    """Answer of `programmePublish`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    version: ProgrammeVersion | None = told("The version that was made; null when none was.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A programme as put away.")
class ProgrammeArchivePayload:
    """Answer of `programmeArchive`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft with a requirement added.")
class ProgrammeRequirementAddPayload:
    """Answer of `programmeRequirementAdd`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft with a requirement written anew.")
class ProgrammeRequirementUpdatePayload:
    """Answer of `programmeRequirementUpdate`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft with a requirement taken out.")
class ProgrammeRequirementRemovePayload:
    """Answer of `programmeRequirementRemove`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft in another order.")
class ProgrammeRequirementsReorderPayload:
    """Answer of `programmeRequirementsReorder`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class ProgrammesMutation:
    """Changes of programmes."""

    @act(programmes.create, "Begin a programme; nobody is enrolled before its draft is published.")
    async def programme_create(
        self, info: Info, input: Annotated[ProgrammeCreateInput, says("What its draft says.")]
    ) -> ProgrammeCreatePayload:
        """Create."""

        async def done() -> ProgrammeRow | None:
            return await programmes.create(info.context, input.content(), input.idempotency_key)

        row, problems = await _shown(done())
        return ProgrammeCreatePayload(programme=row, problems=problems)

    @act(programmes.update, "Write name, description and rules of the draft anew; what is published stays as it is.")
    async def programme_update(
        self, info: Info, input: Annotated[ProgrammeUpdateInput, says("Which, and what its draft says.")]
    ) -> ProgrammeUpdatePayload:
        """Update."""

        async def done() -> ProgrammeRow | None:
            return await programmes.update(
                info.context, local_id(KIND, input.id), input.content(), input.expected_version, input.idempotency_key
            )

        row, problems = await _shown(done())
        return ProgrammeUpdatePayload(programme=row, problems=problems)

    @act(programmes.publish, "Make a version of the draft, by which people are enrolled from now on.")
    async def programme_publish(
        self, info: Info, input: Annotated[ProgrammePublishInput, says("Which.")]
    ) -> ProgrammePublishPayload:
        """Publish."""
        done = programmes.publish(info.context, local_id(KIND, input.id), input.expected_version, input.idempotency_key)
        made, problems = await attempt(done)
        row, version = made or (None, None)
        return ProgrammePublishPayload(
            programme=row and Programme.of(row), version=version and ProgrammeVersion.of(version), problems=problems
        )

    @act(programmes.archive, "Put a programme away for good: nobody is enrolled any more, and whoever is goes on.")
    async def programme_archive(
        self, info: Info, input: Annotated[ProgrammeArchiveInput, says("Which, and why.")]
    ) -> ProgrammeArchivePayload:
        """Archive."""

        async def done() -> ProgrammeRow | None:
            return await programmes.archive(info.context, local_id(KIND, input.id), input.reason, input.idempotency_key)

        row, problems = await _shown(done())
        return ProgrammeArchivePayload(programme=row, problems=problems)

    @act(programmes.requirement_add, "Add a requirement to the draft, behind the others.")
    async def programme_requirement_add(
        self, info: Info, input: Annotated[ProgrammeRequirementAddInput, says("To which, and what it says.")]
    ) -> ProgrammeRequirementAddPayload:
        """Add."""

        async def done() -> ProgrammeRow | None:
            return await programmes.requirement_add(
                info.context, local_id(KIND, input.programme_id), input.requirement.plain(), input.idempotency_key
            )

        row, problems = await _shown(done())
        return ProgrammeRequirementAddPayload(programme=row, problems=problems)

    @act(programmes.requirement_update, "Write a requirement of the draft anew.")
    async def programme_requirement_update(
        self, info: Info, input: Annotated[ProgrammeRequirementUpdateInput, says("Which, and what it says.")]
    ) -> ProgrammeRequirementUpdatePayload:
        """Update."""

        async def done() -> ProgrammeRow | None:
            return await programmes.requirement_update(
                info.context, local_id(REQUIREMENT, input.id), input.requirement.plain(), input.idempotency_key
            )

        row, problems = await _shown(done())
        return ProgrammeRequirementUpdatePayload(programme=row, problems=problems)

    @act(programmes.requirement_remove, "Take a requirement out of the draft; versions that have it keep it.")
    async def programme_requirement_remove(
        self, info: Info, input: Annotated[ProgrammeRequirementRemoveInput, says("Which.")]
    ) -> ProgrammeRequirementRemovePayload:
        """Remove."""

        async def done() -> ProgrammeRow | None:
            return await programmes.requirement_remove(
                info.context, local_id(REQUIREMENT, input.id), input.idempotency_key
            )

        row, problems = await _shown(done())
        return ProgrammeRequirementRemovePayload(programme=row, problems=problems)

    @act(programmes.requirements_reorder, "Put the requirements of the draft in another order.")
    async def programme_requirements_reorder(
        self, info: Info, input: Annotated[ProgrammeRequirementsReorderInput, says("Of which, in which order.")]
    ) -> ProgrammeRequirementsReorderPayload:
        """Reorder."""

        async def done() -> ProgrammeRow | None:
            return await programmes.requirements_reorder(
                info.context,
                local_id(KIND, input.programme_id),
                [local_id(REQUIREMENT, one, path=["requirementIds"]) for one in input.requirement_ids],
                input.idempotency_key,
            )

        row, problems = await _shown(done())
        return ProgrammeRequirementsReorderPayload(programme=row, problems=problems)


async def _shown(act: Awaitable[ProgrammeRow | None]) -> tuple[Programme | None, list[Problem]]:
    row, problems = await attempt(act)
    return row and Programme.of(row), problems
