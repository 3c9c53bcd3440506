"""The schema, assembled: one line per subject."""

from strawberry.tools import merge_types

from schema.identity import IdentityQuery

Query = merge_types("Query", (IdentityQuery,))
