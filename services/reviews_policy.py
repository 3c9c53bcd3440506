"""By which rules the reviews of an evaluation go (domain.md section 9).

A review goes by the rules in force when it was opened; rules that are set later hold for what is handed in later.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from models.authoring import Evaluation, EvaluationVersion
from models.base import uuid7
from models.reviews_policy import ReviewPolicy
from services import plain, words
from services.content_parts import Part
from services.idempotency import Answer
from services.refusals import NotFound
from services.reviews_agreement import AgreedBy, Rule
from services.work import Work

MOST_BOUNDARIES = 20


def _ascending(boundaries: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    if list(boundaries) != sorted(set(boundaries)):
        raise PydanticCustomError("ascending", "Give each boundary once, the lowest first")
    return boundaries


Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=2)]
Boundaries = Annotated[
    tuple[Annotated[Decimal, Field(gt=0, le=100, decimal_places=2)], ...],
    Field(max_length=MOST_BOUNDARIES),
    AfterValidator(_ascending),
]


class Policy(Part):
    """The rules. Percentages are of what is to be had; `second_near` is in points of the submission's percentage.

    In the `inquiry_days` after the result is told the candidate may ask for a regrade; with 0 never.

    Without any of the `second_…` and `sample_…` rules a second person is asked only when a reviewer wants one.
    """

    due_days: Annotated[StrictInt, Field(ge=1, le=365)] = 7
    lease_seconds: Annotated[StrictInt, Field(ge=2, le=86_400)] = 1800
    is_blind: StrictBool = True
    second_when_high_stakes: StrictBool = False
    second_near: Percent | None = None
    sample_percent: Annotated[StrictInt, Field(ge=0, le=100)] = 0
    sample_at_least: Annotated[StrictInt, Field(ge=0, le=1000)] = 0
    tolerance_percent: Percent = Decimal(5)
    boundaries: Boundaries = ()
    agreed_by: AgreedBy = AgreedBy.AVERAGE
    inquiry_days: Annotated[StrictInt, Field(ge=0, le=365)] = 0

    @property
    def lease(self) -> timedelta:
        """How long a claim holds without any activity."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def rule(self) -> Rule:
        """When two marks agree."""
        return Rule(self.tolerance_percent, self.boundaries, self.agreed_by)


def read(row: ReviewPolicy | None) -> Policy:
    """Return the rules of a row; without one Evalium's own."""
    return Policy() if row is None else Policy.model_validate(row.settings)


async def put(work: Work, evaluation_id: UUID, wanted: Policy, reason: str) -> Answer:
    """Set the rules for what is handed in from now on, and say why."""
    why = words.reason(reason)
    await work.lock(f"review-policy/{work.viewer.tenant_id}/{evaluation_id}")
    found = (await work.session.scalars(select(Evaluation).where(Evaluation.id == evaluation_id))).one_or_none()
    if found is None:
        raise NotFound("Evaluation", evaluation_id, path=["evaluationId"])
    before = (await newest(work, [evaluation_id])).get(evaluation_id)
    row = ReviewPolicy(
        id=uuid7(),
        org_unit_id=found.org_unit_id,
        evaluation_id=evaluation_id,
        number=1 if before is None else before.number + 1,
        settings=wanted.model_dump(mode="json"),
        seed=secrets.token_hex(16),
        reason=why,
        set_by=work.viewer.user_id,
    )
    work.session.add(row)
    await work.session.flush()
    work.record(
        "review_policy.set",
        ("evaluation", evaluation_id),
        reason=why,
        before=None if before is None else before.settings,
        after=row.settings,
    )
    return {"policy": str(row.id)}


async def newest(work: Work, evaluation_ids: Sequence[UUID]) -> dict[UUID, ReviewPolicy]:
    """Return the rules in force for each of these evaluations that has any."""
    wanted = (
        select(ReviewPolicy)
        .where(ReviewPolicy.evaluation_id.in_(evaluation_ids))
        .ext(distinct_on(ReviewPolicy.evaluation_id))
        .order_by(ReviewPolicy.evaluation_id, ReviewPolicy.number.desc())
    )
    return {row.evaluation_id: row for row in (await work.session.scalars(wanted)).all()}


async def of_version(work: Work, evaluation_version_id: UUID) -> ReviewPolicy | None:
    """Return the rules in force for what was handed in to a version of an evaluation; None while nobody set any."""
    wanted = (
        select(ReviewPolicy)
        .join(EvaluationVersion, EvaluationVersion.evaluation_id == ReviewPolicy.evaluation_id)
        .where(EvaluationVersion.id == evaluation_version_id)
        .order_by(ReviewPolicy.number.desc())
        .limit(1)
    )
    return (await work.session.scalars(wanted)).one_or_none()


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ReviewPolicy]:
    """Return the rules with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, ReviewPolicy, "id", ids)}
