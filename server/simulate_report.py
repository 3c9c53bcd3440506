"""What a simulation found, and how it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from server.simulate_tally import Shares
from server.simulate_views import Verdict
from server.simulate_wire import EXPECTED

LATE: Final = 0.05
"""Seconds by which the simulator may come late to its own turn before its figures are more about itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one run; times are seconds. `late` is how late the simulator was itself.

    `delay` is from the acknowledgement of a batch of events to the arrival of its last one at a proctor.
    """

    label: str
    seconds: float
    operations: Mapping[str, Shares]
    errors: Mapping[str, Mapping[str, int]]
    gave_up: Sequence[str]
    delay: Shares
    late: Shares
    frames: int
    cuts: int
    verdict: Verdict
    timelines: int
    amiss: int

    @property
    def is_whole(self) -> bool:
        """Tell whether every proctor saw everything once and in order, and nobody had to give up."""
        one = self.verdict
        return not (one.different or one.missing or one.twice or one.reordered or self.amiss or self.gave_up)

    @property
    def refusals(self) -> dict[str, dict[str, int]]:
        """Return the errors that are neither those of a service that restarts nor of somebody who was faster."""
        found = {
            name: {code: n for code, n in codes.items() if code not in EXPECTED} for name, codes in self.errors.items()
        }
        return {name: codes for name, codes in found.items() if codes and name != "(socket)"}

    def told(self) -> dict[str, Any]:
        """Return all of it for a file."""
        return asdict(self) | {"is_whole": self.is_whole}


def show(report: Report, console: Console) -> None:
    """Print a report."""
    table = Table(box=None, pad_edge=False)
    for column in ("operation", "answers", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors"):
        table.add_column(column, justify="left" if column in ("operation", "errors") else "right")
    for name in sorted({*report.operations, *report.errors}):
        told = ", ".join(f"{code} {n}" for code, n in report.errors.get(name, {}).items())
        table.add_row(name, *_row(report.operations.get(name, Shares(0, 0, 0, 0, 0))), told)
    table.add_row("commit to frame", *_row(report.delay), "")
    console.print(table)
    one, seconds = report.verdict, max(report.seconds, 1.0)
    console.print(
        f"{one.events} events in {seconds:.0f} s ({one.events / seconds:.0f}/s), {one.deliveries} deliveries "
        f"({one.deliveries / seconds:.0f}/s) in {report.frames} frames, through {report.cuts} cuts."
    )
    console.print(
        f"{one.views} views: {one.different} differ from the table; {one.missing} events missing, {one.twice} twice, "
        f"{one.reordered} out of order; {report.timelines} timelines, {report.amiss} gaps or repetitions in them."
    )
    for reason in sorted(set(report.gave_up)):
        console.print(f"{report.gave_up.count(reason)} candidates gave up: {reason}", style="bold red")
    if report.late.p99 > LATE:
        console.print(
            f"The simulator itself was late by {report.late.p99 * 1e3:.0f} ms (p99): its processor is part of these "
            "figures. Run it on another machine, or with fewer people.",
            style="yellow",
        )
    verdict = "Every proctor saw what the service holds." if report.is_whole else "NOT WHOLE: see above."
    console.print(verdict, style="bold green" if report.is_whole else "bold red")


def _row(shares: Shares) -> list[str]:
    times = (shares.p50, shares.p90, shares.p99, shares.most)
    return [str(shares.count), *(f"{seconds * 1e3:.1f}" for seconds in times)]
