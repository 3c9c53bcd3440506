"""Templates: terms under a name, to issue from again and again."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.assignments import AssignmentTemplate as TemplateRow
from resolvers import assignments_templates, authoring, identity
from schema.access import Info, act, ask, says, told
from schema.authoring_evaluations import EvaluationVersion
from schema.connections import After, Before, Connection, First, Last, connect
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.policy import FeedbackMode, SecurityConfig, SecurityConfigInput
from schema.problems import Problem, attempt
from schema.users_acts import KEY
from services.assignments_templates import Content
from services.assignments_terms import Terms, terms_of
from services.paging import PageRequest
from services.policy import LONGEST_LIMIT_SECONDS
from services.security import parse_security


@strawberry.type(
    description="Terms under a name, to issue from. What was issued keeps what the template said then, whatever "
    "becomes of the template."
)
class AssignmentTemplate(Node):
    """A template."""

    row: strawberry.Private[TemplateRow]
    terms: strawberry.Private[Terms]
    name: str = told("Name of the template, unique in its org unit.")
    assignment_name: str | None = told("Name of what is issued from it; null for the version's title.")
    allowed_attempts: int | None = told("How often each person may sit it; null when that is decided elsewhere.")
    time_limit_seconds: int | None = told(
        f"Working time in seconds, 1 to {LONGEST_LIMIT_SECONDS}; null when that is decided elsewhere."
    )
    feedback_mode: FeedbackMode | None = told("What candidates are told; null when that is decided elsewhere.")
    security_config: SecurityConfig | None = told("How it is supervised; null when that is decided elsewhere.")
    run_label: str | None = told("Groups the results; null to be made from title and quarter.")
    window_seconds: int | None = told("How long the window is open from its start; null when it does not close.")
    created_at: datetime = told("When it was made.")
    changed_at: datetime = told("When it was changed last.")
    version: int = told("Counts the changes, for `expectedVersion`.")

    @ask(authoring.evaluation_version, "What is issued from it; null when each issue says that itself.")
    async def evaluation_version(self, info: Info) -> EvaluationVersion | None:
        """Show the version."""
        version_id = self.terms.evaluation_version_id
        row = None if version_id is None else await authoring.evaluation_version(info.context, version_id)
        return row and EvaluationVersion.of(row)

    @strawberry.field(description="Who changed it last; null when Evalium itself did.")
    async def changed_by(self, info: Info) -> User | None:
        """Show who changed it."""
        who = self.row.changed_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: TemplateRow) -> "AssignmentTemplate":
        """Show a template."""
        terms = terms_of(row.terms)
        config = terms.security_config
        return cls(
            row=row,
            terms=terms,
            id=global_id("AssignmentTemplate", row.id),
            uuid=row.id,
            name=row.name,
            assignment_name=terms.name,
            allowed_attempts=terms.allowed_attempts,
            time_limit_seconds=terms.time_limit_seconds,
            feedback_mode=None if terms.feedback_mode is None else FeedbackMode(terms.feedback_mode),
            security_config=None if config is None else SecurityConfig.of(parse_security(config)),
            run_label=terms.run_label,
            window_seconds=row.window_seconds,
            created_at=row.created_at,
            changed_at=row.changed_at,
            version=row.version,
        )


@strawberry.input(description="A template to keep.")
class AssignmentTemplateCreateInput:
    """What a template says."""

    name: str = told("Name of the template, 1 to 200 characters, unique in its org unit.")
    evaluation_version_id: strawberry.ID | None = told(
        "Global id of a published evaluation version; each issue says it itself when left out.", default=None
    )
    assignment_name: str | None = told("Name of what is issued from it, 1 to 200 characters.", default=None)
    allowed_attempts: int | None = told("How often each person may sit it, 1 to 1000.", default=None)
    time_limit_seconds: int | None = told("Working time in seconds, 1 to 31622400.", default=None)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=None)
    security_config: SecurityConfigInput | None = told("How it is supervised.", default=None)
    run_label: str | None = told("Groups the results: 1 to 80 letters, digits, `_ - .`.", default=None)
    window_seconds: int | None = told(
        "How long the window is open from its start, 60 to 31622400 seconds; it does not close when left out.",
        default=None,
    )
    idempotency_key: str | None = told(KEY, default=None)

    def content(self) -> Content:
        """Return what the template says as the service reads it."""
        version = self.evaluation_version_id
        path = ["evaluationVersionId"]
        terms = Terms(
            evaluation_version_id=None if version is None else local_id("EvaluationVersion", version, path=path),
            name=self.assignment_name,
            allowed_attempts=self.allowed_attempts,
            time_limit_seconds=self.time_limit_seconds,
            feedback_mode=self.feedback_mode,
            security_config=None if self.security_config is None else self.security_config.plain(),
            run_label=self.run_label,
        )
        return Content(self.name, terms, self.window_seconds)


@strawberry.input(description="A template to write anew: what is left out, it does not set any more.")
class AssignmentTemplateUpdateInput(AssignmentTemplateCreateInput):
    """Which template, and what it says."""

    id: strawberry.ID = told("Global id of the template.")
    expected_version: int | None = told("Version that the change was decided on; any when left out.", default=None)


@strawberry.input(description="A template to delete.")
class AssignmentTemplateDeleteInput:
    """Which template."""

    id: strawberry.ID = told("Global id of the template.")
    expected_version: int | None = told("Version that was looked at; any when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A template as kept.")
class AssignmentTemplateCreatePayload:
    """Answer of `assignmentTemplateCreate`."""

    template: AssignmentTemplate | None = told("The template; null when it was not kept.")
    problems: list[Problem] = told("Why it was not kept.")


@strawberry.type(description="A template as written anew.")
class AssignmentTemplateUpdatePayload:
    """Answer of `assignmentTemplateUpdate`."""

    template: AssignmentTemplate | None = told("The template; null when it was not changed.")
    problems: list[Problem] = told("Why it was not changed.")


@strawberry.type(description="A template that was deleted.")
class AssignmentTemplateDeletePayload:
    """Answer of `assignmentTemplateDelete`."""

    deleted_id: strawberry.ID | None = told("Global id that it had; null when it was not deleted.")
    problems: list[Problem] = told("Why it was not deleted.")


@strawberry.type
class AssignmentsTemplatesQuery:
    """Queries about templates."""

    @ask(assignments_templates.template, "One template; null when there is none to be seen.")
    async def assignment_template(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the template.")]
    ) -> AssignmentTemplate | None:
        """Show a template."""
        row = await assignments_templates.template(info.context, looked_for("AssignmentTemplate", id))
        return row and AssignmentTemplate.of(row)

    @ask(assignments_templates.templates_page, "The templates of the org unit, by name.")
    async def assignment_templates(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[AssignmentTemplate]:
        """List templates."""
        page = PageRequest(first, after, last, before)
        return connect(await assignments_templates.templates_page(info.context, page), AssignmentTemplate.of)


@strawberry.type
class AssignmentsTemplatesMutation:
    """Acts on templates."""

    @act(assignments_templates.assignment_template_create, "Keep terms under a name, to issue from.")
    async def assignment_template_create(
        self, info: Info, input: Annotated[AssignmentTemplateCreateInput, says("What the template says.")]
    ) -> AssignmentTemplateCreatePayload:
        """Create."""

        async def create() -> TemplateRow | None:
            key = input.idempotency_key
            return await assignments_templates.assignment_template_create(info.context, input.content(), key)

        row, problems = await attempt(create())
        return AssignmentTemplateCreatePayload(template=row and AssignmentTemplate.of(row), problems=problems)

    @act(
        assignments_templates.assignment_template_update,
        "Write a template anew. What was issued from it keeps what it said; schedules go by it from their next run on.",
    )
    async def assignment_template_update(
        self, info: Info, input: Annotated[AssignmentTemplateUpdateInput, says("Which template, and what it says.")]
    ) -> AssignmentTemplateUpdatePayload:
        """Update."""

        async def update() -> TemplateRow | None:
            template_id = local_id("AssignmentTemplate", input.id)
            version, key = input.expected_version, input.idempotency_key
            return await assignments_templates.assignment_template_update(
                info.context, template_id, input.content(), version, key
            )

        row, problems = await attempt(update())
        return AssignmentTemplateUpdatePayload(template=row and AssignmentTemplate.of(row), problems=problems)

    @act(assignments_templates.assignment_template_delete, "Delete a template; what was issued from it stays as it is.")
    async def assignment_template_delete(
        self, info: Info, input: Annotated[AssignmentTemplateDeleteInput, says("Which template.")]
    ) -> AssignmentTemplateDeletePayload:
        """Delete."""

        async def delete() -> str:
            template_id = local_id("AssignmentTemplate", input.id)
            version, key = input.expected_version, input.idempotency_key
            gone = await assignments_templates.assignment_template_delete(info.context, template_id, version, key)
            return global_id("AssignmentTemplate", gone)

        deleted, problems = await attempt(delete())
        deleted_id = None if deleted is None else strawberry.ID(deleted)
        return AssignmentTemplateDeletePayload(deleted_id=deleted_id, problems=problems)
