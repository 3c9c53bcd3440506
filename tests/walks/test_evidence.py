"""Evidence of staff: recorded, decided on, amended, verified, voided, through GraphQL."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from jobs import evidence as jobs
from jobs.handling import Task, Tools
from models.evidence import EvidenceEventKind
from services import demonstration, evidence_acts, uploads
from services import evidence as evidence_service
from services.uploads_receive import digest
from services.viewer import Viewer
from services.work import Work
from tests.factories import sign_ins
from tests.walks import files
from tests.walks.conftest import Live, document, key
from tests.walks.files import here, staff_upload
from tests.walks.recorded import BODY, bearer, record, refused, settled, shown, uuid_of
from tests.walks.test_corrections import robot


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return await files.publish(live)


@pytest.fixture(scope="module")
async def submission(live: Live, version: str) -> str:
    return (await files.hand_in(live, version, BODY))[0]


async def stored_at(live: Live, evidence: str):
    """The file behind evidence, on the disk."""
    connection = await asyncpg.connect(live.database.admin_dsn)
    found = await connection.fetchval("select object_key from evidence_items where id = $1", uuid_of(evidence))
    await connection.close()
    return live.service.house.files._root / found


async def test_evidence_is_recorded_approved_amended_and_voided(live: Live, submission: str):
    upload = await staff_upload(live, BODY, submissionId=submission, send_it=False)
    given = {"submissionId": submission, "uploadId": upload["id"], "note": "The signed form.", "idempotencyKey": key()}
    early = await refused(live, "EvidenceRecord", given)
    assert (early["code"], early["currentState"]) == ("STATE_DRIFT", "OPEN")
    await files.send(live, upload, BODY, await live.token("assessor"))
    made = await live.do("EvidenceRecord", given, role="assessor")
    again = await live.do("EvidenceRecord", given, role="assessor")
    assert (again["evidence"]["id"], again["event"]["id"]) == (made["evidence"]["id"], made["event"]["id"])
    twice = await refused(live, "EvidenceRecord", given | {"idempotencyKey": key()})
    assert (twice["code"], twice["currentState"]) == ("STATE_DRIFT", "RECORDED")
    first, event = made["evidence"]["id"], made["event"]
    assert (event["kind"], event["reason"], event["priorEventId"]) == ("RECORDED", "The signed form.", None)

    approved = await live.do("EvidenceApprove", {"id": first, "priorEventId": event["id"]}, role="assessor")
    assert approved["evidence"]["decision"] == "APPROVED"
    stale = await refused(live, "EvidenceReject", {"id": first, "priorEventId": event["id"], "reason": "No."})
    assert (stale["code"], stale["currentState"], stale["currentVersion"]) == ("STATE_DRIFT", "APPROVED", 2)
    once = await refused(live, "EvidenceApprove", {"id": first})
    assert (once["code"], once["message"]) == ("STATE_DRIFT", "It is approved.")
    silent = await refused(live, "EvidenceVoid", {"id": first, "priorEventId": approved["event"]["id"], "reason": " "})
    assert (silent["code"], silent["path"]) == ("INVALID_INPUT", ["reason"])

    remark = {"id": first, "priorEventId": approved["event"]["id"], "reason": "Page 2 is upside down."}
    amended = await live.do("EvidenceAmend", remark, role="assessor")
    assert (amended["evidence"]["decision"], amended["event"]["priorEventId"]) == ("NONE", approved["event"]["id"])
    better = await staff_upload(live, BODY + b"!", submissionId=submission)
    given = {"id": first, "priorEventId": amended["event"]["id"], "reason": "Scanned again.", "uploadId": better["id"]}
    replaced = await live.do("EvidenceAmend", given, role="assessor")
    second = replaced["evidence"]
    assert (second["replaces"]["id"], second["decision"]) == (first, "NONE")
    old, new = await shown(live, first), await shown(live, second["id"])
    assert (old["replacedBy"]["id"], old["replaces"], new["replaces"]["id"]) == (second["id"], None, first)
    assert [one["kind"] for one in old["events"]] == ["RECORDED", "APPROVED", "AMENDED", "AMENDED"]
    assert new["events"][0]["priorEventId"] == old["events"][-1]["id"]
    assert [one["seq"] for one in old["events"]] == [1, 2, 3, 4]
    gone = await refused(live, "EvidenceApprove", {"id": first})
    assert (gone["currentState"], gone["message"]) == ("REPLACED", "Another file was recorded in its place.")

    given = {"id": second["id"], "priorEventId": replaced["event"]["id"], "reason": "Another person's form."}
    voided = await live.do("EvidenceVoid", given, role="assessor")
    assert voided["evidence"]["decision"] == "VOIDED"
    actions = {one["action"]: one["enabled"] for one in voided["evidence"]["availableActions"]}
    assert actions == {"AMEND": False, "APPROVE": False, "REJECT": False, "VERIFY": True, "VOID": False}
    after = await refused(live, "EvidenceVoid", given | {"priorEventId": voided["event"]["id"]})
    assert after["currentState"] == "VOIDED"
    listed = (await live.ask("SubmissionEvidence", {"id": submission}, role="auditor"))["submission"]
    assert {first, second["id"]} <= {one["id"] for one in listed["evidence"]}
    (from_candidate,) = listed["items"][0]["evidence"]
    assert (from_candidate["isFromCandidate"], from_candidate["sizeBytes"]) == (True, len(BODY))
    told = await live.ask("Activity", {"first": 50, "filter": {"act": "evidence."}}, role="auditor")
    acts = [one["act"] for one in told["activity"]["nodes"]]
    assert {"evidence.recorded", "evidence.approved", "evidence.amended", "evidence.voided"} <= set(acts)


async def test_a_byte_flipped_on_disk_is_found(live: Live, submission: str):
    evidence = (await record(live, submission))["id"]
    asked = await live.do("EvidenceVerify", {"id": evidence, "idempotencyKey": key()}, role="assessor")
    assert (asked["event"]["kind"], asked["evidence"]["latestEvent"]["kind"]) == ("VERIFY_REQUESTED", "RECORDED")
    good = await settled(live, evidence)
    assert (good["integrity"], good["events"][-1]["kind"], good["events"][-1]["actor"]) == (
        "VERIFIED",
        "VERIFIED",
        None,
    )
    path = await stored_at(live, evidence)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    await live.do("EvidenceVerify", {"id": evidence, "idempotencyKey": key()}, role="assessor")
    bad = await settled(live, evidence)
    assert (bad["integrity"], bad["events"][-1]["facts"]["cause"]) == ("FAILED", "different")
    assert bad["events"][-1]["facts"]["sha256"] == hashlib.sha256(content).hexdigest()
    problem = await refused(live, "EvidenceApprove", {"id": evidence})
    assert problem["message"] == "The stored file is not what was recorded."
    path.unlink()
    await live.do("EvidenceVerify", {"id": evidence, "idempotencyKey": key()}, role="assessor")
    assert (await settled(live, evidence))["events"][-1]["facts"] == {"cause": "missing"}
    content = await live.http.get(here(live, bad["contentUrl"]), headers=await bearer(live))
    assert (content.status_code, content.json()["errors"][0]["extensions"]["code"]) == (410, "FILE_LOST")


async def test_a_request_to_verify_is_answered_once_however_often_it_is_done(live: Live, submission: str):
    evidence = await record(live, submission)
    asked = await live.do("EvidenceVerify", {"id": evidence["id"]}, role="assessor")
    await settled(live, evidence["id"])
    house = live.service.house
    tools = Tools(house.office, None, house.tokens, "", house.files)
    persona_task = await task_of(live, evidence["id"], asked["event"]["id"])
    await asyncio.gather(*[jobs.verify(tools, persona_task) for _ in range(4)])
    assert [one["kind"] for one in (await shown(live, evidence["id"]))["events"]] == [
        "RECORDED", "VERIFY_REQUESTED", "VERIFIED",
    ]  # fmt: skip
    assert await digest(
        house.files, (await stored_at(live, evidence["id"])).relative_to(house.files._root).as_posix()
    ) == (
        len(BODY),
        hashlib.sha256(BODY).hexdigest(),
    )


async def test_bytes_that_cannot_be_read_are_told_of_once(live: Live, submission: str):
    evidence = await record(live, submission)
    house = live.service.house
    row = (await task_of(live, evidence["id"], evidence["id"])).viewer

    async def ask(work) -> UUID:
        item = (await evidence_service.by_ids(work, [uuid_of(evidence["id"])]))[uuid_of(evidence["id"])]
        return (await evidence_acts._append(work, item, 1, EvidenceEventKind.VERIFY_REQUESTED, None, None)).id

    request = await house.office.perform(row, ask)
    assert (await shown(live, evidence["id"]))["integrity"] == "QUEUED"
    busy = await refused(live, "EvidenceVerify", {"id": evidence["id"]})
    assert (busy["code"], busy["currentState"]) == ("STATE_DRIFT", "QUEUED")
    task = replace(
        await task_of(live, evidence["id"], evidence["id"]),
        payload={"evidence": str(uuid_of(evidence["id"])), "request": str(request)},
    )
    tools = Tools(house.office, None, house.tokens, "", house.files)
    for _ in range(2):
        await jobs.given_up(tools, task, "OSError: Input/output error")
    found = await shown(live, evidence["id"])
    assert (found["integrity"], [one["kind"] for one in found["events"]]) == (
        "UNKNOWN",
        ["RECORDED", "VERIFY_REQUESTED", "VERIFY_UNKNOWN"],
    )
    assert found["events"][-1]["facts"] == {"cause": "OSError: Input/output error"}


async def task_of(live: Live, evidence: str, event: str):
    connection = await asyncpg.connect(live.database.admin_dsn)
    row = await connection.fetchrow(
        "select tenant_id, org_unit_id from evidence_items where id = $1", uuid_of(evidence)
    )
    await connection.close()
    payload = {"evidence": str(uuid_of(evidence)), "request": str(uuid_of(event))}
    return Task(uuid4(), "evidence.verify", row["tenant_id"], row["org_unit_id"], None, payload, 1)


async def test_of_ten_who_decide_at_once_one_does(live: Live, submission: str):
    evidence = await record(live, submission)
    prior = (await shown(live, evidence["id"]))["latestEvent"]["id"]
    given = {"id": evidence["id"], "priorEventId": prior, "reason": "As I see it."}
    names = ["EvidenceApprove", "EvidenceReject"] * 5
    answers = await asyncio.gather(
        *[live.ask(name, {"input": given | {"idempotencyKey": key()}}, role="assessor") for name in names]
    )
    payloads = [next(iter(one.values())) for one in answers]
    assert sorted(bool(one["evidence"]) for one in payloads) == [False] * 9 + [True]
    assert {one["problems"][0]["code"] for one in payloads if one["problems"]} == {"STATE_DRIFT"}
    assert len((await shown(live, evidence["id"]))["events"]) == 2


async def test_who_may(live: Live, submission: str, version: str):
    evidence = await record(live, submission)
    for name, given in (
        ("EvidenceApprove", {"id": evidence["id"]}),
        ("EvidenceVerify", {"id": evidence["id"]}),
    ):
        body = await live.post(document(name), {"input": given}, await live.token("auditor"))
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert (await shown(live, evidence["id"]))["id"] == evidence["id"]
    foreign = await live.post(document("EvidenceItem"), {"id": evidence["id"]}, await live.token("admin", "second"))
    assert foreign["data"]["evidenceItem"] is None
    hidden = await live.post(document("EvidenceVoid"), {"input": {"id": evidence["id"], "priorEventId": evidence["latestEvent"]["id"], "reason": "R"}}, await live.token("admin", "second"))  # fmt: skip
    assert hidden["data"]["evidenceVoid"]["problems"][0]["code"] == "NOT_FOUND"
    other, _ = await files.hand_in(live, version)
    elsewhere = await refused(live, "EvidenceVerify", {"id": evidence["id"], "submissionId": other})
    assert elsewhere["code"] == "NOT_FOUND"
    upload = await staff_upload(live, BODY, submissionId=submission)
    stray = await refused(live, "EvidenceRecord", {"submissionId": other, "uploadId": upload["id"]})
    assert (stray["code"], stray["path"]) == ("NOT_FOUND", ["uploadId"])
    not_mine = await refused(
        live, "EvidenceRecord", {"submissionId": submission, "uploadId": upload["id"]}, role="admin"
    )
    assert not_mine["code"] == "NOT_FOUND"


async def test_nobody_decides_about_evidence_of_their_own_work(live: Live, version: str):
    person = await sign_ins.person(live, "assessor")
    own = (await sign_ins.signed_in(live, person))["tokens"]["accessToken"]
    submission, _ = await files.hand_in(live, version, BODY, recipients=[{"email": person.email}])
    seen = await live.ask("SubmissionEvidence", {"id": submission}, role="auditor")
    (evidence,) = seen["submission"]["items"][0]["evidence"]
    nobody = await robot(live, ["evidence.read", "evidence.decide"])
    given = {"id": evidence["id"], "reason": "R"}
    for name in ("EvidenceApprove", "EvidenceReject", "EvidenceVoid"):
        named = {"priorEventId": evidence["latestEvent"]["id"]} if name == "EvidenceVoid" else {}
        (payload,) = (await live.ask(name, {"input": given | named}, token=own)).values()
        assert [one["code"] for one in payload["problems"]] == ["NOT_ONESELF"]
    (payload,) = (await live.ask("EvidenceApprove", {"input": given}, token=nobody)).values()
    assert [one["code"] for one in payload["problems"]] == ["PERSON_NEEDED"]


async def test_what_was_not_used_is_removed_and_what_is_evidence_stays(live: Live, submission: str, version: str):
    kept = await record(live, submission)
    unused = await staff_upload(live, BODY, submissionId=submission)
    begun = await staff_upload(live, BODY, submissionId=submission, send_it=False)
    _, sitting = await files.sit_down(live, version)
    made = await live.do(
        "MyUploadCreate", {"itemId": sitting.items[0]["id"], **files.announced(BODY)}, token=sitting.token
    )
    await files.send(live, made["upload"], BODY, sitting.token)
    unsent = await live.do(
        "MyUploadCreate", {"itemId": sitting.items[0]["id"], **files.announced(BODY)}, token=sitting.token
    )
    house = live.service.house
    late = house.office.shifted(timedelta(hours=25))
    tools = Tools(late, None, house.tokens, "", house.files)
    before = await stored_at(live, kept["id"])
    assert await jobs.prune(tools) >= 2
    root = house.files._root
    assert before.exists()
    for gone in (unused, begun):
        assert list(root.rglob(f"{uuid_of(gone['id']).hex}*")) == []
    assert len(list(root.rglob(uuid_of(made["upload"]["id"]).hex))) == 1, "the session goes on"
    going_on = [one["id"] for one in (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]]
    assert going_on == [made["upload"]["id"], unsent["upload"]["id"]]
    gone = await refused(live, "EvidenceRecord", {"submissionId": submission, "uploadId": unused["id"]})
    assert gone["code"] == "NOT_FOUND"


async def test_what_is_recorded_while_it_is_removed_is_gone(live: Live, submission: str):
    """Real connections: whoever records waits for whoever removes, and is told that the file is gone."""
    upload = await staff_upload(live, BODY, submissionId=submission)
    late = live.service.house.office.shifted(timedelta(hours=25))
    viewer = Viewer.system((await demonstration.persona(late, "demo", "assessor")).tenant_id)
    given = {"submissionId": submission, "uploadId": upload["id"]}
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        admin = await asyncpg.connect(live.database.admin_dsn)

        async def remove(work: Work) -> asyncio.Task:
            found = await uploads.unused(work, 100)
            assert uuid_of(upload["id"]) in [one.id for one in found]
            recording = group.create_task(refused(live, "EvidenceRecord", given))
            while not await admin.fetchval("select count(*) from pg_locks where not granted"):
                assert not recording.done()
            await uploads.remove(work, [uuid_of(upload["id"])])
            return recording

        recording = await late.perform(viewer, remove)
        assert (await recording)["code"] == "NOT_FOUND"
        await admin.close()


async def test_no_row_of_evidence_is_changed_or_removed(live: Live, submission: str):
    evidence = uuid_of((await record(live, submission))["id"])
    admin = await asyncpg.connect(live.database.admin_dsn)
    app = await asyncpg.connect(live.database.app_dsn)
    tenant = await admin.fetchval("select tenant_id from evidence_items where id = $1", evidence)
    for table, column in (("evidence_items", "id"), ("evidence_events", "evidence_id")):
        for statement in (f"update {table} set org_unit_id = org_unit_id", f"delete from {table}"):
            async with app.transaction():
                await app.execute(
                    "select set_config('app.tenant_id', $1, true), set_config('app.scope_all', 'on', true)", str(tenant)
                )
                assert await app.fetchval(f"select count(*) from {table} where {column} = $1", evidence) == 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(f"{statement} where {column} = $1", evidence)
            with pytest.raises(asyncpg.PostgresError, match=r"append|refuse|never"):
                await admin.execute(f"{statement} where {column} = $1", evidence)
    await app.close()
    await admin.close()
