"""What programmes have done by jobs: enrolments follow the scores, and further attempts are issued when due."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from services import certificates_notices, invitations, programmes_follow, programmes_renew, programmes_signal
from services.assignments_issue import Link
from services.viewer import Viewer
from services.work import Office, Work

MOST = 500
"""Enrolments of one tenant that are looked at in one round."""


async def follow(tools: Tools, task: Task) -> None:
    """Follow one enrolment."""
    link = partial(invitations.link, tools.site, tools.tokens)
    viewer = replace(task.viewer, org_unit_id=UUID(task.payload["org_unit"]), scope_all=False)
    await _follow(tools.office, viewer, UUID(task.payload["enrolment"]), link)


async def retake(tools: Tools, _task: Task) -> None:
    """Issue the attempts whose time to cool off is over, tenant by tenant, each enrolment in its own transaction."""
    link = partial(invitations.link, tools.site, tools.tokens)
    for tenant_id in await tenants(tools.office):
        await retake_tenant(tools.office, tenant_id, link)


async def retake_tenant(office: Office, tenant_id: UUID, link: Link | None) -> int:
    """Issue what is due in one tenant; returns how many enrolments there were."""
    async with office.snapshot(Viewer.system(tenant_id, name="programmes.retake")) as work:
        found = await programmes_follow.due(work, MOST)
    for enrolment_id, org_unit_id in found:
        await _follow(office, Viewer.system(tenant_id, org_unit_id, name="programmes.retake"), enrolment_id, link)
    return len(found)


async def renew(tools: Tools, _task: Task) -> None:
    """Enrol again whose certificate is about to end, tenant by tenant, each in a transaction of their own."""
    link = partial(invitations.link, tools.site, tools.tokens)
    for tenant_id in await tenants(tools.office):
        await renew_tenant(tools.office, tenant_id, link)


async def renew_tenant(office: Office, tenant_id: UUID, link: Link | None) -> int:
    """Renew what is due in one tenant; returns how many enrolments that made."""
    made = 0
    async with office.snapshot(Viewer.system(tenant_id, name="programmes.renew")) as work:
        found = await programmes_renew.due(work, MOST)
    for enrolment_id, org_unit_id in found:
        viewer = Viewer.system(tenant_id, org_unit_id, name="programmes.renew")

        async def act(work: Work, one: UUID = enrolment_id) -> bool:
            return await programmes_renew.renew(work, one, link) is not None

        made += await office.perform(viewer, act, repeatable=True)
    return made


async def tell(tools: Tools, task: Task) -> None:
    """Tell holders of their certificates by mail: those of one tenant where one was issued, else tenant by tenant."""
    for tenant_id in await tenants(tools.office) if task.tenant_id is None else [task.tenant_id]:
        while await tell_tenant(tools.office, tenant_id, tools.site):
            pass


async def tell_tenant(office: Office, tenant_id: UUID, site: str) -> int:
    """Tell what is due in one tenant; returns how many mails that makes."""
    viewer = Viewer.system(tenant_id, name="certificates.tell")

    async def act(work: Work) -> int:
        return await certificates_notices.tell(work, site)

    return await office.perform(viewer, act, repeatable=True)


async def _follow(office: Office, viewer: Viewer, enrolment_id: UUID, link: Link | None) -> None:
    async def act(work: Work) -> bool:
        return await programmes_follow.follow(work, enrolment_id, link)

    await office.perform(viewer, act, repeatable=True)


FOLLOW = Handler(name=programmes_signal.FOLLOW, act=follow, tries=8, limit=timedelta(seconds=60))
RETAKE = Handler(name="programmes.retake", act=retake, limit=timedelta(minutes=5))
RENEW = Handler(name="programmes.renew", act=renew, limit=timedelta(minutes=5))
TELL = Handler(name=certificates_notices.TELL, act=tell, limit=timedelta(minutes=5))
