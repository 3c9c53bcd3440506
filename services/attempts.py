"""How often somebody may be wrong: failures counted in fixed windows, in the memory of one process.

Only failures count, so that a hall of candidates behind one address is never held up, and a right token passes whatever
others have tried. A counter in the database would make every guess cost a commit, which helps whoever guesses; each
process therefore counts for itself, and a service of several processes allows as many times the limit.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from services.refusals import RateLimited

MOST_FAILURES: Final = 10
WINDOW_SECONDS: Final = 60
_MOST_TARGETS: Final = 20_000


class Attempts:
    """Counts failures by target: an address, an invitation. At most 10 a minute are told why they failed."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def check(self, *target: str) -> None:
        """Refuse (RateLimited) while the target's failures of this minute are used up."""
        ends, failures = self._window(_key(target))
        if failures >= MOST_FAILURES:
            raise RateLimited(ends - self._clock())

    def failed(self, *target: str) -> None:
        """Count a failure; refuse when it is one too many, so that twins running at once learn no more either."""
        key = _key(target)
        ends, failures = self._window(key)
        self._windows[key] = (ends, failures + 1)
        self._windows.move_to_end(key)
        if len(self._windows) > _MOST_TARGETS:
            self._windows.popitem(last=False)
        if failures >= MOST_FAILURES:
            raise RateLimited(ends - self._clock())

    def _window(self, key: bytes) -> tuple[float, int]:
        now = self._clock()
        ends, failures = self._windows.get(key, (0.0, 0))
        return (ends, failures) if now < ends else (now + WINDOW_SECONDS, 0)


def _key(target: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\n".join(target).encode()).digest()
