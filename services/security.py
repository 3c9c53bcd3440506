"""How strictly an assessment is supervised, and the one word for it (domain.md section 6)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from services.content_parts import ClosedSet, Part, read


class LockdownBrowser(ClosedSet):
    """Whether the paper opens in a lockdown browser only."""

    NONE = "none"
    REQUIRED = "required"


class LockdownFailure(ClosedSet):
    """What happens when a session is to start and its lockdown browser is not verified."""

    RAISE_EXCEPTION = "raise_exception"
    REFUSE_START = "refuse_start"


class PasteRule(ClosedSet):
    """What happens when a candidate pastes."""

    ALLOWED = "allowed"
    RECORDED = "recorded"
    BLOCKED = "blocked"


class Proctoring(ClosedSet):
    """Whether a person watches while the paper is sat."""

    NONE = "none"
    LIVE = "live"


class SecurityLevel(StrEnum):
    """The badge that staff and candidates see; `SecurityConfig.level` derives it."""

    STANDARD = "standard"
    ELEVATED = "elevated"
    HIGH_STAKES = "high_stakes"


class SecurityConfig(Part):
    """The measures of one assessment. `focus_loss_limit` is how often focus may be lost before staff are warned.

    `probe_interval_seconds` is how often the lockdown browser is to be proven anew.
    """

    lockdown_browser: LockdownBrowser = LockdownBrowser.NONE
    lockdown_failure: LockdownFailure = LockdownFailure.REFUSE_START
    probe_interval_seconds: Annotated[StrictInt, Field(ge=30, le=3600)] = 300
    full_screen: StrictBool = False
    focus_loss_limit: Annotated[StrictInt, Field(ge=0, le=1000)] | None = None
    paste: PasteRule = PasteRule.RECORDED
    proctoring: Proctoring = Proctoring.NONE

    @property
    def requires_lockdown(self) -> bool:
        """Whether the lockdown browser is to be proven."""
        return self.lockdown_browser is LockdownBrowser.REQUIRED

    @property
    def level(self) -> SecurityLevel:
        """Derive the level from the strictest measure.

        High stakes: a lockdown browser, or a person who watches. Elevated: anything that stops or limits the
        candidate (full screen, a limit on lost focus, paste blocked). Standard: at most recorded.
        """
        if self.lockdown_browser is LockdownBrowser.REQUIRED or self.proctoring is Proctoring.LIVE:
            return SecurityLevel.HIGH_STAKES
        if self.full_screen or self.focus_loss_limit is not None or self.paste is PasteRule.BLOCKED:
            return SecurityLevel.ELEVATED
        return SecurityLevel.STANDARD

    @property
    def strictness(self) -> tuple[int, ...]:
        """Order configurations: by level, then by each measure, the gravest first."""
        focus = 0 if self.focus_loss_limit is None else 1001 - self.focus_loss_limit
        return (
            list(SecurityLevel).index(self.level),
            list(LockdownBrowser).index(self.lockdown_browser),
            list(Proctoring).index(self.proctoring),
            int(self.full_screen),
            list(PasteRule).index(self.paste),
            focus,
            list(LockdownFailure).index(self.lockdown_failure),
            -self.probe_interval_seconds,
        )


def meaning(config: SecurityConfig) -> list[str]:
    """Say what a configuration means for whoever sits and whoever watches, one sentence for each measure."""
    said = {
        "The paper opens in a lockdown browser only.": config.lockdown_browser is LockdownBrowser.REQUIRED,
        "Without it the paper does not open.": (
            config.requires_lockdown and config.lockdown_failure is LockdownFailure.REFUSE_START
        ),
        "Without it the paper opens, and staff are warned.": (
            config.requires_lockdown and config.lockdown_failure is LockdownFailure.RAISE_EXCEPTION
        ),
        f"It is proven anew every {config.probe_interval_seconds} seconds.": config.requires_lockdown,
        "A proctor watches live.": config.proctoring is Proctoring.LIVE,
        "The paper fills the screen.": config.full_screen,
        f"Staff are warned when focus is lost more than {config.focus_loss_limit} times.": (
            config.focus_loss_limit is not None
        ),
        "Pasting is blocked and recorded.": config.paste is PasteRule.BLOCKED,
        "Pasting is recorded.": config.paste is PasteRule.RECORDED,
        "Overrides want to be confirmed once more.": config.level is SecurityLevel.HIGH_STAKES,
    }
    return [sentence for sentence, holds in said.items() if holds]


def parse_security(raw: object, path: Sequence[str | int] = ("securityConfig",)) -> SecurityConfig:
    """Read a configuration as given or stored; what it leaves out has its mildest usual value."""
    return read(SecurityConfig, raw, path)
