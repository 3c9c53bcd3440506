"""Sends over SMTP, many mails on one connection."""

import asyncio
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import aiosmtplib
import structlog

from mail.post import Bounced, Deferred, Letter, Receipt, Sender, message_id, mime

PERMANENT: Final = 500
IDLE_SECONDS: Final = 30.0
"""How long a connection is kept for the next mail; servers hang up after some minutes of silence."""

TIMEOUT_SECONDS: Final = 15.0
NOWHERE: Final = ".invalid"
"""The end of addresses at which nobody can ever be reached (RFC 2606)."""

log = structlog.get_logger(__name__)


class TlsMode(StrEnum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and how to speak with it."""

    host: str
    port: int
    tls: TlsMode = TlsMode.STARTTLS
    user: str | None = None
    password: str | None = None


class SmtpPost:
    """Hands mails to one server; they take turns on one connection, which is opened again when it was lost."""

    def __init__(self, server: Server, sender: Sender) -> None:
        self._server = server
        self._sender = sender
        self._turn = asyncio.Lock()
        self._client: aiosmtplib.SMTP | None = None
        self._used_at = 0.0

    async def deliver(self, letter: Letter) -> Receipt:
        """Send one mail. 4yz and a server that is away defer it, 5yz about the mail or the recipient bounces it.

        What is addressed to nowhere bounces without being sent.
        """
        if letter.email.endswith(NOWHERE):
            raise Bounced(f"Nobody can be reached at an address that ends in {NOWHERE}.")
        message = mime(letter, self._sender)
        async with self._turn:
            client = await self._connected()
            try:
                _, said = await client.send_message(message, sender=self._sender.email, recipients=[letter.email])
            except aiosmtplib.SMTPRecipientsRefused as refused:
                first = refused.recipients[0]
                raise _verdict(first.code, first.message) from refused
            except aiosmtplib.SMTPResponseException as refused:
                if isinstance(refused, aiosmtplib.SMTPSenderRefused):  # ours is at fault, not the recipient's address
                    raise Deferred(f"{refused.code} {refused.message}") from refused
                raise _verdict(refused.code, refused.message) from refused
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                self._drop()
                raise Deferred(f"{type(error).__name__}: {error}") from error
            except asyncio.CancelledError:
                self._drop()  # in the middle of a conversation
                raise
            self._used_at = time.monotonic()
        return Receipt(message_id(letter, self._sender), said[:500])

    async def greet(self) -> None:
        """See whether the server can be used; raise `Deferred` when it cannot."""
        async with self._turn:
            await self._connected()

    async def close(self) -> None:
        """Say goodbye to the server."""
        async with self._turn:
            client, self._client = self._client, None
            if client is not None and client.is_connected:
                try:
                    await client.quit()
                except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                    log.info("mail.hung_up", cause=type(error).__name__)

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self._drop()
        if self._client is None or not self._client.is_connected:
            server = self._server
            client = aiosmtplib.SMTP(
                hostname=server.host,
                port=server.port,
                use_tls=server.tls is TlsMode.TLS,
                start_tls=server.tls is TlsMode.STARTTLS,
                tls_context=ssl.create_default_context() if server.tls is not TlsMode.NONE else None,
                username=server.user,
                password=server.password,
                timeout=TIMEOUT_SECONDS,
            )
            try:
                await client.connect()
            except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
                client.close()
                raise Deferred(f"The mail server cannot be used: {type(error).__name__}: {error}") from error
            self._client, self._used_at = client, time.monotonic()
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _verdict(code: int, said: str) -> Exception:
    kind = Bounced if code >= PERMANENT else Deferred
    return kind(f"{code} {said}"[:500])
