"""What is issued, to whom and how, as it is given: the same for an issue, a preview and a draft."""

from datetime import datetime

import strawberry

from models.assignments import TargetKind
from schema.access import told
from schema.nodes import local_id, looked_for
from schema.policy import FeedbackMode, SecurityConfigInput
from services import assignments_addresses
from services.assignments_drafts import Content
from services.assignments_recipients import MOST, Recipient
from services.assignments_terms import REMINDERS, Terms


@strawberry.input(one_of=True, description="Whom to invite: exactly one of these.")
class RecipientInput:
    """A recipient."""

    email: str | None = told("An e-mail address; a person is made for one that nobody has.", default=strawberry.UNSET)
    user_id: strawberry.ID | None = told("Global id of a person of the tenant.", default=strawberry.UNSET)
    group_id: strawberry.ID | None = told(
        "Global id of a group: its members are invited, and whoever joins it later; only who is in it may start.",
        default=strawberry.UNSET,
    )

    def plain(self) -> Recipient:
        """Return the recipient as the service reads it."""
        if isinstance(self.email, str):
            return Recipient(TargetKind.EMAIL, self.email)
        if isinstance(self.group_id, str):
            return Recipient(TargetKind.GROUP, self.group_id, looked_for("Group", self.group_id))
        given = str(self.user_id)
        return Recipient(TargetKind.USER, given, looked_for("User", given))


@strawberry.input(description="What is issued, to whom, when, and under which limits.")
class AssignmentTermsInput:
    """Terms and recipients. What is left out is decided by the template, the version, the tenant, or Evalium."""

    evaluation_version_id: strawberry.ID | None = told(
        "Global id of a published evaluation version; only a draft may leave it out.", default=None
    )
    recipients: list[RecipientInput] = told(
        f"Whom to invite, with `addresses` at most {MOST}.", default_factory=list[RecipientInput]
    )
    addresses: str | None = told(
        "Further addresses as people paste them: by lines, commas or semicolons, such as "
        "`Ada Lovelace <ada@example.org>`. They follow `recipients` in the results.",
        default=None,
    )
    name: str | None = told("Name for staff, 1 to 200 characters; the version's title when left out.", default=None)
    valid_from: datetime | None = told("When the window opens; at once when left out.", default=None)
    valid_until: datetime | None = told("When the window closes; never when left out.", default=None)
    allowed_attempts: int | None = told("How often each person may sit it, 1 to 1000.", default=None)
    time_limit_seconds: int | None = told("Working time in seconds, 1 to 31622400.", default=None)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=None)
    security_config: SecurityConfigInput | None = told("How it is supervised.", default=None)
    remind_before_start_seconds: int | None = told(
        f"Seconds before the window opens at which who has not started is reminded, {REMINDERS[0]} to {REMINDERS[1]}; "
        "nobody is when left out.",
        default=None,
    )
    remind_before_deadline_seconds: int | None = told(
        f"Seconds before the window closes at which who has not handed in is reminded, {REMINDERS[0]} to "
        f"{REMINDERS[1]}; nobody is when left out.",
        default=None,
    )
    run_label: str | None = told(
        "Groups the results: 1 to 80 letters, digits, `_ - .`; from title and quarter when left out.", default=None
    )

    template_id: strawberry.ID | None = told(
        "Global id of a template: what is left out here comes from it, and its limits are kept as they are now.",
        default=None,
    )

    def content(self) -> Content:
        """Return what is issued and to whom as the service reads it."""
        version, template = self.evaluation_version_id, self.template_id
        path = ["evaluationVersionId"]
        terms = Terms(
            evaluation_version_id=None if version is None else local_id("EvaluationVersion", version, path=path),
            name=self.name,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            allowed_attempts=self.allowed_attempts,
            time_limit_seconds=self.time_limit_seconds,
            feedback_mode=self.feedback_mode,
            security_config=None if self.security_config is None else self.security_config.plain(),
            remind_before_start_seconds=self.remind_before_start_seconds,
            remind_before_deadline_seconds=self.remind_before_deadline_seconds,
            run_label=self.run_label,
            template_id=None if template is None else local_id("AssignmentTemplate", template, path=["templateId"]),
        )
        named = [one.plain() for one in self.recipients]
        return Content(terms, [*named, *assignments_addresses.recipients(self.addresses or "")])
