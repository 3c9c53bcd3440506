"""Uploads: a file is announced with its size and hash, and then sent in pieces (domain.md section 9).

What was announced is kept to: no other size and no other hash becomes a file.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select

from models.base import uuid7
from models.evidence import EvidenceItem, Upload, UploadState
from models.sessions import TERMINAL, DeliverySession, SessionPaper
from models.submissions import Submission, SubmissionItem
from services import content, plain
from services.content_kinds import FileUploadContent, QuestionKind
from services.content_parts import LARGEST_FILE
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound, StateDrift
from services.refusals_files import FileTooLarge, MediaTypeRefused, TooManyUploads
from services.sessions_hold import require_running
from services.work import Work
from storage.objects import key_of

TRIES: Final = 4
"""How many uploads a candidate may begin for each file that an item takes."""

LONGEST_FILE_NAME: Final = 255
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What an installation takes: bytes for each file, media types (`image/*` for all of a kind), unfinished at once.

    What was not finished, or not used, is kept for `kept`.
    """

    max_bytes: int = 1_073_741_824
    media_types: tuple[str, ...] = ("*/*",)
    unfinished: int = 5
    kept: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Announced:
    """A file as whoever sends it describes it; `size` in bytes, `sha256` in hexadecimal."""

    file_name: str
    media_type: str
    size: int
    sha256: str

    def checked(self, limits: UploadLimits) -> "Announced":
        """Return it in its canonical form; refuse what is malformed, too large, or of a kind that is not taken."""
        media_type, digest = self.media_type.strip().lower(), self.sha256.strip().lower()
        if not _MEDIA_TYPE.fullmatch(media_type):
            said = f"'{self.media_type[:80]}' is no media type."
            raise InvalidInput(said, path=["mediaType"], hint="Write it as application/pdf, without parameters.")
        if not _SHA256.fullmatch(digest):
            said = "A SHA-256 has 64 hexadecimal digits."
            raise InvalidInput(said, path=["sha256"], hint="Hash the whole file before it is sent.")
        if self.size < 1:
            raise InvalidInput(f"A file has 1 byte or more, not {self.size}.", path=["sizeBytes"])
        if self.size > limits.max_bytes:
            raise FileTooLarge(self.size, limits.max_bytes)
        if not is_taken(media_type, limits.media_types):
            raise MediaTypeRefused(media_type, limits.media_types)
        return Announced(_file_name(self.file_name), media_type, self.size, digest)


def is_taken(media_type: str, ranges: Sequence[str]) -> bool:
    """Tell whether a media type is one of `ranges`, of which each is a type, `kind/*` or `*/*`."""
    kind = media_type.partition("/")[0]
    return any(one in (media_type, f"{kind}/*", "*/*") for one in ranges)


def narrowed(limits: UploadLimits, asked: FileUploadContent) -> UploadLimits:
    """Return what is taken for an item: what the installation takes and the question accepts."""
    most = min(limits.max_bytes, asked.max_bytes or LARGEST_FILE)
    types = asked.accepted_media_types or limits.media_types
    return UploadLimits(most, types, limits.unfinished, limits.kept)


async def announce_own(work: Work, session_id: UUID, item_id: UUID, file: Announced, limits: UploadLimits) -> Answer:
    """Announce a file for an item of a candidate's own paper, while the session runs.

    Refuses an item that asks for no files, and more uploads than it may be tried.
    """
    await _lead(work)
    session = await _running(work, session_id)
    asked = await _asked(work, session_id, item_id)
    taken = narrowed(limits, asked)
    checked = file.checked(limits).checked(taken)
    begun = select(func.count()).where(Upload.session_id == session_id, Upload.item_id == item_id)
    if (await work.session.scalar(begun) or 0) >= asked.max_files * TRIES:
        raise TooManyUploads(f"{asked.max_files * TRIES} uploads were begun for this item, and no more are taken.")
    where = {"session_id": session_id, "item_id": item_id, "org_unit_id": session.org_unit_id}
    return await _announced(work, where, checked, limits)


async def announce(
    work: Work, submission_id: UUID | None, item_id: UUID | None, file: Announced, limits: UploadLimits
) -> Answer:
    """Announce a file for a submission as a whole or for one of its items."""
    await _lead(work)
    org_unit_id, submission, item = await place(work, submission_id, item_id)
    where = {"submission_id": submission, "submission_item_id": item, "org_unit_id": org_unit_id}
    return await _announced(work, where, file.checked(limits), limits)


async def place(work: Work, submission_id: UUID | None, item_id: UUID | None) -> tuple[UUID, UUID, UUID | None]:
    """Return org unit, submission and item of the one that is named; refuse both, neither, and what is not seen."""
    if (submission_id is None) == (item_id is None):
        said = "Name either a submission or one of its items."
        raise InvalidInput(said, path=["submissionId"], hint="Send one of submissionId and itemId.")
    if submission_id is not None:
        found = (await plain.by(work, Submission, "id", [submission_id]))[:1]
        if not found:
            raise NotFound("Submission", submission_id, path=["submissionId"])
        return found[0].org_unit_id, submission_id, None
    items = (await plain.by(work, SubmissionItem, "id", [item_id] if item_id else []))[:1]
    if not items:
        raise NotFound("SubmissionItem", item_id, path=["itemId"])
    return items[0].org_unit_id, items[0].submission_id, item_id


async def of_owner(work: Work, upload_id: UUID, *, held: bool = False) -> Upload:
    """Return an upload of the viewer's own; anybody else's does not exist, as far as the viewer is told.

    One that is held is not removed meanwhile.
    """
    wanted = select(Upload).where(Upload.id == upload_id, Upload.owner == work.viewer.principal)
    if held:
        wanted = wanted.with_for_update(read=True)
    found = (await work.session.scalars(wanted)).one_or_none()
    if found is None:
        raise NotFound("Upload", upload_id)
    return found


async def of_session(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, list[Upload]]:
    """Return the uploads of each of these sessions, oldest first."""
    found: dict[UUID, list[Upload]] = {one: [] for one in session_ids}
    for row in sorted(await plain.by(work, Upload, "session_id", session_ids), key=lambda one: one.id):
        found[row.session_id].append(row)  # pyright: ignore[reportArgumentType] - it was looked for by its session
    return found


async def require_open(work: Work, upload_id: UUID) -> Upload:
    """Return an upload that may be sent now; a candidate's session has to run."""
    upload = await of_owner(work, upload_id)
    if upload.state != UploadState.OPEN:
        raise StateDrift("The file has arrived.", current_state=upload.state.upper(), current_version=upload.size)
    if upload.session_id is not None:
        await _running(work, upload.session_id)
    return upload


async def finish(work: Work, upload_id: UUID) -> Answer:
    """Note that all of a file has arrived; a second time changes nothing.

    Refuses when the candidate's time is over by then, and an upload that was removed meanwhile.
    """
    wanted = select(Upload).where(Upload.id == upload_id).with_for_update()
    upload = (await work.session.scalars(wanted)).one_or_none()
    if upload is None:
        raise NotFound("Upload", upload_id)
    if upload.state == UploadState.OPEN:
        if upload.session_id is not None:
            await _running(work, upload.session_id)
        upload.state, upload.finished_at = UploadState.FINISHED, await work.now()
    return {"upload": str(upload_id)}


async def unused(work: Work, limit: int) -> list[Upload]:
    """Hold uploads that were not finished, or not used, within the time that they are kept.

    What was recorded between looking and holding is looked past: the second look sees it, and no other can come then.
    """
    wanted = select(Upload.id).where(_is_unused()).order_by(Upload.expires_at).limit(limit)
    held = list(await work.session.scalars(wanted.with_for_update(skip_locked=True)))
    return list(await work.session.scalars(select(Upload).where(Upload.id.in_(held), _is_unused())))


async def remove(work: Work, ids: Sequence[UUID]) -> None:
    """Forget uploads whose bytes are gone."""
    await work.session.execute(delete(Upload).where(Upload.id.in_(ids)))


def _is_unused() -> ColumnElement[bool]:
    recorded = exists().where(EvidenceItem.upload_id == Upload.id)
    goes_on = exists().where(DeliverySession.id == Upload.session_id, DeliverySession.state.not_in(TERMINAL))
    left = or_(Upload.state == UploadState.OPEN, ~recorded)
    return and_(Upload.expires_at < func.evalium_now(), ~goes_on, left)


async def _lead(work: Work) -> None:
    """Let uploads of one principal be announced one after the other, so that they are counted rightly."""
    await work.lock(f"uploads/{work.viewer.tenant_id}/{work.viewer.principal}")


async def _announced(work: Work, where: dict[str, Any], file: Announced, limits: UploadLimits) -> Answer:
    now, principal = await work.now(), work.viewer.principal
    unfinished = select(func.count()).where(
        Upload.owner == principal, Upload.state == UploadState.OPEN, Upload.expires_at > now
    )
    if (await work.session.scalar(unfinished) or 0) >= limits.unfinished:
        raise TooManyUploads(f"{limits.unfinished} uploads of yours are unfinished, and no more are begun before.")
    if work.viewer.tenant_id is None:
        raise LookupError("an upload belongs to a tenant")
    upload_id = uuid7()
    upload = Upload(
        id=upload_id,
        owner=principal,
        file_name=file.file_name,
        media_type=file.media_type,
        size=file.size,
        sha256=file.sha256,
        object_key=key_of(work.viewer.tenant_id, upload_id),
        expires_at=now + limits.kept,
        **where,
    )
    work.session.add(upload)
    await work.session.flush()
    return {"upload": str(upload_id)}


async def _running(work: Work, session_id: UUID) -> DeliverySession:
    found = (await work.session.scalars(select(DeliverySession).where(DeliverySession.id == session_id))).one_or_none()
    if found is None:
        raise NotFound("Session", session_id)
    require_running(found, await work.now())
    return found


async def _asked(work: Work, session_id: UUID, item_id: UUID) -> FileUploadContent:
    """Return what an item of a paper asks for; refuse one that is not on it, or asks for no files."""
    items = await work.session.scalar(select(SessionPaper.items).where(SessionPaper.session_id == session_id))
    item: dict[str, Any] | None = next((one for one in items or [] if one["item_id"] == str(item_id)), None)
    if item is None:
        raise NotFound("item of this paper", item_id, path=["itemId"])
    asked = content.parse_content(QuestionKind(item["kind"]), item["content"])
    if not isinstance(asked, FileUploadContent):
        raise InvalidInput("This item asks for no files.", path=["itemId"], hint="Answer it as its kind says.")
    return asked


def _file_name(given: str) -> str:
    """Return a file's name as it is shown; it never becomes a path."""
    name = unicodedata.normalize("NFC", given).strip()
    if not name or len(name) > LONGEST_FILE_NAME or not name.isprintable() or set(name) & set("/\\"):
        raise InvalidInput(
            f"A file name has 1 to {LONGEST_FILE_NAME} characters that can be shown, and no slash.",
            path=["fileName"],
            hint="Send the name alone, without its folder.",
        )
    return name
