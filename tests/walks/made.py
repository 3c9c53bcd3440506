"""A small world made through the API, with something in it for every act."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schema.nodes import global_id
from tests.factories import sign_ins
from tests.factories.sign_ins import Person
from tests.walks import essays, files, observed, programmes, story
from tests.walks.conftest import Live
from tests.walks.observed import InHand
from tests.walks.story import Locked, Sitting

EVENT = {"kind": "PASTE_DETECTED", "clientAt": "2026-11-20T12:00:00Z", "position": 1, "details": {"characters": 12}}


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
    asker: str
    """A candidate who may ask for a regrade."""


async def make_reviews(live: Live) -> Reviewed:
    """Hand in essays, and let the assessor take all but the first and the last in hand."""
    assignment, _ = await essays.hand_in(live, await essays.publish(live), 5)
    tasks = [one["id"] for one in await essays.queue(live, assignment)]
    held = {task: (await live.do("ReviewClaim", {"id": task}, role="assessor"))["fence"] for task in tasks[1:4]}
    item, other = [one["item"]["id"] for one in await essays.items(live, tasks[3])]
    to_ask, (asker,) = await essays.hand_in(live, await essays.publish_under(live, inquiryDays=14), 1)
    (done,) = [one["id"] for one in await essays.queue(live, to_ask)]
    await essays.mark(live, await live.token("assessor"), done, "some", "5")
    released, in_hand = [(task, held[task]) for task in (tasks[1], tasks[3])]
    return Reviewed(assignment, tasks[0], released, tasks[2], in_hand, item, other, asker)


@dataclass
class Roomed:
    """Rooms, each for something to be done with it, and somebody who watches the first."""

    room: str
    to_archive: str


async def make_rooms(live: Live, busy: Sitting, watcher: str) -> Roomed:
    """Make two rooms, with a session and somebody who watches in the first."""
    made = [(await live.do("RoomCreate", {"name": name()}, role="manager"))["room"]["id"] for _ in range(2)]
    await live.do("RoomSessionsMove", {"id": made[0], "sessions": [{"id": busy.session_id}]}, role="manager")
    await live.do("RoomProctorsAdd", {"id": made[0], "userIds": [watcher]}, role="manager")
    return Roomed(*made)


@dataclass
class Observed:
    """Reviews of what was observed, each at the place of one act, and findings of the first."""

    in_hand: InHand
    to_resolve: str
    to_waive: str
    to_approve: InHand
    to_reject: InHand
    to_change: InHand
    to_resume: str
    to_reopen: str


async def make_observed(live: Live) -> Observed:
    """Bring them about."""
    tasks = await observed.hand_in(live, await observed.publish(live), 6)
    held = [await observed.take(live, task) for task in tasks]
    findings = [await held[0].object(live, severity) for severity in ("MAJOR", "BLOCKING")]
    for one in (held[1], held[2], held[5]):
        await one.mark(live)
    await held[4].decide(live, "ReviewRequestChanges")
    await held[5].decide(live, "ReviewApprove")
    return Observed(held[0], *findings, held[1], held[2], held[3], tasks[4], tasks[5])


@dataclass
class Corrected:
    """A question that is in somebody's paper, and a batch that corrected another one."""

    question: str
    batch: str


async def make_corrections(live: Live, version_id: str, submission_id: str, done: Sitting) -> Corrected:
    """Correct the key of the first question of what was handed in, and accept a further answer to it."""
    shown = (await live.ask("Submission", {"id": submission_id}, role="admin"))["submission"]
    first, second = [one["questionVersion"]["id"] for one in shown["items"][:2]]
    wrong, worse = [story.choice(done.items[0], text) for text in ("wrong", "worse")]
    changes = [{"accept": wrong}, {"key": {"singleChoice": {"correct": worse["choice"]}}}, {"points": "2"}]
    lines = [{"questionVersionId": first, "change": change} for change in changes]
    given = {"evaluationVersionId": version_id, "lines": lines, "reason": "It was unclear."}
    return Corrected(second, (await live.do("CorrectionApply", given, role="manager"))["batch"]["id"])


@dataclass
class Filed:
    """Somebody who sits and is asked for files, a submission with a file, and evidence for each act."""

    sitting: Sitting
    clerk: str
    """An assessor's token that has begun no upload yet."""
    submission: str
    task: str
    from_candidate: str
    upload: str
    evidence: dict[str, tuple[str, str]]
    """By act: the id of the evidence, and of the event to follow on."""


async def make_files(live: Live) -> Filed:
    """Hand in a file, and record one for each act on evidence."""
    version = await files.publish(live)
    submission, _ = await files.hand_in(live, version, b"one")
    _, sitting = await files.sit_down(live, version)
    found: dict[str, tuple[str, str]] = {}
    for act in ("amend", "approve", "reject", "verify", "void"):
        upload = await files.staff_upload(live, b"two", submissionId=submission)
        given = {"submissionId": submission, "uploadId": upload["id"]}
        made = await live.do("EvidenceRecord", given, role="assessor")
        found[act] = made["evidence"]["id"], made["event"]["id"]
    upload = await files.staff_upload(live, b"three", submissionId=submission)
    seen = (await live.ask("SubmissionEvidence", {"id": submission}, role="admin"))["submission"]
    task = (await live.post("query ($id: ID!) { submission(id: $id) { reviews { id } } }", {"id": submission}, await live.token("admin")))["data"]  # fmt: skip
    clerk = await sign_ins.signed_in(live, await sign_ins.person(live, "assessor"))
    return Filed(
        sitting,
        clerk["tokens"]["accessToken"],
        submission,
        task["submission"]["reviews"][0]["id"],
        seen["items"][0]["evidence"][0]["id"],
        upload["id"],
        found,
    )


@dataclass
class Programmed:
    """Programmes, each for something to be done with it."""

    draft: str
    requirement: str
    to_remove: str
    to_reorder: str
    other_order: list[str]
    to_archive: str
    published: str
    version: str
    to_cancel: str
    to_transfer: str
    held: str
    held_requirement: str
    certificate: str
    to_reissue: str


async def make_programmes(live: Live, evaluation: str) -> Programmed:
    """Begin three, and publish one."""
    draft, to_reorder, to_archive, published = [await programmes.begin(live) for _ in range(4)]
    asked = [await programmes.ask_for(live, one, evaluation) for one in (draft, draft, to_reorder, to_reorder)]
    requirement, to_remove = [one["id"] for one in asked[1]["draftRequirements"]]
    order = [one["id"] for one in asked[3]["draftRequirements"]]
    await programmes.ask_for(live, published, evaluation)
    version = (await programmes.publish(live, published))["id"]
    (to_cancel,) = await programmes.enrol(live, published)
    held, held_requirement = await programmes.hold(live)
    to_transfer = await programmes.outdated(live)
    licence = await programmes.published(live)
    certified = [await programmes.certify(live, licence) for _ in range(2)]
    return Programmed(
        draft,
        requirement,
        to_remove,
        to_reorder,
        order[::-1],
        to_archive,
        published,
        version,
        to_cancel,
        to_transfer,
        held,
        held_requirement,
        *[one["certificate"]["id"] for one in certified],
    )


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
    redeemed: str
    """The invitation of who is done."""
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
    observed: Observed
    rooms: Roomed
    corrected: Corrected
    filed: Filed
    programmes: Programmed
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
    world = World(
        version["id"],
        shown["evaluation"]["id"],
        question,
        draft["question"],
        assignment,
        to_close,
        [one["id"] for one in sent],
        invitations[3],
        invitations[0],
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
        await make_observed(live),
        await make_rooms(live, busy, people.kept),
        await make_corrections(live, version["id"], seen["id"], done),
        await make_files(live),
        await make_programmes(live, shown["evaluation"]["id"]),
        locked_assignment,
        locked,
    )
    await address(live, world)
    return world


async def address(live: Live, world: World) -> None:
    """Enrol whoever can sign in, and issue an assignment to them."""
    recipients = [{"userId": global_id("User", world.person.user_id)}]
    given = {"programmeId": world.programmes.published, "recipients": recipients}
    await live.do("ProgrammeEnrol", given, role="manager")
    await live.do(
        "AssignmentIssue", {"evaluationVersionId": world.version_id, "recipients": recipients}, role="manager"
    )


async def _signers(live: Live) -> tuple[Person, str, list[dict[str, Any]], str, str]:
    person = await sign_ins.person(live)
    link, _ = await sign_ins.mailed(live, person)
    payloads = [await sign_ins.signed_in(live, person) for _ in range(4)]
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    given = {"name": "To be revoked", "capabilities": ["questions.read"], "expiresAt": expires_at}
    made = await live.do("ServiceTokenCreate", given, role="integrator")
    await live.do("CredentialKeyRotate", {"reason": "To have one."}, role="admin")
    return person, link, payloads, made["serviceToken"]["id"], expires_at


def question_given() -> dict[str, Any]:
    return {"reference": f"D{uuid4().hex[:8]}", "stem": "Is it?", "body": {"trueFalse": {"correct": True}}}


def name() -> str:
    return f"Named {uuid4().hex[:8]}"
