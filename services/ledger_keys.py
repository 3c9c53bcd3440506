"""The public keys of checkpoints, past ones too, so that what an older key signed can still be verified.

A key that signs for the first time in a database puts itself there and vouches, with a signature of its own, for the
keys that it finds. What is put there later it does not vouch for: whoever writes into the table can add a key, and
nobody is told to trust it.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services import ledger
from services.ledger import Notary
from services.work import Work

_ENTER = (
    "insert into ledger_keys (key_id, vouched_by, public, signature) values ($1, $2, $3, $4) "
    "on conflict do nothing returning key_id"
)
_OTHERS = "select key_id, public, signature from ledger_keys where key_id = vouched_by and key_id <> $1"
_KNOWN = "select key_id, public, signature from ledger_keys where vouched_by = $1 order by at desc, key_id"


async def keep(work: Work, notary: Notary) -> int:
    """Put the notary's key into the database, and vouch for those before it; returns how many rows were added."""
    public = ledger.encoded(notary.public)
    if not await work.fetch(_ENTER, notary.key_id, notary.key_id, public, notary.vouch(notary.public)):
        return 0
    added = 1
    for row in await work.fetch(_OTHERS, notary.key_id):
        key = _genuine(row)
        if key is not None and ledger.is_vouched(key, row["signature"], key):
            await work.fetch(_ENTER, row["key_id"], notary.key_id, row["public"], notary.vouch(key))
            added += 1
    return added


async def known(work: Work, notary: Notary) -> dict[str, Ed25519PublicKey]:
    """Return the notary's key and those that it vouches for, by key id, its own first."""
    found = {notary.key_id: notary.public}
    for row in await work.fetch(_KNOWN, notary.key_id):
        key = _genuine(row)
        if key is not None and ledger.is_vouched(key, row["signature"], notary.public):
            found.setdefault(row["key_id"], key)
    return found


def _genuine(row: Mapping[str, Any]) -> Ed25519PublicKey | None:
    """Return the key of a row; None when it is no key, or not the one that its id names."""
    try:
        key = ledger.decoded(row["public"])
    except ValueError:
        return None
    return key if ledger.key_id(key) == row["key_id"] else None
