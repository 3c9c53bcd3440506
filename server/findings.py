"""What an examination finds."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How bad a finding is: the service runs well, runs with a flaw, or cannot run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its name, how it is, what is seen, and what to type if it is not well."""

    name: str
    health: Health
    message: str
    advice: str = ""
