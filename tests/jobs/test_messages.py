"""Mail against a real SMTP server: fifty recipients on one connection, a 451 that is sent later, a 550 that bounces."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import SMTP
from sqlalchemy import select

from jobs.messages import DELIVER
from jobs.worker import Worker
from mail.outbox import Outbox
from mail.post import Bounced, Deferred, Letter, Sender
from mail.smtp import Server, SmtpPost, TlsMode
from models.base import uuid7
from models.messages import Message, MessageEvent
from server import doctor_engines
from server.findings import Health
from server.settings import Settings
from services import messages, messages_deliver
from services.messages import Draft, Recipient

SENDER = Sender("exams@example.org", "Example Exams")


@dataclass
class Mailbox:
    """What the server took, and whom it refuses how often."""

    taken: list = field(default_factory=list)
    refuses: dict = field(default_factory=dict)
    connections: int = 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if self.refuses.get(address):
            answer = self.refuses[address].pop(0)
            if answer is not None:
                return answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - likewise
        self.taken.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken as 42"


@asynccontextmanager
async def serving(mailbox):
    loop = asyncio.get_running_loop()

    def connected():
        mailbox.connections += 1
        return SMTP(mailbox, hostname="127.0.0.1", decode_data=False, loop=loop)

    server = await loop.create_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def smtp(port):
    return SmtpPost(Server("127.0.0.1", port, TlsMode.NONE), SENDER)


def letter(**more):
    return Letter(
        **(
            {"id": uuid7(), "email": "ada@example.org", "name": "Ada", "subject": "S", "text": "t\n", "html": "<p>t"}
            | more
        )
    )


async def test_what_is_addressed_to_nowhere_bounces_and_is_never_sent():
    mailbox = Mailbox()
    async with serving(mailbox) as port:
        post = smtp(port)
        with pytest.raises(Bounced):
            await post.deliver(letter(email="candidate-00001@simulation.invalid"))
        await post.deliver(letter())
        await post.close()
    assert [address for address, _ in mailbox.taken] == ["ada@example.org"]


async def queue(office, world, names):
    async def act(work):
        drafts = [
            Draft(
                Recipient(f"{name}@example.org", name),
                {"person_name": name, "tenant_name": "T", "link": f"https://x.example/#{name}", "invited_by": ""},
                ("user", uuid7()),
            )
            for name in names
        ]
        return await messages.send_all(work, "welcome", drafts)

    return dict(zip(names, await office.perform(world.system, act), strict=True))


async def story(office, world, ids):
    async with office.snapshot(world.system) as work:
        rows = (await work.session.scalars(select(Message).where(Message.id.in_(ids)))).all()
        events = (
            await work.session.scalars(
                select(MessageEvent).where(MessageEvent.message_id.in_(ids)).order_by(MessageEvent.id)
            )
        ).all()
    return {row.id: row for row in rows}, events


async def test_fifty_recipients_one_deferred_one_bounced(database, hub, office, world, tools, record_property):
    names = [f"person{n:02}" for n in range(50)]
    mailbox = Mailbox(refuses={"person07@example.org": ["451 later"], "person13@example.org": ["550 nobody here"] * 9})
    ids = await queue(office, world, names)
    quick = replace(DELIVER, first_pause=timedelta(milliseconds=50))
    stop = asyncio.Event()
    async with serving(mailbox) as port:
        post = smtp(port)
        worker = Worker(database.app_dsn, hub, replace(tools, post=post), handlers=[quick], ticks=[])
        task = asyncio.create_task(worker.run(stop))
        async with asyncio.timeout(60):
            while any(row.state == "queued" for row in (await story(office, world, ids.values()))[0].values()):
                await asyncio.sleep(0.05)
        stop.set()
        await task
        await post.close()
    rows, events = await story(office, world, ids.values())
    assert Counter(row.state for row in rows.values()) == {"sent": 49, "bounced": 1}
    assert all(row.sealed is None for row in rows.values())
    told = {name: [e.kind for e in events if e.message_id == ids[name]] for name in names}
    assert told.pop("person07") == ["queued", "deferred", "sent"]
    assert told.pop("person13") == ["queued", "bounced"]
    assert set(map(tuple, told.values())) == {("queued", "sent")}
    (bounce,) = [e for e in events if e.kind == "bounced"]
    assert bounce.detail == "550 nobody here"
    sent = next(e for e in events if e.kind == "sent")
    assert sent.provider_id == f"<{sent.message_id}@example.org>"
    assert sorted(to for to, _ in mailbox.taken) == sorted(f"{n}@example.org" for n in names if n != "person13")
    record_property("connections", mailbox.connections)
    assert mailbox.connections <= 2
    _, mail = mailbox.taken[0]
    assert mail["From"] == "Example Exams <exams@example.org>"
    assert mail.get_body(("plain",)).get_content().count("https://x.example/#") == 1
    assert "<a href=" in mail.get_body(("html",)).get_content()


async def test_a_server_that_is_away_defers_and_is_used_again_when_it_is_back(unused_port):
    post = smtp(unused_port)
    with pytest.raises(Deferred, match="cannot be used"):
        await post.deliver(letter())
    mailbox = Mailbox()
    async with serving(mailbox) as port:
        post = smtp(port)
        await post.deliver(letter())
        post._client.close()  # as a server does that has grown tired of us
        receipt = await post.deliver(letter())
        assert receipt.detail.endswith("taken as 42")
        await post.close()
    assert (len(mailbox.taken), mailbox.connections) == (2, 2)


@pytest.fixture
def unused_port():
    import socket  # noqa: PLC0415 - for this alone

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "hello\r\nBcc: victim@example.org"},
        {"subject": "hello\nX: y"},
        {"name": "Ada\r\nBcc: victim@example.org"},
        {"email": "a@b.org\r\nBcc: victim@example.org"},
        {"email": "a@b.org, victim@example.org"},
    ],
)
async def test_a_header_cannot_be_broken(more, tmp_path):
    mailbox = Mailbox()
    async with serving(mailbox) as port:
        post = smtp(port)
        with pytest.raises(Bounced):
            await post.deliver(letter(**more))
        await post.close()
    with pytest.raises(Bounced):
        await Outbox(tmp_path / "outbox", SENDER).deliver(letter(**more))
    assert mailbox.taken == []


async def test_the_outbox_keeps_each_mail_once_and_for_its_owner_alone(tmp_path):
    outbox = Outbox(tmp_path / "outbox", SENDER)
    first, second = letter(subject="one"), letter(subject="two")
    for one in (first, second, first):
        await outbox.deliver(one)
    assert [kept.letter for kept in outbox.listed()] == [second, first]
    assert outbox.one(first.id).letter == first
    assert outbox.one(uuid7()) is None
    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "outbox").iterdir()} == {0o600}


async def test_what_was_sent_is_not_sent_again_by_a_job_that_comes_twice(office, world, tools, post):
    from jobs.handling import Task  # noqa: PLC0415 - for this alone

    (message_id,) = (await queue(office, world, ["twice"])).values()
    task = Task(uuid7(), "messages.deliver", world.tenant_id, None, None, {"message": str(message_id)}, 1)
    for _ in range(2):
        await DELIVER.act(tools, task)
    assert len(post.letters) == 1
    assert [e.kind for e in (await story(office, world, [message_id]))[1]] == ["queued", "sent"]


async def test_a_message_that_failed_keeps_its_variables_for_a_week_and_no_longer(office, world, tools, post):
    from jobs.handling import Task  # noqa: PLC0415 - for this alone

    (message_id,) = (await queue(office, world, ["failed"])).values()
    task = Task(uuid7(), "messages.deliver", world.tenant_id, None, None, {"message": str(message_id)}, 1)
    await DELIVER.given_up(tools, task, "Deferred: 451 later")
    rows, events = await story(office, world, [message_id])
    assert (rows[message_id].state, events[-1].kind, events[-1].detail) == ("failed", "failed", "Deferred: 451 later")
    assert await office.perform(world.system, messages_deliver.wipe) == 0
    await DELIVER.act(tools, task)  # as after 'evalium jobs --requeue'
    assert (await story(office, world, [message_id]))[0][message_id].state == "sent"
    (other,) = (await queue(office, world, ["old"])).values()
    assert await office.shifted(timedelta(days=8)).perform(world.system, messages_deliver.wipe) >= 1
    row = (await story(office, world, [other]))[0][other]
    assert (row.sealed, row.state) == (None, "failed")


async def test_doctor_says_whether_the_mail_server_can_be_used(unused_port, tmp_path):
    given = {"EVALIUM_SMTP_HOST": "127.0.0.1", "EVALIUM_SMTP_TLS": "none"}
    found = await doctor_engines.mail(Settings(**given, EVALIUM_SMTP_PORT=unused_port))
    assert (found.health, "cannot be used" in found.message) == (Health.FAIL, True)
    async with serving(Mailbox()) as port:
        assert (await doctor_engines.mail(Settings(**given, EVALIUM_SMTP_PORT=port))).health is Health.OK
    found = await doctor_engines.mail(Settings(EVALIUM_DATA=tmp_path))
    assert (found.health, str(tmp_path / "outbox") in found.message) == (Health.OK, True)
