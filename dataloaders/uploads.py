"""Uploads by their id or by the session that they belong to."""

from uuid import UUID

from models.evidence import Upload
from services import plain, uploads
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Upload | None]:
    """Return the uploads with these ids, in order; None where there is none to be seen."""
    found = {row.id: row for row in await plain.by(work, Upload, "id", ids)}
    return [found.get(one) for one in ids]


async def of_session(work: Work, session_ids: list[UUID]) -> list[list[Upload]]:
    """Return the uploads of each session, in order."""
    found = await uploads.of_session(work, session_ids)
    return [found[one] for one in session_ids]
