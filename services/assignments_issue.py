"""Issuing: an assignment, its recipients, their invitations and their mails, in one transaction (domain.md 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from models.assignments import Assignment, AssignmentGroup, AssignmentTarget, Invitation
from models.base import uuid7
from realtime import topics
from services import assignments_mail, assignments_recipients, assignments_terms, invitations, public_links, setwise
from services.assignments_recipients import Addressed, Recipient, Resolved, Row
from services.assignments_terms import Terms
from services.idempotency import Answer
from services.public_links import Wanted
from services.refusals import InvalidInput, Refusal
from services.setwise import Told
from services.work import Work

_SAID: Final = (
    "org_unit_id",
    "evaluation_version_id",
    "name",
    "run_label",
    "status",
    "valid_from",
    "valid_until",
    "allowed_attempts",
    "time_limit_seconds",
    "feedback_mode",
    "security_config",
    "remind_before_start_seconds",
    "remind_before_deadline_seconds",
    "template",
    "created_by",
)
"""What assignments that are issued together have in common."""

Link = Callable[[Invitation], str]
"""From an invitation to the address that a mail leads to."""


@dataclass(frozen=True, slots=True)
class Public:
    """A public link to make along with an assignment, and the key of its access code's hash."""

    wanted: Wanted
    key: bytes


async def issue(
    work: Work, terms: Terms, given: Sequence[Recipient], link: Link | None = None, public: Public | None = None
) -> Answer:
    """Issue an evaluation version to people and groups, and answer for each row, in order.

    Those who cannot be invited are reported and the others are issued; when nobody can be, nothing is. Addresses
    that nobody has yet become people without any role. With `link`, which makes an invitation's address, each of those
    invited is mailed. With `public`, it has a public link too, and needs no recipients. A fixed number of statements,
    whoever is invited.
    """
    now = await work.now()
    assignment, version = await assignments_terms.made(work, terms, now)
    if not given and public is None:
        raise InvalidInput("There are no recipients.", path=["recipients"], hint="Name people, addresses or groups.")
    rows = await assignments_recipients.look(work, given)
    if given:
        assignments_recipients.require_somebody(given, rows)
    rows = await assignments_recipients.create(work, rows)
    work.session.add(assignment)
    await work.session.flush()
    groups = [{"assignment_id": assignment.id, "group_id": row.group_id} for row in rows if isinstance(row, Addressed)]
    await setwise.insert(work, AssignmentGroup, [{**one, "org_unit_id": assignment.org_unit_id} for one in groups])
    if public is not None:
        await public_links.add(work, assignment, public.wanted, public.key)
    people = assignments_recipients.people_of(rows)
    ids = await invite(work, assignment, people, now)
    if link is not None and ids:
        await assignments_mail.invite(work, assignment, version, link, list(ids.values()))
    told = told_of(assignment) | {"invited": len(ids), "groups": [str(one["group_id"]) for one in groups]}
    work.record("assignment.issued", ("assignment", assignment.id), after=told)
    return {
        "assignment": str(assignment.id),
        "rows": [_answered(one, row, ids) for one, row in zip(given, rows, strict=True)],
    }


async def issue_each(
    work: Work, terms: Terms, people: Sequence[Resolved], needed: Sequence[datetime | None], link: Link | None = None
) -> list[UUID]:
    """Issue an assignment of their own to each of these people, who exist; return the assignments in their order.

    `needed` tells until when each of them needs the invitation, see `invitations.end_of_life`. A fixed number of
    statements, however many they are. With `link` each of them is mailed.
    """
    now = await work.now()
    pattern, version = await assignments_terms.made(work, terms, now)
    said = {name: getattr(pattern, name) for name in _SAID}
    ids = [uuid7() for _ in people]
    await setwise.insert(work, Assignment, [{"id": one, **said} for one in ids])
    pairs = list(zip(ids, people, strict=True))
    of_each = [{"org_unit_id": pattern.org_unit_id, "assignment_id": one, "user_id": who.user_id} for one, who in pairs]
    named = [{**row, "kind": who.kind, "ref": who.ref} for row, who in zip(of_each, people, strict=True)]
    await setwise.insert(work, AssignmentTarget, named)
    ends = [invitations.end_of_life(now, pattern.valid_until, one) for one in needed]
    invitation_ids = [uuid7() for _ in people]
    invited = [
        {**row, "id": one, "jti": uuid7(), "sent_at": now, "expires_at": until}
        for one, row, until in zip(invitation_ids, of_each, ends, strict=True)
    ]
    await setwise.insert(work, Invitation, invited)
    if link is not None and people:
        await assignments_mail.invite(work, pattern, version, link, invitation_ids)
    told: dict[str, Any] = told_of(pattern) | {"invited": 1, "groups": []}
    await setwise.record(work, "assignment.issued", [Told(("assignment", one), told) for one in ids])
    return ids


async def invite(work: Work, assignment: Assignment, people: Sequence[Resolved], now: datetime) -> dict[UUID, UUID]:
    """Add target and first invitation for people who are none yet; return the invitation of each new one."""
    of_it = {"org_unit_id": assignment.org_unit_id, "assignment_id": assignment.id}
    targets = [{**of_it, "kind": one.kind, "ref": one.ref, "user_id": one.user_id} for one in people]
    new = {
        record["user_id"]
        for record in await setwise.insert(work, AssignmentTarget, targets, unless=["assignment_id", "user_id"])
    }
    ids = {one.user_id: uuid7() for one in people if one.user_id is not None and one.user_id in new}
    sent = {"sent_at": now, "expires_at": invitations.end_of_life(now, assignment.valid_until)}
    rows = [{**of_it, **sent, "id": one, "jti": uuid7(), "user_id": user_id} for user_id, one in ids.items()]
    await setwise.insert(work, Invitation, rows)
    if ids:
        work.touch(topics.assignment_sessions(assignment.tenant_id, assignment.id))
    return ids


def told_of(assignment: Assignment) -> dict[str, Any]:
    """Return what the ledger keeps of an assignment."""
    return {
        "evaluation_version_id": str(assignment.evaluation_version_id),
        "name": assignment.name,
        "run_label": assignment.run_label,
        "valid_from": assignment.valid_from and assignment.valid_from.isoformat(),
        "valid_until": assignment.valid_until and assignment.valid_until.isoformat(),
        "allowed_attempts": assignment.allowed_attempts,
        "time_limit_seconds": assignment.time_limit_seconds,
        "feedback_mode": assignment.feedback_mode,
        "security_config": assignment.security_config,
        "remind_before_start_seconds": assignment.remind_before_start_seconds,
        "remind_before_deadline_seconds": assignment.remind_before_deadline_seconds,
        "template": assignment.template,
    }


def problem(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal of one row as it is kept with the answer."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
    }


def _answered(given: Recipient, row: Row, ids: dict[UUID, UUID]) -> dict[str, Any]:
    """Return what a row is answered: its invitation, how many people it invited, or why nobody."""
    answer: dict[str, Any] = {"ref": given.ref, "invitation": None, "invited": 0, "problem": None}
    if isinstance(row, Refusal):
        return answer | {"problem": problem(row)}
    if isinstance(row, Addressed):
        return answer | {"invited": sum(person.user_id in ids for person in row.people)}
    invitation = None if row.user_id is None else ids.get(row.user_id)
    return answer | {"invitation": invitation and str(invitation), "invited": 1}
