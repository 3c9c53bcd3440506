"""Programmes made through the API."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.walks import essays, story
from tests.walks.conftest import Live


async def evaluation(live: Live, *, of_essays: bool = False) -> str:
    """Publish an evaluation; returns its id."""
    version = await essays.publish(live) if of_essays else (await story.publish(live))["id"]
    shown = await live.ask("EvaluationVersion", {"id": version}, role="author")
    return shown["evaluationVersion"]["evaluation"]["id"]


async def begin(live: Live, **rules: Any) -> str:
    """Begin a programme; returns its id."""
    given = {"name": f"Licence {uuid4().hex[:8]}", "description": "To *transmit*.", "rules": rules}
    return (await live.do("ProgrammeCreate", given, role="manager"))["programme"]["id"]


async def ask_for(live: Live, programme: str, evaluation_id: str, **more: Any) -> dict[str, Any]:
    """Add a requirement to the draft; returns the draft."""
    given = {"name": f"Paper {uuid4().hex[:6]}", "evaluationId": evaluation_id, **more}
    added = await live.do("ProgrammeRequirementAdd", {"programmeId": programme, "requirement": given}, role="manager")
    return added["programme"]


async def publish(live: Live, programme: str) -> dict[str, Any]:
    """Publish the draft; returns the version."""
    return (await live.do("ProgrammePublish", {"id": programme}, role="manager"))["version"]


async def published(live: Live, *requirements: dict[str, Any], evaluation_id: str | None = None, **rules: Any) -> str:
    """Publish a programme that asks for one evaluation under these terms each; returns its id."""
    of_it = evaluation_id or await evaluation(live)
    programme = await begin(live, **rules)
    for one in requirements or ({},):
        await ask_for(live, programme, of_it, **one)
    await publish(live, programme)
    return programme


async def enrol(live: Live, programme: str, people: int = 1) -> list[str]:
    """Enrol so many fresh addresses; returns their enrolments."""
    given = [{"email": f"{uuid4().hex}@example.org"} for _ in range(people)]
    done = await live.do("ProgrammeEnrol", {"programmeId": programme, "recipients": given}, role="manager")
    return [row["enrolment"]["id"] for row in done["results"]]


async def shown(live: Live, enrolment: str) -> dict[str, Any]:
    """An enrolment as staff see it."""
    return (await live.ask("ProgrammeEnrolment", {"id": enrolment}, role="admin"))["programmeEnrolment"]


async def until(live: Live, enrolment: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the enrolment once something holds of it: scores are followed behind the requests."""
    async with asyncio.timeout(30):
        while not holds(found := await shown(live, enrolment)):
            await asyncio.sleep(0.02)
    return found


async def sit(live: Live, enrolment: str, place: int, right: int | None = None) -> str:
    """Sit the newest attempt at a requirement with so many right answers, or with text; returns the session token."""
    attempt = (await shown(live, enrolment))["progress"][place]["attempts"][-1]
    sent = await live.ask("Invitations", {"id": attempt["assignment"]["id"]}, role="manager")
    (invitation,) = sent["assignment"]["invitations"]["nodes"]
    link = (await live.do("InvitationLink", {"id": invitation["id"]}, role="manager"))["link"]
    sitting = await story.sit_down(live, link.partition("token=")[2])
    for n, item in enumerate(sitting.items):
        text = "right" if right is not None and n < right else "wrong"
        response = {"text": "Because."} if right is None else story.choice(item, text)
        await live.do("AnswerSave", {"itemId": item["id"], "revision": 1, "response": response}, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sitting.token)
    return sitting.token


async def certify(live: Live, programme: str) -> dict[str, Any]:
    """Enrol somebody in a programme of one paper, and let them pass it; returns the enrolment."""
    (enrolment,) = await enrol(live, programme)
    await sit(live, enrolment, 0, right=4)
    return await until(live, enrolment, lambda one: one["state"] == "CERTIFIED")


async def correct(live: Live, seen: dict[str, Any], place: int = 0) -> str:
    """Take a question out of the submission that meets a requirement, which makes it too low; returns the batch."""
    met = seen["progress"][place]["submission"]["id"]
    submission = (await live.ask("Submission", {"id": met}, role="admin"))["submission"]
    right = next(item for item in submission["items"] if Decimal(item["score"]["points"]) > 0)
    given = {
        "evaluationVersionId": submission["evaluationVersion"]["id"],
        "lines": [{"questionVersionId": right["questionVersion"]["id"], "change": {"void": "EXCLUDE"}}],
        "reason": "It was unclear.",
    }
    return (await live.do("CorrectionApply", given, role="manager"))["batch"]["id"]


async def hold(live: Live, programme: str | None = None) -> tuple[str, str]:
    """Let a correction call into question what somebody met; returns the enrolment and the requirement."""
    (enrolment,) = await enrol(live, programme or await published(live))
    await sit(live, enrolment, 0, right=4)
    seen = await until(live, enrolment, lambda one: one["state"] == "CERTIFIED")
    await correct(live, seen)
    seen = await until(live, enrolment, lambda one: one["heldCount"] == 1)
    return enrolment, seen["progress"][0]["requirement"]["id"]
