"""Programmes made through the API."""

from typing import Any
from uuid import uuid4

from tests.walks import story
from tests.walks.conftest import Live


async def evaluation(live: Live) -> str:
    """Publish an evaluation; returns its id."""
    version = await story.publish(live)
    shown = await live.ask("EvaluationVersion", {"id": version["id"]}, role="author")
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
