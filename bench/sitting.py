"""An evaluation of single choices, and people who sit it, by the product's services and without its API."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services import (
    assignments_redeem,
    authoring_evaluations,
    authoring_pool,
    invitations,
    sessions,
    sessions_expiry,
)
from services.authoring import Drift
from services.authoring_evaluations import EvaluationSettings
from services.authoring_sections import SectionDraft, Selector
from services.sessions_writes import SessionWrites
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office

TOKENS = Tokens(Ed25519PrivateKey.from_private_bytes(bytes(32)))
RIGHT, WRONG = "a", "b"


@dataclass(frozen=True, slots=True)
class Published:
    """An evaluation and the version that is sat."""

    evaluation_id: UUID
    version_id: UUID


async def publish(office: Office, viewer: Viewer, questions: int) -> Published:
    """Publish an evaluation of so many questions that each have a right and a wrong answer; 70 % passes."""
    entries: list[dict[str, Any]] = [
        {"id": f"C1A{n:02}", "question": f"Question {n}?", "answers": ["right", "wrong"], "correct": 0}
        for n in range(1, questions + 1)
    ]
    await office.perform(viewer, lambda work: authoring_pool.import_pool(work, entries, publish=True))
    settings = EvaluationSettings(title="Paper", pass_percent=Decimal(70))
    section = SectionDraft(title="All", selector=Selector(reference_prefix="C"))
    create = partial(authoring_evaluations.create, name=None, settings=settings, sections=[section])
    made = await office.perform(viewer, create)
    evaluation_id = UUID(made["evaluation_id"])
    await office.perform(viewer, lambda work: authoring_evaluations.publish(work, evaluation_id, Drift()))
    return Published(evaluation_id, UUID(made["version_id"]))


class Sitting:
    """Lets people sit what they were invited to; whoever was interrupted goes on."""

    def __init__(self, office: Office, viewer: Viewer) -> None:
        self._office, self._writes, self._viewer = office, SessionWrites(office), viewer

    async def sit(self, invitation_id: UUID, session_id: UUID | None, choice: Callable[[int], str]) -> None:
        """Redeem an invitation unless there is a session, start, answer the first question and all others, hand in."""
        async with self._office.snapshot(self._viewer) as work:
            (known,) = (await invitations.by_id(work, [invitation_id])).values()
        claims = invitations.verify(TOKENS, invitations.mint(TOKENS, known.invitation))
        if session_id is None:
            redeem = partial(assignments_redeem.redeem, claims=claims, nonce=str(invitation_id))
            bearer = replace(assignments_redeem.bearer(claims), name="redeeming")
            session_id = UUID((await self._office.perform(bearer, redeem, repeatable=True))["session_id"])
        candidate = assignments_redeem.candidate(claims, session_id)
        start = partial(sessions.start, session_id=session_id)
        await self._office.perform(replace(candidate.elevated(), name="starting"), start, repeatable=True)
        async with self._office.snapshot(self._viewer) as work:
            paper = (await sessions.papers(work, [session_id]))[session_id]
        answers = [(UUID(item["item_id"]), 1, {"choice": choice(n)}) for n, item in enumerate(paper.items)]
        await self._writes.save_many(candidate, answers)
        submit = partial(sessions_expiry.submit, session_id=session_id)
        await self._office.perform(replace(candidate.elevated(), name="handing in"), submit, repeatable=True)
