"""Programmes made through the API."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from jobs import programmes as job
from services import demonstration, invitations
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


MONTHLY = {"validityMonths": 1, "leadDays": 27, "expiryAnchor": "WINDOW_END"}
"""Rules by which a certificate is renewed from the day after it was issued, or three days later at most."""


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


async def renew(live: Live, enrolment: str) -> str:
    """Let the job of renewals look as it will in five days; returns the enrolment that renews this one."""
    house, who = live.service.house, await demonstration.persona(live.service.house.office, "demo", "admin")
    link = partial(invitations.link, house.site, house.tokens)
    await job.renew_tenant(house.office.shifted(timedelta(days=5)), who.tenant_id, link)
    wanted = {"filter": {"programmeId": (await shown(live, enrolment))["programme"]["id"]}}
    found = (await live.ask("ProgrammeEnrolments", wanted, role="admin"))["programmeEnrolments"]["nodes"]
    seen = [await shown(live, one["id"]) for one in found]
    (renewal,) = [one["id"] for one in seen if one["renewalOf"] is not None and one["renewalOf"]["id"] == enrolment]
    return renewal


async def outdated(live: Live) -> str:
    """Enrol somebody, and publish a version that asks for one paper more; returns the enrolment."""
    of_it = await evaluation(live)
    programme = await published(live, evaluation_id=of_it)
    (enrolment,) = await enrol(live, programme)
    await ask_for(live, programme, of_it, name="Another paper")
    await publish(live, programme)
    return enrolment


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
