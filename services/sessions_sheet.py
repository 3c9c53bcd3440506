"""What the acts of one transaction have read of the candidates' sessions, and what they have to write (domain.md 6).

Rules read and change a sheet; no statement is sent while they do. One transaction may hold the acts of many sessions:
each act names its own by the id in its verified token, and takes everything else through that id.
"""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from models.base import uuid7s
from models.sessions import EventKind
from services.attention import Rules
from services.content import Content
from services.content_kinds import QuestionKind
from services.refusals import NotFound
from services.sessions_hold import require_running
from services.sessions_row import Held


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is stored for an item."""

    item_id: UUID
    revision: int
    response: dict[str, Any] | None
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class TakenBatch:
    """A telemetry batch that was taken in."""

    fingerprint: str
    accepted: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class PaperItem:
    """As much of an item of a paper as a response is judged by; a paper never changes."""

    position: int
    kind: QuestionKind
    content: Content


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What is kept under an idempotency key."""

    id: UUID
    fingerprint: str
    answer: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """One event before it is numbered. `client_at` is the candidate's clock, where the browser reported the event.

    `room_id` is the room whose followers are told, where that is not the one that the session is in.
    """

    kind: EventKind
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    client_at: datetime | None = None
    room_id: UUID | None = None


@dataclass(slots=True)
class Told:
    """A numbered event that waits to be written."""

    session: Held
    id: UUID
    seq: int
    happening: Happening
    actor_id: UUID | None


@dataclass(slots=True)
class Sheet:
    """The sessions of one transaction. Keys begin with the session's id."""

    now: datetime
    sessions: dict[UUID, Held]
    answers: dict[tuple[UUID, UUID], StoredAnswer] = field(default_factory=dict[tuple[UUID, UUID], StoredAnswer])
    batches: dict[tuple[UUID, str], TakenBatch] = field(default_factory=dict[tuple[UUID, str], TakenBatch])
    items: dict[tuple[UUID, UUID], PaperItem] = field(default_factory=dict[tuple[UUID, UUID], PaperItem])
    keys: dict[tuple[UUID, str, str], KeptAnswer] = field(default_factory=dict[tuple[UUID, str, str], KeptAnswer])
    saved: set[tuple[UUID, UUID]] = field(default_factory=set[tuple[UUID, UUID]])
    taken: list[tuple[UUID, str]] = field(default_factory=list[tuple[UUID, str]])
    told: list[Told] = field(default_factory=list[Told])
    rules: Rules = field(default_factory=Rules)
    revisions: dict[UUID, list[tuple[UUID, int]]] = field(default_factory=dict[UUID, list[tuple[UUID, int]]])
    stirred: set[UUID] = field(default_factory=set[UUID])
    """Sessions of which something changed that seldom does: connection and attention."""
    signalled: set[UUID] = field(default_factory=set[UUID])
    """Sessions of which a count grew that may call for attention."""
    files: dict[tuple[UUID, UUID], set[str]] = field(default_factory=dict[tuple[UUID, UUID], set[str]])
    """Uploads that have arrived, by session and item, where an answer names any."""
    seen: set[UUID] = field(default_factory=set[UUID])
    """Sessions that were heard of; what was told of is written anyway."""
    checked: set[UUID] = field(default_factory=set[UUID])
    """Sessions that the clock has looked at."""

    def session(self, session_id: UUID) -> Held:
        """Return a session as it is now; refuse one that cannot be seen."""
        found = self.sessions.get(session_id)
        if found is None:
            raise NotFound("Session", session_id)
        return found

    def running(self, session_id: UUID) -> Held:
        """Return a session whose candidate is at work; refuse any other."""
        session = self.session(session_id)
        require_running(session, self.now)
        return session

    def tell(self, session: Held, happenings: list[Happening], *, by_evalium: bool = False) -> int:
        """Append events of the candidate or of Evalium, numbered on from the last; return the last number."""
        actor = None if by_evalium else session.user_id
        first = session.event_seq + 1
        numbered = zip(uuid7s(len(happenings)), itertools.count(first), happenings, strict=False)
        self.told += [Told(session, event_id, seq, happening, actor) for event_id, seq, happening in numbered]
        session.event_seq += len(happenings)
        return session.event_seq
