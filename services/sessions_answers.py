"""Autosave: the newest response to each item, whatever order the network delivers them in (domain.md section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

from models.sessions import Answer, DeliverySession, EventKind, SessionPaper
from services import content, responses
from services.content import QuestionKind
from services.refusals import InvalidInput, NotFound
from services.sessions_events import Happening, append
from services.sessions_hold import hold, require_running
from services.work import Work

LARGEST_REVISION = 2**31 - 1
"""The largest whole number of GraphQL."""

_ITEM_WITH_ID: ColumnElement[Any] = literal_column("'$[*] ? (@.item_id == $id)'::jsonpath")


@dataclass(frozen=True, slots=True)
class Saved:
    """What is stored for an item, and whether that is what was sent; if not, a later revision had come before."""

    row: Answer
    is_current: bool


async def save_answer(work: Work, session_id: UUID, item_id: UUID, revision: int, response: Any) -> Saved:
    """Save the response to one item under the client's revision; a response of None clears it.

    A lower or equal revision never overwrites: it answers what is stored. Refuses an item that is not on the paper, a
    response that does not fit it, and everything outside an active session's time.
    """
    if not 1 <= revision <= LARGEST_REVISION:
        raise InvalidInput(f"A revision is 1 to {LARGEST_REVISION}, not {revision}.", path=["revision"])
    session = await hold(work, session_id)
    now = await work.now()
    require_running(session, now)
    item = await _item(work, session_id, item_id)
    kind = QuestionKind(item["kind"])
    parsed = responses.parse_response(kind, content.parse_content(kind, item["content"]), response)
    given = None if parsed is None else content.to_json(parsed)
    row = (
        await work.session.scalars(
            select(Answer).where(Answer.session_id == session_id, Answer.item_id == item_id),
        )
    ).one_or_none()
    if row is not None and row.revision >= revision:
        return Saved(row, is_current=row.revision == revision and row.response == given)
    was_answered = row is not None and _is_answered(item, row.response)
    answered = responses.is_answered(parsed)
    row = _put(work, session, row, item_id)
    row.revision, row.response, row.saved_at = revision, given, now
    session.answered_count += answered - was_answered
    session.last_activity_at = now
    session.current_position = item["position"]
    payload = {"position": item["position"], "revision": revision, "answered": answered}
    await append(work, session, [Happening(EventKind.ANSWER_SAVED, payload)], at=now, actor_id=session.user_id)
    return Saved(row, is_current=True)


def _put(work: Work, session: DeliverySession, row: Answer | None, item_id: UUID) -> Answer:
    if row is None:
        row = Answer(org_unit_id=session.org_unit_id, session_id=session.id, item_id=item_id)
        work.session.add(row)
    return row


def _is_answered(item: dict[str, Any], response: dict[str, Any] | None) -> bool:
    kind = QuestionKind(item["kind"])
    stored = responses.parse_response(kind, content.parse_content(kind, item["content"]), response)
    return responses.is_answered(stored)


async def _item(work: Work, session_id: UUID, item_id: UUID) -> dict[str, Any]:
    """Return one item of the paper; the whole paper does not travel for one answer."""
    found = await work.session.scalar(
        select(
            func.jsonb_path_query_first(
                SessionPaper.items,
                _ITEM_WITH_ID,
                func.jsonb_build_object("id", str(item_id)),
                type_=JSONB,
            ),
        ).where(SessionPaper.session_id == session_id),
    )
    if found is None:
        raise NotFound("item of this paper", item_id, path=["itemId"])
    return cast("dict[str, Any]", found)


async def answers_of(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, list[Answer]]:
    """Return the saved answers of each of these sessions."""
    found: dict[UUID, list[Answer]] = {session_id: [] for session_id in session_ids}
    for row in await work.session.scalars(select(Answer).where(Answer.session_id.in_(session_ids)).order_by(Answer.id)):
        found[row.session_id].append(row)
    return found
