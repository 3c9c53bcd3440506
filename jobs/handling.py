"""What a handler is given, and what it promises: how often it is tried, and how long it may take."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from mail.post import Post
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office
from storage.objects import Storage


@dataclass(frozen=True, slots=True)
class Task:
    """One job as its handler sees it. Without a tenant it belongs to the installation. `attempt` counts from 1."""

    id: UUID
    name: str
    tenant_id: UUID | None
    org_unit_id: UUID | None
    user_id: UUID | None
    payload: Mapping[str, Any]
    attempt: int

    @property
    def viewer(self) -> Viewer:
        """Return as whom the handler opens its works: Evalium itself, where the job was asked for."""
        if self.tenant_id is None:
            raise LookupError(f"the job {self.name} belongs to no tenant")
        return Viewer.system(self.tenant_id, self.org_unit_id, name=self.name)


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers may use. `site` is where people reach the service, `files` where files lie."""

    office: Office
    post: Post
    tokens: Tokens
    site: str
    files: Storage


Act = Callable[[Tools, Task], Awaitable[None]]
GivenUp = Callable[[Tools, Task, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """Who does the jobs of one name, which may come twice.

    A job that fails is tried again after `first_pause`, doubled each time up to `longest_pause`, and parked when it
    has failed `tries` times; `given_up` is then told why. `limit` ends one that hangs.
    """

    name: str
    act: Act
    tries: int = 5
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=5)
    limit: timedelta = timedelta(seconds=30)
    given_up: GivenUp | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Tick:
    """A job of the installation that is put into the queue by the clock: five fields of cron, in UTC."""

    name: str
    cron: str
