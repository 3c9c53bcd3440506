"""What the ledger tells of rights at an instant is what was in force then."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import uuid7
from models.identity import UserStatus
from services import access_explain, identity, org_units, roles, roles_grants, users, users_merge
from services.access_replay import Row, Verdict, capabilities, decide, replay
from services.refusals import InvalidInput, NotFound, Refusal
from services.roles import Change
from services.roles_grants import Wanted
from tests.factories import sessions as session_factory
from tests.factories import tenants

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = [UUID(int=n) for n in (1, 2)]
ROLES = [UUID(int=n) for n in (11, 12)]
UNITS = [UUID(int=n) for n in (21, 22)]
CAPABILITIES = ["users.read", "users.manage", "activity.read"]

steps = st.one_of(
    st.tuples(
        st.just("grant"),
        st.sampled_from(PEOPLE),
        st.sampled_from(ROLES),
        st.sampled_from([None, *UNITS]),
        st.sampled_from([None, 1, 3, 10]),
    ),
    st.tuples(st.just("revoke"), st.integers(0, 20)),
    st.tuples(st.just("edit"), st.sampled_from(ROLES), st.frozensets(st.sampled_from(CAPABILITIES))),
    st.tuples(st.just("status"), st.sampled_from(PEOPLE), st.sampled_from(list(UserStatus))),
    st.tuples(st.just("move"), st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(UNITS))),
    st.tuples(st.just("baseline")),
)


@dataclass
class Live:
    """The tables as they would be, changed in place, and the ledger that the changes write."""

    roles: dict = field(default_factory=lambda: {role: frozenset({CAPABILITIES[0]}) for role in ROLES})
    grants: dict = field(default_factory=dict)
    statuses: dict = field(default_factory=lambda: dict.fromkeys(PEOPLE, UserStatus.ACTIVE))
    units: dict = field(default_factory=lambda: dict.fromkeys(PEOPLE, frozenset()))
    ledger: list[Row] = field(default_factory=list)

    def write(self, at, act, subject, before=None, after=None):
        self.ledger.append(Row(at, act, subject[0], subject[1], before, after, "why", "Somebody"))

    def baseline(self, at):
        grants = [
            {
                "id": str(key), "user_id": str(user), "role_id": str(role), "org_unit_id": unit and str(unit),
                "expires_at": end and end.isoformat(), "user_status": self.statuses[user],
            }
            for key, (user, role, unit, end) in self.grants.items()
        ]  # fmt: skip
        told = {
            "roles": [
                {"id": str(role), "name": "R", "capabilities": sorted(held)} for role, held in self.roles.items()
            ],
            "grants": grants,
            "members": [
                {"user_id": str(user), "org_units": list(map(str, units))} for user, units in self.units.items()
            ],
        }
        self.write(at, "rights.recorded", ("tenant", UUID(int=0)), after=told)

    def do(self, at, step):
        match step:
            case ("grant", user, role, unit, days):
                key, end = UUID(int=100 + len(self.ledger)), days and at + timedelta(days=days)
                self.grants[key] = (user, role, unit, end)
                told = {
                    "grant_id": str(key), "role_id": str(role), "org_unit_id": unit and str(unit),
                    "expires_at": end and end.isoformat(), "user_status": self.statuses[user],
                }  # fmt: skip
                self.write(at, "role.granted", ("user", user), after=told)
            case ("revoke", n) if self.grants:
                key = list(self.grants)[n % len(self.grants)]
                user = self.grants.pop(key)[0]
                self.write(at, "role.removed", ("user", user), before={"grant_id": str(key)})
            case ("edit", role, held):
                before, self.roles[role] = self.roles[role], held
                told = {"capabilities": sorted(before)}, {"capabilities": sorted(held)}
                self.write(at, "role.updated", ("role", role), *told)
            case ("status", user, status):
                self.statuses[user] = status
                self.write(at, "user.changed", ("user", user), after={"status": status})
            case ("move", user, units):
                self.units[user] = units
                self.write(at, "user.org_units_changed", ("user", user), after={"org_units": list(map(str, units))})
            case ("baseline",):
                self.baseline(at)

    def held(self, user, unit, at) -> frozenset[str]:
        """The live rule, as `identity.capabilities_of` has it."""
        if self.statuses[user] != UserStatus.ACTIVE:
            return frozenset()
        good = [
            self.roles[role]
            for owner, role, place, end in self.grants.values()
            if owner == user and place in (None, unit) and (end is None or end > at)
        ]
        return frozenset().union(*good)


@given(st.lists(steps, max_size=25))
def test_replaying_any_history_to_any_instant_gives_what_was_in_force_then(history):
    live, moments = Live(), []
    live.baseline(BEGIN)
    for user in PEOPLE:
        live.do(BEGIN, ("status", user, UserStatus.ACTIVE))
    for number, step in enumerate(history, 1):
        at = BEGIN + timedelta(days=number)
        live.do(at, step)
        for late in (timedelta(0), timedelta(hours=12)):
            seen = {(user, unit): live.held(user, unit, at + late) for user in PEOPLE for unit in [None, *UNITS]}
            moments.append((at + late, seen, dict(live.units), dict(live.statuses)))
    for at, seen, units, statuses in moments:
        state = replay(live.ledger, at)
        for (user, unit), held in seen.items():
            if user in {grant.user_id for grant in state.grants.values()}:
                assert capabilities(state, user, unit, at) == held
            for capability in CAPABILITIES:
                decision = decide(state, user, capability, unit, at)
                inside = unit is None or unit in units[user]
                assert decision.allowed is (capability in held and inside), decision
                verdicts = {reason.verdict for reason in decision.reasons}
                assert (decision.reasons[0].verdict is Verdict.GRANTED) is decision.allowed
                if statuses[user] != UserStatus.ACTIVE and held == frozenset():
                    assert Verdict.GRANTED not in verdicts or not decision.allowed
    assert decide(replay(live.ledger, BEGIN - timedelta(1)), PEOPLE[0], "users.read", None, BEGIN).reasons[
        0
    ].verdict is (Verdict.NOT_RECORDED)


@pytest.fixture
async def tenant(office):
    return await tenants.found(office)


async def perform(tenant, viewer, act, *args):
    return await tenant.office.perform(viewer, lambda work: act(work, *args))


async def explained(tenant, viewer, user_id, capability, place=None, at=None):
    async with tenant.office.snapshot(viewer) as work:
        return (await access_explain.explain(work, user_id, capability, place, at)).decision


async def test_every_reason_is_named_with_role_grant_and_place(tenant):
    admin, person = await tenant.staff("tenant_admin"), await tenant.staff("viewer")
    async with tenant.office.snapshot(tenant.system) as work:
        before = await work.now()
    made = await perform(tenant, admin, roles.create, Change("Readers", "", ["activity.read"]))
    role_id = UUID(made["role"])
    elsewhere = UUID((await perform(tenant, admin, org_units.create, "Elsewhere"))["org_unit"])

    async def first(capability="activity.read", place=None, at=None):
        return (await explained(tenant, admin, person.user_id, capability, place, at)).reasons[0]

    assert (await first()).verdict is Verdict.ROLE_LACKS_CAPABILITY
    bound = Wanted(role_id, org_unit_id=elsewhere)
    made = await perform(tenant, admin, roles_grants.assign, person.user_id, bound, "for the branch")
    reason = await first()
    assert (reason.verdict, reason.role.name, reason.grant.org_unit_id) == (
        Verdict.GRANT_ELSEWHERE,
        "Readers",
        elsewhere,
    )
    assert (reason.grant.reason, reason.grant.granted_by) == ("for the branch", "tenant_admin")
    assert (await first(place=("OrgUnit", elsewhere))).verdict is Verdict.NOT_IN_ORG_UNIT
    await perform(tenant, admin, org_units.add_members, elsewhere, [person.user_id])
    assert (await first(place=("OrgUnit", elsewhere))).verdict is Verdict.GRANTED
    async with tenant.office.snapshot(tenant.system) as work:
        held = await work.now()
    await perform(tenant, admin, users.suspend, person.user_id, "left")
    reason = await first(place=("OrgUnit", elsewhere))
    assert (reason.verdict, reason.status) == (Verdict.USER_NOT_ACTIVE, "suspended")
    await perform(tenant, admin, users.reactivate, person.user_id, "back")
    await perform(tenant, admin, roles_grants.remove, UUID(made["grant"]), "enough")
    reason = await first(place=("OrgUnit", elsewhere))
    assert (reason.verdict, reason.grant.ended_reason) == (Verdict.GRANT_REMOVED, "enough")
    assert (await first(place=("OrgUnit", elsewhere), at=held)).verdict is Verdict.GRANTED
    assert (await first(at=before)).verdict is Verdict.ROLE_LACKS_CAPABILITY
    assert (await first(at=BEGIN)).verdict is Verdict.NOT_RECORDED
    nobody = UUID((await perform(tenant, admin, users.invite, invited(), "https://x.example"))["user"])
    verdicts = [one.verdict for one in (await explained(tenant, admin, nobody, "users.read")).reasons]
    assert verdicts == [Verdict.USER_NOT_ACTIVE]
    ending = Wanted(role_id, expires_at=held + timedelta(hours=1))
    await perform(tenant, admin, roles_grants.assign, person.user_id, ending, "for an hour")
    async with tenant.office.shifted(timedelta(hours=2)).snapshot(admin) as work:
        later = await access_explain.explain(work, person.user_id, "activity.read", None, None)
    assert later.decision.reasons[0].verdict is Verdict.GRANT_EXPIRED


def invited():
    return users.Invited(f"{uuid7()}@example.org", "Nobody", None, (), (), None)


async def test_an_object_of_another_org_unit_is_placed_for_who_reads_roles_everywhere(office):
    world = await tenants.found(office)
    admin = await world.staff("tenant_admin")
    sitting = await session_factory.sitting(world)
    place = ("Assignment", sitting.assignment.id)
    elsewhere = UUID((await perform(world, admin, org_units.create, "Elsewhere"))["org_unit"])
    from_there = admin.__class__(via=admin.via, tenant_id=admin.tenant_id, org_unit_id=elsewhere, user_id=admin.user_id)
    async with office.snapshot(from_there) as work:
        assert (await access_explain.reach(work)).scope_all
    assert (await explained(world, from_there.everywhere(), admin.user_id, "users.read", place)).allowed
    with pytest.raises(NotFound):
        await explained(world, from_there, admin.user_id, "users.read", place)
    local = await world.staff("viewer")
    made = await perform(world, admin, roles.create, Change("Local", "", ["roles.read"]))
    await perform(
        world, admin, roles_grants.assign, local.user_id, Wanted(UUID(made["role"]), org_unit_id=elsewhere), "why"
    )
    async with office.snapshot(local) as work:
        assert not (await access_explain.reach(work)).scope_all
    async with office.snapshot(world.system) as work:
        soon = await work.now() + timedelta(days=1)
    for given_ in ({"at": soon}, {"place": ("OrgUnit", uuid7())}, {"place": ("Question", uuid7())}):
        with pytest.raises((InvalidInput, NotFound)):
            await explained(world, admin, admin.user_id, "users.read", **given_)


@pytest.mark.parametrize("seed", range(3))
async def test_the_ledger_of_real_acts_tells_what_was_in_force_after_each(office, seed):
    """Random acts through the services; later, every moment between two of them is explained as it was read then."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible history
    world = await tenants.found(office)
    admin = await world.staff("tenant_admin")
    people = [(await world.staff("viewer")).user_id for _ in range(3)]
    made = [await perform(world, admin, roles.create, Change(f"R{n}", "", ["users.read"])) for n in range(2)]
    own = [UUID(one["role"]) for one in made]
    other = UUID((await perform(world, admin, org_units.create, "Other"))["org_unit"])
    units, seen = [None, world.org_unit_id, other], []

    async def act(work):
        user, role = chance.choice(people), chance.choice(own)
        held = [one for grants in (await roles_grants.of_users(work, people)).values() for one in grants]
        match chance.randrange(6):
            case 0 | 1:
                return await roles_grants.assign(work, user, Wanted(role, org_unit_id=chance.choice(units)), "why")
            case 2 if held:
                return await roles_grants.remove(work, chance.choice(held).id, "why")
            case 3:
                wanted = chance.sample(["users.read", "activity.read", "roles.read"], chance.randrange(4))
                return await roles.update(work, role, Change(capabilities=wanted))
            case 4:
                return await users.suspend(work, user, "why")
            case _:
                return await users.reactivate(work, user, "why")

    for _ in range(40):
        try:
            await office.perform(admin, act)
        except Refusal:
            continue
        wanted = [(user, unit) for user in people for unit in units]
        async with office.snapshot(world.system) as work:
            seen.append((await work.now(), await identity.capabilities_of(work, wanted)))
    assert len(seen) > 10
    await perform(world, admin.everywhere(), users_merge.merge, people[0], people[1], "in the end")
    async with office.snapshot(world.system) as work:
        for at, held in seen:
            for (user, unit), capabilities_then in held.items():
                state = await access_explain.state_at(work, user, at)
                assert capabilities(state, user, unit, at) == capabilities_then
