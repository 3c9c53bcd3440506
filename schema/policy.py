"""Limits with the source of each, feedback, and how strictly an assessment is supervised (domain.md section 5)."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from schema.access import told
from schema.enums import closed_set
from services import security
from services.policy import FeedbackMode, Policy, Resolved, SourceKind, Unlimited, bounded
from services.security import LockdownBrowser, LockdownFailure, PasteRule, Proctoring, SecurityLevel

closed_set(
    FeedbackMode,
    "FeedbackMode",
    "What a candidate is told after handing in. Right answers are never part of it.",
    {
        FeedbackMode.NONE: "Nothing but that it was handed in.",
        FeedbackMode.OUTCOME: "Passed or failed.",
        FeedbackMode.SCORE: "Passed or failed, points and percent.",
        FeedbackMode.COMMENTS: "The same, and the points of each item with the comments of whoever judged it.",
        FeedbackMode.ANSWERS: "The same, and the right answers.",
    },
)

closed_set(
    SourceKind,
    "PolicySource",
    "Where a limit was set, from the lowest rank to the highest.",
    {
        SourceKind.SYSTEM_DEFAULT: "Evalium's own default.",
        SourceKind.TENANT_DEFAULT: "The tenant's default.",
        SourceKind.EVALUATION_VERSION: "The evaluation version.",
        SourceKind.TEMPLATE: "The template that the assignment was made from.",
        SourceKind.ASSIGNMENT: "The assignment.",
        SourceKind.ACCOMMODATION: "The candidate's accommodation profile.",
        SourceKind.GROUP_OVERRIDE: "An override for a group of the candidate.",
        SourceKind.USER_OVERRIDE: "An override for the candidate.",
    },
)

closed_set(
    SecurityLevel,
    "SecurityLevel",
    "How strictly an assessment is supervised, in one word.",
    {
        SecurityLevel.STANDARD: "Signals are at most recorded.",
        SecurityLevel.ELEVATED: "Something stops or limits the candidate: full screen, focus or pasting.",
        SecurityLevel.HIGH_STAKES: "A lockdown browser is required, or a person watches live.",
    },
)

closed_set(
    LockdownBrowser,
    "LockdownBrowserRule",
    "Whether the paper opens in a lockdown browser only.",
    {LockdownBrowser.NONE: "Any browser will do.", LockdownBrowser.REQUIRED: "Only a lockdown browser will do."},
)

closed_set(
    LockdownFailure,
    "LockdownFailureRule",
    "What happens when a session is to start and its lockdown browser is not verified.",
    {
        LockdownFailure.RAISE_EXCEPTION: "It starts, and an exception is raised for a proctor to acknowledge.",
        LockdownFailure.REFUSE_START: "It does not start, unless a proctor allows it for this one session.",
    },
)

closed_set(
    PasteRule,
    "PasteHandling",
    "What happens when a candidate pastes.",
    {
        PasteRule.ALLOWED: "Nothing.",
        PasteRule.RECORDED: "The paste is recorded.",
        PasteRule.BLOCKED: "The paste is blocked, and recorded.",
    },
)

closed_set(
    Proctoring,
    "ProctoringKind",
    "Whether a person watches while the paper is sat.",
    {Proctoring.NONE: "Nobody has to.", Proctoring.LIVE: "A proctor watches live."},
)


@strawberry.type(description="The measures by which an assessment is supervised.")
class SecurityConfig:
    """Security measures."""

    level: SecurityLevel = told("What the measures amount to.")
    lockdown_browser: LockdownBrowser = told("Whether a lockdown browser is required.")
    lockdown_failure: LockdownFailure = told("What happens at the start without a verified lockdown browser.")
    probe_interval_seconds: int = told("Seconds after which a required lockdown browser is to be proven anew.")
    full_screen: bool = told("True when the paper must fill the screen.")
    focus_loss_limit: int | None = told("How often focus may be lost before staff are warned; null when not limited.")
    paste: PasteRule = told("What happens when the candidate pastes.")
    proctoring: Proctoring = told("Whether a person watches.")

    @classmethod
    def of(cls, config: security.SecurityConfig) -> "SecurityConfig":
        """Show a configuration."""
        return cls(
            level=config.level,
            lockdown_browser=config.lockdown_browser,
            lockdown_failure=config.lockdown_failure,
            probe_interval_seconds=config.probe_interval_seconds,
            full_screen=config.full_screen,
            focus_loss_limit=config.focus_loss_limit,
            paste=config.paste,
            proctoring=config.proctoring,
        )


@strawberry.input(description="The measures by which an assessment is supervised.")
class SecurityConfigInput:
    """Security measures to set."""

    lockdown_browser: LockdownBrowser = told("Whether a lockdown browser is required.", default=LockdownBrowser.NONE)
    lockdown_failure: LockdownFailure = told(
        "What happens at the start without a verified lockdown browser.", default=LockdownFailure.REFUSE_START
    )
    probe_interval_seconds: int = told(
        "Seconds after which a required lockdown browser is to be proven anew, 30 to 3,600.", default=300
    )
    full_screen: bool = told("True when the paper must fill the screen.", default=False)
    focus_loss_limit: int | None = told(
        "How often focus may be lost before staff are warned, 0 to 1000; not limited when left out.", default=None
    )
    paste: PasteRule = told("What happens when the candidate pastes.", default=PasteRule.RECORDED)
    proctoring: Proctoring = told("Whether a person watches.", default=Proctoring.NONE)

    def plain(self) -> dict[str, Any]:
        """Return the measures as services read them."""
        return asdict(self)


@strawberry.type(description="Something that was added to a limit, and where it comes from.")
class LimitAddition:
    """A summand of a limit."""

    value: int = told("What was added, in the unit of the limit.")
    source: SourceKind = told("Where it was added.")
    reason: str | None = told("Why, where somebody said so.")


@strawberry.interface(description="A resolved limit: where its value was set, and by what.")
class ResolvedLimit:
    """Provenance."""

    source: SourceKind = told("Where the value was set.")
    source_id: str | None = told("UUID of what set it; null for a default.")
    reason: str | None = told("Why, where somebody said so.")


@strawberry.type(description="A number with its source.")
class NumberLimit(ResolvedLimit):
    """A resolved number."""

    value: int | None = told("The number, additions included; null when unlimited.")
    base: int | None = told("The number that the source set, before anything was added; null when unlimited.")
    is_unlimited: bool = told("True when there is no bound.")
    added: list[LimitAddition] = told("What was added to the value that the source set.")


@strawberry.type(description="A multiplier with its source.")
class MultiplierLimit(ResolvedLimit):
    """A resolved multiplier."""

    value: Decimal = told("By how much the time limit is multiplied, such as 1.5; up to four decimals.")


@strawberry.type(description="An instant with its source.")
class InstantLimit(ResolvedLimit):
    """A resolved instant."""

    value: datetime | None = told("The instant; null when the window is open on this side.")


@strawberry.type(description="A feedback mode with its source.")
class FeedbackLimit(ResolvedLimit):
    """A resolved feedback mode."""

    value: FeedbackMode = told("What the candidate is told after handing in.")


@strawberry.type(description="Security measures with their source.")
class SecurityLimit(ResolvedLimit):
    """Resolved security measures."""

    value: SecurityConfig = told("The measures.")


@strawberry.type(description="Every limit that holds, each with where it comes from.")
class Limits:
    """Limits with provenance."""

    time_limit_seconds: NumberLimit = told("Working time in seconds, before the multiplier.")
    time_multiplier: MultiplierLimit = told("What the working time is multiplied by.")
    extension_seconds: NumberLimit = told("Seconds added to the working time, after the multiplier.")
    allowed_attempts: NumberLimit = told("How often one person may sit the assessment.")
    window_from: InstantLimit = told("When the window opens.")
    window_until: InstantLimit = told("When the window closes.")
    feedback_mode: FeedbackLimit = told("What the candidate is told after handing in.")
    security: SecurityLimit = told("How the assessment is supervised.")
    network_grace_seconds: NumberLimit = told("Seconds after the deadline in which an answer on its way still counts.")
    idle_threshold_seconds: NumberLimit = told("Seconds without any activity after which a session is shown as idle.")

    @classmethod
    def of(cls, policy: Policy) -> "Limits":
        """Show a policy."""
        feedback, security_value = policy.feedback_mode, policy.security
        return cls(
            time_limit_seconds=_number(policy.time_limit_seconds),
            time_multiplier=MultiplierLimit(value=policy.time_multiplier.value, **_source(policy.time_multiplier)),
            extension_seconds=_number(policy.extension_seconds),
            allowed_attempts=_number(policy.allowed_attempts),
            window_from=_instant(policy.window_from),
            window_until=_instant(policy.window_until),
            feedback_mode=FeedbackLimit(value=feedback.value, **_source(feedback)),
            security=SecurityLimit(value=SecurityConfig.of(security_value.value), **_source(security_value)),
            network_grace_seconds=_number(policy.network_grace_seconds),
            idle_threshold_seconds=_number(policy.idle_threshold_seconds),
        )


def _source(resolved: Resolved[Any]) -> dict[str, Any]:
    source = resolved.source
    return {"source": source.kind, "source_id": source.id, "reason": source.why}


def _number(resolved: Resolved[int] | Resolved[int | Unlimited]) -> NumberLimit:
    value = bounded(resolved.value)
    added = [LimitAddition(value=one.value, source=one.source.kind, reason=one.source.why) for one in resolved.added]
    base = None if value is None else value - sum(one.value for one in added)
    return NumberLimit(value=value, base=base, is_unlimited=value is None, added=added, **_source(resolved))


def _instant(resolved: Resolved[datetime | Unlimited]) -> InstantLimit:
    value = resolved.value
    return InstantLimit(value=None if isinstance(value, Unlimited) else value, **_source(resolved))
