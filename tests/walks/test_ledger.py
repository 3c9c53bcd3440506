"""The ledger over the wire, and every tampering of a superuser found by a verifier that has one checkpoint elsewhere."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import pytest
from typer.testing import CliRunner

from models.base import uuid7
from schema.nodes import split_id
from server import doctor
from server import ledger as doors
from server.cli import app as cli
from server.doctor import Health
from server.settings import Settings, signing_key
from services import demonstration, ledger, ledger_export
from services.activity import Filter
from services.ledger import Notary
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office
from tests.factories import tenants
from tests.walks import story
from tests.walks.conftest import Live, key

NOTARY = Notary(bytes(32))
LOADED = "set session_replication_role = replica"
CONTENT = (
    "select a.tenant_id, a.id, a.at, a.actor_kind, a.actor_id, a.actor_name, a.org_unit_id, a.act, a.subject_kind, "
    "a.subject_id, a.reason, a.before::text as before, a.after::text as after, s.position from activity a "
    "join activity_seals s using (tenant_id, id) where a.tenant_id = $1 order by s.position"
)


class Insider:
    """Somebody who holds the database: a superuser, whom no policy and no trigger stops."""

    def __init__(self, connection, tenant_id: UUID) -> None:
        self.connection = connection
        self.tenant_id = tenant_id

    async def do(self, query: str, *values: object) -> None:
        done = await self.connection.execute(query, self.tenant_id, *values)
        assert not done.endswith(" 0"), done

    async def recompute(self) -> None:
        """Give every seal the hash that fits what the rows say now."""
        previous = ledger.GENESIS
        for row in await self.connection.fetch(CONTENT, self.tenant_id):
            shown = type("Row", (), dict(row))
            content = ledger.digest(ledger.content(shown, row["position"]))
            previous = ledger.link(self.tenant_id, row["position"], previous, content)
            await self.do(
                "update activity_seals set hash = $3 where tenant_id = $1 and position = $2", row["position"], previous
            )


async def edit(insider: Insider) -> None:
    await insider.do(
        "update activity set reason = 'forged' where tenant_id = $1 and id = "
        "(select id from activity_seals where tenant_id = $1 and position = 10)"
    )


async def edit_and_seal(insider: Insider) -> None:
    await edit(insider)
    row = (await insider.connection.fetch(CONTENT, insider.tenant_id))[9]
    before = await insider.connection.fetchval(
        "select hash from activity_seals where tenant_id = $1 and position = 9", insider.tenant_id
    )
    content = ledger.digest(ledger.content(type("Row", (), dict(row)), 10))
    sealed = ledger.link(insider.tenant_id, 10, before, content)
    await insider.do("update activity_seals set hash = $2 where tenant_id = $1 and position = 10", sealed)


async def insert(insider: Insider) -> None:
    await insider.do("update activity_seals set position = position + 1000000 where tenant_id = $1 and position > 10")
    await insider.do(
        "update activity_seals set position = position - 999999 where tenant_id = $1 and position > 1000000"
    )
    row = uuid7()
    await insider.do(
        "insert into activity (tenant_id, id, actor_kind, actor_name, act, subject_kind, subject_id) "
        "values ($1, $2, 'access', 'Eve', 'role.granted', 'user', $2)",
        row,
    )
    await insider.do(
        "insert into activity_seals (tenant_id, id, position, hash) select $1, $2, 11, hash from activity_seals "
        "where tenant_id = $1 and position = 10",
        row,
    )


async def delete_content(insider: Insider) -> None:
    await insider.do(
        "delete from activity where tenant_id = $1 and id = "
        "(select id from activity_seals where tenant_id = $1 and position = 10)"
    )


async def delete(insider: Insider) -> None:
    await delete_content(insider)
    await insider.do("delete from activity_seals where tenant_id = $1 and position = 10")


async def delete_and_close_ranks(insider: Insider) -> None:
    await delete(insider)
    await insider.do("update activity_seals set position = position + 1000000 where tenant_id = $1 and position > 10")
    await insider.do(
        "update activity_seals set position = position - 1000001 where tenant_id = $1 and position > 1000000"
    )


async def reorder(insider: Insider) -> None:
    await insider.do("update activity_seals set position = 1000007 where tenant_id = $1 and position = 7")
    await insider.do("update activity_seals set position = 7 where tenant_id = $1 and position = 12")
    await insider.do("update activity_seals set position = 12 where tenant_id = $1 and position = 1000007")


async def cut(insider: Insider, kept: int = 20) -> None:
    await insider.do(
        "delete from activity where tenant_id = $1 and id in "
        "(select id from activity_seals where tenant_id = $1 and position > $2)",
        kept,
    )
    await insider.do("delete from activity_seals where tenant_id = $1 and position > $2", kept)
    await insider.connection.execute("delete from activity_checkpoints where tenant_id = $1", insider.tenant_id)


async def restore_old_copy_and_go_on(insider: Insider) -> None:
    """The tables as they were at position 20, to which the service then adds honest rows."""
    await cut(insider)


async def recompute_all(insider: Insider) -> None:
    await edit(insider)
    await insider.recompute()
    await insider.connection.execute("delete from activity_checkpoints where tenant_id = $1", insider.tenant_id)


async def cut_all(insider: Insider) -> None:
    await cut(insider, 0)


TAMPERINGS: dict[str, tuple[Callable[[Insider], Awaitable[None]], int, str]] = {
    "edit": (edit, 10, "does not have the content"),
    "edit and seal": (edit_and_seal, 11, "does not follow the row"),
    "insert": (insert, 11, "put in or taken out"),
    "delete the row": (delete_content, 10, "only its seal is left"),
    "delete row and seal": (delete, 10, "position 10 is missing: after 9 comes 11"),
    "delete and close ranks": (delete_and_close_ranks, 10, "does not have the content"),
    "reorder": (reorder, 7, "exchanged"),
    "cut the tail": (cut, 21, "The tail is cut"),
    "cut everything": (cut_all, 1, "covers"),
    "old copy": (restore_old_copy_and_go_on, 0, "an older copy was written on"),
    "recompute all": (recompute_all, 0, "It was rewritten"),
}


@pytest.fixture(scope="module")
async def office(database):
    house = Office(database.app, ring=lambda _topics: None, pool_size=8)
    yield house
    await house.close()


async def write(place: tenants.World, count: int) -> None:
    for number in range(count):
        async with place.office.work(place.system) as work:
            work.record("test.done", ("test", uuid7()), reason=f"number {number}", after={"share": 0.5})


async def export(place: tenants.World) -> list[str]:
    viewer = Viewer.system(place.tenant_id)
    await ledger_export.settle(place.office, NOTARY, place.tenant_id)
    async with place.office.snapshot(viewer) as work:
        span = await ledger_export.span(work, Filter())
    return [line async for line in ledger_export.lines(place.office, viewer, span)]


def run(folder: Path, lines: list[str], kept: dict | None = None) -> tuple[int, str]:
    """`evalium verify` on a file, with the checkpoint and the key that were kept elsewhere."""
    (folder / "activity.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "key.json").write_bytes(orjson.dumps(ledger.published({NOTARY.key_id: NOTARY.public})))
    arguments = ["verify", str(folder / "activity.jsonl"), "--key", str(folder / "key.json")]
    if kept is not None:
        (folder / "checkpoint.json").write_bytes(orjson.dumps(kept))
        arguments += ["--checkpoint", str(folder / "checkpoint.json")]
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_a_tampering_is_found_with_one_checkpoint_kept_elsewhere(
    office: Office, database, tmp_path: Path, name: str
):
    act, position, message = TAMPERINGS[name]
    place = await tenants.found(office)
    await write(place, 29)
    lines = await export(place)
    kept = next(one for line in lines if (one := orjson.loads(line))["kind"] == "checkpoint")
    assert kept["count"] == 30
    code, text = await asyncio.to_thread(run, tmp_path, lines, kept)
    assert code == 0, text
    assert text.startswith("Intact up to checkpoint 1 (position 30, time ")

    connection = await asyncpg.connect(database.admin_dsn)
    try:
        await connection.execute(LOADED)
        await act(Insider(connection, place.tenant_id))
    finally:
        await connection.close()
    if name == "old copy":
        await write(place, 15)
    code, text = await asyncio.to_thread(run, tmp_path, await export(place), kept)
    print(f"\n{name}: {text.strip()}")  # noqa: T201 - for the closing note
    assert code == 1, text
    assert message in text.replace("\n", " ")
    viewer = Viewer.system(place.tenant_id)
    async with office.snapshot(viewer) as work:
        span = await ledger_export.span(work, Filter())
    verdict, _ = await ledger_export.check(office, viewer, span, {NOTARY.key_id: NOTARY.public})
    if position and "cut" not in name:
        assert (verdict.is_intact, verdict.position) == (False, position), verdict


async def test_a_file_that_is_something_else_is_told_so(tmp_path: Path):
    code, text = await asyncio.to_thread(run, tmp_path, ["{}"])
    assert code == 1
    assert "not an export" in text


async def exported(live: Live, query: str = "", role: str = "auditor"):
    headers = {"authorization": f"Bearer {await live.token(role)}"}
    return await live.http.get(f"{live.base}{doors.EXPORT_PATH}{query}", headers=headers)


async def test_an_export_with_a_filter_proves_itself_and_is_recorded(live: Live, tmp_path: Path):
    await story.publish(live)
    answer = await exported(live, "?act=evaluation.")
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    found = [orjson.loads(line) for line in lines]
    rows = [one for one in found if one["kind"] == "row"]
    assert rows
    assert {one["act"].partition(".")[0] for one in rows} == {"evaluation"}
    assert found[-1]["left_out"] > 0
    published = (await live.http.get(f"{live.base}{doors.KEY_PATH}")).json()
    (tmp_path / "a.jsonl").write_text(answer.text)
    (tmp_path / "k.json").write_bytes(orjson.dumps(published))
    verdict = doors.verify_files(tmp_path / "a.jsonl", [], tmp_path / "k.json")
    assert verdict.exit_code == 0, verdict
    assert verdict.rows == len(rows)
    (note,) = (await live.ask("Activity", {"first": 1, "filter": {"act": "activity.exported"}}, role="auditor"))[
        "activity"
    ]["nodes"]
    assert note["after"] == {"filter": {"act": "evaluation."}}


@pytest.mark.parametrize(
    ("query", "role", "status"),
    [("", "proctor", 403), ("?nonsense=1", "auditor", 400), ("?from=yesterday", "auditor", 400)],
)
async def test_an_export_is_refused_with_a_status(live: Live, query: str, role: str, status: int):
    answer = await exported(live, query, role)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]
    assert (await live.http.get(f"{live.base}{doors.EXPORT_PATH}")).status_code == 401


async def test_rows_are_sealed_within_seconds_and_the_service_verifies_itself(live: Live):
    await story.publish(live)
    async with asyncio.timeout(15):
        while True:
            nodes = (await live.ask("Activity", {"first": 5}, role="auditor"))["activity"]["nodes"]
            if all(node["isSealed"] for node in nodes):
                break
            await asyncio.sleep(0.1)
    assert [node["position"] for node in nodes] == sorted((node["position"] for node in nodes), reverse=True)
    assert re.fullmatch("[0-9a-f]{64}", nodes[0]["hash"])
    await live.do("ActivityCheckpointCreate", {}, role="auditor", **{"idempotency-key": key()})
    verdict = (await live.ask("ActivityVerify", role="auditor"))["activityVerify"]
    assert (verdict["isIntact"], verdict["badPosition"], verdict["remarks"]) == (True, None, [])
    assert verdict["checkpoint"]["position"] <= verdict["lastPosition"]
    part = (await live.ask("ActivityVerify", {"afterPosition": 2, "most": 1}, role="auditor"))["activityVerify"]
    assert (part["firstPosition"], part["lastPosition"]) == (3, 3)


async def test_pages_follow_one_another(live: Live):
    first = (await live.ask("Activity", {"first": 3}, role="auditor"))["activity"]
    after = {"first": 3, "after": first["pageInfo"]["endCursor"]}
    second = (await live.ask("Activity", after, role="auditor"))["activity"]
    ids = [node["id"] for node in first["nodes"] + second["nodes"]]
    assert len(set(ids)) == 6
    again = (await live.ask("Node", {"id": ids[0]}, role="auditor"))["node"]
    assert again["id"] == ids[0]


async def test_an_assignment_tells_its_own_activity(live: Live):
    version = await story.publish(live)
    assignment, _ = await story.issue(live, version["id"], 1)
    text = "query ($id: ID!) { assignment(id: $id) { activity(first: 5) { nodes { act subject { uuid } } } } }"
    body = await live.post(text, {"id": assignment}, await live.token("admin"))
    parts = split_id(assignment)
    assert parts is not None
    assert body["data"]["assignment"]["activity"]["nodes"] == [
        {"act": "assignment.issued", "subject": {"uuid": str(parts[1])}}
    ]
    refused = await live.post(text, {"id": assignment}, await live.token("manager"))
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_denial_is_a_row_with_capability_and_field(live: Live):
    persona = await demonstration.persona(live.service.house.office, "demo", "billing")
    for _ in range(5):
        await live.post("{ q: questions { nodes { id } } }", {}, await live.token("billing"))
    wanted = {"filter": {"act": "permission.denied", "actorUuid": str(persona.user_id), "subjectKind": "user"}}
    async with asyncio.timeout(10):
        while not (nodes := (await live.ask("Activity", wanted, role="auditor"))["activity"]["nodes"]):
            await asyncio.sleep(0.1)
    assert [node["after"] for node in nodes] == [{"capability": "questions.read", "field": "questions"}]


async def test_another_tenants_ledger_is_not_seen(live: Live):
    token = await live.token("auditor", "second")
    ours = (await live.ask("Activity", {"first": 1}, role="auditor"))["activity"]["nodes"][0]
    found = await live.post("query ($id: ID!) { node(id: $id) { id } }", {"id": ours["id"]}, token)
    assert found["data"]["node"] is None
    text = (await live.http.get(f"{live.base}{doors.EXPORT_PATH}", headers={"authorization": f"Bearer {token}"})).text
    mine = split_id(ours["id"])
    assert mine is not None
    assert str(mine[1]) not in text
    assert '"kind":"end"' in text


async def test_doctor_says_when_sealing_lags_and_when_a_checkpoint_does_not_fit(
    office: Office, database, tmp_path: Path
):
    settings = Settings(EVALIUM_DATA=tmp_path)
    notary = Notary(Tokens(signing_key(settings)).secret_for("ledger-checkpoints"))
    place = await tenants.found(office)
    await write(place, 3)
    await ledger_export.settle(office, notary, place.tenant_id)
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        await connection.execute(LOADED)
        await connection.execute(
            "delete from activity a where not exists (select from activity_seals s where s.id = a.id)"
        )
        insider = Insider(connection, place.tenant_id)
        assert [one.health for one in await doctor._ledger(settings, connection)] == [Health.OK]
        await insider.do("update activity_seals set hash = 'x' where tenant_id = $1 and position = 4")
        (found,) = await doctor._ledger(settings, connection)
        assert (found.health, str(place.tenant_id) in found.message) == (Health.FAIL, True)
        await insider.do("delete from activity_seals where tenant_id = $1 and position = 4")
        await insider.do("update activity set at = at - interval '2 minutes' where tenant_id = $1")
        (found,) = await doctor._ledger(settings, connection)
        assert (found.health, found.message.partition(" ")[0]) == (Health.WARN, "1")
    finally:
        await connection.close()
