"""Twenty tenants over two database connections, interleaved: nobody sees a row of another, and no variable is left over.

EVALIUM_INTERLEAVED sets how many requests are sent.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import orjson
import pytest
from structlog.testing import capture_logs

from server import app
from server.addresses import DatabaseAddress
from server.viewer import access_token
from services.demonstration import Persona
from services.work import Office
from tests.factories import tenants
from tests.walks.conftest import Live, document, running

COUNT = int(os.environ.get("EVALIUM_INTERLEAVED", "1000"))
TENANTS = 20
AT_ONCE = 16
READ = """query Read($foreign: ID!) {
  viewer { tenant { id } }
  questions(first: 20) { nodes { id reference } totalCount }
  evaluations { nodes { id } }
  assignments { nodes { id } }
  node(id: $foreign) { id }
}"""


@dataclass
class Tenant:
    mark: str
    token: str
    id: str = ""
    question: str = ""


@pytest.fixture
async def narrow(database: DatabaseAddress, tmp_path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(app, "Office", partial(Office, pool_size=2))
    async with running(database, tmp_path) as live:
        assert live.service.house.office._engine.pool.size() == 2
        yield live


async def settle(live: Live, number: int) -> Tenant:
    """Found a tenant with an author and two questions of its own."""
    house = live.service.house
    world = await tenants.found(house.office, name=f"Tenant {number}")
    staff = await world.staff("tenant_admin")
    persona = Persona(staff.tenant_id, staff.org_unit_id, staff.user_id, "Admin", (world.roles["tenant_admin"],))
    tenant = Tenant(f"T{number:02}X", access_token(house.tokens, persona, datetime.now(UTC)))
    for n in range(2):
        given = {"reference": f"{tenant.mark}{n}", "stem": "?", "body": {"trueFalse": {"correct": True}}}
        tenant.question = (await live.do("QuestionCreate", given, token=tenant.token))["question"]["id"]
    tenant.id = (await live.post("{ viewer { tenant { id } } }", token=tenant.token))["data"]["viewer"]["tenant"]["id"]
    return tenant


async def test_nobody_sees_a_row_of_another_tenant(narrow: Live):
    everybody = [await settle(narrow, number) for number in range(TENANTS)]
    chance = random.Random(6)  # noqa: S311 - reproducible, not secret
    seen: Counter[str] = Counter()
    waiting = iter([[*chance.sample(everybody, 2), chance.random()] for _ in range(COUNT)])

    async def client() -> None:
        for own, other, die in waiting:
            if die < 0.03:
                await leave_early(narrow, own)
                seen["left"] += 1
            elif die < 0.06:
                body = await narrow.post(READ, {"foreign": other.question})
                assert {error["extensions"]["code"] for error in body["errors"]} == {"UNAUTHENTICATED"}, body
                seen["anonymous"] += 1
            elif die < 0.12:
                given = {"input": {"id": other.question if die < 0.09 else own.question, "stem": f"{die}?"}}
                body = await narrow.post(document("QuestionUpdate"), given, own.token)
                if was_late(body):
                    seen["late"] += 1
                    continue
                problems = [one["code"] for one in body["data"]["questionUpdate"]["problems"]]
                assert problems == (["NOT_FOUND"] if die < 0.09 else []), body
                seen["written"] += 1
            else:
                body = await narrow.post(READ, {"foreign": other.question}, own.token)
                if was_late(body):
                    seen["late"] += 1
                    continue
                assert "errors" not in body, body
                data = body["data"]
                foreign = [one for one in data["questions"]["nodes"] if not one["reference"].startswith(own.mark)]
                assert not foreign, (own.mark, foreign)
                assert len(data["questions"]["nodes"]) == data["questions"]["totalCount"] == 2
                assert data["node"] is None
                assert data["viewer"]["tenant"]["id"] == own.id
                seen["read"] += 1

    with capture_logs() as logs:
        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    assert not [entry for entry in logs if entry["event"] == "graphql.internal"]
    assert sum(seen.values()) == COUNT
    assert seen["late"] < COUNT / 20, seen
    print(dict(seen))  # noqa: T201 - the summary of a long run, shown with -s


def was_late(body: dict[str, Any]) -> bool:
    """Whether a busy machine did not answer within the five seconds that an operation has."""
    return {error["extensions"]["code"] for error in body.get("errors", [])} == {"LIMIT_EXCEEDED"}


async def leave_early(live: Live, own: Tenant) -> None:
    """Send a request and go away before the answer, so that the connection comes back from a cut operation."""
    body = orjson.dumps({"query": READ, "variables": {"foreign": own.question}})
    headers = {"authorization": f"Bearer {own.token}", "content-type": "application/json"}
    async with httpx2.AsyncClient(timeout=0.02) as leaving:
        try:
            await leaving.post(f"{live.base}/graphql", content=body, headers=headers)
        except httpx2.TimeoutException:
            return
