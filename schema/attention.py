"""The attention that a session needs and the state of its connection, as staff see them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from models.attention import AttentionLevel
from models.sessions import DeliverySession
from resolvers import identity, sessions
from resolvers.context import Context
from schema.access import Info, alone, told
from schema.enums import closed_set
from schema.identity import User
from schema.plans import together
from services import attention, sessions_connection
from services.attention import Signal
from services.sessions_connection import ConnectionState

closed_set(
    AttentionLevel,
    "AttentionLevel",
    "How much attention a session needs, from none on.",
    {
        AttentionLevel.NONE: "None.",
        AttentionLevel.NOTICE: "Worth a look when there is time.",
        AttentionLevel.WARNING: "Worth a look soon.",
        AttentionLevel.URGENT: "Worth a look at once.",
    },
)

closed_set(
    Signal,
    "AttentionSignal",
    "What may call for attention. Counts only grow; a spell is a time in seconds, and ends.",
    {
        Signal.FOCUS_LOSSES: "How often the focus was lost: a count.",
        Signal.FOCUS_OVER_LIMIT: "How often the focus was lost beyond the assessment's limit: a count.",
        Signal.TAB_SWITCHES: "How often the browser tab was switched: a count.",
        Signal.PASTES: "How often text was pasted: a count.",
        Signal.DISCONNECTIONS: "How often the connection was lost: a count.",
        Signal.DISCONNECTED: "For how long the connection has been lost: a spell.",
        Signal.IDLE: "For how long nothing was done while the clock runs: a spell.",
    },
)

closed_set(
    ConnectionState,
    "ConnectionState",
    "Whether a candidate's browser is connected.",
    {
        ConnectionState.CONNECTED: "Its heartbeats arrive.",
        ConnectionState.DISCONNECTED: "Nothing was heard of it for too long, or it has said so itself.",
        ConnectionState.UNKNOWN: "It never sent a heartbeat, or the session does not run.",
    },
)


@strawberry.type(description="A rule that holds for a session, so that it needs attention.")
class AttentionRule:
    """A rule."""

    rule: Signal = told("Which signal it goes by.")
    level: AttentionLevel = told("How much attention that needs.")
    threshold: int = told("From which value on; seconds for a spell.")
    words: str = told("What it means, fit to be shown.")
    since: datetime = told("Since when it holds.")

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "AttentionRule":
        """Show a rule as it is kept."""
        signal = Signal(kept["rule"])
        return cls(
            rule=signal,
            level=AttentionLevel(kept["level"]),
            threshold=kept["threshold"],
            words=attention.words(signal, kept["threshold"]),
            since=datetime.fromisoformat(kept["since"]),
        )


async def _acknowledgers(context: Context, shown: Sequence["SessionAttention"]) -> list[User | None]:
    wanted = [(one.row.attention_acknowledged or {}).get("by") for one in shown]
    ids = list(dict.fromkeys(UUID(one) for one in wanted if one is not None))
    people = dict(zip(ids, await identity.people(context, ids), strict=True)) if ids else {}
    found = [None if one is None else people[UUID(one)] for one in wanted]
    return [person and User.of(person) for person in found]


@strawberry.type(description="The attention that a session needs. It is never told to the candidate.")
class SessionAttention:
    """Attention."""

    row: strawberry.Private[DeliverySession]
    level: AttentionLevel = told("How much.")
    since: datetime | None = told("Since when it needs this much; null while it needs none.")
    rules: list[AttentionRule] = told("The rules that hold and were not acknowledged; each in words.")
    acknowledged_at: datetime | None = told("When somebody last acknowledged what there was; null when nobody has.")
    acknowledged_note: str | None = told("What they wrote; null when nobody has.")

    @strawberry.field(description="Who last acknowledged; null when nobody has, and for a service token.")
    @together(_acknowledgers)
    async def acknowledged_by(self, info: Info) -> User | None:
        """Show who."""
        return await alone(_acknowledgers, info, self)

    @classmethod
    def of(cls, row: DeliverySession) -> "SessionAttention":
        """Show the attention that a session needs."""
        seen = row.attention_acknowledged
        return cls(
            row=row,
            level=AttentionLevel(row.attention_level),
            since=row.attention_since,
            rules=[AttentionRule.of(one) for one in row.attention_rules or ()],
            acknowledged_at=None if seen is None else datetime.fromisoformat(seen["at"]),
            acknowledged_note=None if seen is None else seen["note"],
        )


async def _away(context: Context, shown: Sequence["SessionConnectivity"]) -> list[Decimal]:
    now = await sessions.clock(context)
    return [sessions_connection.seconds_away(one.row, now) for one in shown]


@strawberry.type(description="How the connection of a candidate's browser is, and has been.")
class SessionConnectivity:
    """A connection."""

    row: strawberry.Private[DeliverySession]
    state: ConnectionState = told("Whether it is connected.")
    since: datetime | None = told("Since when it is not; null while it is.")
    last_seen_at: datetime | None = told("When it was last heard of; null when it never sent a heartbeat.")
    disconnections: int = told("How often the connection was lost.")

    @strawberry.field(description="For how long it was lost, all absences together and the present one included.")
    @together(_away)
    async def disconnected_seconds(self, info: Info) -> Decimal:
        """Tell for how long."""
        return await alone(_away, info, self)

    @classmethod
    def of(cls, row: DeliverySession) -> "SessionConnectivity":
        """Show how a session is connected."""
        return cls(
            row=row,
            state=sessions_connection.state_of(row),
            since=row.disconnected_at,
            last_seen_at=row.last_seen_at,
            disconnections=row.disconnect_count,
        )
