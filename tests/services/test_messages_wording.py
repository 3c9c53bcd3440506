"""A tenant's own wording, the list of messages, and what becomes of a wording that fails later."""

import orjson
import pytest
from sqlalchemy import select

from models.activity import Activity
from models.base import uuid7
from models.messages import MessageChange, MessageState
from services import messages, messages_deliver, messages_history, messages_wording
from services.messages import Draft, Recipient
from services.messages_history import Filter
from services.messages_render import Wording, shipped
from services.paging import PageRequest
from services.refusals import InvalidInput
from services.viewer import Viewer
from tests.factories import tenants

WORDS = Wording("Hi {{ person_name }}", "Sign in: {{ link }}, or ask {{ invited_by }}.")


async def send(office, viewer, *names, template="welcome"):
    async def act(work):
        given = {"tenant_name": "T", "link": "https://x.example/", "invited_by": "Grace"}
        drafts = [
            Draft(Recipient(f"{name}@example.org"), {"person_name": name, **given}, ("user", uuid7())) for name in names
        ]
        return await messages.send_all(work, template, drafts)

    return await office.perform(viewer, act)


async def prepared(office, viewer, message_id):
    async with office.snapshot(viewer) as work:
        return await messages_deliver.prepared(work, message_id)


async def test_own_words_are_used_and_given_up_again_and_the_ledger_knows(office, world):
    admin = await world.staff("tenant_admin")
    (message_id,) = await send(office, world.system, "Ada")
    as_shipped = (await prepared(office, world.system, message_id)).content
    await office.perform(admin, lambda work: messages_wording.change(work, "welcome", WORDS))
    content = (await prepared(office, world.system, message_id)).content
    assert (content.subject, content.text) == ("Hi Ada", "Sign in: https://x.example/, or ask Grace.\n")
    async with office.snapshot(admin) as work:
        shown = {template.kind.key: template for template in await messages_wording.all_of_them(work)}
    assert shown["welcome"].wording == WORDS
    assert shown["welcome"].updated_by == admin.user_id
    assert shown["magic_link"].updated_at is None
    await office.perform(admin, lambda work: messages_wording.reset(work, "welcome"))
    await office.perform(admin, lambda work: messages_wording.reset(work, "welcome"))
    assert (await prepared(office, world.system, message_id)).content == as_shipped
    async with office.snapshot(admin) as work:
        acts = await work.rows(select(Activity.act, Activity.after).where(Activity.subject_kind == "mail_template"))
    assert [act for act, _ in acts] == ["mail_template.changed", "mail_template.reset"]
    assert acts[0].after == {"key": "welcome", "subject": WORDS.subject, "body": WORDS.body}


async def test_another_tenant_has_its_own_words(office, world):
    other = await tenants.found(office)
    await office.perform(other.system, lambda work: messages_wording.change(work, "welcome", WORDS))
    async with office.snapshot(world.system) as work:
        assert (await messages_wording.one(work, "welcome")).wording == shipped("welcome")
    await office.perform(other.system, lambda work: messages_wording.reset(work, "welcome"))


async def test_a_wording_that_cannot_be_sent_is_neither_shown_nor_kept(office, world):
    bad = Wording("x", "{{ code }}")
    with pytest.raises(InvalidInput, match="'code' is not a variable"):
        await office.perform(world.system, lambda work: messages_wording.change(work, "welcome", bad))
    async with office.snapshot(world.system) as work:
        with pytest.raises(InvalidInput, match="'code' is not a variable"):
            await messages_wording.preview(work, "welcome", None, bad.body)
        shown = await messages_wording.preview(work, "welcome", "Dear {{ person_name }}", None)
        assert shown.subject == "Dear Ada Example"
        assert (await messages_wording.one(work, "welcome")).updated_at is None


async def test_messages_are_found_by_what_staff_know_of_them(office, world):
    names = [f"m{uuid7().hex[-8:]}{n}" for n in range(3)]
    first, second, third = await send(office, world.system, *names)

    async def note(work):
        return await messages_deliver.note(work, second, MessageChange.BOUNCED, detail="550 no")

    assert await office.perform(world.system, note)
    assert not await office.perform(world.system, note), "it has come to its end"

    async def found(**wanted):
        async with office.snapshot(world.system) as work:
            return [row.id for row in (await messages_history.listed(work, Filter(**wanted), PageRequest())).rows]

    assert await found(email=f" {names[0].upper()}@Example.org") == [first]
    bounced = await found(state=[MessageState.BOUNCED])
    assert second in bounced
    assert first not in bounced
    assert (await found(template="welcome"))[:3] == [third, second, first]
    assert await found(template="magic_link") == []
    async with office.snapshot(world.system) as work:
        subject = (await messages_history.by_ids(work, [third]))[third].subject_id
        assert [e.detail for e in (await messages_history.events_of(work, [second]))[second]] == [None, "550 no"]
    assert await found(subject_id=subject) == [third]


async def test_a_message_of_one_org_unit_is_hidden_from_the_others_and_one_of_the_tenant_is_not(office, world):
    here, tenant_wide = world.system, Viewer.system(world.tenant_id)
    elsewhere = Viewer.system(world.tenant_id, uuid7())
    (of_unit,) = await send(office, here, "unit")
    (of_tenant,) = await send(office, tenant_wide, "tenant")
    for viewer, seen in ((here, {of_unit, of_tenant}), (elsewhere, {of_tenant}), (tenant_wide, {of_unit, of_tenant})):
        async with office.snapshot(viewer) as work:
            assert set(await messages_history.by_ids(work, [of_unit, of_tenant])) == seen


async def test_a_sealed_value_never_shows_in_what_is_listed(office, world):
    (message_id,) = await send(office, world.system, "sealed")
    async with office.snapshot(world.system) as work:
        row = (await messages_history.by_ids(work, [message_id]))[message_id]
        told = work.vault.open(row.tenant_id, row.id, row.sealed)
    assert orjson.loads(told)["invited_by"] == "Grace"
    assert b"Grace" not in row.sealed
