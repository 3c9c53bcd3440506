"""Nobody has tried anything yet."""

from sqlalchemy import delete

from models.attempts import AttemptCounter
from resolvers.context import House
from services.viewer import Viewer
from services.work import Work


async def forget(house: House) -> None:
    """Remove every count, from the table and from the memory of the process."""

    async def act(work: Work) -> None:
        await work.session.execute(delete(AttemptCounter))

    await house.office.perform(Viewer.anonymous(), act)
    house.attempts.forget()
