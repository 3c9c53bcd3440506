"""Question pools in the JSON form of the public amateur radio pools: a list of entries.

Each entry has `id`, `question`, two or more `answers`, `correct` (the zero-based position of the right answer), and
may have `refs` (the regulation it rests on), `group` (the first three characters of the id stand in for it), `figure`
(the name of a picture, which is not imported) and `correct_letter` (must agree with `correct`). Texts are Markdown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from services.authoring_questions import LONGEST_REFERENCE, QuestionText, checked
from services.content_kinds import QuestionKind
from services.content_parts import shown
from services.refusals import InvalidInput

MOST_ROWS = 5000
GROUP_LENGTH = 3
OPTION_IDS = "abcdefghijklmnopqrstuvwxyz"

_FIELDS = frozenset({"id", "question", "answers", "correct", "refs", "group", "figure", "correct_letter"})


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One entry and what is to be said about it. An entry with `problems` has no draft; `warnings` stop nothing."""

    index: int
    external_id: str
    group: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    draft: QuestionText | None = None


@dataclass(frozen=True, slots=True)
class PoolReport:
    """What a pool holds, row by row, in its own order."""

    rows: tuple[PoolRow, ...]

    @property
    def drafts(self) -> tuple[QuestionText, ...]:
        """Return the questions that can be imported."""
        return tuple(row.draft for row in self.rows if row.draft is not None)

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups of the questions that can be imported, in order of their first appearance."""
        return tuple(dict.fromkeys(draft.group for draft in self.drafts))


def parse(source: str | bytes) -> PoolReport:
    """Read a whole pool file; a bad entry never stops the others. Refuse what is no JSON list of up to 5,000."""
    try:
        entries: object = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The pool is no JSON text: {error}.", path=("pool",)) from None
    if not isinstance(entries, list):
        raise InvalidInput(f"A pool is a JSON list of entries, not {shown(entries)}.", path=("pool",))
    listed = cast("list[object]", entries)
    if len(listed) > MOST_ROWS:
        raise InvalidInput(f"A pool has at most {MOST_ROWS} entries; this one has {len(listed)}.", path=("pool",))
    first: dict[str, int] = {}
    return PoolReport(tuple(_row(index, entry, first) for index, entry in enumerate(listed)))


def read(entry: Mapping[str, Any]) -> QuestionText:
    """Return one entry as a single choice question, its options `a`, `b`, `c` ...; refuse an entry that is none.

    The question itself is checked like any other, by `authoring_questions.checked`.
    """
    unknown = sorted(str(name) for name in entry.keys() - _FIELDS)
    if unknown:
        raise InvalidInput(f"An entry has no field {shown(unknown[0])}.", path=(unknown[0],))
    name = _text(entry, "id")
    if len(name) > LONGEST_REFERENCE:
        raise InvalidInput(f"id: {len(name)} characters are more than {LONGEST_REFERENCE}.", path=("id",))
    answers = _answers(entry)
    return QuestionText(
        kind=QuestionKind.SINGLE_CHOICE,
        stem=_text(entry, "question"),
        content={"options": [{"id": one, "text": answer} for one, answer in zip(OPTION_IDS, answers, strict=False)]},
        key={"correct": OPTION_IDS[_correct(entry, len(answers))]},
        group=_optional(entry, "group") or name[:GROUP_LENGTH],
        references=_optional(entry, "refs"),
    )


def warnings(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an author should know about an entry that can be imported."""
    figure = _optional(entry, "figure")
    return (f"The figure '{figure}' is not included.",) if figure else ()


def _row(index: int, entry: object, first: dict[str, int]) -> PoolRow:
    if not isinstance(entry, dict):
        return PoolRow(index, "", "", (f"An entry is a JSON object, not {shown(entry)}.",))
    fields = cast("dict[str, Any]", entry)
    name = str(fields.get("id") or "").strip()
    problems: list[str] = []
    if name in first:
        problems.append(f"The id '{name}' stands twice, first in row {first[name]}.")
    elif name:
        first[name] = index
    try:
        draft = read(fields)
        checked(draft)
        noted = warnings(fields)
    except InvalidInput as refused:
        return PoolRow(index, name, name[:GROUP_LENGTH], (*problems, refused.message))
    if problems:
        return PoolRow(index, name, draft.group, tuple(problems), noted)
    return PoolRow(index, name, draft.group, (), noted, draft)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{name}: a text is needed here; it is {shown(value)}.", path=(name,))
    return value.strip()


def _optional(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name}: a text is needed here; it is {shown(value)}.", path=(name,))
    return value.strip()


def _answers(entry: Mapping[str, Any]) -> Sequence[object]:
    value = entry.get("answers")
    if not isinstance(value, list):
        raise InvalidInput(f"answers: a list of texts is needed here; it is {shown(value)}.", path=("answers",))
    answers = cast("list[object]", value)
    if len(answers) > len(OPTION_IDS):
        raise InvalidInput(f"answers: {len(answers)} are more than {len(OPTION_IDS)}.", path=("answers",))
    return answers


def _correct(entry: Mapping[str, Any], answers: int) -> int:
    value = entry.get("correct")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < answers:
        said = f"correct: the position of one of {answers} answers, counted from 0, is needed; it is {shown(value)}."
        raise InvalidInput(said, path=("correct",))
    letter = entry.get("correct_letter")
    if letter is not None and letter != OPTION_IDS[value].upper():
        said = f"correct_letter: {shown(letter)} contradicts correct, which is {value} ({OPTION_IDS[value].upper()})."
        raise InvalidInput(said, path=("correct_letter",))
    return value
