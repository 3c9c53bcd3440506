"""By which rules the reviews of an evaluation go."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from models.reviews_policy import ReviewPolicy as PolicyRow
from resolvers import identity, reviews_policy
from schema.access import Info, act, ask, says, told
from schema.identity import User
from schema.nodes import local_id, looked_for
from schema.problems import Problem, attempt
from schema.reviews_enums import AgreedBy
from schema.users_acts import KEY, WHY
from services import reviews_policy as rules
from services.content_parts import read
from services.reviews_policy import Policy

DUE = "Days from handing in until a review is due, 1 to 365."
LEASE = "Seconds for which a claim holds without any activity, 2 to 86,400."
BLIND = "Whether a second opinion is given without knowing the first."
HIGH_STAKES = "Whether a second person judges whenever the session was of high stakes."
NEAR = (
    "A second person judges when the percentage of the first marks is within so many points of the pass mark or a "
    "class boundary; null: never for that."
)
SAMPLE = "Per cent of each first marker's reviews that a second person judges, too, 0 to 100."
AT_LEAST = "How many of each first marker's reviews a second person judges at least, the first ones: 0 to 1,000."
TOLERANCE = "How far apart two marks of an item may be, in per cent of its points."
BOUNDARIES = (
    "Percentages at which a class begins, ascending, at most 20. Two people who put a submission into different "
    "classes do not agree. The pass mark is always one."
)
INQUIRY = "For how many days after the result is told the candidate may ask for a regrade, once: 0 (never) to 365."
BY = "How one mark is made of two that agree."


@strawberry.type(description="By which rules the reviews of an evaluation go. Rules are never changed, only replaced.")
class ReviewPolicy:
    """The rules."""

    row: strawberry.Private[PolicyRow | None]
    number: int = told("Counts the rules of the evaluation, from 1; 0 while Evalium's own hold.")
    due_days: int = told(DUE)
    lease_seconds: int = told(LEASE)
    is_blind: bool = told(BLIND)
    second_when_high_stakes: bool = told(HIGH_STAKES)
    second_near: Decimal | None = told(NEAR)
    sample_percent: int = told(SAMPLE)
    sample_at_least: int = told(AT_LEAST)
    tolerance_percent: Decimal = told(TOLERANCE)
    boundaries: list[Decimal] = told(BOUNDARIES)
    agreed_by: AgreedBy = told(BY)
    inquiry_days: int = told(INQUIRY)
    set_at: datetime | None = told("When they were set; null while Evalium's own hold.")
    reason: str | None = told("Why they were set; null while Evalium's own hold.")

    @strawberry.field(description="Who set them; null while Evalium's own hold.")
    async def set_by(self, info: Info) -> User | None:
        """Show who set them."""
        who = None if self.row is None else self.row.set_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: PolicyRow | None) -> "ReviewPolicy":
        """Show the rules."""
        policy = rules.read(row)
        return cls(
            row=row,
            number=0 if row is None else row.number,
            due_days=policy.due_days,
            lease_seconds=policy.lease_seconds,
            is_blind=policy.is_blind,
            second_when_high_stakes=policy.second_when_high_stakes,
            second_near=policy.second_near,
            sample_percent=policy.sample_percent,
            sample_at_least=policy.sample_at_least,
            tolerance_percent=policy.tolerance_percent,
            boundaries=list(policy.boundaries),
            agreed_by=policy.agreed_by,
            inquiry_days=policy.inquiry_days,
            set_at=None if row is None else row.created_at,
            reason=None if row is None else row.reason,
        )


@strawberry.input(description="Rules to set; what is left out is as Evalium has it by itself.")
class ReviewRulesInput:
    """The rules."""

    due_days: int = told(DUE, default=7)
    lease_seconds: int = told(LEASE, default=1800)
    is_blind: bool = told(BLIND, default=True)
    second_when_high_stakes: bool = told(HIGH_STAKES, default=False)
    second_near: Decimal | None = told(NEAR, default=None)
    sample_percent: int = told(SAMPLE, default=0)
    sample_at_least: int = told(AT_LEAST, default=0)
    tolerance_percent: Decimal = told(TOLERANCE, default=Decimal(5))
    boundaries: list[Decimal] = strawberry.field(description=BOUNDARIES, default_factory=list)
    agreed_by: AgreedBy = told(BY, default=AgreedBy.AVERAGE)
    inquiry_days: int = told(INQUIRY, default=0)

    def plain(self) -> Policy:
        """Return the rules; refuse what is out of bounds."""
        given: dict[str, Any] = asdict(self)
        return read(Policy, given | {"boundaries": tuple(self.boundaries)}, ["rules"])


@strawberry.input(description="Rules for an evaluation.")
class ReviewPolicySetInput:
    """For which evaluation, and why."""

    evaluation_id: strawberry.ID = told("Global id of the evaluation.")
    rules: ReviewRulesInput = told("The rules. They hold for what is handed in from now on.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="Rules that were set, or not.")
class ReviewPolicySetPayload:
    """Answer of `reviewPolicySet`."""

    policy: ReviewPolicy | None = told("The rules in force now; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class ReviewsPolicyQuery:
    """The rules."""

    @ask(reviews_policy.of_evaluation, "By which rules reviews of what is handed in now go.")
    async def review_policy(
        self, info: Info, evaluation_id: Annotated[strawberry.ID, says("Global id of the evaluation.")]
    ) -> ReviewPolicy:
        """Show the rules."""
        return ReviewPolicy.of(
            await reviews_policy.of_evaluation(info.context, looked_for("Evaluation", evaluation_id))
        )


@strawberry.type
class ReviewsPolicyMutation:
    """Setting the rules."""

    @act(reviews_policy.put, "Set the rules for what is handed in from now on; open reviews go on by theirs.")
    async def review_policy_set(
        self, info: Info, input: Annotated[ReviewPolicySetInput, says("The rules, and why.")]
    ) -> ReviewPolicySetPayload:
        """Set the rules."""

        async def put() -> ReviewPolicy:
            evaluation_id = local_id("Evaluation", input.evaluation_id, path=["evaluationId"])
            wanted, key = input.rules.plain(), input.idempotency_key
            return ReviewPolicy.of(await reviews_policy.put(info.context, evaluation_id, wanted, input.reason, key))

        policy, problems = await attempt(put())
        return ReviewPolicySetPayload(policy=policy, problems=problems)
