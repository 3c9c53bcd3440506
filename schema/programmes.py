"""Programmes: what several assessments together are for, as a draft and as published versions."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import strawberry

from models.programmes import (
    ExpiryAnchor,
    ProgrammeDraftRequirement,
    ProgrammeStatus,
    RemediationPolicy,
)
from models.programmes import Programme as ProgrammeRow
from models.programmes import ProgrammeRequirement as RequirementRow
from models.programmes import ProgrammeVersion as VersionRow
from resolvers import authoring, identity, programmes, programmes_badge
from schema.access import Info, ask, says, told
from schema.authoring_evaluations import Evaluation
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, looked_for
from services import markdown
from services.paging import PageRequest
from services.programmes_diff import Change, ChangeKind

closed_set(
    ExpiryAnchor,
    "ExpiryAnchor",
    "From which day the validity of a certificate counts.",
    {
        ExpiryAnchor.CERTIFIED: "From the day on which it is issued.",
        ExpiryAnchor.DUE: "From the day on which the enrolment was due; a renewal is due when the one before ends.",
        ExpiryAnchor.WINDOW_END: (
            "From the last day of the one before, so that renewing early costs nothing; the first one from its own day."
        ),
    },
)
closed_set(
    RemediationPolicy,
    "RemediationPolicy",
    "What happens when the score that met a requirement is corrected and would not meet it any more.",
    {
        RemediationPolicy.HOLD: "It stays met, and is held until a person decides.",
        RemediationPolicy.REVOKE_AND_REISSUE: "It is not met any more; a further attempt is issued if one is left.",
        RemediationPolicy.KEEP: "It stays met.",
    },
)
closed_set(
    ChangeKind,
    "ProgrammeChangeKind",
    "What became of a requirement, or of a rule.",
    {
        ChangeKind.ADDED: "A requirement that was not there.",
        ChangeKind.REMOVED: "A requirement that is not there any more.",
        ChangeKind.MOVED: "A requirement that stands at another place.",
        ChangeKind.CHANGED: "A field that says something else.",
    },
)


class ProgrammeState(StrEnum):
    """Where a programme stands."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


closed_set(
    ProgrammeState,
    "ProgrammeState",
    "Where a programme stands.",
    {
        ProgrammeState.DRAFT: "It has no version yet, so nobody can be enrolled.",
        ProgrammeState.PUBLISHED: "People can be enrolled by its newest version.",
        ProgrammeState.ARCHIVED: "Nobody is enrolled any more.",
    },
)


@strawberry.type(description="What holds for a programme as a whole.")
class ProgrammeRules:
    """Rules of a draft or of a version."""

    due_days: int | None = told("Within how many days after enrolment it is to be completed; null when nothing is due.")
    validity_months: int | None = told("How many calendar months a certificate is valid; null: for ever.")
    expiry_anchor: ExpiryAnchor = told("From when validity counts.")
    lead_days: int = told("How many days before its end a renewal begins.")
    grace_days: int = told("How many days after its end a renewal still counts as one.")
    reminder_days: list[int] = told("How many days before its end the holder is reminded of renewing, the most first.")
    remediation: RemediationPolicy = told("What a correction does to a requirement that was met.")

    @classmethod
    def of(cls, row: ProgrammeRow | VersionRow) -> "ProgrammeRules":
        """Show the rules of a row."""
        return cls(
            due_days=row.due_days,
            validity_months=row.validity_months,
            expiry_anchor=ExpiryAnchor(row.expiry_anchor),
            lead_days=row.lead_days,
            grace_days=row.grace_days,
            reminder_days=list(row.reminder_days),
            remediation=RemediationPolicy(row.remediation),
        )


@strawberry.type(description="One thing that a programme asks for: an evaluation to be passed.")
class ProgrammeRequirement:
    """A requirement of a draft or of a version."""

    row: strawberry.Private[ProgrammeDraftRequirement | RequirementRow]
    id: strawberry.ID = told("Names it in the draft and in every version that has it.")
    position: int = told("Its place, from 1.")
    name: str = told("What people know it by.")
    min_percent: Decimal | None = told("Score that meets it, 0 to 100; null: the evaluation's own pass mark decides.")
    is_mandatory: bool = told("Whether the programme is not complete without it.")
    attempts: int | None = told("How many attempts there are; null: as many as it takes.")
    cooling_off_days: int = told("How many days after a failed attempt the next one is issued; 0: at once.")

    @ask(authoring.evaluation, "What is to be passed; whoever is enrolled sits the version published newest by then.")
    async def evaluation(self, info: Info) -> Evaluation | None:
        """Show the evaluation."""
        row = await authoring.evaluation(info.context, self.row.evaluation_id)
        return row and Evaluation.of(row)

    @classmethod
    def of(cls, row: ProgrammeDraftRequirement | RequirementRow, position: int) -> "ProgrammeRequirement":
        """Show a requirement at its place."""
        return cls(
            row=row,
            id=global_id("ProgrammeRequirement", getattr(row, "key", row.id)),
            position=position,
            name=row.name,
            min_percent=row.min_percent,
            is_mandatory=row.is_mandatory,
            attempts=row.attempts,
            cooling_off_days=row.cooling_off_days,
        )


@strawberry.type(
    description="A programme as published: what holds for everybody who is enrolled by it. It never changes."
)
class ProgrammeVersion(Node):
    """A version."""

    row: strawberry.Private[VersionRow]
    number: int = told("Counts the versions of the programme, from 1.")
    name: str = told("Name of the programme as published.")
    description: str = told("What it is for, as Markdown.")
    description_html: str = told("The same as HTML that is safe to show.")
    rules: ProgrammeRules = told("What holds for it as a whole.")
    published_at: datetime = told("When it was published.")

    @strawberry.field(description="Where anybody may see its badge, as PNG; null without one.")
    def badge_url(self, info: Info) -> str | None:
        """Show where the badge is."""
        return programmes_badge.address(info.context, self.row)

    @strawberry.field(description="What it asks for, in order.")
    async def requirements(self, info: Info) -> list[ProgrammeRequirement]:
        """Show the requirements."""
        rows = await programmes.requirements_of(info.context, self.row.id)
        return [ProgrammeRequirement.of(row, place) for place, row in enumerate(rows, 1)]

    @ask(programmes.programme, "The programme.")
    async def programme(self, info: Info) -> "Programme | None":
        """Show the programme."""
        row = await programmes.programme(info.context, self.row.programme_id)
        return row and Programme.of(row)

    @strawberry.field(description="Who published it; null when Evalium itself did.")
    async def published_by(self, info: Info) -> User | None:
        """Show who published it."""
        who = self.row.published_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: VersionRow) -> "ProgrammeVersion":
        """Show a version."""
        return cls(
            row=row,
            id=global_id("ProgrammeVersion", row.id),
            uuid=row.id,
            number=row.number,
            name=row.name,
            description=row.description,
            description_html=markdown.to_html(row.description),
            rules=ProgrammeRules.of(row),
            published_at=row.created_at,
        )


@strawberry.type(description="Several assessments that together are for one thing, such as a licence.")
class Programme(Node):
    """A programme."""

    row: strawberry.Private[ProgrammeRow]
    name: str = told("Name in the draft, unique in the org unit.")
    description: str = told("What it is for in the draft, as Markdown.")
    state: ProgrammeState = told("Where it stands.")
    rules: ProgrammeRules = told("What holds for the draft as a whole.")
    created_at: datetime = told("When it was begun.")
    changed_at: datetime = told("When it was changed last.")
    version: int = told("Counts the changes of the draft, for `expectedVersion`.")

    @strawberry.field(description="Where anybody may see its badge, as PNG; null without one.")
    def badge_url(self, info: Info) -> str | None:
        """Show where the badge is."""
        return programmes_badge.address(info.context, self.row)

    @strawberry.field(description="What the draft asks for, in order.")
    async def draft_requirements(self, info: Info) -> list[ProgrammeRequirement]:
        """Show the requirements of the draft."""
        rows = await programmes.draft_of(info.context, self.row.id)
        return [ProgrammeRequirement.of(row, place) for place, row in enumerate(rows, 1)]

    @strawberry.field(description="The newest version, by which people are enrolled; null before the first.")
    async def published_version(self, info: Info) -> ProgrammeVersion | None:
        """Show the newest version."""
        rows = await programmes.versions_of(info.context, self.row.id)
        return ProgrammeVersion.of(rows[0]) if rows else None

    @strawberry.field(description="Its versions, the newest first.")
    async def versions(self, info: Info) -> list[ProgrammeVersion]:
        """Show the history."""
        return [ProgrammeVersion.of(row) for row in await programmes.versions_of(info.context, self.row.id)]

    @strawberry.field(description="Who began it; null when Evalium itself did.")
    async def created_by(self, info: Info) -> User | None:
        """Show who began it."""
        who = self.row.created_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ProgrammeRow) -> "Programme":
        """Show a programme."""
        state = ProgrammeState.PUBLISHED if row.latest_number else ProgrammeState.DRAFT
        return cls(
            row=row,
            id=global_id("Programme", row.id),
            uuid=row.id,
            name=row.name,
            description=row.description,
            state=ProgrammeState.ARCHIVED if row.status == ProgrammeStatus.ARCHIVED else state,
            rules=ProgrammeRules.of(row),
            created_at=row.created_at,
            changed_at=row.changed_at,
            version=row.version,
        )


@strawberry.type(description="One difference between two versions of a programme.")
class ProgrammeChange:
    """A difference."""

    kind: ChangeKind = told("What became of it.")
    requirement_id: strawberry.ID | None = told("Which requirement; null for what is said of the whole.")
    name: str = told("Name of the requirement, or of the programme.")
    field: str | None = told("Which field, by its name here; null for a requirement that came or went.")
    before: str | None = told("What it said; for an evaluation and a badge the UUID.")
    after: str | None = told("What it says.")

    @classmethod
    def of(cls, change: Change) -> "ProgrammeChange":
        """Show a difference."""
        key = change.key
        return cls(
            kind=change.kind,
            requirement_id=None if key is None else global_id("ProgrammeRequirement", key),
            name=change.name,
            field=change.field,
            before=change.before,
            after=change.after,
        )


@strawberry.type
class ProgrammesQuery:
    """Queries about programmes."""

    @ask(programmes.programme, "One programme; null when there is none to be seen.")
    async def programme(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the programme.")]
    ) -> Programme | None:
        """Show a programme."""
        row = await programmes.programme(info.context, looked_for("Programme", id))
        return row and Programme.of(row)

    @ask(
        programmes.programme_diff,
        "What would change for new enrolments: what differs between two versions, or one and the draft. Null where "
        "there is no programme to be seen.",
    )
    async def programme_diff(
        self,
        info: Info,
        id: Annotated[strawberry.ID, says("Global id of the programme.")],
        before: Annotated[int | None, says("Number of a version, 0 for nothing; the newest when left out.")] = None,
        after: Annotated[int | None, says("Number of the other version; the draft when left out.")] = None,
    ) -> list[ProgrammeChange] | None:
        """Compare."""
        found = await programmes.programme_diff(info.context, looked_for("Programme", id), before, after)
        return None if found is None else [ProgrammeChange.of(one) for one in found]

    @ask(programmes.programmes_page, "The programmes of the org unit, the last changed first.")
    async def programmes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        *,
        is_archived: Annotated[bool, says("True for those that were put away instead.")] = False,
    ) -> Connection[Programme]:
        """List programmes."""
        status = ProgrammeStatus.ARCHIVED if is_archived else ProgrammeStatus.ACTIVE
        page = PageRequest(first, after, last, before)
        return connect(await programmes.programmes_page(info.context, status, page), Programme.of)
