"""Autosave: the newest response to each item, whatever order the network delivers them in (domain.md section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.sessions import Answer, EventKind
from services import content, responses, sessions_connection
from services.idempotency import Answer as KeptJson
from services.idempotency import Request
from services.refusals import InvalidInput, NotFound, Refusal
from services.responses import FilesResponse
from services.sessions_sheet import Happening, PaperItem, Sheet, StoredAnswer
from services.work import Work

MOST_ANSWERS = 100
"""Answers in one request."""

LARGEST_REVISION = 2**31 - 1
"""The largest whole number of GraphQL."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What is stored for an item, and whether that is what was sent; if not, a later revision had come before."""

    row: StoredAnswer
    is_current: bool


@dataclass(frozen=True, slots=True)
class Save:
    """Save the response to one item under the client's revision; a response of None clears it.

    A lower or equal revision never overwrites: it answers what is stored. Refuses an item that is not on the paper, a
    response that does not fit it, and everything outside an active session's time.
    """

    session_id: UUID
    item_id: UUID
    revision: int
    response: Any
    request: Request | None = None

    def decide(self, sheet: Sheet) -> Saved:
        """Save, or refuse before anything is changed."""
        session = sheet.running(self.session_id)
        item, parsed = self.read(sheet)
        place = (self.session_id, self.item_id)
        given = None if parsed is None else content.to_json(parsed)
        stored = sheet.answers.get(place)
        if stored is not None and stored.revision >= self.revision:
            sessions_connection.heard(sheet, session)
            return Saved(stored, is_current=stored.revision == self.revision and stored.response == given)
        was_answered = stored is not None and responses.is_answer(stored.response)
        answered = responses.is_answered(parsed)
        sessions_connection.heard(sheet, session)
        row = StoredAnswer(self.item_id, self.revision, given, sheet.now)
        sheet.answers[place] = row
        sheet.saved.add(place)
        session.answered_count += answered - was_answered
        session.last_activity_at = sheet.now
        session.current_position = item.position
        payload = {"position": item.position, "revision": self.revision, "answered": answered}
        sheet.tell(session, [Happening(EventKind.ANSWER_SAVED, payload)])
        return Saved(row, is_current=True)

    def read(self, sheet: Sheet) -> tuple[PaperItem, Any]:
        """Return the item and the response to it as parsed; refuse what cannot be saved whenever it comes."""
        if not 1 <= self.revision <= LARGEST_REVISION:
            raise InvalidInput(f"A revision is 1 to {LARGEST_REVISION}, not {self.revision}.", path=["revision"])
        item = sheet.items.get((self.session_id, self.item_id))
        if item is None:
            raise NotFound("item of this paper", self.item_id, path=["itemId"])
        parsed = responses.parse_response(item.kind, item.content, self.response)
        if isinstance(parsed, FilesResponse):
            _require_arrived(parsed, sheet.files.get((self.session_id, self.item_id), set()))
        return item, parsed

    def refused(self, sheet: Sheet) -> Refusal:
        """Return once more why this answer was refused: a paper never changes, so it is for the same reason.

        A file, though, may have arrived since.
        """
        try:
            self.read(sheet)
        except Refusal as refusal:
            return refusal
        hint = "Send it again under a new key."
        return InvalidInput("A file had not arrived when this was sent first.", path=["response", "files"], hint=hint)

    def kept(self, outcome: Saved) -> KeptJson:
        """Return what is kept under the request's key."""
        return {"is_current": outcome.is_current}

    def again(self, sheet: Sheet, kept: KeptJson) -> Saved:
        """Answer from what was kept, with what is stored now."""
        return Saved(sheet.answers[self.session_id, self.item_id], is_current=kept["is_current"])


@dataclass(frozen=True, slots=True)
class SaveMany:
    """Save the answers to several items, one after the other, as `Save` does; each is saved or refused by itself.

    Refuses the whole outside an active session's time, and more than may be sent at once.
    """

    session_id: UUID
    saves: Sequence[Save]
    request: Request | None = None

    def decide(self, sheet: Sheet) -> list[Saved | Refusal]:
        """Save what can be saved."""
        if not 1 <= len(self.saves) <= MOST_ANSWERS:
            said = f"1 to {MOST_ANSWERS} answers are saved at once, not {len(self.saves)}."
            raise InvalidInput(said, path=["answers"], hint="Send them in several requests.")
        sheet.running(self.session_id)
        return [_tried(n, one, sheet) for n, one in enumerate(self.saves)]

    def kept(self, outcome: Sequence[Saved | Refusal]) -> KeptJson:
        """Return what is kept under the request's key."""
        return {"rows": [one.is_current if isinstance(one, Saved) else None for one in outcome]}

    def again(self, sheet: Sheet, kept: KeptJson) -> list[Saved | Refusal]:
        """Answer from what was kept, with what is stored now; what was refused is refused again."""
        return [
            _placed(n, one.refused(sheet)) if known is None else one.again(sheet, {"is_current": known})
            for n, (one, known) in enumerate(zip(self.saves, kept["rows"], strict=True))
        ]


def _require_arrived(response: FilesResponse, arrived: set[str]) -> None:
    for n, one in enumerate(response.files):
        if one not in arrived:
            raise InvalidInput(
                f"No upload '{one}' to this item has arrived.",
                path=["response", "files", n],
                hint="Send all of the file first, then name its upload.",
            )


def _tried(n: int, save: Save, sheet: Sheet) -> Saved | Refusal:
    try:
        return save.decide(sheet)
    except Refusal as refusal:
        return _placed(n, refusal)


def _placed(n: int, refusal: Refusal) -> Refusal:
    """Return a refusal of one of several answers, with the place of that answer in its path."""
    refusal.path = ("answers", n, *refusal.path)
    return refusal


async def answers_of(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, list[Answer]]:
    """Return the saved answers of each of these sessions."""
    found: dict[UUID, list[Answer]] = {session_id: [] for session_id in session_ids}
    for row in await work.session.scalars(select(Answer).where(Answer.session_id.in_(session_ids)).order_by(Answer.id)):
        found[row.session_id].append(row)
    return found
