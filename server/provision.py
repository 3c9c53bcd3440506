"""The roles that stand around the data, and what each may do; made or mended on every start.

    evalium_owner         NOLOGIN, owns every table; migrations become it with SET ROLE
    evalium_app           NOLOGIN, receives the grants
    evalium_maintenance   NOLOGIN BYPASSRLS, for backups and data migrations
    the login             member of evalium_app and nothing else; owns nothing, bypasses nothing

The server's log never sees a password: only its SCRAM verifier is sent.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none

from server.driver import Connection
from server.setup_errors import DatabaseTooOld, MissingPrivilege, UnsafeLogin

OWNER = "evalium_owner"
APP = "evalium_app"
MAINTENANCE = "evalium_maintenance"
LOGIN = "evalium_login"
OLDEST = 150000
TRANSACTION_TIMEOUT_SINCE = 170000
MEMBERSHIP_OPTIONS_SINCE = 160000
LOCK_KEY = 0x6576616C69756D01
LONGEST_NAME_BYTES = 63
SCRAM_ROUNDS = 4096

LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "transaction_timeout": "60s",
    "timezone": "UTC",
}
"""Defaults of every session. An open writing transaction holds back every live stream of the cluster, hence the last
two limits; transaction_timeout exists since PostgreSQL 17."""


@dataclass(frozen=True)
class Standing:
    """What a login is and may do, as the catalogue says."""

    name: str
    version: int
    superuser: bool
    bypasses: bool
    creates_roles: bool
    member: bool
    owns: int

    @property
    def administers(self) -> bool:
        """Whether this login may make roles, and so was meant as an administrator's."""
        return self.superuser or self.creates_roles

    @property
    def dangers(self) -> list[str]:
        """Why the application must not use this login; empty when it may."""
        checks = {
            "it is a superuser": self.superuser,
            "it bypasses row security, or is a member of a role that does": self.bypasses,
            "it may create roles": self.creates_roles,
            f"it owns {self.owns} tables of the database, itself or through {OWNER}": self.owns > 0,
            f"it is not a member of {APP}": not self.member,
        }
        return [reason for reason, applies in checks.items() if applies]


STANDING = f"""
select current_user::text as name, current_setting('server_version_num')::int as version,
       bool_or(r.rolsuper) as superuser, bool_or(r.rolbypassrls) as bypasses,
       bool_or(r.rolcreaterole) as creates_roles,
       coalesce(bool_or(r.rolname = '{APP}'), false) as member,
       (select count(*)::int from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
           and pg_has_role(c.relowner, 'member')) as owns
  from pg_roles r where pg_has_role(r.oid, 'member')
"""  # noqa: S608, E501 - the only value is our constant; a superuser is a member of every role


async def standing(connection: Connection) -> Standing:
    """Read what the connected login may do; refuses servers older than PostgreSQL 15."""
    row = await connection.fetchrow(STANDING)
    assert row is not None  # noqa: S101 - every login is a member of itself
    require_version(row["version"])
    return Standing(**dict(row.items()))


def require_version(number: int) -> None:
    """Refuse a server whose `server_version_num` is below PostgreSQL 15."""
    if number < OLDEST:
        raise DatabaseTooOld(f"The server is PostgreSQL {number // 10000}.{number % 10000}; at least 15 is needed.")


def require_safe(login: Standing) -> None:
    """Refuse a login through which the application could reach rows of every tenant."""
    if login.dangers:
        raise UnsafeLogin(f"The login '{login.name}' must not serve the application: {'; '.join(login.dangers)}.")


def derived_login(database: str) -> str:
    """Name the application's login on a server that others use too; roles are shared by all its databases."""
    name = f"{LOGIN}_{database}"
    if len(name.encode()) > LONGEST_NAME_BYTES:
        name = f"{LOGIN}_{hashlib.sha256(database.encode()).hexdigest()[:32]}"
    return name


def derived_password(key: bytes, database: str) -> str:
    """Derive the login's password, so that all machines that share the signing key agree without talking."""
    digest = hmac.digest(key, f"evalium database login\0{database}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def scram_verifier(password: str) -> str:
    """Compute what PostgreSQL stores for a password (RFC 5803); the password itself is ASCII, so needs no SASLprep."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{parts[0]}${parts[1]}:{parts[2]}"


async def provision(admin: Connection, *, login: str = LOGIN, password: str | None = None) -> None:
    """Make or mend roles, grants and limits for the database that the administrator `admin` is connected to.

    `password` None leaves the login without one (the embedded socket asks for none). Can be repeated at will, also by
    several machines at once.
    """
    me = await standing(admin)
    try:
        async with admin.transaction():
            await admin.execute(f"select pg_advisory_xact_lock({LOCK_KEY})")
            await _make_roles(admin, me, login, password)
            await _open_database(admin, me, login)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MissingPrivilege(f"The administrator's login '{me.name}' may not do this: {error}.") from error


async def _make_roles(admin: Connection, me: Standing, login: str, password: str | None) -> None:
    present = {row["rolname"] for row in await admin.fetch("select rolname from pg_roles")}
    plain = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    for name, kind in ((OWNER, "NOLOGIN"), (APP, "NOLOGIN"), (MAINTENANCE, "NOLOGIN"), (login, "LOGIN")):
        if name not in present:
            await admin.execute(f"CREATE ROLE {quoted(name)} {kind}")
    if me.superuser:
        for name in (OWNER, APP, login):
            await admin.execute(f"ALTER ROLE {quoted(name)} {plain} NOBYPASSRLS")
        await admin.execute(f"ALTER ROLE {MAINTENANCE} {plain} BYPASSRLS")
    elif me.bypasses and me.version >= MEMBERSHIP_OPTIONS_SINCE:  # who bypasses may hand it on, since 16
        await admin.execute(f"ALTER ROLE {MAINTENANCE} BYPASSRLS")
    if password is not None and not await _password_fits(admin, me, login, password):
        await admin.execute(f"ALTER ROLE {quoted(login)} PASSWORD '{scram_verifier(password)}'")
    for name, value in limits(me.version).items():
        await admin.execute(f"ALTER ROLE {quoted(login)} SET {name} = '{value}'")
    await admin.execute(f"ALTER ROLE {quoted(login)} SET search_path = public")
    await admin.execute(f"GRANT {APP} TO {quoted(login)}")
    if not me.superuser:
        options = " WITH INHERIT TRUE, SET TRUE" if me.version >= MEMBERSHIP_OPTIONS_SINCE else ""
        await admin.execute(f"GRANT {OWNER} TO CURRENT_USER{options}")
    if login.startswith(LOGIN):  # ours; another login keeps its roles, and is refused if one of them is dangerous
        await _leave_other_roles(admin, login)


async def _password_fits(admin: Connection, me: Standing, login: str, password: str) -> bool:
    """Whether the stored verifier is already one of `password`; only a superuser may look."""
    if not me.superuser:
        return False
    stored = await admin.fetchval("select rolpassword from pg_authid where rolname = $1", login)
    return stored is not None and verifies(stored, password)


def verifies(verifier: str, password: str) -> bool:
    """Whether a SCRAM verifier, as PostgreSQL stores it, is one of `password`."""
    try:
        method, rounds_and_salt, keys = verifier.split("$")
        rounds, salt = rounds_and_salt.split(":")
        salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), base64.b64decode(salt), int(rounds))
        stored = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    expected = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return method == "SCRAM-SHA-256" and hmac.compare_digest(stored, expected)


async def _leave_other_roles(admin: Connection, login: str) -> None:
    others = await admin.fetch(
        "select g.rolname from pg_auth_members m"
        " join pg_roles g on g.oid = m.roleid join pg_roles l on l.oid = m.member"
        " where l.rolname = $1 and g.rolname <> $2",
        login,
        APP,
    )
    for row in others:
        await admin.execute(f"REVOKE {quoted(row['rolname'])} FROM {quoted(login)}")


async def _open_database(admin: Connection, me: Standing, login: str) -> None:
    database = quoted(await admin.fetchval("select current_database()"))
    for name, value in limits(me.version).items():
        await admin.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")
    # Whoever can connect can listen to every channel (reliability.md), so not everybody may connect.
    await admin.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {quoted(login)}, {MAINTENANCE}, CURRENT_USER")
    await admin.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {OWNER}")
    await admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await admin.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
    await admin.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {MAINTENANCE}")
    # For backups: what is there already, and what the owner will make.
    await admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MAINTENANCE}")
    await admin.execute(
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT SELECT ON TABLES TO {MAINTENANCE}"
    )
    # Granting what one does not hold is only a warning to PostgreSQL.
    if not await admin.fetchval(f"select has_schema_privilege('{OWNER}', 'public', 'CREATE')"):
        raise MissingPrivilege(f"The administrator's login '{me.name}' does not own the database {database}.")


def limits(version: int) -> dict[str, str]:
    """Return the session limits that a server of this `server_version_num` knows."""
    return {
        name: value
        for name, value in LIMITS.items()
        if name != "transaction_timeout" or version >= TRANSACTION_TIMEOUT_SINCE
    }


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
