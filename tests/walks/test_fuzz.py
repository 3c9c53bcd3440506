"""Operations that nobody wrote, against the real server: whatever is asked, nothing fails inside.

EVALIUM_FUZZ sets how many are sent; the seed is fixed, so that a finding can be found again.
"""

import asyncio
import os
from collections import Counter
from typing import Any

import orjson
from structlog.testing import capture_logs

from schema.root import schema
from tests.factories.fuzz import Fuzzer, Operation
from tests.walks import story
from tests.walks.conftest import Live

COUNT = int(os.environ.get("EVALIUM_FUZZ", "300"))
SEED = int(os.environ.get("EVALIUM_FUZZ_SEED", "3"))
OF_CANDIDATES = {
    "mySession",
    "sessionStart",
    "answerSave",
    "sessionEventsRecord",
    "sessionSubmit",
    "answersSave",
    "sessionHeartbeat",
}
SLOWEST = 6.0
"""Seconds: an operation is ended after five."""


async def test_no_operation_fails_inside(live: Live):
    fuzzer = Fuzzer(schema._schema, SEED)
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], 12)
    sittings = [await story.sit_down(live, one) for one in invitations[:4]]
    waiting = await story.redeem(live, invitations[4])
    for invitation in invitations[5:]:
        fuzzer.teach("invitationToken", invitation)
    for one in (version["id"], assignment, *(sitting.session_id for sitting in sittings), sittings[0].items[0]["id"]):
        fuzzer.teach("id", one)
    fuzzer.teach("id", sittings[0].items[0]["id"], "item")
    fuzzer.teach("id", assignment, "Assignment")
    staff = [await live.token(role) for role in ("admin", "author", "proctor")]
    candidates = [*(sitting.token for sitting in sittings), waiting]
    found: list[tuple[Operation, Any]] = []
    codes: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    with capture_logs() as logs:
        for number in range(COUNT):
            operation = fuzzer.operation(number)
            fitting = candidates if operation.root in OF_CANDIDATES else staff[:1]
            everybody = [*staff, *candidates, None]
            caller = fuzzer.random.choice(fitting if fuzzer.random.random() < 0.8 else everybody)
            since = loop.time()
            status, answers = await send(live, operation, caller)
            took = loop.time() - since
            shown = {error["extensions"]["code"] for one in answers for error in one.get("errors", [])}
            for answer in answers:
                fuzzer.learn(answer.get("data"))
                shown |= {
                    problem["code"]
                    for payload in (answer.get("data") or {}).values()
                    if isinstance(payload, dict)
                    for problem in payload.get("problems", [])
                    if "code" in problem
                }
            codes.update(shown or {"answered"})
            if status >= 500 or "INTERNAL" in shown or took > SLOWEST:
                found.append((operation, (status, took, answers)))
    print(dict(codes.most_common()))  # noqa: T201 - the summary of a long run, shown with -s
    inside = [entry for entry in logs if entry["event"] == "graphql.internal"]
    assert not found + inside, describe(found, inside)
    assert codes["answered"] > COUNT / 5, codes


async def send(live: Live, operation: Operation, token: str | None) -> tuple[int, list[dict[str, Any]]]:
    """Send over HTTP, or open a stream and leave it after its first event."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body = {"query": operation.query, "variables": operation.variables}
    if not operation.is_stream:
        response = await live.http.post(f"{live.base}/graphql", json=body, headers=headers)
        return response.status_code, [response.json()]
    async with live.http.stream("POST", f"{live.base}/graphql/stream", json=body, headers=headers) as response:
        if response.status_code != 200:
            return response.status_code, [orjson.loads(await response.aread())]
        try:
            async with asyncio.timeout(3):
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        return 200, [orjson.loads(line[6:])]
        except TimeoutError:
            pass
        return 200, []


def describe(found: list[tuple[Operation, Any]], inside: list[Any]) -> str:
    lines = [f"{operation.root}: {operation.query}\n  {operation.variables}\n  {what}" for operation, what in found[:8]]
    reasons = Counter(entry["traceback"].strip().splitlines()[-1] for entry in inside)
    return (
        f"{len(found)} found\n"
        + "\n".join(lines)
        + "\n"
        + "\n".join(f"{n} times {one}" for one, n in reasons.items())
        + ("\n" + inside[0]["traceback"] if inside else "")
    )
