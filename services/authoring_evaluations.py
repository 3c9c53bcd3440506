"""Writing evaluations: composed as a draft, examined and frozen when published."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from models.authoring import Evaluation, EvaluationVersion, VersionStatus
from models.base import uuid7
from services import authoring, authoring_sections, policy
from services.authoring import Drift
from services.authoring_sections import ComposedSection, SectionDraft
from services.content import to_json
from services.content_parts import fingerprint
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import InvalidInput, NotFound, StateDrift
from services.security import parse_security
from services.work import Work

LONGEST_NAME = 200
LONGEST_INSTRUCTIONS = 20_000
HUNDRED = Decimal(100)
MOST_POINTS = Decimal(10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Everything of an evaluation version but its sections. None means "not set here": the tenant's default holds.

    One of `pass_percent` (two decimals) and `pass_points` (four) is needed for publishing. The time limit is in
    seconds. `feedback_mode` and `security_config` are read by `services.policy`.
    """

    title: str
    instructions: str = ""
    pass_percent: Decimal | None = None
    pass_points: Decimal | None = None
    time_limit_seconds: int | None = None
    allowed_attempts: int | None = None
    feedback_mode: str | None = None
    security_config: dict[str, Any] | None = None


NAMES = frozenset(setting.name for setting in fields(EvaluationSettings))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFilter:
    """Which evaluations are wanted; the status is that of the latest version. None asks for nothing."""

    status: VersionStatus | None = None
    name_prefix: str | None = None
    ids: Sequence[UUID] | None = None


async def create(
    work: Work,
    *,
    name: str | None,
    settings: EvaluationSettings,
    sections: Sequence[SectionDraft],
) -> Answer:
    """Create an evaluation with its first draft; without a name it takes the title's."""
    settings = checked(settings)
    named = authoring.stated(name or settings.title, path=["name"], longest=LONGEST_NAME)
    unit = await authoring.desk(work, "evaluations")
    taken = select(Evaluation.id).where(Evaluation.org_unit_id == unit, Evaluation.name == named)
    if await work.rows(taken):
        raise InvalidInput(
            f"There is an evaluation '{named}' already.",
            path=["name"],
            hint="Choose another name, or update that evaluation.",
        )
    composed = await authoring_sections.compose(work, unit, sections)
    row = Evaluation(id=uuid7(), name=named, created_by=work.viewer.user_id)
    work.session.add(row)
    await work.session.flush()
    version = await _open_version(work, row.id, 1, settings, composed)
    work.record("evaluation.created", ("evaluation", row.id), after=_told(version))
    return {"evaluation_id": str(row.id), "version_id": str(version.id)}


async def update(
    work: Work,
    evaluation_id: UUID,
    changes: Mapping[str, Any],
    sections: Sequence[SectionDraft] | None,
    drift: Drift,
) -> Answer:
    """Change the open draft, or open the next version from the published one and change that.

    `changes` holds the settings to change by name; `sections` replace all that there were, None keeps them.
    """
    latest = await _latest(work, evaluation_id, drift)
    before = _told(latest)
    settings = checked(replace(_settings(latest), **changes))
    composed = (
        await authoring_sections.stored(work, latest.id)
        if sections is None
        else await authoring_sections.compose(work, latest.org_unit_id, sections)
    )
    if latest.status == VersionStatus.PUBLISHED:
        version = await _open_version(work, evaluation_id, latest.number + 1, settings, composed)
    else:
        version = latest
        for name, value in asdict(settings).items():
            setattr(version, name, value)
        version.content_hash = _hash(settings, composed)
        if sections is not None:
            await authoring_sections.store(work, version.id, composed)
    work.record("evaluation.updated", ("evaluation", evaluation_id), before=before, after=_told(version))
    return {"evaluation_id": str(evaluation_id), "version_id": str(version.id)}


async def publish(work: Work, evaluation_id: UUID, drift: Drift) -> Answer:
    """Examine the open draft and freeze it for ever; a draft from which no fair paper can be drawn is refused."""
    latest = await _latest(work, evaluation_id, drift)
    if latest.status == VersionStatus.PUBLISHED:
        raise StateDrift(
            f"Version {latest.number} is published already, and there is no draft after it.",
            current_state=latest.status.upper(),
            current_version=latest.number,
        )
    measures = (await authoring_sections.measured(work, [latest.id]))[latest.id]
    _refuse_pass_mark(latest, authoring_sections.refuse_unpublishable(measures))
    composed = await authoring_sections.stored(work, latest.id)
    latest.content_hash = _hash(_settings(latest), composed)
    latest.published_at = await work.now()
    latest.status = VersionStatus.PUBLISHED
    work.record("evaluation.published", ("evaluation", evaluation_id), after=_told(latest))
    return {"evaluation_id": str(evaluation_id), "version_id": str(latest.id)}


async def listed(
    work: Work,
    wanted: EvaluationFilter,
    orders: Sequence[tuple[str, bool]],
    page: PageRequest,
) -> Page[Evaluation]:
    """Return a page of evaluations; `orders` are pairs of `name` or `created_at` and "descending"."""
    columns = {"name": Evaluation.name, "created_at": Evaluation.created_at}
    order = [Order(columns[name], descending=descending) for name, descending in orders or [("name", False)]]
    return await paged(work, _chosen(wanted), [*order, Order(Evaluation.id)], page)


def checked(settings: EvaluationSettings) -> EvaluationSettings:
    """Return the settings as they are stored; refuse a value that is out of bounds."""
    for name, value, highest in (
        ("timeLimitSeconds", settings.time_limit_seconds, policy.LONGEST_LIMIT_SECONDS),
        ("allowedAttempts", settings.allowed_attempts, policy.MOST_ATTEMPTS),
    ):
        if value is not None and not 1 <= value <= highest:
            raise InvalidInput(f"{value} is not from 1 to {highest}.", path=[name], hint="Or leave it out.")
    instructions = settings.instructions.strip()
    if instructions:
        authoring.stated(instructions, path=["instructions"], longest=LONGEST_INSTRUCTIONS)
    percent, points = settings.pass_percent, settings.pass_points
    mode, security = settings.feedback_mode, settings.security_config
    return replace(
        settings,
        title=authoring.stated(settings.title, path=["title"], longest=LONGEST_NAME),
        instructions=instructions,
        feedback_mode=None if mode is None else policy.parse_feedback_mode(mode).value,
        security_config=None if security is None else to_json(parse_security(security)),
        pass_percent=percent
        if percent is None
        else authoring.exact(percent, path=["passMark", "percent"], decimals=2, highest=HUNDRED),
        pass_points=points
        if points is None
        else authoring.exact(points, path=["passMark", "points"], decimals=4, highest=MOST_POINTS),
    )


def _refuse_pass_mark(version: EvaluationVersion, reachable: Decimal) -> None:
    if (version.pass_percent is None) == (version.pass_points is None):
        given = "none is" if version.pass_percent is None else "both a percentage and points are"
        raise InvalidInput(
            f"The pass mark is either a percentage or points; {given} set.",
            path=["passMark"],
            hint="Set exactly one of them.",
        )
    if version.pass_points is not None and version.pass_points > reachable:
        raise InvalidInput(
            f"The pass mark of {version.pass_points:f} points cannot be reached: a session has {reachable:f} at most.",
            path=["passMark", "points"],
            hint="Lower the pass mark, or add items.",
        )


def _chosen(wanted: EvaluationFilter) -> Select[Any]:
    chosen = select(Evaluation)
    if wanted.ids is not None:
        chosen = chosen.where(Evaluation.id.in_(wanted.ids))
    if wanted.name_prefix:
        chosen = chosen.where(Evaluation.name.startswith(wanted.name_prefix, autoescape=True))
    if wanted.status is not None:
        newest = (
            select(EvaluationVersion.id)
            .where(EvaluationVersion.evaluation_id == Evaluation.id)
            .order_by(EvaluationVersion.number.desc())
            .limit(1)
            .correlate(Evaluation)
            .scalar_subquery()
        )
        chosen = chosen.join(EvaluationVersion, EvaluationVersion.id == newest)
        chosen = chosen.where(EvaluationVersion.status == wanted.status)
    return chosen


async def _latest(work: Work, evaluation_id: UUID, drift: Drift) -> EvaluationVersion:
    """Take the desk, then return the latest version of an evaluation of this org unit, unless it has moved on."""
    unit = await authoring.desk(work, "evaluations")
    latest = (await authoring.newest(work, EvaluationVersion, [evaluation_id])).get(evaluation_id)
    if latest is None or latest.org_unit_id != unit:
        raise NotFound("Evaluation", evaluation_id)
    drift.check(latest)
    return latest


async def _open_version(
    work: Work,
    evaluation_id: UUID,
    number: int,
    settings: EvaluationSettings,
    composed: Sequence[ComposedSection],
) -> EvaluationVersion:
    version = EvaluationVersion(
        id=uuid7(),
        evaluation_id=evaluation_id,
        number=number,
        status=VersionStatus.DRAFT,
        content_hash=_hash(settings, composed),
        created_by=work.viewer.user_id,
        **asdict(settings),
    )
    work.session.add(version)
    await work.session.flush()
    await authoring_sections.store(work, version.id, composed)
    return version


def _settings(version: EvaluationVersion) -> EvaluationSettings:
    return EvaluationSettings(**{name: getattr(version, name) for name in NAMES})


def _hash(settings: EvaluationSettings, composed: Sequence[ComposedSection]) -> str:
    stated = {name: str(v) if isinstance(v, Decimal) else v for name, v in asdict(settings).items()}
    return fingerprint({**stated, "sections": [section.as_json() for section in composed]})


def _told(version: EvaluationVersion) -> dict[str, Any]:
    return {"title": version.title, "number": version.number, "content_hash": version.content_hash}
