"""Persisted operations: the documents of graphql/operations, known by the SHA-256 of their text.

A hash is known in each of a document's spellings: as it is stored, as graphql-js prints it (16 and later), and printed
with the `__typename` that Apollo and urql add to every selection set but the outermost. Documents of others are never
stored, so nobody can fill the memory of a server or plant a document for somebody else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, cast

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from schema.guard_shape import MAX_TOKENS
from server.web import find_sdl
from services.refusals import BadUserInput, Denial

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_INNER_SPACE: Final = re.compile(r'"(?:\\.|[^"\\])*"|\{ (?=\S)|(?<=\S) \}')
_NAMED: Final = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)")
_VERSION: Final = 1


class PersistedQueryNotFound(Denial):
    """The hash or documentId names none of the server's own documents; clients answer this with the whole text."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    hint = "Send the hash with the text of the document, or take a hash from GET /graphql/manifest.json."

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")  # the very word that Apollo and urql look for


class OperationNotAllowed(Denial):
    """The server runs its own documents only (EVALIUM_ALLOW_LIST), and this is none of them."""

    code = "OPERATION_NOT_ALLOWED"
    hint = "Send one of the documents in graphql/operations, or its hash from GET /graphql/manifest.json."

    def __init__(self) -> None:
        super().__init__("Only the published operation documents are answered here, and this is none of them.")


@dataclass(frozen=True, slots=True)
class Operation:
    """One document of ours; `id` is the hash of `body`, the text as stored."""

    id: str
    name: str
    type: str
    body: str


class Documents:
    """The known documents, and what a request may send instead of a text.

    `allow_list` refuses every other document to callers who may not introspect.
    """

    def __init__(self, texts: Iterable[str] = (), *, allow_list: bool = False) -> None:
        self._allow_list = allow_list
        self._by_hash: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._unspelled: dict[str, list[DocumentNode]] = {}
        self.operations: list[Operation] = []
        for text in texts:
            self._add(text)

    @classmethod
    def ours(cls, *, allow_list: bool = False) -> "Documents":
        """Read the documents of graphql/operations."""
        files = sorted((find_sdl().parent / "operations").rglob("*.graphql"))
        return cls([file.read_text("utf-8") for file in files], allow_list=allow_list)

    def manifest(self) -> bytes:
        """Return the documents as JSON, in the form that Apollo's tools call a persisted query manifest."""
        listed = [{"id": one.id, "name": one.name, "type": one.type, "body": one.body} for one in self.operations]
        form = {"format": "apollo-persisted-query-manifest", "version": _VERSION, "operations": listed}
        return orjson.dumps(form, option=orjson.OPT_INDENT_2)

    def text(
        self, query: str, document_id: str | None, extensions: Mapping[str, Any] | None, *, is_trusted: bool
    ) -> str:
        """Return the document to run, from its text, its `documentId` or `extensions.persistedQuery`.

        Refuses a hash that is not known, not a hash, or not that of the text beside it, and, with an allow-list,
        every other document than ours unless the caller `is_trusted`.
        """
        stated = _stated(extensions)
        if document_id is not None:
            if query or stated:
                raise BadUserInput("'documentId' stands for the document; send neither 'query' nor a hash beside it.")
            return self._known(_checked(document_id.removeprefix("sha256:"), "documentId"))
        if stated is not None and not query:
            return self._known(stated)
        if stated is not None and _hash(query) != stated:
            raise BadUserInput(
                f"The hash '{stated}' is not that of the document sent with it, which is '{_hash(query)}'.",
                hint="Send the SHA-256, in hexadecimal, of the very text in 'query'.",
            )
        if self._allow_list and not is_trusted and not self._holds(query):
            raise OperationNotAllowed
        return query

    def name_of(self, query: str, document_id: str | None, extensions: Mapping[str, Any] | None) -> str | None:
        """Return the name of the document of ours that a request runs, in any of its spellings; None for another."""
        stated = (extensions or {}).get("persistedQuery") if not query else None
        if query:
            if query not in self._names and (named := _NAMED.search(query)):
                self._spell(named[1])
            return self._names.get(query)
        wanted = document_id.removeprefix("sha256:") if document_id is not None else _member_hash(stated)
        return self._names.get(self._by_hash.get(wanted.lower(), ""))

    def _add(self, text: str) -> None:
        document = parse(text, no_location=True)
        (definition,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        name = definition.name.value if definition.name else ""
        self.operations.append(Operation(_hash(text), name, definition.operation.value, text))
        self._learn(text, name)
        self._unspelled.setdefault(name, []).append(document)

    def _learn(self, spelling: str, name: str) -> None:
        self._by_hash[_hash(spelling)] = spelling
        self._names[spelling] = name

    def _spell(self, name: str) -> None:
        """Learn the other spellings of the document `name`, if not done yet: all would be a tenth of a start."""
        for document in self._unspelled.pop(name, ()):
            for spelling in (*_printed(document), *_printed(visit(document, _AddTypename()))):
                self._learn(spelling, name)

    @cached_property
    def _normal(self) -> frozenset[str]:
        return frozenset(_normal_form(parse(one.body, no_location=True)) for one in self.operations)

    def _known(self, wanted: str) -> str:
        if wanted not in self._by_hash:
            for name in list(self._unspelled):
                self._spell(name)
        text = self._by_hash.get(wanted)
        if text is None:
            raise PersistedQueryNotFound
        return text

    def _holds(self, query: str) -> bool:
        """Whether `query` is one of ours, white space, comments and `__typename` aside."""
        if query in self._names:
            return True
        try:
            return _normal_form(parse(query, no_location=True, max_tokens=MAX_TOKENS)) in self._normal
        except (GraphQLError, RecursionError):
            return False


def _printed(document: DocumentNode) -> tuple[str, str]:
    """Return the document as graphql-core prints it, and as graphql-js 16 does: no spaces inside an input object."""
    text = print_ast(document)
    return text, _INNER_SPACE.sub(lambda found: found[0] if found[0].startswith('"') else found[0].strip(), text)


class _AddTypename(Visitor):
    """Adds `__typename` where clients with a normalised cache do."""

    def leave_selection_set(
        self, node: SelectionSetNode, _key: object, parent: object, *_others: object
    ) -> SelectionSetNode | None:
        if isinstance(parent, OperationDefinitionNode) or any(map(_is_typename, node.selections)):
            return None
        added = FieldNode(name=NameNode(value="__typename"))
        return SelectionSetNode(selections=(*node.selections, added))


class _DropTypename(Visitor):
    def leave_selection_set(self, node: SelectionSetNode, *_others: object) -> SelectionSetNode:
        return SelectionSetNode(selections=tuple(one for one in node.selections if not _is_typename(one)))


def _is_typename(node: object) -> bool:
    return isinstance(node, FieldNode) and node.name.value == "__typename" and not (node.alias or node.directives)


def _normal_form(document: DocumentNode) -> str:
    return print_ast(visit(document, _DropTypename()))


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _stated(extensions: Mapping[str, Any] | None) -> str | None:
    """Return the hash in `extensions.persistedQuery`, None where there is none."""
    stated: object = (extensions or {}).get("persistedQuery")
    if stated is None:
        return None
    members = cast("dict[str, object]", stated) if isinstance(stated, dict) else {}
    if members.get("version", _VERSION) != _VERSION:
        raise BadUserInput(f"'persistedQuery' has a version other than {_VERSION}.")
    return _checked(members.get("sha256Hash"), "extensions.persistedQuery.sha256Hash")


def _member_hash(stated: object) -> str:
    """Return the hash that `persistedQuery` states, empty where it states none."""
    value = cast("dict[str, object]", stated).get("sha256Hash") if isinstance(stated, dict) else None
    return value if isinstance(value, str) else ""


def _checked(value: object, name: str) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise BadUserInput(f"'{name}' is not a SHA-256 in hexadecimal (64 digits).")
    return value.lower()
