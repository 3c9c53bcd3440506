"""The tenant's default limits, for whatever says nothing of its own (domain.md section 5, "Effective policy")."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from models.base import uuid7
from models.policy import PolicyDefaults
from services import assignments_policy, policy, words
from services.content_parts import read
from services.idempotency import Answer
from services.policy import Policy, Settings
from services.refusals import StateDrift
from services.security import parse_security
from services.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a tenant sets; None leaves it to Evalium's own default. Times are in seconds."""

    time_limit_seconds: int | None = None
    allowed_attempts: int | None = None
    feedback_mode: str | None = None
    security_config: dict[str, Any] | None = None
    network_grace_seconds: int | None = None
    idle_threshold_seconds: int | None = None


async def current(work: Work) -> PolicyDefaults | None:
    """Return the tenant's row; None while the tenant sets nothing."""
    return await assignments_policy.defaults_of_tenant(work)


def resolved(defaults: PolicyDefaults | None) -> Policy:
    """Return the limits of whatever says nothing of its own, each with its source."""
    return policy.resolve([] if defaults is None else [assignments_policy.default_row(defaults)])


async def update(work: Work, wanted: Defaults, reason: str, expected_version: int | None) -> Answer:
    """Set the tenant's defaults, all of them at once. Sessions that exist keep what was frozen into them.

    Refuses values out of bounds, and another version than the expected one.
    """
    why, now = words.reason(reason), await work.now()
    _check(wanted)
    security = None if wanted.security_config is None else parse_security(wanted.security_config)
    await work.lock(f"policy-defaults/{work.viewer.tenant_id}")
    row = (await work.session.scalars(select(PolicyDefaults))).one_or_none()
    before = None if row is None else _told(row)
    version = 0 if row is None else row.version
    if expected_version is not None and expected_version != version:
        raise StateDrift("The defaults were changed meanwhile.", current_state="CHANGED", current_version=version)
    if row is None:
        row = PolicyDefaults(id=uuid7())
        work.session.add(row)
    for name, value in asdict(wanted).items():
        setattr(row, name, value)
    row.feedback_mode = None if wanted.feedback_mode is None else policy.parse_feedback_mode(wanted.feedback_mode)
    row.security_config = None if security is None else security.model_dump(mode="json")
    row.changed_by, row.changed_at, row.version = work.viewer.user_id, now, version + 1
    await work.session.flush()
    tenant = ("tenant", row.tenant_id)
    work.record("policy_defaults.updated", tenant, reason=why, before=before, after=_told(row))
    return {"defaults": str(row.id)}


def _check(wanted: Defaults) -> None:
    """Refuse what no source of limits may set; the path is the name in the input."""
    bounded = {
        "timeLimitSeconds": ("time_limit_seconds", wanted.time_limit_seconds),
        "allowedAttempts": ("allowed_attempts", wanted.allowed_attempts),
        "networkGraceSeconds": ("network_grace_seconds", wanted.network_grace_seconds),
        "idleThresholdSeconds": ("idle_threshold_seconds", wanted.idle_threshold_seconds),
    }
    for shown, (name, value) in bounded.items():
        read(Settings, {name: value}, (shown,))


def _told(row: PolicyDefaults) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Defaults.__dataclass_fields__} | {"version": row.version}
