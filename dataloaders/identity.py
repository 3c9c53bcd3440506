"""People by id."""

from uuid import UUID

from models.identity import User
from services import identity
from services.work import Work


async def users(work: Work, ids: list[UUID]) -> list[User | None]:
    """Return the people with these ids, in order; None where there is none to be seen."""
    found = await identity.people(work, ids)
    return [found.get(user_id) for user_id in ids]
