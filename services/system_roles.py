"""The roles that every tenant has, undeletable and not editable (domain.md section 3)."""

from dataclasses import dataclass

from models.capabilities import Capability

C = Capability


@dataclass(frozen=True, slots=True)
class SystemRole:
    """A role that comes with the tenant."""

    key: str
    name: str
    description: str
    capabilities: frozenset[Capability]


_READ = {
    C.USERS_READ,
    C.ROLES_READ,
    C.QUESTIONS_READ,
    C.EVALUATIONS_READ,
    C.ASSIGNMENTS_READ,
    C.ASSIGNMENTS_MONITOR,
    C.SESSIONS_READ,
    C.SUBMISSIONS_READ,
    C.PROGRAMMES_READ,
    C.REPORTS_READ,
    C.EVIDENCE_READ,
    C.STATISTICS_READ,
}
_SEE = {C.EVALUATIONS_READ, C.ASSIGNMENTS_READ, C.PROGRAMMES_READ}


def _role(key: str, name: str, description: str, capabilities: set[Capability]) -> SystemRole:
    return SystemRole(key, name, description, frozenset(capabilities))


SYSTEM_ROLES: tuple[SystemRole, ...] = (
    _role("tenant_admin", "Tenant Admin", "Everything in the tenant.", set(C)),
    _role(
        "author",
        "Author",
        "Writes and publishes questions and evaluations.",
        _SEE
        | {
            C.QUESTIONS_READ,
            C.QUESTIONS_WRITE,
            C.QUESTIONS_PUBLISH,
            C.EVALUATIONS_WRITE,
            C.EVALUATIONS_PUBLISH,
            C.REPORTS_READ,
            C.STATISTICS_READ,
        },
    ),
    _role(
        "assessor",
        "Assessor",
        "Grades what people handed in.",
        _SEE
        | {
            C.QUESTIONS_READ,
            C.SESSIONS_READ,
            C.SUBMISSIONS_READ,
            C.REVIEWS_GRADE,
            C.EVIDENCE_READ,
            C.EVIDENCE_RECORD,
            C.EVIDENCE_DECIDE,
        },
    ),
    _role(
        "proctor",
        "Proctor",
        "Watches sessions live and acts on them.",
        _SEE | {C.ASSIGNMENTS_MONITOR, C.SESSIONS_READ, C.SESSIONS_PROCTOR},
    ),
    _role(
        "programme_manager",
        "Programme Manager",
        "Issues assignments and runs programmes.",
        _SEE
        | {
            C.USERS_READ,
            C.ASSIGNMENTS_ISSUE,
            C.ASSIGNMENTS_MONITOR,
            C.ASSIGNMENTS_OVERRIDE,
            C.ACCOMMODATIONS_READ,
            C.ACCOMMODATIONS_MANAGE,
            C.SESSIONS_READ,
            C.SUBMISSIONS_READ,
            C.PROGRAMMES_MANAGE,
            C.MESSAGES_READ,
            C.INVITATIONS_COPY_LINK,
            C.REPORTS_READ,
            C.STATISTICS_READ,
            C.SCHEDULES_MANAGE,
            C.ROOMS_MANAGE,
            C.REVIEWS_CONFIGURE,
            C.RESULTS_RELEASE,
            C.SCORES_CORRECT,
            C.EVIDENCE_READ,
        },
    ),
    _role(
        "auditor",
        "Auditor",
        "Reads everything, the ledger included, and changes nothing.",
        _READ | {C.ACTIVITY_READ, C.ACTIVITY_EXPORT, C.MESSAGES_READ, C.ACCOMMODATIONS_READ},
    ),
    _role("viewer", "Viewer", "Sees which evaluations and assignments there are.", set(_SEE)),
    _role(
        "billing_admin",
        "Billing Admin",
        "Billing and the list of people, nothing else.",
        {C.USERS_READ, C.BILLING_MANAGE},
    ),
    _role(
        "integrator",
        "Integrator",
        "Connects other systems: issues and reads results.",
        _READ | {C.ASSIGNMENTS_ISSUE, C.TOKENS_MANAGE, C.EVIDENCE_RECORD},
    ),
)
