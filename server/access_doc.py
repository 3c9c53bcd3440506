"""docs/access.md: which role may ask which field, written from the schema and the roles and never by hand."""

from collections.abc import Iterator
from typing import Final

from models.capabilities import DESCRIPTIONS, Capability
from schema import access_table
from schema.root import schema
from server.web import ROOT
from services.system_roles import SYSTEM_ROLES

FILE = ROOT / "docs" / "access.md"
ROOTS: Final = {"Query": "Queries", "Mutation": "Mutations", "Subscription": "Subscriptions"}

HEAD = """# Who may do what

Written by `make sdl` from the declarations in the schema and the roles in `services/system_roles.py`; `make check`
fails when it is stale, and a test tries every pair over the API. A custom role may ask the fields of the
capabilities that it holds. What a field declares is printed in the schema as a directive.

Every role may ask what is *signed in* or *public*. A *candidate* field takes a candidate's session token alone. A field
that is not listed here shows what its object shows to whoever may see the object. A right counts in the org unit of the
token, and whoever lacks it gets `FORBIDDEN`; on a field inside an object, that field is null and the error names it.
"""


def text() -> str:
    """Print the whole page."""
    return "\n".join([HEAD, *_capabilities(), *_fields()]) + "\n"


def refresh(*, check: bool) -> bool:
    """Write the file if it is stale, or only compare; true when the file is up to date in the end."""
    fresh = text()
    if FILE.exists() and FILE.read_text("utf-8") == fresh:
        return True
    if check:
        return False
    FILE.write_text(fresh, "utf-8")
    return True


def _capabilities() -> Iterator[str]:
    yield "## Roles and capabilities\n"
    yield from _head("capability")
    for capability in sorted(Capability):
        marks = ["✓" if capability in role.capabilities else "" for role in SYSTEM_ROLES]
        yield _row(f"`{capability}`", DESCRIPTIONS[capability], *marks)
    yield ""


def _fields() -> Iterator[str]:
    declared = access_table.declared(schema)
    for owner, title in [*ROOTS.items(), ("", "Fields inside objects")]:
        yield f"## {title}\n"
        yield from _head("field")
        for (kind, name), (demand, capability) in declared.items():
            if kind == owner or (not owner and kind not in ROOTS):
                shown = f"`{name}`" if owner else f"`{kind}.{name}`"
                yield _row(shown, *_demand(demand, capability))
        yield ""


def _demand(demand: str, capability: str | None) -> Iterator[str]:
    if capability is None:
        yield {"signedIn": "signed in"}.get(demand, demand)
        yield from ["" if demand == "candidate" else "✓"] * len(SYSTEM_ROLES)
        return
    yield f"`{capability}`"
    yield from ["✓" if Capability(capability) in role.capabilities else "" for role in SYSTEM_ROLES]


def _head(first: str) -> Iterator[str]:
    yield _row(first, "needs" if first == "field" else "what it lets somebody do", *(one.name for one in SYSTEM_ROLES))
    yield _row(*["---"] * 2, *[":-:"] * len(SYSTEM_ROLES))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
