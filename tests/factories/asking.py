"""GraphQL asked in process, as a viewer, without a server."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from strawberry.types.graphql import OperationType

from resolvers.context import Context, House
from schema.executor import PlanningExecutor
from schema.root import schema
from services.tokens import Tokens
from services.viewer import Viewer
from tests.factories.tenants import World

ROOT = Path(__file__).parents[2]
QUERIES = frozenset({OperationType.QUERY})
TOKENS = Tokens(Ed25519PrivateKey.from_private_bytes(bytes(32)))


async def answered(schema, context: Context, text: str, variables: dict | None = None, *, planning: bool = True):
    """Answer as a transport does: the whole way as long as the document is not known, and without plans if so wanted.

    The context is closed.
    """
    PlanningExecutor.planning = planning
    try:
        known = schema.known(text, None, variables, QUERIES)
        if known is None:
            return await schema.execute(text, variable_values=variables, context_value=context)
        return await schema.answer_known(
            known, variables=variables, context=context, operation_name=None, extensions=None
        )
    finally:
        PlanningExecutor.planning = True
        await context.aclose()


async def ask(world: World, viewer: Viewer, operation: str, *, key: str | None = None, **variables):
    """Execute one of our operation documents as a viewer; answers its only root field and its errors."""
    path = next((ROOT / "graphql" / "operations").rglob(f"{operation}.graphql"))
    return await execute(world, viewer, path.read_text(), key=key, **variables)


async def execute(world: World, viewer: Viewer, document: str, *, key: str | None = None, **variables):
    """Execute a document with one root field as a viewer."""
    house = House(office=world.office, hub=None, tokens=TOKENS, cursor_secret=bytes(32))
    context = Context(house, viewer, idempotency_key=key)
    try:
        result = await schema.execute(document, variable_values=variables, context_value=context)
    finally:
        await context.aclose()
    data = next(iter(result.data.values())) if result.data else None
    return data, result.errors or []
