"""`evalium simulate` against a real server: a small room is sat and watched, in a tenant that is for testing."""

import pytest
from typer.testing import CliRunner

from server import cli, simulate, simulate_proctors
from server.simulate import Plan
from services import simulate as simulations
from services.refusals import NotFound
from tests.walks.conftest import Live

PLAN = Plan(sessions=6, proctors=2, seconds=5, rate=6, seed=7, follows=0.5)


@pytest.mark.parametrize(
    ("drills", "pauses", "done"),
    [(1.0, 0.0, {"SessionEvents", "SessionSummary"}), (0.0, 1.0, {"SessionPause", "SessionResume"})],
)
async def test_a_small_room_is_sat_and_watched_and_everybody_sees_the_same(
    live: Live, monkeypatch: pytest.MonkeyPatch, drills: float, pauses: float, done: set[str]
):
    hurried = {"LOOKS_EVERY": 0.1, "CUT_EVERY": 0.2, "STAYS": (0.1, 0.4), "STOPPED": (0.1, 0.3)}
    for name, value in {**hurried, "DRILLS": drills, "PAUSES": pauses}.items():
        monkeypatch.setattr(simulate_proctors, name, value)
    house, said = live.service.house, []
    staff = simulate.bearers(house.tokens, await simulations.staff(house.office, "demo", PLAN.proctors), PLAN.seconds)
    report = await simulate.run(PLAN, [live.base], staff, said.append)
    assert report.told()["is_whole"]
    assert (report.refusals, report.gave_up) == ({}, [])
    verdict = report.verdict
    assert (verdict.views, verdict.different, verdict.missing, verdict.twice, verdict.reordered) == (2, 0, 0, 0, 0)
    assert verdict.deliveries == 2 * verdict.events
    asked = {name: shares.count for name, shares in report.operations.items()}
    assert asked["InvitationRedeem"] == asked["SessionStart"] == asked["SessionSubmit"] == 6
    assert verdict.events >= 6 * 3 + asked.get("AnswerSave", 0) + asked.get("SessionEventsRecord", 0)
    assert report.delay.count >= 2 * asked.get("SessionEventsRecord", 0)
    assert done <= set(asked)
    assert report.cuts > 0
    assert report.label in said[0]

    listed = (await live.ask("Sessions", {"filter": {"runLabel": report.label}}, role="admin"))["sessions"]["nodes"]
    assert [one["displayStatus"] for one in listed] == ["SUBMITTED"] * 6
    issued = (await live.ask("Assignment", {"id": listed[0]["assignment"]["id"]}, role="admin"))["assignment"]
    assert issued["status"] == "CLOSED"


async def test_the_staff_are_the_same_in_every_run_and_of_a_tenant_that_exists(live: Live):
    office = live.service.house.office
    first, second = await simulations.staff(office, "second", 2), await simulations.staff(office, "second", 3)
    assert second.proctors[:2] == first.proctors
    assert (second.author, second.manager) == (first.author, first.manager)
    assert len({one.user_id for one in second.proctors}) == 3
    with pytest.raises(NotFound):
        await simulations.staff(office, "nobody", 1)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--tenant", "demo"], "--for-testing"), (["--for-testing"], "--tenant")]
)
def test_a_simulation_wants_a_tenant_and_a_confirmation(arguments: list[str], said: str):
    answer = CliRunner().invoke(cli.app, ["simulate", *arguments])
    assert answer.exit_code != 0
    assert said in answer.output


async def test_where_nothing_answers_it_ends_at_once():
    nobody = simulate.Bearers("a", "b", ["c"])
    with pytest.raises(simulate.SimulationFailed) as told:
        await simulate.run(PLAN, ["http://127.0.0.1:1"], nobody, lambda _: None)
    assert "http://127.0.0.1:1" in told.value.message
