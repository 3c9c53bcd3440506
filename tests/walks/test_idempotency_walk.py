"""Every mutation, sent again: the same key and input have one effect and one answer, whichever way the key comes."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models import Base
from tests.factories import pictures
from tests.walks import made, reach
from tests.walks.acts import MUTATIONS, bearer
from tests.walks.conftest import Live, document, key
from tests.walks.made import World
from tests.walks.quiet import quiet

Change = Callable[[dict[str, Any]], dict[str, Any]]

OTHER: dict[str, Change | None] = {
    "QuestionCreate": lambda given: given | {"stem": "Another?"},
    "QuestionUpdate": lambda given: given | {"stem": "Another?"},
    "QuestionPublish": lambda given: given | {"expectedVersion": 1000},
    "QuestionPoolImport": lambda given: given | {"publish": True},
    "EvaluationCreate": lambda given: given | {"name": "Another"},
    "EvaluationUpdate": lambda given: given | {"title": "Another"},
    "EvaluationPublish": lambda given: given | {"expectedVersion": 1000},
    "AssignmentIssue": lambda given: given | {"name": "Another"},
    "AssignmentDraftSave": lambda given: given | {"name": "Another"},
    "AssignmentDraftDelete": None,
    "AssignmentTemplateCreate": lambda given: given | {"name": "Another"},
    "AssignmentTemplateUpdate": lambda given: given | {"name": "Another"},
    "AssignmentTemplateDelete": lambda given: given | {"expectedVersion": 1000},
    "AssignmentScheduleCreate": lambda given: given | {"name": "Another"},
    "AssignmentScheduleUpdate": lambda given: given | {"name": "Another"},
    "AssignmentScheduleResume": None,
    "AssignmentScheduleRunNow": None,
    "AssignmentRelabel": lambda given: given | {"runLabel": "Another"},
    "PublicLinkCreate": lambda given: given | {"cap": 6},
    "PublicLinkClose": lambda given: given | {"reason": "Another."},
    "PublicLinkRedeem": lambda given: given | {"nonce": uuid4().hex},
    "AssignmentClose": lambda given: given | {"reason": "Another."},
    "InvitationResend": lambda given: given | {"ids": given["ids"][:1]},
    "InvitationReinvite": lambda given: given | {"ids": given["ids"] * 2},
    "InvitationLink": lambda given: given | {"id": f"{given['id']}x"},
    "InvitationRedeem": lambda given: given | {"nonce": uuid4().hex},
    "SessionStart": None,
    "AssignmentLockdownUpdate": lambda given: given | {"keys": {"configKeys": []}},
    "SessionProbe": lambda given: given | {"configKeyHash": None},
    "AnswerSave": lambda given: given | {"revision": given["revision"] + 1},
    "AnswersSave": lambda given: given | {"answers": given["answers"][:1]},
    "SessionHeartbeat": lambda given: given | {"includeRevisions": False},
    "SessionAttentionAcknowledge": lambda given: given | {"note": "Another."},
    "SessionEventsRecord": lambda given: given | {"batchId": uuid4().hex},
    "SessionSubmit": None,
    "MailTemplateUpdate": lambda given: given | {"subject": "Hello {{ person_name }}"},
    "MailTemplateReset": lambda given: given | {"key": "MAGIC_LINK"},
    "JobRequeue": None,
    "SignInRequest": lambda given: given | {"email": "another@example.org"},
    "SignInRedeem": lambda given: given | {"nonce": "another" * 4},
    "SignInRefresh": lambda given: given | {"nonce": "another" * 4},
    "SignInEnd": None,
    "SignOut": None,
    "ActivityCheckpointCreate": None,
    "ActivityExport": lambda given: given | {"most": 49},
    "ServiceTokenCreate": lambda given: given | {"name": "Another"},
    "ServiceTokenRevoke": lambda given: given | {"reason": "Another."},
    "UploadCreate": lambda given: given | {"fileName": "another.pdf"},
    "MyUploadCreate": lambda given: given | {"fileName": "another.pdf"},
    "EvidenceRecord": lambda given: given | {"note": "Another."},
    "EvidenceVerify": None,
    "ProgrammeCreate": lambda given: given | {"description": "Another."},
    "ProgrammeUpdate": lambda given: given | {"description": "Another."},
    "ProgrammeBadgeSet": lambda given: given | {"image": pictures.sent("blue")},
    "ProgrammeBadgeClear": lambda given: given | {"expectedVersion": 1000},
    "ProgrammePublish": lambda given: given | {"expectedVersion": 1000},
    "ProgrammeRequirementAdd": lambda given: given | {"requirement": given["requirement"] | {"name": "Another"}},
    "ProgrammeRequirementUpdate": lambda given: given | {"requirement": given["requirement"] | {"name": "Another"}},
    "ProgrammeEnrol": lambda given: given | {"recipients": given["recipients"] * 2},
    "ProgrammeRequirementRemove": None,
    "ProgrammeRequirementsReorder": lambda given: given | {"requirementIds": given["requirementIds"][::-1]},
    "RoomCreate": lambda given: given | {"capacity": 31},
    "RoomUpdate": lambda given: given | {"capacity": 31},
    "RoomArchive": lambda given: given | {"reason": "Another."},
    "RoomProctorsAdd": lambda given: given | {"userIds": given["userIds"] * 2},
    "RoomProctorsRemove": lambda given: given | {"userIds": given["userIds"] * 2},
    "RoomCandidatesAssign": lambda given: given | {"userIds": given["userIds"] * 2},
    "RoomSessionsMove": lambda given: given | {"sessions": given["sessions"] * 2},
    "CorrectionApply": lambda given: given | {"reason": "Another."},
    "CorrectionUndo": lambda given: given | {"reason": "Another."},
    "ReviewClaim": None,
    "ReviewClaimNext": lambda given: given | {"filter": {}},
    "ReviewRelease": lambda given: given | {"reason": "Another."},
    "ReviewSteal": lambda given: given | {"reason": "Another."},
    "GradeDraftSave": lambda given: given | {"points": "2"},
    "GradeFinalise": lambda given: given | {"points": "2"},
    "ResultOpen": None,
    "FindingRaise": lambda given: given | {"severity": "MAJOR"},
    "UserInvite": lambda given: given | {"displayName": "Another"},
    "UserUpdate": lambda given: given | {"displayName": "Another"},
    "UserMerge": lambda given: given | {"reason": "Another."},
    "UsersImport": lambda given: given | {"existing": "UPDATE"},
    "OrgUnitCreate": lambda given: given | {"name": "Another"},
    "OrgUnitRename": lambda given: given | {"name": "Another"},
    "OrgUnitMembersAdd": lambda given: given | {"userIds": given["userIds"] * 2},
    "OrgUnitMembersRemove": lambda given: given | {"userIds": given["userIds"] * 2},
    "GroupCreate": lambda given: given | {"name": "Another"},
    "GroupRename": lambda given: given | {"name": "Another"},
    "GroupMembersAdd": lambda given: given | {"userIds": given["userIds"] * 2},
    "GroupMembersRemove": lambda given: given | {"userIds": given["userIds"] * 2},
    "RoleCreate": lambda given: given | {"name": "Another"},
    "RoleClone": lambda given: given | {"name": "Another"},
    "RoleUpdate": lambda given: given | {"name": "Another"},
    **dict.fromkeys(
        (
            "EvidenceAmend",
            "EvidenceApprove",
            "EvidenceReject",
            "EvidenceVoid",
            "AssignmentSchedulePause",
            "AssignmentScheduleSkip",
            "AssignmentScheduleArchive",
            "UserSuspend",
            "UserReactivate",
            "OrgUnitArchive",
            "GroupDelete",
            "RoleDelete",
            "RoleAssign",
            "RoleRemove",
            "InvitationRevoke",
            "OverrideApply",
            "OverrideReverse",
            "IncidentPause",
            "IncidentResume",
            "IncidentCompensate",
            "SessionProbeWaive",
            "SessionPause",
            "SessionResume",
            "SessionTerminate",
            "SessionExtend",
            "AccommodationUpdate",
            "AccommodationRemove",
            "PolicyDefaultsUpdate",
            "CredentialKeyRotate",
            "AttentionRulesUpdate",
            "ReviewSecondOpinionAsk",
            "FindingResolve",
            "FindingWaive",
            "ReviewApprove",
            "ReviewReject",
            "ReviewRequestChanges",
            "ReviewResume",
            "ReviewReopen",
            "ReviewPolicySet",
            "ResultsHold",
            "ResultsRelease",
            "InquiryOpen",
            "ProgrammeArchive",
            "ProgrammeEnrolmentCancel",
            "ProgrammeEnrolmentTransfer",
            "ProgrammeHoldDecide",
            "CertificateReissue",
            "CertificateRevoke",
            "CertificateSettingsUpdate",
        ),
        lambda given: given | {"reason": "Another."},
    ),
    "SessionMessage": lambda given: given | {"text": "Another."},
    "SessionNote": lambda given: given | {"text": "Another."},
}
"""How an input is made another one; None where there is nothing to change but the key."""

MALFORMED = {"empty": "", "blank": "   ", "over-long": "k" * 256, "line break": "a\nb", "tabulator": "a\tb"}
BY_THE_CLOCK = {"activity_checkpoints", "activity_seals", "ledger_keys"}
"""Tables that are written to by the clock, whoever asks for what: the seal of each row of the ledger, a checkpoint every
five minutes while the chain goes on, and the key that signs it once. That a checkpoint asked for again is the same one,
the answers show."""

KEPT = {"delivery_sessions": "to_jsonb(t) - 'attention_check_at' - 'attention_version'"}
"""Without when the clock looks at a session next, and by which rules it did: every running one is looked at."""

VOLATILE = {"serverNow", "secondsRemaining", "integrity", "availableActions"}
"""What is shown as it is now: the clock, and what verifying a file has found since it was asked for."""


@pytest.fixture(scope="module")
async def world(live: Live) -> World:
    return await made.make_world(live)


@pytest.fixture(scope="module")
async def owner(live: Live):
    assert live.database.admin_dsn is not None
    connection = await asyncpg.connect(live.database.admin_dsn)
    yield connection
    await connection.close()


async def everything(owner: asyncpg.Connection) -> dict[str, tuple[int, int | None]]:
    """Rows and a checksum of each table, once all that was asked for is done behind the requests.

    Two that are equal had no effect between them, at once or later.
    """
    await quiet(owner, sealed=False)
    tables = [table.name for table in Base.metadata.sorted_tables if table.name not in BY_THE_CLOCK]
    query = " union all ".join(
        f"select '{name}' as name, count(*) as rows, sum(hashtext(({KEPT.get(name, 't')})::text)::bigint)::bigint as sum"
        f" from {name} t"
        for name in tables
    )
    return {row["name"]: (row["rows"], row["sum"]) for row in await owner.fetch(query)}


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: steady(inner) for name, inner in value.items() if name not in VOLATILE}
    return [steady(one) for one in value] if isinstance(value, list) else value


def test_every_mutation_is_walked_and_takes_a_key() -> None:
    names = [name[0].upper() + name[1:] for name in reach.roots("mutation")]
    assert sorted(names) == sorted(MUTATIONS) == sorted(OTHER)
    for field in reach.roots("mutation").values():
        assert "idempotencyKey" in field.args["input"].type.of_type.fields


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutation_sent_again(live: Live, world: World, owner: asyncpg.Connection, name: str):
    who, build = MUTATIONS[name]
    token, given, chosen = await bearer(live, world, who), build(world), key()
    keyed = given | {"idempotencyKey": chosen}

    async def send(variables: dict[str, Any], **headers: str) -> dict[str, Any]:
        body = await live.post(document(name), {"input": variables}, token, **headers)
        assert "errors" not in body, body
        (payload,) = body["data"].values()
        return payload

    before = await everything(owner)
    for malformed in MALFORMED.values():
        refused = (await send(given | {"idempotencyKey": malformed}))["problems"]
        assert [(one["code"], one["path"][-1]) for one in refused] == [("INVALID_INPUT", "idempotencyKey")], malformed
    for malformed in ("", "k" * 256):
        refused = (await send(given, **{"idempotency-key": malformed}))["problems"]
        assert [one["code"] for one in refused] == ["INVALID_INPUT"], malformed
    assert await everything(owner) == before

    first = await send(keyed)
    assert first["problems"] == []
    after = await everything(owner)
    assert after != before
    assert steady(await send(keyed)) == steady(first)
    assert steady(await send(given, **{"idempotency-key": chosen})) == steady(first)
    assert steady(await send(keyed, **{"idempotency-key": key()})) == steady(first), "the input's key comes first"
    other = OTHER[name]
    if other is not None:
        for sent in (send(other(keyed)), send(other(given), **{"idempotency-key": chosen})):
            refused = (await sent)["problems"]
            assert [one["code"] for one in refused] == ["IDEMPOTENCY_MISMATCH"]
    assert await everything(owner) == after


async def test_a_key_belongs_to_one_person_and_one_mutation(live: Live, world: World):
    chosen = key()
    one, other = made.question_given(), made.question_given()
    first = await live.do("QuestionCreate", one | {"idempotencyKey": chosen}, role="author")
    second = await live.do("QuestionCreate", other | {"idempotencyKey": chosen}, role="admin")
    assert first["question"]["reference"] == one["reference"]
    assert second["question"]["reference"] == other["reference"]
    await live.do("QuestionPublish", {"id": first["question"]["id"], "idempotencyKey": chosen}, role="author")


async def test_what_was_refused_may_use_its_key_again(live: Live, world: World):
    chosen, good = key(), made.question_given()
    bad = good | {"reference": "", "idempotencyKey": chosen}
    body = await live.post(document("QuestionCreate"), {"input": bad}, await live.token("author"))
    assert [one["code"] for one in body["data"]["questionCreate"]["problems"]] == ["INVALID_INPUT"]
    await live.do("QuestionCreate", good | {"idempotencyKey": chosen}, role="author")
