"""What a candidate is told of the own result, and the regrade that may be asked for."""

from datetime import datetime
from decimal import Decimal

import strawberry

from models.results import Inquiry, InquiryOutcome, InquiryState
from models.submissions import ItemState, Outcome
from schema.access import told
from schema.enums import closed_set
from schema.question_keys import QuestionKey, show_key
from services.policy import FeedbackMode
from services.results import ResultState, Told, ToldItem

closed_set(
    ResultState,
    "ResultState",
    "How much a candidate can know of the result now.",
    {
        ResultState.NOT_HANDED_IN: "Nothing was handed in yet.",
        ResultState.NEVER_TOLD: "Nothing is ever told.",
        ResultState.WITHHELD: "It is kept back, until a day or until somebody releases it.",
        ResultState.PENDING: "A person still has to judge something.",
        ResultState.TOLD: "It is told.",
    },
)

closed_set(
    InquiryState,
    "InquiryState",
    "How far a request for a regrade is.",
    {InquiryState.OPEN: "Another assessor is to judge.", InquiryState.ANSWERED: "Another assessor has judged."},
)

closed_set(
    InquiryOutcome,
    "InquiryOutcome",
    "What came of a request for a regrade.",
    {InquiryOutcome.UPHELD: "The points stay.", InquiryOutcome.CHANGED: "The points are others now."},
)


@strawberry.type(description="What the candidate is told of one item.")
class MyItemResult:
    """An item's result."""

    item: strawberry.Private[ToldItem]
    position: int = told("Place in the paper, from 1.")
    state: ItemState = told("Whether it was scored, left out, or counts for nobody.")
    points: Decimal | None = told("Points reached, up to four decimals.")
    max_points: Decimal = told("Points that could be reached.")
    comments: list[str] = told("What those wrote who judged it, as Markdown; empty where nobody did.")

    @strawberry.field(description="The right answer; null when it is not told.")
    def key(self) -> QuestionKey | None:
        """Show the key in force."""
        if self.item.key is None:
            return None
        kind, public, stored = self.item.key
        return show_key(kind, dict(public), dict(stored))

    @classmethod
    def of(cls, one: ToldItem) -> "MyItemResult":
        """Show an item."""
        points = one.scored["points"]
        return cls(
            item=one,
            position=one.position,
            state=ItemState(one.scored["state"]),
            points=None if points is None else Decimal(points),
            max_points=Decimal(one.scored["max_points"]),
            comments=list(one.comments),
        )


@strawberry.type(description="As much of the result as the session's policy tells the candidate.")
class MyResult:
    """A result."""

    outcome: Outcome = told("Passed, failed, or pending while a person still has to judge something.")
    percent: Decimal | None = told("Share of the points, 0 to 100 with two decimals; null while pending or not told.")
    points: Decimal | None = told("Points reached, up to four decimals; null while pending or not told.")
    max_points: Decimal | None = told("Points that could be reached; null when not told.")
    items: list[MyItemResult] | None = told("Each item, in the order of the paper; null while pending or not told.")

    @classmethod
    def of(cls, one: Told, mode: FeedbackMode) -> "MyResult | None":
        """Show what the mode allows of a score."""
        score = one.score
        if score is None:
            return None
        settled = mode.tells_points and one.state is ResultState.TOLD
        return cls(
            outcome=Outcome(score.outcome),
            percent=score.percent if settled else None,
            points=score.points if settled else None,
            max_points=score.max_points if mode.tells_points else None,
            items=None if one.items is None else [MyItemResult.of(item) for item in one.items],
        )


@strawberry.type(description="The candidate's own request for a regrade.")
class MyInquiry:
    """An inquiry."""

    state: InquiryState = told("How far it is; `OPEN`, too, while its answer is kept back with the result.")
    reason: str = told("Why it was asked for.")
    asked_at: datetime = told("When it was asked for.")
    outcome: InquiryOutcome | None = told("What came of it; null before its answer is told.")
    answer: str | None = told("What the other assessor says to it; null before that is told.")
    answered_at: datetime | None = told("When it was answered; null before that is told.")

    @classmethod
    def of(cls, row: Inquiry, *, is_told: bool) -> "MyInquiry":
        """Show an inquiry; its answer as the result is told."""
        known = is_told and row.outcome is not None
        return cls(
            state=InquiryState.ANSWERED if known else InquiryState.OPEN,
            reason=row.reason,
            asked_at=row.created_at,
            outcome=InquiryOutcome(row.outcome) if known else None,
            answer=row.answer if known else None,
            answered_at=row.answered_at if known else None,
        )
