"""The badge of a programme: an image that the draft has, and every version published from it keeps."""

import base64
import binascii
import hashlib
from typing import Final
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.certificates import BadgeImage
from models.programmes import Programme
from paper.badges import MOST_BYTES
from services import programmes
from services.idempotency import Answer
from services.refusals import InvalidInput
from services.refusals_files import ImageRefused
from services.work import Work

_LONGEST: Final = (MOST_BYTES + 2) // 3 * 4


def decoded(image: str) -> bytes:
    """Return the bytes of a file that was sent as base64; refuses what is none, and what is too large."""
    if len(image) > _LONGEST:
        raise ImageRefused(f"The image has more than {MOST_BYTES} bytes.", path=["image"])
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        hint = "Send the bytes of the file in base64, without a prefix and without line breaks."
        raise InvalidInput("The image is not base64.", path=["image"], hint=hint) from error


async def choose(work: Work, programme_id: UUID, badge: bytes, expected_version: int | None) -> Answer:
    """Give the draft a badge, a PNG as `paper.badges` draws it; versions that are published keep theirs."""
    digest = hashlib.sha256(badge).hexdigest()
    await work.lock(f"badges/{work.viewer.tenant_id}/{work.viewer.org_unit_id}/{digest}")
    row = await programmes.held(work, programme_id, expected_version)
    return await _write(work, row, await _kept(work, row.org_unit_id, digest, badge))


async def clear(work: Work, programme_id: UUID, expected_version: int | None) -> Answer:
    """Take the badge away from the draft; refuses a draft without one."""
    row = await programmes.held(work, programme_id, expected_version)
    if row.badge_id is None:
        raise InvalidInput("The draft has no badge.", path=["programmeId"], hint="There is nothing to be done.")
    return await _write(work, row, None)


async def content(work: Work, badge_id: UUID) -> bytes | None:
    """Return an image of the tenant, as PNG; None for one that is not there."""
    return await work.session.scalar(select(BadgeImage.content).where(BadgeImage.id == badge_id))


async def _kept(work: Work, org_unit_id: UUID, digest: str, badge: bytes) -> UUID:
    """Return the id of an image, which an org unit keeps once however often it is chosen; its lock is held."""
    wanted = select(BadgeImage.id).where(BadgeImage.org_unit_id == org_unit_id, BadgeImage.sha256 == digest)
    found = await work.session.scalar(wanted)
    if found is None:
        found = uuid7()
        work.session.add(BadgeImage(id=found, org_unit_id=org_unit_id, sha256=digest, content=badge))
        await work.session.flush()
    return found


async def _write(work: Work, row: Programme, badge_id: UUID | None) -> Answer:
    before = row.badge_id
    row.badge_id, row.changed_at = badge_id, await work.now()
    row.version += 1
    await work.session.flush()
    act = "programme.badge_cleared" if badge_id is None else "programme.badge_set"
    work.record(act, (programmes.SUBJECT, row.id), before=_told(before), after=_told(badge_id))
    return {"programme": str(row.id)}


def _told(badge_id: UUID | None) -> dict[str, str | None]:
    return {"badge_id": None if badge_id is None else str(badge_id)}
