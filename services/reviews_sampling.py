"""Which reviews are marked twice as a sample: stratified by first marker (domain.md section 9).

Every marker is a stratum of their own. The first reviews of each are all taken, so many as are asked for at least:
whoever is new is looked at soonest. After those, one is taken of every block of reviews that makes up a whole one of
the percentage; which one nobody can tell beforehand, because it follows from a seed that is never shown.
"""

from hashlib import sha256
from uuid import UUID


def is_sampled(seed: str, marker: UUID, number: int, percent: int, at_least: int) -> bool:
    """Tell whether a marker's `number`-th finished review, from 1, is in a sample of `percent` per cent.

    Of any n reviews of a marker at least min(n, at_least) are in it, and of every whole block exactly one; never fewer
    than n * percent / 100, rounded down.
    """
    if number <= at_least:
        return True
    if percent <= 0:
        return False
    block = (number - 1) * percent // 100
    first = _begin(block, percent)
    size = _begin(block + 1, percent) - first
    drawn = int.from_bytes(sha256(f"{seed}/{marker}/{block}".encode()).digest()[:8], "big") % size
    return number == first + drawn


def _begin(block: int, percent: int) -> int:
    """Return the number of the first review of a block: the least k with (k - 1) * percent >= 100 * block."""
    return -(-100 * block // percent) + 1
