"""A small world made through the API, and for every mutation somebody who may, with an input that takes effect."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schema.nodes import global_id
from tests.factories import sign_ins
from tests.factories.sign_ins import Person
from tests.walks import essays, story
from tests.walks.conftest import Live
from tests.walks.story import Locked, Sitting


@dataclass
class People:
    """Staff, org units, groups and roles of the demonstration tenant, each to have something done to it."""

    kept: str
    duplicate: str
    to_suspend: str
    unit: str
    to_archive: str
    group: str
    to_delete: str
    viewer_role: str
    role: str
    role_to_delete: str
    grant: str


async def make_people(live: Live) -> People:
    """Bring them about through the API."""

    async def person() -> str:
        given = {"email": f"{uuid4().hex}@example.org", "displayName": f"Person {uuid4().hex[:6]}"}
        return (await live.do("UserInvite", given, role="admin"))["user"]["id"]

    async def named(document: str, field: str, **more: Any) -> str:
        return (await live.do(document, {"name": f"N {uuid4().hex[:8]}", **more}, role="admin"))[field]["id"]

    kept, duplicate, to_suspend = [await person() for _ in range(3)]
    unit, to_archive = [await named("OrgUnitCreate", "orgUnit") for _ in range(2)]
    group, to_delete = [await named("GroupCreate", "group") for _ in range(2)]
    await live.do("GroupMembersAdd", {"id": group, "userIds": [kept]}, role="admin")
    await live.do("OrgUnitMembersAdd", {"id": unit, "userIds": [kept]}, role="admin")
    role, role_to_delete = [await named("RoleCreate", "role", capabilities=["users.read"]) for _ in range(2)]
    given = {"userId": kept, "grant": {"roleId": role}, "reason": "To be taken back."}
    grant = (await live.do("RoleAssign", given, role="admin"))["grant"]["id"]
    roles = (await live.ask("Roles", {"first": 100}, role="auditor"))["roles"]["nodes"]
    viewer = next(one["id"] for one in roles if one["isSystem"] and one["name"] == "Viewer")
    return People(kept, duplicate, to_suspend, unit, to_archive, group, to_delete, viewer, role, role_to_delete, grant)


@dataclass
class Limited:
    """Somebody who sits, what gave them time, and drafts, links, templates and schedules."""

    candidate: str
    override: str
    incident: str
    draft: str
    to_remove: str
    public_link: dict[str, str]
    to_shut: str
    template: str
    template_to_delete: str
    schedule: str
    schedule_to_pause: str


async def make_limits(live: Live, assignment: str, version_id: str, busy: Sitting, kept: str) -> Limited:
    """Give more time to somebody who sits, and to somebody who has not come yet."""
    session = (await live.ask("Session", {"id": busy.session_id}, role="admin"))["session"]
    candidate = session["candidate"]["id"]
    given = {"assignmentId": assignment, "target": {"userId": candidate}, "change": {"extensionSeconds": 60}}
    applied = await live.do("OverrideApply", {**given, "reason": "Fire drill."}, role="manager")
    profile = {"userId": kept, "timeMultiplier": "1.25", "reason": "Asked for."}
    await live.do("AccommodationUpdate", profile, role="manager")
    lost = {"sessions": {"ids": [busy.session_id]}, "category": "TECHNICAL", "seconds": 30, "reason": "Power cut."}
    incident = (await live.do("IncidentCompensate", lost, role="manager"))["incident"]["id"]
    made = [await live.do("PublicLinkCreate", {"assignmentId": assignment}, role="manager") for _ in range(2)]
    templates = [
        await live.do("AssignmentTemplateCreate", {"name": name(), "evaluationVersionId": version_id}, role="manager")
        for _ in range(2)
    ]
    given = {"evaluationVersionId": version_id, "templateId": templates[0]["template"]["id"]}
    drafts = [await live.do("AssignmentDraftSave", {"name": name(), **given}, role="manager") for _ in range(2)]
    return Limited(
        candidate,
        applied["override"]["id"],
        incident,
        *(one["draft"]["id"] for one in drafts),
        made[0]["publicLink"],
        made[1]["publicLink"]["id"],
        *(one["template"]["id"] for one in templates),
        *[await make_schedule(live, version_id) for _ in range(2)],
    )


async def make_schedule(live: Live, version_id: str) -> str:
    """Plan something far off, and run it once by hand."""
    made = await live.do("AssignmentScheduleCreate", planned(version_id), role="manager")
    await live.do("AssignmentScheduleRunNow", {"id": made["schedule"]["id"]}, role="manager")
    return made["schedule"]["id"]


def planned(version_id: str) -> dict[str, Any]:
    terms = {"evaluationVersionId": version_id, "addresses": f"{uuid4().hex}@example.org"}
    recurrence = {"frequency": "MONTHLY", "localStart": "2098-01-31T09:00"}
    return {"name": name(), "terms": terms, "recurrence": recurrence, "windowSeconds": 3600}


@dataclass
class Reviewed:
    """Submissions that wait for a person, each for something to be done with it."""

    assignment: str
    to_claim: str
    to_release: tuple[str, int]
    to_steal: str
    in_hand: tuple[str, int]
    item: str
    other_item: str


async def make_reviews(live: Live) -> Reviewed:
    """Hand in essays, and let the assessor take all but the first and the last in hand."""
    assignment, _ = await essays.hand_in(live, await essays.publish(live), 5)
    tasks = [one["id"] for one in await essays.queue(live, assignment)]
    held = {task: (await live.do("ReviewClaim", {"id": task}, role="assessor"))["fence"] for task in tasks[1:4]}
    item, other = [one["item"]["id"] for one in await essays.items(live, tasks[3])]
    return Reviewed(assignment, tasks[0], (tasks[1], held[tasks[1]]), tasks[2], (tasks[3], held[tasks[3]]), item, other)


def judged(world: "World", item: str) -> dict[str, Any]:
    task, fence = world.reviews.in_hand
    return {"taskId": task, "itemId": item, "fence": fence}


@dataclass
class World:
    """One assignment with a candidate who handed in, one who sits, and one who has not come."""

    version_id: str
    evaluation_id: str
    question_id: str
    draft: dict[str, Any]
    assignment: str
    to_close: str
    unused: list[str]
    """Invitations that nobody redeems."""
    invitation: str
    done: Sitting
    busy: Sitting
    waiting: str
    """Session token of a candidate who has not started."""
    to_end: str
    """A started session that is ended."""
    submission_id: str
    message: str
    parked: str
    person: Person
    """Somebody who can sign in."""
    link: str
    """A link that waits in their mail."""
    signed_in: list[dict[str, Any]]
    """Their sign-ins: the payloads of redeeming."""
    service_token: str
    expires_at: str
    people: People
    limits: Limited
    reviews: Reviewed
    locked_assignment: str
    locked: Locked
    """A candidate who has to prove a lockdown browser."""


async def make_world(live: Live) -> World:
    """Bring it about through the API."""
    version = await story.publish(live)
    shown = (await live.ask("EvaluationVersion", {"id": version["id"]}, role="author"))["evaluationVersion"]
    question = shown["sections"][0]["items"][0]["questionVersion"]["question"]["id"]
    assignment, invitations = await story.issue(
        live, version["id"], 5, feedbackMode="SCORE", runLabel="Walk_Run", timeLimitSeconds=36000
    )
    to_close, _ = await story.issue(live, version["id"], 1)
    kept, _ = await story.issue(live, version["id"], 2)
    sent = (await live.ask("Invitations", {"id": kept}, role="manager"))["assignment"]["invitations"]["nodes"]
    done, busy = [await story.sit_down(live, invitation) for invitation in invitations[:2]]
    await live.do("SessionSubmit", {}, token=done.token)
    await live.do("SessionEventsRecord", {"batchId": uuid4().hex, "events": [EVENT] * 3}, token=busy.token)
    seen = (await live.ask("Session", {"id": done.session_id}, role="admin"))["session"]["submission"]
    waiting = await story.redeem(live, invitations[2])
    to_end = await story.sit_down(live, invitations[4])
    draft = await live.do("QuestionCreate", question_given(), role="author")
    mails = (await live.ask("Messages", {"first": 1}, role="admin"))["messages"]["nodes"]
    parked = [await story.park_a_job(live) for _ in range(2)]
    locked_assignment, (locked,) = await story.lock(live, version["id"], 1)
    page = locked.page(live)
    await live.do("SessionProbe", {"url": page, "configKeyHash": story.seb(page)}, token=locked.token)
    return World(
        version["id"],
        shown["evaluation"]["id"],
        question,
        draft["question"],
        assignment,
        to_close,
        [one["id"] for one in sent],
        invitations[3],
        done,
        busy,
        waiting,
        to_end.session_id,
        seen["id"],
        mails[0]["id"],
        global_id("Job", parked[0]),
        *await _signers(live),
        people := await make_people(live),
        await make_limits(live, assignment, version["id"], busy, people.kept),
        await make_reviews(live),
        locked_assignment,
        locked,
    )


async def _signers(live: Live) -> tuple[Person, str, list[dict[str, Any]], str, str]:
    person = await sign_ins.person(live)
    link, _ = await sign_ins.mailed(live, person)
    payloads = [await sign_ins.signed_in(live, person) for _ in range(4)]
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    given = {"name": "To be revoked", "capabilities": ["questions.read"], "expiresAt": expires_at}
    made = await live.do("ServiceTokenCreate", given, role="integrator")
    return person, link, payloads, made["serviceToken"]["id"], expires_at


def proctored(world: "World", reason: str, session_id: str | None = None) -> dict[str, Any]:
    sessions = [{"id": session_id or world.busy.session_id}]
    return {"sessions": sessions, "category": "EXAMINEE", "reason": reason}


def question_given() -> dict[str, Any]:
    return {"reference": f"D{uuid4().hex[:8]}", "stem": "Is it?", "body": {"trueFalse": {"correct": True}}}


def evaluation_given() -> dict[str, Any]:
    sections = [{"title": "All", "drawPerGroup": True, "selector": {"referencePrefix": "W"}}]
    return {"title": f"Documents {uuid4().hex[:8]}", "passMark": {"percent": "60"}, "sections": sections}


def entries() -> list[dict[str, Any]]:
    return story.pool(uuid4().hex[:6])[:2]


EVENT = {"kind": "PASTE_DETECTED", "clientAt": "2026-11-20T12:00:00Z", "position": 1, "details": {"characters": 12}}

Build = Callable[[World], dict[str, Any]]


def name() -> str:
    return f"Named {uuid4().hex[:8]}"


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

MUTATIONS: dict[str, tuple[str, Build]] = {
    **REVIEWS,
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
    "ActivityCheckpointCreate": ("auditor", lambda _w: {}),
    "ActivityExport": ("auditor", lambda _w: {"filter": {"act": "role."}, "most": 50}),
    **PEOPLE,
}
"""Document, who acts, and with which input; they run in this order."""


async def bearer(live: Live, world: World, who: str) -> str | None:
    own = {"nobody": None, "candidate: busy": world.busy.token, "candidate: waiting": world.waiting}
    own["candidate: locked"] = world.locked.token
    own["signed in"] = world.signed_in[3]["tokens"]["accessToken"]
    return own[who] if who in own else await live.token(who)
