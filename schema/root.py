"""The schema, assembled: one line per subject."""

from uuid import UUID

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema.access_explain import AccessExplainQuery
from schema.accommodations import AccommodationsMutation, AccommodationsQuery
from schema.activity import ActivityMutation, ActivityQuery
from schema.assignments import AssignmentsQuery
from schema.assignments_acts import AssignmentsMutation
from schema.assignments_issue import AssignmentsIssueMutation, AssignmentsIssueQuery
from schema.assignments_templates import AssignmentsTemplatesMutation, AssignmentsTemplatesQuery
from schema.attention_acts import AttentionMutation, AttentionQuery
from schema.authoring import AuthoringMutation, AuthoringQuery
from schema.certificates import CertificatesQuery
from schema.certificates_acts import CertificatesMutation
from schema.cohorts import CohortsQuery
from schema.corrections import CorrectionsQuery
from schema.corrections_acts import CorrectionsMutation
from schema.credential_keys import CredentialKeysMutation, CredentialKeysQuery
from schema.errors import EvaliumSchema
from schema.evidence import EvidenceQuery
from schema.evidence_acts import EvidenceMutation
from schema.identity import IdentityQuery
from schema.incidents import IncidentsQuery
from schema.incidents_acts import IncidentsMutation
from schema.invitations_acts import InvitationsMutation
from schema.jobs import JobsMutation, JobsQuery
from schema.live_sessions import LiveSessionsQuery, LiveSessionsSubscription
from schema.lockdown_acts import LockdownMutation
from schema.messages import MessagesMutation, MessagesQuery
from schema.mine import MineQuery
from schema.my_session import MySessionMutation, MySessionQuery
from schema.my_session_reconnect import MySessionReconnectMutation
from schema.my_session_stream import MySessionSubscription
from schema.my_uploads import MyUploadsMutation
from schema.node_query import NodeQuery
from schema.org_units_acts import GroupsMutation, OrgUnitsMutation
from schema.overrides import OverridesQuery
from schema.overrides_acts import OverridesMutation
from schema.policy_defaults import PolicyMutation, PolicyQuery
from schema.problems import CASES
from schema.programmes import ProgrammesQuery
from schema.programmes_acts import ProgrammesMutation
from schema.programmes_badge import ProgrammesBadgeMutation
from schema.programmes_enrolments import ProgrammeEnrolmentsQuery
from schema.programmes_enrolments_acts import ProgrammeEnrolmentsMutation, ProgrammeEnrolQuery
from schema.programmes_stream import ProgrammesStreamQuery, ProgrammesStreamSubscription
from schema.public_links import PublicLinksMutation
from schema.question_keys import KEYS
from schema.results import ResultsMutation
from schema.reviews_acts import ReviewsMutation
from schema.reviews_decisions import ReviewsDecisionsMutation
from schema.reviews_policy import ReviewsPolicyMutation, ReviewsPolicyQuery
from schema.reviews_queue import ReviewsQuery
from schema.reviews_stream import ReviewsStreamQuery, ReviewsStreamSubscription
from schema.roles import RolesQuery
from schema.roles_acts import RolesMutation
from schema.rooms import RoomsQuery, RoomsSubscription
from schema.rooms_acts import RoomsMutation
from schema.schedules import SchedulesQuery
from schema.schedules_acts import SchedulesMutation
from schema.service_tokens import ServiceTokensMutation, ServiceTokensQuery
from schema.session_events import EVENT_TYPES
from schema.sessions import SessionsQuery
from schema.sessions_acts import SessionsActsMutation
from schema.sign_ins import SignInsMutation, SignInsQuery
from schema.statistics import StatisticsQuery
from schema.streams import StreamsQuery, StreamsSubscription
from schema.submissions import SubmissionsQuery
from schema.uploads import UploadsMutation
from schema.users import UsersQuery
from schema.users_acts import UsersMutation

UUID_SCALAR = strawberry.scalar(
    name="UUID",
    description="A UUID in its usual form of 36 characters.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
    serialize=str,
    parse_value=UUID,
)

Query = merge_types(
    "Query",
    (
        IdentityQuery,
        UsersQuery,
        RolesQuery,
        AccessExplainQuery,
        NodeQuery,
        AuthoringQuery,
        AssignmentsQuery,
        AssignmentsIssueQuery,
        AssignmentsTemplatesQuery,
        SchedulesQuery,
        ProgrammesQuery,
        ProgrammeEnrolmentsQuery,
        ProgrammeEnrolQuery,
        CertificatesQuery,
        ProgrammesStreamQuery,
        OverridesQuery,
        IncidentsQuery,
        AccommodationsQuery,
        PolicyQuery,
        SessionsQuery,
        AttentionQuery,
        SubmissionsQuery,
        ReviewsQuery,
        ReviewsPolicyQuery,
        ReviewsStreamQuery,
        CorrectionsQuery,
        EvidenceQuery,
        RoomsQuery,
        LiveSessionsQuery,
        CohortsQuery,
        StatisticsQuery,
        StreamsQuery,
        MySessionQuery,
        MineQuery,
        MessagesQuery,
        JobsQuery,
        SignInsQuery,
        ServiceTokensQuery,
        CredentialKeysQuery,
        ActivityQuery,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        UsersMutation,
        OrgUnitsMutation,
        GroupsMutation,
        RolesMutation,
        AuthoringMutation,
        AssignmentsMutation,
        AssignmentsIssueMutation,
        InvitationsMutation,
        PublicLinksMutation,
        AssignmentsTemplatesMutation,
        SchedulesMutation,
        ProgrammesMutation,
        ProgrammesBadgeMutation,
        ProgrammeEnrolmentsMutation,
        CertificatesMutation,
        OverridesMutation,
        IncidentsMutation,
        LockdownMutation,
        SessionsActsMutation,
        AccommodationsMutation,
        PolicyMutation,
        AttentionMutation,
        MySessionMutation,
        ReviewsMutation,
        ReviewsDecisionsMutation,
        ResultsMutation,
        ReviewsPolicyMutation,
        CorrectionsMutation,
        UploadsMutation,
        MyUploadsMutation,
        EvidenceMutation,
        RoomsMutation,
        MySessionReconnectMutation,
        MessagesMutation,
        JobsMutation,
        SignInsMutation,
        ServiceTokensMutation,
        CredentialKeysMutation,
        ActivityMutation,
    ),
)
Subscription = merge_types(
    "Subscription",
    (
        StreamsSubscription,
        MySessionSubscription,
        RoomsSubscription,
        LiveSessionsSubscription,
        ReviewsStreamSubscription,
        ProgrammesStreamSubscription,
    ),
)

schema = EvaliumSchema(
    Query,
    Mutation,
    Subscription,
    types=[*CASES, *KEYS, *EVENT_TYPES.values()],
    config=StrawberryConfig(scalar_map={UUID: UUID_SCALAR}),
)
