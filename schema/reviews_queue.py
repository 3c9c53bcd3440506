"""The queue of reviews: which are wanted, in which order, and one by its id."""

from typing import Annotated
from uuid import UUID

import strawberry

from resolvers import reviews
from resolvers.context import Context
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, OrderDirection, connect
from schema.nodes import local_id, looked_for
from schema.reviews import ReviewTask
from schema.reviews_enums import ReviewOrder, ShownState
from services.paging import PageRequest
from services.refusals import BadUserInput
from services.reviews_queue import Filter, SortedBy

LONGEST_OUTLOOK_DAYS = 365
NOBODY = UUID(int=0)
"""Who has no review in hand: a token that is nobody's own."""


@strawberry.input(description="Which reviews are wanted; what is left out does not narrow.")
class ReviewTaskFilter:
    """Filter of `reviewTasks` and `reviewClaimNext`."""

    assignment_id: strawberry.ID | None = told("Only submissions to this assignment.", default=None)
    evaluation_id: strawberry.ID | None = told("Only submissions to versions of this evaluation.", default=None)
    run_label: str | None = told("Only submissions to assignments with this run label.", default=None)
    state: list[ShownState] | None = told("Only reviews that are one of these now.", default=None)
    due_within_days: int | None = told(
        f"Only what is due within so many days, the overdue included: 0 to {LONGEST_OUTLOOK_DAYS}.", default=None
    )
    is_mine: bool | None = told("True: only what the caller has in hand.", default=None)
    is_unclaimed: bool | None = told("True: only what nobody has in hand; false: only what somebody has.", default=None)
    programme_id: strawberry.ID | None = told("Only submissions for this programme, whichever version.", default=None)
    org_unit_id: strawberry.ID | None = told(
        "Only submissions in this org unit, for a token that spans several.", default=None
    )

    def plain(self, context: Context) -> Filter:
        """Return the filter as the service reads it."""
        days = self.due_within_days
        if days is not None and not 0 <= days <= LONGEST_OUTLOOK_DAYS:
            raise BadUserInput(f"dueWithinDays is {days}; it is 0 to {LONGEST_OUTLOOK_DAYS}.")
        assignment, evaluation, programme = self.assignment_id, self.evaluation_id, self.programme_id
        unit = self.org_unit_id
        return Filter(
            None if assignment is None else local_id("Assignment", assignment, path=["filter", "assignmentId"]),
            None if evaluation is None else local_id("Evaluation", evaluation, path=["filter", "evaluationId"]),
            self.run_label,
            self.state,
            days,
            (context.viewer.user_id or NOBODY) if self.is_mine else None,
            self.is_unclaimed,
            None if programme is None else local_id("Programme", programme, path=["filter", "programmeId"]),
            None if unit is None else local_id("OrgUnit", unit, path=["filter", "orgUnitId"]),
        )


@strawberry.input(description="One column of the order of reviews.")
class ReviewOrderInput:
    """Order of `reviewTasks`."""

    field: ReviewOrder = told("By what to sort.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.type
class ReviewsQuery:
    """Queries about reviews."""

    @ask(reviews.review_task, "One review; null when there is none to be seen.")
    async def review_task(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the review.")]
    ) -> ReviewTask | None:
        """Show a review."""
        row = await reviews.review_task(info.context, looked_for("ReviewTask", id))
        return row and ReviewTask.of(row)

    @ask(reviews.review_tasks, "The queue of reviews of the org unit; without an order what is due first.")
    async def review_tasks(
        self,
        info: Info,
        filter: Annotated[ReviewTaskFilter | None, says("Which are wanted.")] = None,
        order_by: Annotated[list[ReviewOrderInput] | None, says("In which order, first column first.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReviewTask]:
        """List reviews."""
        wanted = (filter or ReviewTaskFilter()).plain(info.context)
        order = [SortedBy(one.field, descending=one.direction is OrderDirection.DESC) for one in order_by or []]
        page = PageRequest(first, after, last, before)
        return connect(await reviews.review_tasks(info.context, wanted, order, page), ReviewTask.of)
