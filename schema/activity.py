"""The activity ledger: who decided what, when and why, each row with its place in a chain that proves it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from resolvers import activity as ledger
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.nodes import Node, global_id
from schema.problems import Problem, attempt
from services.activity import Filter
from services.ledger import Checkpoint
from services.ledger_verify import Verdict
from services.paging import PageRequest

KEY = "Makes sending the request again harmless, for 24 hours: 1 to 255 characters, a new random UUID for each request."
LARGEST_EXPORT = 1000
First = Annotated[int | None, says("At most this many rows, 0 to 100; 50 when left out.")]
Last = Annotated[int | None, says("The last so many rows, instead of the first.")]
After = Annotated[str | None, says("Only rows after this page cursor.")]
Before = Annotated[str | None, says("Only rows before this page cursor.")]


@strawberry.type(description="Who acted, as plain values that outlive the person.")
class ActivityActor:
    """An actor."""

    kind: str = told("By which door: `access`, `service`, `session`, `anonymous` or `system`.")
    uuid: UUID | None = told("The person or, for `session`, the session; null for the system and for nobody.")
    name: str = told("The name at that time.")


@strawberry.type(description="What a row of the ledger is about.")
class ActivitySubject:
    """A subject."""

    kind: str = told("Kind of the object, such as `assignment`, `user` or `session`.")
    uuid: UUID = told("Its identity; the object itself may be gone.")


@strawberry.type(description="One row of the activity ledger; it is never changed.")
class Activity(Node):
    """A row."""

    at: datetime = told("When, by the database's clock.")
    actor: ActivityActor = told("Who.")
    org_unit_uuid: UUID | None = told("Org unit of the actor's token; null when it spans all of them.")
    act: str = told("What was done, as `noun.verb`.")
    subject: ActivitySubject = told("To what.")
    reason: str | None = told("Why, in the actor's own words; null where none is asked for.")
    before: JSON | None = told("The state before, as far as it was changed; null for what is new.")
    after: JSON | None = told("The state after; null for what is gone.")
    is_sealed: bool = told("Whether the row has its place in the hash chain; it gets one within seconds.")
    position: int | None = told("Its position in the tenant's chain, from 1; null while it is not sealed.")
    hash: str | None = told("SHA-256 of the chain up to this row, in hex; null while it is not sealed.")

    @classmethod
    def of(cls, row: Any) -> "Activity":
        """Show a row."""
        return cls(
            id=global_id("Activity", row.id),
            uuid=row.id,
            at=row.at,
            actor=ActivityActor(kind=row.actor_kind, uuid=row.actor_id, name=row.actor_name),
            org_unit_uuid=row.org_unit_id,
            act=row.act,
            subject=ActivitySubject(kind=row.subject_kind, uuid=row.subject_id),
            reason=row.reason,
            before=None if row.before is None else JSON(row.before),
            after=None if row.after is None else JSON(row.after),
            is_sealed=row.position is not None,
            position=row.position,
            hash=row.hash,
        )


@strawberry.type(description="A signed statement of how long the chain was and what its last hash was.")
class ActivityCheckpoint:
    """A checkpoint."""

    number: int = told("Counts the checkpoints of the tenant, from 1.")
    position: int = told("How many rows the chain held.")
    head: str = told("Hash of the last of them, in hex.")
    at: datetime = told("When it was signed, by the database's clock.")
    key_id: str = told("Which key signed it; see /.well-known/evalium-ledger.json.")
    signature: str = told("Ed25519 signature, base64url without padding.")
    document: JSON = told("The checkpoint as `evalium verify --checkpoint` reads it: keep it somewhere else.")

    @classmethod
    def of(cls, kept: Checkpoint) -> "ActivityCheckpoint":
        """Show a checkpoint."""
        return cls(
            number=kept.number,
            position=kept.count,
            head=kept.head,
            at=datetime.fromisoformat(kept.time),
            key_id=kept.key_id,
            signature=kept.signature,
            document=JSON(kept.to_json()),
        )


@strawberry.type(description="What a verification of the chain found.")
class ActivityVerification:
    """A verdict."""

    is_intact: bool = told("Whether every row is what it was sealed as, and follows the row before it.")
    message: str = told("The verdict in words: up to where it is intact, or the first bad row and why.")
    bad_position: int | None = told("Position of the first row that does not fit; null when intact.")
    first_position: int = told("First position that was verified.")
    last_position: int = told("Last position that was verified; go on after it.")
    unsealed: int = told("Rows that are not sealed yet, when the end of the chain was reached.")
    checkpoint: ActivityCheckpoint | None = told("The newest checkpoint that covers what was verified.")
    remarks: list[str] = told("What else should be looked at.")

    @classmethod
    def of(cls, found: tuple[Verdict, int, int]) -> "ActivityVerification":
        """Show a verdict."""
        verdict, first, last = found
        return cls(
            is_intact=verdict.is_intact,
            message=verdict.message,
            bad_position=verdict.position,
            first_position=first,
            last_position=last,
            unsealed=verdict.unsealed,
            checkpoint=verdict.checkpoint and ActivityCheckpoint.of(verdict.checkpoint),
            remarks=list(verdict.remarks),
        )


@strawberry.input(description="Which rows are wanted; what is left out does not narrow.")
class ActivityFilter:
    """Filter of `activity`."""

    since: datetime | None = told("Only rows from this time on.", default=None)
    until: datetime | None = told("Only rows before this time.", default=None)
    actor_uuid: UUID | None = told("Only what this actor did.", default=None)
    act: str | None = told("Only acts that begin so, such as `role.`; at most 200 characters.", default=None)
    subject_kind: str | None = told("Only rows about objects of this kind.", default=None)
    subject_uuid: UUID | None = told("Only rows about this object.", default=None)
    reason: str | None = told("Only rows whose reason begins so; at most 200 characters.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        return Filter(
            self.since, self.until, self.actor_uuid, self.act, self.subject_kind, self.subject_uuid, self.reason
        )


@strawberry.type
class ActivityQuery:
    """Queries about the ledger."""

    @ask(ledger.activity_page, "The tenant's activity ledger, the newest rows first.")
    async def activity(
        self,
        info: Info,
        filter: Annotated[ActivityFilter | None, says("Which are wanted.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Activity]:
        """List rows."""
        wanted = (filter or ActivityFilter()).plain()
        page = PageRequest(first=first, after=after, last=last, before=before)
        return connect(await ledger.activity_page(info.context, wanted, page), Activity.of)

    @ask(ledger.activity_checkpoints, "The newest checkpoints, at most 100, oldest first.")
    async def activity_checkpoints(
        self,
        info: Info,
        from_position: Annotated[int, says("Only those that cover this many rows or more.")] = 1,
        until_position: Annotated[int, says("Only those that cover at most so many rows.")] = 2**31 - 1,
    ) -> list[ActivityCheckpoint]:
        """List checkpoints."""
        found = await ledger.activity_checkpoints(info.context, from_position, until_position)
        return [ActivityCheckpoint.of(one) for one in found]

    @ask(ledger.activity_verify, "Verify a part of the chain against the database, as `evalium verify` does a file.")
    async def activity_verify(
        self,
        info: Info,
        after_position: Annotated[int, says("Begin behind this position.")] = 0,
        most: Annotated[int, says(f"Verify at most so many positions, up to {ledger.MOST_VERIFIED}.")] = 1000,
    ) -> ActivityVerification:
        """Verify."""
        return ActivityVerification.of(await ledger.activity_verify(info.context, after_position, most))


@strawberry.input(description="A request for a checkpoint.")
class ActivityCheckpointCreateInput:
    """Nothing but the key."""

    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="The newest checkpoint.")
class ActivityCheckpointCreatePayload:
    """Answer of `activityCheckpointCreate`."""

    checkpoint: ActivityCheckpoint | None = told("The newest checkpoint; null for a ledger that has not begun.")
    problems: list[Problem] = told("Why there is none.")


@strawberry.input(description="Which part of the ledger to export, as lines of a file that proves itself.")
class ActivityExportInput:
    """What to export."""

    filter: ActivityFilter | None = told(
        "Rows that are wanted; of the others the digests are exported, so that the proof stays whole.", default=None
    )
    after_position: int = told("Export behind this position.", default=0)
    most: int = told(f"Export at most so many positions, 1 to {LARGEST_EXPORT}.", default=LARGEST_EXPORT)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A part of the ledger as a file.")
class ActivityExportPayload:
    """Answer of `activityExport`."""

    lines: list[str] = told("The lines of the file, each one JSON object.")
    problems: list[Problem] = told("Why nothing was exported.")


@strawberry.type
class ActivityMutation:
    """What is done with the ledger as a whole."""

    @act(ledger.activity_checkpoint_create, "Have the chain sealed and signed now, instead of within minutes.")
    async def activity_checkpoint_create(
        self, info: Info, input: Annotated[ActivityCheckpointCreateInput, says("Nothing but the key.")]
    ) -> ActivityCheckpointCreatePayload:
        """Sign."""
        kept, problems = await attempt(ledger.activity_checkpoint_create(info.context, input.idempotency_key))
        return ActivityCheckpointCreatePayload(checkpoint=kept and ActivityCheckpoint.of(kept), problems=problems)

    @act(
        ledger.activity_export,
        "Export a part of the ledger; GET /api/v1/activity/export streams all of it. The export itself is recorded.",
    )
    async def activity_export(
        self, info: Info, input: Annotated[ActivityExportInput, says("What to export.")]
    ) -> ActivityExportPayload:
        """Export."""
        wanted = (input.filter or ActivityFilter()).plain()
        most = min(max(input.most, 1), LARGEST_EXPORT)

        async def lines() -> list[str]:
            found = ledger.activity_export(info.context, wanted, input.after_position, most, input.idempotency_key)
            return [line async for line in found]

        found, problems = await attempt(lines())
        return ActivityExportPayload(lines=found or [], problems=problems)
