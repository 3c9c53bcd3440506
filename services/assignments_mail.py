"""Invitations as mails, queued in the transaction that issues them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from models.assignments import Assignment, Invitation
from models.authoring import EvaluationVersion
from models.identity import Tenant, User
from services import assignments_policy, messages
from services.messages import Draft, Recipient
from services.work import Work

TEMPLATE = "invitation"
_HOUR, _MINUTE = 3600, 60


async def invite(
    work: Work,
    assignment: Assignment,
    version: EvaluationVersion,
    link: Callable[[Invitation], str],
    invitation_ids: Sequence[UUID],
    closes: Mapping[UUID, datetime | None] | None = None,
) -> None:
    """Queue a mail for each of these invitations of an assignment.

    `closes` tells by invitation when the window of its person closes; the assignment's own where it does not tell.
    """
    tenant = (await work.rows(select(Tenant.name, Tenant.time_zone)))[0]
    zone = str(tenant.time_zone)
    defaults = await assignments_policy.defaults_of_tenant(work)
    limit = assignments_policy.effective(assignment, version, defaults).time_limit_seconds.value
    common: dict[str, str] = {
        "tenant_name": str(tenant.name),
        "assessment_title": assignment.name,
        "opens_at": _instant(assignment.valid_from, zone),
        "time_limit": duration(limit) if isinstance(limit, int) else "",
    }
    invited = (
        select(Invitation, User.email, User.display_name)
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.id == any_(literal(list(invitation_ids), ARRAY(Uuid()))))
        .order_by(Invitation.id)
    )
    ends = closes or {}
    drafts = [
        _draft(
            row.Invitation,
            row.email,
            row.display_name,
            common | {"closes_at": _instant(ends.get(row.Invitation.id, assignment.valid_until), zone)},
            link,
        )
        for row in await work.rows(invited)
    ]
    await messages.send_all(work, TEMPLATE, drafts)


async def remind(
    work: Work,
    assignment: Assignment,
    link: Callable[[Invitation], str],
    invitation_ids: Sequence[UUID],
    closes: Mapping[UUID, datetime | None],
    now: datetime,
) -> None:
    """Queue a reminder for each of these invitations; who has redeemed theirs gets no link."""
    tenant = (await work.rows(select(Tenant.name, Tenant.time_zone)))[0]
    zone = str(tenant.time_zone)
    opens = assignment.valid_from
    common = {
        "tenant_name": str(tenant.name),
        "assessment_title": assignment.name,
        "opens_at": _instant(opens if opens is not None and opens > now else None, zone),
    }
    reminded = (
        select(Invitation, User.email, User.display_name)
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.id == any_(literal(list(invitation_ids), ARRAY(Uuid()))))
        .order_by(Invitation.id)
    )
    drafts = [
        Draft(
            Recipient(row.email, "" if row.display_name == row.email else row.display_name),
            {
                **common,
                "person_name": row.display_name,
                "closes_at": _instant(closes.get(row.Invitation.id), zone),
                "link": link(row.Invitation) if row.Invitation.accepted_at is None else "",
            },
            ("invitation", row.Invitation.id),
        )
        for row in await work.rows(reminded)
    ]
    await messages.send_all(work, "reminder", drafts)


def _draft(
    invitation: Invitation, email: str, name: str, common: dict[str, str], link: Callable[[Invitation], str]
) -> Draft:
    to = Recipient(email, "" if name == email else name)
    return Draft(to, {**common, "person_name": name, "link": link(invitation)}, ("invitation", invitation.id))


def duration(seconds: int) -> str:
    """Return a length of time as people say it, to the second."""
    hours, rest = divmod(seconds, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    parts = [(hours, "hour"), (minutes, "minute"), (left, "second")]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)


def _instant(at: datetime | None, zone: str) -> str:
    """Return an instant in the tenant's time zone, and name that; empty when there is none."""
    if at is None:
        return ""
    there = at.astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%B %Y, %H:%M} ({zone})"
