"""Trials of signing in against real processes: `python -m bench.sign_ins links pairs cuts`.

- links: 100 links, each redeemed by 50 requests at once; exactly 100 may succeed.
- pairs: an address with an account and one without, asked for in turn, 200 times; the answers have to be alike.
- cuts: an open stream on one process, while another takes the right behind it away; seconds until it is cut.
"""

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
from rich.console import Console
from sqlalchemy import func, update

from bench.chaos_site import Site, built
from bench.sign_ins_people import Desk, Person, desk
from bench.world import published
from models.identity import User, UserRole, UserStatus
from realtime import topics
from server.demo_client import Client, Cut, DemoFailed, Subscription
from services import sign_ins
from services.viewer import Viewer
from services.work import Work

console = Console(soft_wrap=True, highlight=False)

Change = Callable[[Site, Desk, httpx2.AsyncClient, Person, dict[str, Any]], Awaitable[float]]


async def links(site: Site, count: int = 100, at_once: int = 50) -> None:
    """Redeem each link many times at once, over all processes."""
    told: Counter[str] = Counter()
    async with desk(site) as people, httpx2.AsyncClient(timeout=60) as http:
        for _ in range(count):
            person = await people.hire("viewer")
            given = {"token": await people.link(person), "nonce": person.nonce}
            answers = await asyncio.gather(
                *(http.post(f"{site.apis[n % len(site.apis)].base}/auth/verify", json=given) for n in range(at_once))
            )
            told.update(f"{one.status_code}" for one in answers)
    console.print(f"links: {count} links x {at_once} requests at once: {dict(told)}")


async def pairs(site: Site, count: int = 200) -> None:
    """Ask for a known and an unknown address in turn."""
    base, took = site.apis[0].base, {True: list[float](), False: list[float]()}
    alike: set[tuple[Any, ...]] = set()
    async with desk(site) as people, httpx2.AsyncClient(timeout=60) as http:
        known = [(await people.hire("viewer")).email for _ in range(count + 10)]
        for number, email in enumerate(known):
            both = [(True, email), (False, f"{uuid4().hex}@example.org")]
            random.shuffle(both)
            for is_known, address in both:
                began = time.perf_counter()
                answer = await http.post(f"{base}/auth/login", json={"email": address, "nonce": "n" * 43})
                if number >= 10:  # noqa: PLR2004 - the first ten warm up
                    took[is_known].append((time.perf_counter() - began) * 1000)
                kept = {name: value for name, value in answer.headers.items() if name != "date"}
                alike.add((answer.status_code, tuple(sorted(kept.items())), answer.content))
    medians = {is_known: statistics.median(values) for is_known, values in took.items()}
    slower = sum(known > unknown for known, unknown in zip(took[True], took[False], strict=True))
    console.print(
        f"pairs: {count} pairs: {len(alike)} distinct answer(s); median known {medians[True]:.3f} ms, unknown "
        f"{medians[False]:.3f} ms, difference {abs(medians[True] - medians[False]):.3f} ms; "
        f"known was slower in {slower} pairs"
    )


async def _at_the_desk(people: Desk, person: Person, act: Callable[[Work], Awaitable[Any]]) -> float:
    await people.office.perform(Viewer.system(person.tenant_id), act)
    return time.monotonic()


async def role_removed(_site: Site, people: Desk, _http: httpx2.AsyncClient, person: Person, _t: Any) -> float:
    """End a grant from another process."""

    async def act(work: Work) -> None:
        mine = update(UserRole).where(UserRole.user_id == person.user_id)
        await work.session.execute(mine.values(expires_at=func.evalium_now()))
        work.touch(topics.rights(person.tenant_id))

    return await _at_the_desk(people, person, act)


async def suspended(_site: Site, people: Desk, _http: httpx2.AsyncClient, person: Person, _t: Any) -> float:
    """Suspend the person from another process."""

    async def act(work: Work) -> None:
        mine = update(User).where(User.id == person.user_id)
        await work.session.execute(mine.values(status=UserStatus.SUSPENDED))
        await sign_ins.end_all_of(work, person.user_id)
        work.touch(topics.rights(person.tenant_id))

    return await _at_the_desk(people, person, act)


async def grant_expires(_site: Site, people: Desk, _http: httpx2.AsyncClient, person: Person, _t: Any) -> float:
    """Let a grant expire by the clock; nobody rings."""
    in_a_while = timedelta(seconds=1.5)

    async def act(work: Work) -> None:
        mine = update(UserRole).where(UserRole.user_id == person.user_id)
        await work.session.execute(mine.values(expires_at=func.evalium_now() + in_a_while))

    return await _at_the_desk(people, person, act) + in_a_while.total_seconds()


async def signed_out(site: Site, _p: Desk, http: httpx2.AsyncClient, _who: Person, tokens: dict[str, Any]) -> float:
    """Sign out at another process."""
    given = {"refreshToken": tokens["refreshToken"]}
    (await http.post(f"{site.apis[1].base}/auth/logout", json=given)).raise_for_status()
    return time.monotonic()


async def token_revoked(site: Site, _p: Desk, http: httpx2.AsyncClient, _who: Person, tokens: dict[str, Any]) -> float:
    """Revoke a service token at another process."""
    admin = Client(site.apis[1].base, http, site.tokens["admin"])
    await admin.do("ServiceTokenRevoke", {"id": tokens["service"], "reason": "trial"})
    return time.monotonic()


CHANGES: dict[str, Change] = {
    "role removed": role_removed,
    "person suspended": suspended,
    "signed out": signed_out,
    "service token revoked": token_revoked,
    "grant expired": grant_expires,
}


async def cuts(site: Site, trials: int = 20) -> None:
    """Take rights away in one process, and measure when the stream in another ends."""
    async with desk(site) as people, httpx2.AsyncClient(timeout=60) as http:
        admin = Client(site.apis[0].base, http, site.tokens["admin"])
        terms = {"evaluationVersionId": await published(admin), "recipients": [{"email": "c@bench.example"}]}
        assignment = (await admin.do("AssignmentIssue", terms))["assignment"]["id"]
        for name, change in CHANGES.items():
            took = [await _cut(site, people, http, assignment, change) for _ in range(trials)]
            console.print(
                f"cuts: {name}: median {statistics.median(took):.3f} s, maximum {max(took):.3f} s ({trials} trials)"
            )


async def _cut(site: Site, people: Desk, http: httpx2.AsyncClient, assignment: str, change: Change) -> float:
    person = await people.hire("proctor")
    tokens = await people.sign_in(http, site.apis[0].base, person)
    shown = str(tokens["accessToken"])
    if change is token_revoked:
        admin = Client(site.apis[0].base, http, site.tokens["admin"])
        ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        given = {"name": "trial", "capabilities": ["assignments.monitor"], "expiresAt": ends}
        made = await admin.do("ServiceTokenCreate", given)
        shown, tokens["service"] = made["token"], made["serviceToken"]["id"]
    stream = Subscription(site.apis[0].base, shown, "AssignmentStream", {"assignmentId": assignment})
    ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    opened = asyncio.Event()

    async def follow() -> None:
        with contextlib.suppress(DemoFailed, Cut):
            async for _ in stream.frames():
                opened.set()
        ended.set_result(time.monotonic())

    task = asyncio.create_task(follow())
    await opened.wait()
    began = await change(site, people, http, person, tokens)
    async with asyncio.timeout(10):
        await ended
        await task
    return max(0.0, ended.result() - began)


async def main(wanted: list[str]) -> None:
    """Run the trials that were asked for, each on a site of its own."""
    for name in wanted:
        os.environ["EVALIUM_SIGN_INS_PER_NETWORK"] = "1000000"
        os.environ["EVALIUM_WORKER"] = "1" if name == "pairs" else "0"  # mails keep their secrets until they are sent
        async with built(1 if name == "pairs" else 2, redis=False) as site:
            await {"links": links, "pairs": pairs, "cuts": cuts}[name](site)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", default=["links", "pairs", "cuts"], choices=["links", "pairs", "cuts"])
    asyncio.run(main(parser.parse_args().trials))
