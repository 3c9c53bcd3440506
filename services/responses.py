"""What a candidate answers, by kind of question: read strictly, stored as JSON, never judged here."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field, StringConstraints

from services.content_kinds import (
    ChoiceContent,
    Content,
    FileUploadContent,
    MatchingContent,
    OrderingContent,
    QuestionKind,
    ShortTextContent,
    TrueFalseContent,
    check_order,
    check_pairs,
    expect,
)
from services.content_parts import (
    LONGEST_ESSAY,
    MOST_FILES,
    FileId,
    Id,
    Number,
    Part,
    Text,
    read,
    refuse_repeats,
    refuse_unknown,
)
from services.refusals import InvalidInput


class ChoiceResponse(Part):
    """One option's id: `{"choice": "b"}`; of a true/false question `true` or `false`, as a string."""

    choice: Id


class ChoicesResponse(Part):
    """Any number of option ids, in any order: `{"choices": ["a", "d"]}`; an empty list is no answer."""

    choices: Annotated[tuple[Id, ...], Field(max_length=26)]


class ValueResponse(Part):
    """A decimal number as a string: `{"value": "3.14"}`."""

    value: Number


class TextResponse(Part):
    """A short text or an essay: `{"text": "…"}`; a blank one is no answer."""

    text: Annotated[Text, StringConstraints(max_length=LONGEST_ESSAY)]


class PairsResponse(Part):
    """Right-hand ids by left-hand id, some or all: `{"pairs": {"1": "x"}}`."""

    pairs: Annotated[dict[Id, Id], Field(max_length=26)]


class FilesResponse(Part):
    """Ids of files that have arrived: `{"files": ["…"]}`; an empty list is no answer."""

    files: Annotated[tuple[FileId, ...], Field(max_length=MOST_FILES)]


class OrderResponse(Part):
    """All item ids in the candidate's order: `{"order": [...]}`."""

    order: Annotated[tuple[Id, ...], Field(max_length=26)]


Response: TypeAlias = (
    ChoiceResponse | ChoicesResponse | ValueResponse | TextResponse | FilesResponse | PairsResponse | OrderResponse
)

_RESPONSES: dict[QuestionKind, type[Response]] = {
    QuestionKind.SINGLE_CHOICE: ChoiceResponse,
    QuestionKind.MULTIPLE_CHOICE: ChoicesResponse,
    QuestionKind.TRUE_FALSE: ChoiceResponse,
    QuestionKind.NUMERIC: ValueResponse,
    QuestionKind.SHORT_TEXT: TextResponse,
    QuestionKind.MATCHING: PairsResponse,
    QuestionKind.ORDERING: OrderResponse,
    QuestionKind.ESSAY: TextResponse,
    QuestionKind.FILE_UPLOAD: FilesResponse,
}


def parse_response(kind: QuestionKind, content: Content, raw: object) -> Response | None:
    """Read a candidate's answer; None means that it was cleared. Refuse ids and sizes the question does not have."""
    if raw is None:
        return None
    if kind is QuestionKind.OBSERVATION:
        raise InvalidInput(
            "response: an assessor judges what is seen; there is nothing to answer.",
            path=("response",),
            hint="Leave the item as it is.",
        )
    response = read(_RESPONSES[kind], raw, ("response",))
    _check(content, response)
    return response


def is_answered(response: Response | None) -> bool:
    """Say whether something was answered at all: a blank text, no choice and no pair are nothing."""
    match response:
        case None:
            return False
        case ChoicesResponse():
            return bool(response.choices)
        case FilesResponse():
            return bool(response.files)
        case TextResponse():
            return bool(response.text.strip())
        case PairsResponse():
            return bool(response.pairs)
        case _:
            return True


def is_answer(stored: dict[str, Any] | None) -> bool:
    """Say the same of a response as it is stored, without reading it again."""
    if stored is None:
        return False
    if "text" in stored:
        return bool(stored["text"].strip())
    return all(stored.values()) if stored.keys() & {"choices", "files", "pairs"} else True


def _check(content: Content, response: Response) -> None:
    match response:
        case ChoiceResponse():
            refuse_unknown([response.choice], _option_ids(content), ("response", "choice"), "option")
        case ChoicesResponse():
            refuse_repeats(response.choices, ("response", "choices"), "option")
            refuse_unknown(response.choices, _option_ids(content), ("response", "choices"), "option")
        case FilesResponse():
            _check_files(expect(content, FileUploadContent), response.files)
        case TextResponse():
            _check_length(content, response.text)
        case PairsResponse():
            check_pairs(expect(content, MatchingContent), response.pairs, ("response", "pairs"))
        case OrderResponse():
            check_order(expect(content, OrderingContent), response.order, ("response", "order"))
        case _:
            pass


def _option_ids(content: Content) -> list[str]:
    if isinstance(content, TrueFalseContent):
        return [option.id for option in content.options]
    return [option.id for option in expect(content, ChoiceContent).options]


def _check_files(content: FileUploadContent, files: tuple[str, ...]) -> None:
    refuse_repeats(files, ("response", "files"), "file")
    if len(files) > content.max_files:
        said = f"response.files: at most {content.max_files} files are handed in; these are {len(files)}."
        raise InvalidInput(said, path=("response", "files"), hint="Leave some out.")


def _check_length(content: Content, text: str) -> None:
    if isinstance(content, ShortTextContent) and len(text) > content.max_length:
        said = f"response.text: at most {content.max_length} characters fit; this text has {len(text)}."
        raise InvalidInput(said, path=("response", "text"), hint="Shorten the text.")
