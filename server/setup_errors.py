"""Why the service cannot start as configured: each reason as a class, with what to type next.

These speak to the operator who typed the command, never to a client of the API; `server/cli.py` prints message and
hint and exits with status 1. Tracebacks are for defects, not for these.
"""

from typing import ClassVar


class SetupError(Exception):
    """The service cannot start with this configuration; `message` says why, `advice` what to do."""

    hint: ClassVar[str] = "Run 'evalium doctor' for a full examination."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = hint or self.hint


class SigningKeyError(SetupError):
    """The signing key is not an Ed25519 private key, or its file is readable by others."""

    hint = "Give EVALIUM_SIGNING_KEY an Ed25519 private key (PEM, or its 32-byte seed in base64), or leave it unset."


class DataDirectoryInUse(SetupError):  # noqa: N818 - named for what is wrong
    """Another server holds the lock of this data directory."""

    hint = "Stop the other server, or give this one its own folder with EVALIUM_DATA."


class ClusterError(SetupError):
    """The embedded PostgreSQL could not be set up, started or reached."""

    hint = "Read the end of the log named above, or set DATABASE_URL to use a PostgreSQL of your own."


class DatabaseUnreachable(SetupError):  # noqa: N818 - named for what is wrong
    """The database given by DATABASE_URL does not answer; trying again later is sensible."""

    hint = "Check host, port, database name and password of DATABASE_URL, and that the server accepts connections."


class DatabaseRefused(SetupError):  # noqa: N818 - named for what is wrong
    """The database answers, and says no: wrong password, no such database, not allowed to connect."""

    hint = "Check user, password and database name of the address; the database must exist already."


class DatabaseTooOld(SetupError):  # noqa: N818 - named for what is wrong
    """The server is older than PostgreSQL 15, on which row security and views behave differently."""

    hint = "Use PostgreSQL 15 or newer, or unset DATABASE_URL to use the embedded PostgreSQL 18."


class BadDatabaseAddress(SetupError):  # noqa: N818 - named for what is wrong
    """DATABASE_URL is not an address that we understand."""

    hint = "Write postgresql://user:password@host:5432/database, or ...@/database?host=/socket/directory."


class UnsafeLogin(SetupError):  # noqa: N818 - named for what is wrong
    """The application's login could see or change rows of every tenant, so it is refused."""

    hint = "Give DATABASE_URL an administrator's address (the safe login is then made for you), or mend the login."


class MissingPrivilege(SetupError):  # noqa: N818 - named for what is wrong
    """The administrator's login may not do what setting up the database needs."""

    hint = "Use a superuser, or the owner of the database with CREATEROLE, in EVALIUM_ADMIN_DATABASE_URL."


class MigrationsPending(SetupError):  # noqa: N818 - named for what is wrong
    """The database is behind the code and no administrator's address was given."""

    hint = "Set EVALIUM_ADMIN_DATABASE_URL to an administrator's address and run 'evalium migrate'."


class PortTaken(SetupError):  # noqa: N818 - named for what is wrong
    """Another program listens on the port already."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"{host}:{port} cannot be listened on; most likely another program does already.",
            hint="Stop it, or choose another port: EVALIUM_PORT=8001 make serve",
        )
