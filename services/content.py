"""Questions by kind (domain.md section 4), each in two parts that are kept in two tables.

The *content* is what a candidate may see: options with their ids, lists to match or order, a unit. The *key* is what
nobody but staff may see: what is right, how partial credit is given, the explanation. `parse_question` is the door
for authors; `parse_content` and `parse_key` also read what is stored.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError

from services.content_kinds import (
    ChoiceContent,
    Content,
    EssayContent,
    EssayKey,
    FileUploadContent,
    FileUploadKey,
    Key,
    MatchingContent,
    MatchingKey,
    MultipleChoiceKey,
    NumericContent,
    NumericKey,
    ObservationContent,
    ObservationKey,
    OrderingContent,
    OrderingKey,
    QuestionKind,
    ShortTextContent,
    ShortTextKey,
    SingleChoiceKey,
    ToleranceKind,
    TrueFalseContent,
    check_order,
    check_pairs,
    expect,
    ids_of,
)
from services.content_parts import (
    LONGEST_STEM,
    Option,
    OptionText,
    Part,
    Words,
    fingerprint,
    read,
    refuse_repeats,
    refuse_unknown,
    shown,
)
from services.refusals import InvalidInput

FORM = 1
"""Version of the stored form, part of every content hash."""


_CONTENTS: dict[QuestionKind, type[Content]] = {
    QuestionKind.SINGLE_CHOICE: ChoiceContent,
    QuestionKind.MULTIPLE_CHOICE: ChoiceContent,
    QuestionKind.TRUE_FALSE: TrueFalseContent,
    QuestionKind.NUMERIC: NumericContent,
    QuestionKind.SHORT_TEXT: ShortTextContent,
    QuestionKind.MATCHING: MatchingContent,
    QuestionKind.ORDERING: OrderingContent,
    QuestionKind.ESSAY: EssayContent,
    QuestionKind.FILE_UPLOAD: FileUploadContent,
    QuestionKind.OBSERVATION: ObservationContent,
}
_KEYS: dict[QuestionKind, type[Key]] = {
    QuestionKind.SINGLE_CHOICE: SingleChoiceKey,
    QuestionKind.MULTIPLE_CHOICE: MultipleChoiceKey,
    QuestionKind.TRUE_FALSE: SingleChoiceKey,
    QuestionKind.NUMERIC: NumericKey,
    QuestionKind.SHORT_TEXT: ShortTextKey,
    QuestionKind.MATCHING: MatchingKey,
    QuestionKind.ORDERING: OrderingKey,
    QuestionKind.ESSAY: EssayKey,
    QuestionKind.FILE_UPLOAD: FileUploadKey,
    QuestionKind.OBSERVATION: ObservationKey,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question as an author wrote it, checked and ready to be stored in its two parts."""

    kind: QuestionKind
    stem: str
    content: Content
    key: Key


def parse_stem(raw: object) -> str:
    """Check the question's own text (Markdown, 1 to 20,000 characters)."""
    try:
        return TypeAdapter(Annotated[Words, StringConstraints(max_length=LONGEST_STEM)]).validate_python(raw)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"]
        raise InvalidInput(f"stem: {said}; it is {shown(raw)}.", path=("stem",)) from None


def parse_content(kind: QuestionKind, raw: object) -> Content:
    """Read the public part of a question of this kind; refuse unknown fields, repeated ids or texts, and sizes."""
    content = read(_CONTENTS[kind], {} if raw is None else raw, ("content",))
    for name, options in _lists(content).items():
        refuse_repeats([option.id for option in options], ("content", name), "id")
        refuse_repeats([option.text.strip() for option in options], ("content", name), "text")
    if isinstance(content, FileUploadContent):
        refuse_repeats(content.accepted_media_types, ("content", "accepted_media_types"), "media type")
    return content


def parse_key(kind: QuestionKind, content: Content, raw: object) -> Key:
    """Read the secret part of a question of this kind; refuse what does not fit to its content."""
    key = read(_KEYS[kind], {} if raw is None else raw, ("key",))
    _check_key(content, key)
    return key


def parse_question(kind: QuestionKind, stem: object, raw_content: object, raw_key: object) -> Question:
    """Read a question as an author writes it.

    Authors list the items to order, and the right-hand entries to match, in the right order, and name them a, b, c:
    candidates would read the key off the ids. So these ids are replaced by ones that follow from the text alone, and
    the list is kept in their order. Reading the result again changes nothing.
    """
    content = parse_content(kind, raw_content)
    key = parse_key(kind, content, raw_key)
    if isinstance(content, OrderingContent) and isinstance(key, OrderingKey):
        items, names = _disguise(content.items)
        content = content.model_copy(update={"items": items})
        key = key.model_copy(update={"order": tuple(names[item] for item in key.order)})
    elif isinstance(content, MatchingContent) and isinstance(key, MatchingKey):
        right, names = _disguise(content.right)
        content = content.model_copy(update={"right": right})
        key = key.model_copy(update={"pairs": {left: names[item] for left, item in key.pairs.items()}})
    return Question(kind, parse_stem(stem), content, key)


def to_json(part: Part) -> dict[str, Any]:
    """Return the stored form of a content, key or response; the parse functions read it back."""
    return part.model_dump(mode="json")


def content_hash(
    kind: QuestionKind, stem: str, content: Content, key: Key, extra: Mapping[str, Any] | None = None
) -> str:
    """Return the SHA-256 over everything that makes the question, so that a published version can be proven."""
    return fingerprint(
        {
            "form": FORM,
            "kind": kind.value,
            "stem": stem,
            "content": to_json(content),
            "key": to_json(key),
            "extra": dict(extra or {}),
        }
    )


def options_to_shuffle(content: Content) -> tuple[str, ...]:
    """Return the ids whose order on the screen may differ from candidate to candidate; true/false never does."""
    match content:
        case ChoiceContent():
            return tuple(option.id for option in content.options)
        case MatchingContent():
            return tuple(option.id for option in content.right)
        case OrderingContent():
            return tuple(option.id for option in content.items)
        case _:
            return ()


def arranged(content: Content, order: tuple[str, ...] | None) -> Content:
    """Return the content with its shufflable list in the drawn order (ids of `options_to_shuffle`); None keeps it."""
    if order is None:
        return content
    if sorted(order) != sorted(options_to_shuffle(content)):
        raise ValueError(f"{order} is no arrangement of {options_to_shuffle(content)}")
    name: Literal["options", "right", "items"]
    name = "right" if isinstance(content, MatchingContent) else "items"
    if isinstance(content, ChoiceContent):
        name = "options"
    by_id = {option.id: option for option in _lists(content)[name]}
    return content.model_copy(update={name: tuple(by_id[item] for item in order)})


def _lists(content: Content) -> dict[str, tuple[Option, ...]]:
    match content:
        case ChoiceContent() | TrueFalseContent():
            return {"options": content.options}
        case MatchingContent():
            return {"left": content.left, "right": content.right}
        case OrderingContent():
            return {"items": content.items}
        case _:
            return {}


def _check_key(content: Content, key: Key) -> None:
    match key:
        case SingleChoiceKey():
            options = _lists(content)["options"]
            refuse_unknown([key.correct], ids_of(options), ("key", "correct"), "option")
        case MultipleChoiceKey():
            refuse_repeats(key.correct, ("key", "correct"), "option")
            refuse_unknown(key.correct, ids_of(expect(content, ChoiceContent).options), ("key", "correct"), "option")
        case NumericKey():
            _check_tolerance(key)
        case MatchingKey():
            check_pairs(expect(content, MatchingContent), key.pairs, ("key", "pairs"))
            missing = [entry for entry in ids_of(expect(content, MatchingContent).left) if entry not in key.pairs]
            if missing:
                raise InvalidInput(f"key.pairs: nothing is matched to '{missing[0]}'.", path=("key", "pairs"))
        case OrderingKey():
            check_order(expect(content, OrderingContent), key.order, ("key", "order"))
        case _:
            pass


def _check_tolerance(key: NumericKey) -> None:
    if Fraction(key.tolerance) < 0:
        raise InvalidInput(f"key.tolerance: {key.tolerance} is below 0.", path=("key", "tolerance"))
    if key.tolerance_kind is ToleranceKind.RELATIVE and Fraction(key.value) == 0:
        said = "key.tolerance_kind: a share of 0 is 0; a relative tolerance needs another value."
        raise InvalidInput(said, path=("key", "tolerance_kind"), hint="Give an absolute tolerance.")


def _disguise(options: tuple[Option, ...]) -> tuple[tuple[Option, ...], dict[str, str]]:
    names = {option.id: _opaque(option.text) for option in options}
    renamed = [option.model_copy(update={"id": names[option.id]}) for option in options]
    return tuple(sorted(renamed, key=lambda option: option.id)), names


def _opaque(text: OptionText) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "x" + base64.b32encode(digest)[:9].decode().lower()
