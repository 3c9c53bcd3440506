"""Accommodation profiles: what a person needs in every assessment, written down once (domain.md section 5).

A profile is frozen into each session that is made while it counts; sessions that exist are changed by overrides only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.accommodations import AccommodationProfile
from models.base import uuid7
from models.identity import User, UserStatus
from services import words
from services.idempotency import Answer
from services.policy import FINEST_MULTIPLIER, LARGEST_MULTIPLIER
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Work

LONGEST_BREAKS_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a person needs: a factor on every time limit, seconds for breaks on top of it, and until when.

    `notes` are for those who manage profiles; no session shows them.
    """

    time_multiplier: Decimal = Decimal(1)
    break_seconds: int = 0
    notes: str = ""
    valid_until: datetime | None = None


async def of_users(work: Work, user_ids: Sequence[UUID]) -> dict[UUID, AccommodationProfile]:
    """Return the profiles of those of these people who have one, ended ones too."""
    wanted = select(AccommodationProfile).where(AccommodationProfile.user_id.in_(user_ids))
    return {profile.user_id: profile for profile in await work.session.scalars(wanted)}


async def update(work: Work, user_id: UUID, needs: Needs, reason: str, expected_version: int | None) -> Answer:
    """Write down what a person needs, in place of what was written before.

    Refuses values out of bounds, a person who was merged away, and another version than the expected one.
    """
    why, now = words.reason(reason), await work.now()
    _check(needs, now)
    notes = words.description(needs.notes, path=["notes"])
    await work.lock(f"accommodation/{work.viewer.tenant_id}/{user_id}")
    user = (await work.session.scalars(select(User).where(User.id == user_id))).one_or_none()
    if user is None or user.status == UserStatus.MERGED:
        raise NotFound("User", user_id, path=["userId"])
    profile = (await of_users(work, [user_id])).get(user_id)
    before = None if profile is None else _told(profile)
    version = 0 if profile is None else profile.version
    if expected_version is not None and expected_version != version:
        raise StateDrift("The profile was changed meanwhile.", current_state="CHANGED", current_version=version)
    if profile is None:
        profile = AccommodationProfile(id=uuid7(), user_id=user_id)
        work.session.add(profile)
    profile.time_multiplier, profile.break_seconds = needs.time_multiplier, needs.break_seconds
    profile.notes, profile.valid_until = notes, needs.valid_until
    profile.changed_by, profile.changed_at, profile.version = work.viewer.user_id, now, version + 1
    await work.session.flush()
    work.record("accommodation.updated", ("user", user_id), reason=why, before=before, after=_told(profile))
    return {"user": str(user_id)}


async def remove(work: Work, user_id: UUID, reason: str) -> Answer:
    """Remove a person's profile; the ledger keeps what it set. Refuses a person who has none."""
    why = words.reason(reason)
    await work.lock(f"accommodation/{work.viewer.tenant_id}/{user_id}")
    profile = (await of_users(work, [user_id])).get(user_id)
    if profile is None:
        raise NotFound("AccommodationProfile", user_id, path=["userId"])
    before = _told(profile)
    await work.session.delete(profile)
    work.record("accommodation.removed", ("user", user_id), reason=why, before=before)
    return {"user": str(user_id)}


def _check(needs: Needs, now: datetime) -> None:
    factor = needs.time_multiplier
    if not 1 <= factor <= LARGEST_MULTIPLIER or factor % FINEST_MULTIPLIER:
        raise InvalidInput(
            f"timeMultiplier is {factor}; it must be 1 to {LARGEST_MULTIPLIER}, with at most four decimals.",
            path=["timeMultiplier"],
        )
    if not 0 <= needs.break_seconds <= LONGEST_BREAKS_SECONDS:
        raise InvalidInput(
            f"breakSeconds is {needs.break_seconds}; it must be 0 to {LONGEST_BREAKS_SECONDS}.", path=["breakSeconds"]
        )
    until = needs.valid_until
    if until is not None and (until.tzinfo is None or until <= now):
        raise InvalidInput(f"{until.isoformat()} is not an instant that is still to come.", path=["validUntil"])


def _told(profile: AccommodationProfile) -> dict[str, Any]:
    """Return what the ledger keeps of a profile: not the notes, which may be about somebody's health."""
    return {
        "time_multiplier": str(profile.time_multiplier),
        "break_seconds": profile.break_seconds,
        "valid_until": None if profile.valid_until is None else profile.valid_until.isoformat(),
        "version": profile.version,
    }
