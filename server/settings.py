"""The only place that reads the environment; every other part receives values.

Each field is one environment variable; docs/settings.md lists them all and a test compares the two.
"""

import base64
import binascii
import os
import stat
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from mail.smtp import TlsMode
from server.setup_errors import SigningKeyError
from services.content_parts import LARGEST_FILE

SEED_BYTES = 32
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _absolute_if_any(path: Path | None) -> Path | None:
    return None if path is None else _absolute(path)


def _nothing_when_blank(value: SecretStr | None) -> SecretStr | None:
    return value if value is not None and value.get_secret_value().strip() else None


OptionalSecret = Annotated[SecretStr | None, AfterValidator(_nothing_when_blank)]


class Settings(BaseSettings):
    """What the operator decided, read once at start; immutable, and no secret shows in its repr."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True, hide_input_in_errors=True)

    host: str = Field(
        default="127.0.0.1",
        validation_alias="EVALIUM_HOST",
        description="Address to listen on. Anything but a loopback address opens the service to the network.",
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias="EVALIUM_PORT",
        description="TCP port to listen on; 0 lets the system choose a free one.",
    )
    data: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=Path(".data"),
        validate_default=True,
        validation_alias="EVALIUM_DATA",
        description="Data directory: the embedded PostgreSQL, its log and the generated signing key live here.",
    )
    database_url: OptionalSecret = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description=(
            "A PostgreSQL 15 or newer to use instead of the embedded one. With an administrator's login the safe "
            "login of the application is made for you; a plain login is used as it is, after a check that it is safe."
        ),
    )
    admin_database_url: OptionalSecret = Field(
        default=None,
        validation_alias="EVALIUM_ADMIN_DATABASE_URL",
        description="An administrator's address for migrations, when the login of DATABASE_URL is a plain one.",
    )
    redis_url: OptionalSecret = Field(
        default=None,
        validation_alias="REDIS_URL",
        description="A Redis that carries wake-ups between processes; without it PostgreSQL carries them.",
    )
    signing_key: OptionalSecret = Field(
        default=None,
        validation_alias="EVALIUM_SIGNING_KEY",
        description=(
            "Ed25519 private key that signs tokens: PEM, or its 32-byte seed in base64. Machines that serve one "
            "database share it. Without it a key is made once, in keys/signing.pem of the data directory."
        ),
    )
    allow_list: bool = Field(
        default=False,
        validation_alias="EVALIUM_ALLOW_LIST",
        description=(
            "With 1, candidates and anonymous callers may run the documents of graphql/operations and no others. Staff "
            "and service tokens are not bound by it."
        ),
    )
    sign_ins_per_network: int = Field(
        default=100,
        ge=1,
        validation_alias="EVALIUM_SIGN_INS_PER_NETWORK",
        description=(
            "How many sign-in links one network address may ask for in a minute. An office behind one router shares it."
        ),
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        validation_alias="EVALIUM_PUBLIC_URL",
        description=(
            "Where people reach the service, such as https://exams.example.org: links in mails begin with it, and "
            "lockdown browsers prove themselves for it. Without it they begin with http:// and the address that the "
            "service listens on."
        ),
    )
    front_end_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#;,]+(/[^\s?#]*)?$",
        validation_alias="EVALIUM_FRONT_END_URL",
        description=(
            "Where candidates sit assessments, such as https://sit.example.org/begin: the button behind an invitation "
            "leads there, with #sessionToken=…&expiresAt=…, and lockdown browsers prove themselves there too. Without "
            "it that page says what to do instead."
        ),
    )
    worker: bool = Field(
        default=True,
        validation_alias="EVALIUM_WORKER",
        description="With 0, 'evalium serve' does no background jobs, and 'evalium worker' has to run beside it.",
    )
    smtp_host: str | None = Field(
        default=None,
        validation_alias="EVALIUM_SMTP_HOST",
        description="The mail server. Without one, mails land in the folder outbox of the data directory.",
    )
    smtp_port: int = Field(
        default=587, ge=1, le=65535, validation_alias="EVALIUM_SMTP_PORT", description="TCP port of the mail server."
    )
    smtp_tls: TlsMode = Field(
        default=TlsMode.STARTTLS,
        validation_alias="EVALIUM_SMTP_TLS",
        description="How the way to the mail server is protected: starttls (usual on 587), tls (on 465), or none.",
    )
    smtp_user: str | None = Field(
        default=None, validation_alias="EVALIUM_SMTP_USER", description="Name to sign in to the mail server with."
    )
    smtp_password: OptionalSecret = Field(
        default=None,
        validation_alias="EVALIUM_SMTP_PASSWORD",
        description="Password to sign in to the mail server with.",
    )
    mail_from: str = Field(
        default="evalium@localhost",
        pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$",
        validation_alias="EVALIUM_MAIL_FROM",
        description="Address that mails come from.",
    )
    mail_from_name: str = Field(
        default="Evalium", validation_alias="EVALIUM_MAIL_FROM_NAME", description="Name before that address."
    )
    outbox_page: bool = Field(
        default=True,
        validation_alias="EVALIUM_OUTBOX_PAGE",
        description=(
            "Whether /dev/outbox shows the mails of the outbox. It is there only without a mail server, on a loopback "
            "address and for this machine; set it to 0 in production all the same, because mails hold sign-in links."
        ),
    )
    metrics_token: OptionalSecret = Field(
        default=None,
        validation_alias="EVALIUM_METRICS_TOKEN",
        description=(
            "Bearer token that opens /metrics. Without it only this machine may read them, and not through a proxy."
        ),
    )
    files: Annotated[Path | None, AfterValidator(_absolute_if_any)] = Field(
        default=None,
        validation_alias="EVALIUM_FILES",
        description=(
            "Directory for files that people hand in. Machines that serve one database share it. Without it they lie "
            "in the folder files of the data directory. With a bucket, only what has not arrived whole lies there."
        ),
    )
    s3_bucket: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        validation_alias="EVALIUM_S3_BUCKET",
        description="Bucket for these files, at Amazon S3 or whatever speaks its language, instead of the directory.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+/?$",
        validation_alias="EVALIUM_S3_ENDPOINT",
        description="Address of the service that the bucket is at. Without it, Amazon's for the region.",
    )
    s3_region: str | None = Field(
        default=None, validation_alias="EVALIUM_S3_REGION", description="Region of the bucket, such as eu-west-1."
    )
    s3_access_key: str | None = Field(
        default=None,
        validation_alias="EVALIUM_S3_ACCESS_KEY",
        description=(
            "Id of the key that may read, write and delete there. Without it, what the machine gives its processes "
            "counts."
        ),
    )
    s3_secret_key: OptionalSecret = Field(
        default=None, validation_alias="EVALIUM_S3_SECRET_KEY", description="The secret of that key."
    )
    upload_max_bytes: int = Field(
        default=1_073_741_824,
        ge=1,
        le=LARGEST_FILE,
        validation_alias="EVALIUM_UPLOAD_MAX_BYTES",
        description="Bytes that a file may have; a question may accept less. At most 2147483647.",
    )
    upload_media_types: str = Field(
        default=(
            "application/pdf,application/zip,application/json,application/msword,application/rtf,"
            "application/vnd.oasis.opendocument.text,application/vnd.oasis.opendocument.spreadsheet,"
            "application/vnd.oasis.opendocument.presentation,"
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document,"
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,"
            "application/vnd.openxmlformats-officedocument.presentationml.presentation,"
            "image/*,audio/*,video/*,text/plain,text/csv,text/markdown"
        ),
        pattern=r"^\s*[a-z0-9*][a-z0-9!#$&^_.+-]*/[a-z0-9*!#$&^_.+-]+(\s*,\s*[a-z0-9*][a-z0-9!#$&^_.+-]*/[a-z0-9*!#$&^_.+-]+)*\s*$",
        validation_alias="EVALIUM_UPLOAD_MEDIA_TYPES",
        description=(
            "Media types that are taken, in small letters, with commas between them: image/* for all of a kind, */* "
            "for every one. A question may accept fewer."
        ),
    )
    uploads_unfinished: int = Field(
        default=5,
        ge=1,
        le=100,
        validation_alias="EVALIUM_UPLOADS_UNFINISHED",
        description="How many uploads a person, a candidate or a service token may have begun and not finished.",
    )
    upload_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        validation_alias="EVALIUM_UPLOAD_HOURS",
        description="Hours after which an upload that was not finished, or not used, is removed.",
    )
    fonts: Annotated[Path | None, AfterValidator(_absolute_if_any)] = Field(
        default=None,
        validation_alias="EVALIUM_FONTS",
        description=(
            "Directory with fonts (TTF, OTF) for certificates, for names in scripts that those of ours do not have, "
            "such as Chinese. Ours have Latin, Greek, Cyrillic, Hebrew and Arabic."
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        validation_alias="EVALIUM_LOG_LEVEL",
        description="Least severe level that is logged: debug, info, warning or error.",
    )


def public_url(settings: Settings) -> str:
    """Return where people reach the service, without a slash at its end."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - not listened on
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def unknown_variables() -> list[str]:
    """Name the EVALIUM_ variables of the environment that no setting reads: most often a misspelling."""
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    return sorted(name for name in os.environ if name.startswith("EVALIUM_") and name not in known)


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a process of ours that shall have the same settings."""
    return {**os.environ, **more}


def metrics_folder() -> Path | None:
    """Return where several workers share their numbers; prometheus-client reads the same variable by itself."""
    folder = os.environ.get(METRICS_FOLDER)
    return Path(folder) if folder else None


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the key that signs tokens: the one configured, else the one kept in the data directory, else a new one.

    Two processes that start at once on one directory agree on one key. Refuses a key file that others can read.
    """
    if settings.signing_key is not None:
        return parse_signing_key(settings.signing_key.get_secret_value())
    path = _key_file(settings)
    if not path.exists():
        _create_key_file(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SigningKeyError(f"Others on this machine can read the signing key {path}.", hint=f"chmod 600 {path}")
    return parse_signing_key(path.read_text("ascii"))


def has_signing_key(settings: Settings) -> bool:
    """Whether there is a key already, so that asking for it would not make one."""
    return settings.signing_key is not None or _key_file(settings).exists()


def parse_signing_key(text: str) -> Ed25519PrivateKey:
    """Read an Ed25519 private key from PEM or from its 32-byte seed in base64 (either alphabet)."""
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
        else:
            seed = base64.b64decode(text.strip().rstrip("=").translate(str.maketrans("-_", "+/")) + "=", validate=True)
            key = Ed25519PrivateKey.from_private_bytes(seed)
    except (ValueError, TypeError, binascii.Error) as error:
        raise SigningKeyError("The signing key is neither PEM nor a 32-byte seed in base64.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"The signing key is a {type(key).__name__}, not an Ed25519 private key.")
    return key


def _key_file(settings: Settings) -> Path:
    return settings.data / "keys" / "signing.pem"


def _create_key_file(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle, name = tempfile.mkstemp(dir=path.parent)  # readable by us alone
    draft = Path(name)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces the key of a process that was faster
    except FileExistsError:
        return
    finally:
        draft.unlink()
