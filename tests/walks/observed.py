"""Candidates who are watched at work: one criterion list, judged by an assessor, and approved or rejected."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.walks import essays, story
from tests.walks.conftest import Live

PASSED = [{"criterion": "facts", "level": "all"}, {"criterion": "style", "level": "good"}]


async def publish(live: Live) -> str:
    """Publish an evaluation of one observation worth 10 points, of which 60 per cent pass; returns the version's id."""
    given = {
        "reference": f"O-{uuid4().hex[:8]}",
        "stem": "Change the wheel.",
        "body": {"observation": {"rubric": essays.RUBRIC}},
    }
    made = await live.do("QuestionCreate", given, role="author")
    shown = await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author")
    sections = [{"title": "All", "items": [{"questionVersionId": shown["version"]["id"], "points": "10"}]}]
    given = {"title": f"Wheels {uuid4().hex[:8]}", "passMark": {"percent": "60"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, role="author")
    return (await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author"))["version"]["id"]


async def hand_in(live: Live, version_id: str, people: int, **terms: Any) -> list[str]:
    """Let so many people be watched; returns their reviews."""
    assignment, invitations = await story.issue(live, version_id, people, **terms)
    for invitation in invitations:
        sitting = await story.sit_down(live, invitation)
        await live.do("SessionSubmit", {}, token=sitting.token)
    return [one["id"] for one in await essays.queue(live, assignment)]


@dataclass
class InHand:
    """A review that the assessor has in hand."""

    task: str
    fence: int

    @property
    def place(self) -> dict[str, Any]:
        """Where an act of its holder belongs."""
        return {"taskId": self.task, "fence": self.fence}

    async def decide(self, live: Live, act: str, reason: str = "As seen.") -> dict[str, Any]:
        """Decide something, and return the review as it is then."""
        return (await live.do(act, self.place | {"reason": reason}, role="assessor"))["task"]

    async def object(self, live: Live, severity: str, **more: Any) -> str:
        """Raise a finding, and return its id."""
        given = self.place | {"severity": severity, "text": "No gloves.", **more}
        return (await live.do("FindingRaise", given, role="assessor"))["task"]["findings"][-1]["id"]

    async def mark(self, live: Live) -> dict[str, Any]:
        """Give the mark of its item, and return the review as it is then."""
        (item,) = await essays.items(live, self.task)
        given = self.place | {"itemId": item["item"]["id"], "levels": PASSED, "rationale": "All seen."}
        return (await live.do("GradeFinalise", given, role="assessor"))["task"]


async def take(live: Live, task: str) -> InHand:
    """Let the assessor take a review in hand."""
    return InHand(task, (await live.do("ReviewClaim", {"id": task}, role="assessor"))["fence"])
