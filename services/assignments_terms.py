"""What is issued and how: checked, named and labelled the same for a preview, an issue and a schedule's run."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import select

from models.assignments import Assignment, AssignmentStatus, AssignmentTemplate
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.identity import Tenant
from services import authoring, run_label
from services.policy import LONGEST_LIMIT_SECONDS, MOST_ATTEMPTS, parse_feedback_mode
from services.refusals import InvalidInput, NotFound
from services.security import parse_security
from services.work import Work

LONGEST_NAME = 200
REMINDERS = (300, 30 * 86_400)
"""Seconds before an instant at which people can be reminded of it: five minutes to thirty days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is issued and how: None means "not set here", so that evaluation version or tenant decide.

    Only a draft may leave out what is issued. What is None comes from the template, if one is named.
    """

    evaluation_version_id: UUID | None = None
    name: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    allowed_attempts: int | None = None
    time_limit_seconds: int | None = None
    feedback_mode: str | None = None
    security_config: dict[str, Any] | None = None
    remind_before_start_seconds: int | None = None
    remind_before_deadline_seconds: int | None = None
    run_label: str | None = None
    template_id: UUID | None = None


LIMITS: Final = ("allowed_attempts", "time_limit_seconds", "feedback_mode", "security_config")
"""What a template sets for an assignment without becoming the assignment's own."""

UNLIMITING: Final = ("name", "run_label", "remind_before_start_seconds", "remind_before_deadline_seconds")
"""What an assignment takes over from a template as if it had been said of itself."""

_TERMS: Final = TypeAdapter(Terms)


def terms_to_json(terms: Terms) -> dict[str, Any]:
    """Return terms as a draft, a template or a schedule keeps them."""
    return _TERMS.dump_python(terms, mode="json", exclude_none=True)


def terms_of(stored: object) -> Terms:
    """Read terms back."""
    return _TERMS.validate_python(stored)


async def template_of(work: Work, template_id: UUID) -> AssignmentTemplate:
    """Return a template that the viewer can see; refuse any other."""
    wanted = select(AssignmentTemplate).where(AssignmentTemplate.id == template_id)
    found = (await work.session.scalars(wanted)).one_or_none()
    if found is None:
        raise NotFound("AssignmentTemplate", template_id, path=["templateId"])
    return found


def filled(terms: Terms, template: AssignmentTemplate, now: datetime) -> tuple[Terms, dict[str, Any]]:
    """Return the terms with what they leave out taken from a template, and what the assignment keeps of that.

    The limits stay out of the terms: they hold as the template's, below those of the assignment.
    """
    says = terms_of(template.terms)
    until = terms.valid_until
    if until is None and template.window_seconds is not None:
        until = (terms.valid_from or now) + timedelta(seconds=template.window_seconds)
    kept = {
        "id": str(template.id),
        "name": template.name,
        "who": template.changed_by and str(template.changed_by),
        "settings": {name: value for name in LIMITS if (value := getattr(says, name)) is not None},
        "sets_window": until != terms.valid_until,
    }
    version = terms.evaluation_version_id or says.evaluation_version_id
    rest = {name: getattr(terms, name) or getattr(says, name) for name in UNLIMITING}
    return replace(terms, evaluation_version_id=version, valid_until=until, **rest), kept


async def made(work: Work, terms: Terms, now: datetime) -> tuple[Assignment, EvaluationVersion]:
    """Return the assignment that these terms make, not added to the session, and what it issues."""
    kept: dict[str, Any] | None = None
    if terms.template_id is not None:
        terms, kept = filled(terms, await template_of(work, terms.template_id), now)
    version = await version_of(work, terms)
    check_window(terms, now)
    check_limits(terms)
    row = Assignment(
        id=uuid7(),
        org_unit_id=version.org_unit_id,
        evaluation_version_id=version.id,
        name=version.title[:LONGEST_NAME] if terms.name is None else stated(terms.name, LONGEST_NAME, "name"),
        run_label=await label(work, terms, version, now),
        status=AssignmentStatus.ACTIVE,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        allowed_attempts=terms.allowed_attempts,
        time_limit_seconds=terms.time_limit_seconds,
        feedback_mode=None if terms.feedback_mode is None else parse_feedback_mode(terms.feedback_mode),
        security_config=_security(terms),
        remind_before_start_seconds=terms.remind_before_start_seconds,
        remind_before_deadline_seconds=terms.remind_before_deadline_seconds,
        template=kept,
        created_by=work.viewer.user_id,
    )
    return row, version


async def version_of(work: Work, terms: Terms) -> EvaluationVersion:
    """Return what is issued; refuse none, an unknown one, and a draft."""
    if terms.evaluation_version_id is None:
        raise InvalidInput(
            "Nothing is chosen that could be issued.",
            path=["evaluationVersionId"],
            hint="Choose a published evaluation version.",
        )
    return await authoring.issuable(work, terms.evaluation_version_id)


def check_window(terms: Terms, now: datetime) -> None:
    """Refuse a window that is over or upside down, and an instant without a time zone."""
    for name, instant in (("validFrom", terms.valid_from), ("validUntil", terms.valid_until)):
        if instant is not None and instant.tzinfo is None:
            raise InvalidInput(
                f"'{instant.isoformat()}' names no time zone.", path=[name], hint="Write it in UTC, ending in 'Z'."
            )
    until = terms.valid_until
    if until is None:
        return
    if until <= now:
        raise InvalidInput(f"The window would have closed already, at {until.isoformat()}.", path=["validUntil"])
    if terms.valid_from is not None and until <= terms.valid_from:
        raise InvalidInput(
            f"The window would close at {until.isoformat()}, not after it opens at {terms.valid_from.isoformat()}.",
            path=["validUntil"],
        )


def check_limits(terms: Terms) -> None:
    """Refuse limits out of bounds, an unknown feedback mode and unknown security measures."""
    for name, value, least, most in (
        ("allowedAttempts", terms.allowed_attempts, 1, MOST_ATTEMPTS),
        ("timeLimitSeconds", terms.time_limit_seconds, 1, LONGEST_LIMIT_SECONDS),
        ("remindBeforeStartSeconds", terms.remind_before_start_seconds, *REMINDERS),
        ("remindBeforeDeadlineSeconds", terms.remind_before_deadline_seconds, *REMINDERS),
    ):
        if value is not None and not least <= value <= most:
            raise InvalidInput(f"{name} is {value}; it must be {least} to {most}, or left out.", path=[name])
    if terms.feedback_mode is not None:
        parse_feedback_mode(terms.feedback_mode)
    _security(terms)


async def label(work: Work, terms: Terms, version: EvaluationVersion, now: datetime) -> str:
    """Return the run label that was written, or one from the title and the quarter in the tenant's time zone."""
    if terms.run_label is not None:
        return run_label.checked(terms.run_label)
    zone = (await work.session.scalars(select(Tenant.time_zone))).one()
    return run_label.generated(version.title, (terms.valid_from or now).astimezone(ZoneInfo(zone)).date())


def stated(value: str, longest: int, name: str) -> str:
    """Return a text that a person wrote, trimmed; refuse an empty or over-long one."""
    text = value.strip()
    if not text or len(text) > longest or "\x00" in text:
        raise InvalidInput(
            f"The {name} has {len(text)} characters; it needs 1 to {longest}.",
            path=[name],
            hint="Say it in a sentence.",
        )
    return text


def _security(terms: Terms) -> dict[str, Any] | None:
    return None if terms.security_config is None else parse_security(terms.security_config).model_dump(mode="json")
