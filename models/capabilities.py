"""The closed set of capabilities: what somebody may do, named noun.verb (domain.md section 3)."""

from enum import StrEnum


class Capability(StrEnum):
    """One right. Roles hold capabilities, people hold roles, and a field of the API declares which one it needs."""

    USERS_READ = "users.read"
    USERS_MANAGE = "users.manage"
    ROLES_READ = "roles.read"
    ROLES_MANAGE = "roles.manage"
    TOKENS_MANAGE = "tokens.manage"
    BILLING_MANAGE = "billing.manage"
    QUESTIONS_READ = "questions.read"
    QUESTIONS_WRITE = "questions.write"
    QUESTIONS_PUBLISH = "questions.publish"
    EVALUATIONS_READ = "evaluations.read"
    EVALUATIONS_WRITE = "evaluations.write"
    EVALUATIONS_PUBLISH = "evaluations.publish"
    ASSIGNMENTS_READ = "assignments.read"
    ASSIGNMENTS_ISSUE = "assignments.issue"
    ASSIGNMENTS_MONITOR = "assignments.monitor"
    SESSIONS_READ = "sessions.read"
    SESSIONS_PROCTOR = "sessions.proctor"
    SESSIONS_TECHNICAL_DETAILS = "sessions.technical_details"
    SUBMISSIONS_READ = "submissions.read"
    REVIEWS_GRADE = "reviews.grade"
    PROGRAMMES_READ = "programmes.read"
    PROGRAMMES_MANAGE = "programmes.manage"
    ACTIVITY_READ = "activity.read"
    MESSAGES_READ = "messages.read"
    MESSAGES_MANAGE = "messages.manage"
    JOBS_MANAGE = "jobs.manage"
    ACTIVITY_EXPORT = "activity.export"
    ASSIGNMENTS_OVERRIDE = "assignments.override"
    ACCOMMODATIONS_READ = "accommodations.read"
    ACCOMMODATIONS_MANAGE = "accommodations.manage"
    POLICY_MANAGE = "policy.manage"
    INVITATIONS_COPY_LINK = "invitations.copy_link"
    REPORTS_READ = "reports.read"
    SCHEDULES_MANAGE = "schedules.manage"
    REVIEWS_REASSIGN = "reviews.reassign"
    REVIEWS_ADJUDICATE = "reviews.adjudicate"
    REVIEWS_UNBLIND = "reviews.unblind"
    REVIEWS_CONFIGURE = "reviews.configure"
    RESULTS_RELEASE = "results.release"
    ROOMS_PROCTOR = "rooms.proctor"
    ROOMS_MANAGE = "rooms.manage"
    SCORES_CORRECT = "scores.correct"
    EVIDENCE_READ = "evidence.read"
    EVIDENCE_RECORD = "evidence.record"
    EVIDENCE_DECIDE = "evidence.decide"
    STATISTICS_READ = "statistics.read"
    CREDENTIALS_MANAGE = "credentials.manage"


DESCRIPTIONS: dict[Capability, str] = {
    Capability.USERS_READ: "See the people of the tenant, their org units and groups.",
    Capability.USERS_MANAGE: "Invite, change, suspend and reactivate people.",
    Capability.ROLES_READ: "See roles and what they hold.",
    Capability.ROLES_MANAGE: "Create and change roles, and grant them.",
    Capability.TOKENS_MANAGE: "Create, list and revoke service tokens, which hold at most what their creator holds.",
    Capability.BILLING_MANAGE: "See and change the tenant's billing.",
    Capability.QUESTIONS_READ: "Read questions with their answer keys.",
    Capability.QUESTIONS_WRITE: "Write and change drafts of questions, and import question pools.",
    Capability.QUESTIONS_PUBLISH: "Publish a question version, which freezes it.",
    Capability.EVALUATIONS_READ: "Read evaluations and their versions.",
    Capability.EVALUATIONS_WRITE: "Compose and change drafts of evaluations.",
    Capability.EVALUATIONS_PUBLISH: "Publish an evaluation version, which freezes it.",
    Capability.ASSIGNMENTS_READ: "See assignments and their invitations.",
    Capability.ASSIGNMENTS_ISSUE: "Issue an evaluation to people, and close an assignment.",
    Capability.ASSIGNMENTS_MONITOR: "Watch an assignment's candidates, live and afterwards.",
    Capability.SESSIONS_READ: "Read one session and its timeline.",
    Capability.SESSIONS_PROCTOR: "Act on a running session.",
    Capability.SESSIONS_TECHNICAL_DETAILS: "See raw technical signals of a session.",
    Capability.SUBMISSIONS_READ: "Read submissions, answers and scores.",
    Capability.REVIEWS_GRADE: "Grade subjective items.",
    Capability.PROGRAMMES_READ: "See programmes and enrolments.",
    Capability.PROGRAMMES_MANAGE: "Define programmes and enrol people.",
    Capability.ACTIVITY_READ: "Read the activity ledger.",
    Capability.MESSAGES_READ: "See the mails that were sent, what became of them, and the templates.",
    Capability.MESSAGES_MANAGE: "Change the templates of mails.",
    Capability.JOBS_MANAGE: "See background jobs that were given up, and have them tried again.",
    Capability.ACTIVITY_EXPORT: "Export the activity ledger, and have checkpoints of it signed.",
    Capability.ASSIGNMENTS_OVERRIDE: "Change the limits of a person or a group on an assignment, with a reason.",
    Capability.ACCOMMODATIONS_READ: "See what people need in every assessment, such as more time.",
    Capability.ACCOMMODATIONS_MANAGE: "Write down what people need in every assessment.",
    Capability.POLICY_MANAGE: "Change the tenant's default limits.",
    Capability.INVITATIONS_COPY_LINK: "Copy the link of somebody's invitation, which the ledger tells of.",
    Capability.REPORTS_READ: "See the figures of cohorts: how many passed, scores and time used, never who.",
    Capability.ROOMS_PROCTOR: "See the sessions in the rooms that one is assigned to, and act on them; no others.",
    Capability.ROOMS_MANAGE: "Make rooms, assign their proctors, and put sessions and candidates into them.",
    Capability.REVIEWS_REASSIGN: "Take over a review that somebody else has in hand, and reopen one, with a reason.",
    Capability.REVIEWS_ADJUDICATE: "Decide between two reviewers who do not agree.",
    Capability.REVIEWS_UNBLIND: "See the marks of others while a second opinion is still to be given blindly.",
    Capability.RESULTS_RELEASE: "Keep results back from candidates, and release them.",
    Capability.REVIEWS_CONFIGURE: "Set the rules of reviews: leases, second opinions, samples and agreement.",
    Capability.SCORES_CORRECT: "Void questions, correct keys and points, and have the scores follow; and undo it.",
    Capability.EVIDENCE_READ: "See the files that belong to submissions, and download them.",
    Capability.EVIDENCE_RECORD: "Upload files to submissions, record them as evidence, and amend what was recorded.",
    Capability.EVIDENCE_DECIDE: "Approve, reject and void evidence, and have its files verified.",
    Capability.STATISTICS_READ: "See how questions and markers measure: difficulty, discrimination, severity.",
    Capability.CREDENTIALS_MANAGE: "See the keys that sign credentials of certificates, and rotate them.",
    Capability.SCHEDULES_MANAGE: "Plan what is issued again and again, and pause, skip or run it.",
}
