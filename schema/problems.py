"""Refusals as the API shows them: an interface, so that a client can show a case it has never heard of."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

import strawberry

from schema.access import told
from schema.nodes import global_id
from services import refusals, sign_ins_redeem
from services.refusals import Denial, Refusal

T = TypeVar("T")


@strawberry.interface(description="Why something was refused. Nothing was changed.")
class Problem:
    """What every refusal says."""

    code: str = told("Stable code, listed in docs/refusals.md.")
    message: str = told("What was refused and why, naming the value; fit to be shown.")
    path: list[str] = told("Where in the input the offending value stands, outermost key first; empty when nowhere.")
    hint: str = told("The next step.")


@strawberry.type(description="A refusal that its code, message and hint tell completely.")
class Refused(Problem):
    """Any refusal without facts of its own."""


@strawberry.type(description="Somebody was faster: the object is no longer in the expected state.")
class StateDrift(Problem):
    """Drift of state or version."""

    current_state: str = told("The state that the object is in now.")
    current_version: int | None = told("Its version now, where it has one.")


@strawberry.type(description="The window has not opened yet.")
class WindowNotOpen(Problem):
    """Too early."""

    opens_at: datetime = told("When it opens.")


@strawberry.type(description="The window is over.")
class WindowClosed(Problem):
    """Too late."""

    closed_at: datetime = told("When it closed.")


@strawberry.type(description="Every allowed attempt has been used.")
class NoAttemptsLeft(Problem):
    """No attempt left."""

    used: int = told("Attempts used.")
    allowed: int = told("Attempts allowed.")


@strawberry.type(description="The session's time is over.")
class DeadlinePassed(Problem):
    """After the deadline."""

    deadline_at: datetime = told("When the session's time ended.")


@strawberry.type(description="The link was opened in another browser than the one that asked for it.")
class SignInElsewhere(Problem):
    """Another browser."""

    sign_in_code: str = told("Six digits to type in the browser that asked.")


@strawberry.type(description="An org unit to choose from.")
class OrgUnitChoice:
    """One choice."""

    id: strawberry.ID = told("Global id of the org unit, for `orgUnitId`.")
    name: str = told("Its name.")


@strawberry.type(description="The person works in several org units and has to say in which one to sign in.")
class OrgUnitRequired(Problem):
    """Several org units."""

    choices: list[OrgUnitChoice] = told("The org units, by name.")


CASES: tuple[type[Problem], ...] = (
    Refused,
    StateDrift,
    WindowNotOpen,
    WindowClosed,
    NoAttemptsLeft,
    DeadlinePassed,
    SignInElsewhere,
    OrgUnitRequired,
)


def problem_of(refusal: Refusal) -> Problem:  # noqa: PLR0911 - one line for each case
    """Show a refusal as a problem of its own type, where it has one."""
    common: dict[str, Any] = {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
    }
    match refusal:
        case refusals.StateDrift():
            return StateDrift(**common, current_state=refusal.current_state, current_version=refusal.current_version)
        case refusals.WindowNotOpen():
            return WindowNotOpen(**common, opens_at=refusal.opens_at)
        case refusals.WindowClosed():
            return WindowClosed(**common, closed_at=refusal.closed_at)
        case refusals.NoAttemptsLeft():
            return NoAttemptsLeft(**common, used=refusal.used, allowed=refusal.allowed)
        case refusals.DeadlinePassed():
            return DeadlinePassed(**common, deadline_at=refusal.deadline_at)
        case sign_ins_redeem.SignInElsewhere():
            return SignInElsewhere(**common, sign_in_code=refusal.digits)
        case sign_ins_redeem.OrgUnitRequired():
            choices = [OrgUnitChoice(id=global_id("OrgUnit", unit), name=name) for unit, name in refusal.choices]
            return OrgUnitRequired(**common, choices=choices)
        case _:
            return Refused(**common)


async def attempt(act: Awaitable[T]) -> tuple[T | None, list[Problem]]:
    """Await an act of a mutation; what the caller can mend becomes problems, everything else stays an error."""
    try:
        return await act, []
    except Denial:
        raise
    except Refusal as refusal:
        return None, [problem_of(refusal)]
