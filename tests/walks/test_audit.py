"""The server audit of the npm package graphql-http, and the npm clients graphql-ws and graphql-sse, all as published."""

from datetime import UTC, datetime
from typing import Any

import pytest

from server.persisted import Documents
from tests.walks import node, story
from tests.walks.conftest import Live, document

OVER_GET = {"5A70", "D6D5", "6A70"}
"""What a server MAY do by GET, and this one does not: a token's bearer would end in logs."""

VIEWER = "{ viewer { capabilities } }"


async def test_the_audit_finds_nothing_but_that_get_is_not_answered(live: Live):
    results = await node.run("audit.mjs", f"{live.base}/graphql", await live.token("viewer"))  # it asks for __type
    assert len(results) > 55
    other = {one["id"]: (one["status"], one["name"], one.get("reason")) for one in results if one["status"] != "ok"}
    assert set(other) == OVER_GET, other
    assert {status for status, *_ in other.values()} == {"notice"}


@pytest.fixture(scope="module")
async def seen(live: Live) -> Any:
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1)
    sitting = await story.sit_down(live, invitation)
    base = live.base.removeprefix("http")
    given = {
        "ws": f"ws{base}/graphql",
        "http": f"http{base}/graphql",
        "sse": f"http{base}/graphql/stream",
        "token": await live.token("proctor"),
        "candidate": sitting.token,
        "query": VIEWER,
        "mutation": document("SessionEventsRecord"),
        "stream": document("AssignmentStream"),
        "streamed": {"assignmentId": assignment},
        "now": datetime.now(UTC).isoformat(),
        "wanted": 25,
        "documents": [one.body for one in Documents.ours().operations],
    }
    answers = await node.run("clients.mjs", given=given)
    answers["assignment"] = assignment
    return answers


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_clients_from_npm_get_what_the_protocols_say(seen: Any, transport: str):
    steps = seen[transport]
    assert steps["query"]["end"] == "complete"
    assert steps["query"]["results"][0]["data"]["viewer"]["capabilities"]
    (recorded,) = steps["mutation"]["results"]
    assert recorded["data"]["sessionEventsRecord"]["problems"] == []
    assert "cursor" in steps["subscription"]["results"][0]["data"]["assignmentStream"]
    for name in ("invalid", "malformed"):
        assert code(steps[name]) == "BAD_USER_INPUT"
    assert code(steps["anonymous"]) == "UNAUTHENTICATED"
    assert steps["badToken"]["results"] == []
    assert steps["badToken"]["end"] == "error"
    assert steps["neighbour"] == {"failed": steps["malformed"]["end"], "next": "complete", "streamed": True}


def code(step: dict[str, Any]) -> str:
    """The code of the one error, whether it came as a result or ended the operation."""
    errors = step.get("errors") or [error for result in step["results"] for error in result["errors"]]
    return errors[0]["extensions"]["code"]


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_client_from_npm_resumes_without_loss_after_three_cuts(live: Live, seen: Any, transport: str):
    steps = seen[transport]
    assert steps["resumed"]["connections"] >= 4
    seqs = steps["resumed"]["seqs"]
    assert len(seqs) >= 25  # the last frame may hold more than was waited for
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    page = (
        await live.ask(
            "AssignmentEvents",
            {"assignmentId": seen["assignment"], "after": steps["from"], "first": len(seqs)},
            role="proctor",
        )
    )["assignmentEvents"]
    assert [event["seq"] for event in page["events"]] == seqs


async def test_graphql_js_prints_our_documents_to_known_hashes(seen: Any):
    assert seen["hashesUnknown"] == []
