"""Many candidates and proctors on several API processes that are killed at random: every view must equal the table."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from bench import chaos_site
from bench.chaos_site import Site
from server import database, simulate
from server.settings import Settings, signing_key
from server.simulate import Plan
from server.simulate_report import Report
from services import simulate as simulations
from services.tokens import Tokens
from services.work import Office

PROCESSES: Final = 4
PAUSE: Final = (3.0, 12.0)
"""Seconds between two things that are broken."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the people saw, and what was broken meanwhile."""

    report: Report
    kills: dict[str, int]


async def trial(plan: Plan, *, redis: bool, say: Callable[[str], None]) -> Found:
    """Simulate while API processes, listeners and perhaps Redis are killed and started again."""
    chance = random.Random(plan.seed)  # noqa: S311 - a trial, and repeatable
    async with chaos_site.built(PROCESSES, redis=redis) as site:
        people = await staff(site, plan)
        stop = asyncio.Event()
        breaking = asyncio.create_task(_break(site, plan.seconds, chance, stop))
        try:
            report = await simulate.run(plan, [api.base for api in site.apis], people, say)
        finally:
            stop.set()
            await breaking
        return Found(report, dict(site.kills))


async def staff(site: Site, plan: Plan) -> simulate.Bearers:
    """Return the tokens of the staff of a simulation in a site's demonstration tenant."""
    office = Office(database.address_in(site.cluster, database.DATABASE).app, ring=lambda _topics: None, pool_size=2)
    try:
        people = await simulations.staff(office, "demo", plan.proctors)
    finally:
        await office.close()
    tokens = Tokens(signing_key(Settings.model_validate({"EVALIUM_DATA": site.folder})))
    return simulate.bearers(tokens, people, plan.seconds)


async def _break(site: Site, seconds: float, chance: random.Random, stop: asyncio.Event) -> None:
    """Break something, again and again, for as long as candidates work, and leave all of it whole."""
    until = monotonic() + seconds
    acts = [lambda: site.kill_api(chance), lambda: site.kill_api(chance), site.kill_bell]
    acts += [site.restart_redis] if site.redis else []
    while monotonic() < until and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), chance.uniform(*PAUSE))
        await chance.choice(acts)()
    await site.ready()
