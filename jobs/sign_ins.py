"""Answers requests for sign-in links, and removes what signing in leaves behind."""

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from services import attempts, sign_ins, sign_ins_expiry
from services.viewer import Viewer
from services.work import Work


async def mail(tools: Tools, task: Task) -> None:
    """Mail a link for each account of the address that was asked for; none when there is none."""
    asked = sign_ins.Asked.of(task.payload)
    await sign_ins.answer(tools.office, asked, tools.site, tools.tokens.secret_for(sign_ins.CODES))


async def prune(tools: Tools, _task: Task) -> None:
    """Remove links, sign-ins and counters that are long over, in small transactions."""
    for act in (attempts.prune, sign_ins_expiry.prune_requests):
        while await tools.office.perform(Viewer.anonymous(), act, repeatable=True):
            pass
    for tenant_id in await tenants(tools.office):
        viewer = Viewer.system(tenant_id, name="sign_ins.prune")
        while await tools.office.perform(viewer, _remove, repeatable=True):
            pass


async def _remove(work: Work) -> int:
    return await sign_ins_expiry.prune(work)


MAIL = Handler(name=sign_ins.MAIL, act=mail)
PRUNE = Handler(name="sign_ins.prune", act=prune)
