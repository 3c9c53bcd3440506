"""From rows to the policy that holds for a candidate of an assignment (domain.md section 5, "Effective policy").

Tenants set no defaults of their own and nobody has personal rows, so evaluation version and assignment are the sources
above Evalium's defaults; redeem, the assignment's limits and the monitor all ask here.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from models.assignments import Assignment
from models.authoring import EvaluationVersion
from models.sessions import DeliverySession
from services import policy
from services.policy import Policy, Row, Settings, Source, SourceKind
from services.security import SecurityLevel, parse_security


def effective(assignment: Assignment, version: EvaluationVersion) -> Policy:
    """Return every limit of an assignment, each with the row that set it."""
    return policy.resolve(
        [
            Row(
                source=_source(SourceKind.EVALUATION_VERSION, version.id, version.created_by),
                settings=_settings(version),
            ),
            Row(
                source=_source(SourceKind.ASSIGNMENT, assignment.id, assignment.created_by),
                settings=_settings(
                    assignment,
                    window_from=assignment.valid_from,
                    window_until=assignment.valid_until,
                ),
            ),
        ],
    )


def frozen_level(session: DeliverySession) -> SecurityLevel:
    """Return how strictly a session is supervised, by the policy that was frozen into it."""
    return _level(orjson.dumps(session.policy["security"]["value"], option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=1024)
def _level(frozen: bytes) -> SecurityLevel:
    return parse_security(orjson.loads(frozen), ["policy", "security"]).level


def _source(kind: SourceKind, row_id: UUID, created_by: UUID | None) -> Source:
    return Source(kind=kind, id=str(row_id), who=None if created_by is None else str(created_by))


def _settings(row: Assignment | EvaluationVersion, **window: Any) -> Settings:
    return Settings(
        time_limit_seconds=row.time_limit_seconds,
        allowed_attempts=row.allowed_attempts,
        feedback_mode=None if row.feedback_mode is None else policy.parse_feedback_mode(row.feedback_mode),
        security=None if row.security_config is None else parse_security(row.security_config),
        **window,
    )
