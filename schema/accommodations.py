"""Accommodation profiles: what a person needs in every assessment."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from models.accommodations import AccommodationProfile as ProfileRow
from models.identity import User as PersonRow
from resolvers import accommodations, identity
from schema.access import Info, act, ask, says, told
from schema.identity import User
from schema.nodes import local_id, looked_for
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY
from services.accommodations import LONGEST_BREAKS_SECONDS, Needs
from services.policy import LARGEST_MULTIPLIER


@strawberry.type(description="What a person needs. Each session that begins gets it; sessions that exist keep theirs.")
class AccommodationProfile:
    """A profile."""

    row: strawberry.Private[ProfileRow]
    time_multiplier: Decimal = told("Factor on every time limit, such as 1.25.")
    break_seconds: int = told("Seconds for breaks on top of it, since the clock does not stop for them.")
    notes: str = told("For those who manage profiles; no session and no ledger shows them.")
    valid_until: datetime | None = told("Until when sessions that begin get it; null for good.")
    changed_at: datetime = told("When it was written.")
    version: int = told("Counts the changes, for `expectedVersion`.")

    @strawberry.field(description="Who wrote it; null when Evalium itself did.")
    async def changed_by(self, info: Info) -> User | None:
        """Show who wrote it."""
        who = self.row.changed_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ProfileRow) -> "AccommodationProfile":
        """Show a profile."""
        return cls(
            row=row,
            time_multiplier=row.time_multiplier,
            break_seconds=row.break_seconds,
            notes=row.notes,
            valid_until=row.valid_until,
            changed_at=row.changed_at,
            version=row.version,
        )


@strawberry.input(description="What a person needs from now on, in place of what was written before.")
class AccommodationUpdateInput:
    """A profile to write."""

    user_id: strawberry.ID = told("Global id of the person.")
    time_multiplier: Decimal = told(
        f"Factor on every time limit, 1 to {LARGEST_MULTIPLIER} with at most four decimals.", default=Decimal(1)
    )
    break_seconds: int = told(f"Seconds for breaks, 0 to {LONGEST_BREAKS_SECONDS}.", default=0)
    notes: str = told("At most 1000 characters; no diagnosis is needed.", default="")
    valid_until: datetime | None = told("Until when it counts; for good when left out.", default=None)
    reason: str = told(WHY)
    expected_version: int | None = told(
        "Version that the change was decided on, 0 for none; any when left out.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)

    def needs(self) -> Needs:
        """Return what is needed as the service reads it."""
        return Needs(
            time_multiplier=self.time_multiplier,
            break_seconds=self.break_seconds,
            notes=self.notes,
            valid_until=self.valid_until,
        )


@strawberry.input(description="Whose profile to remove, and why.")
class AccommodationRemoveInput:
    """A profile to remove."""

    user_id: strawberry.ID = told("Global id of the person.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A profile as written.")
class AccommodationUpdatePayload:
    """Answer of `accommodationUpdate`."""

    accommodation: AccommodationProfile | None = told("The profile; null when it was not written.")
    problems: list[Problem] = told("Why it was not written.")


@strawberry.type(description="A person without the profile just removed.")
class AccommodationRemovePayload:
    """Answer of `accommodationRemove`."""

    user: User | None = told("The person; null when nothing was removed.")
    problems: list[Problem] = told("Why nothing was removed.")


@strawberry.type
class AccommodationsQuery:
    """Queries about accommodation profiles."""

    @ask(accommodations.profile, "What a person needs in every assessment; null when nothing was written down.")
    async def accommodation(
        self, info: Info, user_id: Annotated[strawberry.ID, says("Global id of the person.")]
    ) -> AccommodationProfile | None:
        """Show a profile."""
        row = await accommodations.profile(info.context, looked_for("User", user_id))
        return row and AccommodationProfile.of(row)


@strawberry.type
class AccommodationsMutation:
    """Acts on accommodation profiles."""

    @act(
        accommodations.accommodation_update,
        "Write down what a person needs. Sessions that begin get it; for one that is open, apply an override.",
    )
    async def accommodation_update(
        self, info: Info, input: Annotated[AccommodationUpdateInput, says("What, whose, and why.")]
    ) -> AccommodationUpdatePayload:
        """Write."""

        async def update() -> ProfileRow | None:
            user_id = local_id("User", input.user_id, path=["userId"])
            return await accommodations.accommodation_update(
                info.context, user_id, input.needs(), input.reason, input.expected_version, input.idempotency_key
            )

        row, problems = await attempt(update())
        return AccommodationUpdatePayload(accommodation=row and AccommodationProfile.of(row), problems=problems)

    @act(accommodations.accommodation_remove, "Remove a person's profile; the ledger keeps what it set.")
    async def accommodation_remove(
        self, info: Info, input: Annotated[AccommodationRemoveInput, says("Whose, and why.")]
    ) -> AccommodationRemovePayload:
        """Remove."""

        async def remove() -> PersonRow | None:
            user_id = local_id("User", input.user_id, path=["userId"])
            return await accommodations.accommodation_remove(info.context, user_id, input.reason, input.idempotency_key)

        row, problems = await attempt(remove())
        return AccommodationRemovePayload(user=row and User.of(row), problems=problems)
