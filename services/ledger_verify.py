"""The verifier of an exported ledger: it needs the file, and better also a checkpoint and a key kept elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services import ledger
from services.ledger import Checkpoint

SLACK: Final = timedelta(minutes=10)
"""How much earlier than the row before it a row may tell to have been written: transactions last a minute at most."""


class Broken(ValueError):  # noqa: N818 - the ledger is broken, the verifier is not
    """The ledger is not what was sealed; `position` is the first row that shows it, None when no row does."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: exit code 0 intact, 1 broken, 3 intact but with remarks."""

    is_intact: bool
    message: str
    position: int | None = None
    rows: int = 0
    left_out: int = 0
    unsealed: int = 0
    checkpoint: Checkpoint | None = None
    remarks: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """Return what a command ends with."""
        return 1 if not self.is_intact else 3 if self.remarks else 0


@dataclass
class Verifier:
    """Follows a chain row by row; raises `Broken` at the first row that does not fit."""

    tenant_id: str
    position: int = 0
    head: str = ledger.GENESIS
    rows: int = 0
    left_out: int = 0
    unsealed: int = 0
    remarks: list[str] = field(default_factory=list[str])
    marks: dict[int, str] = field(default_factory=dict[int, str])
    _latest: datetime | None = None

    def row(self, given: Mapping[str, Any], sealed: str) -> None:
        """Take in the next sealed row: its content and the hash that it was sealed with."""
        position = given.get("position")
        self._expect(position)
        if given.get("tenant_id") != self.tenant_id:
            raise Broken(f"The row at position {position} belongs to another tenant.", self.position)
        self._extend(ledger.digest(dict(given)), sealed)
        self.rows += 1
        self._watch_clock(str(given.get("at")))

    def gone(self, position: int) -> None:
        """Take in a seal whose row is not there any more."""
        raise Broken(f"The row at position {position} is gone: only its seal is left.", position)

    def skip(self, position: int, content: str, sealed: str) -> None:
        """Take in a row that a filter left out, of which the digest alone is shown."""
        self._expect(position)
        self._extend(content, sealed)
        self.left_out += 1

    def check(self, kept: Checkpoint, keys: Mapping[str, Ed25519PublicKey]) -> bool:
        """Hold a checkpoint against the chain; False when it lies before the first row that was shown.

        Without a key of its id, its signature cannot be judged, which is a remark.
        """
        name = f"checkpoint {kept.number}"
        if kept.tenant_id != self.tenant_id:
            raise Broken(f"The {name} is of another tenant.")
        key = keys.get(kept.key_id)
        if key is None:
            self.remark(f"The signature of {name} was not checked: no key '{kept.key_id}' was given.")
        elif not kept.is_signed_by(key):
            raise Broken(f"The {name} does not bear a valid signature of key '{kept.key_id}'.")
        if kept.count > self.position:
            missing = kept.count - self.position
            raise Broken(
                f"The tail is cut: {name} of {kept.time} covers {kept.count} rows, and the chain ends at position "
                f"{self.position}; {missing} rows are missing, or this is an older copy.",
                self.position + 1,
            )
        found = self.marks.get(kept.count)
        if found is None:
            return False
        if found != kept.head:
            raise Broken(
                f"The chain is another one than that of {name} of {kept.time}: at position {kept.count} the hash is "
                f"{found[:16]}…, and was {kept.head[:16]}…. It was rewritten, or an older copy was written on.",
                kept.count,
            )
        return True

    def remark(self, text: str) -> None:
        """Add a remark once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def _expect(self, position: object) -> None:
        wanted = self.position + 1
        if type(position) is not int:
            raise Broken(f"After position {self.position} comes a row without a position.", wanted)
        if position > wanted:
            raise Broken(f"The row at position {wanted} is missing: after {self.position} comes {position}.", wanted)
        if position < wanted:
            raise Broken(f"The row at position {position} comes again, or out of order, after {self.position}.", wanted)

    def _extend(self, content: str, sealed: str) -> None:
        wanted = self.position + 1
        found = ledger.link(self.tenant_id, wanted, self.head, content)
        if found != sealed:
            raise Broken(
                f"The row at position {wanted} does not have the content, or does not follow the row, that it was "
                "sealed with: it or the row before it was changed, exchanged, put in or taken out.",
                wanted,
            )
        self.position, self.head = wanted, found
        self.marks[wanted] = found

    def _watch_clock(self, told: str) -> None:
        try:
            at = datetime.fromisoformat(told).astimezone(UTC)
        except ValueError:
            raise Broken(f"The row at position {self.position} tells no time.", self.position) from None
        if self._latest is not None and at < self._latest - SLACK:
            self.remark(f"The row at position {self.position} tells an earlier time ({told}) than rows before it.")
        self._latest = at if self._latest is None else max(at, self._latest)


def verdict(verifier: Verifier, kept: Iterable[Checkpoint], keys: Mapping[str, Ed25519PublicKey]) -> Verdict:
    """Hold the checkpoints against a chain that was followed to its end, and say how far it is intact."""
    covered: Checkpoint | None = None
    for one in kept:
        if verifier.check(one, keys) and (covered is None or one.count > covered.count):
            covered = one
    if covered is None:
        message = f"Intact as a chain up to position {verifier.position}, but no checkpoint covers it."
        verifier.remark("Without a checkpoint, a chain that was recomputed as a whole looks the same.")
    else:
        message = f"Intact up to checkpoint {covered.number} (position {covered.count}, time {covered.time})."
        if verifier.position > covered.count:
            message += f" {verifier.position - covered.count} sealed rows after it are intact as a chain."
    if verifier.unsealed:
        message += f" {verifier.unsealed} rows at the end are not sealed yet."
    return Verdict(
        is_intact=True,
        message=message,
        rows=verifier.rows,
        left_out=verifier.left_out,
        unsealed=verifier.unsealed,
        checkpoint=covered,
        remarks=tuple(verifier.remarks),
    )


def verify(
    lines: Iterable[str], kept: Sequence[Checkpoint] = (), keys: Mapping[str, Ed25519PublicKey] | None = None
) -> Verdict:
    """Verify an exported file; raises `ValueError` only for what is no export at all."""
    verifier: Verifier | None = None
    inside: list[Checkpoint] = []
    ended = False
    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            given = _object(text, number, verifier)
            if verifier is None:
                verifier = _begin(given)
                continue
            ended = given.get("kind") == "end"
            _take(verifier, given, inside)
        if verifier is None:
            raise ValueError("The file is empty.")
        if not ended:
            raise Broken("The file is cut: its last line is not the end of an export.", verifier.position + 1)  # noqa: TRY301 - one handler for all that is broken
        return verdict(verifier, [*inside, *kept], keys or {})
    except Broken as broken:
        rows = 0 if verifier is None else verifier.rows
        return Verdict(is_intact=False, message=str(broken), position=broken.position, rows=rows)


def _object(text: str, number: int, verifier: Verifier | None) -> dict[str, Any]:
    try:
        given = ledger.parse(text)
    except (ValueError, RecursionError) as error:
        if verifier is None:
            raise ValueError("The file is not an export of an activity ledger.") from error
        raise Broken(f"Line {number} is not JSON.", verifier.position + 1) from error
    if not isinstance(given, dict):
        raise Broken(f"Line {number} is not an object.", None if verifier is None else verifier.position + 1)
    return cast("dict[str, Any]", given)


def _begin(given: Mapping[str, Any]) -> Verifier:
    first, previous = given.get("first_position"), given.get("previous")
    if given.get("kind") != "export" or given.get("version") != ledger.VERSION:
        raise ValueError("The file is not an export of an activity ledger in a version that is known here.")
    if type(first) is not int or first < 1 or not isinstance(previous, str):
        raise Broken("The first line does not say where the chain begins.")
    if first == 1 and previous != ledger.GENESIS:
        raise Broken("The first row must follow nothing.", 1)
    verifier = Verifier(str(given.get("tenant_id")), position=first - 1, head=previous)
    if first > 1:
        verifier.marks[first - 1] = previous
    return verifier


def _take(verifier: Verifier, given: dict[str, Any], inside: list[Checkpoint]) -> None:
    match given.pop("kind", None):
        case "row":
            verifier.row(given, str(given.pop("hash", "")))
        case "left_out":
            verifier.skip(cast("int", given.get("position")), str(given.get("digest")), str(given.get("hash")))
        case "gone":
            verifier.gone(verifier.position + 1)
        case "checkpoint":
            inside.append(_checkpoint(given))
        case "unsealed":
            verifier.unsealed += 1
        case "end":
            pass
        case other:
            raise Broken(f"A line of kind '{other}' is not known.", verifier.position + 1)


def _checkpoint(given: dict[str, Any]) -> Checkpoint:
    try:
        return Checkpoint.of(given)
    except ValueError as error:
        raise Broken(f"A checkpoint in the file cannot be read: {error}.") from error
