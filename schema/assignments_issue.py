"""Issuing: drafts, the preview of everything that would be sent, and the issue itself."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from models.assignments import AssignmentDraft as DraftRow
from resolvers import assignments_issue, assignments_templates, authoring, identity
from resolvers.assignments_issue import Issued, IssuedRow, Wanted
from schema.access import Info, act, ask, preview, says, told
from schema.assignments import Assignment, Invitation
from schema.assignments_templates import AssignmentTemplate
from schema.assignments_terms import AssignmentTermsInput
from schema.authoring_evaluations import EvaluationVersion
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.lockdown import LockdownKeysInput
from schema.nodes import Node, global_id, local_id, looked_for
from schema.policy import FeedbackMode, Limits, SecurityLevel
from schema.problems import Problem, Refused, attempt, problem_of
from schema.public_links import PublicLinkInput
from schema.users_acts import KEY
from services import security
from services.assignments_drafts import Content
from services.assignments_preview import SAMPLE, Preview, WarningKind
from services.assignments_preview import IssueWarning as Warned
from services.assignments_recipients import Resolved
from services.assignments_terms import Terms, terms_of
from services.paging import PageRequest
from services.policy import LONGEST_LIMIT_SECONDS
from services.refusals import InvalidInput, NobodyToInvite, Refusal

closed_set(
    WarningKind,
    "IssueWarningKind",
    "What somebody should know before sending.",
    {
        WarningKind.GROUP_EMPTY: "A group has nobody who would be invited now.",
        WarningKind.ROWS_REFUSED: "Some recipients cannot be invited; the others are.",
        WarningKind.OPENS_AT_ONCE: "The window opened in the past.",
        WarningKind.WINDOW_SHORTER_THAN_LIMIT: "The window is shorter than the time limit.",
        WarningKind.NO_DEADLINE: "The window does not close.",
        WarningKind.ALREADY_ISSUED: "Some of the people have an active assignment of the same version.",
        WarningKind.LOCKDOWN_WITHOUT_KEYS: "A lockdown browser is required; none can be proven until it has keys.",
    },
)


@strawberry.type(description="Something to know before sending; it can be sent all the same.")
class IssueWarning:
    """A warning."""

    kind: WarningKind = told("What it is about.")
    message: str = told("A sentence that says it.")

    @classmethod
    def of(cls, warning: Warned) -> "IssueWarning":
        """Show a warning."""
        return cls(kind=warning.kind, message=warning.message)


@strawberry.type(description="Somebody who would be invited.")
class PreviewedRecipient:
    """A person of a preview."""

    email: str = told("The address.")
    display_name: str = told("The name; the address for somebody who is new.")
    is_new: bool = told("True when a person would be made for the address.")

    @classmethod
    def of(cls, person: Resolved) -> "PreviewedRecipient":
        """Show a person."""
        return cls(email=person.email, display_name=person.name, is_new=person.user_id is None)


@strawberry.type(description="A recipient who would not be invited, and why.")
class PreviewedProblem:
    """A row that is refused."""

    index: int = told("Place of the recipient in the input, from 0.")
    problem: Problem = told("Why.")


@strawberry.type(description="Everything to see before sending. Nothing was changed.")
class AssignmentPreview:
    """Answer of `assignmentPreview`."""

    found: strawberry.Private[Preview]
    recipient_count: int = told("How many people would be invited, members of groups included.")
    sample: list[PreviewedRecipient] = told(f"The first {SAMPLE} of them.")
    refused: list[PreviewedProblem] = told("The recipients who would not be invited.")
    name: str | None = told("Name for staff; null while it is not known what is issued.")
    run_label: str | None = told("Groups the results in reports; null while it is not known what is issued.")
    valid_from: datetime | None = told("When the window would open; null for at once.")
    valid_until: datetime | None = told("When it would close; null for never.")
    limits: Limits | None = told("The limits of everybody, each with its source; null while they are not known.")
    security_level: SecurityLevel | None = told("How strictly it would be supervised.")
    security_meaning: list[str] = told("What that means, one sentence for each measure.")
    warnings: list[IssueWarning] = told("What to know before sending.")
    problems: list[Problem] = told("Why nothing would be sent; empty when `assignmentIssue` would send.")

    @strawberry.field(description="What would be issued; null while it is not known.")
    def evaluation_version(self) -> EvaluationVersion | None:
        """Show the version."""
        return self.found.version and EvaluationVersion.of(self.found.version)

    @classmethod
    def of(cls, found: Preview) -> "AssignmentPreview":
        """Show a preview."""
        people, row = found.people, found.assignment
        config = None if found.policy is None else found.policy.security.value
        refused = [(index, one) for index, one in enumerate(found.rows) if isinstance(one, Refusal)]
        return cls(
            found=found,
            recipient_count=len(people),
            sample=[PreviewedRecipient.of(one) for one in people[:SAMPLE]],
            refused=[PreviewedProblem(index=index, problem=problem_of(one)) for index, one in refused],
            name=row and row.name,
            run_label=row and row.run_label,
            valid_from=row and row.valid_from,
            valid_until=row and row.valid_until,
            limits=found.policy and Limits.of(found.policy),
            security_level=config and config.level,
            security_meaning=[] if config is None else security.meaning(config),
            warnings=[IssueWarning.of(one) for one in found.warnings],
            problems=[problem_of(one) for one in found.problems],
        )

    @classmethod
    def refused_with(cls, problems: list[Problem]) -> "AssignmentPreview":
        """Show why there is nothing to preview."""
        shown = cls.of(Preview())
        shown.problems = problems
        return shown


@strawberry.type(description="What may become an assignment. Nobody but staff sees it, and nothing of it counts.")
class AssignmentDraft(Node):
    """A draft."""

    row: strawberry.Private[DraftRow]
    terms: strawberry.Private[Terms]
    name: str | None = told("Name for staff, where one was given.")
    recipient_count: int = told("How many recipients are named; a group counts as one.")
    valid_from: datetime | None = told("When the window would open; null for at once.")
    valid_until: datetime | None = told("When it would close; null for never.")
    allowed_attempts: int | None = told("How often each person may sit it; null when that is decided elsewhere.")
    time_limit_seconds: int | None = told(
        f"Working time in seconds, 1 to {LONGEST_LIMIT_SECONDS}; null when that is decided elsewhere."
    )
    feedback_mode: FeedbackMode | None = told("What candidates are told; null when that is decided elsewhere.")
    run_label: str | None = told("Groups the results; null to be made from title and quarter.")
    created_at: datetime = told("When it was begun.")
    changed_at: datetime = told("When it was saved last.")
    version: int = told("Counts the changes, for `expectedVersion`.")

    @ask(authoring.evaluation_version, "What would be issued; null while nothing is chosen.")
    async def evaluation_version(self, info: Info) -> EvaluationVersion | None:
        """Show the version."""
        version_id = self.terms.evaluation_version_id
        row = None if version_id is None else await authoring.evaluation_version(info.context, version_id)
        return row and EvaluationVersion.of(row)

    @ask(assignments_templates.template, "The template that it fills itself from; null when there is none.")
    async def template(self, info: Info) -> AssignmentTemplate | None:
        """Show the template."""
        row = await assignments_templates.template(info.context, self.terms.template_id)
        return row and AssignmentTemplate.of(row)

    @strawberry.field(description="Who began it; null when Evalium itself did.")
    async def created_by(self, info: Info) -> User | None:
        """Show who began it."""
        who = self.row.created_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: DraftRow) -> "AssignmentDraft":
        """Show a draft."""
        terms = terms_of(row.terms)
        return cls(
            row=row,
            terms=terms,
            id=global_id("AssignmentDraft", row.id),
            uuid=row.id,
            name=terms.name,
            recipient_count=row.recipient_count,
            valid_from=terms.valid_from,
            valid_until=terms.valid_until,
            allowed_attempts=terms.allowed_attempts,
            time_limit_seconds=terms.time_limit_seconds,
            feedback_mode=None if terms.feedback_mode is None else FeedbackMode(terms.feedback_mode),
            run_label=terms.run_label,
            created_at=row.created_at,
            changed_at=row.changed_at,
            version=row.version,
        )


@strawberry.input(description="What to issue, to whom, when, and under which limits: said here, or a draft as saved.")
class AssignmentIssueInput(AssignmentTermsInput):
    """What to issue."""

    draft_id: strawberry.ID | None = told(
        "Global id of a draft, which is issued as it was saved and then gone; the other fields must be left out.",
        default=None,
    )
    expected_version: int | None = told("Version of the draft that was looked at; any when left out.", default=None)
    public_link: PublicLinkInput | None = told(
        "A public link to make along with it; then no recipients are needed.", default=None
    )
    lockdown: LockdownKeysInput | None = told(
        "The keys of Safe Exam Browser that count for it, where a lockdown browser is required.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)

    def wanted(self) -> Wanted:
        """Return what is to be issued as the service reads it; refuse a draft with something beside it."""
        content = self.content()
        public = None if self.public_link is None else self.public_link.plain()
        keys = None if self.lockdown is None else self.lockdown.plain()
        if self.draft_id is None:
            return Wanted(content, public_link=public, lockdown=keys)
        if content != Content(Terms(), []):
            raise InvalidInput(
                "A draft is issued as it was saved.",
                path=["draftId"],
                hint="Save the changes with assignmentDraftSave first, or leave out `draftId`.",
            )
        draft_id = local_id("AssignmentDraft", self.draft_id, path=["draftId"])
        return Wanted(content, draft_id, self.expected_version, public, keys)


@strawberry.input(description="A draft to keep.")
class AssignmentDraftSaveInput(AssignmentTermsInput):
    """A draft."""

    id: strawberry.ID | None = told("Global id of the draft to write anew; a new one when left out.", default=None)
    expected_version: int | None = told("Version that the change was decided on; any when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A draft to remove.")
class AssignmentDraftDeleteInput:
    """Which draft."""

    id: strawberry.ID = told("Global id of the draft.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one recipient.")
class AssignmentIssueResult:
    """A row of the result."""

    issued: strawberry.Private[IssuedRow | None]
    index: int = told("Place of the recipient in the input, from 0; `addresses` follow `recipients`.")
    recipient: str = told("The recipient as given: the address, or the global id.")
    invited_count: int = told("How many people were invited: 1, or the members of a group.")
    problems: list[Problem] = told("Why nobody was invited; empty when somebody was, or could be.")

    @strawberry.field(description="The invitation; null for a group, and when there is none.")
    def invitation(self) -> Invitation | None:
        """Show the invitation."""
        invited = None if self.issued is None else self.issued.invited
        return invited and Invitation.of(invited)

    @strawberry.field(description="What the recipient redeems with `invitationRedeem`: hand it to nobody else.")
    def invitation_token(self, info: Info) -> str | None:
        """Show the token."""
        invited = None if self.issued is None else self.issued.invited
        return invited and assignments_issue.token(info.context, invited)

    @classmethod
    def of(cls, index: int, row: IssuedRow) -> "AssignmentIssueResult":
        """Show what became of a row."""
        problems: list[Problem] = [] if row.problem is None else [Refused(**row.problem)]
        return cls(issued=row, index=index, recipient=row.ref, invited_count=row.people, problems=problems)


@strawberry.type(description="An assignment as issued, with one result for each recipient.")
class AssignmentIssuePayload:
    """Answer of `assignmentIssue`."""

    assignment: Assignment | None = told("The assignment; null when nothing was issued.")
    results: list[AssignmentIssueResult] = told("One for each recipient, in order; empty when no row was looked at.")
    problems: list[Problem] = told("Why nothing was issued.")


@strawberry.type(description="A draft as kept.")
class AssignmentDraftSavePayload:
    """Answer of `assignmentDraftSave`."""

    draft: AssignmentDraft | None = told("The draft; null when it was not kept.")
    problems: list[Problem] = told("Why it was not kept.")


@strawberry.type(description="A draft that was removed.")
class AssignmentDraftDeletePayload:
    """Answer of `assignmentDraftDelete`."""

    deleted_id: strawberry.ID | None = told("Global id that it had; null when it was not removed.")
    problems: list[Problem] = told("Why it was not removed.")


@strawberry.type
class AssignmentsIssueQuery:
    """Queries about what may be issued."""

    @preview(
        assignments_issue.assignment_preview,
        "Everything to see before sending: recipients, what is issued, when, limits with their sources, warnings.",
    )
    async def assignment_preview(
        self, info: Info, input: Annotated[AssignmentIssueInput, says("What would be issued, and to whom.")]
    ) -> AssignmentPreview:
        """Preview."""

        async def look() -> Preview:
            return await assignments_issue.assignment_preview(info.context, input.wanted())

        found, problems = await attempt(look())
        return AssignmentPreview.refused_with(problems) if found is None else AssignmentPreview.of(found)

    @ask(assignments_issue.draft, "One draft; null when there is none to be seen.")
    async def assignment_draft(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the draft.")]
    ) -> AssignmentDraft | None:
        """Show a draft."""
        row = await assignments_issue.draft(info.context, looked_for("AssignmentDraft", id))
        return row and AssignmentDraft.of(row)

    @ask(assignments_issue.drafts_page, "The drafts of the org unit, the last saved first.")
    async def assignment_drafts(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[AssignmentDraft]:
        """List drafts."""
        page = PageRequest(first, after, last, before)
        return connect(await assignments_issue.drafts_page(info.context, page), AssignmentDraft.of)


@strawberry.type
class AssignmentsIssueMutation:
    """Acts that issue."""

    @act(
        assignments_issue.assignment_issue,
        "Issue an evaluation version to people and groups, in one transaction. Who cannot be invited is reported by "
        "row; everybody else is mailed.",
    )
    async def assignment_issue(
        self, info: Info, input: Annotated[AssignmentIssueInput, says("What to issue, and to whom.")]
    ) -> AssignmentIssuePayload:
        """Issue."""
        refused: list[AssignmentIssueResult] = []

        async def issue() -> Issued:
            try:
                return await assignments_issue.assignment_issue(info.context, input.wanted(), input.idempotency_key)
            except NobodyToInvite as refusal:
                rows = zip(refusal.refs, refusal.rows, strict=True)
                refused.extend(_refused(index, ref, row) for index, (ref, row) in enumerate(rows))
                raise

        issued, problems = await attempt(issue())
        if issued is None:
            return AssignmentIssuePayload(assignment=None, results=refused, problems=problems)
        results = [AssignmentIssueResult.of(index, row) for index, row in enumerate(issued.rows)]
        return AssignmentIssuePayload(assignment=Assignment.of(issued.assignment), results=results, problems=problems)

    @act(assignments_issue.assignment_draft_save, "Keep what may become an assignment, as far as it is known.")
    async def assignment_draft_save(
        self, info: Info, input: Annotated[AssignmentDraftSaveInput, says("What to keep.")]
    ) -> AssignmentDraftSavePayload:
        """Keep."""

        async def save() -> DraftRow | None:
            draft_id = None if input.id is None else local_id("AssignmentDraft", input.id)
            version, key = input.expected_version, input.idempotency_key
            return await assignments_issue.assignment_draft_save(info.context, draft_id, input.content(), version, key)

        row, problems = await attempt(save())
        return AssignmentDraftSavePayload(draft=row and AssignmentDraft.of(row), problems=problems)

    @act(assignments_issue.assignment_draft_delete, "Remove a draft.")
    async def assignment_draft_delete(
        self, info: Info, input: Annotated[AssignmentDraftDeleteInput, says("Which draft.")]
    ) -> AssignmentDraftDeletePayload:
        """Remove."""

        async def delete() -> Any:
            draft_id = local_id("AssignmentDraft", input.id)
            return await assignments_issue.assignment_draft_delete(info.context, draft_id, input.idempotency_key)

        gone, problems = await attempt(delete())
        deleted = None if gone is None else global_id("AssignmentDraft", gone)
        return AssignmentDraftDeletePayload(deleted_id=deleted, problems=problems)


def _refused(index: int, ref: str, refusal: Refusal) -> AssignmentIssueResult:
    return AssignmentIssueResult(
        issued=None, index=index, recipient=ref, invited_count=0, problems=[problem_of(refusal)]
    )
