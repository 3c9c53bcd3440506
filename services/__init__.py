"""WHETHER it may happen: rules and transactions; no GraphQL and no HTTP."""
