"""Files that staff record as evidence, and what is told of them."""

import asyncio
from typing import Any
from uuid import UUID

from schema.nodes import split_id
from tests.walks.conftest import Live, key
from tests.walks.files import staff_upload

BODY = b"What was seen, signed. " * 5000


def uuid_of(value: str) -> UUID:
    found = split_id(value)
    assert found is not None
    return found[1]


async def record(live: Live, submission: str, body: bytes = BODY, **more: Any) -> dict[str, Any]:
    """Record a file on a submission; returns the evidence."""
    upload = await staff_upload(live, body, submissionId=submission)
    given = {"submissionId": submission, "uploadId": upload["id"], "idempotencyKey": key(), **more}
    return (await live.do("EvidenceRecord", given, role="assessor"))["evidence"]


async def refused(live: Live, name: str, given: dict[str, Any], *, role: str = "assessor") -> dict[str, Any]:
    data = await live.ask(name, {"input": given}, role=role)
    (payload,) = data.values()
    assert payload["evidence"] is None
    (problem,) = payload["problems"]
    return problem


async def shown(live: Live, evidence: str, role: str = "auditor") -> dict[str, Any]:
    return (await live.ask("EvidenceItem", {"id": evidence}, role=role))["evidenceItem"]


async def settled(live: Live, evidence: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (found := await shown(live, evidence))["integrity"] == "QUEUED":
            await asyncio.sleep(0.05)
    return found


async def bearer(live: Live, role: str = "assessor", **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {await live.token(role)}"} | {k.replace("_", "-"): v for k, v in more.items()}
