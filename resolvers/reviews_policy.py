"""The rules of reviews."""

from uuid import UUID

from dataloaders import reviews as loaders
from models.capabilities import Capability
from models.reviews_policy import ReviewPolicy
from resolvers.access import requires
from resolvers.context import Context
from services import reviews_policy
from services.idempotency import Answer
from services.reviews_policy import Policy
from services.work import Work


@requires(Capability.SUBMISSIONS_READ)
async def of_evaluation(context: Context, evaluation_id: UUID | None) -> ReviewPolicy | None:
    """Return the rules in force for an evaluation; None while nobody set any."""
    return None if evaluation_id is None else await context.loaders.of(loaders.policy_of_evaluation).load(evaluation_id)


@requires(Capability.REVIEWS_CONFIGURE)
async def put(
    context: Context, evaluation_id: UUID, wanted: Policy, reason: str, key: str | None
) -> ReviewPolicy | None:
    """Set the rules of an evaluation."""

    async def act(work: Work) -> Answer:
        return await reviews_policy.put(work, evaluation_id, wanted, reason)

    given = {"evaluation": str(evaluation_id), "policy": wanted.model_dump(mode="json"), "reason": reason}
    answer = await context.write("reviewPolicySet", key, given, act)
    return await context.loaders.of(loaders.policy).load(UUID(answer["policy"]))
