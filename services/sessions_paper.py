"""The paper of one session: drawn from the evaluation, public parts only, and kept (domain.md sections 4 and 6)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services import authoring, content, drawing
from services.content import QuestionKind
from services.work import Work


@dataclass(frozen=True, slots=True)
class Paper:
    """What the candidate gets to see: Markdown texts and items in order. No key is in it."""

    title: str
    instructions: str
    items: list[dict[str, Any]]


async def draw(work: Work, evaluation_version_id: UUID, seed: int) -> Paper:
    """Draw the paper that a seed gives; the same seed and version give the same paper for ever."""
    plan = await authoring.blueprint(work, evaluation_version_id)
    items = [_item(plan.items[drawn.item_id], drawn) for drawn in drawing.draw(plan.sections, seed)]
    return Paper(plan.version.title, plan.version.instructions, items)


def _item(item: authoring.BlueprintItem, drawn: drawing.DrawnItem) -> dict[str, Any]:
    """Write one drawn item as the paper keeps it, its options in the drawn order."""
    kind = QuestionKind(item.kind)
    shown = content.arranged(content.parse_content(kind, item.content), drawn.option_order)
    return {
        "position": drawn.position,
        "item_id": str(item.item_id),
        "question_version_id": str(item.question_version_id),
        "section": item.section_title,
        "kind": kind.value,
        "stem": item.stem,
        "content": content.to_json(shown),
        "points": str(item.points),
    }
