"""The staff of a simulation: people of a tenant who cannot sign in, since no mail reaches `.invalid`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from models.identity import OrgUnit, Role, User, UserRole
from services import demonstration, identity
from services.demonstration import Persona
from services.refusals import NotFound
from services.viewer import Viewer
from services.work import Office, Work

DOMAIN: Final = "simulation.invalid"
"""Where everybody of a simulation has an address. RFC 2606 keeps `.invalid` free, so nobody can ever receive there."""

REASON: Final = "simulation of load"


@dataclass(frozen=True, slots=True)
class Staff:
    """Who runs a simulation: who writes the paper, who issues it, and who watches."""

    author: Persona
    manager: Persona
    proctors: Sequence[Persona]


async def staff(office: Office, slug: str, proctors: int) -> Staff:
    """Return the staff of a tenant's simulations; whoever is missing is added. They are the same in every run."""
    tenant_id = await demonstration.find(office, slug)
    if tenant_id is None:
        raise NotFound("tenant", slug)
    wanted = {"author": "author", "manager": "programme_manager"}
    wanted |= {f"proctor-{number:03}": "proctor" for number in range(1, proctors + 1)}

    async def act(work: Work) -> dict[str, Persona]:
        await work.lock("simulation staff")  # two simulations may begin at once
        return await _present(work, tenant_id, wanted)

    people = await office.perform(Viewer.system(tenant_id, name="evalium simulate"), act)
    watching = [people[name] for name, role in wanted.items() if role == "proctor"]
    return Staff(people["author"], people["manager"], watching)


async def _present(work: Work, tenant_id: UUID, wanted: dict[str, str]) -> dict[str, Persona]:
    """Return everybody by name, and add whoever is missing to the tenant's first org unit."""
    unit = await work.session.scalar(select(OrgUnit.id).order_by(OrgUnit.id).limit(1))
    if unit is None:
        raise NotFound("org unit", "first")
    roles: dict[str, UUID] = {
        row.key: row.id for row in await work.rows(select(Role.key, Role.id).where(Role.key.in_(wanted.values())))
    }
    held = select(User.id, User.email).join(UserRole, UserRole.user_id == User.id)
    addresses = {f"{name}@{DOMAIN}": name for name in wanted}
    known = {addresses[row.email]: row.id for row in await work.rows(held.where(User.email.in_(addresses)))}
    for name, role in wanted.items():
        if name not in known:
            known[name] = await identity.add_staff(
                work,
                email=f"{name}@{DOMAIN}",
                display_name=f"Simulated {name}",
                org_unit_id=unit,
                role_id=roles[role],
                reason=REASON,
            )
    return {
        name: Persona(tenant_id, unit, known[name], f"Simulated {name}", (roles[role],))
        for name, role in wanted.items()
    }
