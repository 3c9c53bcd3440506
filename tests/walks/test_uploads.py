"""Sending files over a real socket: whole, in parts, cut, wrong, too large, by the wrong people."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from schema.nodes import split_id
from tests.walks import files
from tests.walks.conftest import Live, document, key
from tests.walks.files import PDF, announced, here, send

BODY = bytes(range(256)) * 9000


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return await files.publish(live)


async def announce(live: Live, token: str, item: str, body: bytes = BODY, **more: Any) -> dict[str, Any]:
    return (await live.do("MyUploadCreate", {"itemId": item, **announced(body, **more)}, token=token))["upload"]


async def refused(live: Live, name: str, given: dict[str, Any], token: str) -> dict[str, Any]:
    body = await live.post(document(name), {"input": given}, token)
    (payload,) = body["data"].values()
    (problem,) = payload["problems"]
    return problem


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in more.items()}}


def stored(live: Live) -> set[Path]:
    return {one for one in live.service.house.files._root.rglob("*") if one.is_file()}


async def test_a_candidate_hands_in_a_file_and_an_assessor_judges_it(live: Live, version: str):
    assignment, sitting = await files.sit_down(live, version)
    item = sitting.items[0]
    assert item["content"] == {
        "__typename": "FileUploadContent", "acceptedMediaTypes": [PDF, "image/*"], "maxFiles": 2, "maxBytes": 5_000_000,
    }  # fmt: skip
    upload = await announce(live, sitting.token, item["id"])
    given = {"itemId": item["id"], "revision": 1, "response": {"files": [upload["id"]]}}
    early = await refused(live, "AnswerSave", given, sitting.token)
    assert (early["code"], early["path"]) == ("INVALID_INPUT", ["response", "files", "0"])
    answer = await send(live, upload, BODY, sitting.token)
    assert (answer.status_code, answer.json()["isFinished"], answer.headers["upload-complete"]) == (200, True, "?1")
    saved = await live.do("AnswerSave", given, token=sitting.token)
    assert saved["answer"]["response"]["files"] == [upload["id"]]
    (mine,) = (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]
    assert (mine["state"], mine["offset"], mine["contentUrl"]) == ("FINISHED", len(BODY), None)
    await live.do("SessionSubmit", {}, token=sitting.token)

    (task,) = (await live.ask("ReviewTasks", {"filter": {"assignmentId": assignment}}, role="assessor"))["reviewTasks"][
        "nodes"
    ]
    assert task["pending"] == "1 item pending"
    (seen,) = (await live.ask("ReviewEvidence", {"id": task["id"]}, role="assessor"))["reviewTask"]["evidence"]
    assert (seen["fileName"], seen["isFromCandidate"], seen["item"]["position"]) == ("proof.pdf", True, 1)
    assert (seen["decision"], seen["integrity"], seen["latestEvent"]["kind"]) == ("NONE", "UNKNOWN", "RECORDED")
    claim = await live.do("ReviewClaim", {"id": task["id"]}, role="assessor")
    place = {"taskId": task["id"], "itemId": seen["item"]["id"], "fence": claim["fence"]}
    done = await live.do("GradeFinalise", {**place, "points": "9", "rationale": "Legible."}, role="assessor")
    assert done["task"]["state"] == "FINALISED"

    (mine,) = (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]
    content = await live.http.get(here(live, mine["contentUrl"]), headers=bearer(sitting.token))
    assert content.content == BODY


async def test_a_file_that_is_cut_goes_on_where_it_was(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"])
    url, cut = here(live, upload["url"]), int(len(BODY) * 0.6)
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sitting.token}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    writer.write(head.encode() + BODY[:cut])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert reader is not None

    async def offset() -> int:
        answer = await live.http.head(url, headers=bearer(sitting.token))
        assert (answer.status_code, answer.headers["upload-complete"]) == (200, "?0")
        return int(answer.headers["upload-offset"])

    async with asyncio.timeout(10):
        while (arrived := await offset()) < cut:
            await asyncio.sleep(0.02)
    assert arrived == cut
    other = bearer(sitting.token, upload_offset=str(cut), upload_length=str(len(BODY) - 1))
    shorter = await live.http.patch(url, content=BODY[cut:-1], headers=other)
    assert (shorter.status_code, shorter.json()["errors"][0]["extensions"]["code"]) == (422, "INVALID_INPUT")
    wrong = await live.http.patch(url, content=BODY[5:], headers=bearer(sitting.token, upload_offset="5"))
    assert (wrong.status_code, wrong.headers["upload-offset"]) == (409, str(cut))
    assert wrong.json()["errors"][0]["extensions"]["code"] == "STATE_DRIFT"
    step = cut + 100_000
    part = await live.http.patch(url, content=BODY[cut:step], headers=bearer(sitting.token, upload_offset=str(cut)))
    assert (part.status_code, part.headers["upload-complete"]) == (200, "?0")
    ranged = bearer(sitting.token, content_range=f"bytes {step}-{len(BODY) - 1}/{len(BODY)}")
    done = await live.http.put(url, content=BODY[step:], headers=ranged)
    assert (done.status_code, done.headers["upload-complete"]) == (200, "?1")
    again = await live.http.put(url, content=BODY, headers=bearer(sitting.token))
    assert (again.status_code, again.headers["upload-offset"]) == (409, str(len(BODY)))


async def test_of_many_who_send_one_file_at_once_none_spoils_it(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"])
    answers = await asyncio.gather(*[send(live, upload, BODY, sitting.token) for _ in range(8)])
    statuses = [one.status_code for one in answers]
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    codes = {one.json()["errors"][0]["extensions"]["code"] for one in answers if one.status_code == 409}
    assert codes <= {"IN_PROGRESS", "STATE_DRIFT"}
    (mine,) = (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]
    assert (mine["state"], mine["offset"]) == ("FINISHED", len(BODY))


@pytest.mark.parametrize("was_renamed", [True, False])
async def test_what_arrived_whole_and_could_not_be_noted_is_noted_later(live: Live, version: str, *, was_renamed: bool):
    _, sitting = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"])
    await send(live, upload, BODY, sitting.token)
    admin = await asyncpg.connect(live.database.admin_dsn)
    query = "update uploads set state = 'open', finished_at = null where session_id = $1 returning object_key"
    place = live.service.house.files._root / await admin.fetchval(query, split_id(sitting.session_id)[1])
    await admin.close()
    if not was_renamed:
        place.rename(place.with_name(f"{place.name}.part"))
    url = here(live, upload["url"])
    told = await live.http.head(url, headers=bearer(sitting.token))
    assert (told.headers["upload-offset"], told.headers["upload-complete"]) == (str(len(BODY)), "?0")
    done = await live.http.patch(url, content=b"", headers=bearer(sitting.token, upload_offset=str(len(BODY))))
    assert (done.status_code, done.headers["upload-complete"]) == (200, "?1")
    assert place.read_bytes() == BODY


async def test_a_file_with_another_hash_is_refused_and_nothing_is_kept(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    before = stored(live)
    upload = await announce(live, sitting.token, sitting.items[0]["id"], sha256="0" * 64)
    answer = await send(live, upload, BODY, sitting.token)
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["extensions"]["code"]) == (422, "CHECKSUM_MISMATCH")
    assert hashlib.sha256(BODY).hexdigest() in error["message"]
    assert stored(live) == before
    (mine,) = (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]
    assert (mine["state"], mine["offset"]) == ("OPEN", 0)


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"mediaType": "text/html"}, "MEDIA_TYPE_REFUSED", ["mediaType"]),
        ({"mediaType": "video/mp4"}, "MEDIA_TYPE_REFUSED", ["mediaType"]),
        ({"mediaType": "pdf"}, "INVALID_INPUT", ["mediaType"]),
        ({"sizeBytes": 5_000_001}, "FILE_TOO_LARGE", ["sizeBytes"]),
        ({"sizeBytes": 0}, "INVALID_INPUT", ["sizeBytes"]),
        ({"sha256": "abc"}, "INVALID_INPUT", ["sha256"]),
        ({"fileName": "../../etc/passwd"}, "INVALID_INPUT", ["fileName"]),
        ({"fileName": "a\u0007b"}, "INVALID_INPUT", ["fileName"]),
    ],
)
async def test_what_is_not_taken_is_refused_before_a_byte_is_sent(live: Live, version: str, more, code, path):
    _, sitting = await files.sit_down(live, version)
    given = {"itemId": sitting.items[0]["id"], **announced(BODY, **more)}
    problem = await refused(live, "MyUploadCreate", given, sitting.token)
    assert (problem["code"], problem["path"]) == (code, path)


async def test_more_than_was_announced_is_refused(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"], sizeBytes=100)
    answer = await send(live, upload, BODY, sitting.token)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (413, "FILE_TOO_LARGE")

    async def unmeasured():
        for _ in range(3):
            yield BODY[:60]

    url = here(live, upload["url"])
    answer = await live.http.put(url, content=unmeasured(), headers=bearer(sitting.token))
    assert answer.status_code == 413


async def test_a_file_is_sent_by_whoever_announced_it_and_nobody_else(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    _, other = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"])
    url = here(live, upload["url"])
    admin = await live.token("admin")
    for token, status in ((other.token, 404), (admin, 404), (await live.token("viewer"), 403)):
        for method in ("PUT", "HEAD"):
            answer = await live.http.request(
                method, url, content=BODY if method == "PUT" else None, headers=bearer(token)
            )
            assert answer.status_code == status, (status, answer.text)
    assert (await live.http.put(url, content=BODY)).status_code == 401
    assert (await live.http.put(f"{live.base}/api/v1/uploads/nothing", content=BODY)).status_code == 404
    (mine,) = (await live.ask("MyUploads", token=sitting.token))["mySession"]["uploads"]
    assert mine["offset"] == 0
    theirs = {"itemId": other.items[0]["id"], "revision": 1, "response": {"files": [upload["id"]]}}
    await send(live, upload, BODY, sitting.token)
    problem = await refused(live, "AnswerSave", theirs, other.token)
    assert problem["path"] == ["response", "files", "0"]


async def test_only_so_many_are_begun_and_the_same_key_begins_one(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    item = sitting.items[0]["id"]
    given = {"itemId": item, **announced(BODY), "idempotencyKey": key()}
    one = (await live.do("MyUploadCreate", given, token=sitting.token))["upload"]
    again = (await live.do("MyUploadCreate", given, token=sitting.token))["upload"]
    assert again["id"] == one["id"]
    many = [refusable(live, sitting.token, item) for _ in range(12)]
    codes = [code for code in await asyncio.gather(*many) if code]
    assert codes == ["TOO_MANY_UPLOADS"] * 8
    problem = await refused(
        live, "MyUploadCreate", {"itemId": sitting.items[1]["id"], **announced(BODY)}, sitting.token
    )
    assert (problem["code"], problem["path"]) == ("INVALID_INPUT", ["itemId"])


async def refusable(live: Live, token: str, item: str) -> str | None:
    body = await live.post(document("MyUploadCreate"), {"input": {"itemId": item, **announced(BODY)}}, token)
    problems = body["data"]["myUploadCreate"]["problems"]
    return problems[0]["code"] if problems else None


async def test_after_the_end_nothing_is_sent_any_more(live: Live, version: str):
    _, sitting = await files.sit_down(live, version)
    upload = await announce(live, sitting.token, sitting.items[0]["id"])
    await live.do("SessionSubmit", {}, token=sitting.token)
    answer = await send(live, upload, BODY, sitting.token)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (409, "STATE_DRIFT")
    problem = await refused(
        live, "MyUploadCreate", {"itemId": sitting.items[0]["id"], **announced(BODY)}, sitting.token
    )
    assert problem["code"] == "STATE_DRIFT"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PATCH", {}),
        ("PATCH", {"upload_offset": "-1"}),
        ("PATCH", {"upload_offset": "1e3"}),
        ("PUT", {"content_range": "bytes 0-5/100"}),
        ("PUT", {"content_range": "bytes 0-2/2"}),
        ("PATCH", {"upload_offset": "0", "upload_length": "x"}),
        ("PUT", {"content_range": "bytes 9-1/100"}),
        ("PUT", {"content_encoding": "gzip"}),
    ],
)
async def test_headers_that_do_not_tell_where_a_part_belongs_are_refused(live: Live, method, headers):
    token = await live.token("assessor")
    url = f"{live.base}/api/v1/uploads/{uuid4()}"
    answer = await live.http.request(method, url, content=b"abc", headers=bearer(token, **headers))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
