"""Evidence over its REST doors: downloads, whole and in parts, and the twelve acts."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from tests.walks import files
from tests.walks.conftest import Live, key
from tests.walks.files import here, staff_upload
from tests.walks.recorded import BODY, bearer, record, settled, shown, uuid_of


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return await files.publish(live)


@pytest.fixture(scope="module")
async def submission(live: Live, version: str) -> str:
    return (await files.hand_in(live, version, BODY))[0]


async def test_the_bytes_are_downloaded_whole_and_in_parts(live: Live, submission: str):
    upload = await staff_upload(live, BODY, submissionId=submission, fileName='Prüfung "1".pdf')
    given = {"submissionId": submission, "uploadId": upload["id"]}
    made = (await live.do("EvidenceRecord", given, role="assessor"))["evidence"]
    url = here(live, (await shown(live, made["id"]))["contentUrl"])
    tag = f'"{hashlib.sha256(BODY).hexdigest()}"'
    whole = await live.http.get(url, headers=await bearer(live))
    assert (whole.status_code, whole.content, whole.headers["etag"]) == (200, BODY, tag)
    assert whole.headers["content-disposition"] == (
        "attachment; filename=\"Pr_fung _1_.pdf\"; filename*=UTF-8''Pr%C3%BCfung%20%221%22.pdf"
    )
    assert (whole.headers["x-content-type-options"], whole.headers["content-type"]) == ("nosniff", "application/pdf")
    assert "sandbox" in whole.headers["content-security-policy"]
    for asked, start, end in (
        ("0-9", 0, 10),
        ("100-", 100, len(BODY)),
        ("-7", len(BODY) - 7, len(BODY)),
        ("5-99999999", 5, len(BODY)),
    ):
        part = await live.http.get(url, headers=await bearer(live, range=f"bytes={asked}", if_range=tag))
        assert (part.status_code, part.content) == (206, BODY[start:end]), asked
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    for asked in (f"{len(BODY)}-", "-0"):
        none = await live.http.get(url, headers=await bearer(live, range=f"bytes={asked}"))
        assert (none.status_code, none.headers["content-range"]) == (416, f"bytes */{len(BODY)}")
    for odd in ({"range": "bytes=0-1,4-5"}, {"range": "lines=1-2"}, {"range": "bytes=0-9", "if_range": '"other"'}):
        assert (await live.http.get(url, headers=await bearer(live, **odd))).status_code == 200
    head = await live.http.head(url, headers=await bearer(live))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(BODY)), b"")
    assert (await live.http.get(url, headers=await bearer(live, if_none_match=tag))).status_code == 304
    assert (await live.http.get(url, headers=await bearer(live, role="viewer"))).status_code == 403
    assert (await live.http.get(url)).status_code == 401
    assert (
        await live.http.get(url.replace(url.split("/")[-2], str(uuid4())), headers=await bearer(live))
    ).status_code == 404


async def test_a_candidate_downloads_the_own_files_and_no_others(live: Live, version: str):
    mine, sitting = await files.hand_in(live, version, BODY)
    theirs, other = await files.hand_in(live, version, BODY)
    of_staff = await record(live, mine)
    urls = {}
    for submission in (mine, theirs):
        seen = (await live.ask("SubmissionEvidence", {"id": submission}, role="admin"))["submission"]
        (one,) = seen["items"][0]["evidence"]
        urls[submission] = here(live, one["contentUrl"])
    token = {"authorization": f"Bearer {sitting.token}"}
    assert (await live.http.get(urls[mine], headers=token)).content == BODY
    assert (await live.http.get(urls[theirs], headers=token)).status_code == 404
    staff_url = here(live, (await shown(live, of_staff["id"]))["contentUrl"])
    assert (await live.http.get(staff_url, headers=token)).status_code == 404
    assert (await live.http.get(urls[theirs], headers={"authorization": f"Bearer {other.token}"})).status_code == 200


async def post(live: Live, path: str, body: dict[str, Any], *, role: str = "assessor", chosen: str | None = None):
    headers = await bearer(live, role) | {"idempotency-key": chosen or key()}
    return await live.http.post(f"{live.base}/api/v1/submissions/{path}", json=body, headers=headers)


@pytest.mark.parametrize("scope", ["submission", "item"])
async def test_the_twelve_doors(live: Live, submission: str, scope: str):
    seen = (await live.ask("SubmissionEvidence", {"id": submission}, role="admin"))["submission"]
    item = seen["items"][1]["id"]
    place = {"submissionId": submission} if scope == "submission" else {"itemId": item}
    at = f"{uuid_of(submission)}/evidence" if scope == "submission" else f"items/{uuid_of(item)}/evidence"
    upload = await staff_upload(live, BODY, **place)
    bare = await live.http.post(
        f"{live.base}/api/v1/submissions/{at}/record", json={"uploadId": upload["id"]}, headers=await bearer(live)
    )
    assert (bare.status_code, bare.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    chosen = key()
    made = await post(live, f"{at}/record", {"uploadId": upload["id"], "note": "Seen."}, chosen=chosen)
    again = await post(live, f"{at}/record", {"uploadId": upload["id"], "note": "Seen."}, chosen=chosen)
    assert (made.status_code, again.json()) == (200, made.json())
    evidence, event = made.json()["evidence"]["id"], made.json()["event"]["id"]
    plain = str(uuid_of(evidence))
    rejected = await post(live, f"{at}/reject", {"evidenceId": plain, "priorEventId": event, "reason": "Blurred."})
    assert (rejected.status_code, rejected.json()["evidence"]["decision"]) == (200, "REJECTED")
    drift = await post(live, f"{at}/approve", {"evidenceId": plain, "priorEventId": event})
    assert (drift.status_code, drift.json()["problems"][0]["currentState"]) == (409, "REJECTED")
    newest = str(uuid_of(rejected.json()["event"]["id"]))
    approved = await post(live, f"{at}/approve", {"evidenceId": evidence, "priorEventId": newest})
    assert (approved.status_code, approved.json()["evidence"]["decision"]) == (200, "APPROVED")
    verified = await post(live, f"{at}/verify", {"evidenceId": evidence})
    assert (verified.status_code, verified.json()["evidence"]["integrity"]) == (202, "QUEUED")
    amended = await post(
        live,
        f"{at}/amend",
        {"evidenceId": evidence, "priorEventId": approved.json()["event"]["id"], "reason": "Turned."},
    )
    assert (amended.status_code, amended.json()["event"]["priorEventId"]) == (200, approved.json()["event"]["id"])
    silent = await post(
        live, f"{at}/void", {"evidenceId": evidence, "priorEventId": amended.json()["event"]["id"], "reason": ""}
    )
    assert (silent.status_code, silent.json()["problems"][0]["code"]) == (422, "INVALID_INPUT")
    voided = await post(
        live, f"{at}/void", {"evidenceId": evidence, "priorEventId": amended.json()["event"]["id"], "reason": "Wrong."}
    )
    assert (voided.status_code, voided.json()["evidence"]["decision"]) == (200, "VOIDED")
    elsewhere = f"items/{uuid_of(item)}/evidence" if scope == "submission" else f"{uuid_of(submission)}/evidence"
    for path in (f"{elsewhere}/verify", f"{uuid4()}/evidence/verify", "nothing/evidence/verify"):
        assert (await post(live, path, {"evidenceId": evidence})).status_code == 404
    assert (await post(live, f"{at}/verify", {"evidenceId": evidence}, role="auditor")).status_code == 403
    odd = await post(live, f"{at}/verify", {"evidenceId": evidence, "force": True})
    assert (odd.status_code, odd.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    await settled(live, evidence)
