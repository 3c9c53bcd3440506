"""What proctors see, and the proof at the end of a simulation: every view equals the table, every event came once."""

import asyncio
import contextlib
import itertools
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from server.simulate_tally import Tally
from server.simulate_wire import Wire

PAGE: Final = 100
EVENTS: Final = 200
SETTLED: Final = 60.0
"""Seconds in which the last events have to be with everybody."""

Shown = tuple[str, int, int, int]
"""What a row shows of a session: status, answered, items, focus losses."""


def shown(session: Mapping[str, Any]) -> Shown:
    """Return what is compared of a row. Live turns to idle by the clock alone, of which no event tells."""
    status = "LIVE" if session["displayStatus"] == "IDLE" else session["displayStatus"]
    return status, session["answeredCount"], session["itemCount"], session["focusLostCount"]


@dataclass(slots=True)
class View:
    """One assignment as one proctor sees it: the rows, and every event that came, by number."""

    assignment_id: str
    tally: Tally
    cursor: str = ""
    rows: dict[str, Shown] = field(default_factory=dict[str, Shown])
    received: "array[int]" = field(default_factory=lambda: array("q"))

    def take(self, frame: Mapping[str, Any]) -> None:
        """Apply a frame."""
        self.tally.frames += 1
        for event in frame["events"]:
            session = event["session"]
            number = self.tally.code(session["id"], event["seq"])
            self.received.append(number)
            self.tally.arrived(number)
            self.rows[session["id"]] = shown(session)
        self.cursor = frame["cursor"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How views and events compare with what the service holds; all but the first three are 0 when all is well."""

    events: int
    views: int
    deliveries: int
    different: int
    missing: int
    twice: int
    reordered: int


async def table(wire: Wire, token: str, assignment_id: str) -> tuple[dict[str, Shown], str]:
    """Read a whole table: what is shown of each session, and the cursor of the first page."""
    rows: dict[str, Shown] = {}
    cursor, after = "", None
    while True:
        page = (await wire.ask("AssignmentMonitor", {"id": assignment_id, "first": PAGE, "after": after}, token))[
            "monitor"
        ]
        cursor = cursor or page["cursor"]
        rows |= {row["session"]["id"]: shown(row) for row in page["nodes"] if row["session"] is not None}
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows, cursor


async def ledger(wire: Wire, token: str, assignment_id: str) -> "array[int]":
    """Read every event of an assignment in commit order, by number."""
    found, after = array("q"), None
    while True:
        given = {"assignmentId": assignment_id, "after": after, "first": EVENTS}
        page = await wire.ask("AssignmentEvents", given, token)
        found.extend(wire.tally.code(event["session"]["id"], event["seq"]) for event in page["events"])
        after = page["cursor"]
        if not page["events"]:
            return found


async def verified(wire: Wire, token: str, assignments: Sequence[str], views: Sequence[View]) -> Verdict:
    """Compare every view with its table and its ledger, once the last events are there or a minute has passed."""
    ledgers = {one: await ledger(wire, token, one) for one in assignments}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED):
            while any(len(view.received) < len(ledgers[view.assignment_id]) for view in views):  # noqa: ASYNC110 - as they come
                await asyncio.sleep(0.1)
    tables = {one: (await table(wire, token, one))[0] for one in assignments}
    compared = [_compared(view.received, ledgers[view.assignment_id]) for view in views]
    return Verdict(
        events=sum(len(events) for events in ledgers.values()),
        views=len(views),
        deliveries=sum(len(view.received) for view in views),
        different=sum(view.rows != tables[view.assignment_id] for view in views),
        missing=sum(one[0] for one in compared),
        twice=sum(one[1] for one in compared),
        reordered=sum(one[2] for one in compared),
    )


def _compared(received: "array[int]", found: "array[int]") -> tuple[int, int, int]:
    """Return how many events of a ledger are missing, came twice, and came before their turn."""
    if received == found:
        return 0, 0, 0
    place = {event: n for n, event in enumerate(found)}
    known = [place[event] for event in received if event in place]
    reordered = sum(later < earlier for earlier, later in itertools.pairwise(known))
    distinct = set(received)
    return len(set(found) - distinct), len(received) - len(distinct), reordered
