"""Enrolments in programmes: made, ended, decided about, followed and listed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from dataloaders import programmes as programme_loaders
from dataloaders import programmes_enrolments as loaders
from models.capabilities import Capability
from models.programmes import Programme
from models.programmes_enrolments import ProgrammeEnrolment
from resolvers.access import requires
from resolvers.context import Context
from services import (
    invitations,
    plain,
    programmes_actions,
    programmes_enrol,
    programmes_follow,
    programmes_preview,
    programmes_read,
    programmes_transfer,
)
from services.assignments_recipients import Recipient
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.programmes_actions import Available
from services.programmes_preview import Preview
from services.programmes_read import EnrolmentState, Filter, Progress
from services.work import Work

Shown = ProgrammeEnrolment | None


@dataclass(frozen=True, slots=True)
class EnrolledRow:
    """What became of one recipient: an enrolment, so many people of a group, or why nobody."""

    ref: str
    enrolment: Shown
    enrolled: int
    known: int
    problem: dict[str, Any] | None


@requires(Capability.PROGRAMMES_READ)
async def enrolment(context: Context, enrolment_id: UUID | None) -> Shown:
    """Return an enrolment of the viewer's org unit."""
    return None if enrolment_id is None else await context.loaders.of(loaders.by_id).load(enrolment_id)


@requires(Capability.PROGRAMMES_READ)
async def enrolments_page(context: Context, wanted: Filter, page: PageRequest) -> Page[ProgrammeEnrolment]:
    """List enrolments of the viewer's org unit."""
    return await context.read(programmes_read.listed, wanted, page)


async def state(context: Context, row: ProgrammeEnrolment) -> EnrolmentState:
    """Return what an enrolment that the viewer may see is shown as now."""
    return programmes_read.state(row, await context.read(plain.now))


async def progress(context: Context, enrolment_id: UUID) -> Sequence[Progress]:
    """Return how far an enrolment that the viewer may see is, in the order of the requirements."""
    return await context.loaders.of(loaders.progress_of).load(enrolment_id)


async def actions(context: Context, row: ProgrammeEnrolment) -> list[Available]:
    """Return what the viewer may do now with an enrolment that they may see."""
    programme = await context.loaders.of(programme_loaders.by_id).load(row.programme_id)
    version = await context.loaders.of(programme_loaders.version).load(row.version_id)
    is_newest = programme is None or version is None or version.number == programme.latest_number
    return programmes_actions.available(row, await context.capabilities(), is_newest=is_newest)


@requires(Capability.PROGRAMMES_MANAGE)
async def enrol_preview(context: Context, programme_id: UUID, recipients: Sequence[Recipient]) -> Preview:
    """Tell what enrolling would do now."""
    return await context.read(programmes_preview.preview, programme_id, recipients)


@requires(Capability.PROGRAMMES_MANAGE)
async def enrol(
    context: Context, programme_id: UUID, recipients: Sequence[Recipient], key: str | None
) -> tuple[Programme | None, list[EnrolledRow]]:
    """Enrol people, and mail them what they are asked for."""
    link = partial(invitations.link, context.house.site, context.house.tokens)
    act = partial(programmes_enrol.enrol, programme_id=programme_id, given=recipients, link=link)
    given = [str(programme_id), [[one.kind, one.ref, one.name] for one in recipients]]
    answer = await context.write("programmeEnrol", key, given, act)
    ids = [UUID(one["enrolment"]) for one in answer["rows"] if one["enrolment"] is not None]
    shown = {row.id: row for row in await context.loaders.of(loaders.by_id).load_many(ids) if row is not None}
    rows = [
        EnrolledRow(
            one["ref"],
            None if one["enrolment"] is None else shown.get(UUID(one["enrolment"])),
            one["enrolled"],
            one["known"],
            one["problem"],
        )
        for one in answer["rows"]
    ]
    return await context.loaders.of(programme_loaders.by_id).load(programme_id), rows


@requires(Capability.PROGRAMMES_MANAGE)
async def cancel(context: Context, enrolment_id: UUID, reason: str, key: str | None) -> Shown:
    """End an enrolment."""
    act = partial(programmes_enrol.cancel, enrolment_id=enrolment_id, reason=reason)
    return await _done(context, "programmeEnrolmentCancel", key, [str(enrolment_id), reason], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def transfer(context: Context, enrolment_id: UUID, reason: str, key: str | None) -> Shown:
    """Let an enrolment go on by the newest version."""
    link = partial(invitations.link, context.house.site, context.house.tokens)
    act = partial(programmes_transfer.transfer, enrolment_id=enrolment_id, reason=reason, link=link)
    return await _done(context, "programmeEnrolmentTransfer", key, [str(enrolment_id), reason], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def hold_decide(
    context: Context, enrolment_id: UUID, requirement: UUID, reason: str, key: str | None, *, keep: bool
) -> Shown:
    """Decide about a requirement that is held."""
    link = partial(invitations.link, context.house.site, context.house.tokens)

    async def act(work: Work) -> Answer:
        return await programmes_follow.decide_hold(work, enrolment_id, requirement, reason, link, keep=keep)

    given = [str(enrolment_id), str(requirement), reason, keep]
    return await _done(context, "programmeHoldDecide", key, given, act)


async def _done(
    context: Context, name: str, key: str | None, given: object, act: Callable[[Work], Awaitable[Answer]]
) -> Shown:
    answer = await context.write(name, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["enrolment"]))
