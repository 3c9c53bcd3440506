"""The lockdown browser as staff and candidates see it; each side has types of its own."""

from datetime import datetime
from typing import cast

import strawberry
from strawberry.scalars import JSON

from models.lockdown import AssignmentLockdown as KeysRow
from models.lockdown import LockdownState
from models.sessions import DeliverySession
from resolvers import lockdown
from schema import session_enums as _  # noqa: F401 - describes the enum used here
from schema.access import Info, ask, told
from schema.enums import closed_set
from services import lockdown as rules
from services.lockdown import Keys, Source
from services.lockdown_keys import MOST
from services.security import SecurityConfig

closed_set(
    Source,
    "ProbeSource",
    "How the browser gave its hashes.",
    {
        Source.HEADER: "As headers of the request for `probeUrl`.",
        Source.JAVASCRIPT: "To the scripts of the page (`SafeExamBrowser.security`).",
    },
)


@strawberry.input(description="Keys of Safe Exam Browser.")
class LockdownKeysInput:
    """Keys to set."""

    config_keys: list[str] = told(f"Config keys, 64 hexadecimal digits each, at most {MOST}; one of them must match.")
    browser_exam_keys: list[str] = told(
        f"Browser exam keys, 64 hexadecimal digits each, at most {MOST}; if there are any, one must match too.",
        default_factory=list,
    )

    def plain(self) -> Keys:
        """Return the keys as the service reads them."""
        return Keys(self.config_keys, self.browser_exam_keys)


@strawberry.type(
    description="A session that is, or was, without a verified lockdown browser: for a proctor to look at."
)
class LockdownException:
    """An exception."""

    raised_at: datetime = told("Since when.")
    is_open: bool = told("True until a proctor has allowed it.")


@strawberry.type(description="What is known of the lockdown browser of a session.")
class SessionLockdown:
    """Lockdown of a session, for staff."""

    row: strawberry.Private[DeliverySession]
    state: LockdownState = told("As of now: what was verified is NOT_DETECTED once the next probe is overdue.")
    words: str = told("The same in a sentence that is fit for everybody.")
    probed_at: datetime | None = told("When it was probed last; null when it never was.")
    next_probe_at: datetime | None = told("When it is to be probed again; null when it never was.")
    is_overdue: bool = told("True when that was more than 30 seconds ago.")
    failed_count: int = told("How many probes did not verify it.")
    exception: LockdownException | None = told("Null when none was raised.")
    waived_at: datetime | None = told("When a proctor allowed the session to go on without it; null when nobody did.")

    @ask(lockdown.signals, "What the browser showed last; null when it was never probed.")
    async def technical_details(self, info: Info) -> JSON | None:
        """Show the raw signals."""
        return cast("JSON | None", await lockdown.signals(info.context, self.row.id))

    @classmethod
    def of(cls, row: DeliverySession, now: datetime) -> "SessionLockdown | None":
        """Show the lockdown of a session that requires one."""
        config = rules.config_of(row)
        if not config.requires_lockdown:
            return None
        raised = row.lockdown_exception_at
        return cls(
            row=row,
            state=rules.state_of(row, config, now),
            words=rules.words_of(row, config, now),
            probed_at=row.probed_at,
            next_probe_at=rules.next_probe_at(row, config),
            is_overdue=rules.is_overdue(row, config, now),
            failed_count=row.probe_failed_count,
            exception=raised and LockdownException(raised_at=raised, is_open=row.lockdown_waived_at is None),
            waived_at=row.lockdown_waived_at,
        )


@strawberry.type(
    description="How the candidate's browser proves that it is the lockdown browser, and what is known of it."
)
class MyLockdown:
    """Lockdown of the own session."""

    nonce: str = told(
        "Ties a proof to this session. The address of the page that asks `SafeExamBrowser.security` must carry it as "
        "the parameter `session`, or end its path with it."
    )
    probe_url: str = told("Address to GET with the session token: the browser's own headers are the proof.")
    state: LockdownState = told("As of now.")
    words: str = told("The same in a sentence.")
    probed_at: datetime | None = told("When it was probed last; null when it never was.")
    next_probe_at: datetime | None = told("Probe again by then; null when it never was: probe at once.")
    is_waived: bool = told("True when a proctor has allowed the session without it.")

    @classmethod
    def of(cls, row: DeliverySession, config: SecurityConfig, now: datetime, probe_url: str) -> "MyLockdown":
        """Show the lockdown of the own session."""
        return cls(
            nonce=row.probe_nonce,
            probe_url=probe_url,
            state=rules.state_of(row, config, now),
            words=rules.words_of(row, config, now),
            probed_at=row.probed_at,
            next_probe_at=rules.next_probe_at(row, config),
            is_waived=row.lockdown_waived_at is not None,
        )


@strawberry.type(description="The keys of Safe Exam Browser that count for an assignment.")
class AssignmentLockdown:
    """Keys of an assignment."""

    row: strawberry.Private[KeysRow | None]
    config_key_count: int = told("How many config keys count; with 0, none is asked for.")
    browser_exam_key_count: int = told("How many browser exam keys count; with 0, none is asked for.")
    changed_at: datetime | None = told("When they were set last; null when they never were.")

    @ask(lockdown.config_keys, "The config keys themselves.")
    async def config_keys(self, info: Info) -> list[str]:
        """Show the config keys."""
        return await lockdown.config_keys(info.context, self.row)

    @ask(lockdown.browser_exam_keys, "The browser exam keys themselves.")
    async def browser_exam_keys(self, info: Info) -> list[str]:
        """Show the browser exam keys."""
        return await lockdown.browser_exam_keys(info.context, self.row)

    @classmethod
    def of(cls, row: KeysRow | None) -> "AssignmentLockdown":
        """Show the keys of an assignment."""
        return cls(
            row=row,
            config_key_count=0 if row is None else len(row.config_keys),
            browser_exam_key_count=0 if row is None else len(row.browser_exam_keys),
            changed_at=row and row.changed_at,
        )
