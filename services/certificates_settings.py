"""How much of a holder's name the public is shown, as each tenant decides (domain.md section 10)."""

from sqlalchemy import select

from models.base import uuid7
from models.certificates import CertificateSettings, HolderShown
from services import words
from services.idempotency import Answer
from services.work import Work


async def shown(work: Work) -> HolderShown:
    """Return what the viewer's tenant shows; initials, where it has said nothing."""
    found = await work.rows(select(CertificateSettings.holder_shown))
    return HolderShown(found[0].holder_shown) if found else HolderShown.INITIALS


async def update(work: Work, wanted: HolderShown, reason: str) -> Answer:
    """Decide what the public is shown, of certificates that exist too."""
    why, now = words.reason(reason), await work.now()
    await work.lock(f"certificate-settings/{work.viewer.tenant_id}")
    row = (await work.session.scalars(select(CertificateSettings))).one_or_none()
    before = HolderShown.INITIALS.value if row is None else row.holder_shown
    if row is None:
        row = CertificateSettings(id=uuid7(), holder_shown=wanted, changed_at=now)
        work.session.add(row)
    row.holder_shown, row.changed_at = wanted, now
    await work.session.flush()
    work.record(
        "certificate_settings.updated",
        ("certificate_settings", row.id),
        reason=why,
        before={"holder_shown": before},
        after={"holder_shown": wanted.value},
    )
    return {"holder_shown": wanted.value}


def name_of(holder: str, wanted: HolderShown) -> str | None:
    """Return a holder's name as the public is shown it; None for nothing of it.

    Initials are the first letter or digit of each word, so that `Ada King-Noel` is `A. K.`.
    """
    match wanted:
        case HolderShown.FULL:
            return holder
        case HolderShown.HIDDEN:
            return None
        case HolderShown.INITIALS:
            firsts = (next((sign for sign in word if sign.isalnum()), "") for word in holder.split())
            return " ".join(f"{sign.upper()}." for sign in firsts if sign) or None
