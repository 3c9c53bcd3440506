"""The badge of a programme: set, cleared, and where it is shown."""

import hashlib
from functools import partial
from uuid import UUID

from dataloaders import programmes as loaders
from models.capabilities import Capability
from models.programmes import Programme, ProgrammeVersion
from paper import badges
from paper.badges import NotABadgeError
from resolvers.access import requires
from resolvers.context import Context
from services import programmes_badge
from services.open_badges import badge_address
from services.refusals_files import ImageRefused

Shown = Programme | None


@requires(Capability.PROGRAMMES_MANAGE)
async def badge_set(
    context: Context, programme_id: UUID, image: str, expected_version: int | None, key: str | None
) -> Shown:
    """Give the draft a badge; the image is drawn anew before the transaction begins."""
    file = programmes_badge.decoded(image)
    try:
        badge = await context.house.press.run(badges.drawn, file)
    except NotABadgeError as error:
        raise ImageRefused(str(error), path=["image"]) from error
    given = [str(programme_id), hashlib.sha256(file).hexdigest(), expected_version]
    act = partial(programmes_badge.choose, programme_id=programme_id, badge=badge, expected_version=expected_version)
    answer = await context.write("programmeBadgeSet", key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["programme"]))


@requires(Capability.PROGRAMMES_MANAGE)
async def badge_clear(context: Context, programme_id: UUID, expected_version: int | None, key: str | None) -> Shown:
    """Take the badge away from the draft."""
    act = partial(programmes_badge.clear, programme_id=programme_id, expected_version=expected_version)
    answer = await context.write("programmeBadgeClear", key, [str(programme_id), expected_version], act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["programme"]))


def address(context: Context, row: Programme | ProgrammeVersion) -> str | None:
    """Return where anybody may see the badge of a draft or a version; None without one."""
    if row.badge_id is None:
        return None
    return badge_address(context.house.site, row.tenant_id, row.badge_id)
