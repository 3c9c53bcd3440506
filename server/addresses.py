"""Database addresses: what an operator may write, and the two forms that the drivers take."""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from pydantic import SecretStr
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from server.setup_errors import BadDatabaseAddress

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
PARAMETERS = {"host", "port", "sslmode"}


@dataclass(frozen=True)
class DatabaseAddress:
    """Where the application's data are, as the application sees them and, if we may, as an administrator.

    `app` is for SQLAlchemy (postgresql+asyncpg://...), `app_dsn` and `admin_dsn` for asyncpg. Both application forms
    name the same login, which sees only rows that row security lets through. `admin_dsn` is None when only a plain
    login was given; nothing can then be migrated.
    """

    app: str
    app_dsn: str
    admin_dsn: str | None

    def __repr__(self) -> str:
        hidden = (without_password(value) for value in (self.app, self.app_dsn, self.admin_dsn))
        return "DatabaseAddress(app={!r}, app_dsn={!r}, admin_dsn={!r})".format(*hidden)


@dataclass(frozen=True)
class Target:
    """One login's way to one database, taken apart: `host` is a name, an address, or a socket's absolute folder."""

    user: str
    password: SecretStr | None
    host: str
    port: int
    database: str
    sslmode: str | None = None

    def as_login(self, user: str, password: str | None) -> "Target":
        """Return the same database for another login."""
        return replace(self, user=user, password=None if password is None else SecretStr(password))

    @property
    def dsn(self) -> str:
        """The form asyncpg takes."""
        login = quote(self.user, safe="")
        if self.password is not None:
            login += ":" + quote(self.password.get_secret_value(), safe="")
        options = [] if self.sslmode is None else [f"sslmode={self.sslmode}"]
        if self.host.startswith("/"):
            place = ""
            options += [f"host={quote(self.host, safe='/')}", f"port={self.port}"]
        else:
            place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        query = f"?{'&'.join(options)}" if options else ""
        return f"postgresql://{login}@{place}/{quote(self.database, safe='')}{query}"

    @property
    def sqlalchemy(self) -> str:
        """The form SQLAlchemy takes; it calls sslmode `ssl`, after the argument of asyncpg."""
        socket = self.host.startswith("/")
        query = {"host": self.host, "port": str(self.port)} if socket else {}
        if self.sslmode is not None:
            query["ssl"] = self.sslmode
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            password=None if self.password is None else self.password.get_secret_value(),
            host=None if socket else self.host,
            port=None if socket else self.port,
            database=self.database,
            query=query,
        ).render_as_string(hide_password=False)


def parse(address: SecretStr) -> Target:
    """Read an operator's address: postgres://, postgresql:// or postgresql+asyncpg://, also with ?host=/folder."""
    try:
        url = make_url(address.get_secret_value().strip())
        port = int(str(url.query.get("port") or url.port or 5432))
    except (ArgumentError, ValueError) as error:
        raise BadDatabaseAddress(f"The database address cannot be read: {type(error).__name__}.") from None
    if url.drivername not in SCHEMES:
        raise BadDatabaseAddress(f"The database address begins with '{url.drivername}', not with 'postgresql'.")
    unknown = sorted(set(url.query) - PARAMETERS)
    if unknown:
        raise BadDatabaseAddress(
            f"The database address has parameters that are not supported: {', '.join(unknown)}.",
            hint=f"Only {', '.join(sorted(PARAMETERS))} are; certificates are found through PGSSLROOTCERT.",
        )
    if not url.username or not url.database:
        raise BadDatabaseAddress("The database address names no user or no database.")
    sslmode = url.query.get("sslmode")
    return Target(
        user=url.username,
        password=SecretStr(url.password) if url.password else None,
        host=str(url.query.get("host") or url.host or "127.0.0.1"),
        port=port,
        database=url.database,
        sslmode=None if sslmode is None else str(sslmode),
    )


def without_password(address: str | None) -> str | None:
    """Return an address that may be logged."""
    return address and re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", address)
