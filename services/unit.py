"""One writing transaction by the driver alone, for the writes of many candidates at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from realtime.topics import Topic
from services.driver import DRIVER_ERRORS, LOCK_NOT_AVAILABLE, driven, lock_key
from services.refusals import InProgress

_WAIT_FOR = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) key"
_LOOKED_UP = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Rows are found by indexes, whatever the planner believes of the size of their tables."""
_TRY = "select pg_try_advisory_xact_lock(key) as held from unnest($1::bigint[]) key"


class Unit:
    """One writing transaction by the driver alone, without the ORM; leaving it commits."""

    def __init__(self, driver: Any) -> None:
        self.topics: set[Topic] = set()
        self.committing = False
        self._driver = driver

    async def fetch(self, statement: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """Run a statement and return its records. Its text is constant, so that it is prepared once."""
        return await driven(self._driver, self._driver.fetch, statement, *values)

    async def lock(self, *names: str) -> None:
        """Wait for the named locks, before the first write, as `Work.lock` does."""
        try:
            await self.fetch(_WAIT_FOR, sorted(map(lock_key, names)))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise InProgress from error
            raise

    async def lock_free(self, names: Sequence[str]) -> list[bool]:
        """Take those of the named locks that are free, without waiting; tell for each whether it is held now."""
        return [row["held"] for row in await self.fetch(_TRY, [lock_key(name) for name in names])]

    def touch(self, *topics: Topic) -> None:
        """Name what changed; its followers are woken after the commit."""
        self.topics.update(topics)

    async def begin(self, variables: dict[str, str]) -> None:
        """Begin, with the variables on BEGIN."""
        self._driver.variables = variables | _LOOKED_UP
        await driven(self._driver, self._driver.execute, "BEGIN;")

    async def commit(self) -> None:
        """Commit."""
        self.committing = True
        done = await driven(self._driver, self._driver.execute, "COMMIT")
        if done != "COMMIT":
            raise RuntimeError(f"The database answered COMMIT with {done}.")

    async def give_up(self) -> bool:
        """Roll back; tell whether the connection is fit for the next."""
        self._driver.variables = None
        try:
            if not self._driver.is_closed() and self._driver.is_in_transaction():
                await self._driver.execute("ROLLBACK")
        except (*DRIVER_ERRORS, OSError):
            return False
        return not self._driver.is_closed()
