"""The main job, told in steps, each through the API as its user would do it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from models.jobs import queue
from services import demonstration, jobs
from services.viewer import Viewer
from services.work import Work
from tests.walks.conftest import Live, key

GROUPS = [f"W{number}{letter}" for number in range(1, 3) for letter in "ABC"]


def pool(prefix: str = "") -> list[dict[str, Any]]:
    """Eighteen questions in six groups; the right answer is always 'right'."""
    return [
        {
            "id": f"{group}{n:02}{prefix}",
            "question": f"{group}{n:02}{prefix}?",
            "answers": ["wrong", "right", "worse"],
            "correct": 1,
        }
        for group in GROUPS
        for n in range(1, 4)
    ]


EVENT = {"kind": "FOCUS_LOST", "clientAt": "2026-11-20T12:00:00Z", "position": 1}
"""What a browser reports."""


@dataclass
class Sitting:
    """A candidate's running session."""

    token: str
    items: list[dict[str, Any]]
    session_id: str


async def publish(live: Live, **version: Any) -> dict[str, Any]:
    """Import the pool and publish an evaluation that draws one question of each group; returns the version."""
    marker = uuid4().hex[:8]
    await live.do("QuestionPoolImport", {"entries": pool(marker), "publish": True}, role="author")
    sections = [{"title": "All", "drawPerGroup": True, "shuffleOptions": True, "selector": {"referencePrefix": "W"}}]
    given = {"title": f"Walk {marker}", "passMark": {"points": "4"}, "sections": sections, **version}
    created = await live.do("EvaluationCreate", given, role="author")
    published = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author")
    return published["version"]


async def issue(live: Live, version_id: str, people: int, **terms: Any) -> tuple[str, list[str]]:
    """Issue to so many fresh addresses; returns the assignment's id and the invitation tokens."""
    recipients = [{"email": f"{uuid4().hex}@example.org"} for _ in range(people)]
    given = {"evaluationVersionId": version_id, "recipients": recipients, **terms}
    payload = await live.do("AssignmentIssue", given, role="manager", **{"idempotency-key": key()})
    return payload["assignment"]["id"], [row["invitationToken"] for row in payload["results"]]


async def redeem(live: Live, invitation: str) -> str:
    """Redeem an invitation; returns the session token."""
    return (await live.do("InvitationRedeem", {"token": invitation, "nonce": uuid4().hex}))["sessionToken"]


async def sit_down(live: Live, invitation: str) -> Sitting:
    """Redeem and start; returns the running session with its paper."""
    token = await redeem(live, invitation)
    await live.do("SessionStart", {}, token=token)
    mine = (await live.ask("MySession", token=token))["mySession"]
    return Sitting(token, mine["paper"]["items"], mine["id"])


def choice(item: dict[str, Any], text: str) -> dict[str, str]:
    """The response that chooses the option with this text."""
    return {"choice": next(o["id"] for o in item["content"]["options"] if o["text"] == text)}


SEB_KEY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""A config key of Safe Exam Browser."""


@dataclass
class Locked:
    """A candidate's session that wants a lockdown browser and has not started."""

    token: str
    session_id: str
    nonce: str
    probe_url: str

    def page(self, live: Live) -> str:
        """The address of the page that the candidate sits at."""
        return f"{live.service.house.site}/exam?session={self.nonce}"


def seb(url: str, key: str = SEB_KEY) -> str:
    """What Safe Exam Browser shows for an address."""
    return hashlib.sha256((url.partition("#")[0] + key).encode()).hexdigest()


async def lock(live: Live, version_id: str, people: int, **security: Any) -> tuple[str, list[Locked]]:
    """Issue with a lockdown browser required, set its key, and have everybody redeem."""
    measures = {"lockdownBrowser": "REQUIRED", **security}
    keys = {"configKeys": [SEB_KEY]}
    assignment, invitations = await issue(live, version_id, people, securityConfig=measures, lockdown=keys)
    found = []
    for invitation in invitations:
        token = await redeem(live, invitation)
        mine = (await live.ask("MyLockdown", token=token))["mySession"]
        found.append(Locked(token, mine["id"], mine["lockdown"]["nonce"], mine["lockdown"]["probeUrl"]))
    return assignment, found


async def park_a_job(live: Live) -> UUID:
    """A job of the demonstration tenant that was given up."""
    office, job_id = live.service.house.office, uuid4()
    persona = await demonstration.persona(office, "demo", "admin")

    async def act(work: Work) -> None:
        await jobs.enqueue(work, "messages.deliver", {"message": str(uuid4())}, after=timedelta(hours=1))
        newest = select(func.max(queue.c.id)).scalar_subquery()
        told = {"id": str(job_id), "tenant": str(persona.tenant_id)}
        await work.session.execute(
            update(queue).where(queue.c.id == newest).values(status="failed", headers=told, execute_after=func.now())
        )

    await office.perform(Viewer.system(persona.tenant_id), act)
    return job_id
