"""Verifies stored files, and removes what was sent and never used (domain.md section 9)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from jobs.handling import Handler, Task, Tools
from jobs.sessions import tenants
from models.evidence import EvidenceEventKind
from services import evidence_acts, evidence_verify, uploads
from services.evidence_verify import Found
from services.uploads_receive import digest
from services.viewer import Viewer
from services.work import Work
from storage.objects import MissingError, Storage

AT_ONCE = 10
"""How many uploads are removed in one transaction, which waits for a bucket meanwhile."""


async def verify(tools: Tools, task: Task) -> None:
    """Hash the stored bytes and tell what was found; a request that was answered is left alone."""
    evidence_id, request_id = UUID(task.payload["evidence"]), UUID(task.payload["request"])
    async with tools.office.snapshot(task.viewer) as work:
        row = await evidence_verify.waiting(work, evidence_id, request_id)
    if row is None:
        return
    try:
        found = evidence_verify.judged(row, await digest(tools.files, row.object_key))
    except MissingError:
        found = evidence_verify.judged(row, None)
    await _answer(tools, task, found)


async def given_up(tools: Tools, task: Task, why: str) -> None:
    """Tell that the bytes could not be read."""
    await _answer(tools, task, Found(EvidenceEventKind.VERIFY_UNKNOWN, {"cause": why[:200]}))


async def _answer(tools: Tools, task: Task, found: Found) -> None:
    evidence_id, request_id = UUID(task.payload["evidence"]), UUID(task.payload["request"])

    async def act(work: Work) -> None:
        row = await evidence_verify.waiting(work, evidence_id, request_id)
        if row is not None:
            await evidence_verify.answer(work, row, request_id, found)

    await tools.office.perform(task.viewer, act, repeatable=True)


async def prune(tools: Tools) -> int:
    """Remove unused uploads tenant by tenant, their bytes first, and return how many were removed."""
    removed = 0
    for tenant_id in await tenants(tools.office):
        viewer = Viewer.system(tenant_id, name="pruner")
        while done := await tools.office.perform(viewer, _removing(tools.files), repeatable=True):
            removed += done
    return removed


def _removing(files: Storage) -> Callable[[Work], Awaitable[int]]:
    async def remove(work: Work) -> int:
        found = await uploads.unused(work, AT_ONCE)
        for upload in found:
            await files.delete(upload.object_key)
        await uploads.remove(work, [upload.id for upload in found])
        return len(found)

    return remove


async def _prune(tools: Tools, _task: Task) -> None:
    await prune(tools)


VERIFY = Handler(name=evidence_acts.VERIFY, act=verify, limit=timedelta(minutes=10), given_up=given_up)
PRUNE = Handler(name="uploads.prune", act=_prune, limit=timedelta(minutes=5))
