"""An evaluation with one item of every kind, an assignment of it, and candidates in their sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from models.assignments import Assignment, Invitation, InvitationStatus
from models.authoring import (
    Evaluation,
    EvaluationItem,
    EvaluationSection,
    EvaluationVersion,
    Question,
    QuestionKey,
    QuestionVersion,
    VersionStatus,
)
from models.base import uuid7
from models.identity import User
from models.sessions import DeliverySession
from services import content, policy, sessions, sessions_policy
from services.attention_rules import KnownRules
from services.content import QuestionKind
from services.policy import FeedbackMode, Row, Settings, Source, SourceKind
from services.security import parse_security
from services.sessions_events import Reported
from services.sessions_writes import SessionWrites
from services.viewer import Via, Viewer
from tests.factories.tenants import World

K = QuestionKind
OPTIONS = {"options": [{"id": name, "text": f"Option {name}"} for name in "abcd"]}

QUESTIONS: list[tuple[QuestionKind, dict, dict, dict, dict]] = [
    (K.SINGLE_CHOICE, OPTIONS, {"correct": "b"}, {"choice": "b"}, {"choice": "c"}),
    (
        K.MULTIPLE_CHOICE,
        OPTIONS,
        {"correct": ["a", "c"], "rule": "proportional_minus_wrong"},
        {"choices": ["a", "c"]},
        {"choices": ["b", "d"]},
    ),
    (K.TRUE_FALSE, {}, {"correct": True}, {"choice": "true"}, {"choice": "false"}),
    (
        K.NUMERIC,
        {"unit": "V"},
        {"value": "3.14", "tolerance": "0.01"},
        {"value": "3.15"},
        {"value": "2"},
    ),
    (K.SHORT_TEXT, {}, {"accepted": ["Ohm", "Ω"]}, {"text": " ohm "}, {"text": "Volt"}),
    (
        K.MATCHING,
        {
            "left": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}],
            "right": [{"id": "x", "text": "eins"}, {"id": "y", "text": "zwei"}],
        },
        {"pairs": {"1": "x", "2": "y"}, "rule": "per_pair"},
        {"pairs": {"1": "x", "2": "y"}},
        {"pairs": {"1": "y", "2": "x"}},
    ),
    (
        K.ORDERING,
        {"items": [{"id": name, "text": f"Step {name}"} for name in "pqr"]},
        {"order": ["r", "p", "q"]},
        {"order": ["r", "p", "q"]},
        {"order": ["q", "p", "r"]},
    ),
]
"""Kind, content, key, a right and a wrong response. Ids are kept as they are: nothing here is parsed as an author's."""

ESSAY = (K.ESSAY, {"max_words": 50}, {}, {"text": "Because."}, {"text": " "})

MARK = "hidden-explanation"
"""Stands in every key, so that a leak shows."""


@dataclass
class Sitting:
    """An assignment that can be sat."""

    world: World
    version: EvaluationVersion
    assignment: Assignment
    right: dict[str, dict]
    wrong: dict[str, dict]
    rules: KnownRules

    async def candidate(self, *, started: bool = True, **options) -> "Candidate":
        """A new person with a session of their own; options are those of `invite`."""
        return await sit(self, started=started, **options)


@dataclass
class Candidate:
    """One person's session, and the viewer that its token gives."""

    sitting: Sitting
    session_id: UUID
    user_id: UUID
    viewer: Viewer
    items: list[dict]

    def right(self, n: int) -> dict:
        return self.sitting.right[self.items[n]["kind"]]

    def wrong(self, n: int) -> dict:
        return self.sitting.wrong[self.items[n]["kind"]]

    def item_id(self, n: int) -> UUID:
        return UUID(self.items[n]["item_id"])

    async def save(self, n: int, revision: int, response: object, *, office=None):
        return await self.writes(office).save(self.viewer, self.item_id(n), revision, response)

    async def report(self, batch_id: str, events: list[Reported], *, office=None):
        return await self.writes(office).report(self.viewer, batch_id, events)

    def writes(self, office=None) -> SessionWrites:
        """Writes beside those of everybody else, by rules that were read already, as in a server at work."""
        return SessionWrites(office or self.sitting.world.office, self.sitting.rules)

    async def row(self) -> DeliverySession:
        async with self.sitting.world.office.snapshot(self.sitting.world.system) as work:
            return (await sessions.by_ids(work, [self.session_id]))[self.session_id]


async def sitting(
    world: World,
    *,
    essay: bool = False,
    repeat: int = 1,
    threshold: str = "70",
    security_config: dict | None = None,
    run_label: str = "Test_Run",
) -> Sitting:
    """A published evaluation with every kind of question `repeat` times, and an assignment of it."""
    questions = (QUESTIONS + ([ESSAY] if essay else [])) * repeat

    async def act(work):
        add = work.session.add_all
        evaluation = Evaluation(id=uuid7(), name=f"Evaluation {uuid7()}")
        add([evaluation])
        await work.session.flush()
        version = EvaluationVersion(
            id=uuid7(),
            evaluation_id=evaluation.id,
            number=1,
            title="Electrical *safety*",
            instructions="Read **carefully**.",
            pass_percent=Decimal(threshold),
            security_config=security_config,
        )
        add([version])
        await work.session.flush()
        section = EvaluationSection(
            id=uuid7(), evaluation_version_id=version.id, position=1, title="All", shuffle_options=True
        )
        add([section])
        await work.session.flush()
        for position, (kind, public, secret, *_) in enumerate(questions, 1):
            await _question(work, version.id, section.id, position, kind, public, secret)
        version.status, version.published_at = VersionStatus.PUBLISHED, await work.now()
        version.content_hash = "0" * 64
        assignment = Assignment(
            id=uuid7(),
            evaluation_version_id=version.id,
            name="Spring run",
            run_label=run_label,
            security_config=security_config,
        )
        add([assignment])
        await work.session.flush()
        await work.session.refresh(assignment)
        await work.session.refresh(version)
        return version, assignment

    version, assignment = await world.office.perform(world.system, act)
    return Sitting(
        world,
        version,
        assignment,
        {kind.value: right for kind, _, _, right, _ in questions},
        {kind.value: wrong for kind, _, _, _, wrong in questions},
        KnownRules(world.office),
    )


async def _question(work, version_id, section_id, position, kind, public, secret):
    question = Question(id=uuid7(), reference=f"Q-{uuid7()}")
    work.session.add(question)
    await work.session.flush()
    parsed = content.parse_content(kind, public)
    key = content.parse_key(kind, parsed, {**secret, "explanation": MARK})
    version = QuestionVersion(
        id=uuid7(),
        question_id=question.id,
        number=1,
        kind=kind,
        stem=f"Question {position}?",
        content=content.to_json(parsed),
    )
    work.session.add(version)
    await work.session.flush()
    work.session.add(QuestionKey(id=version.id, key=content.to_json(key)))
    await work.session.flush()
    version.status, version.published_at = VersionStatus.PUBLISHED, await work.now()
    await work.session.flush()
    work.session.add(
        EvaluationItem(
            evaluation_version_id=version_id,
            section_id=section_id,
            question_version_id=version.id,
            position=position,
            points=Decimal(2),
        )
    )
    await work.session.flush()


def frozen(
    *,
    time_limit: timedelta | None = timedelta(minutes=60),
    feedback: FeedbackMode = FeedbackMode.NONE,
    grace: int = 5,
    multiplier: str = "1",
    security: dict | None = None,
) -> dict:
    """A frozen policy, set by the assignment."""
    settings = Settings(
        time_limit_seconds=None if time_limit is None else int(time_limit.total_seconds()),
        feedback_mode=feedback,
        network_grace_seconds=grace,
        time_multiplier=Decimal(multiplier),
        security=None if security is None else parse_security(security),
    )
    row = Row(source=Source(kind=SourceKind.ASSIGNMENT, who="Test"), settings=settings)
    return policy.to_json(policy.resolve([row]))


async def sit(
    sitting: Sitting,
    *,
    started: bool = True,
    window_until: datetime | None = None,
    time_limit: timedelta | None = timedelta(minutes=60),
    grace: int = 5,
    feedback: FeedbackMode = FeedbackMode.NONE,
    user_id: UUID | None = None,
    attempt: int = 1,
    security: dict | None = None,
) -> Candidate:
    """Invite a new person, open the session and, if wanted, start it."""
    world, office = sitting.world, sitting.world.office

    async def open_one(work):
        person = user_id
        if person is None:
            person = uuid7()
            work.session.add(User(id=person, email=f"{person}@example.org", display_name="Candidate"))
            await work.session.flush()
        now = await work.now()
        invitation = Invitation(
            id=uuid7(),
            assignment_id=sitting.assignment.id,
            user_id=person,
            ordinal=attempt,
            jti=uuid7(),
            status=InvitationStatus.ACCEPTED,
            sent_at=now,
            accepted_at=now,
            expires_at=now + timedelta(days=30),
        )
        work.session.add(invitation)
        await work.session.flush()
        session = await sessions.open_session(
            work,
            assignment=sitting.assignment,
            invitation=invitation,
            policy=(limits := frozen(time_limit=time_limit, feedback=feedback, grace=grace, security=security)),
            policy_rows=sessions_policy.kept(policy.rows_of(policy.from_json(limits))),
            attempt=attempt,
            window_until=window_until,
            grace_seconds=grace,
        )
        invitation.session_id = session.id
        paper = (await sessions.papers(work, [session.id]))[session.id]
        return session, paper.items

    session, items = await office.perform(world.system, open_one)
    viewer = Viewer(
        via=Via.SESSION,
        tenant_id=world.tenant_id,
        org_unit_id=world.org_unit_id,
        session_id=session.id,
        token_id=str(session.id),
        name="candidate",
    )
    candidate = Candidate(sitting, session.id, session.user_id, viewer, items)
    if started:
        await office.perform(viewer, lambda work: sessions.start(work, session.id))
    return candidate
