"""`make chaos`: break a whole installation again and again, and count what was lost, repeated or reordered.

python -m bench.chaos streams [--redis] [--seconds 60]
python -m bench.chaos durability [--kills 100]
python -m bench.chaos jobs [--kills 50]
python -m bench.chaos schedules [--kills 30]
python -m bench.chaos programmes [--kills 50]
python -m bench.chaos licences [--people 300] [--pools FOLDER]
python -m bench.chaos rooms [--redis] [--seconds 600] [--sessions 1000] [--proctors 50] [--rate 20]
python -m bench.chaos proctors [--races 1000]
python -m bench.chaos corrections [--people 5000]
python -m bench.chaos reviews [--assessors 20] [--papers 500]
python -m bench.chaos board --pool questions.json [--papers 200]
python -m bench.chaos uploads [--megabytes 500]
python -m bench.chaos statistics [--people 10000]
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import statistics
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import httpx2
from rich.console import Console

from bench import (
    chaos_board,
    chaos_corrections,
    chaos_jobs,
    chaos_proctors,
    chaos_programmes,
    chaos_remediation,
    chaos_reviews,
    chaos_rooms,
    chaos_schedules,
    chaos_site,
    chaos_statistics,
    chaos_uploads,
    licences,
)
from bench.chaos_people import Reader, Saver, Stage, Writer, ledger, staged, until_told
from bench.chaos_site import Site
from jobs.executor import MOST_CRASHES
from server import serving, simulate_report
from server.simulate import Plan

SETTLED = 60.0
STUCK_SECONDS = 60.0


@contextlib.asynccontextmanager
async def _busy(people: Sequence[Callable[[asyncio.Event], Awaitable[None]]]) -> AsyncGenerator[asyncio.Event, None]:
    """Keep people at work for the length of the block, then let each finish what it has begun."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(person(stop)) for person in people]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def streams(seconds: float, *, redis: bool, seed: int = 1) -> bool:
    """16 writers, 5 readers, everything broken in turn; every reader must have the ledger exactly."""
    chance = random.Random(seed)  # noqa: S311 - a trial, and repeatable
    async with chaos_site.built(2, redis=redis) as site:
        stage = await staged(site, 8, chance)
        writers = [Writer(site, stage.sessions[n % 8][0], random.Random(n)) for n in range(16)]  # noqa: S311 - as above
        cut = seconds * 5 / 220
        readers = [Reader(site, stage, random.Random(100 + n), (cut / 2, cut * 1.5)) for n in range(5)]  # noqa: S311 - as above
        async with _busy([writer.run for writer in writers]) as stop:
            reading = [asyncio.create_task(reader.run(stop)) for reader in readers]
            await _break_streams(site, seconds, chance)
        await site.ready()
        agreed = await _settled(site, stage, readers, chance)
        for task in reading:
            task.cancel()
        for ended in await asyncio.gather(*reading, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                _say(f"a reader ended by itself: {ended!r}")
        _tell_streams(site, readers, agreed, sum(writer.acknowledged for writer in writers))
        return all(reader.received == agreed for reader in readers)


async def _break_streams(site: Site, seconds: float, chance: random.Random) -> None:
    began = monotonic()
    restarts = [seconds * share for share in (0.35, 0.7)]
    redis = [seconds * share for share in (0.1, 0.25, 0.5, 0.6, 0.85)] if site.redis else []
    apis = [seconds * share for share in (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)]
    while (now := monotonic() - began) < seconds:
        with contextlib.suppress(Exception):  # what breaks the breaking is the point of the trial
            await site.kill_bell()
        if restarts and now >= restarts[0]:
            restarts.pop(0)
            await site.restart_database()
        if redis and now >= redis[0]:
            redis.pop(0)
            await site.restart_redis()
        if apis and now >= apis[0]:
            apis.pop(0)
            await site.kill_api(chance)
        await asyncio.sleep(2)


async def _settled(site: Site, stage: Stage, readers: Sequence[Reader], chance: random.Random) -> list[tuple[str, int]]:
    async with httpx2.AsyncClient(timeout=30) as http:

        async def read() -> list[tuple[str, int]]:
            return await ledger(site.client(http, site.tokens["proctor"], chance), stage.assignment_id)

        found = await until_told(read)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED):
                while any(len(reader.received) < len(found) for reader in readers):  # noqa: ASYNC110 - others append
                    await asyncio.sleep(0.1)
        return found


def _tell_streams(site: Site, readers: Sequence[Reader], found: list[tuple[str, int]], acknowledged: int) -> None:
    missing = sum(len(set(found) - set(reader.received)) for reader in readers)
    twice = sum(len(reader.received) - len(set(reader.received)) for reader in readers)
    reordered = sum(_reordered(reader.received, found) for reader in readers)
    resumed = sorted(seconds for reader in readers for seconds in reader.resumed)
    _say(f"broken: {site.kills}; cuts by readers: {sum(reader.cuts for reader in readers)}")
    _say(f"events acknowledged {acknowledged}, in the table {len(found)}, each read by {len(readers)} readers")
    _say(f"missing {missing}, duplicated {twice}, reordered {reordered}")
    _say(f"time to resume: p50 {_share(resumed, 0.5):.3f} s, p99 {_share(resumed, 0.99):.3f} s of {len(resumed)}")
    for reason, times in Counter(reason for reader in readers for reason in reader.refused).items():
        _say(f"told {times} times while something was down: {reason}")


def _reordered(received: list[tuple[str, int]], found: list[tuple[str, int]]) -> int:
    place = {event: n for n, event in enumerate(found)}
    known = [place[event] for event in received if event in place]
    return sum(later < earlier for earlier, later in itertools.pairwise(known))


async def durability(kills: int, seed: int = 1) -> bool:
    """Candidates save while API, backends and postmaster are killed; every acknowledged answer must be there."""
    chance = random.Random(seed)  # noqa: S311 - a trial, and repeatable
    async with chaos_site.built(2, redis=False) as site:
        stage = await staged(site, 8, chance)
        savers = [Saver(site, *session, random.Random(n)) for n, session in enumerate(stage.sessions)]  # noqa: S311 - as above
        back: list[float] = []
        async with _busy([saver.run for saver in savers]):
            for number in range(kills):
                kill = (lambda: site.kill_api(chance), site.kill_backend, site.kill_postmaster)[number % 3]
                await asyncio.sleep(chance.uniform(0.1, 0.6))
                began = monotonic()
                with contextlib.suppress(Exception):  # a database that is down already cannot be asked whom to kill
                    await kill()
                await site.ready()
                back.append(monotonic() - began)
        lost, twice = await _check(site, savers, chance)
        _say(f"killed: {site.kills}; answers acknowledged {sum(saver.answers for saver in savers)}")
        _say(f"lost {lost}, stored twice {twice}")
        _say(f"time until back: p50 {statistics.median(back):.2f} s, longest {max(back):.2f} s")
        return lost == twice == 0


async def _check(site: Site, savers: Sequence[Saver], chance: random.Random) -> tuple[int, int]:
    lost = twice = 0
    async with httpx2.AsyncClient(timeout=30) as http:
        for saver in savers:
            client = site.client(http, saver.token, chance)
            mine = await client.ask("MySession", {})
            stored = {answer["itemId"]: answer for answer in mine["answers"]}
            for item, (revision, choice) in saver.acknowledged.items():
                kept = stored.get(item)
                lost += kept is None or (kept["revision"], kept["response"]["choice"]) != (revision, choice)
            timeline: list[tuple[int, int]] = []
            staff, after = site.client(http, site.tokens["admin"], chance), None
            while True:
                page = await staff.ask("SessionEvents", {"sessionId": saver.session_id, "after": after, "first": 200})
                timeline += [(e["seq"], e.get("revision", 0)) for e in page["events"]]
                after = page["cursor"]
                if not page["events"]:
                    break
            revisions = [revision for _, revision in timeline if revision]
            twice += len(revisions) - len(set(revisions))
            lost += [seq for seq, _ in timeline] != list(range(1, len(timeline) + 1))
    return lost, twice


async def jobs(kills: int) -> bool:
    """Workers are killed while mails are asked for; then a job kills its workers, and a worker is frozen."""
    found = await chaos_jobs.trial(kills)
    _say(f"workers killed {found.kills}; jobs asked for {found.asked}; lost {found.lost}, effects twice {found.twice}")
    _say(f"mails handed over again because a worker died before it wrote that down: {found.handed_over_twice}")
    _say(f"a job that kills its worker: begun {found.poison_begun} times, parked after {found.poison_seconds:.0f} s")
    _say(f"doctor: {found.poison_told}")
    _say(f"a job whose worker was frozen was done by another after {found.frozen_seconds:.1f} s")
    promised = found.poison_begun == MOST_CRASHES and found.frozen_seconds < STUCK_SECONDS
    return found.lost == found.twice == 0 and promised


async def programmes(kills: int) -> bool:
    """Kill people who enrol and sit, and workers that follow, retake, certify and renew; count what came of it."""
    found = await chaos_programmes.trial(kills)
    hit = ", ".join(f"{what} {times}" for what, times in found.hit.most_common())
    _say(f"{found.kills} kills while {found.people} people went through a programme {found.rounds} times, at: {hit}")
    _say(", ".join(f"{count} {what}" for what, count in found.counts.items()))
    for wrong in found.wrong:
        _say(f"wrong: {wrong}")
    return not found.wrong


async def remediation(people: int) -> bool:
    """Correct scores both ways under each policy, carry that through twice, and ask what counted when."""
    found = await chaos_remediation.trial(people)
    laps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in found.seconds.items())
    _say(f"{found.people} people under each policy, corrected both ways; {found.followed} times followed: {laps}")
    _say("; ".join(f"{policy}: {told}" for policy, told in found.certificates.items()))
    _say(f"{found.answered} certificates told for four days; {found.explained} rows explained by the ledger")
    for wrong in found.wrong[:20]:
        _say(f"wrong: {wrong}")
    return not found.wrong


async def schedules(kills: int) -> bool:
    """Two workers are killed around due moments, over a change of the clock, month ends, leap days and a dead week."""
    found = await chaos_schedules.trial(kills)
    _say(f"workers killed {found.kills}; due {found.due}; missing {found.missing}, twice {found.twice}")
    _say(f"assignments {found.assignments}, mails {found.mails} to {chaos_schedules.PEOPLE} people each")
    _say(f"what a week without workers had left was issued in {found.catching_up:.1f} s")
    whole = found.assignments == found.due and found.mails == found.due * chaos_schedules.PEOPLE
    return whole and found.missing == found.twice == 0


async def rooms(plan: Plan, *, redis: bool) -> bool:
    """Candidates and proctors on four API processes, which are killed at random; every view must equal the table."""
    found = await chaos_rooms.trial(plan, redis=redis, say=_say)
    _say(f"broken: {found.kills}; the wake-ups by {'Redis' if redis else 'PostgreSQL'}")
    simulate_report.show(found.report, Console(highlight=False, soft_wrap=True, width=160))
    return found.report.is_whole


async def proctors(races: int) -> bool:
    """Two proctors act on the same 200 sessions at once; then submit, expiry and terminate race to one outcome."""
    found = await chaos_proctors.trial(races)
    told = ", ".join(f"{what} {times}" for what, times in sorted(found.told.items()))
    _say(f"two proctors at {chaos_proctors.SESSIONS} sessions, {found.seconds:.1f} s: rows told {told}")
    _say(f"sessions with an illegal or untold transition {found.illegal}; acts unaccounted for {found.unaccounted}")
    ends = ", ".join(f"{state} {times}" for state, times in sorted(found.ends.items()))
    _say(
        f"races {found.races} in {found.racing_seconds:.1f} s: {ends}; with more or less than one outcome {found.split}"
    )
    return found.illegal == found.unaccounted == found.split == 0


async def corrections(people: int) -> bool:
    """Correct the scores of a large cohort, and take that back: seconds, memory, and what was wrong."""
    found = await chaos_corrections.trial(people)
    for step, seconds in found.seconds.items():
        grown = found.grown.get(step)
        _say(f"{step}: {seconds:.2f} s" + ("" if grown is None else f", grown by {grown / 2**20:.1f} MB at most"))
    _say(f"{found.changed} scores of {people} people changed; told to hand in again {found.refused} times")
    for wrong in found.wrong:
        _say(f"wrong: {wrong}")
    return not found.wrong


async def uploads(megabytes: int) -> bool:
    """Send a large file: memory, a cut, a killed process, a false hash, a flipped bit, and the way back."""
    found = await chaos_uploads.trial(megabytes)
    size, unit = found.size, chaos_uploads.MEGABYTE

    def told(memory: chaos_uploads.Memory) -> str:
        before, peak, growth = [one / unit for one in (memory.before, memory.peak, memory.growth)]
        return f"memory {before:.0f} MB before, {peak:.0f} MB at most, {growth:.1f} MB more"

    rate = size / unit / found.seconds
    _say(f"sent {size / unit:.0f} MB in {found.seconds:.1f} s, {rate:.0f} MB/s: {told(found.sending)}")
    _say(
        f"cut after {found.cut_at} bytes, {found.resumed_from} had arrived; the rest took {found.resumed_seconds:.1f} s"
    )
    _say(f"process killed, {found.killed_from} bytes had arrived; the rest took {found.killed_seconds:.1f} s")
    _say(f"a false hash: {found.refused}, {found.left} bytes kept")
    _say(f"verified: {found.verified}; a bit flipped on the disk: {found.flipped}")
    _say(f"downloaded {'whole' if found.received else 'WRONG'}: {told(found.receiving)}")
    return found.is_whole and max(found.sending.growth, found.receiving.growth) < size / 4


async def measured(people: int) -> bool:
    """Take the statistics of a large cohort: seconds, memory, and whether all papers were counted."""
    found = await chaos_statistics.trial(people)
    for name, seconds in found.seconds.items():
        _say(f"statistics {name}: {seconds:.2f} s, grown by {found.grown[name] / 2**20:.1f} MB at most")
    _say(f"papers counted: {sorted(found.papers)} of {people}")
    return found.papers == {people}


def _share(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def reviews(assessors: int, papers: int) -> bool:
    """Let assessors judge one queue while processes die: what was marked twice, by the wrong one, or lost."""
    found = await chaos_reviews.trial(assessors, papers)
    _say(f"{assessors} assessors, {papers} papers of two essays, {found.seconds:.0f} s, {found.kills} processes killed")
    _say(f"{found.claims} claims, {found.drifts} times told that the review is in other hands")
    _say(f"unfinished {found.unfinished}, marked twice {found.twice}, by another than the holder {found.unheld}")
    _say(f"fences that did not grow {found.fences}, drafts lost {found.lost}, scores wrong {found.scores}")
    return found.is_whole


async def board(pool: Path, papers: int) -> bool:
    """Let a board of assessors who are known to disagree judge essays beside a pool's questions."""
    found = await chaos_board.trial(pool, papers)
    _say(f"{found.papers} papers sat and judged in {found.seconds:.0f} s; second opinions: {dict(found.reasons)}")
    _say(f"agreed {found.agreed}, adjudicated {found.adjudicated}, scores that do not follow {found.wrong}")
    for planted, severity in found.severities:
        _say(f"planted {planted:+d} points, told {severity:+.3f} of the points")
    return not found.wrong and found.is_ordered


def _all_streams(given: argparse.Namespace) -> bool:
    bells = (False, True) if given.suite == "all" else (given.redis,)
    done = [asyncio.run(streams(given.seconds or 60, redis=redis)) for redis in bells]
    return all(done)


def _all_rooms(given: argparse.Namespace) -> bool:
    seconds = given.seconds or (60 if given.suite == "all" else 600)
    plan = Plan(given.sessions, given.proctors, seconds, given.rate, seed=1, follows=0.1)
    bells = (False, True) if given.suite == "all" else (given.redis,)
    done = [serving.run(rooms(plan, redis=redis)) for redis in bells]
    return all(done)


def _board(given: argparse.Namespace) -> bool:
    return given.pool is None or asyncio.run(board(given.pool, given.papers or 200))


def _licences(given: argparse.Namespace) -> bool:
    """Turn two decades of licences; without the public pools the suite is left out, or refused where it was named."""
    if not given.pools.is_dir():
        _say(f"no question pools at {given.pools}: name their folder by --pools")
        return given.suite == "all"
    found = asyncio.run(licences.trial(given.people or 300, given.pools))
    licences.show(found, _say)
    return not found.wrong


SUITES: Mapping[str, Callable[[argparse.Namespace], bool]] = {
    "streams": _all_streams,
    "durability": lambda given: asyncio.run(durability(given.kills or 100)),
    "jobs": lambda given: asyncio.run(jobs(given.kills or 50)),
    "programmes": lambda given: asyncio.run(programmes(given.kills or 50)),
    "licences": _licences,
    "remediation": lambda given: asyncio.run(remediation(given.people or 50)),
    "schedules": lambda given: asyncio.run(schedules(given.kills or 30)),
    "rooms": _all_rooms,
    "proctors": lambda given: asyncio.run(proctors(given.races)),
    "corrections": lambda given: asyncio.run(corrections(given.people or 5000)),
    "statistics": lambda given: asyncio.run(measured(given.people or 10_000)),
    "reviews": lambda given: asyncio.run(reviews(given.assessors, given.papers or 500)),
    "board": _board,
    "uploads": lambda given: asyncio.run(uploads(given.megabytes)),
}


def main() -> int:
    """Read the command line and run the suites that it names; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos")
    parser.add_argument("suite", choices=[*SUITES, "all"], nargs="?", default="all")
    parser.add_argument("--redis", action="store_true", help="let Redis carry the wake-ups, and restart it five times")
    parser.add_argument(
        "--seconds", type=float, help="length of the streams suite (60) or the rooms suite (600 by itself)"
    )
    parser.add_argument("--sessions", type=int, default=1000, help="candidates of the rooms suite")
    parser.add_argument("--proctors", type=int, default=50, help="proctors of the rooms suite")
    parser.add_argument("--rate", type=float, default=20, help="items answered in a second in the rooms suite")
    parser.add_argument("--kills", type=int, help="kills of the durability suite (100) or the jobs suite (50)")
    parser.add_argument(
        "--people",
        type=int,
        help="people of the corrections (5000), statistics (10000), remediation (50) or licences suite (300)",
    )
    parser.add_argument("--pools", type=Path, default=licences.POOLS, help="folder of the licences suite's questions")
    parser.add_argument("--races", type=int, default=1000, help="races of the proctors suite")
    parser.add_argument("--assessors", type=int, default=20, help="assessors of the reviews suite")
    parser.add_argument("--papers", type=int, help="papers of the reviews suite (500) or the board suite (200)")
    parser.add_argument("--pool", type=Path, help="questions of the board suite, as JSON; it is left out without one")
    parser.add_argument("--megabytes", type=int, default=500, help="size of the file of the uploads suite")
    given = parser.parse_args()
    done = [suite(given) for name, suite in SUITES.items() if given.suite in (name, "all")]
    whole = all(done)
    _say("nothing lost, nothing twice, nothing out of order" if whole else "NOT WHOLE: see above")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
