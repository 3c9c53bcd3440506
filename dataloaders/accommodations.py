"""Accommodation profiles, by person."""

from uuid import UUID

from models.accommodations import AccommodationProfile
from services import accommodations
from services.work import Work


async def of_user(work: Work, user_ids: list[UUID]) -> list[AccommodationProfile | None]:
    """Return the profile of each person, in order; None for who has none."""
    found = await accommodations.of_users(work, user_ids)
    return [found.get(one) for one in user_ids]
