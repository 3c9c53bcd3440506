"""The command line: `evalium serve`, `worker`, `jobs`, `migrate`, `export-activity`, `verify` and others.

A command imports what it alone needs when it is given: half of a short command's time would be the schema, unused.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar
from uuid import UUID

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console

from migrations import run
from server import database, logs
from server.cluster import Cluster
from server.settings import Settings, signing_key
from server.setup_errors import DataDirectoryInUse, SetupError, UnsafeLogin
from server.viewer import access_token
from services import demonstration
from services import simulate as simulations
from services.jobs_parked import ParkedJob
from services.ledger import Notary
from services.refusals import Refusal
from services.tokens import Tokens
from services.work import Office

if TYPE_CHECKING:
    from server import simulate, simulate_report

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="Evalium: assessments issued, sat, watched live, scored and accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Tell an operator what is wrong and what to type, instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ValidationError as error:  # of the settings; it never holds what was given, which may be a secret
            wrong = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            _complain(f"A setting cannot be read. {wrong}.", "See docs/settings.md.")
            raise typer.Exit(1) from error
        except (SetupError, Refusal) as error:
            _complain(error.message, error.advice)
            raise typer.Exit(1) from error

    return run


def _complain(message: str, advice: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"evalium: {message}\n  {advice}", markup=False)


@app.command()
@_plainly
def serve(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve; about one for each core.")] = 1,
) -> None:
    """Start everything, print addresses and tokens, and serve until Ctrl-C."""
    from server import serving  # noqa: PLC0415 - see above

    settings = Settings()
    logs.configure(settings.log_level)
    serving.serve(settings, workers)


@app.command(hidden=True)
@_plainly
def serve_worker(
    descriptor: Annotated[int, typer.Argument(help="The listening socket, opened by the parent.")],
) -> None:
    """Serve as one of several workers; 'evalium serve --workers' starts these."""
    from server import serving  # noqa: PLC0415 - see above

    settings = Settings()
    logs.configure(settings.log_level)
    serving.work(settings, descriptor)


@app.command()
@_plainly
def worker() -> None:
    """Do background jobs until Ctrl-C, beside servers that do none themselves (EVALIUM_WORKER=0) or not enough."""
    from server import working  # noqa: PLC0415 - see above

    settings = Settings()
    logs.configure(settings.log_level)
    working.work(settings)


@app.command(name="jobs")
@_plainly
def parked_jobs(
    requeue: Annotated[
        list[UUID] | None, typer.Option(help="Have this parked job tried again; may be repeated.")
    ] = None,
) -> None:
    """List the background jobs that were given up, or have some of them tried again."""
    from server import working  # noqa: PLC0415 - see above

    async def act() -> list[ParkedJob]:
        async with _database() as address:
            await database.require_current(address)
            return await working.requeued(address, requeue) if requeue else await working.parked(address)

    found = asyncio.run(act())
    for job in found:
        told = "queued again" if requeue else f"parked {job.parked_at:%Y-%m-%d %H:%M} after {job.attempts} tries"
        typer.echo(f"{job.id}  {job.name}  {told}  {job.reason}")
    if not found:
        typer.echo("No job is parked.")


@app.command()
@_plainly
def migrate() -> None:
    """Bring the database to the newest revision and print it."""

    async def act() -> str:
        async with _database() as address:
            return await database.migrate(address)

    typer.echo(f"The database is at revision {asyncio.run(act())}.")


@app.command(name="restored")
@_plainly
def settle_restored() -> None:
    """After a logical restore, before the service starts: let streams read what was restored."""
    from server import restored  # noqa: PLC0415 - see above

    async def act() -> dict[str, int]:
        async with _database() as address:
            await database.require_current(address)
            return await restored.settle(address)

    moved = asyncio.run(act())
    if any(moved.values()):
        told = ", ".join(f"{rows} rows of {table}" for table, rows in moved.items())
        typer.echo(f"Streams can read everything; moved {told}. Cursors from before the restore are refused.")
    else:
        typer.echo("Streams can read everything already; nothing was changed.")


@app.command()
@_plainly
def token(
    role: Annotated[str, typer.Option(help="One of: " + ", ".join(demonstration.ROLES))],
    tenant: Annotated[str, typer.Option(help="One of: " + ", ".join(demonstration.TENANTS))] = "demo",
) -> None:
    """Print one access token of a demonstration tenant, and nothing else."""
    typer.echo(asyncio.run(_tokens(tenant, role))[role])


@app.command(name="demo")
@_plainly
def play(
    pool: Annotated[Path | None, typer.Option(help="Question pool (JSON); a small one of our own by default.")] = None,
    candidates: Annotated[int, typer.Option(min=3, max=500, help="How many people sit the examination.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="How much faster than life; 1 is life.")] = 40.0,
) -> None:
    """Play an examination day against the running server, and check what the proctor saw against the ledger."""
    from server import demo  # noqa: PLC0415 - see above

    settings = Settings()
    tokens = asyncio.run(_tokens("demo", "author", "manager", "proctor", "assessor"))
    plan = demo.Plan(pool=pool, candidates=candidates, seed=seed, speed=speed)
    raise typer.Exit(0 if demo.play(f"http://{settings.host}:{settings.port}", tokens, plan) else 1)


@app.command(name="simulate")
@_plainly
def drive(
    tenant: Annotated[str, typer.Option(help="Slug of a tenant that is for testing, such as demo.")],
    sessions: Annotated[int, typer.Option(min=1, max=5000, help="How many candidates.")] = 1000,
    proctors: Annotated[int, typer.Option(min=1, max=200, help="How many proctors.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.05, max=120, help="How long candidates work.")] = 5.0,
    rate: Annotated[
        float | None, typer.Option(min=0.01, max=5000, help="Items answered in a second by all; one in 20 s each.")
    ] = None,
    follow: Annotated[float, typer.Option(min=0, max=1, help="Share of candidates with an open stream.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 1,
    url: Annotated[list[str] | None, typer.Option(help="Where the service answers; may be repeated.")] = None,
    report: Annotated[Path | None, typer.Option(help="File to write the report to, as JSON.")] = None,
    *,
    for_testing: Annotated[
        bool, typer.Option("--for-testing", help="Confirm that the tenant holds nothing of real people.")
    ] = False,
) -> None:
    """Drive the running service with candidates and proctors, and tell how it bore them."""
    from server import serving, simulate, simulate_report  # noqa: PLC0415 - see above

    if not for_testing:
        raise simulate.NotForTesting(f"A simulation leaves people and submissions behind in the tenant '{tenant}'.")
    plan = simulate.Plan(sessions, proctors, minutes * 60, rate or sessions / 20, seed, follow)
    found = serving.run(_simulated(plan, tenant, url or []))
    simulate_report.show(found, Console(highlight=False, soft_wrap=True))
    if report is not None:
        report.write_bytes(orjson.dumps(found.told(), option=orjson.OPT_INDENT_2))
    raise typer.Exit(0 if found.is_whole else 1)


@app.command(name="doctor")
@_plainly
def examine() -> None:
    """Say what is wrong, and what to type."""
    from server import doctor  # noqa: PLC0415 - see above

    findings = asyncio.run(doctor.examine(Settings()))
    for finding in findings:
        typer.echo(f"{finding.health.value:<5} {finding.name}: {finding.message}")
        if finding.advice:
            typer.echo(f"      {finding.advice}")
    raise typer.Exit(1 if any(finding.health is doctor.Health.FAIL for finding in findings) else 0)


@app.command(name="sdl")
@_plainly
def print_sdl(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 when the file is stale.")] = False,
) -> None:
    """Write graphql/schema.graphql from the code."""
    from server import sdl  # noqa: PLC0415 - see above

    if not sdl.refresh(check=check):
        typer.echo("graphql/schema.graphql is stale: run 'make sdl', and name a breaking change in CHANGELOG.md.")
        raise typer.Exit(1)


@app.command(name="export-activity")
@_plainly
def export_activity(
    tenant: Annotated[UUID, typer.Option(help="Id of the tenant.")],
    to: Annotated[Path, typer.Option(help="File to write.")] = Path("activity.jsonl"),
) -> None:
    """Write a tenant's activity ledger to a file that 'evalium verify' can verify without a database."""
    from server import ledger  # noqa: PLC0415 - see above

    async def act() -> int:
        async with _database() as address:
            await database.require_current(address)
            office = Office(address.app, ring=lambda _topics: None, pool_size=2)
            try:
                notary = Notary(Tokens(signing_key(Settings())).secret_for("ledger-checkpoints"))
                return await ledger.export_to(office, notary, tenant, to)
            finally:
                await office.close()

    typer.echo(f"Wrote {asyncio.run(act())} lines to {to}.")


@app.command(name="verify")
@_plainly
def verify_export(
    file: Annotated[Path, typer.Argument(help="An exported activity ledger.")],
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere.")] = None,
    key: Annotated[Path | None, typer.Option(help="A copy of /.well-known/evalium-ledger.json.")] = None,
) -> None:
    """Verify an exported ledger without a database: 0 intact, 1 broken or unreadable, 3 intact with remarks."""
    from server import ledger  # noqa: PLC0415 - see above

    verdict = ledger.verify_files(file, checkpoint or [], key)
    typer.echo(verdict.message)
    for remark in verdict.remarks:
        typer.echo(f"  {remark}")
    raise typer.Exit(verdict.exit_code)


@app.command(name="access")
@_plainly
def print_access(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 when the file is stale.")] = False,
) -> None:
    """Write docs/access.md, the table of roles and fields, from the code."""
    from server import access_doc  # noqa: PLC0415 - see above

    if not access_doc.refresh(check=check):
        typer.echo("docs/access.md is stale: run 'make sdl'.")
        raise typer.Exit(1)


@app.command()
@_plainly
def migration(message: Annotated[str, typer.Argument(help="What the migration does, in a few words.")]) -> None:
    """Draft a migration from the difference between models and database."""

    async def act() -> Path:
        async with _database() as address:
            if address.admin_dsn is None:
                raise UnsafeLogin("A migration is drafted with an administrator's address.")
            await database.migrate(address)
            return await asyncio.to_thread(run.draft_blocking, address.admin_dsn, message)

    drafted = asyncio.run(act())
    typer.echo(f"Drafted {drafted}. Add row policies and grants by hand, and read it all.")


async def _simulated(plan: "simulate.Plan", tenant: str, urls: Sequence[str]) -> "simulate_report.Report":
    """Find the staff of a tenant's simulations, and simulate against these addresses, or where the service listens."""
    from server import simulate  # noqa: PLC0415 - see above

    settings = Settings()
    async with _database() as address:
        await database.require_current(address)
        office = Office(address.app, ring=lambda _topics: None, pool_size=2)
        try:
            staff = await simulations.staff(office, tenant, plan.proctors)
        finally:
            await office.close()
    bearers = simulate.bearers(Tokens(signing_key(settings)), staff, plan.seconds)
    bases = [one.rstrip("/") for one in urls or [f"http://{settings.host}:{settings.port}"]]
    return await simulate.run(plan, bases, bearers, typer.echo)


async def _tokens(tenant: str, *roles: str) -> dict[str, str]:
    """Mint access tokens of a demonstration tenant, by role."""
    async with _database() as address:
        await database.migrate(address)  # a token may be asked for before the first start
        office = Office(address.app, ring=lambda _topics: None, pool_size=2)
        try:
            await demonstration.found(office)
            personas = {role: await demonstration.persona(office, tenant, role) for role in roles}
        finally:
            await office.close()
    tokens = Tokens(signing_key(Settings()))
    return {role: access_token(tokens, persona, datetime.now(UTC)) for role, persona in personas.items()}


@contextlib.asynccontextmanager
async def _database() -> AsyncGenerator[database.DatabaseAddress, None]:
    """Give the database's address: a running server's, or one started for the length of this command."""
    settings = Settings()
    if settings.database_url is not None:
        yield await database.prepare(settings, None)
        return
    cluster = Cluster(settings.data)
    try:
        await asyncio.to_thread(cluster.start)
    except DataDirectoryInUse:
        cluster.find_running()
    try:
        yield await database.prepare(settings, cluster)
    finally:
        await asyncio.to_thread(cluster.stop)
