"""From when on signals need attention, and the acknowledgement of those that do."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.attention import AttentionRules as RulesRow
from resolvers import attention, identity
from resolvers.attention import Acknowledged
from schema.access import Info, act, ask, says, told
from schema.attention import Signal
from schema.identity import User
from schema.nodes import looked_for
from schema.problems import Problem, Refused, StateDrift, attempt
from schema.sessions import Session
from schema.users_acts import KEY, WHY
from services import attention_rules
from services.attention import MEASURES, Count, Rules, Thresholds
from services.attention_rules import Wanted
from services.sessions_acknowledge import MOST

NEVER = "null: never."


@strawberry.type(description="From which value on a signal needs how much attention.")
class AttentionThresholds:
    """Thresholds of a signal."""

    signal: Signal = told("Which signal.")
    is_spell: bool = told("True where the values are seconds of a spell, false where they are counts.")
    notice: int | None = told(f"From which value on it is worth a notice; {NEVER}")
    warning: int | None = told(f"From which value on it is worth a warning; {NEVER}")
    urgent: int | None = told(f"From which value on it is urgent; {NEVER}")

    @classmethod
    def of(cls, signal: Signal, one: Thresholds) -> "AttentionThresholds":
        """Show the thresholds of a signal."""
        is_spell = not isinstance(MEASURES[signal], Count)
        return cls(signal=signal, is_spell=is_spell, notice=one.notice, warning=one.warning, urgent=one.urgent)


@strawberry.type(description="From when on signals in the tenant's sessions need attention.")
class AttentionRules:
    """The rules of a tenant."""

    row: strawberry.Private[RulesRow | None]
    standard: list[AttentionThresholds] = told("For sessions without high stakes, one for each signal.")
    high_stakes: list[AttentionThresholds] = told("For sessions with high stakes, one for each signal.")
    disconnected_after_seconds: int = told(
        "For how many seconds nothing must be heard of a browser that sends heartbeats until it counts as disconnected."
    )
    changed_at: datetime | None = told("When the tenant set them; null while Evalium's own hold.")
    version: int = told("Counts the changes, for `expectedVersion`; 0 while Evalium's own hold.")

    @strawberry.field(description="Who set them; null while nobody has.")
    async def changed_by(self, info: Info) -> User | None:
        """Show who set them."""
        who = None if self.row is None else self.row.changed_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: RulesRow | None) -> "AttentionRules":
        """Show the rules."""
        rules: Rules = attention_rules.read(row)
        return cls(
            row=row,
            standard=[AttentionThresholds.of(*one) for one in rules.standard.items()],
            high_stakes=[AttentionThresholds.of(*one) for one in rules.high_stakes.items()],
            disconnected_after_seconds=rules.disconnected_after,
            changed_at=None if row is None else row.changed_at,
            version=rules.version,
        )


@strawberry.input(description="Thresholds of a signal. They must not fall from one level to a higher one.")
class AttentionThresholdsInput:
    """Thresholds to set."""

    signal: Signal = told("Which signal.")
    notice: int | None = told("From which value on it is worth a notice; never when left out.", default=None)
    warning: int | None = told("From which value on it is worth a warning; never when left out.", default=None)
    urgent: int | None = told("From which value on it is urgent; never when left out.", default=None)

    def plain(self) -> tuple[Signal, Thresholds]:
        """Return the thresholds as the service reads them."""
        return self.signal, Thresholds(self.notice, self.warning, self.urgent)


@strawberry.input(description="All of the tenant's rules; a signal that is left out is left to Evalium.")
class AttentionRulesUpdateInput:
    """Rules to set."""

    standard: list[AttentionThresholdsInput] = told(
        "For sessions without high stakes: counts 1 to 10000, spells 1 to 86400 seconds."
    )
    high_stakes: list[AttentionThresholdsInput] = told(
        "For sessions with high stakes: no value may be worth less attention than it is without."
    )
    disconnected_after_seconds: int | None = told(
        "Seconds of silence after which a browser counts as disconnected, 10 to 600; 30 when left out.", default=None
    )
    reason: str = told(WHY)
    expected_version: int | None = told(
        "Version that the change was decided on, 0 for none; any when left out.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)

    def plain(self) -> Wanted:
        """Return the rules as the service reads them."""
        return Wanted(
            standard=[one.plain() for one in self.standard],
            high_stakes=[one.plain() for one in self.high_stakes],
            disconnected_after_seconds=self.disconnected_after_seconds,
        )


@strawberry.type(description="The rules as set.")
class AttentionRulesUpdatePayload:
    """Answer of `attentionRulesUpdate`."""

    rules: AttentionRules | None = told("The rules; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.input(description="Sessions whose calls for attention somebody has seen.")
class SessionAttentionAcknowledgeInput:
    """Input of `sessionAttentionAcknowledge`."""

    session_ids: list[strawberry.ID] = told(f"Global ids of the sessions, 1 to {MOST}.")
    note: str = told("What was found, for staff; 1 to 1000 characters.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What became of one session.")
class SessionAttentionResult:
    """A row of the result."""

    index: int = told("Place of the session in the list, from 0.")
    session: Session | None = told("The session as it is now; null when there is none to be seen.")
    problems: list[Problem] = told("Why it was not acknowledged; empty when it was.")

    @classmethod
    def of(cls, index: int, row: Acknowledged) -> "SessionAttentionResult":
        """Show what became of one."""
        problems: list[Problem] = []
        if row.problem is not None:
            problems = [Refused(**row.problem) if row.drift is None else StateDrift(**row.problem, **row.drift)]
        return cls(index=index, session=row.session and Session.of(row.session), problems=problems)


@strawberry.type(description="One result for each session.")
class SessionAttentionAcknowledgePayload:
    """Answer of `sessionAttentionAcknowledge`."""

    results: list[SessionAttentionResult] = told("One for each session, in the order of the list.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class AttentionQuery:
    """Queries about attention."""

    @ask(attention.rules, "From when on signals in sessions need attention.")
    async def attention_rules(self, info: Info) -> AttentionRules:
        """Show the rules."""
        return AttentionRules.of(await attention.rules(info.context))


@strawberry.type
class AttentionMutation:
    """Acts on attention."""

    @act(
        attention.rules_update,
        "Set from when on signals need attention. Sessions that run are gone through by it within seconds.",
    )
    async def attention_rules_update(
        self, info: Info, input: Annotated[AttentionRulesUpdateInput, says("Which, and why.")]
    ) -> AttentionRulesUpdatePayload:
        """Set."""
        changed = attention.rules_update(
            info.context, input.plain(), input.reason, input.expected_version, input.idempotency_key
        )
        row, problems = await attempt(changed)
        shown = None if row is None else AttentionRules.of(row)
        return AttentionRulesUpdatePayload(rules=shown, problems=problems)

    @act(
        attention.acknowledge,
        "Acknowledge what calls for attention in sessions, with a note. They need none until a count grows, a spell "
        "gets worse or begins anew, or another rule comes to hold. One that needs none is refused by row.",
    )
    async def session_attention_acknowledge(
        self,
        info: Info,
        input: Annotated[SessionAttentionAcknowledgeInput, says("Which sessions, and what was found.")],
    ) -> SessionAttentionAcknowledgePayload:
        """Acknowledge."""
        listed = [(str(one), looked_for("Session", one)) for one in input.session_ids]
        done = attention.acknowledge(info.context, listed, input.note, input.idempotency_key)
        rows, problems = await attempt(done)
        results = [SessionAttentionResult.of(index, row) for index, row in enumerate(rows or ())]
        return SessionAttentionAcknowledgePayload(results=results, problems=problems)
