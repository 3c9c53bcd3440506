"""Sends the messages that services have queued."""

from datetime import timedelta
from uuid import UUID

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from mail.post import Bounced, Deferred, Letter
from models.messages import MessageChange
from services import messages, messages_deliver
from services.viewer import Viewer
from services.work import Work

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=30)


async def deliver(tools: Tools, task: Task) -> None:
    """Hand one message over, and write down what the mail server said.

    A crash between the two sends it again, with the same Message-ID.
    """
    message_id = UUID(task.payload["message"])
    async with tools.office.snapshot(task.viewer) as work:
        outgoing = await messages_deliver.prepared(work, message_id)
    if outgoing is None:
        return
    content = outgoing.content
    letter = Letter(message_id, outgoing.email, outgoing.name, content.subject, content.text, content.html)
    try:
        receipt = await tools.post.deliver(letter)
    except Bounced as error:
        await _note(tools, task, MessageChange.BOUNCED, detail=str(error))
    except Deferred as error:
        await _note(tools, task, MessageChange.DEFERRED, detail=str(error))
        raise
    else:
        await _note(tools, task, MessageChange.SENT, provider_id=receipt.provider_id, detail=receipt.detail)


async def given_up(tools: Tools, task: Task, reason: str) -> None:
    """Write down that a message will not be sent unless its job is tried again."""
    await _note(tools, task, MessageChange.FAILED, detail=reason)


async def _note(
    tools: Tools, task: Task, change: MessageChange, *, detail: str, provider_id: str | None = None
) -> None:
    async def act(work: Work) -> bool:
        message_id = UUID(task.payload["message"])
        return await messages_deliver.note(work, message_id, change, provider_id=provider_id, detail=detail)

    await tools.office.perform(task.viewer, act, repeatable=True)


async def wipe(tools: Tools, _task: Task) -> None:
    """Wipe, tenant by tenant, the variables of messages that are too old to be tried again."""
    for tenant_id in await tenants(tools.office):
        viewer = Viewer.system(tenant_id, name="messages.wipe")
        while await tools.office.perform(viewer, messages_deliver.wipe, repeatable=True):
            pass


DELIVER = Handler(
    name=messages.DELIVER,
    act=deliver,
    tries=12,
    first_pause=FIRST_PAUSE,
    longest_pause=LONGEST_PAUSE,
    limit=timedelta(seconds=60),
    given_up=given_up,
)
WIPE = Handler(name="messages.wipe", act=wipe)
