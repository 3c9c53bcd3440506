"""Bounds the work of checking that fields of the same name can be merged, before validation does that work.

The check compares every pair of fields with the same response name on the same path, through all fragments. It is
quadratic in repeats: 30 times `a` with 14 times `b` in each is 420 fields, and 88,000 pairs.
"""

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from services.refusals import LimitExceeded

MAX_PAIRS = 4_000
MAX_STEPS = 40_000


class OverlapCounter:
    """Counts the pairs that validation would compare; a set of levels that was merged before is not read again."""

    def __init__(self, document: DocumentNode) -> None:
        self.pairs = 0
        self.steps = 0
        self._fragments = {
            node.name.value: node.selection_set
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._waiting = [
            [node.selection_set]
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
        ]
        self._merged: set[frozenset[int]] = set()

    def count(self) -> None:
        """Count until done; refuses the document as soon as it is too entangled to be validated quickly."""
        while self._waiting:
            level = self._waiting.pop()
            key = frozenset(map(id, level))
            if key in self._merged:
                continue
            self._merged.add(key)
            for nodes in self._fields(level).values():
                self.pairs += len(nodes) * (len(nodes) - 1) // 2
                if inner := [node.selection_set for node in nodes if node.selection_set]:
                    self._waiting.append(inner)
            if self.pairs > MAX_PAIRS or self.steps > MAX_STEPS:
                raise LimitExceeded(
                    f"The document selects the same fields again and again in the same place: more than {MAX_PAIRS} "
                    "pairs would have to be compared.",
                    hint="Select each field once per level, and keep fragments on one level few.",
                )

    def _fields(self, level: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Return the fields of the merged level by response name; each fragment is spread once."""
        fields: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting = list(level)
        while waiting:
            for node in waiting.pop().selections:
                self.steps += 1
                if isinstance(node, FieldNode):
                    fields.setdefault((node.alias or node.name).value, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    if node.name.value in self._fragments:
                        waiting.append(self._fragments[node.name.value])
        return fields
