"""How this process sends mails, as the settings say."""

from ipaddress import ip_address
from pathlib import Path

from mail.outbox import Outbox
from mail.post import Post, Sender
from mail.smtp import Server, SmtpPost
from server.settings import Settings


def post(settings: Settings) -> Post:
    """Return the way to the mail server, or the local outbox when none is configured."""
    if settings.smtp_host is None:
        return outbox(settings)
    password = settings.smtp_password
    server = Server(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_tls,
        settings.smtp_user,
        None if password is None else password.get_secret_value(),
    )
    return SmtpPost(server, _sender(settings))


def outbox(settings: Settings) -> Outbox:
    """Return the local outbox."""
    return Outbox(outbox_folder(settings), _sender(settings))


def outbox_folder(settings: Settings) -> Path:
    """Return where mails land without a mail server."""
    return settings.data / "outbox"


def shows_outbox(settings: Settings) -> bool:
    """Whether the page of the outbox is there: for a demonstration on this machine alone."""
    return settings.outbox_page and settings.smtp_host is None and _is_loopback(settings.host)


def _sender(settings: Settings) -> Sender:
    return Sender(settings.mail_from, settings.mail_from_name)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
