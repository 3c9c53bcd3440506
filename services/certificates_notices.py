"""What a holder is told by mail: that a certificate was issued, and that it is about to end.

A notice and its mail are one transaction behind a lock, so that everybody is told once of each, however often it is
tried. Whoever has renewed is reminded no more.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import aliased

from models.certificates import Certificate, CertificateNotice, NoticeKind
from models.identity import Tenant, User, UserStatus
from models.programmes import ProgrammeVersion
from services import certificates_read, jobs, messages, results, setwise
from services.messages import Draft, Recipient
from services.work import Work

TELL: Final = "certificates.tell"

MOST: Final = 500
"""Holders who are told in one transaction."""

LATEST: Final = timedelta(days=90)
"""How long after the issue a holder is still told of it."""


async def issued(work: Work) -> None:
    """Have the holder of what this work issues told of it."""
    await jobs.enqueue(work, TELL, {})


async def tell(work: Work, site: str) -> int:
    """Tell holders of one tenant what is due, at most so many; return how many mails that makes."""
    await work.lock(f"certificate-notices/{work.viewer.tenant_id}")
    issued, ending = await _issued(work), await _ending(work)
    soonest: dict[UUID, Any] = {}
    for row in ending:
        known = soonest.get(row.id)
        soonest[row.id] = row if known is None or row.days < known.days else known
    notices = [_notice(row, NoticeKind.ISSUED, 0) for row in issued]
    notices += [_notice(row, NoticeKind.ENDING, row.days) for row in ending]
    if not notices:
        return 0
    await setwise.insert(work, CertificateNotice, notices)
    tenant = str((await work.rows(select(Tenant.name)))[0].name)
    await messages.send_all(work, "certificate", [_draft(row, tenant, site) for row in issued])
    await messages.send_all(work, "certificate_ending", [_draft(row, tenant, site) for row in soonest.values()])
    return len(issued) + len(soonest)


async def _issued(work: Work) -> list[Any]:
    """Return certificates that their holders are to be told of; the result of none is kept back (decision 24)."""
    found: list[Any] = []
    after = UUID(int=0)
    while len(found) < MOST and (rows := await _untold(work, after)):
        kept = await results.kept_back(work, {one for row in rows for one in certificates_read.grounds(row)})
        found += [row for row in rows if kept.isdisjoint(certificates_read.grounds(row))]
        after = rows[-1].id
    return found


async def _untold(work: Work, after: UUID) -> Sequence[Any]:
    row, now = Certificate, func.evalium_now()
    told = exists().where(CertificateNotice.certificate_id == row.id, CertificateNotice.kind == NoticeKind.ISSUED)
    wanted = _of_holders().where(row.id > after, row.revoked_at.is_(None), row.issued_at > now - LATEST, ~told)
    return await work.rows(wanted.order_by(row.id).limit(MOST))


async def _ending(work: Work) -> Sequence[Any]:
    """Return what is about to end, a row for each reminder that is due and was not sent."""
    row, now, later = Certificate, func.evalium_now(), aliased(Certificate)
    days = func.unnest(ProgrammeVersion.reminder_days).column_valued("ahead")
    moment = row.expires_at - func.make_interval(0, 0, 0, days)
    told = exists().where(
        CertificateNotice.certificate_id == row.id,
        CertificateNotice.kind == NoticeKind.ENDING,
        CertificateNotice.days == days,
    )
    renewed = exists().where(later.renews_id == row.id)
    due = and_(row.expires_at > now, moment <= now, row.issued_at < moment)
    wanted = _of_holders().add_columns(days.label("days")).where(row.revoked_at.is_(None), due, ~told, ~renewed)
    return await work.rows(wanted.order_by(row.expires_at, row.id).limit(MOST))


def _of_holders() -> Any:
    row = Certificate
    return (
        select(
            row.id,
            row.org_unit_id,
            row.token,
            row.grounds,
            row.valid_through,
            User.email,
            User.display_name,
            ProgrammeVersion.name.label("programme"),
        )
        .join(User, User.id == row.user_id)
        .join(ProgrammeVersion, ProgrammeVersion.id == row.version_id)
        .where(User.status.in_((UserStatus.ACTIVE, UserStatus.INVITED)))
    )


def _notice(row: Any, kind: NoticeKind, days: int) -> dict[str, Any]:
    return {"org_unit_id": row.org_unit_id, "certificate_id": row.id, "kind": kind.value, "days": days}


def _draft(row: Any, tenant: str, site: str) -> Draft:
    variables = {
        "tenant_name": tenant,
        "person_name": row.display_name,
        "programme_name": row.programme,
        "valid_through": "" if row.valid_through is None else row.valid_through.isoformat(),
        "link": f"{site}/certificates/{row.token}",
    }
    to = Recipient(row.email, "" if row.display_name == row.email else row.display_name)
    return Draft(to, variables, ("certificate", row.id))
