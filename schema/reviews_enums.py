"""The closed sets of reviews, each value with what it means."""

from models.reviews import MarkRole, ReviewDecision, ReviewEventKind, SecondOpinionReason
from models.reviews_findings import FindingSeverity, FindingState
from schema.enums import closed_set
from services.reviews_actions import ReviewAction
from services.reviews_agreement import AgreedBy
from services.reviews_queue import ReviewOrder, ShownState

closed_set(
    ShownState,
    "ReviewState",
    "How far a review is.",
    {
        ShownState.AWAITING_REVIEW: "Nobody has it in hand.",
        ShownState.IN_PROGRESS: "Somebody has it in hand.",
        ShownState.REQUIRES_SECOND_OPINION: "Another person is to mark it, too; `secondOpinionReasons` say why.",
        ShownState.REQUIRES_ADJUDICATION: "Two people do not agree, and a third is to decide.",
        ShownState.AWAITING_DECISION: "What was observed is marked, and is to be approved or rejected.",
        ShownState.CHANGES_REQUESTED: "It waits until something is changed.",
        ShownState.FINALISED: "It is over, and its marks count.",
    },
)

closed_set(
    ReviewOrder,
    "ReviewOrderField",
    "By what reviews are sorted.",
    {
        ReviewOrder.DUE_AT: "When it is due.",
        ReviewOrder.CREATED_AT: "Since when it waits.",
        ReviewOrder.PENDING_COUNT: "How many items are not final.",
    },
)

closed_set(
    ReviewEventKind,
    "ReviewEventKind",
    "What happened to a review.",
    {
        ReviewEventKind.OPENED: "It was handed in, and waits.",
        ReviewEventKind.CLAIMED: "Somebody took it in hand.",
        ReviewEventKind.RELEASED: "It was given back.",
        ReviewEventKind.STOLEN: "Somebody took it over from another.",
        ReviewEventKind.ITEM_FINALISED: "An item got a final mark.",
        ReviewEventKind.SECOND_OPINION_REQUIRED: "All is marked, and another person is to mark it, too.",
        ReviewEventKind.ADJUDICATION_REQUIRED: "Two people do not agree, and a third is to decide.",
        ReviewEventKind.DECISION_REQUIRED: "What was observed is marked, and is to be approved or rejected.",
        ReviewEventKind.FINDING_RAISED: "Somebody objected to something.",
        ReviewEventKind.FINDING_CLOSED: "An objection was resolved or waived.",
        ReviewEventKind.CHANGES_REQUESTED: "It waits until something is changed.",
        ReviewEventKind.RESUMED: "It waits for changes no more.",
        ReviewEventKind.FINALISED: "It is over, and its marks count.",
    },
)

closed_set(
    MarkRole,
    "MarkRole",
    "In which turn a mark is given.",
    {
        MarkRole.FIRST: "First.",
        MarkRole.SECOND: "As a second opinion, by somebody else.",
        MarkRole.ADJUDICATOR: "To decide between two others; it alone counts.",
    },
)

closed_set(
    SecondOpinionReason,
    "SecondOpinionReason",
    "Why a second person is asked.",
    {
        SecondOpinionReason.MANUAL: "A reviewer wanted it.",
        SecondOpinionReason.NEAR_BOUNDARY: "The percentage is near the pass mark or a class boundary.",
        SecondOpinionReason.HIGH_STAKES: "The session was of high stakes.",
        SecondOpinionReason.SAMPLE: "It is part of the sample of its first marker's reviews.",
    },
)

closed_set(
    ReviewDecision,
    "ReviewDecision",
    "What became of what was observed.",
    {
        ReviewDecision.APPROVED: "It was approved, and its marks count.",
        ReviewDecision.REJECTED: "It was rejected, and what a person judged counts nothing.",
    },
)

closed_set(
    FindingSeverity,
    "FindingSeverity",
    "How grave a finding is.",
    {
        FindingSeverity.MINOR: "Worth knowing.",
        FindingSeverity.MAJOR: "To be mended.",
        FindingSeverity.BLOCKING: "Nothing is approved while it is open.",
    },
)

closed_set(
    FindingState,
    "FindingState",
    "What became of a finding.",
    {
        FindingState.OPEN: "It stands.",
        FindingState.RESOLVED: "What it objected to was mended.",
        FindingState.WAIVED: "It stands no more, though nothing was mended.",
    },
)

closed_set(
    ReviewAction,
    "ReviewAction",
    "What can be done with a review.",
    {
        ReviewAction.CLAIM: "`reviewClaim`.",
        ReviewAction.RELEASE: "`reviewRelease`.",
        ReviewAction.STEAL: "`reviewSteal`.",
        ReviewAction.MARK: "`gradeDraftSave` and `gradeFinalise`.",
        ReviewAction.ASK_SECOND: "`reviewSecondOpinionAsk`.",
        ReviewAction.RAISE_FINDING: "`findingRaise`.",
        ReviewAction.APPROVE: "`reviewApprove`.",
        ReviewAction.REJECT: "`reviewReject`.",
        ReviewAction.REQUEST_CHANGES: "`reviewRequestChanges`.",
        ReviewAction.RESUME: "`reviewResume`.",
        ReviewAction.REOPEN: "`reviewReopen`.",
    },
)

closed_set(
    AgreedBy,
    "AgreedBy",
    "How one mark is made of two that agree.",
    {
        AgreedBy.AVERAGE: "Their average, rounded half up to four decimals.",
        AgreedBy.HIGHEST: "The higher one.",
        AgreedBy.ADJUDICATOR: "Two equal marks stand; over any others a third person decides.",
    },
)

__all__ = [
    "AgreedBy",
    "FindingSeverity",
    "FindingState",
    "MarkRole",
    "ReviewAction",
    "ReviewDecision",
    "ReviewEventKind",
    "ReviewOrder",
    "SecondOpinionReason",
    "ShownState",
]
