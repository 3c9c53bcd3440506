"""How often somebody may try: counted in the database, in fixed windows, in short transactions of their own.

A count survives restarts, rollbacks and the number of processes. Targets are known by hash alone. Only what is
named here is counted: wrong guesses, and requests for mail. A right token passes whatever others have tried, so that a
hall of people behind one address is never held up. Once a target is used up, this process refuses it from memory until
the window ends: whoever goes on guessing costs no commit.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from sqlalchemy import Integer, Text, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from models.attempts import AttemptCounter
from services.refusals import RateLimited
from services.viewer import Viewer
from services.work import Office, Work

MOST_FAILURES: Final = 10
WINDOW_SECONDS: Final = 60
_MOST_TARGETS: Final = 20_000

_COUNT = text(
    "insert into attempt_counters as c (target, ends_at, count) "
    "select target, evalium_now() + make_interval(secs => seconds), 1 "
    "from unnest(:targets, :seconds) as wanted (target, seconds) order by target "
    "on conflict (target) do update set "
    "count = case when c.ends_at <= evalium_now() then 1 else c.count + 1 end, "
    "ends_at = case when c.ends_at <= evalium_now() then excluded.ends_at else c.ends_at end "
    "returning target, count as tries, extract(epoch from ends_at - evalium_now())::float8 as left",
).bindparams(bindparam("targets", type_=ARRAY(Text)), bindparam("seconds", type_=ARRAY(Integer)))


@dataclass(frozen=True, slots=True)
class Limit:
    """How often one target may be tried in one window of so many seconds."""

    most: int = MOST_FAILURES
    seconds: int = WINDOW_SECONDS


GUESSES: Final = Limit()


class Attempts:
    """Counts tries by target: an address, an invitation, a browser. One for each process, over one table for all."""

    def __init__(self, office: Office, clock: Callable[[], float] = monotonic) -> None:
        self._office = office
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()

    async def check(self, *target: str, limit: Limit = GUESSES) -> None:
        """Refuse (RateLimited) while the target's tries of this window are used up."""
        key = _key(target, limit)
        self._refuse_known(key)
        async with self._office.snapshot(Viewer.anonymous()) as work:
            wanted = select(func.extract("epoch", AttemptCounter.ends_at - func.evalium_now())).where(
                AttemptCounter.target == key,
                AttemptCounter.count >= limit.most,
                AttemptCounter.ends_at > func.evalium_now(),
            )
            left = (await work.session.execute(wanted)).scalar_one_or_none()
        if left is not None:
            self._refuse(key, float(left))

    async def failed(self, *target: str, limit: Limit = GUESSES) -> None:
        """Count a try; refuse when it is one too many, so that twins running at once learn no more either."""
        await self.tried([(target, limit)])

    async def tried(self, targets: list[tuple[tuple[str, ...], Limit]]) -> None:
        """Count a try at several targets in one statement; refuse when it is one too many for any of them."""
        wanted = {_key(target, limit): limit for target, limit in targets}
        for key in wanted:
            self._refuse_known(key)
        given = {"targets": list(wanted), "seconds": [limit.seconds for limit in wanted.values()]}

        async def count(work: Work) -> list[tuple[str, int, float]]:
            return [(row.target, row.tries, row.left) for row in await work.rows(_COUNT, given)]

        for key, counted, left in await self._office.perform(Viewer.anonymous(), count):
            if counted > wanted[key].most:
                self._refuse(key, left)

    def forget(self) -> None:
        """Forget which targets are used up; the table still knows."""
        self._full.clear()

    def _refuse_known(self, key: str) -> None:
        ends = self._full.get(key)
        if ends is not None and self._clock() < ends:
            raise RateLimited(ends - self._clock())

    def _refuse(self, key: str, seconds: float) -> None:
        self._full[key] = self._clock() + seconds
        self._full.move_to_end(key)
        if len(self._full) > _MOST_TARGETS:
            self._full.popitem(last=False)
        raise RateLimited(seconds)


async def prune(work: Work, *, limit: int = 1000) -> int:
    """Remove at most `limit` counters whose window is over; return how many."""
    over = (
        select(AttemptCounter.target)
        .where(AttemptCounter.ends_at < func.evalium_now())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    removed = delete(AttemptCounter).where(AttemptCounter.target.in_(over)).returning(AttemptCounter.target)
    return len(await work.rows(removed))


def _key(target: tuple[str, ...], limit: Limit) -> str:
    return hashlib.sha256("\n".join((*target, str(limit.seconds))).encode()).hexdigest()
