"""What a session's telemetry adds up to, for whoever looks closely at one."""

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry
from strawberry.scalars import JSON

from models.sessions import EventKind
from resolvers import live_sessions
from schema.access import Info, ask, told
from services import sessions_details
from services.sessions_details import NOTHING, Sum

if TYPE_CHECKING:
    from uuid import UUID


@strawberry.type(description="What the browser of a candidate reported, added up. Nothing of it proves anything.")
class SessionTelemetry:
    """Telemetry of a session."""

    session: strawberry.Private["UUID"]
    focus_lost_count: int = told("How often the focus was lost.")
    focus_lost_at: datetime | None = told("When last; null when it never was.")
    focus_away_seconds: int = told("For how many seconds it was away, as far as the browser said so.")
    tab_switch_count: int = told("How often another tab was shown, or the examination's again.")
    paste_count: int = told("How often text was pasted.")
    pasted_characters: int = told("How many characters in all.")
    disconnection_count: int = told("How often the connection was lost.")
    disconnected_seconds: int = told("For how many seconds, as far as the browser said so.")
    indicators: list[str] = told("What stands out, in words; empty when nothing does.")

    @ask(live_sessions.signals, "The raw reports, the newest 200.")
    async def technical_details(self, info: Info) -> JSON:
        """Show the raw reports."""
        return JSON(await live_sessions.signals(info.context, self.session))

    @classmethod
    def of(cls, session: "UUID", sums: dict[EventKind, Sum]) -> "SessionTelemetry":
        """Show what was reported."""
        lost = sums.get(EventKind.FOCUS_LOST, NOTHING)
        pastes = sums.get(EventKind.PASTE_DETECTED, NOTHING)
        return cls(
            session=session,
            focus_lost_count=lost.count,
            focus_lost_at=lost.last_at,
            focus_away_seconds=sums.get(EventKind.FOCUS_REGAINED, NOTHING).seconds,
            tab_switch_count=sums.get(EventKind.TAB_SWITCH, NOTHING).count,
            paste_count=pastes.count,
            pasted_characters=pastes.characters,
            disconnection_count=sums.get(EventKind.DISCONNECTED, NOTHING).count,
            disconnected_seconds=sums.get(EventKind.RECONNECTED, NOTHING).seconds,
            indicators=sessions_details.indicators(sums),
        )
