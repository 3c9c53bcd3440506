"""Which lists of sessions may be read briefly: those that ask for nothing but progress and what follows from it."""

from typing import Final

from schema.access import Info, right_below, selected

BRIEF: Final = frozenset(
    {
        *("__typename", "id", "uuid", "state", "displayStatus", "attempt", "version", "securityLevel", "policy"),
        *("startedAt", "deadlineAt", "secondsRemaining", "pausedAt", "endedAt", "lastActivityAt", "disconnectedAt"),
        *("itemCount", "answeredCount", "progressPercent", "currentPosition", "currentSection"),
        *("focusLostCount", "focusLostAt", "candidate", "assignment", "room", "submission", "telemetry"),
    }
)
"""Fields of a session for which it is enough to read of its row what `services.sessions_status.BRIEF` names."""

_ROWS: Final = ("nodes", "edges.node")
_SESSIONS: Final = ("nodes.session", "edges.node.session")


def list_is_brief(info: Info) -> bool:
    """Tell whether a list of sessions asks for no more of each than `BRIEF`; false where what it asks is not known."""
    asked = selected(info)
    return asked is not None and right_below(asked, *_ROWS) <= BRIEF


def monitor_is_brief(info: Info) -> bool:
    """Tell the same of a monitor, of the sessions in its rows; their invitations are not read briefly either."""
    asked = selected(info)
    if asked is None or "invitation" in right_below(asked, *_ROWS):
        return False
    return right_below(asked, *_SESSIONS) <= BRIEF
