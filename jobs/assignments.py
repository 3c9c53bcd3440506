"""What assignments have done by jobs: those who joined a group are invited."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from services import assignments_groups, assignments_reminders, groups, invitations
from services.viewer import Viewer
from services.work import Work


async def invite_joined(tools: Tools, task: Task) -> None:
    """Invite the members of a group who are new in it to each assignment that addresses it, one after the other."""
    group_id = UUID(task.payload["group"])
    viewer = task.viewer.everywhere()
    link = partial(invitations.link, tools.site, tools.tokens)
    async with tools.office.snapshot(viewer) as work:
        wanted = await assignments_groups.addressing(work, group_id)
    for assignment_id in wanted:

        async def invite(work: Work, assignment_id: UUID = assignment_id) -> int:
            return await assignments_groups.invite_joined(work, assignment_id, group_id, link)

        await tools.office.perform(viewer, invite, repeatable=True)


async def remind(tools: Tools, _task: Task) -> None:
    """Remind, tenant by tenant and assignment by assignment, each in a transaction of its own."""
    link = partial(invitations.link, tools.site, tools.tokens)
    for tenant_id in await tenants(tools.office):
        async with tools.office.snapshot(Viewer.system(tenant_id, name="assignments.remind")) as work:
            due = await assignments_reminders.due(work)
        for assignment_id, org_unit_id in due:

            async def send(work: Work, assignment_id: UUID = assignment_id) -> int:
                return await assignments_reminders.remind(work, assignment_id, link)

            viewer = Viewer.system(tenant_id, org_unit_id, name="assignments.remind")
            while await tools.office.perform(viewer, send, repeatable=True):
                pass


REMIND = Handler(name="assignments.remind", act=remind, limit=timedelta(minutes=5))
INVITE_JOINED = Handler(name=groups.JOINED, act=invite_joined, tries=8, limit=timedelta(seconds=60))
