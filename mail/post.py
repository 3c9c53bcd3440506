"""What a mail is when it is rendered, and what any way of sending it promises."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol
from uuid import UUID


class Deferred(Exception):  # noqa: N818 - named for what happened
    """The mail cannot be sent just now; trying again later may help."""


class Bounced(Exception):  # noqa: N818 - named for what happened
    """The mail server will not take this mail for this recipient, now or later."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mails come from: an address, and the name before it."""

    email: str
    name: str = "Evalium"


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered mail to one recipient; `id` is the message's, the same each time that it is tried."""

    id: UUID
    email: str
    name: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the mail server called the mail, and what it said."""

    provider_id: str
    detail: str


class Post(Protocol):
    """A way of sending mails."""

    async def deliver(self, letter: Letter) -> Receipt:
        """Hand a mail over. Raises `Deferred` or `Bounced` when it was not taken."""
        ...

    async def close(self) -> None:
        """Let go of whatever is held open."""
        ...


def message_id(letter: Letter, sender: Sender) -> str:
    """Return the Message-ID, the same for every attempt, by which mail programs drop a second copy."""
    return f"<{letter.id}@{sender.email.rpartition('@')[2]}>"


def mime(letter: Letter, sender: Sender) -> EmailMessage:
    """Return the mail with its plain text and its HTML. A header that would break its line raises `Bounced`."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = _address(sender.name, sender.email)
        message["To"] = _address(letter.name, letter.email)
        message["Subject"] = letter.subject
    except (ValueError, IndexError) as error:
        raise Bounced(f"A header cannot be written: {error}") from error
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id(letter, sender)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _address(name: str, email: str) -> Address:
    return Address(display_name=name, addr_spec=email)
