"""Acts of many candidates in one transaction: locked, read, decided one after the other, written in one statement.

All sessions of a batch lie in one org unit of one tenant, and the transaction's variables name exactly these sessions:
row-level security hides every other row from it. See docs/decisions/0007-writes-of-several-candidates.md.

Each row is looked up by its key: `offset 0` and `any` leave the planner no other way. A plan that was made while a
table was nearly empty would read all of it for each batch, until the table is analysed.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from models.base import uuid7
from realtime import topics
from services import content, idempotency, sessions_attention
from services.attention import Rules
from services.content_kinds import QuestionKind
from services.refusals import Refusal
from services.sessions_answers import MOST_ANSWERS, Save, Saved, SaveMany
from services.sessions_connection import Beat, Check, Pulse
from services.sessions_events import Report
from services.sessions_hold import lock_name
from services.sessions_row import HELD_COLUMNS, Held
from services.sessions_sheet import KeptAnswer, PaperItem, Sheet, StoredAnswer, TakenBatch
from services.unit import Unit
from services.viewer import Via

Act: TypeAlias = Save | SaveMany | Report | Beat | Check
Done: TypeAlias = Saved | list[Saved | Refusal] | idempotency.Answer | Pulse
Outcome: TypeAlias = Done | Exception

REMEMBERED = 2048
"""How many items of papers a process keeps at hand; a paper never changes."""

_NAMES = ", ".join(f"s.{name}" for name in HELD_COLUMNS)
_SESSIONS = (
    f"select t.now, {_NAMES} from (select evalium_now() as now) t left join delivery_sessions s on s.id = any($1)"  # noqa: S608 - names of our columns
)
_ANSWERS = (
    "select f.session_id, f.item_id, f.revision, f.response, f.saved_at"
    " from unnest($1::uuid[], $2::uuid[]) c(session_id, item_id) cross join lateral"
    " (select * from answers a where a.session_id = c.session_id and a.item_id = c.item_id offset 0) f"
)
_FILES = (
    "select f.session_id, f.item_id, f.id::text as id"
    " from unnest($1::uuid[], $2::uuid[]) c(session_id, item_id) cross join lateral"
    " (select * from uploads u where u.session_id = c.session_id and u.item_id = c.item_id and u.state = 'finished'"
    " offset 0) f"
)
_BATCHES = (
    "select f.session_id, f.batch_id, f.fingerprint, f.accepted, f.last_seq"
    " from unnest($1::uuid[], $2::text[]) c(session_id, batch_id) cross join lateral"
    " (select * from session_event_batches b where b.session_id = c.session_id and b.batch_id = c.batch_id offset 0) f"
)
_ITEMS = (
    "select f.session_id, c.item_id, jsonb_path_query_first(f.items, '$[*] ? (@.item_id == $id)',"
    " jsonb_build_object('id', c.item_id::text)) as item"
    " from unnest($1::uuid[], $2::uuid[]) c(session_id, item_id) cross join lateral"
    " (select p.session_id, p.items from session_papers p where p.session_id = c.session_id offset 0) f"
)
_KEYS = (
    "select f.id, f.session_id, f.operation, f.key, f.fingerprint, f.answer, f.expires_at"
    " from unnest($1::text[], $2::text[], $3::text[]) c(principal, operation, key) cross join lateral (select *"
    " from idempotency_keys k where k.principal = c.principal and k.operation = c.operation and k.key = c.key"
    " offset 0) f"
)
_FORGET = "delete from idempotency_keys where id = any($1)"
_REVISIONS = (
    "select a.session_id, array_agg(a.item_id order by a.item_id) as items,"
    " array_agg(a.revision order by a.item_id) as revisions from answers a where a.session_id = any($1) group by 1"
)
_WRITE = """
with counted as (
 update delivery_sessions s set event_seq = n.event_seq, answered_count = n.answered_count,
  current_position = n.current_position, focus_lost_count = n.focus_lost_count, focus_lost_at = n.focus_lost_at,
  tab_switch_count = n.tab_switch_count, paste_count = n.paste_count, last_activity_at = n.last_activity_at,
  last_seen_at = n.last_seen_at
 from unnest($2::uuid[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::timestamptz[], $8::int[], $9::int[],
  $10::timestamptz[], $11::timestamptz[]) n(id, event_seq, answered_count, current_position, focus_lost_count,
  focus_lost_at, tab_switch_count, paste_count, last_activity_at, last_seen_at)
 where s.id = n.id and s.id = any($2) returning s.id
), answered as (
 insert into answers (org_unit_id, session_id, id, item_id, revision, response, saved_at)
 select n.org_unit_id, n.session_id, n.id, n.item_id, n.revision, n.response, $1::timestamptz
 from unnest($12::uuid[], $13::uuid[], $14::uuid[], $15::uuid[], $16::bigint[], $17::jsonb[])
  n(org_unit_id, session_id, id, item_id, revision, response)
 on conflict (tenant_id, session_id, item_id)
 do update set revision = excluded.revision, response = excluded.response, saved_at = excluded.saved_at
), taken as (
 insert into session_event_batches (org_unit_id, session_id, id, batch_id, fingerprint, accepted, last_seq)
 select * from unnest($18::uuid[], $19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::int[], $24::bigint[])
), kept as (
 insert into idempotency_keys (id, session_id, principal, operation, key, fingerprint, answer, expires_at)
 select * from unnest($25::uuid[], $26::uuid[], $27::text[], $28::text[], $29::text[], $30::text[], $31::jsonb[],
  $32::timestamptz[])
), told as (
 insert into session_events
  (org_unit_id, session_id, assignment_id, room_id, at, id, seq, kind, client_at, payload, actor_id)
 select ($33::uuid[])[e.n], ($2::uuid[])[e.n], ($34::uuid[])[e.n], ($42::uuid[])[e.n], $1::timestamptz,
  e.id, e.seq, e.kind, e.client_at, e.payload, e.actor_id
 from unnest($35::int[], $36::uuid[], $37::bigint[], $38::text[], $39::timestamptz[], $40::jsonb[], $41::uuid[])
  e(n, id, seq, kind, client_at, payload, actor_id)
)
select count(*) as counted from counted
"""
_SEEN = "update delivery_sessions s set last_seen_at = $2::timestamptz where s.id = any($1)"
_STIR = """
update delivery_sessions s set disconnected_at = n.disconnected_at, disconnect_count = n.disconnect_count,
 disconnected_seconds = n.disconnected_seconds, absent_from = n.absent_from, absent_until = n.absent_until,
 attention_level = n.level, attention_since = n.since, attention_rules = n.rules,
 attention_acknowledged = n.acknowledged, attention_version = n.version, attention_check_at = n.check_at
from unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::numeric[], $5::timestamptz[], $6::timestamptz[], $7::text[],
 $8::timestamptz[], $9::jsonb[], $10::jsonb[], $11::int[], $12::timestamptz[])
 n(id, disconnected_at, disconnect_count, disconnected_seconds, absent_from, absent_until, level, since, rules,
 acknowledged, version, check_at)
where s.id = n.id and s.id = any($1)
"""
"""What seldom changes, and lies in indexes: it is written only where it has changed."""

Silo: TypeAlias = tuple[UUID, UUID]
"""Tenant and org unit."""

Papers: TypeAlias = "OrderedDict[tuple[UUID, UUID], PaperItem]"
"""Items at hand, by session and item; the ones that were used last stay."""


def variables(silo: Silo, sessions: Sequence[UUID]) -> dict[str, str]:
    """Return the variables of a transaction that sees these sessions of one org unit and no others."""
    return {
        "app.tenant_id": str(silo[0]),
        "app.org_unit_id": str(silo[1]),
        "app.session_id": str(sessions[0]),
        "app.session_ids": f"{{{','.join(map(str, sessions))}}}",
    }


async def settle(
    unit: Unit, tenant_id: UUID, acts: Sequence[Act], papers: Papers, rules: Rules, *, wait: bool
) -> list[Outcome | None]:
    """Do all acts; return for each its answer, or what it was refused with, and None where its session was not free.

    With `wait`, the locks are waited for instead.
    """
    held = await _held(unit, tenant_id, acts, wait=wait)
    mine = [act for act in acts if act.session_id in held]
    if not mine:
        return [None] * len(acts)
    sheet = await _read(unit, mine, papers, rules)
    expired = [kept.id for kept in sheet.keys.values() if kept.expires_at <= sheet.now]
    sheet.keys = {place: kept for place, kept in sheet.keys.items() if kept.expires_at > sheet.now}
    before = frozenset(sheet.keys)
    outcomes = [_decided(sheet, act) if act.session_id in held else None for act in acts]
    _attend(sheet)
    if sheet.told or len(sheet.keys) > len(before):
        if expired:
            await unit.fetch(_FORGET, expired)
        await _write(unit, tenant_id, sheet, [place for place in sheet.keys if place not in before])
    await _write_the_rest(unit, sheet)
    return outcomes


def _attend(sheet: Sheet) -> None:
    """Settle what attention the sessions need that something happened in, or that the clock has looked at."""
    for session_id in {one.session.id: None for one in sheet.told} | dict.fromkeys(sheet.checked):
        session = sheet.sessions[session_id]
        is_marked = session_id in sheet.signalled or session_id in sheet.stirred or session_id in sheet.checked
        if not is_marked and sessions_attention.is_calm(session, sheet.rules):
            continue
        settled = sessions_attention.settle(session, sheet.rules, sheet.now, is_check=session_id in sheet.checked)
        if settled.is_changed:
            sheet.stirred.add(session_id)
        if settled.happening is not None:
            sheet.tell(session, [settled.happening], by_evalium=True)


async def _held(unit: Unit, tenant_id: UUID, acts: Sequence[Act], *, wait: bool) -> set[UUID]:
    """Lock the sessions before the first write. A batch never waits, so that one busy session holds up nobody else."""
    ids = list({act.session_id: None for act in acts})
    names = [lock_name(tenant_id, session_id) for session_id in ids]
    if wait:
        await unit.lock(*names)
        return set(ids)
    return {session_id for session_id, free in zip(ids, await unit.lock_free(names), strict=True) if free}


def _decided(sheet: Sheet, act: Act) -> Outcome:
    """Do one act on the sheet; whatever is wrong with it is its own outcome and leaves the sheet as it was."""
    try:
        return _once(sheet, act)
    except Exception as error:  # noqa: BLE001 - it is raised again to whoever asked, and to nobody else
        return error


def _once(sheet: Sheet, act: Act) -> Done:
    request = act.request
    if request is None:
        return act.decide(sheet)
    place = (act.session_id, request.operation, request.key)
    known = sheet.keys.get(place)
    whole: Any = act
    if known is not None:
        return whole.again(sheet, idempotency.replayed(request, known.fingerprint, known.answer))
    outcome = whole.decide(sheet)
    sheet.keys[place] = KeptAnswer(uuid7(), request.fingerprint, whole.kept(outcome), sheet.now + idempotency.KEPT)
    return outcome


async def _read(unit: Unit, acts: Sequence[Act], papers: Papers, rules: Rules) -> Sheet:
    """Read what the acts decide on, in statements that begin after the locks are held."""
    rows = await unit.fetch(_SESSIONS, list({act.session_id for act in acts}))
    found = [Held(*tuple(row.values())[1:]) for row in rows if row["id"] is not None]
    sheet = Sheet(rows[0]["now"], {one.id: one for one in found}, rules=rules)
    saves = _saves(acts)
    reports = [act for act in acts if isinstance(act, Report) and act.batch_id.isprintable()]
    if saves:
        await _read_answers(unit, sheet, saves)
        await _read_items(unit, sheet, saves, papers)
        await _read_files(unit, sheet, saves)
    if reports:
        asked = [one.session_id for one in reports], [one.batch_id for one in reports]
        for row in await unit.fetch(_BATCHES, *asked):
            taken = TakenBatch(row["fingerprint"], row["accepted"], row["last_seq"])
            sheet.batches[row["session_id"], row["batch_id"]] = taken
    asking = [act.session_id for act in acts if isinstance(act, Beat) and act.with_revisions]
    if asking:
        for row in await unit.fetch(_REVISIONS, asking):
            sheet.revisions[row["session_id"]] = list(zip(row["items"], row["revisions"], strict=True))
    await _read_keys(unit, sheet, acts)
    return sheet


def _saves(acts: Sequence[Act]) -> list[Save]:
    found: list[Save] = []
    for act in acts:
        if isinstance(act, Save):
            found.append(act)
        elif isinstance(act, SaveMany) and len(act.saves) <= MOST_ANSWERS:
            found += act.saves
    return found


async def _read_answers(unit: Unit, sheet: Sheet, saves: Sequence[Save]) -> None:
    asked = [one.session_id for one in saves], [one.item_id for one in saves]
    for row in await unit.fetch(_ANSWERS, *asked):
        stored = StoredAnswer(row["item_id"], row["revision"], row["response"], row["saved_at"])
        sheet.answers[row["session_id"], row["item_id"]] = stored


async def _read_items(unit: Unit, sheet: Sheet, saves: Sequence[Save], papers: Papers) -> None:
    """Take the items from what is at hand, and read the others; only a session that can be seen has any."""
    places = {(one.session_id, one.item_id) for one in saves if one.session_id in sheet.sessions}
    for place in places & papers.keys():
        papers.move_to_end(place)
        sheet.items[place] = papers[place]
    missing = list(places - papers.keys())
    if not missing:
        return
    for row in await unit.fetch(_ITEMS, [place[0] for place in missing], [place[1] for place in missing]):
        item: Any = row["item"]
        if item is not None:
            kind = QuestionKind(item["kind"])
            read = PaperItem(item["position"], kind, content.parse_content(kind, item["content"]))
            sheet.items[row["session_id"], row["item_id"]] = papers[row["session_id"], row["item_id"]] = read
    while len(papers) > REMEMBERED:
        papers.popitem(last=False)


async def _read_files(unit: Unit, sheet: Sheet, saves: Sequence[Save]) -> None:
    """Read what has arrived, where an answer names files."""
    asked = {(one.session_id, one.item_id) for one in saves if one.response is not None and "files" in one.response}
    if not asked:
        return
    for row in await unit.fetch(_FILES, [one[0] for one in asked], [one[1] for one in asked]):
        sheet.files.setdefault((row["session_id"], row["item_id"]), set()).add(row["id"])


async def _read_keys(unit: Unit, sheet: Sheet, acts: Sequence[Act]) -> None:
    asked = [(act.session_id, act.request) for act in acts if act.request is not None]
    if not asked:
        return
    names = [_principal(session_id) for session_id, _ in asked]
    operations, keys = [one.operation for _, one in asked], [one.key for _, one in asked]
    for row in await unit.fetch(_KEYS, names, operations, keys):
        answer: Any = row["answer"]
        kept = KeptAnswer(row["id"], row["fingerprint"], answer, row["expires_at"])
        sheet.keys[row["session_id"], row["operation"], row["key"]] = kept


async def _write(unit: Unit, tenant_id: UUID, sheet: Sheet, keys: Sequence[tuple[UUID, str, str]]) -> None:
    """Write all that the acts have changed."""
    changed = list({id(one.session): one.session for one in sheet.told}.values())
    number = {id(one): n for n, one in enumerate(changed, 1)}
    answers = [(sheet.sessions[place[0]], sheet.answers[place]) for place in sheet.saved]
    batches = [(sheet.sessions[place[0]], place[1], sheet.batches[place]) for place in sheet.taken]
    kept = [(place, sheet.keys[place]) for place in keys]
    done = await unit.fetch(
        _WRITE,
        sheet.now,
        *_counters(changed),
        *_columns(
            6,
            [(s.org_unit_id, s.id, uuid7(), a.item_id, a.revision, _text(a.response)) for s, a in answers],
        ),
        *_columns(
            7,
            [(s.org_unit_id, s.id, uuid7(), name, b.fingerprint, b.accepted, b.last_seq) for s, name, b in batches],
        ),
        *_columns(
            8,
            [
                (k.id, place[0], _principal(place[0]), place[1], place[2], k.fingerprint, _text(k.answer), k.expires_at)
                for place, k in kept
            ],
        ),
        [one.org_unit_id for one in changed],
        [one.assignment_id for one in changed],
        [number[id(one.session)] for one in sheet.told],
        [one.id for one in sheet.told],
        [one.seq for one in sheet.told],
        [one.happening.kind for one in sheet.told],
        [one.happening.client_at for one in sheet.told],
        [_text(one.happening.payload) if one.happening.payload else "{}" for one in sheet.told],
        [one.actor_id for one in sheet.told],
        [one.room_id for one in changed],
    )
    if done[0]["counted"] != len(changed):
        raise RuntimeError(f"{done[0]['counted']} of {len(changed)} sessions could be written.")
    for one in changed:
        unit.touch(
            topics.assignment_sessions(tenant_id, one.assignment_id),
            topics.session_timeline(tenant_id, one.id),
            topics.unit_sessions(tenant_id, one.org_unit_id),
        )
        if one.room_id is not None:
            unit.touch(topics.room_sessions(tenant_id, one.room_id))


async def _write_the_rest(unit: Unit, sheet: Sheet) -> None:
    """Write what seldom changes, and the last sign of life of those whose row was not written."""
    stirred = [sheet.sessions[session_id] for session_id in sheet.stirred]
    if stirred:
        await unit.fetch(_STIR, *_columns(12, list(map(_seldom, stirred))))
    seen = sheet.seen - {one.session.id for one in sheet.told}
    if seen:
        await unit.fetch(_SEEN, list(seen), sheet.now)


def _seldom(one: Held) -> tuple[Any, ...]:
    return (
        one.id,
        one.disconnected_at,
        one.disconnect_count,
        one.disconnected_seconds,
        one.absent_from,
        one.absent_until,
        one.attention_level,
        one.attention_since,
        _text(one.attention_rules),
        _text(one.attention_acknowledged),
        one.attention_version,
        one.attention_check_at,
    )


def _counters(sessions: Sequence[Held]) -> list[list[Any]]:
    return _columns(
        10,
        [
            (
                one.id,
                one.event_seq,
                one.answered_count,
                one.current_position,
                one.focus_lost_count,
                one.focus_lost_at,
                one.tab_switch_count,
                one.paste_count,
                one.last_activity_at,
                one.last_seen_at,
            )
            for one in sessions
        ],
    )


def _columns(width: int, rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _text(value: Mapping[str, Any] | list[Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _principal(session_id: UUID) -> str:
    """Name whom a candidate's idempotency keys belong to, as `Viewer.principal` does."""
    return f"{Via.SESSION}:{session_id}"
