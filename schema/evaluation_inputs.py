"""An evaluation as an author composes it: settings, sections, and items named one by one or selected."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import strawberry
from strawberry import UNSET

from schema.access import told
from schema.authoring_questions import DRIFT_HASH, DRIFT_NUMBER, KEY
from schema.nodes import local_id
from schema.policy import SecurityConfigInput
from services.authoring import Drift
from services.authoring_evaluations import EvaluationSettings
from services.authoring_sections import ItemDraft, SectionDraft, Selector
from services.content_kinds import QuestionKind
from services.policy import FeedbackMode

POINTS = "What a right answer is worth: above 0, at most 10,000, four decimals."
SECTIONS = "The sections, in order, 50 at most; 2,000 items at most in all of them."
SECONDS = "Working time in seconds, at most 366 days; leave it out to leave it to the assignment."
ATTEMPTS = "How often a candidate may sit it, at most 1,000; leave it out to leave it to the assignment."


@strawberry.input(description="One question version in a section.")
class EvaluationItemInput:
    """An item."""

    question_version_id: strawberry.ID = told("The question version; it must be published before the evaluation is.")
    points: Decimal = told(POINTS, default=Decimal(1))


@strawberry.input(
    description="Selects the newest published version of every question that fits, when the draft is saved.",
)
class QuestionSelectorInput:
    """Conditions, all of which must hold; the items stand in the order of their references."""

    reference_prefix: str | None = told("What the reference begins with.", default=None)
    group: str | None = told("The group, exactly.", default=None)
    kind: QuestionKind | None = told("The kind.", default=None)
    points: Decimal = told(POINTS, default=Decimal(1))


@strawberry.input(description="A section: items or a selector, and at most one rule for drawing from them.")
class EvaluationSectionInput:
    """A section."""

    title: str = told("Title, shown to candidates, 1 to 200 characters.")
    items: list[EvaluationItemInput] | None = told("The items, in order; instead of a selector.", default=None)
    selector: QuestionSelectorInput | None = told("Selects the items; instead of naming them.", default=None)
    draw: int | None = told("How many items each session gets, drawn at random; null for all of them.", default=None)
    draw_per_group: bool = told("Whether each session gets one item of each group, drawn at random.", default=False)
    shuffle_items: bool = told("Whether the items stand in another order in each session.", default=False)
    shuffle_options: bool = told("Whether the options stand in another order in each session.", default=False)

    def draft(self, index: int) -> SectionDraft:
        """Return the section as the services read it; `index` is its place in the input."""
        path = ["sections", index, "items"]
        items = [
            ItemDraft(
                local_id("QuestionVersion", item.question_version_id, path=[*path, n, "questionVersionId"]),
                item.points,
            )
            for n, item in enumerate(self.items or [])
        ]
        chosen = self.selector
        return SectionDraft(
            title=self.title,
            draw=self.draw,
            draw_per_group=self.draw_per_group,
            shuffle_items=self.shuffle_items,
            shuffle_options=self.shuffle_options,
            items=items,
            selector=None
            if chosen is None
            else Selector(
                reference_prefix=chosen.reference_prefix,
                group=chosen.group,
                kind=chosen.kind,
                points=chosen.points,
            ),
        )


@strawberry.input(one_of=True, description="What a session must reach to pass: a percentage or points.")
class PassMarkInput:
    """The pass mark."""

    percent: Decimal | None = told("Share of the points, 0 to 100 with at most two decimals.", default=UNSET)
    points: Decimal | None = told("Points, with at most four decimals.", default=UNSET)

    def settings(self) -> dict[str, Decimal | None]:
        """Return both settings; the one that was not given is cleared."""
        return {"pass_percent": _given(self.percent), "pass_points": _given(self.points)}


@strawberry.input(description="An evaluation to create, with its first draft.")
class EvaluationCreateInput:
    """A new evaluation."""

    title: str = told("Title, shown to candidates, 1 to 200 characters.")
    name: str | None = told("Name for staff, unique in the org unit; the title when left out.", default=None)
    instructions: str = told("What candidates read first, as Markdown, at most 20,000 characters.", default="")
    pass_mark: PassMarkInput | None = told("What must be reached to pass; publishing needs one.", default=None)
    time_limit_seconds: int | None = told(SECONDS, default=None)
    allowed_attempts: int | None = told(ATTEMPTS, default=None)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=None)
    security_config: SecurityConfigInput | None = told("How it is supervised.", default=None)
    sections: list[EvaluationSectionInput] = told(SECTIONS, default_factory=list)
    idempotency_key: str | None = told(KEY, default=None)

    def settings(self) -> EvaluationSettings:
        """Return the settings as the services read them."""
        security = self.security_config
        return EvaluationSettings(
            title=self.title,
            instructions=self.instructions,
            time_limit_seconds=self.time_limit_seconds,
            allowed_attempts=self.allowed_attempts,
            feedback_mode=self.feedback_mode,
            security_config=None if security is None else asdict(security),
            **({} if self.pass_mark is None else self.pass_mark.settings()),
        )


@strawberry.input(description="Changes of an evaluation; what is left out stays, and null takes a setting back.")
class EvaluationUpdateInput:
    """Changes of the draft; a published version gets a draft behind it."""

    id: strawberry.ID = told("The evaluation.")
    title: str | None = told("Title, shown to candidates, 1 to 200 characters.", default=None)
    instructions: str | None = told("What candidates read first, as Markdown.", default=None)
    pass_mark: PassMarkInput | None = told("What must be reached to pass.", default=UNSET)
    time_limit_seconds: int | None = told(SECONDS, default=UNSET)
    allowed_attempts: int | None = told(ATTEMPTS, default=UNSET)
    feedback_mode: FeedbackMode | None = told("What candidates are told after handing in.", default=UNSET)
    security_config: SecurityConfigInput | None = told("How it is supervised.", default=UNSET)
    sections: list[EvaluationSectionInput] | None = told(f"{SECTIONS} They replace what there was.", default=None)
    expected_version: int | None = told(DRIFT_NUMBER, default=None)
    expected_content_hash: str | None = told(DRIFT_HASH, default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def changes(self) -> dict[str, Any]:
        """Return the settings to change by name, as the services read them."""
        stated = {"title": self.title, "instructions": self.instructions}
        changes: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
        for name in ("time_limit_seconds", "allowed_attempts", "feedback_mode"):
            if getattr(self, name) is not UNSET:
                changes[name] = getattr(self, name)
        if self.security_config is not UNSET:
            changes["security_config"] = None if self.security_config is None else asdict(self.security_config)
        if self.pass_mark is None:
            changes |= {"pass_percent": None, "pass_points": None}
        elif self.pass_mark is not UNSET:
            changes |= self.pass_mark.settings()
        return changes

    def drift(self) -> Drift:
        """Return what the author saw."""
        return Drift(self.expected_version, self.expected_content_hash)


@strawberry.input(description="An evaluation whose draft is to be frozen.")
class EvaluationPublishInput:
    """A draft to publish."""

    id: strawberry.ID = told("The evaluation.")
    expected_version: int | None = told(DRIFT_NUMBER, default=None)
    expected_content_hash: str | None = told(DRIFT_HASH, default=None)
    idempotency_key: str | None = told(KEY, default=None)

    def drift(self) -> Drift:
        """Return what the author saw."""
        return Drift(self.expected_version, self.expected_content_hash)


def drafts(sections: Sequence[EvaluationSectionInput]) -> list[SectionDraft]:
    """Return sections as the services read them, in order."""
    return [section.draft(index) for index, section in enumerate(sections)]


def _given(value: Decimal | None) -> Decimal | None:
    return None if value is UNSET else value
