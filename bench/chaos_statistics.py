"""Statistics of a large cohort: how long they take, how much memory, and whether they agree with the papers."""

from dataclasses import dataclass
from time import monotonic

import httpx2

from bench import cohort
from bench.chaos_corrections import watched
from bench.chaos_site import built
from server.demo_client import Client


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds and bytes of growth at most, by what was asked, and how many papers were told of."""

    seconds: dict[str, float]
    grown: dict[str, int]
    papers: set[int]


async def trial(people: int) -> Outcome:
    """Ask for the statistics of so many papers, as reported and as remediated, the second time each."""
    found = Outcome({}, {}, set())
    async with built(1, redis=False) as site, httpx2.AsyncClient(timeout=60) as http:
        made = await cohort.filled(site, http, people)
        admin = Client(site.apis[0].base, http, site.tokens["admin"])
        for name, is_remediated in (("as reported", False), ("as remediated", True)):
            given = {"evaluationVersionId": made.version, "runLabel": cohort.LABEL, "isRemediated": is_remediated}
            await admin.ask("EvaluationStatistics", given)
            async with watched(site) as grown:
                began = monotonic()
                told = await admin.ask("EvaluationStatistics", given)
                found.seconds[name] = monotonic() - began
            found.grown[name] = grown[0]
            found.papers.add(told["paperCount"])
            found.papers.update(item["askedCount"] for item in told["items"])
    return found
