"""Cursors: positions in commit order, as opaque tokens that are good for one stream of one cluster.

A row's position is the id of the transaction that wrote it and then its own id. A token is refused, and never answered
with an empty stream, when it is altered, foreign, from another cluster, or older than seven days.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import UUID

EPOCH_SQL: Final = (
    "select s.system_identifier::text || '/' || c.timeline_id::text || '/' || d.oid::text "
    "from pg_control_system() s, pg_control_checkpoint() c, pg_database d where d.datname = current_database()"
)
"""Names the cluster, its timeline and the database: transaction ids mean nothing in another one."""

LIFE: Final = timedelta(days=7)
LEEWAY: Final = timedelta(seconds=60)

_ERA: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_VERSION: Final = 1
_BODY: Final = struct.Struct(">B8s8sQ16sQ")
_SEAL: Final = 16


class CursorRefused(ValueError):  # noqa: N818 - it is refused, nothing went wrong
    """The token is not a cursor of this stream, here and now; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a stream: everything up to and including (xid, id) lies behind it."""

    xid: int
    id: UUID

    @classmethod
    def start(cls) -> Self:
        """Before everything."""
        return cls(0, UUID(int=0))

    @classmethod
    def before(cls, xmin: int) -> Self:
        """Behind everything that a transaction below `xmin` wrote, before everything else."""
        return cls(xmin - 1, UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Cursors:
    """Seals positions into tokens and reads them back; `epoch` is what `EPOCH_SQL` says."""

    secret: bytes
    epoch: str

    def issue(self, stream: str, position: Position, at: datetime) -> str:
        """Return the token of a position. `stream` names tenant, stream and filter; the token is bound to it."""
        body = _BODY.pack(
            _VERSION,
            _short(self.epoch),
            _short(stream),
            position.xid,
            position.id.bytes,
            (at - _ERA) // _TICK,
        )
        return _written(body + self._seal(body))

    def read(self, token: str, stream: str, now: datetime) -> Position:
        """Return the position of a token, or raise `CursorRefused`."""
        return self.read_with_time(token, stream, now)[0]

    def read_with_time(self, token: str, stream: str, now: datetime) -> tuple[Position, datetime]:
        """Return the position of a token and when it was issued, or raise `CursorRefused`."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            body, seal = raw[: _BODY.size], raw[_BODY.size :]
            version, epoch, bound, xid, row, issued = _BODY.unpack(body)
        except (binascii.Error, struct.error, ValueError) as error:
            raise CursorRefused("it is not a cursor") from error
        if _written(raw) != token or not hmac.compare_digest(seal, self._seal(body)):
            raise CursorRefused("it was altered or made elsewhere")
        if version != _VERSION or epoch != _short(self.epoch):
            raise CursorRefused("it comes from another database cluster")
        if bound != _short(stream):
            raise CursorRefused("it belongs to another stream")
        at = _ERA + issued * _TICK
        if now - at > LIFE or now - at < -LEEWAY:
            raise CursorRefused(f"cursors are good for {LIFE.days} days")
        return Position(xid, UUID(bytes=row)), at

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha256")[:_SEAL]


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _short(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:8]
