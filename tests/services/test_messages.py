"""Messages are queued with their secrets sealed."""

import orjson
import pytest
from sqlalchemy import select

from models.base import uuid7
from models.messages import Message, MessageEvent
from services import messages
from services.messages import Recipient
from services.refusals import InvalidInput
from services.vault import BrokenSeal, Vault

LINK = {
    "person_name": "Ada",
    "tenant_name": "Test",
    "link": "http://127.0.0.1/auth/verify#secret-secret",
    "code": "123456",
    "expires_in": "15 minutes",
}


async def send(office, viewer, to=Recipient("ada@example.org", "Ada"), variables=LINK, template="magic_link"):  # noqa: B008 - frozen
    async def act(work):
        return await messages.send(work, template, to, variables, subject=("user", viewer.tenant_id))

    return await office.perform(viewer, act)


async def test_a_message_is_queued_with_its_event_and_its_secrets_sealed(world, office):
    message_id = await send(office, world.system)
    async with office.snapshot(world.system) as work:
        row = await work.session.get_one(Message, (world.tenant_id, message_id))
        events = (await work.session.scalars(select(MessageEvent).where(MessageEvent.message_id == message_id))).all()
    assert (row.state, row.email, row.subject_kind, row.org_unit_id) == (
        "queued",
        "ada@example.org",
        "user",
        world.org_unit_id,
    )
    assert [event.kind for event in events] == ["queued"]
    assert b"secret" not in row.sealed
    assert b"123456" not in row.sealed
    opened = Vault(bytes(32)).open(world.tenant_id, message_id, row.sealed)
    assert orjson.loads(opened) == LINK


async def test_a_seal_opens_for_its_own_row_and_key_alone(world, office):
    message_id = await send(office, world.system)
    async with office.snapshot(world.system) as work:
        sealed = (await work.session.get_one(Message, (world.tenant_id, message_id))).sealed
    wrong = [
        (Vault(bytes(32)), world.tenant_id, uuid7(), sealed),
        (Vault(bytes(32)), uuid7(), message_id, sealed),
        (Vault(bytes([1] * 32)), world.tenant_id, message_id, sealed),
        (Vault(bytes(32)), world.tenant_id, message_id, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (Vault(bytes(32)), world.tenant_id, message_id, b""),
    ]
    for vault, tenant_id, row_id, content in wrong:
        with pytest.raises(BrokenSeal):
            vault.open(tenant_id, row_id, content)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a@b.org\r\nBcc: c@d.org",
        "a@b.org\n",
        "a b@c.org",
        "a@b.org,c@d.org",
        "<a@b.org>",
        "a" * 250 + "@b.org",
    ],
)
async def test_an_address_that_is_no_address_is_refused(world, office, email):
    with pytest.raises(InvalidInput):
        await send(office, world.system, Recipient(email))


async def test_variables_are_exactly_those_declared(world, office):
    for variables in ({**LINK, "more": "x"}, {k: v for k, v in LINK.items() if k != "code"}):
        with pytest.raises(ValueError, match=r"more|code"):
            await send(office, world.system, variables=variables)
    with pytest.raises(ValueError, match="no mail template"):
        await send(office, world.system, template="unheard")
