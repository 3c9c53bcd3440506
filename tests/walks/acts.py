"""For every mutation somebody who may, with an input that takes effect in a made world."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.factories import pictures
from tests.walks import files, story
from tests.walks.conftest import Live
from tests.walks.made import EVENT, World, name, planned, question_given


def judged(world: "World", item: str) -> dict[str, Any]:
    task, fence = world.reviews.in_hand
    return {"taskId": task, "itemId": item, "fence": fence}


def closing(world: "World", finding: str) -> dict[str, Any]:
    return {"id": finding, "fence": world.observed.in_hand.fence, "reason": "It is mended."}


def proctored(world: "World", reason: str, session_id: str | None = None) -> dict[str, Any]:
    sessions = [{"id": session_id or world.busy.session_id}]
    return {"sessions": sessions, "category": "EXAMINEE", "reason": reason}


def evaluation_given() -> dict[str, Any]:
    sections = [{"title": "All", "drawPerGroup": True, "selector": {"referencePrefix": "W"}}]
    return {"title": f"Documents {uuid4().hex[:8]}", "passMark": {"percent": "60"}, "sections": sections}


def entries() -> list[dict[str, Any]]:
    return story.pool(uuid4().hex[:6])[:2]


Build = Callable[[World], dict[str, Any]]


def invited(world: World) -> dict[str, Any]:
    return {
        "email": f"{uuid4().hex}@example.org",
        "displayName": "Ada Invited",
        "orgUnitIds": [world.people.unit],
        "roles": [{"roleId": world.people.viewer_role, "orgUnitId": world.people.unit}],
        "reason": "Helps with the audit.",
    }


def file_of_people() -> str:
    return f"email,display_name,roles\n{uuid4().hex}@example.org,Ada,Viewer\n{uuid4().hex}@example.org,Bob,\n"


PEOPLE: dict[str, tuple[str, Build]] = {
    "UserInvite": ("admin", invited),
    "UserUpdate": ("admin", lambda w: {"id": w.people.kept, "displayName": name(), "timeZone": "Europe/Paris"}),
    "UserSuspend": ("admin", lambda w: {"id": w.people.to_suspend, "reason": "On leave."}),
    "UserReactivate": ("admin", lambda w: {"id": w.people.to_suspend, "reason": "Back."}),
    "UserMerge": (
        "admin",
        lambda w: {"keptId": w.people.kept, "duplicateId": w.people.duplicate, "reason": "The same person."},
    ),
    "UsersImport": ("admin", lambda _w: {"csv": file_of_people(), "reason": "New staff.", "welcome": True}),
    "OrgUnitCreate": ("admin", lambda _w: {"name": name()}),
    "OrgUnitRename": ("admin", lambda w: {"id": w.people.unit, "name": name()}),
    "OrgUnitArchive": ("admin", lambda w: {"id": w.people.to_archive, "reason": "Closed."}),
    "OrgUnitMembersAdd": ("admin", lambda w: {"id": w.people.unit, "userIds": [w.people.to_suspend]}),
    "OrgUnitMembersRemove": ("admin", lambda w: {"id": w.people.unit, "userIds": [w.people.to_suspend]}),
    "GroupCreate": ("admin", lambda _w: {"name": name()}),
    "GroupRename": ("admin", lambda w: {"id": w.people.group, "name": name()}),
    "GroupDelete": ("admin", lambda w: {"id": w.people.to_delete, "reason": "Not needed."}),
    "GroupMembersAdd": ("admin", lambda w: {"id": w.people.group, "userIds": [w.people.to_suspend]}),
    "GroupMembersRemove": ("admin", lambda w: {"id": w.people.group, "userIds": [w.people.to_suspend]}),
    "RoleCreate": ("admin", lambda _w: {"name": name(), "capabilities": ["users.read", "roles.read"]}),
    "RoleClone": ("admin", lambda w: {"id": w.people.viewer_role, "name": name()}),
    "RoleUpdate": ("admin", lambda w: {"id": w.people.role, "capabilities": ["users.read", "activity.read"]}),
    "RoleDelete": ("admin", lambda w: {"id": w.people.role_to_delete, "reason": "Not needed."}),
    "RoleAssign": (
        "admin",
        lambda w: {
            "userId": w.people.to_suspend,
            "grant": {"roleId": w.people.viewer_role, "orgUnitId": w.people.unit},
            "reason": "Helps out.",
        },
    ),
    "RoleRemove": ("admin", lambda w: {"grantId": w.people.grant, "reason": "Enough."}),
}

REVIEWS: dict[str, tuple[str, Build]] = {
    "ReviewClaim": ("assessor", lambda w: {"id": w.reviews.to_claim}),
    "ReviewClaimNext": ("admin", lambda w: {"filter": {"assignmentId": w.reviews.assignment, "isUnclaimed": True}}),
    "ReviewRelease": ("assessor", lambda w: dict(zip(("id", "fence"), w.reviews.to_release, strict=True))),
    "ReviewSteal": ("admin", lambda w: {"id": w.reviews.to_steal, "reason": "On leave."}),
    "GradeDraftSave": (
        "assessor",
        lambda w: judged(w, w.reviews.other_item) | {"revision": 1, "points": "3", "comment": "So far."},
    ),
    "GradeFinalise": ("assessor", lambda w: judged(w, w.reviews.other_item) | {"points": "4", "rationale": "Enough."}),
}

OBSERVED: dict[str, tuple[str, Build]] = {
    "ReviewSecondOpinionAsk": ("assessor", lambda w: w.observed.in_hand.place | {"reason": "I know them."}),
    "FindingRaise": ("assessor", lambda w: w.observed.in_hand.place | {"severity": "MINOR", "text": "No gloves."}),
    "FindingResolve": ("assessor", lambda w: closing(w, w.observed.to_resolve)),
    "FindingWaive": ("assessor", lambda w: closing(w, w.observed.to_waive)),
    "ReviewApprove": ("assessor", lambda w: w.observed.to_approve.place | {"reason": "As seen."}),
    "ReviewReject": ("assessor", lambda w: w.observed.to_reject.place | {"reason": "Not seen."}),
    "ReviewRequestChanges": ("assessor", lambda w: w.observed.to_change.place | {"reason": "Wear gloves."}),
    "ReviewResume": ("assessor", lambda w: {"taskId": w.observed.to_resume, "reason": "They are on."}),
    "ReviewReopen": ("admin", lambda w: {"taskId": w.observed.to_reopen, "reason": "A wrong name."}),
    "ReviewPolicySet": (
        "manager",
        lambda w: {"evaluationId": w.evaluation_id, "rules": {"dueDays": 3}, "reason": "Busy season."},
    ),
}

RESULTS: dict[str, tuple[str, Build]] = {
    "ResultsHold": ("manager", lambda w: {"assignmentId": w.assignment, "reason": "The board meets."}),
    "ResultsRelease": ("manager", lambda w: {"assignmentId": w.assignment, "reason": "It met."}),
    "ResultOpen": ("nobody", lambda w: {"token": w.redeemed}),
    "InquiryOpen": ("candidate: told", lambda _w: {"reason": "My facts are right."}),
}

ROOMS: dict[str, tuple[str, Build]] = {
    "RoomCreate": ("manager", lambda _w: {"name": name(), "capacity": 30}),
    "RoomUpdate": ("manager", lambda w: {"id": w.rooms.room, "name": name()}),
    "RoomArchive": ("manager", lambda w: {"id": w.rooms.to_archive, "reason": "Pulled down."}),
    "RoomProctorsAdd": ("manager", lambda w: {"id": w.rooms.room, "userIds": [w.people.to_suspend]}),
    "RoomProctorsRemove": ("manager", lambda w: {"id": w.rooms.room, "userIds": [w.people.kept]}),
    "RoomCandidatesAssign": (
        "manager",
        lambda w: {"id": w.rooms.room, "assignmentId": w.assignment, "userIds": [w.people.kept]},
    ),
    "RoomSessionsMove": ("manager", lambda w: {"id": None, "sessions": [{"id": w.busy.session_id}]}),
}


def followed(world: "World", act: str) -> dict[str, Any]:
    evidence, event = world.filed.evidence[act]
    return {"id": evidence, "priorEventId": event, "reason": "As I see it."}


EVIDENCE: dict[str, tuple[str, Build]] = {
    "UploadCreate": ("clerk", lambda w: {"submissionId": w.filed.submission, **files.announced(b"four")}),
    "MyUploadCreate": (
        "candidate: filing",
        lambda w: {"itemId": w.filed.sitting.items[0]["id"], **files.announced(b"five")},
    ),
    "EvidenceRecord": (
        "assessor",
        lambda w: {"submissionId": w.filed.submission, "uploadId": w.filed.upload, "note": "Signed."},
    ),
    "EvidenceAmend": ("assessor", lambda w: followed(w, "amend")),
    "EvidenceApprove": ("assessor", lambda w: followed(w, "approve")),
    "EvidenceReject": ("assessor", lambda w: followed(w, "reject")),
    "EvidenceVerify": ("assessor", lambda w: {"id": w.filed.evidence["verify"][0]}),
    "EvidenceVoid": ("assessor", lambda w: followed(w, "void")),
}


def asked_for(world: "World", **more: Any) -> dict[str, Any]:
    return {"requirement": {"name": name(), "evaluationId": world.evaluation_id, "minPercent": "80", **more}}


PROGRAMMES: dict[str, tuple[str, Build]] = {
    "ProgrammeCreate": ("manager", lambda _w: {"name": name(), "rules": {"validityMonths": 120}}),
    "ProgrammeUpdate": ("manager", lambda w: {"id": w.programmes.draft, "name": name(), "rules": {"dueDays": 30}}),
    "ProgrammeRequirementAdd": ("manager", lambda w: asked_for(w) | {"programmeId": w.programmes.draft}),
    "ProgrammeRequirementUpdate": ("manager", lambda w: asked_for(w, attempts=3) | {"id": w.programmes.requirement}),
    "ProgrammeRequirementsReorder": (
        "manager",
        lambda w: {"programmeId": w.programmes.to_reorder, "requirementIds": w.programmes.other_order},
    ),
    "ProgrammeRequirementRemove": ("manager", lambda w: {"id": w.programmes.to_remove}),
    "ProgrammeBadgeSet": ("manager", lambda w: {"programmeId": w.programmes.draft, "image": pictures.sent()}),
    "ProgrammeBadgeClear": ("manager", lambda w: {"programmeId": w.programmes.draft}),
    "ProgrammePublish": ("manager", lambda w: {"id": w.programmes.draft}),
    "ProgrammeEnrol": (
        "manager",
        lambda w: {"programmeId": w.programmes.published, "recipients": [{"email": f"{uuid4().hex}@example.org"}]},
    ),
    "ProgrammeEnrolmentCancel": ("manager", lambda w: {"id": w.programmes.to_cancel, "reason": "Moved away."}),
    "ProgrammeEnrolmentTransfer": ("manager", lambda w: {"id": w.programmes.to_transfer, "reason": "New rules."}),
    "ProgrammeHoldDecide": (
        "manager",
        lambda w: {
            "enrolmentId": w.programmes.held,
            "requirementId": w.programmes.held_requirement,
            "decision": "KEEP",
            "reason": "The board met.",
        },
    ),
    "CertificateReissue": ("manager", lambda w: {"id": w.programmes.to_reissue, "reason": "Another name."}),
    "CertificateRevoke": ("manager", lambda w: {"id": w.programmes.certificate, "reason": "Somebody else sat it."}),
    "CertificateSettingsUpdate": ("admin", lambda _w: {"holderShown": "FULL", "reason": "The board decided."}),
    "ProgrammeArchive": ("manager", lambda w: {"id": w.programmes.to_archive, "reason": "Replaced."}),
}

MUTATIONS: dict[str, tuple[str, Build]] = {
    **PROGRAMMES,
    **REVIEWS,
    **OBSERVED,
    **RESULTS,
    **EVIDENCE,
    **ROOMS,
    "QuestionCreate": ("author", lambda _w: question_given()),
    "QuestionUpdate": ("author", lambda w: {"id": w.draft["id"], "stem": "Is it really?"}),
    "QuestionPublish": ("author", lambda w: {"id": w.draft["id"]}),
    "QuestionPoolImport": ("author", lambda _w: {"entries": entries()}),
    "EvaluationCreate": ("author", lambda _w: evaluation_given()),
    "EvaluationUpdate": ("author", lambda w: {"id": w.evaluation_id, "instructions": "Read **first**."}),
    "EvaluationPublish": ("author", lambda w: {"id": w.evaluation_id}),
    "AssignmentIssue": (
        "integrator",
        lambda w: {"evaluationVersionId": w.version_id, "recipients": [{"email": f"{uuid4().hex}@example.org"}]},
    ),
    "AssignmentDraftSave": (
        "manager",
        lambda w: {"id": w.limits.draft, "name": name(), "addresses": f"{uuid4().hex}@example.org"},
    ),
    "AssignmentDraftDelete": ("manager", lambda w: {"id": w.limits.to_remove}),
    "AssignmentTemplateCreate": (
        "manager",
        lambda w: {"name": name(), "evaluationVersionId": w.version_id, "windowSeconds": 3600},
    ),
    "AssignmentTemplateUpdate": ("manager", lambda w: {"id": w.limits.template, "name": name(), "allowedAttempts": 2}),
    "AssignmentTemplateDelete": ("manager", lambda w: {"id": w.limits.template_to_delete}),
    "AssignmentScheduleCreate": ("manager", lambda w: planned(w.version_id)),
    "AssignmentScheduleUpdate": ("manager", lambda w: planned(w.version_id) | {"id": w.limits.schedule}),
    "AssignmentScheduleSkip": ("manager", lambda w: {"id": w.limits.schedule, "reason": "A holiday."}),
    "AssignmentScheduleRunNow": ("manager", lambda w: {"id": w.limits.schedule}),
    "AssignmentSchedulePause": ("manager", lambda w: {"id": w.limits.schedule_to_pause, "reason": "Works council."}),
    "AssignmentScheduleResume": ("manager", lambda w: {"id": w.limits.schedule_to_pause}),
    "AssignmentScheduleArchive": ("manager", lambda w: {"id": w.limits.schedule_to_pause, "reason": "Not needed."}),
    "AssignmentRelabel": ("manager", lambda w: {"id": w.to_close, "runLabel": f"Run_{uuid4().hex[:8]}"}),
    "PublicLinkCreate": ("manager", lambda w: {"assignmentId": w.assignment, "accessCode": "Tulip", "cap": 5}),
    "PublicLinkClose": ("manager", lambda w: {"id": w.limits.to_shut, "reason": "Everybody came."}),
    "PublicLinkRedeem": (
        "nobody",
        lambda w: {
            "token": w.limits.public_link["address"].partition("token=")[2],
            "displayName": "Ada Passing",
            "email": f"{uuid4().hex}@example.org",
            "nonce": uuid4().hex,
        },
    ),
    "AssignmentClose": ("manager", lambda w: {"id": w.to_close, "reason": "Held elsewhere."}),
    "OverrideApply": (
        "manager",
        lambda w: {
            "assignmentId": w.assignment,
            "target": {"userId": w.limits.candidate},
            "change": {"extensionSeconds": 900},
            "reason": "The lights went out.",
        },
    ),
    "OverrideReverse": ("manager", lambda w: {"id": w.limits.override, "reason": "There was no drill."}),
    "IncidentPause": (
        "proctor",
        lambda w: {
            "sessions": {"ids": [w.busy.session_id]},
            "category": "ENVIRONMENT",
            "reason": "The fire alarm went off.",
        },
    ),
    "IncidentResume": (
        "proctor",
        lambda w: {
            "sessions": {"filter": {"assignmentId": w.assignment}},
            "category": "ENVIRONMENT",
            "reason": "The alarm is over.",
        },
    ),
    "IncidentCompensate": (
        "manager",
        lambda w: {
            "sessions": {"incidentId": w.limits.incident},
            "category": "TECHNICAL",
            "seconds": 660,
            "reason": "Lost 11 minutes.",
        },
    ),
    "AssignmentLockdownUpdate": (
        "manager",
        lambda w: {
            "assignmentId": w.locked_assignment,
            "keys": {"configKeys": [story.SEB_KEY], "browserExamKeys": ["e" * 64]},
        },
    ),
    "SessionProbe": ("candidate: locked", lambda _w: {"url": "https://exam.evalium.test/", "configKeyHash": "0" * 64}),
    "SessionProbeWaive": (
        "proctor",
        lambda w: {"sessionId": w.locked.session_id, "category": "TECHNICAL", "reason": "A borrowed laptop."},
    ),
    "SessionPause": ("proctor", lambda w: proctored(w, "Noise next door.")),
    "SessionResume": ("proctor", lambda w: {"sessions": [{"id": w.busy.session_id}]}),
    "SessionExtend": ("proctor", lambda w: proctored(w, "Noise next door.") | {"seconds": 120}),
    "SessionMessage": ("proctor", lambda w: {"ids": [w.busy.session_id], "text": "Ten minutes left."}),
    "SessionNote": ("proctor", lambda w: {"ids": [w.busy.session_id, w.done.session_id], "text": "Left the room."}),
    "SessionTerminate": ("proctor", lambda w: proctored(w, "Left the room.", w.to_end)),
    "AccommodationUpdate": (
        "manager",
        lambda w: {"userId": w.people.to_suspend, "timeMultiplier": "1.5", "breakSeconds": 600, "reason": "Asked."},
    ),
    "AccommodationRemove": ("manager", lambda w: {"userId": w.people.to_suspend, "reason": "Not needed any more."}),
    "PolicyDefaultsUpdate": ("admin", lambda _w: {"idleThresholdSeconds": 90, "reason": "Long questions."}),
    "SessionAttentionAcknowledge": (
        "proctor",
        lambda w: {"sessionIds": [w.busy.session_id], "note": "Pasted from the allowed formulary."},
    ),
    "AttentionRulesUpdate": (
        "admin",
        lambda _w: {
            "standard": [{"signal": "PASTES", "notice": 5, "urgent": 50}],
            "highStakes": [{"signal": "PASTES", "warning": 5, "urgent": 50}],
            "disconnectedAfterSeconds": 45,
            "reason": "Pasting is usual here.",
        },
    ),
    "InvitationLink": ("manager", lambda w: {"id": w.unused[0]}),
    "InvitationResend": ("manager", lambda w: {"ids": w.unused[:2]}),
    "InvitationRevoke": ("manager", lambda w: {"ids": w.unused[:1], "reason": "Sent by mistake."}),
    "InvitationReinvite": ("manager", lambda w: {"ids": w.unused[:1]}),
    "InvitationRedeem": ("nobody", lambda w: {"token": w.invitation, "nonce": uuid4().hex}),
    "SessionStart": ("candidate: waiting", lambda _w: {}),
    "AnswerSave": (
        "candidate: busy",
        lambda w: {"itemId": w.busy.items[0]["id"], "revision": 1, "response": story.choice(w.busy.items[0], "right")},
    ),
    "SessionEventsRecord": ("candidate: busy", lambda _w: {"batchId": uuid4().hex, "events": [EVENT]}),
    "AnswersSave": (
        "candidate: busy",
        lambda w: {
            "answers": [
                {"itemId": item["id"], "revision": 7, "response": story.choice(item, "right")} for item in w.busy.items
            ]
        },
    ),
    "SessionHeartbeat": ("candidate: busy", lambda _w: {"includeRevisions": True}),
    "SessionSubmit": ("candidate: busy", lambda _w: {}),
    "CorrectionApply": (
        "manager",
        lambda w: {
            "evaluationVersionId": w.version_id,
            "lines": [{"questionVersionId": w.corrected.question, "change": {"points": "2.5"}}],
            "reason": "It is harder than it looked.",
        },
    ),
    "CorrectionUndo": ("manager", lambda w: {"id": w.corrected.batch, "reason": "It was clear after all."}),
    "MailTemplateUpdate": (
        "admin",
        lambda _w: {"key": "INVITATION", "subject": "Dear {{ person_name }}", "body": "Start: {{ link }}"},
    ),
    "MailTemplateReset": ("admin", lambda _w: {"key": "INVITATION"}),
    "JobRequeue": ("admin", lambda w: {"id": w.parked}),
    "SignInRequest": ("nobody", lambda w: {"email": w.person.email, "nonce": w.person.nonce}),
    "SignInRedeem": ("nobody", lambda w: {"token": w.link, "nonce": w.person.nonce}),
    "SignInRefresh": (
        "nobody",
        lambda w: {"refreshToken": w.signed_in[0]["tokens"]["refreshToken"], "nonce": w.person.nonce},
    ),
    "SignInEnd": ("signed in", lambda w: {"id": w.signed_in[1]["signInId"]}),
    "SignOut": ("nobody", lambda w: {"refreshToken": w.signed_in[2]["tokens"]["refreshToken"]}),
    "ServiceTokenCreate": (
        "integrator",
        lambda w: {"name": "Results", "capabilities": ["submissions.read"], "expiresAt": w.expires_at},
    ),
    "ServiceTokenRevoke": ("integrator", lambda w: {"id": w.service_token, "reason": "Not needed any more."}),
    "CredentialKeyRotate": ("admin", lambda _w: {"reason": "Each spring."}),
    "ActivityCheckpointCreate": ("auditor", lambda _w: {}),
    "ActivityExport": ("auditor", lambda _w: {"filter": {"act": "role."}, "most": 50}),
    **PEOPLE,
}
"""Document, who acts, and with which input; they run in this order."""


async def bearer(live: Live, world: World, who: str) -> str | None:
    own = {"nobody": None, "candidate: busy": world.busy.token, "candidate: waiting": world.waiting}
    own["candidate: locked"] = world.locked.token
    own["candidate: told"] = world.reviews.asker
    own["clerk"] = world.filed.clerk
    own["candidate: filing"] = world.filed.sitting.token
    own["signed in"] = world.signed_in[3]["tokens"]["accessToken"]
    return own[who] if who in own else await live.token(who)
