"""The row of the monitor's REST door: what an answer without news costs, beside the page itself."""

import statistics
import time
from collections.abc import Sequence

import httpx2

from bench.measure import ROUNDS, Bench
from bench.rows import Found, Row
from bench.world import World

ASKED = 100
"""Requests of each kind in one round."""

UNCHANGED = 304


async def unchanged(bench: Bench, world: World) -> Found:
    """Ask the door for a page of 100 rows that has not changed, with its ETag and without, in turn."""
    address = f"{bench.site.apis[0].base}/api/v1/assignments/{world.assignment_id}/monitor?first=100"
    headers = {"authorization": f"Bearer {bench.site.tokens['proctor']}"}
    told: list[float] = []
    pages: list[float] = []
    unchanged_answers = 0
    async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
        for _ in range(ROUNDS):
            tag = (await http.get(address)).headers["etag"]
            for _ in range(ASKED):
                seconds, status = await _timed(http, address, {"if-none-match": tag})
                told.append(seconds)
                unchanged_answers += status == UNCHANGED
            pages += [(await _timed(http, address, {}))[0] for _ in range(ASKED // 5)]
    short, whole = statistics.median(told), statistics.median(pages)
    share = 100 * unchanged_answers / len(told)
    ours = f"304: p50 {short * 1e3:.2f} ms, {share:.0f} % of {len(told)}"
    detail = {"unchanged": told, "pages": pages, "share": share}
    return Found(short / whole, ours, f"the page: p50 {whole * 1e3:.1f} ms", detail)


async def _timed(http: httpx2.AsyncClient, address: str, headers: dict[str, str]) -> tuple[float, int]:
    begun = time.perf_counter()
    answer = await http.get(address, headers=headers)
    return time.perf_counter() - begun, answer.status_code


DOORS: Sequence[Row] = (
    Row("R1", "monitor door: an answer without news, beside the page", 0.2, 0.1, unchanged, most=True),
)
