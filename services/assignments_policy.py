"""From rows to the policy that holds for a candidate of an assignment (domain.md section 5, "Effective policy").

`plain_rows` is what holds for everybody who is issued an assignment, `personal_rows` what is added for one person.
Preview, redeem, monitor, mails and the candidate all ask here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select

from models.accommodations import AccommodationProfile
from models.assignments import Assignment, AssignmentTarget
from models.authoring import EvaluationVersion
from models.identity import GroupMember
from models.policy import PolicyDefaults
from models.sessions import DeliverySession
from services import overrides_rows, policy
from services.policy import Policy, Row, Settings, Source, SourceKind
from services.security import SecurityLevel, parse_security
from services.work import Work


def plain_rows(assignment: Assignment, version: EvaluationVersion | None, defaults: PolicyDefaults | None) -> list[Row]:
    """Return what sets an assignment's limits for everybody: tenant, evaluation version, template, assignment."""
    template = assignment.template
    by_template = template is not None and template["sets_window"]
    until = None if by_template else assignment.valid_until
    rows = [
        Row(
            source=_source(SourceKind.ASSIGNMENT, assignment.id, assignment.created_by),
            settings=_settings(assignment, window_from=assignment.valid_from, window_until=until),
        )
    ]
    if template is not None:
        rows.append(_template_row(template, window_until=assignment.valid_until if by_template else None))
    if version is not None:
        source = _source(SourceKind.EVALUATION_VERSION, version.id, version.created_by)
        rows.append(Row(source=source, settings=_settings(version)))
    if defaults is not None:
        rows.append(default_row(defaults))
    return rows


def default_row(defaults: PolicyDefaults) -> Row:
    """Return what a tenant sets for whatever says nothing of its own."""
    return Row(
        source=_source(SourceKind.TENANT_DEFAULT, defaults.id, defaults.changed_by),
        settings=_settings(
            defaults,
            network_grace_seconds=defaults.network_grace_seconds,
            idle_threshold_seconds=defaults.idle_threshold_seconds,
        ),
    )


def effective(
    assignment: Assignment, version: EvaluationVersion | None, defaults: PolicyDefaults | None = None
) -> Policy:
    """Return every limit of an assignment for somebody who needs nothing special, each with the row that set it."""
    return policy.resolve(plain_rows(assignment, version, defaults))


def _template_row(template: Mapping[str, Any], *, window_until: datetime | None) -> Row:
    """Return what the template set when the assignment was issued from it."""
    said = template["settings"]
    return Row(
        source=Source(
            kind=SourceKind.TEMPLATE, id=template["id"], who=template["who"], why=f"Template '{template['name']}'"
        ),
        settings=Settings(
            time_limit_seconds=said.get("time_limit_seconds"),
            allowed_attempts=said.get("allowed_attempts"),
            feedback_mode=None if "feedback_mode" not in said else policy.parse_feedback_mode(said["feedback_mode"]),
            security=None if "security_config" not in said else parse_security(said["security_config"]),
            window_until=window_until,
        ),
    )


async def defaults_of_tenant(work: Work) -> PolicyDefaults | None:
    """Return the limits that the tenant sets; None while it sets none."""
    return (await work.session.scalars(select(PolicyDefaults))).one_or_none()


async def personal_rows(work: Work, assignment_id: UUID, user_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return what counts now for each of these people: accommodation profile, overrides for groups and for them.

    Three statements, whoever they are and however many.
    """
    found = await _personal_rows(work, [assignment_id], user_ids)
    return {user_id: rows for (_, user_id), rows in found.items()}


async def _personal_rows(
    work: Work, assignment_ids: Sequence[UUID], user_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], list[Row]]:
    """Return the same for each assignment and person; three statements, too."""
    now = await work.now()
    found: defaultdict[tuple[UUID, UUID], list[Row]] = defaultdict(list)
    profiles = select(AccommodationProfile).where(AccommodationProfile.user_id.in_(user_ids))
    for profile in await work.session.scalars(profiles):
        if profile.valid_until is None or now < profile.valid_until:
            for assignment_id in assignment_ids:
                found[assignment_id, profile.user_id].append(profile_row(profile))
    rows = await overrides_rows.in_force(work, assignment_ids, now, user_ids)
    members = await _memberships(work, {row.group_id for row in rows if row.group_id is not None}, user_ids)
    for override in rows:
        named = [override.user_id] if override.user_id is not None else members[override.group_id]
        for user_id in named:
            found[override.assignment_id, user_id].append(overrides_rows.as_row(override))
    return found


async def of_person(work: Work, assignment_id: UUID, user_id: UUID) -> Policy | None:
    """Return the limits that a session of a recipient gets which is made now; None for who is no recipient."""
    wanted = (
        select(Assignment, EvaluationVersion)
        .join(EvaluationVersion, EvaluationVersion.id == Assignment.evaluation_version_id)
        .join(AssignmentTarget, AssignmentTarget.assignment_id == Assignment.id)
        .where(Assignment.id == assignment_id, AssignmentTarget.user_id == user_id)
    )
    found = (await work.session.execute(wanted)).one_or_none()
    if found is None:
        return None
    plain = plain_rows(found.Assignment, found.EvaluationVersion, await defaults_of_tenant(work))
    personal = await personal_rows(work, assignment_id, [user_id])
    return policy.resolve([*plain, *personal.get(user_id, [])])


async def of_one_person(
    work: Work, user_id: UUID, rows: Sequence[Assignment], versions: Mapping[UUID, EvaluationVersion]
) -> dict[UUID, Policy]:
    """Return the limits that a session of a person would get now in each of these assignments; four statements."""
    defaults = await defaults_of_tenant(work)
    personal = await _personal_rows(work, [row.id for row in rows], [user_id])
    return {
        row.id: policy.resolve(
            [*plain_rows(row, versions[row.evaluation_version_id], defaults), *personal.get((row.id, user_id), [])]
        )
        for row in rows
    }


def profile_row(profile: AccommodationProfile) -> Row:
    """Return what an accommodation profile sets: its factor, and its breaks as time on a clock that does not stop.

    The notes stay with the profile: why somebody needs more time is nobody's business in a session.
    """
    return Row(
        source=_source(SourceKind.ACCOMMODATION, profile.id, profile.changed_by),
        settings=Settings(time_multiplier=profile.time_multiplier),
        extension_seconds=profile.break_seconds,
    )


def frozen_level(session: DeliverySession) -> SecurityLevel:
    """Return how strictly a session is supervised, by the policy that was frozen into it."""
    return _level(orjson.dumps(session.policy["security"]["value"], option=orjson.OPT_SORT_KEYS))


async def _memberships(
    work: Work, groups: Iterable[UUID], user_ids: Sequence[UUID]
) -> defaultdict[UUID | None, list[UUID]]:
    """Return who of these people is in each of these groups."""
    found: defaultdict[UUID | None, list[UUID]] = defaultdict(list)
    wanted = select(GroupMember.group_id, GroupMember.user_id).where(
        GroupMember.group_id.in_(list(groups)), GroupMember.user_id.in_(user_ids)
    )
    for row in await work.rows(wanted):
        found[row.group_id].append(row.user_id)
    return found


@lru_cache(maxsize=1024)
def _level(frozen: bytes) -> SecurityLevel:
    return parse_security(orjson.loads(frozen), ["policy", "security"]).level


def _source(kind: SourceKind, row_id: UUID, who: UUID | None) -> Source:
    return Source(kind=kind, id=str(row_id), who=None if who is None else str(who))


def _settings(row: Assignment | EvaluationVersion | PolicyDefaults, **more: Any) -> Settings:
    return Settings(
        time_limit_seconds=row.time_limit_seconds,
        allowed_attempts=row.allowed_attempts,
        feedback_mode=None if row.feedback_mode is None else policy.parse_feedback_mode(row.feedback_mode),
        security=None if row.security_config is None else parse_security(row.security_config),
        **more,
    )
