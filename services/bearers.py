"""The directory of bearers: whose tenant something belongs to that is shown before the tenant is known.

Row policies open it for the very hash that is shown and for nothing else, so no role sees all of it (domain.md
section 2).
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.sign_ins import Bearer, BearerKind
from services.viewer import Viewer
from services.work import Office, Work


@dataclass(frozen=True, slots=True)
class Found:
    """Where what was shown belongs: a tenant, and the person, link or token in it."""

    tenant_id: UUID
    subject_id: UUID


def hashed(secret: str) -> str:
    """Return the SHA-256 in hexadecimal under which a secret is kept and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def find(office: Office, kind: BearerKind, bearer_hash: str) -> list[Found]:
    """Return what bears this hash, in every tenant; a plain read of one index entry."""
    async with office.snapshot(Viewer.bearing(bearer_hash)) as work:
        wanted = select(Bearer.tenant_id, Bearer.subject_id).where(Bearer.hash == bearer_hash, Bearer.kind == kind)
        return [Found(*row) for row in await work.rows(wanted.order_by(Bearer.tenant_id, Bearer.subject_id))]


def enter(work: Work, kind: BearerKind, bearer_hash: str, subject_id: UUID) -> None:
    """Enter a hash into the directory, in the transaction that makes what it belongs to."""
    work.session.add(Bearer(kind=kind, hash=bearer_hash, subject_id=subject_id))
