"""What an override changes, as people say it: "60 minutes → 75 minutes" (operations brief, section 1)."""

from dataclasses import dataclass
from datetime import datetime

from services.policy import Policy, Unlimited

_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One limit before and after, in words."""

    limit: str
    before: str
    after: str


def changes(before: Policy, after: Policy) -> list[LimitChange]:
    """Return what differs between two policies, of what an override can touch, in one order."""
    pairs = {
        "Working time": (_time(before), _time(after)),
        "Attempts": (_attempts(before), _attempts(after)),
        "Closes": (_closes(before), _closes(after)),
    }
    return [LimitChange(limit, was, becomes) for limit, (was, becomes) in pairs.items() if was != becomes]


def spoken(seconds: int) -> str:
    """Say a duration in minutes as long as it is a round number of them below two hours, else in its parts."""
    minutes, rest = divmod(seconds, _MINUTE)
    if not rest and 0 < minutes < 2 * _MINUTE:
        return _counted(minutes, "minute")
    hours, left = divmod(seconds, _HOUR)
    minutes, left = divmod(left, _MINUTE)
    parts = [_counted(n, unit) for n, unit in ((hours, "hour"), (minutes, "minute"), (left, "second")) if n]
    return " ".join(parts) or "0 minutes"


def _time(policy: Policy) -> str:
    seconds = policy.limits().my_limit_seconds
    if seconds is None:
        added = policy.extension_seconds.value
        return f"no limit, {spoken(added)} after the close" if added else "no limit"
    return spoken(seconds)


def _attempts(policy: Policy) -> str:
    value = policy.allowed_attempts.value
    return "any number" if isinstance(value, Unlimited) else str(value)


def _closes(policy: Policy) -> str:
    value = policy.window_until.value
    return value.isoformat() if isinstance(value, datetime) else "never"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
