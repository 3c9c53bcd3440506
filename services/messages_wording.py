"""A tenant's own wording of its mails: shown, changed, looked at before, and given up again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from models.base import uuid7
from models.messages import MailTemplate
from services import messages_templates
from services.messages_render import Rendered, Wording, check, render, sample, shipped
from services.messages_templates import KINDS, Kind
from services.work import Work


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of mail as a tenant words it; `updated_at` is None while that is as shipped."""

    kind: Kind
    wording: Wording
    updated_at: datetime | None
    updated_by: UUID | None


async def all_of_them(work: Work) -> list[Template]:
    """Return every kind of mail, as the viewer's tenant words it."""
    own = {row.key: row for row in await work.session.scalars(select(MailTemplate))}
    return [_template(kind, own.get(kind.key)) for kind in KINDS.values()]


async def one(work: Work, key: str) -> Template:
    """Return one kind of mail, as the viewer's tenant words it."""
    return _template(messages_templates.kind(key), await _own(work, key))


async def change(work: Work, key: str, wording: Wording) -> None:
    """Word a kind of mail anew; mails that are queued already are worded so, too."""
    kind = messages_templates.kind(key)
    check(kind, wording)
    await work.lock(f"mail_templates:{work.viewer.tenant_id}:{key}")
    row = await _own(work, key)
    before = shipped(key) if row is None else Wording(row.subject, row.body)
    if row is None:
        row = MailTemplate(id=uuid7(), key=key)
        work.session.add(row)
    row.subject, row.body = wording.subject, wording.body
    row.updated_at, row.updated_by = await work.now(), work.viewer.user_id
    work.record(
        "mail_template.changed", ("mail_template", row.id), before=_told(key, before), after=_told(key, wording)
    )


async def reset(work: Work, key: str) -> None:
    """Return to the shipped wording; nothing happens where it is in use already."""
    row = await _own(work, key)
    if row is None:
        return
    await work.session.execute(delete(MailTemplate).where(MailTemplate.id == row.id))
    before = _told(key, Wording(row.subject, row.body))
    work.record("mail_template.reset", ("mail_template", row.id), before=before, after=_told(key, shipped(key)))


async def preview(work: Work, key: str, subject: str | None, body: str | None) -> Rendered:
    """Return a mail of made-up values, in the given words, or in the tenant's where none are given."""
    template = await one(work, key)
    wording = Wording(
        template.wording.subject if subject is None else subject, template.wording.body if body is None else body
    )
    check(template.kind, wording)
    return render(template.kind, wording, sample(template.kind))


async def _own(work: Work, key: str) -> MailTemplate | None:
    await work.session.flush()
    return (await work.session.scalars(select(MailTemplate).where(MailTemplate.key == key))).one_or_none()


def _template(kind: Kind, row: MailTemplate | None) -> Template:
    if row is None:
        return Template(kind, shipped(kind.key), None, None)
    return Template(kind, Wording(row.subject, row.body), row.updated_at, row.updated_by)


def _told(key: str, wording: Wording) -> dict[str, str]:
    return {"key": key, "subject": wording.subject, "body": wording.body}
