"""The closed sets of sessions and submissions, for staff and candidates alike."""

from models.lockdown import LockdownState
from models.sessions import ReasonCategory, SessionState
from models.submissions import ItemState, Outcome, ScoreCause, SubmissionCause
from schema.enums import closed_set
from services.sessions import SessionOrder
from services.sessions_actions import SessionAction
from services.sessions_events import ReportedKind
from services.sessions_status import DisplayStatus
from services.submissions import SubmissionOrder

closed_set(
    SessionState,
    "SessionState",
    "How far a session is. The last three are never left.",
    {
        SessionState.CREATED: "The invitation was redeemed; the clock has not been started.",
        SessionState.ACTIVE: "The candidate is at work.",
        SessionState.PAUSED: "The clock stands still.",
        SessionState.SUBMITTED: "Handed in by the candidate.",
        SessionState.EXPIRED: "The time ended before the candidate handed in.",
        SessionState.TERMINATED: "Ended by a proctor.",
    },
)

closed_set(
    DisplayStatus,
    "SessionDisplayStatus",
    "A session as people speak of it: its state, with what the clock adds.",
    {
        DisplayStatus.CREATED: "Not started yet.",
        DisplayStatus.LIVE: "At work.",
        DisplayStatus.IDLE: "At work, but nothing was heard for longer than the policy's idle threshold.",
        DisplayStatus.PAUSED: "The clock stands still.",
        DisplayStatus.SUBMITTED: "Handed in by the candidate.",
        DisplayStatus.EXPIRED: "The time is over.",
        DisplayStatus.TERMINATED: "Ended by a proctor.",
    },
)

closed_set(
    LockdownState,
    "LockdownState",
    "What is known of a session's lockdown browser.",
    {
        LockdownState.VERIFIED: "It has proven itself, and is not overdue to do so again.",
        LockdownState.NOT_DETECTED: "It has not proven itself: never, not completely, or not any more.",
        LockdownState.TAMPERED: "What it shows is wrong, or was made for another site or session.",
    },
)

closed_set(
    ReasonCategory,
    "ReasonCategory",
    "What kind of reason somebody had who interfered with a session.",
    {
        ReasonCategory.ENVIRONMENT: "The room or the building, such as a fire alarm or noise.",
        ReasonCategory.EXAMINEE: "The candidate, such as an illness.",
        ReasonCategory.STAFF: "Those who run the assessment.",
        ReasonCategory.TECHNICAL: "Power, network or devices.",
        ReasonCategory.OTHER: "Anything else; the text says what.",
    },
)

closed_set(
    SessionAction,
    "SessionAction",
    "What a proctor does with a session.",
    {
        SessionAction.PAUSE: "Stop the clock: `sessionPause`.",
        SessionAction.RESUME: "Let the clock run again: `sessionResume`.",
        SessionAction.TERMINATE: "End it for good: `sessionTerminate`.",
        SessionAction.EXTEND: "Give more time: `sessionExtend`.",
        SessionAction.MESSAGE: "Write to the candidate: `sessionMessage`.",
        SessionAction.NOTE: "Note something for staff: `sessionNote`.",
    },
)

closed_set(
    ReportedKind,
    "ReportedEventKind",
    "What a candidate's browser can report.",
    {
        ReportedKind.ITEM_VIEWED: "An item was opened.",
        ReportedKind.FOCUS_LOST: "The examination's window lost the focus.",
        ReportedKind.FOCUS_REGAINED: "The examination's window has the focus again.",
        ReportedKind.TAB_SWITCH: "Another browser tab was shown, or this one again.",
        ReportedKind.PASTE_DETECTED: "Text was pasted into an answer.",
        ReportedKind.DISCONNECTED: "The connection was lost.",
        ReportedKind.RECONNECTED: "The connection is back.",
    },
)

closed_set(
    SessionOrder,
    "SessionOrderField",
    "By what sessions are sorted.",
    {
        SessionOrder.CREATED_AT: "When the session was made.",
        SessionOrder.LAST_ACTIVITY_AT: "Last sign of life; before the first one, when the session was made.",
        SessionOrder.ANSWERED_COUNT: "How many items are answered.",
        SessionOrder.FOCUS_LOST_COUNT: "How often the focus was lost.",
        SessionOrder.ATTENTION_LEVEL: "How much attention it needs, from none on.",
    },
)

closed_set(
    Outcome,
    "Outcome",
    "The result of a score.",
    {
        Outcome.PENDING: "A person still has to judge something.",
        Outcome.PASSED: "The pass mark was reached.",
        Outcome.FAILED: "The pass mark was not reached.",
    },
)

closed_set(
    SubmissionCause,
    "SubmissionCause",
    "Why a session ended in a submission.",
    {
        SubmissionCause.SUBMITTED: "The candidate handed in.",
        SubmissionCause.EXPIRED: "The time ended; what had been saved was handed in.",
        SubmissionCause.TERMINATED: "A proctor ended the session; what had been saved was handed in.",
    },
)

closed_set(
    ItemState,
    "ItemState",
    "Whether an item's points are known.",
    {
        ItemState.SCORED: "Scored.",
        ItemState.PENDING: "Waiting for a person.",
        ItemState.UNANSWERED: "Nothing was answered: no points.",
        ItemState.VOIDED: "The question was voided by a correction, and counts for nobody, or in full for everybody.",
    },
)

closed_set(
    SubmissionOrder,
    "SubmissionOrderField",
    "By what submissions are sorted.",
    {
        SubmissionOrder.SUBMITTED_AT: "When it was handed in.",
        SubmissionOrder.PERCENT: "Share of the points, by the score that counts.",
    },
)

closed_set(
    ScoreCause,
    "ScoreCause",
    "Why a score was given.",
    {
        ScoreCause.AUTOMATIC: "When it was handed in, by the keys.",
        ScoreCause.GRADED: "A person marked what had to be judged.",
        ScoreCause.CORRECTED: "Keys or points of the evaluation were corrected.",
    },
)
