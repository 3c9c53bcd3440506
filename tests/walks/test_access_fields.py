"""Every role at every field inside an object that declares a capability: told with it, FORBIDDEN or null without it.

The root fields are tried in test_access.py. docs/access.md lists what both of them try.
"""

from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type, is_composite_type

from models.capabilities import Capability
from resolvers.access import access_of
from schema import access_table, node_query
from schema.root import schema
from services.demonstration import ROLES
from services.system_roles import SYSTEM_ROLES
from tests.walks import made, reach
from tests.walks.conftest import Live

HELD = {role.key: role.capabilities for role in SYSTEM_ROLES}
ROOTS = ("Query", "Mutation", "Subscription")
INSIDE = [place for place in access_table.declared(schema) if place[0] not in ROOTS]

ELSEWHERE = {
    ("ProbeRecorded", "technicalDetails"),
    ("ProgrammeEvent", "enrolment"),
    ("Session", "room"),
    ("CorrectionChange", "submission"),
    ("ItemStatistics", "questionVersion"),
    ("Certificate", "replaces"),
    ("Certificate", "renews"),
    ("ProgrammeEnrolment", "renewalOf"),
}
"""What no way from a global id leads to: events are read by streams alone, and tried there; the session here has been
handed in, and is in no room; a preview is of what is not yet and statistics are of many, and both are tried in walks of their own; so are
renewals, and a certificate that replaces another."""

WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "AssignmentLockdown": ("Assignment", ("lockdown",)),
    "CorrectedScore": ("CorrectionBatch", ("scores(first: 1)", "nodes")),
    "Correction": ("CorrectionBatch", ("lines",)),
    "EvaluationItem": ("EvaluationVersion", ("sections(first: 1)", "items(first: 1)")),
    "Grant": ("User", ("roles",)),
    "IncidentSession": ("Incident", ("sessions(first: 1)", "nodes")),
    "MonitorRow": ("Assignment", ("monitor", "nodes")),
    "ProgrammeAttempt": ("ProgrammeEnrolment", ("progress", "attempts")),
    "ProgrammeProgress": ("ProgrammeEnrolment", ("progress",)),
    "ProgrammeRequirement": ("Programme", ("draftRequirements",)),
    "SessionLockdown": ("Invitation", ("session", "lockdown")),
    "SessionTelemetry": ("Session", ("telemetry",)),
    "ScheduleRun": ("AssignmentSchedule", ("runs(first: 1)", "nodes")),
}
"""To what has no global id of its own: from which object, through which fields."""


@pytest.fixture(scope="module")
async def ids(live: Live) -> dict[str, str]:
    """One object of each kind, with something below it."""
    world = await made.make_world(live)
    await live.do("ResultsRelease", {"assignmentId": world.assignment, "reason": "It met."}, role="manager")
    text = """query ($r: ID!, $v: ID!, $a: ID!) {
        reviewTask(id: $r) { submission { id items { id } } } assignment(id: $a) { invitations(first: 1) { nodes { id } } }
        evaluationVersion(id: $v) { sections(first: 1) { items(first: 1) { questionVersion { id } } } } }"""
    given = {"r": world.filed.task, "v": world.version_id, "a": world.locked_assignment}
    body = await live.post(text, given, await live.token("admin"))
    assert "errors" not in body, body
    data = body["data"]
    submission = data["reviewTask"]["submission"]
    return {
        "Assignment": world.assignment,
        "AssignmentDraft": world.limits.draft,
        "AssignmentSchedule": world.limits.schedule,
        "AssignmentTemplate": world.limits.template,
        "CorrectionBatch": world.corrected.batch,
        "EvaluationVersion": world.version_id,
        "EvidenceItem": world.filed.from_candidate,
        "Group": world.people.group,
        "Incident": world.limits.incident,
        "Invitation": data["assignment"]["invitations"]["nodes"][0]["id"],
        "OrgUnit": world.people.unit,
        "Override": world.limits.override,
        "Certificate": world.programmes.certificate,
        "Programme": world.programmes.published,
        "ProgrammeEnrolment": world.programmes.held,
        "ProgrammeVersion": world.programmes.version,
        "QuestionVersion": data["evaluationVersion"]["sections"][0]["items"][0]["questionVersion"]["id"],
        "Session": world.done.session_id,
        "ReviewTask": world.filed.task,
        "Room": world.rooms.room,
        "Submission": submission["id"],
        "SubmissionItem": submission["items"][0]["id"],
        "User": world.people.kept,
    }


def chain(kind: str, name: str) -> tuple[str, list[str], list[Capability]]:
    """The object to begin at, the fields to go through, and every capability that is asked for on the way."""
    start, way = WAYS.get(kind, (kind, ()))
    wanted = [access_of(found(start)).capability]
    owner = reach.CORE.type_map[start]
    for step in (*way, name):
        plain = step.split("(")[0]
        _, capability = access_table.declared(schema).get((owner.name, plain), ("", None))
        wanted += [] if capability is None else [Capability(capability)]
        assert isinstance(owner, GraphQLObjectType)
        owner = get_named_type(owner.fields[plain].type)
    return start, [*way, name], [one for one in wanted if one is not None]


def found(kind: str) -> Any:
    """The resolver that `node(id:)` calls for a kind."""
    (resolver,) = [
        cell.cell_contents
        for cell in node_query.KINDS[kind].__closure__ or ()
        if hasattr(cell.cell_contents, "__access__")
    ]
    return resolver


def written(kind: str, name: str) -> str:
    start, steps, _ = chain(kind, name)
    owner = reach.CORE.type_map[kind]
    assert isinstance(owner, GraphQLObjectType)
    leaf = " { __typename }" if is_composite_type(get_named_type(owner.fields[name].type)) else ""
    body = " { ".join(steps) + leaf + " }" * (len(steps) - 1)
    return f"query ($id: ID!) {{ node(id: $id) {{ __typename ... on {start} {{ {body} }} }} }}"


def values(data: Any, steps: list[str]) -> list[Any]:
    """Everything that stands at the end of the way."""
    for step in steps:
        if isinstance(data, list):
            return [value for one in data for value in values(one, steps)]
        if data is None:
            return []
        data, steps = data.get(step.split("(")[0]), steps[1:]
    return [] if data is None else [data]


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_told_inside_objects_what_its_capabilities_say(live: Live, ids: dict[str, str], role: str):
    token, held, wrong = await live.token(role), HELD[ROLES[role]], []
    for kind, name in set(INSIDE) - ELSEWHERE:
        start, steps, wanted = chain(kind, name)
        body = await live.post(written(kind, name), {"id": ids[start]}, token)
        told = values((body["data"] or {}).get("node"), steps)
        errors = [(error["extensions"]["code"], error["message"]) for error in body.get("errors", [])]
        lacking = [one for one in wanted if one not in held]
        if not lacking and errors:
            wrong.append((kind, name, errors))
        if lacking and (told or any(code != "FORBIDDEN" or f"'{lacking[0]}'" not in why for code, why in errors)):
            wrong.append((kind, name, lacking, told, errors))
        if role == "admin" and not told and (kind, name) != ("MonitorRow", "outcome"):
            wrong.append((kind, name, "the one who may see it sees nothing, so nothing was tried"))
    assert wrong == []


async def test_nobody_is_told_anything_inside_objects(live: Live, ids: dict[str, str]):
    for kind, name in set(INSIDE) - ELSEWHERE:
        body = await live.post(written(kind, name), {"id": ids[chain(kind, name)[0]]})
        assert [error["extensions"]["code"] for error in body["errors"]] == ["UNAUTHENTICATED"]
        assert not (body.get("data") or {}).get("node")


def test_the_page_of_access_is_fresh_and_lists_every_declared_field() -> None:
    from server import access_doc  # noqa: PLC0415 - the page is what is tested

    assert access_doc.refresh(check=True), "run 'make sdl'"
    page = access_doc.text()
    for kind, name in access_table.declared(schema):
        assert (f"| `{name}` |" if kind in ROOTS else f"| `{kind}.{name}` |") in page
    assert len(access_table.declared(schema)) == sum(len(reach.roots(kind.lower())) for kind in ROOTS) + len(INSIDE)


def test_a_global_id_of_a_kind_without_a_resolver_would_be_noticed() -> None:
    for kind in node_query.KINDS:
        assert access_of(found(kind)).capability is not None, kind
