"""Certificates as staff meet them: issued by completing, revoked, reissued, and asked about for any instant."""

from typing import Any

from tests.walks import programmes
from tests.walks.conftest import Live


async def certificates(live: Live, **wanted: Any) -> list[dict[str, Any]]:
    return (await live.ask("Certificates", {"filter": wanted}, role="auditor"))["certificates"]["nodes"]


async def shown(live: Live, certificate: str) -> dict[str, Any]:
    return (await live.ask("Certificate", {"id": certificate}, role="auditor"))["certificate"]


async def valid_at(live: Live, enrolment: str, at: str) -> list[str]:
    return [one["id"] for one in await certificates(live, enrolmentId=enrolment, validAt=at)]


async def test_completing_certifies_and_a_certificate_is_revoked_and_reissued(live: Live):
    programme = await programmes.published(live, validityMonths=12, graceDays=14)
    seen = await programmes.certify(live, programme)
    first = await shown(live, seen["certificate"]["id"])
    assert (first["state"], first["renews"], first["enrolment"]["id"]) == ("ACTIVE", None, seen["id"])
    assert (seen["certifiedAt"], seen["expiresAt"]) == (first["issuedAt"], first["expiresAt"])
    assert [one["id"] for one in await certificates(live, programmeId=programme)] == [first["id"]]
    expiring = {"filter": {"programmeId": programme, "expiresWithinDays": 370}}
    assert (await live.ask("ProgrammeEnrolments", expiring, role="viewer"))["programmeEnrolments"]["totalCount"] == 1
    soon = {"filter": {"programmeId": programme, "expiresWithinDays": 90}}
    assert (await live.ask("ProgrammeEnrolments", soon, role="viewer"))["programmeEnrolments"]["totalCount"] == 0

    given = {"id": first["id"], "reason": "The holder has married."}
    second = (await live.do("CertificateReissue", given, role="manager"))["certificate"]
    assert (second["validThrough"], second["replaces"]["id"]) == (first["validThrough"], first["id"])
    assert (await shown(live, first["id"]))["revokeCause"] == "REISSUED"
    again = await live.ask("CertificateReissue", {"input": given}, role="manager")
    assert again["certificateReissue"]["problems"][0]["currentState"] == "REPLACED"

    given = {"id": second["id"], "reason": "Somebody else sat it."}
    revoked = (await live.do("CertificateRevoke", given, role="manager"))["certificate"]
    assert (revoked["state"], revoked["revokeCause"]) == ("REVOKED", "DECISION")
    assert (await programmes.shown(live, seen["id"]))["state"] == "COMPLETED"
    assert await certificates(live, programmeId=programme, state=["ACTIVE"]) == []
    given = {"id": second["id"], "reason": "The appeal was upheld."}
    third = (await live.do("CertificateReissue", given, role="manager"))["certificate"]
    assert third["validThrough"] == first["validThrough"]
    assert (await programmes.shown(live, seen["id"]))["state"] == "CERTIFIED"

    assert await valid_at(live, seen["id"], first["issuedAt"]) == [first["id"]]
    assert await valid_at(live, seen["id"], revoked["revokedAt"]) == []
    assert await valid_at(live, seen["id"], third["issuedAt"]) == [third["id"]]
    assert await valid_at(live, seen["id"], first["expiresAt"]) == []
    assert await valid_at(live, seen["id"], "2020-01-01T00:00:00Z") == []


async def test_a_correction_revokes_and_one_taken_back_issues_anew_with_the_same_days(live: Live):
    programme = await programmes.published(live, {"attempts": 1}, validityMonths=24, remediation="REVOKE_AND_REISSUE")
    seen = await programmes.certify(live, programme)
    first = seen["certificate"]
    batch = await programmes.correct(live, seen)
    await programmes.until(live, seen["id"], lambda one: one["state"] == "FAILED")
    revoked = await shown(live, first["id"])
    assert (revoked["state"], revoked["revokeCause"]) == ("REVOKED", "CORRECTED")
    await live.do("CorrectionUndo", {"id": batch, "reason": "It was clear."}, role="manager")
    again = await programmes.until(live, seen["id"], lambda one: one["state"] == "CERTIFIED")
    assert again["certificate"]["id"] != first["id"]
    assert again["certificate"]["validThrough"] == first["validThrough"]
    rows = await certificates(live, enrolmentId=seen["id"])
    assert [one["state"] for one in rows] == ["ACTIVE", "REVOKED"]


async def test_only_who_may_see_a_programme_sees_its_certificates(live: Live):
    seen = await programmes.certify(live, await programmes.published(live))
    certificate = seen["certificate"]["id"]
    body = await live.post(
        "query ($id: ID!) { certificate(id: $id) { id } }", {"id": certificate}, await live.token("billing")
    )
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    refused = await live.ask("CertificateRevoke", {"input": {"id": certificate, "reason": " "}}, role="manager")
    assert refused["certificateRevoke"]["problems"][0]["code"] == "INVALID_INPUT"
