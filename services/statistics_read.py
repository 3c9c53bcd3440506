"""The sums that statistics are made of, taken by the database: what is read does not grow with the papers.

The papers that count are those of one evaluation version, perhaps under one run label, by the attempts that are
wanted, with a final outcome. As reported, each has the score that it had before the first correction; as remediated,
the newest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from models.authoring import EvaluationItem, EvaluationSection, EvaluationVersion, QuestionVersion
from services import content, statistics
from services.cohorts import Attempts
from services.content_kinds import ChoiceContent, QuestionKind, TrueFalseContent
from services.statistics import SMALLEST_GROUP, Absence, Deviations, Figure, Marker, Marks
from services.work import Work

BINS: Final = 10

_NEWEST: Final = "s.latest_score_version"
_REPORTED: Final = (
    "coalesce((select min(c.number) - 1 from submission_score_versions c where c.submission_id = s.id"
    " and c.cause = 'corrected'), s.latest_score_version)"
)
_ORDERS: Final = {
    Attempts.FIRST: "partition by assignment_id, user_id order by attempt",
    Attempts.BEST: "partition by assignment_id, user_id order by outcome = 'pending', percent desc, attempt",
    Attempts.ALL: "partition by id",
}
_PAPERS: Final = """
with attempts as (
 select s.id, s.assignment_id, s.user_id, d.attempt, v.items, v.points::float8 as points,
  v.max_points::float8 as max_points, v.percent, v.outcome
 from submissions s
 join assignments a on a.id = s.assignment_id
 join delivery_sessions d on d.id = s.session_id
 join submission_score_versions v on v.submission_id = s.id and v.number = {number}
 where s.evaluation_version_id = $1 and ($2::text is null or a.run_label = $2)),
placed as (select *, row_number() over ({order}) as place from attempts),
counting as (select * from placed where place = 1),
papers as (
 select *, row_number() over (order by percent, id) as from_below,
  row_number() over (order by percent desc, id desc) as from_above, count(*) over () as whole
 from counting where outcome <> 'pending')"""
_BINS: Final = ", ".join(f"count(*) filter (where least(floor(percent / 10), 9) = {n})" for n in range(BINS))
_WHOLE: Final = """{papers}
select (select count(*) from counting where outcome = 'pending') as pending, count(*) as n,
 avg(percent::float8) as mean, regr_sxx(percent::float8, percent::float8) as squares, min(percent) as minimum,
 max(percent) as maximum, percentile_cont(0.5) within group (order by percent::float8) as median,
 regr_sxx(points, points) as points_squares,
 array[{bins}] as bins
from papers"""
_ITEMS: Final = """{papers},
opened as materialized (
 select p.id, o.position, o.state, o.points, o.points / nullif(o.max_points, 0) as share,
  (p.points - o.points) / nullif(p.max_points - o.max_points, 0) as rest,
  from_above <= $3 as is_upper, from_below <= $3 as is_lower
 from papers p
 cross join lateral jsonb_to_recordset(p.items) as o (position int, state text, points float8, max_points float8))
select item_id, count(*) as asked, count(*) filter (where state <> 'voided') as n,
 count(*) filter (where state = 'unanswered' or (state = 'voided' and response is null)) as omitted,
 avg(share) filter (where state <> 'voided') as facility,
 regr_count(share, rest) filter (where state <> 'voided') as pairs,
 regr_sxx(share, rest) filter (where state <> 'voided') as rest_squares,
 regr_syy(share, rest) filter (where state <> 'voided') as share_squares,
 regr_sxy(share, rest) filter (where state <> 'voided') as products,
 regr_sxx(points, points) filter (where state <> 'voided') as points_squares,
 avg(share) filter (where state <> 'voided' and is_upper) as upper,
 avg(share) filter (where state <> 'voided' and is_lower) as lower
from opened o join submission_items i on i.submission_id = o.id and i.position = o.position group by item_id"""
_CHOICES: Final = """{papers}
select item_id, choice, count(*) as n, count(*) filter (where from_above <= $3) as upper,
 count(*) filter (where from_below <= $3) as lower
from papers p join submission_items i on i.submission_id = p.id
cross join lateral jsonb_array_elements_text(
 case when response ? 'choice' then jsonb_build_array(response -> 'choice') else response -> 'choices' end) as choice
where response ? 'choice' or response ? 'choices' group by item_id, choice"""
_MARKS: Final = """{papers}
select m.marker_id, i.question_version_id, count(*) as n, sum((m.points / m.max_points)::float8) as total,
 sum(((m.points / m.max_points)::float8) ^ 2) as squares
from papers p
join submission_items i on i.submission_id = p.id
join review_marks m on m.submission_item_id = i.id
join review_tasks t on t.id = m.task_id and t.state = 'finalised'
group by m.marker_id, i.question_version_id"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which papers, by which of their scores."""

    version_id: UUID
    run_label: str | None = None
    is_remediated: bool = True
    attempts: Attempts = Attempts.FIRST


@dataclass(frozen=True, slots=True)
class Choice:
    """How often an option was chosen: by all, and by the upper and the lower group."""

    option: str
    n: int
    upper: int
    lower: int


@dataclass(frozen=True, slots=True)
class Item:
    """How an item measures. `number` is its place in the evaluation; `asked` papers have it, `omitted` of them blank.

    `choices` are told of choice questions alone, and of enough papers.
    """

    number: int
    question_version_id: UUID
    points: Decimal
    asked: int
    omitted: int
    is_voided: bool
    facility: Figure
    discrimination: Figure
    upper_lower: Figure
    choices: Sequence[Choice] | None


@dataclass(frozen=True, slots=True)
class Scores:
    """The distribution of the scores, in percent; `bins` counts them by tenths, the last one holds 100 too."""

    mean: float
    deviation: float
    median: float
    minimum: Decimal
    maximum: Decimal
    bins: Sequence[int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """How an evaluation version measured. `scores` is None of too few papers."""

    wanted: Wanted
    papers: int
    pending: int
    scores: Scores | None
    alpha: Figure
    standard_error: Figure
    items: Sequence[Item]
    markers: Sequence[Marker]


async def read(work: Work, wanted: Wanted) -> Statistics | None:
    """Return the statistics of an evaluation version; None where there is none to be seen.

    A fixed number of statements, however many papers there are.
    """
    known = select(EvaluationVersion.id).where(EvaluationVersion.id == wanted.version_id)
    if await work.session.scalar(known) is None:
        return None
    papers = _PAPERS.format(number=_NEWEST if wanted.is_remediated else _REPORTED, order=_ORDERS[wanted.attempts])
    given = (wanted.version_id, wanted.run_label)
    whole = (await work.fetch(_WHOLE.format(papers=papers, bins=_BINS), *given))[0]
    tail = statistics.tail(whole["n"])
    rows = {row["item_id"]: row for row in await work.fetch(_ITEMS.format(papers=papers), *given, tail)}
    choices = await work.fetch(_CHOICES.format(papers=papers), *given, tail)
    items = await _items(work, wanted.version_id, rows, choices)
    marks = [_marks(row) for row in await work.fetch(_MARKS.format(papers=papers), *given)]
    alpha = _alpha(whole, list(rows.values()))
    scores = _scores(whole)
    error = Figure(absence=Absence.TOO_FEW) if scores is None else statistics.standard_error(scores.deviation, alpha)
    return Statistics(wanted, whole["n"], whole["pending"], scores, alpha, error, items, statistics.markers(marks))


def _marks(row: Mapping[str, Any]) -> Marks:
    return Marks(row["marker_id"], row["question_version_id"], row["n"], row["total"], row["squares"])


def _scores(whole: Mapping[str, Any]) -> Scores | None:
    deviation = statistics.standard_deviation(whole["n"], whole["squares"] or 0.0)
    if whole["n"] < SMALLEST_GROUP or deviation is None:
        return None
    return Scores(whole["mean"], deviation, whole["median"], whole["minimum"], whole["maximum"], list(whole["bins"]))


def _alpha(whole: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Return alpha over the items that count; it is defined where everybody had the same ones."""
    if whole["n"] < SMALLEST_GROUP:
        return Figure(absence=Absence.TOO_FEW)
    counting = [row for row in rows if row["n"]]
    if any(row["n"] != whole["n"] for row in counting):
        return Figure(absence=Absence.DIFFERENT_PAPERS)
    return statistics.alpha([row["points_squares"] for row in counting], whole["points_squares"], whole["n"])


async def _items(
    work: Work, version_id: UUID, rows: Mapping[UUID, Mapping[str, Any]], choices: Sequence[Mapping[str, Any]]
) -> list[Item]:
    item, section, question = EvaluationItem, EvaluationSection, QuestionVersion
    wanted = (
        select(item.id, item.question_version_id, item.points, question.kind, question.content)
        .join(section, section.id == item.section_id)
        .join(question, question.id == item.question_version_id)
        .where(item.evaluation_version_id == version_id)
        .order_by(section.position, item.position)
    )
    counts: dict[UUID, dict[str, Choice]] = {}
    for row in choices:
        counted = Choice(row["choice"], row["n"], row["upper"], row["lower"])
        counts.setdefault(row["item_id"], {})[row["choice"]] = counted
    found: list[Item] = []
    for number, known in enumerate(await work.rows(wanted), 1):
        if known.id in rows:
            found.append(_item(number, known, rows[known.id], counts.get(known.id, {})))
    return found


def _item(number: int, known: Any, row: Mapping[str, Any], counts: Mapping[str, Choice]) -> Item:
    facility, discrimination, upper_lower = _figures(row)
    options = _options(QuestionKind(known.kind), known.content) if row["asked"] >= SMALLEST_GROUP else None
    return Item(
        number=number,
        question_version_id=known.question_version_id,
        points=known.points,
        asked=row["asked"],
        omitted=row["omitted"],
        is_voided=not row["n"],
        facility=facility,
        discrimination=discrimination,
        upper_lower=upper_lower,
        choices=None if options is None else [counts.get(one, Choice(one, 0, 0, 0)) for one in options],
    )


def _figures(row: Mapping[str, Any]) -> tuple[Figure, Figure, Figure]:
    """Return facility, discrimination, and the difference between the upper and the lower group."""
    if row["n"] < SMALLEST_GROUP:
        absent = Figure(absence=Absence.TOO_FEW if row["n"] or row["asked"] < SMALLEST_GROUP else Absence.VOIDED)
        return absent, absent, absent
    alone = Figure(absence=Absence.ONE_ITEM)
    sums = Deviations(row["pairs"], row["rest_squares"] or 0.0, row["share_squares"] or 0.0, row["products"] or 0.0)
    discrimination = statistics.correlation(sums) if row["pairs"] else alone
    return Figure(row["facility"]), discrimination, statistics.difference(row["upper"], row["lower"])


def _options(kind: QuestionKind, stored: Any) -> list[str] | None:
    """Return the options of a choice question, in the author's order; None of any other question."""
    shown = content.parse_content(kind, stored)
    return [one.id for one in shown.options] if isinstance(shown, ChoiceContent | TrueFalseContent) else None
