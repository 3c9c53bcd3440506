"""Evidence: files that belong to a submission or one of its items, and what was decided about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from models.evidence import EvidenceEvent as EventRow
from models.evidence import EvidenceEventKind
from models.evidence import EvidenceItem as ItemRow
from resolvers import evidence, identity, submissions
from resolvers.context import Context
from schema.access import Info, alone, ask, says, told
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, looked_for
from schema.plans import together
from services.evidence import Decision, EvidenceAction, Integrity

if TYPE_CHECKING:
    from schema.submissions import Submission, SubmissionItem

closed_set(
    Decision,
    "EvidenceDecision",
    "What was decided about evidence last.",
    {
        Decision.NONE: "Nothing, or it was amended since.",
        Decision.APPROVED: "It was accepted.",
        Decision.REJECTED: "It was turned down.",
        Decision.VOIDED: "It does not count, for good.",
    },
)

closed_set(
    Integrity,
    "EvidenceIntegrity",
    "Whether the stored bytes are known to be those that were recorded.",
    {
        Integrity.UNKNOWN: "They were not looked at since, or could not be.",
        Integrity.QUEUED: "They are about to be hashed once more: ask again in a moment.",
        Integrity.VERIFIED: "They were hashed once more, and are the same.",
        Integrity.FAILED: "They are missing, or others than were recorded.",
    },
)

closed_set(
    EvidenceEventKind,
    "EvidenceEventKind",
    "What happened to evidence.",
    {
        EvidenceEventKind.RECORDED: "The file was recorded.",
        EvidenceEventKind.AMENDED: "It was amended by a remark, or by another file in its place.",
        EvidenceEventKind.APPROVED: "It was accepted.",
        EvidenceEventKind.REJECTED: "It was turned down.",
        EvidenceEventKind.VERIFY_REQUESTED: "Somebody asked for the stored bytes to be hashed once more.",
        EvidenceEventKind.VERIFIED: "They are the same.",
        EvidenceEventKind.VERIFY_FAILED: "They are missing, or others.",
        EvidenceEventKind.VERIFY_UNKNOWN: "They could not be read, however often it was tried.",
        EvidenceEventKind.VOIDED: "It was declared not to count.",
    },
)

closed_set(
    EvidenceAction,
    "EvidenceAction",
    "What may be done with evidence.",
    {
        EvidenceAction.AMEND: "Amend it, with a reason: `evidenceAmend`.",
        EvidenceAction.APPROVE: "Accept it: `evidenceApprove`.",
        EvidenceAction.REJECT: "Turn it down, with a reason: `evidenceReject`.",
        EvidenceAction.VERIFY: "Have the stored bytes hashed once more: `evidenceVerify`.",
        EvidenceAction.VOID: "Declare that it does not count, with a reason: `evidenceVoid`.",
    },
)


@strawberry.type(description="An act, whether the viewer may do it with this evidence now, and else why not.")
class EvidenceAvailableAction:
    """An action."""

    action: EvidenceAction = told("What would be done.")
    enabled: bool = told("Whether the viewer can do it with the evidence as it is now.")
    reason: str | None = told("Why not, fit to be shown; null when it can be done.")


@strawberry.type(description="Something that happened to evidence. Rows are never changed or removed.")
class EvidenceEvent:
    """An event."""

    row: strawberry.Private[EventRow]
    id: strawberry.ID = told("Global id, to be named as `priorEventId`.")
    seq: int = told("Counts the events of this evidence, from 1.")
    kind: EvidenceEventKind = told("What happened.")
    at: datetime = told("When, by the database's clock.")
    reason: str | None = told("Why, where a person said it.")
    prior_event_id: strawberry.ID | None = told("The event that it follows on; of the first event, what it amends.")
    facts: JSON = told("What else belongs to it, such as the hash that was found.")

    @strawberry.field(description="Who did it; null when Evalium itself did.")
    async def actor(self, info: Info) -> User | None:
        """Show the actor."""
        person = None if self.row.actor_id is None else await identity.person(info.context, self.row.actor_id)
        return person and User.of(person)

    @classmethod
    def of(cls, row: EventRow) -> "EvidenceEvent":
        """Show an event."""
        return cls(
            row=row,
            id=global_id("EvidenceEvent", row.id),
            seq=row.seq,
            kind=EvidenceEventKind(row.kind),
            at=row.at,
            reason=row.reason,
            prior_event_id=None if row.prior_id is None else global_id("EvidenceEvent", row.prior_id),
            facts=JSON(row.facts),
        )


def _ids(shown: Sequence["EvidenceItem"]) -> list[UUID]:
    return [one.row.id for one in shown]


async def _decisions(context: Context, shown: Sequence["EvidenceItem"]) -> list[Decision]:
    return [one.decision for one in await evidence.standings(context, _ids(shown))]


async def _integrities(context: Context, shown: Sequence["EvidenceItem"]) -> list[Integrity]:
    return [one.integrity for one in await evidence.standings(context, _ids(shown))]


async def _latest(context: Context, shown: Sequence["EvidenceItem"]) -> list[EvidenceEvent]:
    return [EvidenceEvent.of(one.latest) for one in await evidence.standings(context, _ids(shown))]


async def _events(context: Context, shown: Sequence["EvidenceItem"]) -> list[list[EvidenceEvent]]:
    found = await evidence.events(context, _ids(shown))
    return [[EvidenceEvent.of(one) for one in events] for events in found]


async def _actions(context: Context, shown: Sequence["EvidenceItem"]) -> list[list[EvidenceAvailableAction]]:
    found = await evidence.actions(context, _ids(shown))
    return [
        [EvidenceAvailableAction(action=x.action, enabled=x.enabled, reason=x.reason) for x in row] for row in found
    ]


async def _replacing(context: Context, shown: Sequence["EvidenceItem"]) -> list["EvidenceItem | None"]:
    return [row and EvidenceItem.of(row) for row in await evidence.replacing(context, _ids(shown))]


async def _replaced(context: Context, shown: Sequence["EvidenceItem"]) -> list["EvidenceItem | None"]:
    ids = [one.row.replaces_id for one in shown if one.row.replaces_id is not None]
    found = iter(await evidence.by_ids(context, ids))
    rows = [None if one.row.replaces_id is None else next(found) for one in shown]
    return [row and EvidenceItem.of(row) for row in rows]


@strawberry.type(description="A file that was recorded on a submission or one of its items. Its facts never change.")
class EvidenceItem(Node):
    """Evidence."""

    row: strawberry.Private[ItemRow]
    file_name: str = told("The file's name; for showing only.")
    media_type: str = told("Its media type, as whoever sent it said.")
    size_bytes: int = told("Its size in bytes.")
    sha256: str = told("Its SHA-256 in hexadecimal.")
    recorded_at: datetime = told("When it was recorded.")
    is_from_candidate: bool = told("Whether the candidate handed it in with an answer; else staff recorded it.")

    @strawberry.field(description="Where to download it, with a token; parts of it by `Range`.")
    def content_url(self, info: Info) -> str:
        """Tell the address."""
        return f"{info.context.house.site}/api/v1/evidence/{self.row.id}/content"

    @strawberry.field(description="What was decided about it last.")
    @together(_decisions)
    async def decision(self, info: Info) -> Decision:
        """Tell the decision."""
        return await alone(_decisions, info, self)

    @strawberry.field(description="Whether the stored bytes are known to be those that were recorded.")
    @together(_integrities)
    async def integrity(self, info: Info) -> Integrity:
        """Tell the integrity."""
        return await alone(_integrities, info, self)

    @strawberry.field(description="What a person did with it last; an act that amends or voids names it.")
    @together(_latest)
    async def latest_event(self, info: Info) -> EvidenceEvent:
        """Show the latest act."""
        return await alone(_latest, info, self)

    @strawberry.field(description="Everything that happened to it, oldest first.")
    @together(_events)
    async def events(self, info: Info) -> list[EvidenceEvent]:
        """Show the events."""
        return await alone(_events, info, self)

    @strawberry.field(description="Every act, with whether the viewer can do it now, and else why not.")
    @together(_actions)
    async def available_actions(self, info: Info) -> list[EvidenceAvailableAction]:
        """Tell what can be done."""
        return await alone(_actions, info, self)

    @strawberry.field(description="What it was recorded in the place of; null when of nothing.")
    @together(_replaced)
    async def replaces(self, info: Info) -> "EvidenceItem | None":
        """Show what it replaces."""
        return await alone(_replaced, info, self)

    @strawberry.field(description="What was recorded in its place; null when nothing was.")
    @together(_replacing)
    async def replaced_by(self, info: Info) -> "EvidenceItem | None":
        """Show what replaces it."""
        return await alone(_replacing, info, self)

    @strawberry.field(description="Who recorded it: the candidate or staff; null when a service did.")
    async def recorded_by(self, info: Info) -> User | None:
        """Show who recorded it."""
        person = None if self.row.recorded_by is None else await identity.person(info.context, self.row.recorded_by)
        return person and User.of(person)

    @ask(submissions.submission, "The submission that it belongs to.")
    async def submission(self, info: Info) -> Annotated["Submission", strawberry.lazy("schema.submissions")] | None:
        """Show the submission."""
        from schema.submissions import Submission  # noqa: PLC0415 - the types refer to each other

        row = await submissions.submission(info.context, self.row.submission_id)
        return row and Submission.of(row)

    @ask(submissions.item, "The item that it belongs to; null when it belongs to the submission as a whole.")
    async def item(self, info: Info) -> Annotated["SubmissionItem", strawberry.lazy("schema.submissions")] | None:
        """Show the item."""
        from schema.submissions import SubmissionItem  # noqa: PLC0415 - the types refer to each other

        item_id = self.row.submission_item_id
        row = None if item_id is None else await submissions.item(info.context, item_id)
        return row and SubmissionItem.of(row)

    @classmethod
    def of(cls, row: ItemRow) -> "EvidenceItem":
        """Show evidence."""
        return cls(
            row=row,
            id=global_id("EvidenceItem", row.id),
            uuid=row.id,
            file_name=row.file_name,
            media_type=row.media_type,
            size_bytes=row.size,
            sha256=row.sha256,
            recorded_at=row.created_at,
            is_from_candidate=row.session_id is not None,
        )


@strawberry.type
class EvidenceQuery:
    """Queries about evidence."""

    @ask(evidence.evidence_item, "One piece of evidence; null when there is none to be seen.")
    async def evidence_item(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the evidence.")]
    ) -> EvidenceItem | None:
        """Show evidence."""
        row = await evidence.evidence_item(info.context, looked_for("EvidenceItem", id))
        return row and EvidenceItem.of(row)
