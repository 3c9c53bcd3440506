"""The row of the scoreboard about limits: what refusing a hostile document costs, against merely parsing it."""

from collections.abc import Sequence
from typing import Any

from bench.measure import Bench, post
from bench.rows import Found, Row
from bench.world import World
from server.limits import MAX_BODY_BYTES
from tests.factories.bombs import BOMBS

SHARE = 0.1
"""Of a round's time that each document is sent for, to each side; at least once."""


async def refusals(bench: Bench, world: World) -> Found:
    """Send each hostile document alone, one after the other; the row is judged by the worst of them."""
    del world
    told: dict[str, dict[str, Any]] = {}
    short = Bench(bench.site, bench.reference_port, bench.reference_pid, bench.seconds * SHARE)
    for name, document in BOMBS.items():
        ours = short.ours([[post("/graphql", {"query": document}, bench.site.tokens["proctor"])]])
        theirs = short.theirs([[post("/parse", {"query": document})]])
        ours.refused = theirs.refused = True
        if len(ours.clients[0][0]) > MAX_BODY_BYTES:
            continue  # its body is refused unread, and never becomes a document
        await short.compare(ours, theirs)
        took, parsing = (side.middle("p50") * 1e3 for side in (ours, theirs))
        told[name] = {"ratio": took / parsing, "ms": took, "parsing_ms": parsing, "faults": dict(ours.faults)}
    name, worst = max(told.items(), key=lambda item: item[1]["ratio"])
    above = [f"{one} {seen['ratio']:.2f}" for one, seen in told.items() if seen["ratio"] > GOAL]
    ours_text = f"{name}: {worst['ms']:.2f} ms; above the goal: {', '.join(above) or 'none'}"
    return Found(worst["ratio"], ours_text, f"{worst['parsing_ms']:.2f} ms", told)


GOAL, AIM = 2.0, 1.0

LIMITS: Sequence[Row] = (Row("L1", "refusing a hostile document, the worst of them", GOAL, AIM, refusals, most=True),)
