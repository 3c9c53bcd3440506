"""Documents that are cheap to send and dear to answer, for the real schema; each must be refused."""


def fragments(levels: int) -> str:
    """Each fragment spreads the next one twice: 2 ** levels fields for a kilobyte."""
    links = (f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }} {' '.join(links)} fragment F{levels} on Query {{ {' '.join(f'a{n}: viewer {{ __typename }}' for n in range(31))} }}"


def nested_fragments(levels: int) -> str:
    """The same through fields, so that each level multiplies by lists: one fragment, spread twice a level."""
    again = "monitor(first: 100) {{ nodes {{ session {{ assignment {{ ...F{0} }} }} }} }}"
    links = (
        f"fragment F{n} on Assignment {{ a: {again.format(n + 1)} b: {again.format(n + 1)} }}" for n in range(levels)
    )
    return f"{{ assignments {{ nodes {{ ...F0 }} }} }} {' '.join(links)} fragment F{levels} on Assignment {{ id }}"


def circle() -> str:
    """Fragments without end."""
    return "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }"


BOMBS: dict[str, str] = {
    "fragments, 2^8": fragments(8),
    "fragments, 2^20": fragments(20),
    "fragments, 2^50": fragments(50),
    "fragments of lists, 200^8": nested_fragments(8),
    "circular fragments": circle(),
    "31 aliases": "{" + " ".join(f"a{n}: viewer {{ __typename }}" for n in range(32)) + "}",
    "390 aliases": "{" + " ".join(f"a{n}: viewer {{ __typename }}" for n in range(390)) + "}",
    "650 repeated objects": "{" + "viewer { __typename } " * 450 + "}",
    "11 directives": "{ viewer " + "@include(if: true) " * 11 + "{ __typename } }",
    "280 directives": "{ viewer " + "@include(if: true) " * 280 + "{ __typename } }",
    "unknown directives": "{ viewer " + "@x " * 900 + "{ __typename } }",
    "2,000 tokens and more": "{ viewer { " + "__typename " * 2_001 + "} }",
    "a body full of tokens": "{ " + "a " * 130_000 + "}",
    "a body full of brackets": "{ a(b: " + "[" * 130_000 + "]" * 130_000 + ") }",
    "a body full of braces": "{a" * 87_000 + "}" * 87_000,
    "900 levels of lists": "{ node(id: " + "[" * 900 + "]" * 900 + ") { id } }",
    "600 levels of fields": "{" + "node {" * 600 + "id" + "}" * 601,
    "a comment of 256 KiB": "#" + "x" * 262_000 + "\n{ nothing }",
    "a string of 256 KiB": '{ node(id: "' + "x" * 262_000 + '") { nothing } }',
    "lists in lists, 100^4": (
        "{ assignments(first: 100) { nodes { "
        + "monitor(first: 100) { nodes { session { assignment { " * 3
        + "id"
        + " } } } }" * 3
        + " } } }"
    ),
    "unknown fields": "{ " + " ".join(f"unknown{n}" for n in range(1_900)) + " }",
    "introspection in introspection": "{ __schema { types { "
    + "fields { type { " * 12
    + "name"
    + " } }" * 12
    + " } } }",
}
