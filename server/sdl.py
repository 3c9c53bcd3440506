"""The printed schema: graphql/schema.graphql is written from the code and never by hand."""

from strawberry.printer import print_schema

from schema.root import schema
from server.web import ROOT

FILE = ROOT / "graphql" / "schema.graphql"


def text() -> str:
    """Print the schema as it is served, with the directives that say who may ask."""
    return print_schema(schema) + "\n"


def refresh(*, check: bool) -> bool:
    """Write the file if it is stale, or only compare; true when the file is up to date in the end."""
    fresh = text()
    if FILE.read_text("utf-8") == fresh:
        return True
    if check:
        return False
    FILE.write_text(fresh, "utf-8")
    return True
