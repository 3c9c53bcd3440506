"""Files that people hand in: an evaluation that asks for them, and sending one through its address."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx2

from tests.walks import story
from tests.walks.conftest import Live, key
from tests.walks.story import Sitting

PDF = "application/pdf"


async def publish(live: Live, **asked: Any) -> str:
    """Publish an evaluation that asks for files, and for an essay; returns the version's id."""
    wanted = {"acceptedMediaTypes": [PDF, "image/*"], "maxFiles": 2, "maxBytes": 5_000_000, **asked}
    items = []
    for n, body in enumerate([{"fileUpload": wanted}, {"essay": {}}]):
        given = {"reference": f"F{n}-{uuid4().hex[:8]}", "stem": "Show **it**.", "body": body}
        made = await live.do("QuestionCreate", given, role="author")
        shown = await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author")
        items.append({"questionVersionId": shown["version"]["id"], "points": "10"})
    sections = [{"title": "All", "items": items}]
    given = {"title": f"Files {uuid4().hex[:8]}", "passMark": {"percent": "50"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, role="author")
    published = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author")
    return published["version"]["id"]


def announced(body: bytes, **more: Any) -> dict[str, Any]:
    """What is told of a file before it is sent."""
    told = {"fileName": "proof.pdf", "mediaType": PDF, "sizeBytes": len(body)}
    return {**told, "sha256": hashlib.sha256(body).hexdigest(), **more}


def here(live: Live, url: str) -> str:
    """The address at this server of what is told as an address of the site."""
    return f"{live.base}/api/{url.partition('/api/')[2]}"


async def send(live: Live, upload: dict[str, Any], body: bytes, token: str, **headers: str) -> httpx2.Response:
    """Send all of a file."""
    headers["authorization"] = f"Bearer {token}"
    return await live.http.put(here(live, upload["url"]), content=body, headers=headers)


async def staff_upload(
    live: Live, body: bytes, *, role: str = "assessor", send_it: bool = True, **place: Any
) -> dict[str, Any]:
    """Announce and send a file to a submission or an item."""
    made = await live.do("UploadCreate", {**announced(body), **place, "idempotencyKey": key()}, role=role)
    if send_it:
        answer = await send(live, made["upload"], body, await live.token(role))
        assert answer.status_code == 200, answer.text
    return made["upload"]


async def sit_down(live: Live, version_id: str, **terms: Any) -> tuple[str, Sitting]:
    """Issue to one person, who starts; returns the assignment and the sitting."""
    assignment, (invitation,) = await story.issue(live, version_id, 1, **terms)
    return assignment, await story.sit_down(live, invitation)


async def hand_in(live: Live, version_id: str, *bodies: bytes, **terms: Any) -> tuple[str, Sitting]:
    """Let one person send these files with the answer and hand in; returns the submission's id and the sitting."""
    _, sitting = await sit_down(live, version_id, **terms)
    item = sitting.items[0]["id"]
    ids = []
    for body in bodies:
        made = await live.do("MyUploadCreate", {"itemId": item, **announced(body)}, token=sitting.token)
        assert (await send(live, made["upload"], body, sitting.token)).status_code == 200
        ids.append(made["upload"]["id"])
    answer = {"itemId": item, "revision": 1, "response": {"files": ids}}
    await live.do("AnswerSave", answer, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sitting.token)
    seen = (await live.ask("Session", {"id": sitting.session_id}, role="admin"))["session"]
    return seen["submission"]["id"], sitting
