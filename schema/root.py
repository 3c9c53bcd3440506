"""The schema, assembled: one line per subject."""

from strawberry.tools import merge_types

from schema.assignments import AssignmentsQuery
from schema.assignments_acts import AssignmentsMutation
from schema.authoring import AuthoringMutation, AuthoringQuery
from schema.errors import EvaliumSchema
from schema.identity import IdentityQuery
from schema.my_session import MySessionMutation, MySessionQuery
from schema.node_query import NodeQuery
from schema.problems import CASES
from schema.question_keys import KEYS
from schema.sessions import SessionsQuery
from schema.streams import EVENT_TYPES, StreamsQuery, StreamsSubscription
from schema.submissions import SubmissionsQuery

Query = merge_types(
    "Query",
    (
        IdentityQuery,
        NodeQuery,
        AuthoringQuery,
        AssignmentsQuery,
        SessionsQuery,
        SubmissionsQuery,
        StreamsQuery,
        MySessionQuery,
    ),
)
Mutation = merge_types("Mutation", (AuthoringMutation, AssignmentsMutation, MySessionMutation))
Subscription = merge_types("Subscription", (StreamsSubscription,))

schema = EvaliumSchema(Query, Mutation, Subscription, types=[*CASES, *KEYS, *EVENT_TYPES.values()])
