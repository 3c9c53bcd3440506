"""The effective policy: which limits hold for a person, and where each value comes from (domain.md section 5).

`resolve` is one pure function over rows of settings, whoever keeps them; what it returns is frozen into a session.

- A row of a higher rank replaces: user override > group override > accommodation profile > assignment > template >
  evaluation version > tenant default > Evalium's own default.
- The first three ranks are personal. A personal row never makes anything stricter unless it says `restrict`.
- Within one rank the most lenient row wins.
- Multipliers do not stack: the largest wins, unless a personal row restricts.
- Additive rows (extensions, added attempts) sum over all ranks; reversing one is another row with a negative amount.
- None means "not set here". Unlimited is a value of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, Field, StrictBool, StrictInt

from services.content_parts import ClosedSet, Part, read
from services.deadlines import Limits
from services.refusals import InvalidInput
from services.security import SecurityConfig

LONGEST_LIMIT_SECONDS = 366 * 24 * 3600
MOST_ATTEMPTS = 1000
LARGEST_MULTIPLIER = 10
FINEST_MULTIPLIER = Decimal("0.0001")
"""What a factor on the time limit is a multiple of."""


class Unlimited(Enum):
    """The value that knows no bound; not to be mistaken for "not set"."""

    UNLIMITED = "unlimited"


UNLIMITED = Unlimited.UNLIMITED


class FeedbackMode(ClosedSet):
    """What a candidate is told after handing in, from nothing to the right answers; each tells all before it, too."""

    NONE = "none"
    OUTCOME = "outcome"
    SCORE = "score"
    COMMENTS = "comments"
    ANSWERS = "answers"

    @property
    def tells_points(self) -> bool:
        """Whether points and percent are told."""
        return self in (FeedbackMode.SCORE, FeedbackMode.COMMENTS, FeedbackMode.ANSWERS)

    @property
    def tells_items(self) -> bool:
        """Whether each item's points and comments are told."""
        return self in (FeedbackMode.COMMENTS, FeedbackMode.ANSWERS)


class SourceKind(StrEnum):
    """Where a value was set, from the lowest rank to the highest."""

    SYSTEM_DEFAULT = "system_default"
    TENANT_DEFAULT = "tenant_default"
    EVALUATION_VERSION = "evaluation_version"
    TEMPLATE = "template"
    ASSIGNMENT = "assignment"
    ACCOMMODATION = "accommodation"
    GROUP_OVERRIDE = "group_override"
    USER_OVERRIDE = "user_override"


PERSONAL = frozenset({SourceKind.ACCOMMODATION, SourceKind.GROUP_OVERRIDE, SourceKind.USER_OVERRIDE})
_RANK = {kind: rank for rank, kind in enumerate(SourceKind)}

Seconds = Annotated[StrictInt, Field(ge=1, le=LONGEST_LIMIT_SECONDS)]


class Source(Part):
    """The row behind a value: its kind and id, who set it, and why."""

    kind: SourceKind
    id: str | None = None
    who: str | None = None
    why: str | None = None


class Settings(Part):
    """What one row sets. Times are in seconds; the window's bounds are instants, unlimited where it is open."""

    time_limit_seconds: Seconds | Unlimited | None = None
    allowed_attempts: Annotated[StrictInt, Field(ge=1, le=MOST_ATTEMPTS)] | Unlimited | None = None
    time_multiplier: Annotated[Decimal, Field(ge=1, le=LARGEST_MULTIPLIER, decimal_places=4)] | None = None
    feedback_mode: FeedbackMode | None = None
    security: SecurityConfig | None = None
    network_grace_seconds: Annotated[StrictInt, Field(ge=0, le=600)] | None = None
    idle_threshold_seconds: Annotated[StrictInt, Field(ge=5, le=3600)] | None = None
    window_from: AwareDatetime | Unlimited | None = None
    window_until: AwareDatetime | Unlimited | None = None


class Row(Part):
    """One source with what it sets and adds. `restrict` lets a personal row be stricter than what it replaces."""

    source: Source
    settings: Settings = Settings()
    restrict: StrictBool = False
    extension_seconds: StrictInt = 0
    added_attempts: StrictInt = 0


class Addition(Part):
    """One summand of a value, and where it comes from."""

    value: int
    source: Source


V = TypeVar("V")


class Resolved(Part, Generic[V]):
    """A value that holds, the row that set it, and what was added to it; `value` includes the additions."""

    value: V
    source: Source
    added: tuple[Addition, ...] = ()


class Policy(Part):
    """Every limit that holds for a person, each with its provenance.

    `extension_seconds` is kept apart from the limit, because the multiplier does not touch it.
    """

    time_limit_seconds: Resolved[StrictInt | Unlimited]
    allowed_attempts: Resolved[StrictInt | Unlimited]
    time_multiplier: Resolved[Decimal]
    extension_seconds: Resolved[StrictInt]
    feedback_mode: Resolved[FeedbackMode]
    security: Resolved[SecurityConfig]
    network_grace_seconds: Resolved[StrictInt]
    idle_threshold_seconds: Resolved[StrictInt]
    window_from: Resolved[AwareDatetime | Unlimited]
    window_until: Resolved[AwareDatetime | Unlimited]

    def limits(self) -> Limits:
        """Return the person's working time, as `services.deadlines` counts it."""
        return Limits(bounded(self.time_limit_seconds.value), self.time_multiplier.value, self.extension_seconds.value)


DEFAULTS = Settings(
    time_limit_seconds=UNLIMITED,
    allowed_attempts=1,
    time_multiplier=Decimal(1),
    feedback_mode=FeedbackMode.SCORE,
    security=SecurityConfig(),
    network_grace_seconds=5,
    idle_threshold_seconds=60,
    window_from=UNLIMITED,
    window_until=UNLIMITED,
)
"""What holds when nobody has set anything."""

_INFINITE = float("inf")
_Leniency = Callable[[Any], Any]


def _more(value: Any) -> Any:
    return _INFINITE if value is UNLIMITED else value


_LENIENCY: Mapping[str, _Leniency] = {
    "time_limit_seconds": _more,
    "allowed_attempts": _more,
    "time_multiplier": _more,
    "feedback_mode": list(FeedbackMode).index,
    "security": lambda config: tuple(-measure for measure in config.strictness),
    "network_grace_seconds": _more,
    "idle_threshold_seconds": _more,
    "window_from": lambda opens: _INFINITE if opens is UNLIMITED else -opens.timestamp(),
    "window_until": lambda closes: _INFINITE if closes is UNLIMITED else closes.timestamp(),
}
"""For each field, a number (or tuple) that is larger the kinder the value is to the candidate."""


def resolve(rows: Iterable[Row]) -> Policy:
    """Return the policy that follows from these rows, in whatever order they come.

    Rows that have expired or do not concern the person are the caller's to leave out.
    """
    system = Row(source=Source(kind=SourceKind.SYSTEM_DEFAULT), settings=DEFAULTS)
    ranked = sorted((system, *rows), key=_place)
    found: dict[str, Any] = {}
    for name, leniency in _LENIENCY.items():
        value, source = _winner(ranked, name, leniency)
        found[name] = {"value": value, "source": source}
    found["allowed_attempts"] = _with_additions(found["allowed_attempts"], ranked)
    extensions = [Addition(value=row.extension_seconds, source=row.source) for row in ranked if row.extension_seconds]
    latest = extensions[-1].source if extensions else system.source
    seconds = sum(extension.value for extension in extensions)
    found["extension_seconds"] = {"value": seconds, "source": latest, "added": tuple(extensions)}
    return Policy.model_validate(found)


def rows_of(policy: Policy) -> list[Row]:
    """Return rows from which this very policy follows: one for each value that was set, and one for each addition."""
    rows: list[Row] = []
    for name in _LENIENCY:
        one = getattr(policy, name)
        value = one.value
        if name == "allowed_attempts" and value is not UNLIMITED:
            value -= sum(addition.value for addition in one.added)
        if one.source.kind is not SourceKind.SYSTEM_DEFAULT:
            rows.append(Row(source=one.source, settings=Settings.model_validate({name: value}), restrict=True))
    rows += [Row(source=one.source, extension_seconds=one.value) for one in policy.extension_seconds.added]
    rows += [Row(source=one.source, added_attempts=one.value) for one in policy.allowed_attempts.added]
    return rows


def bounded(value: int | Unlimited) -> int | None:
    """Return a limit as a number, None when there is none: the form of nullable fields."""
    return None if isinstance(value, Unlimited) else value


def to_json(policy: Policy) -> dict[str, Any]:
    """Return the form that is frozen into a session: each field as value, source, and what was added."""
    return policy.model_dump(mode="json")


def from_json(frozen: object) -> Policy:
    """Read a frozen policy back."""
    return read(Policy, frozen, ("policy",))


def parse_feedback_mode(raw: str, path: Sequence[str | int] = ("feedbackMode",)) -> FeedbackMode:
    """Read a feedback mode; refuse any other word."""
    try:
        return FeedbackMode(raw)
    except ValueError:
        known = ", ".join(FeedbackMode)
        raise InvalidInput(f"There is no feedback mode '{raw[:40]}'; there is {known}.", path=path) from None


def _place(row: Row) -> tuple[Any, ...]:
    source = row.source
    return (_RANK[source.kind], source.id or "", source.who or "", source.why or "", row.model_dump_json())


def _winner(ranked: Sequence[Row], name: str, leniency: _Leniency) -> tuple[Any, Source]:
    setting = [row for row in ranked if getattr(row.settings, name) is not None]
    value, source = getattr(setting[0].settings, name), setting[0].source
    for kind in SourceKind:
        rivals = [row for row in setting if row.source.kind is kind]
        if not rivals:
            continue
        best = max(rivals, key=lambda row: (leniency(getattr(row.settings, name)), row.restrict))
        offered = getattr(best.settings, name)
        keeps = kind in PERSONAL or name == "time_multiplier"
        may_restrict = kind in PERSONAL and best.restrict
        if keeps and not may_restrict and leniency(offered) <= leniency(value):
            continue
        value, source = offered, best.source
    return value, source


def _with_additions(attempts: dict[str, Any], ranked: Sequence[Row]) -> dict[str, Any]:
    added = tuple(Addition(value=row.added_attempts, source=row.source) for row in ranked if row.added_attempts)
    value = attempts["value"]
    if value is not UNLIMITED:
        value = max(0, value + sum(addition.value for addition in added))
    return {**attempts, "value": value, "added": added}
