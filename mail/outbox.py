"""Where mails land when no mail server is configured: a folder of this machine, one file for each, for its owner only.

A file is named by the message, so that a mail that is handed over twice lies there once.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from mail.post import Letter, Receipt, Sender, message_id, mime

MOST_KEPT: Final = 1000
PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail of the outbox, and when it was handed over."""

    at: datetime
    letter: Letter


class Outbox:
    """A folder that takes mails; the newest thousand are kept."""

    def __init__(self, folder: Path, sender: Sender) -> None:
        self._folder = folder
        self._sender = sender

    async def deliver(self, letter: Letter) -> Receipt:
        """Put a mail into the folder; what no mail server would take bounces here, too."""
        mime(letter, self._sender)
        await asyncio.to_thread(self._write, letter)
        return Receipt(message_id(letter, self._sender), "kept in the outbox of this machine")

    async def close(self) -> None:
        """Nothing is held open."""

    def listed(self) -> Sequence[Kept]:
        """Return the mails, newest first."""
        return [kept for path in self._files() if (kept := _read(path)) is not None]

    def one(self, message: UUID) -> Kept | None:
        """Return one mail; None when it is not there (any more)."""
        return _read(self._folder / f"{message}.json")

    def _files(self) -> list[Path]:
        # A message's id begins with its time, so the names are in order.
        return sorted(self._folder.glob("*.json"), reverse=True) if self._folder.is_dir() else []

    def _write(self, letter: Letter) -> None:
        self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        draft = self._folder / f".{letter.id}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps({"at": datetime.now(UTC), **asdict(letter)}))
        draft.replace(self._folder / f"{letter.id}.json")
        for old in self._files()[MOST_KEPT:]:
            old.unlink(missing_ok=True)


def _read(path: Path) -> Kept | None:
    try:
        told: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    at = datetime.fromisoformat(told.pop("at"))
    told["id"] = UUID(told["id"])
    return Kept(at, Letter(**told))
