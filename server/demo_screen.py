"""What the demonstration shows in the terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from server.demo_people import Proctor

STATUS_STYLE = {
    "LIVE": "green",
    "IDLE": "yellow",
    "PAUSED": "cyan",
    "SUBMITTED": "blue",
    "EXPIRED": "red",
    "TERMINATED": "red",
}
WIDEST_BAR = 40


def room(proctor: Proctor, invited: int, items: int, rows: int = 14) -> RenderableType:
    """Draw the room as the proctor sees it: one line per session, and a bar of all answers."""
    sessions = list(proctor.rows.values())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("candidate", "status", "answered", "focus lost"):
        table.add_column(name)
    busiest = sorted(
        sessions, key=lambda s: (s["displayStatus"] not in ("LIVE", "IDLE"), s["candidate"]["displayName"])
    )
    for session in busiest[:rows]:
        status = session["displayStatus"]
        table.add_row(
            session["candidate"]["displayName"],
            Text(status.capitalize(), style=STATUS_STYLE.get(status, "")),
            f"{session['answeredCount']}/{session['itemCount']}",
            str(session["focusLostCount"] or ""),
        )
    answered = sum(session["answeredCount"] for session in sessions)
    counts = Counter(session["displayStatus"] for session in sessions)
    line = "  ".join(f"{status.lower()} {n}" for status, n in sorted(counts.items()))
    told = f"{len(sessions)} of {invited} came  {line}  {len(proctor.received)} events  {proctor.cuts} cuts"
    below = Table.grid()
    below.add_row(ProgressBar(total=max(1, invited * items), completed=answered, width=60))
    below.add_row(Text(told))
    return Group(table, below)


def distribution(console: Console, points: Sequence[int], total: int, pass_at: int) -> None:
    """Plot how many candidates reached how many points."""
    console.print(f"\nPoints reached, of {total}; {pass_at} to pass:")
    counts = Counter(points)
    most = max(counts.values(), default=1)
    for value in range(min(points, default=0), max(points, default=0) + 1):
        bar = "█" * round(counts[value] / most * WIDEST_BAR)
        console.print(f"  {value:>3} {bar} {counts[value] or ''}", style="green" if value >= pass_at else "red")
    passed = sum(value >= pass_at for value in points)
    console.print(f"  {passed} of {len(points)} passed.")
