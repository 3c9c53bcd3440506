"""One GraphQL operation from the request's members to encoded answers, the same for every transport."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar, cast

import orjson
from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from schema.errors import SERVER_FAULT, UNAVAILABLE, EvaliumSchema, formatted, internal
from schema.guard import Known, allow_introspection, is_known_query
from schema.guard_deadline import DeadlineExceeded, running_kind
from schema.sharing import encodable
from server import metrics
from server.graphql_live import answered
from server.live import Principal
from server.persisted import Documents
from server.sharing import SharedAnswers
from services.driver import uninterrupted
from services.refusals import BadUserInput, Refusal, Unauthenticated
from services.viewer import Viewer

T = TypeVar("T")

Authenticate = Callable[[str | None], Awaitable[Any]]
MakeContext = Callable[[Any, "GraphQLRequest"], object]

SINGLE: Final = frozenset({OperationType.QUERY, OperationType.MUTATION})
ANY: Final = frozenset(OperationType)
_OBJECT: Final = cast("type[dict[str, Any]]", dict)
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The members of a request, of the right types; `idempotency_key` comes from the header of that name.

    `address` is the network address that it came from, `client` what the sender calls itself.
    `query` is empty where `document_id` or `extensions.persistedQuery` stands for it.
    """

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    idempotency_key: str | None = None
    document_id: str | None = None
    address: str = ""
    client: str = ""

    @classmethod
    def of(
        cls, document: object, *, idempotency_key: str | None = None, address: str = "", client: str = ""
    ) -> "GraphQLRequest":
        """Check the members of a decoded body or payload; refuses lists (batches) and members of other types."""
        if not isinstance(document, dict):
            raise BadUserInput(
                f"The request is {_kind(document)}; it must be one object with a 'query'.",
                hint="Send one operation per request; batches are not answered.",
            )
        members = cast("dict[str, object]", document)
        query = _member(members, "query", str)
        document_id = _member(members, "documentId", str)
        extensions = _member(members, "extensions", _OBJECT)
        if query is None and document_id is None and "persistedQuery" not in (extensions or {}):
            raise BadUserInput("The member 'query' is missing.", hint="Send the text of a GraphQL document.")
        return cls(
            query=query or "",
            operation_name=_member(members, "operationName", str) or None,
            variables=_member(members, "variables", _OBJECT),
            extensions=extensions,
            idempotency_key=idempotency_key,
            document_id=document_id,
            address=address,
            client=client,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """One encoded response.

    `was_executed` is False, and `data` absent, when no resolver ran, or when the source of a subscription failed.
    `problem` is the code of the first problem that a mutation answered.
    """

    body: bytes
    errors: list[dict[str, Any]]
    was_executed: bool
    is_fault: bool = False
    problem: str | None = None
    frames: dict[str, bytes] = field(default_factory=dict[str, bytes], compare=False)
    """The frames that it was sent in over sockets, by the id of the operation; a few of them."""

    @property
    def code(self) -> str:
        """The code of the first error or problem, else OK."""
        return str(_code(self.errors[0])) if self.errors else self.problem or "OK"


Push = Callable[[Answer], bool]
"""Takes an answer at once, and tells whether it did."""


class Operations:
    """Runs operations of one schema, each with a context of its own that is always closed."""

    def __init__(
        self,
        schema: EvaliumSchema,
        make_context: MakeContext,
        may_introspect: Callable[[Any], bool],
        documents: Documents | None = None,
    ) -> None:
        self._schema = schema
        self._make_context = make_context
        self._may_introspect = may_introspect
        self._documents = documents or Documents()
        self._shared = SharedAnswers[Answer]()

    async def answers(
        self,
        request: GraphQLRequest,
        principal: Principal,
        allowed: Collection[OperationType] = ANY,
        push: Push | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Yield one answer of a query or mutation, or one for each event; raises nothing but cancellation.

        With `push`, answers to events may be handed to that instead, if it takes them at once.
        """
        begun = time.perf_counter()
        running_kind.set("refused")
        code: str | None = None
        try:
            async with aclosing(self._answers(request, principal, allowed, push)) as answers:
                async for answer in answers:
                    if code is None:
                        code = answer.code
                        metrics.answered(running_kind.get(), code, time.perf_counter() - begun)
                    yield answer
                    del answer  # which would be kept until the next one
        finally:
            if code is None:
                metrics.answered(running_kind.get(), "CANCELLED", time.perf_counter() - begun)

    async def _answers(
        self, request: GraphQLRequest, principal: Principal, allowed: Collection[OperationType], push: Push | None
    ) -> AsyncGenerator[Answer, None]:
        is_trusted = self._may_introspect(principal)
        try:
            text = self._documents.text(request.query, request.document_id, request.extensions, is_trusted=is_trusted)
        except Refusal as refusal:
            yield _refused(refusal)
            return
        try:
            early = self._schema.refuse_early(text, variables=request.variables, operation_name=request.operation_name)
            if early is not None:
                yield _answer(early, request)
                return
            async with self._context(request, principal) as context:
                known = self._schema.known(text, request.operation_name, request.variables, allowed)
                if known is not None:
                    yield _answer(await self._answered(known, request, context), request)
                    return
                allow_introspection(allowed=is_trusted)
                results = await self._schema.stream(
                    text,
                    variable_values=request.variables,
                    context_value=context,
                    operation_name=request.operation_name,
                    operation_extensions=request.extensions,
                    allowed_operation_types=allowed,
                )
                async with aclosing(results):
                    async for answer in answered(results, context, partial(_answer, request=request), push):
                        yield answer
                        del answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the reason
            yield _fault(error, request)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            yield _fault(error, request)  # something inside was cancelled, and nobody asked for the end of this

    async def answer(
        self, request: GraphQLRequest, principal: Principal, allowed: Collection[OperationType] = SINGLE
    ) -> Answer:
        """Return the first answer, after the operation's context was closed; identical reads may share one."""
        key = self._key(request, principal)
        if key is None:
            return await self._at_once(request, principal, allowed) or await self._first(request, principal, allowed)
        begun = time.perf_counter()
        ours: list[Answer] = []

        async def execute() -> Answer:
            at_once = await self._at_once(request, principal, allowed)
            ours.append(at_once or await self._first(request, principal, allowed))
            return ours[0]

        answer = await self._shared.of(key, execute)
        if not ours:
            metrics.answered("query", answer.code, time.perf_counter() - begun)
        return answer

    async def _at_once(
        self, request: GraphQLRequest, principal: Principal, allowed: Collection[OperationType]
    ) -> Answer | None:
        """Answer a document that was found valid lately as `_first` would; None for every other, and for a refusal."""
        begun = time.perf_counter()
        running_kind.set("refused")
        try:
            answer = await self._known(request, principal, allowed)
        except asyncio.CancelledError:
            metrics.answered(running_kind.get(), "CANCELLED", time.perf_counter() - begun)
            raise
        if answer is not None:
            metrics.answered(running_kind.get(), answer.code, time.perf_counter() - begun)
        return answer

    async def _known(
        self, request: GraphQLRequest, principal: Principal, allowed: Collection[OperationType]
    ) -> Answer | None:
        is_trusted = self._may_introspect(principal)
        try:
            text = self._documents.text(request.query, request.document_id, request.extensions, is_trusted=is_trusted)
        except Refusal:
            return None
        known = self._schema.known(text, request.operation_name, request.variables, allowed)
        if known is None:
            return None
        try:
            context = self._make_context(principal, request)
            try:
                return _answer(await self._answered(known, request, context), request)
            finally:
                await _ended(context, request)
        except Exception as error:  # noqa: BLE001 - as in `_answers`
            return _fault(error, request)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            return _fault(error, request)  # as in `_answers`

    async def _answered(self, known: Known, request: GraphQLRequest, context: object) -> ExecutionResult:
        return await self._schema.answer_known(
            known,
            variables=request.variables,
            context=context,
            operation_name=request.operation_name,
            extensions=request.extensions,
        )

    async def _first(self, request: GraphQLRequest, principal: Principal, allowed: Collection[OperationType]) -> Answer:
        async with aclosing(self.answers(request, principal, allowed)) as answers:
            return await anext(answers)

    def _key(self, request: GraphQLRequest, principal: Principal) -> Hashable | None:
        """Return what the answer to a read follows from; None for what is no read, or was never found valid.

        The viewer stands in it with tenant, org unit, person, session and token, and with these the rights.
        """
        if not isinstance(principal, Viewer) or request.extensions or not request.query:
            return None
        if not is_known_query(self._schema, request.query):
            return None
        variables = orjson.dumps(request.variables, option=orjson.OPT_SORT_KEYS)
        return principal, request.query, request.document_id, request.operation_name, variables

    @asynccontextmanager
    async def _context(self, request: GraphQLRequest, principal: Principal) -> AsyncGenerator[object, None]:
        context = self._make_context(principal, request)
        try:
            yield context
        finally:
            await _ended(context, request)


async def _ended(context: object, request: GraphQLRequest) -> None:
    """Close a context, at once where nothing of it is open."""
    at_once = cast("Callable[[], bool] | None", getattr(context, "close_at_once", None))
    if at_once is not None and at_once():
        return
    close = cast("Callable[[], Awaitable[None]] | None", getattr(context, "aclose", None))
    if close is not None:
        await uninterrupted(_closed(close, request))


async def _closed(close: Callable[[], Awaitable[None]], request: GraphQLRequest) -> None:
    """Close a context; a failure is for the log alone, since the answer is already known."""
    try:
        await close()
    except Exception as error:  # noqa: BLE001 - logged with its traceback
        internal(error, operation=request.operation_name)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def bearer(value: str | None) -> str | None:
    """Return the token of an Authorization header, None without a header; refuses every other scheme."""
    if value is None:
        return None
    match = _BEARER.fullmatch(value.strip())
    if match is None:
        raise Unauthenticated("The Authorization header does not hold a bearer token.")
    return match.group(1)


def _answer(result: ExecutionResult, request: GraphQLRequest) -> Answer:
    errors = result.errors or []
    was_executed = _was_executed(result)
    shown = [cast("dict[str, Any]", error.formatted) for error in errors]
    payload: dict[str, Any] = {}
    if shown:
        payload["errors"] = shown
    if result.extensions:
        payload["extensions"] = result.extensions
    try:
        body = orjson.dumps(({"data": encodable(result.data)} if was_executed else {}) | payload)
    except TypeError as error:
        return _fault(error, request)
    is_fault = any(_code(one) in {SERVER_FAULT, UNAVAILABLE} for one in shown)
    return Answer(body, shown, was_executed, is_fault, _problem(result.data))


def _problem(data: object) -> str | None:
    """Return the code of the first problem in the payload of a mutation, if the client asked for codes."""
    fields = cast("dict[str, Any]", data).values() if isinstance(data, dict) else ()
    for one in fields:
        problems = cast("dict[str, Any]", one).get("problems") if isinstance(one, dict) else None
        if problems and isinstance(problems, list):
            first = cast("list[Any]", problems)[0]
            code = cast("dict[str, Any]", first).get("code") if isinstance(first, dict) else None
            return str(code or "PROBLEM")
    return None


def _refused(refusal: Refusal) -> Answer:
    shown = [formatted(refusal)]
    return Answer(orjson.dumps({"errors": shown}), shown, was_executed=False)


def _was_executed(result: ExecutionResult) -> bool:
    """Tell execution from refusal: coercion of variables fails before it too, with errors that have no path."""
    errors = result.errors or []
    if any(isinstance(error.original_error, DeadlineExceeded) for error in errors):
        return True
    if isinstance(result, PreExecutionError):
        return False
    return result.data is not None or not errors or any(error.path for error in errors)


def _fault(error: BaseException, request: GraphQLRequest) -> Answer:
    hidden: GraphQLError = internal(error, operation=request.operation_name)
    shown = [cast("dict[str, Any]", hidden.formatted)]
    return Answer(orjson.dumps({"errors": shown}), shown, was_executed=False, is_fault=True)


def _code(error: Mapping[str, Any]) -> object:
    return error.get("extensions", {}).get("code")


def _member(members: dict[str, object], name: str, kind: type[T]) -> T | None:
    value = members.get(name)
    if value is None or isinstance(value, kind):
        return value
    wanted = "a string" if kind is str else "an object"
    raise BadUserInput(f"The member '{name}' is {_kind(value)}; it must be {wanted} or null.")


def _kind(value: object) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
