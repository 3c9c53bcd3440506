"""Keeps the queue's own log short."""

from jobs.handling import Handler, Task, Tools
from services import jobs_parked
from services.viewer import Viewer


async def prune(tools: Tools, _task: Task) -> None:
    """Remove what the log tells of jobs that ended long ago."""
    while await tools.office.perform(Viewer.anonymous(), jobs_parked.prune, repeatable=True):
        pass


PRUNE = Handler(name="queue.prune", act=prune)
