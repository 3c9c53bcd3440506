"""Certificates: shown, listed, revoked, reissued, and how much of a name the public is shown."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from dataloaders import certificates as loaders
from dataloaders import programmes_enrolments as enrolment_loaders
from models.capabilities import Capability
from models.certificates import Certificate, HolderShown
from resolvers.access import requires
from resolvers.context import Context
from services import (
    certificates,
    certificates_actions,
    certificates_read,
    certificates_rules,
    certificates_settings,
    plain,
)
from services.certificates_actions import Available
from services.certificates_read import Filter
from services.certificates_rules import CertificateState
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.refusals import NotFound
from services.work import Work

Shown = Certificate | None


@requires(Capability.PROGRAMMES_READ)
async def certificate(context: Context, certificate_id: UUID | None) -> Shown:
    """Return a certificate of the viewer's org unit."""
    return None if certificate_id is None else await context.loaders.of(loaders.by_id).load(certificate_id)


@requires(Capability.PROGRAMMES_READ)
async def certificates_page(context: Context, wanted: Filter, page: PageRequest) -> Page[Certificate]:
    """List certificates of the viewer's org unit."""
    return await context.read(certificates_read.listed, wanted, page)


async def require_shown(context: Context, certificate_id: UUID) -> None:
    """Refuse a certificate that is neither the viewer's own nor of an org unit whose programmes they see."""
    if not await _is_own(context, certificate_id):
        await context.require(Capability.PROGRAMMES_READ)
        if certificate_id not in await context.read(certificates_read.by_ids, [certificate_id]):
            raise NotFound("Certificate", certificate_id)


async def newest_of(context: Context, enrolment_id: UUID) -> Shown:
    """Return the newest certificate of an enrolment that the viewer may see."""
    return await context.loaders.of(loaders.newest_of).load(enrolment_id)


async def state(context: Context, row: Certificate) -> CertificateState:
    """Return what a certificate that the viewer may see is now."""
    return certificates_rules.state(row, await context.read(plain.now))


async def actions(context: Context, row: Certificate) -> list[Available]:
    """Return what the viewer may do now with a certificate that they may see."""
    newest = await newest_of(context, row.enrolment_id)
    enrolment = await context.loaders.of(enrolment_loaders.by_id).load(row.enrolment_id)
    status, is_newest = "" if enrolment is None else enrolment.status, newest is None or newest.id == row.id
    return certificates_actions.available(row, status, await context.capabilities(), is_newest=is_newest)


def address(context: Context, row: Certificate) -> str:
    """Return where anybody may check a certificate that the viewer may see."""
    return f"{context.house.site}/certificates/{row.token}"


@requires(Capability.PROGRAMMES_MANAGE)
async def revoke(context: Context, certificate_id: UUID, reason: str, key: str | None) -> Shown:
    """Revoke a certificate."""
    act = partial(certificates.revoke, certificate_id=certificate_id, reason=reason)
    return await _done(context, "certificateRevoke", key, [str(certificate_id), reason], act)


@requires(Capability.PROGRAMMES_MANAGE)
async def reissue(context: Context, certificate_id: UUID, reason: str, key: str | None) -> Shown:
    """Issue a certificate again."""
    act = partial(certificates.reissue, certificate_id=certificate_id, reason=reason)
    return await _done(context, "certificateReissue", key, [str(certificate_id), reason], act)


@requires(Capability.PROGRAMMES_READ)
async def settings(context: Context) -> HolderShown:
    """Return what the public is shown of a holder's name."""
    return await context.read(certificates_settings.shown)


@requires(Capability.POLICY_MANAGE)
async def settings_update(context: Context, wanted: HolderShown, reason: str, key: str | None) -> HolderShown:
    """Decide what the public is shown of a holder's name."""
    act = partial(certificates_settings.update, wanted=wanted, reason=reason)
    await context.write("certificateSettingsUpdate", key, [wanted.value, reason], act)
    return await context.read(certificates_settings.shown)


async def _done(
    context: Context, name: str, key: str | None, given: object, act: Callable[[Work], Awaitable[Answer]]
) -> Shown:
    answer = await context.write(name, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["certificate"]))


async def _is_own(context: Context, certificate_id: UUID) -> bool:
    """Tell whether the certificate is the viewer's own, whichever of their org units the token is for."""
    viewer = context.viewer
    if viewer.user_id is None:
        return False
    async with context.house.office.snapshot(viewer.everywhere()) as work:
        row = (await certificates_read.by_ids(work, [certificate_id])).get(certificate_id)
    return row is not None and row.user_id == viewer.user_id
