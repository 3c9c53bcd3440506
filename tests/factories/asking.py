"""GraphQL asked in process, as a viewer, without a server."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resolvers.context import Context, House
from schema.root import schema
from services.tokens import Tokens
from services.viewer import Viewer
from tests.factories.tenants import World

ROOT = Path(__file__).parents[2]
TOKENS = Tokens(Ed25519PrivateKey.from_private_bytes(bytes(32)))


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
