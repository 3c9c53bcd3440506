"""What a candidate answers, as the API takes and shows it: one shape for each way of answering."""

from typing import Any

import strawberry

from schema.access import told
from schema.nodes import global_id, local_id
from services import markdown
from services.refusals import InvalidInput


@strawberry.type(description="One entry on the left and the one on the right that was matched to it.")
class Pair:
    """A matched pair."""

    left: str = told("Id of the entry on the left.")
    right: str = told("Id of the entry on the right.")


@strawberry.type(description="An answer. Only the field that fits the question's kind is set.")
class Response:
    """A response."""

    choice: str | None = told("Id of the chosen option: single choice, and true/false with `true` or `false`.")
    choices: list[str] | None = told("Ids of the chosen options: multiple choice.")
    value: str | None = told("A decimal number as text, such as `3.14`: numeric.")
    text: str | None = told("Short text and essay.")
    pairs: list[Pair] | None = told("Matching.")
    order: list[str] | None = told("Ids of all items in the chosen order: ordering.")
    files: list[strawberry.ID] | None = told("Global ids of the uploads that were handed in: file upload.")

    @strawberry.field(description="The text of a short text or an essay as safe HTML, read as Markdown; else null.")
    def text_html(self) -> str | None:
        """Render the text."""
        return None if self.text is None else markdown.to_html(self.text)

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> "Response | None":
        """Show a stored response; null when it was cleared or never given."""
        if stored is None:
            return None
        pairs, files = stored.get("pairs"), stored.get("files")
        return cls(
            choice=stored.get("choice"),
            choices=stored.get("choices"),
            value=stored.get("value"),
            text=stored.get("text"),
            pairs=None if pairs is None else [Pair(left=left, right=right) for left, right in pairs.items()],
            order=stored.get("order"),
            files=None if files is None else [global_id("Upload", one) for one in files],
        )


@strawberry.input(description="One entry on the left and the one on the right that is matched to it.")
class PairInput:
    """A pair to match."""

    left: str = told("Id of the entry on the left.")
    right: str = told("Id of the entry on the right.")


@strawberry.input(one_of=True, description="An answer: exactly one field, the one that fits the question's kind.")
class ResponseInput:
    """A response to save."""

    choice: str | None = told(
        "Id of the chosen option: single choice, and true/false with `true` or `false`.",
        default=strawberry.UNSET,
    )
    choices: list[str] | None = told(
        "Ids of the chosen options, at most 26: multiple choice.", default=strawberry.UNSET
    )
    value: str | None = told("A decimal number as text, like `3.14` or `6.02e23`: numeric.", default=strawberry.UNSET)
    text: str | None = told("Short text and essay.", default=strawberry.UNSET)
    pairs: list[PairInput] | None = told("Some or all pairs, at most 26: matching.", default=strawberry.UNSET)
    order: list[str] | None = told("Ids of all items in the chosen order: ordering.", default=strawberry.UNSET)
    files: list[strawberry.ID] | None = told(
        "Global ids of uploads to this item that have arrived, at most 20: file upload.", default=strawberry.UNSET
    )

    def plain(self) -> dict[str, Any]:
        """Return the response as the rules read it; refuse an entry on the left that is matched twice."""
        given = {
            name: value
            for name in ("choice", "choices", "value", "text", "order")
            if (value := getattr(self, name)) not in (strawberry.UNSET, None)
        }
        if self.files not in (strawberry.UNSET, None):
            place = ["response", "files"]
            given["files"] = [str(local_id("Upload", one, path=[*place, n])) for n, one in enumerate(self.files)]
        if self.pairs:
            pairs = {pair.left: pair.right for pair in self.pairs}
            if len(pairs) < len(self.pairs):
                raise InvalidInput("An entry on the left is matched twice.", path=["response", "pairs"])
            given["pairs"] = pairs
        return given
