"""What a candidate's token can learn: the own paper and answers, as much result as allowed, and nothing else."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import pytest
import websockets

from models import Base
from services.tokens import TokenType
from tests.walks import marked, reach
from tests.walks.conftest import Live, receive, send
from tests.walks.marked import MARK, Marked, Person

KEYS = {MARK, "271828.1828", "271828", "0.00314159"}
THEIR_ANSWERS = {"MARKER-ANSWER-TWO", "161803.3989"}
MODES = ("NONE", "OUTCOME", "SCORE")
DENIED = {"UNAUTHENTICATED", "FORBIDDEN"}


@dataclass
class Pair:
    assignment: str
    one: Person
    two: Person

    @property
    def secrets(self) -> set[str]:
        return KEYS | THEIR_ANSWERS | self.two.marks


@dataclass
class World:
    evaluation: Marked
    pairs: dict[str, Pair]
    tried: dict[str, int]
    submission: dict[str, Any]


@pytest.fixture(scope="module")
async def world(live: Live):
    """Two candidates under each feedback mode; the second one is ahead and has answered with marks."""
    evaluation = await marked.publish(live)
    pairs = {}
    for mode in MODES:
        pair = pairs[mode] = Pair(*await marked.pair(live, evaluation.version_id, mode))
        items = {item["kind"]: item for item in await marked.start(live, pair.two)}
        await marked.answer(live, pair.two, items["SHORT_TEXT"], {"text": "MARKER-ANSWER-TWO"})
        await marked.answer(live, pair.two, items["ESSAY"], {"text": "MARKER-ANSWER-TWO, at length"})
        await marked.answer(live, pair.two, items["NUMERIC"], {"value": "161803.3989"})
    handed_in = pairs["SCORE"].two
    await live.do("SessionSubmit", {}, token=handed_in.token)
    seen = (await live.ask("Session", {"id": handed_in.session_id}, role="admin"))["session"]["submission"]
    submission = (await live.ask("Submission", {"id": seen["id"]}, role="admin"))["submission"]
    handed_in.marks |= {submission["id"], submission["uuid"], submission["contentHash"]}
    handed_in.ids |= {
        "submission": submission["id"],
        "scoreVersion": submission["latestScore"]["id"],
        "submissionItem": submission["items"][0]["id"],
    }
    found = World(evaluation, pairs, {"operations": 0, "leaf fields": 0}, submission)
    yield found
    print("\ncandidate reach:", found.tried)  # noqa: T201 - the figures of the closing note


def fills(world: World, pair: Pair) -> list[reach.Fill]:
    """Ways to fill the arguments: with what the other candidate, staff and the own session would put there."""
    theirs = world.evaluation.ids | world.pairs["SCORE"].two.ids | pair.two.ids
    own = world.evaluation.ids | pair.one.ids

    def fill(ids: dict[str, str], name: str, kind: str) -> str | None:
        if kind != "ID":
            return None
        if name == "ids":
            return orjson.dumps(sorted(ids.values())).decode()
        return orjson.dumps(ids.get(name.removesuffix("Id"), ids["session"])).decode()

    return [lambda kind, name, ids=ids: fill(ids, name, kind) for ids in (theirs, own)]


def aimed(fill: reach.Fill, root: str, ids: dict[str, str]) -> reach.Fill:
    """An argument that is merely called `id` takes the id of the kind that the root field is about."""
    subject = "evaluationVersion" if root == "evaluationVersion" else re.split(r"(?=[A-Z])", root)[0]
    if subject not in ids:
        return fill
    wanted = orjson.dumps(ids[subject]).decode()
    return lambda kind, name: wanted if (kind, name) == ("ID", "id") else fill(kind, name)


async def raw(live: Live, text: str, token: str | None) -> tuple[int, str]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    response = await live.http.post(f"{live.base}/graphql", json={"query": text}, headers=headers)
    return response.status_code, response.text


def refuse_leaks(secrets: set[str], sent: str, answer: str) -> None:
    leaked = [secret for secret in secrets if secret in answer and secret not in sent]
    assert leaked == [], (leaked, sent, answer)


def refused_at_the_root(answer: str, name: str, codes: set[str] = DENIED) -> None:
    body = orjson.loads(answer)
    assert not (body.get("data") or {}).get(name), (name, answer)
    assert body["errors"], (name, answer)
    assert {error["extensions"]["code"] for error in body["errors"]} <= codes, (name, answer)


async def walk(live: Live, world: World, pair: Pair, token: str | None, *, deep: bool) -> str:
    """Ask every query root field for everything below it; returns all that `mySession` answered."""
    mine = ""
    ids = world.evaluation.ids | world.pairs["SCORE"].two.ids | pair.two.ids
    theirs, _ = ways = fills(world, pair)
    for name, field in reach.roots("query").items():
        own = reach.access(field)[0] in ("candidate", "public") and token is not None
        for plain in ways:
            fill = aimed(plain, name, ids)
            texts = [(reach.shallow("query", name, fill), 1)]
            if own or (deep and plain is theirs):
                texts = list(reach.documents("query", name, fill))
            for text, leaves in texts:
                status, answer = await raw(live, text, token)
                assert status == 200, answer
                world.tried["operations"] += 1
                world.tried["leaf fields"] += leaves
                refuse_leaks(pair.secrets, text, answer)
                if own:
                    assert '"errors"' not in answer, answer
                    mine += answer
                else:
                    refused_at_the_root(answer, name)
            if not field.args:
                break
    return mine


def refuse_tilted_papers(paper: dict[str, Any], keys: list[dict[str, Any]]) -> None:
    """Nothing in the paper may set a right option apart: not how often it is named, and not its place."""
    text = orjson.dumps(paper).decode()
    for item, version in zip(paper["items"], keys, strict=True):
        key, content = version["key"], item["content"]
        assert item["kind"] == version["kind"]
        for shown in (content.get("options"), content.get("left"), content.get("right"), content.get("items")):
            if shown and item["kind"] not in ("TRUE_FALSE", "MATCHING", "ORDERING"):
                assert len({text.count(option["id"]) for option in shown}) == 1, shown
        if item["kind"] == "ORDERING":
            assert sorted(o["id"] for o in content["items"]) == sorted(key["order"])
            assert [o["id"] for o in content["items"]] != key["order"]
        if item["kind"] == "MATCHING":
            matched = {one["left"]: one["right"] for one in key["pairs"]}
            assert [o["id"] for o in content["right"]] != [matched[o["id"]] for o in content["left"]]
            assert not {o["id"] for o in content["right"]} & set(matched)


async def test_every_field_before_during_and_after_the_session(live: Live, world: World):
    for mode, pair in world.pairs.items():
        before = await walk(live, world, pair, pair.one.token, deep=False)
        assert '"paper":{' not in before
        items = await marked.start(live, pair.one)
        paper = (await live.ask("MySession", token=pair.one.token))["mySession"]["paper"]
        refuse_tilted_papers(paper, world.evaluation.keys)
        right = world.evaluation.keys[0]["key"]["correct"]
        await marked.answer(live, pair.one, items[0], {"choice": right})
        await marked.answer(live, pair.one, items[6], {"text": "MY OWN ANSWER"})
        during = await walk(live, world, pair, pair.one.token, deep=mode == "SCORE")
        assert "MY OWN ANSWER" in during
        assert not re.search(r'"(PASSED|FAILED|PENDING)"', before + during)
        await live.do("SessionSubmit", {}, token=pair.one.token)
        after = await walk(live, world, pair, pair.one.token, deep=False)
        await tells_as_much_as_allowed(live, pair.one, mode, after)
    reached = {step for _, field in reach.roots("query").items() for step in reach.coordinates(field)}
    world.tried["distinct fields"] = len(reached)


async def tells_as_much_as_allowed(live: Live, person: Person, mode: str, told: str) -> None:
    staff = (await live.ask("Session", {"id": person.session_id}, role="admin"))["session"]["submission"]
    score = (await live.ask("Submission", {"id": staff["id"]}, role="admin"))["submission"]["latestScore"]
    assert score["outcome"] == "PASSED"
    numbers = {f'"{score[name]}"' for name in ("points", "maxPoints", "percent")} - {'"1.0625"'}
    told = re.sub(r'"points":"1.0625"', "", told) if mode != "SCORE" else told
    assert ('"PASSED"' in told) == (mode != "NONE")
    assert [number for number in sorted(numbers) if number in told] == (sorted(numbers) if mode == "SCORE" else [])
    hidden = {staff["id"], score["id"]}
    assert not [one for one in hidden if one in told]
    mine = (await live.ask("MySession", token=person.token))["mySession"]["result"]
    known = {name for name, value in (mine or {}).items() if value is not None}
    allowed = {"NONE": set(), "OUTCOME": {"outcome"}, "SCORE": {"outcome", "percent", "points", "maxPoints"}}
    assert known == allowed[mode]


async def test_nobody_and_an_invitation_reach_nothing(live: Live, world: World):
    pair = world.pairs["SCORE"]
    await walk(live, world, pair, None, deep=False)
    for kind in ("query", "mutation"):
        for name in reach.roots(kind):
            text = reach.shallow(kind, name, fills(world, pair)[0])
            status, answer = await raw(live, text, pair.one.invitation)
            assert (status, orjson.loads(answer)["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
            world.tried["operations"] += 1


def worth_asking(name: str, kind: str, fill: reach.Fill) -> list[tuple[str, int]]:
    """Documents of a mutation: what is refused before anything is read need not ask for every field."""
    if kind in {"requires", "signedIn"}:
        return [(reach.shallow("mutation", name, fill), 1)]
    return list(reach.documents("mutation", name, fill))


async def test_every_mutation_of_a_candidate(live: Live, world: World):
    """Staff's mutations are refused; the candidate's own ones change the token's session, and no other."""
    pair = world.pairs["OUTCOME"]
    theirs = await live.ask("MySession", token=pair.two.token)
    waiting = Pair(*await marked.pair(live, world.evaluation.version_id, "SCORE"))
    items = await marked.start(live, waiting.one)
    item = orjson.dumps(items[6]["id"]).decode()
    ids = world.evaluation.ids | pair.two.ids
    for name, field in reach.roots("mutation").items():
        kind, _ = reach.access(field)
        for plain in fills(world, pair):

            def fill(named: str, argument: str, plain: reach.Fill = plain, name: str = name) -> str | None:
                if named == "ResponseInput":
                    return '{text: "MINE"}'
                if argument == "token":
                    return orjson.dumps(waiting.one.invitation).decode()
                return item if (named, argument) == ("ID", "itemId") else aimed(plain, name, ids)(named, argument)

            for text, leaves in worth_asking(name, kind, fill):
                _, answer = await raw(live, text, waiting.one.token)
                world.tried["operations"] += 1
                world.tried["leaf fields"] += leaves
                refuse_leaks(pair.secrets | waiting.secrets, text, answer)
                if name in {"signInRefresh", "signOut"}:  # made-up tokens renew and end nothing, and are counted
                    refused_at_the_root(answer, name, {"UNAUTHENTICATED", "RATE_LIMITED"})
                elif kind in {"requires", "signedIn"}:
                    refused_at_the_root(answer, name)
                else:
                    assert (orjson.loads(answer)["data"] or {}).get(name) is not None, answer
    now = await live.ask("MySession", token=pair.two.token)
    for one in (theirs, now):
        one["mySession"].pop("serverNow"), one["mySession"].pop("secondsRemaining")
    assert now == theirs
    assert (await live.ask("MySession", token=waiting.one.token))["mySession"]["state"] == "SUBMITTED"
    assert (await live.ask("MySession", token=waiting.two.token))["mySession"]["state"] == "CREATED"


def test_no_field_of_a_candidate_takes_an_id_but_the_item() -> None:
    """The session comes from the token: there is no argument that could name another one."""
    own = [
        (name, reach.inputs_of(field))
        for kind in ("query", "mutation", "subscription")
        for name, field in reach.roots(kind).items()
        if reach.access(field)[0] in ("candidate", "public")
    ]
    assert {name for name, _ in own} == {
        "mySession", "sessionStart", "answerSave", "sessionEventsRecord", "sessionSubmit", "invitationRedeem", "publicLinkRedeem",
        "sessionProbe", "mySessionStream", "answersSave", "sessionHeartbeat", "signInRequest", "signInRedeem",
        "signInRefresh", "signOut", "inquiryOpen", "myUploadCreate", "resultOpen",
    }  # fmt: skip
    taken = {name: set(ids) for name, ids in own if ids}
    assert taken == {
        "answerSave": {"itemId", "files"},
        "answersSave": {"itemId", "files"},
        "myUploadCreate": {"itemId"},
        "signInRedeem": {"orgUnitId"},
    }, "files are uploads to that item, and the org unit is one of the link's person"


async def test_one_persons_idempotency_key_answers_nobody_else(live: Live, world: World):
    pair = Pair(*await marked.pair(live, world.evaluation.version_id, "NONE"))
    items = await marked.start(live, pair.one)
    await marked.start(live, pair.two)
    given = {"itemId": items[6]["id"], "revision": 1, "response": {"text": "MARKER-ANSWER-TWO"}, "idempotencyKey": "k1"}
    await live.do("AnswerSave", given, token=pair.two.token)
    changed = given | {"response": {"text": "mine"}}
    saved = await live.do("AnswerSave", changed, token=pair.one.token)
    assert saved["answer"]["response"]["text"] == "mine"


async def test_streams_refuse_candidates_nobody_and_invitations(live: Live, world: World):
    pair = world.pairs["NONE"]
    given = {"sessionId": pair.one.session_id, "first": 1}
    start = (await live.ask("SessionEvents", given, role="proctor"))["sessionEvents"]["cursor"]
    for name, field in reach.roots("subscription").items():
        own = reach.access(field)[0] == "candidate"
        plain = fills(world, pair)[0]

        def fill(kind: str, argument: str, *, own: bool = own, plain: reach.Fill = plain) -> str | None:
            return orjson.dumps(start).decode() if own and argument == "after" else plain(kind, argument)

        for text, leaves in reach.documents("subscription", name, fill):
            world.tried["operations"] += 1
            world.tried["leaf fields"] += leaves
            if own:
                answer = await first_frame(live, text, pair.one.token)
                assert "errors" not in answer["payload"], answer
            else:
                answer = await over_sse(live, text, pair.one.token)
                assert "FORBIDDEN" in answer, answer
            refuse_leaks(pair.secrets, text, str(answer))
        text = reach.shallow("subscription", name, fills(world, pair)[0])
        assert "UNAUTHENTICATED" in await over_sse(live, text, None)
        assert "UNAUTHENTICATED" in await over_sse(live, text, pair.one.invitation)
        if not own:
            assert "FORBIDDEN" in str(await first_frame(live, text, pair.one.token))
        assert field.description
    with pytest.raises(websockets.ConnectionClosed):
        async with asyncio.timeout(10), live.socket(pair.one.invitation):
            raise AssertionError("an invitation opened a socket")


async def first_frame(live: Live, text: str, token: str) -> dict[str, Any]:
    """What comes first over a socket."""
    async with asyncio.timeout(20), live.socket(token) as socket:
        await send(socket, {"type": "subscribe", "id": "1", "payload": {"query": text}})
        return await receive(socket)


async def over_sse(live: Live, text: str, token: str | None) -> str:
    headers = {"accept": "text/event-stream"} | ({} if token is None else {"authorization": f"Bearer {token}"})
    async with asyncio.timeout(10):
        return (await live.http.post(f"{live.base}/graphql/stream", json={"query": text}, headers=headers)).text


async def test_introspection_and_requests_in_company_tell_a_candidate_nothing(live: Live, world: World):
    """A root field that elevates for a moment must not lend its rights to its neighbours in the document."""
    pair = world.pairs["SCORE"]
    _, answer = await raw(live, "{ __schema { types { name } } }", pair.one.token)
    assert "FORBIDDEN" in answer
    other = orjson.dumps(pair.two.session_id).decode()
    spied = f"theirs: session(id: {other}) {{ id candidate {{ email }} submission {{ snapshot }} }}"
    _, answer = await raw(live, f"{{ mySession {{ id result {{ points }} }} {spied} }}", pair.one.token)
    assert orjson.loads(answer)["data"]["theirs"] is None
    refuse_leaks(pair.secrets, other, answer)
    given = orjson.dumps(pair.one.invitation).decode()
    redeem = f'invitationRedeem(input: {{token: {given}, nonce: "n"}}) {{ session {{ id }} problems {{ code }} }}'
    close = f'assignmentClose(input: {{id: {orjson.dumps(pair.assignment).decode()}, reason: "r"}}) {{ problems {{ code }} }}'
    _, answer = await raw(
        live, f"mutation {{ {redeem} sessionSubmit(input: {{}}) {{ session {{ id }} }} {close} }}", pair.one.token
    )
    assert "FORBIDDEN" in answer
    refuse_leaks(pair.secrets, other, answer)


async def test_raw_sql_as_the_application_in_a_candidates_name(live: Live, world: World):
    """With the candidate's variables set, no table shows a key, or a row that tells of somebody else."""
    pair = world.pairs["SCORE"]
    claims = live.service.house.tokens.verify(pair.one.token, TokenType.SESSION)
    connection = await asyncpg.connect(live.database.app_dsn)
    seen: dict[str, int] = {}
    try:
        async with connection.transaction():
            for name, value in (
                ("tenant_id", claims.tenant_id),
                ("org_unit_id", claims.org_unit_id),
                ("session_id", claims.subject),
            ):
                await connection.execute("select set_config($1, $2, true)", f"app.{name}", str(value))
            for table in Base.metadata.sorted_tables:
                if table.info.get("shared"):
                    continue
                rows = await connection.fetch(f"select t::text as row from {table.name} t")
                seen[table.name] = len(rows)
                refuse_leaks(pair.secrets, "", "\n".join(row["row"] for row in rows))
    finally:
        await connection.close()
    assert seen["delivery_sessions"] == seen["session_papers"] == 1
    assert seen["question_keys"] == seen["users"] == seen["submission_score_versions"] == 0
    world.tried["tables"] = len(seen)
