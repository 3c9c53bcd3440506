"""The activity ledger: read, verified, signed and exported."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import activity, activity_related, ledger_export, ledger_keys, ledger_seal
from services.activity import Filter
from services.idempotency import Answer
from services.ledger import Checkpoint
from services.ledger_verify import Verdict
from services.paging import Page, PageRequest
from services.work import Work

MOST_VERIFIED = 10_000
"""Positions that one question may verify."""

MOST_CHECKPOINTS = 100


@requires(Capability.ACTIVITY_READ)
async def activity_page(context: Context, wanted: Filter, page: PageRequest) -> Page[Any]:
    """List rows of the ledger."""
    return await context.read(activity.listed, wanted, page)


@requires(Capability.ACTIVITY_READ)
async def of_subject(context: Context, kind: str, subject_id: UUID, page: PageRequest) -> Page[Any]:
    """List what the ledger tells of one object."""
    return await context.read(activity.listed, Filter(subject_kind=kind, subject_id=subject_id), page)


@requires(Capability.ACTIVITY_READ)
async def of_assignment(context: Context, assignment_id: UUID, page: PageRequest) -> Page[Any]:
    """List what the ledger tells of an assignment and of its sessions."""
    return await context.read(activity_related.of_assignment, assignment_id, page)


@requires(Capability.ACTIVITY_READ)
async def of_submission(context: Context, submission_id: UUID, page: PageRequest) -> Page[Any]:
    """List what the ledger tells of a submission and of the session that it came from."""
    return await context.read(activity_related.of_submission, submission_id, page)


@requires(Capability.ACTIVITY_READ)
async def activity_row(context: Context, row_id: UUID) -> Any:
    """Return one row; None when there is none to be seen."""
    return await context.read(activity.by_id, row_id)


@requires(Capability.ACTIVITY_READ)
async def activity_checkpoints(context: Context, first: int, last: int) -> Sequence[Checkpoint]:
    """Return the newest checkpoints between two positions, oldest first."""
    return (await context.read(ledger_seal.checkpoints, first, last))[-MOST_CHECKPOINTS:]


@requires(Capability.ACTIVITY_READ)
async def activity_verify(context: Context, after: int, most: int) -> tuple[Verdict, int, int]:
    """Verify positions of the chain against the tables; returns the verdict and the first and last position."""
    span = await context.read(ledger_export.span, Filter(), after=after, most=min(max(most, 0), MOST_VERIFIED))
    keys = await context.read(ledger_keys.known, context.house.notary)
    verdict, _ = await ledger_export.check(context.house.office, context.viewer, span, keys)
    return verdict, span.first, span.last


@requires(Capability.ACTIVITY_EXPORT)
async def activity_checkpoint_create(context: Context, key: str | None) -> Checkpoint | None:
    """Seal what can be sealed and sign where the chain is; None for a chain that has not begun."""
    office, notary = context.house.office, context.house.notary

    async def act(work: Work) -> Answer:
        work.record("activity.checkpoint_requested", ("tenant", context.tenant_id))
        return {}

    await context.write("activityCheckpointCreate", key, {}, act)
    await ledger_export.settle(office, notary, context.tenant_id)
    row = await context.read(ledger_seal.latest_checkpoint)
    return None if row is None else ledger_seal.told(row)


@requires(Capability.ACTIVITY_EXPORT)
async def activity_export(
    context: Context, wanted: Filter, after: int, most: int | None, key: str | None
) -> AsyncGenerator[str, None]:
    """Export the ledger behind a position, as lines; the export is a row of the ledger itself."""
    activity.conditions(wanted)
    office, notary = context.house.office, context.house.notary

    async def act(work: Work) -> Answer:
        ledger_export.note(work, wanted)
        return {}

    await context.write("activityExport", key, {"filter": wanted.told(), "after": after, "most": most}, act)
    await ledger_export.settle(office, notary, context.tenant_id)
    span = await context.read(ledger_export.span, wanted, after=after, most=most)
    await context.refresh()
    async for line in ledger_export.lines(office, context.viewer, span):
        yield line
