"""Mail to people: asked for in the transaction of the change that it tells of, sent by a job after the commit.

The variables of a message may be secrets, such as a sign-in link. They lie in the database only sealed with a key that
it does not have, and no longer than until the message is sent or has bounced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from models.base import uuid7
from models.messages import Message, MessageChange, MessageEvent
from services import jobs, messages_templates, setwise
from services.identity import LONGEST_EMAIL
from services.refusals import InvalidInput
from services.work import Work

LONGEST_NAME = 200
DELIVER = "messages.deliver"


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a message goes: one address, and the name before it, which may be empty."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to be sent: to whom, with which values, and about what object (its kind and id)."""

    to: Recipient
    variables: Mapping[str, str]
    subject: tuple[str, UUID] | None = None


async def send(
    work: Work,
    template: str,
    to: Recipient,
    variables: Mapping[str, str],
    *,
    subject: tuple[str, UUID] | None,
) -> UUID:
    """Queue one message in this transaction and return its id; nothing is rendered yet, and nothing sent.

    `variables` are exactly those that the template declares (services/messages_templates.py). A viewer within an org
    unit makes a message of that unit, any other one of the whole tenant. Refuses an address that no header can hold.
    """
    (message_id,) = await send_all(work, template, [Draft(to, variables, subject)])
    return message_id


async def send_all(work: Work, template: str, drafts: Sequence[Draft]) -> list[UUID]:
    """Queue several messages of one template, in a handful of statements; return their ids in order."""
    declared = messages_templates.kind(template)
    tenant_id, unit = work.viewer.tenant_id, work.viewer.org_unit_id
    if tenant_id is None:
        raise ValueError("A message is sent in the scope of a tenant.")
    if not drafts:
        return []
    rows: list[dict[str, Any]] = []
    for draft in drafts:
        declared.check(draft.variables)
        message_id = uuid7()
        kind, subject_id = draft.subject or (None, None)
        rows.append(
            {
                "id": message_id,
                "org_unit_id": unit,
                "template": template,
                "email": _address(draft.to.email),
                "name": _name(draft.to.name),
                "subject_kind": kind,
                "subject_id": subject_id,
                "sealed": work.vault.seal(tenant_id, message_id, orjson.dumps(dict(draft.variables))),
            }
        )
    await setwise.insert(work, Message, rows)
    queued = [{"org_unit_id": unit, "message_id": row["id"], "kind": MessageChange.QUEUED} for row in rows]
    await setwise.insert(work, MessageEvent, queued)
    await jobs.enqueue_many(work, DELIVER, [({"message": str(row["id"])}, str(row["id"])) for row in rows])
    return [row["id"] for row in rows]


def _address(email: str) -> str:
    """Return an address that can stand in a header; whether somebody has it, the mail server says."""
    local, at, domain = email.rpartition("@")
    is_plain = email.isprintable() and not any(sign in email for sign in ' ,;:<>()[]\\"')
    if not (local and at and domain) or not is_plain or len(email) > LONGEST_EMAIL:
        raise InvalidInput(f"'{email[:60]!r}' is not an e-mail address that mail can be sent to.", path=["email"])
    return email


def _name(name: str) -> str:
    """Return a name as it may stand in a header: one line, not too long."""
    return "".join(sign if sign.isprintable() else " " for sign in name).strip()[:LONGEST_NAME]
