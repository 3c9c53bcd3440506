"""What staff see of telling results: what was decided, and a regrade that was asked for."""

from datetime import datetime

import strawberry

from models.results import Inquiry as InquiryRow
from models.results import InquiryOutcome, InquiryState, ResultHold
from resolvers import identity
from schema import my_result as _  # noqa: F401 - describes the enums used here
from schema.access import Info, told
from schema.identity import User


@strawberry.type(description="What was decided last about telling a result to candidates.")
class ResultRelease:
    """A decision."""

    row: strawberry.Private[ResultHold]
    is_held: bool = told("True: it was kept back. False: it was released.")
    until: datetime | None = told("When what is kept back is told by itself; null: when somebody releases it.")
    reason: str = told("Why.")
    decided_at: datetime = told("When it was decided.")

    @strawberry.field(description="Who decided it.")
    async def decided_by(self, info: Info) -> User | None:
        """Show who decided."""
        who = self.row.decided_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ResultHold) -> "ResultRelease":
        """Show a decision."""
        return cls(row=row, is_held=row.is_held, until=row.until, reason=row.reason, decided_at=row.created_at)


@strawberry.type(description="A candidate's request for a regrade.")
class Inquiry:
    """An inquiry."""

    row: strawberry.Private[InquiryRow]
    state: InquiryState = told("How far it is.")
    reason: str = told("Why the candidate asked for it.")
    asked_at: datetime = told("When.")
    outcome: InquiryOutcome | None = told("What came of it; null before its answer.")
    answer: str | None = told("What the other assessor said to it; null before its answer.")
    answered_at: datetime | None = told("When it was answered; null before.")

    @strawberry.field(description="Who answered it; null before.")
    async def answered_by(self, info: Info) -> User | None:
        """Show the assessor."""
        who = self.row.answered_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: InquiryRow) -> "Inquiry":
        """Show an inquiry."""
        return cls(
            row=row,
            state=InquiryState(row.state),
            reason=row.reason,
            asked_at=row.created_at,
            outcome=None if row.outcome is None else InquiryOutcome(row.outcome),
            answer=row.answer,
            answered_at=row.answered_at,
        )
