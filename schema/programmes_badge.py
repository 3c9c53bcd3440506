"""What changes the badge of a programme."""

from typing import Annotated

import strawberry

from resolvers import programmes_badge
from schema.access import Info, act, says, told
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.programmes import Programme
from schema.programmes_acts import EXPECTED, KIND
from schema.users_acts import KEY


@strawberry.input(description="A badge to give to a draft.")
class ProgrammeBadgeSetInput:
    """To which programme, and the image."""

    programme_id: strawberry.ID = told("Global id of the programme.")
    image: str = told("A PNG in base64: at most 180000 bytes, 128 to 2000 pixels a side, not animated.")
    expected_version: int | None = told(EXPECTED, default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A badge to take away from a draft.")
class ProgrammeBadgeClearInput:
    """From which programme."""

    programme_id: strawberry.ID = told("Global id of the programme.")
    expected_version: int | None = told(EXPECTED, default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A draft with a badge.")
class ProgrammeBadgeSetPayload:
    """Answer of `programmeBadgeSet`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft without a badge.")
class ProgrammeBadgeClearPayload:
    """Answer of `programmeBadgeClear`."""

    programme: Programme | None = told("The programme; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class ProgrammesBadgeMutation:
    """Changes of badges."""

    @act(
        programmes_badge.badge_set,
        "Give the draft a badge. The image is drawn anew, 400 by 400 pixels, fitted in whole, with nothing else in it.",
    )
    async def programme_badge_set(
        self, info: Info, input: Annotated[ProgrammeBadgeSetInput, says("To which, and the image.")]
    ) -> ProgrammeBadgeSetPayload:
        """Set."""
        done = programmes_badge.badge_set(
            info.context,
            local_id(KIND, input.programme_id, path=["programmeId"]),
            input.image,
            input.expected_version,
            input.idempotency_key,
        )
        row, problems = await attempt(done)
        return ProgrammeBadgeSetPayload(programme=row and Programme.of(row), problems=problems)

    @act(programmes_badge.badge_clear, "Take the badge away from the draft; versions that have it keep it.")
    async def programme_badge_clear(
        self, info: Info, input: Annotated[ProgrammeBadgeClearInput, says("From which.")]
    ) -> ProgrammeBadgeClearPayload:
        """Clear."""
        done = programmes_badge.badge_clear(
            info.context,
            local_id(KIND, input.programme_id, path=["programmeId"]),
            input.expected_version,
            input.idempotency_key,
        )
        row, problems = await attempt(done)
        return ProgrammeBadgeClearPayload(programme=row and Programme.of(row), problems=problems)
