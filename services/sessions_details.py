"""One session looked at closely: where in the paper its candidate is, what its telemetry adds up to (domain.md 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.sessions import EventKind
from services.work import Work

MOST_SIGNALS = 200
"""Raw events that are shown at once, the newest."""

_SECTIONS = """
select p.session_id, p.items -> (c.position - 1) ->> 'section' as section
from unnest($1::uuid[], $2::int[]) c(session_id, position) join session_papers p on p.session_id = c.session_id
"""
_TELEMETRY = """
select session_id, kind, count(*)::int as count, max(at) as last_at,
 coalesce(sum((payload ->> 'seconds')::numeric), 0)::bigint as seconds,
 coalesce(sum((payload ->> 'characters')::numeric), 0)::bigint as characters
from session_events where session_id = any($1) and kind = any($2) group by session_id, kind
"""
_SIGNALS = """
select kind, at, client_at, payload::text as payload from session_events
where session_id = $1 and kind = any($2) order by seq desc limit $3
"""
KINDS = (
    EventKind.FOCUS_LOST,
    EventKind.FOCUS_REGAINED,
    EventKind.TAB_SWITCH,
    EventKind.PASTE_DETECTED,
    EventKind.DISCONNECTED,
    EventKind.RECONNECTED,
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What the events of one kind add up to: how many, seconds away, characters pasted, as browsers reported them."""

    count: int = 0
    last_at: Any = None
    seconds: int = 0
    characters: int = 0


NOTHING = Sum()


async def sections(work: Work, places: Sequence[tuple[UUID, int]]) -> dict[UUID, str | None]:
    """Return the title of the section in which each of these sessions is, by its position in the paper."""
    found = await work.fetch(_SECTIONS, [one for one, _ in places], [position for _, position in places])
    return {row["session_id"]: row["section"] for row in found}


async def telemetry(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, dict[EventKind, Sum]]:
    """Return what the telemetry of each of these sessions adds up to, by kind; a kind that never came is left out."""
    found: dict[UUID, dict[EventKind, Sum]] = {one: {} for one in session_ids}
    for row in await work.fetch(_TELEMETRY, list(session_ids), [str(kind) for kind in KINDS]):
        added = Sum(row["count"], row["last_at"], row["seconds"], row["characters"])
        found[row["session_id"]][EventKind(row["kind"])] = added
    return found


async def signals(work: Work, session_id: UUID) -> list[dict[str, Any]]:
    """Return the newest raw events of a session's telemetry, as its browser reported them."""
    rows = await work.fetch(_SIGNALS, session_id, [str(kind) for kind in KINDS], MOST_SIGNALS)
    return [
        {
            "kind": row["kind"],
            "at": row["at"].isoformat(),
            "clientAt": None if row["client_at"] is None else row["client_at"].isoformat(),
            "payload": row["payload"],
        }
        for row in rows
    ]


def indicators(sums: dict[EventKind, Sum]) -> list[str]:
    """Say in words what stands out; nothing of it proves anything."""
    lost = sums.get(EventKind.FOCUS_LOST, NOTHING)
    away = sums.get(EventKind.FOCUS_REGAINED, NOTHING)
    tabs, pastes = sums.get(EventKind.TAB_SWITCH, NOTHING), sums.get(EventKind.PASTE_DETECTED, NOTHING)
    cuts, back = sums.get(EventKind.DISCONNECTED, NOTHING), sums.get(EventKind.RECONNECTED, NOTHING)
    said = {
        f"Focus lost {_times(lost.count)}, away for {away.seconds} seconds in all.": lost.count,
        f"Another tab shown {_times(tabs.count)}.": tabs.count,
        f"Text pasted {_times(pastes.count)}, {pastes.characters} characters in all.": pastes.count,
        f"Disconnected {_times(cuts.count)}, for {back.seconds} seconds in all.": cuts.count,
    }
    return [sentence for sentence, count in said.items() if count]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
