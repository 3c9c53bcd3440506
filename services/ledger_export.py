"""The ledger as a file that proves itself, and the same proof against the tables (docs/guides/ledger.md).

The chain is read in batches, each in a short transaction of its own: sealed rows never change, so that batches up to
one position belong together, and a slow reader holds nothing open.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Text, and_, cast, select, true
from sqlalchemy.engine import Row

from models.activity import Activity, ActivitySeal
from services import activity, ledger, ledger_seal, ledger_verify
from services.activity import Filter
from services.ledger import Notary
from services.ledger_verify import Broken, Verdict, Verifier
from services.viewer import Viewer
from services.work import Office, Work

BATCH: Final = 500
MOST_UNSEALED: Final = 10_000
PATIENCE: Final = 20
"""Looks, a tenth of a second apart, for the seal of the export's own row."""


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a chain that is exported: positions `first` to `last`; `previous` is the hash before it."""

    tenant_id: UUID
    first: int
    last: int
    previous: str
    wanted: Filter


def note(work: Work, wanted: Filter) -> None:
    """Record an export in the ledger itself."""
    if work.viewer.tenant_id is None:
        raise RuntimeError("A ledger is exported for one tenant.")
    work.record("activity.exported", ("tenant", work.viewer.tenant_id), after={"filter": wanted.told()})


async def settle(office: Office, notary: Notary, tenant_id: UUID) -> None:
    """Seal what can be sealed, and sign where the chain is; rows that running transactions keep back stay unsealed."""
    viewer = Viewer.system(tenant_id, name="sealer")
    for _ in range(PATIENCE):
        await office.perform(viewer, ledger_seal.seal, repeatable=True)
        async with office.snapshot(viewer) as work:
            depth, _ = await ledger_seal.lag(work)
        if not depth:
            break
        await asyncio.sleep(0.1)

    async def sign(work: Work) -> None:
        await ledger_seal.checkpoint(work, notary, older_than=0)

    await office.perform(viewer, sign, repeatable=True)


async def span(work: Work, wanted: Filter, *, after: int = 0, most: int | None = None) -> Span:
    """Return the part of the chain behind a position, at most so many positions of it."""
    tenant_id = work.viewer.tenant_id
    if tenant_id is None:
        raise RuntimeError("A ledger is exported for one tenant.")
    end, _, _ = await ledger_seal.head(work)
    start = min(max(after, 0), end)
    last = end if most is None else min(end, start + most)
    return Span(tenant_id, start + 1, last, await _hash_at(work, start), wanted)


async def lines(office: Office, viewer: Viewer, of: Span) -> AsyncGenerator[str, None]:
    """Yield the lines of an export: what it is, rows and the digests of those left out, checkpoints, the end."""
    head: dict[str, Any] = {"kind": "export", "version": ledger.VERSION, "tenant_id": str(of.tenant_id)}
    head |= {"first_position": of.first, "last_position": of.last, "previous": of.previous, "filter": of.wanted.told()}
    yield ledger.canonical(head)
    shown = 0
    async for batch in _batches(office, viewer, of):
        for row in batch:
            shown += bool(row.matches)
            yield ledger.canonical(_line(row))
    async with office.snapshot(viewer) as work:
        kept = await ledger_seal.checkpoints(work, of.first, of.last)
        is_end = of.last == (await ledger_seal.head(work))[0]
        tail: Sequence[Row[Any]] = await _unsealed(work, of.wanted) if is_end else ()
    for one in kept:
        yield ledger.canonical({"kind": "checkpoint", **one.to_json()})
    for row in tail:
        yield ledger.canonical({"kind": "unsealed", **ledger.content(row, 0), "position": None})
    left_out = of.last - of.first + 1 - shown
    yield ledger.canonical({"kind": "end", "rows": shown, "left_out": left_out, "unsealed": len(tail)})


async def check(
    office: Office, viewer: Viewer, of: Span, keys: Mapping[str, Ed25519PublicKey]
) -> tuple[Verdict, Verifier]:
    """Verify a part of the chain against the tables, and answer as the verifier of a file does."""
    verifier = Verifier(str(of.tenant_id), position=of.first - 1, head=of.previous)
    if of.first > 1:
        verifier.marks[of.first - 1] = of.previous
    try:
        async for batch in _batches(office, viewer, of):
            for row in batch:
                if row.id is None:
                    verifier.gone(row.position)
                verifier.row(ledger.content(row, row.position), row.hash)
        async with office.snapshot(viewer) as work:
            kept = await ledger_seal.checkpoints(work, of.first, of.last)
            newest = await ledger_seal.latest_checkpoint(work)
            end, _, _ = await ledger_seal.head(work)
            if of.last == end:
                verifier.unsealed, _ = await ledger_seal.lag(work)
                kept = [*kept, ledger_seal.told(newest)] if newest is not None and newest["count"] > end else kept
        return ledger_verify.verdict(verifier, kept, keys), verifier
    except Broken as broken:
        verdict = Verdict(is_intact=False, message=str(broken), position=broken.position, rows=verifier.rows)
        return verdict, verifier


async def _batches(office: Office, viewer: Viewer, of: Span) -> AsyncGenerator[Sequence[Row[Any]], None]:
    position = of.first - 1
    while position < of.last:
        async with office.snapshot(viewer) as work:
            rows = await _batch(work, of, position)
        if not rows:
            return
        position = rows[-1].position
        yield rows


async def _batch(work: Work, of: Span, after: int) -> Sequence[Row[Any]]:
    row = Activity
    joined = and_(row.tenant_id == ActivitySeal.tenant_id, row.id == ActivitySeal.id)
    matches = and_(true(), *activity.conditions(of.wanted)).label("matches")
    statement = (
        select(*_columns(), ActivitySeal.position, ActivitySeal.hash, matches)
        .select_from(ActivitySeal)
        .outerjoin(row, joined)
        .where(ActivitySeal.position > after, ActivitySeal.position <= of.last)
        .order_by(ActivitySeal.position)
        .limit(BATCH)
    )
    return await work.rows(statement)


async def _unsealed(work: Work, wanted: Filter) -> Sequence[Row[Any]]:
    sealed = select(ActivitySeal.id).where(ActivitySeal.id == Activity.id, ActivitySeal.tenant_id == Activity.tenant_id)
    _, _, xid = await ledger_seal.head(work)
    statement = select(*_columns()).where(Activity.xid >= xid, ~sealed.exists(), *activity.conditions(wanted))
    return await work.rows(statement.order_by(Activity.xid, Activity.id).limit(MOST_UNSEALED))


def _columns() -> list[Any]:
    row = Activity
    whole = [row.tenant_id, row.id, row.at, row.actor_kind, row.actor_id, row.actor_name, row.org_unit_id, row.act]
    whole += [row.subject_kind, row.subject_id, row.reason]
    return [*whole, cast(row.before, Text).label("before"), cast(row.after, Text).label("after")]


def _line(row: Row[Any]) -> dict[str, Any]:
    if row.id is None:
        return {"kind": "gone", "position": row.position, "hash": row.hash}
    content = ledger.content(row, row.position)
    if row.matches:
        return {"kind": "row", **content, "hash": row.hash}
    return {"kind": "left_out", "position": row.position, "digest": ledger.digest(content), "hash": row.hash}


async def _hash_at(work: Work, position: int) -> str:
    if position == 0:
        return ledger.GENESIS
    rows = await work.rows(select(ActivitySeal.hash).where(ActivitySeal.position == position))
    return rows[0].hash if rows else ""
