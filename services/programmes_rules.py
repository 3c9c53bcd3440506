"""Where a requirement stands, by its rule and the scores that count: pure, so that looking again ends at the same.

The first attempt that passes meets it, and nothing that is handed in later changes that. A correction of the very
score that met it may, by the programme's policy (decision 17).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from models.programmes import ProgrammeRequirement, RemediationPolicy
from models.programmes_enrolments import Hold, ProgressState
from models.submissions import Outcome

Same = tuple[UUID, UUID]
"""What attempts count for, whichever version they were issued under: the requirement's key, and what is sat."""


def same(row: ProgrammeRequirement) -> Same:
    """Return what attempts at a requirement count for."""
    return row.key, row.evaluation_id


@dataclass(frozen=True, slots=True)
class Rule:
    """What a requirement asks for; see `models.programmes.Required`."""

    min_percent: Decimal | None
    attempts: int | None
    cooling_off: timedelta
    remediation: RemediationPolicy


@dataclass(frozen=True, slots=True)
class Tried:
    """A submission with the score that counts; `ordinal` is of the attempt that it was issued for."""

    submission_id: UUID
    ordinal: int
    submitted_at: datetime
    percent: Decimal
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a requirement stands. `next_at` is from when on a further attempt is to be issued; None for none."""

    state: ProgressState = ProgressState.PENDING
    submission_id: UUID | None = None
    hold: Hold | None = None
    attempts_used: int = 0
    next_at: datetime | None = None


def passes(rule: Rule, tried: Tried) -> bool | None:
    """Tell whether a score meets the requirement; None while a person has yet to judge it."""
    if tried.outcome is Outcome.PENDING:
        return None
    return tried.outcome is Outcome.PASSED if rule.min_percent is None else tried.percent >= rule.min_percent


def stand(rule: Rule, was: Standing, tried: Sequence[Tried], issued: int) -> Standing:
    """Return where a requirement stands now; `tried` in order of handing in, `issued` the newest attempt's ordinal."""
    used = replace(was, attempts_used=len(tried), next_at=None)
    own = next((one for one in tried if one.submission_id == was.submission_id), None)
    if own is not None and passes(rule, own) is not False:
        return replace(used, hold=None)
    passed = next((one for one in tried if passes(rule, one)), None)
    if passed is not None:
        return Standing(ProgressState.MET, passed.submission_id, None, len(tried))
    if own is not None and rule.remediation is not RemediationPolicy.REVOKE_AND_REISSUE:
        return used if rule.remediation is RemediationPolicy.KEEP else replace(used, hold=was.hold or Hold.HELD)
    return unmet(rule, tried, issued)


def unmet(rule: Rule, tried: Sequence[Tried], issued: int) -> Standing:
    """Return where a requirement stands that nothing meets: failed when no attempt is left, else when the next is."""
    used = len(tried)
    if any(passes(rule, one) is None for one in tried):
        return Standing(attempts_used=used)
    if rule.attempts is not None and used >= rule.attempts:
        return Standing(ProgressState.FAILED, attempts_used=used)
    newest = [one for one in tried if one.ordinal == issued]
    return Standing(attempts_used=used, next_at=newest[-1].submitted_at + rule.cooling_off if newest else None)


def waits_for_nothing(stands: Standing, rule: Rule, tried: Sequence[Tried]) -> bool:
    """Tell whether a requirement is pending, is no attempt's turn yet, and no submission waits to be judged."""
    is_judged = not any(passes(rule, one) is None for one in tried)
    return stands.state is ProgressState.PENDING and stands.next_at is None and is_judged


def percent(met: int, mandatory: int) -> Decimal:
    """Return how much of what is mandatory is met, 0 to 100 with two decimals, half up."""
    return (Decimal(met) * 100 / Decimal(mandatory)).quantize(Decimal("0.01"), ROUND_HALF_UP)
