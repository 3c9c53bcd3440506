"""WHAT may be asked: GraphQL types, inputs, payloads, descriptions and limits."""
