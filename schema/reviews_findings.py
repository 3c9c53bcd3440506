"""Findings: what reviewers object to in what was observed."""

from datetime import datetime

import strawberry

from models.reviews_findings import ReviewFinding as FindingRow
from resolvers import identity
from schema.access import Info, told
from schema.identity import User
from schema.nodes import global_id
from schema.reviews_enums import FindingSeverity, FindingState


@strawberry.type(description="What a reviewer objects to in what was observed.")
class ReviewFinding:
    """A finding."""

    row: strawberry.Private[FindingRow]
    id: strawberry.ID = told("Global id, for `findingResolve` and `findingWaive`.")
    item_id: strawberry.ID | None = told("Global id of the item that it is about; null when it is about the whole.")
    severity: FindingSeverity = told("How grave it is.")
    state: FindingState = told("What became of it.")
    text: str = told("What is wrong.")
    raised_at: datetime = told("When it was raised.")
    closed_at: datetime | None = told("When it was closed; null while it is open.")
    closing_reason: str | None = told("Why it was closed; null while it is open.")

    @strawberry.field(description="Who raised it.")
    async def raised_by(self, info: Info) -> User | None:
        """Show who raised it."""
        person = await identity.person(info.context, self.row.raised_by)
        return person and User.of(person)

    @strawberry.field(description="Who closed it; null while it is open.")
    async def closed_by(self, info: Info) -> User | None:
        """Show who closed it."""
        who = self.row.closed_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: FindingRow) -> "ReviewFinding":
        """Show a finding."""
        item = row.submission_item_id
        return cls(
            row=row,
            id=global_id("ReviewFinding", row.id),
            item_id=None if item is None else global_id("SubmissionItem", item),
            severity=FindingSeverity(row.severity),
            state=FindingState(row.state),
            text=row.text,
            raised_at=row.created_at,
            closed_at=row.closed_at,
            closing_reason=row.closing_reason,
        )
