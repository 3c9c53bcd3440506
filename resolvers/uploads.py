"""Uploads: announcing a file, and sending it through the address that is told then."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from uuid import UUID

from dataloaders import uploads as loaders
from models.capabilities import Capability
from models.evidence import Upload
from resolvers.access import candidate, requires
from resolvers.context import Context
from services import uploads, uploads_receive
from services.idempotency import Answer
from services.refusals import NotFound, Unauthenticated
from services.uploads import Announced, UploadLimits
from services.uploads_receive import Part
from services.viewer import Via
from services.work import Work


def limits(context: Context) -> UploadLimits:
    """Return what the installation takes."""
    return context.house.upload_limits


@requires(Capability.EVIDENCE_RECORD)
async def upload_create(
    context: Context, submission_id: UUID | None, item_id: UUID | None, file: Announced, key: str | None
) -> Upload:
    """Announce a file for a submission or one of its items."""

    async def act(work: Work) -> Answer:
        return await uploads.announce(work, submission_id, item_id, file, limits(context))

    given = {"submission": str(submission_id), "item": str(item_id), "file": asdict(file)}
    return await _read_back(context, await context.write("uploadCreate", key, given, act))


@candidate
async def my_upload_create(context: Context, item_id: UUID, file: Announced, key: str | None) -> Upload:
    """Announce a file for an item of the candidate's own paper."""
    session_id = context.viewer.session_id
    if session_id is None:
        raise Unauthenticated("This needs a candidate's session token.")

    async def act(work: Work) -> Answer:
        return await uploads.announce_own(work, session_id, item_id, file, limits(context))

    given = {"item": str(item_id), "file": asdict(file)}
    return await _read_back(context, await context.write("myUploadCreate", key, given, act))


async def of_session(context: Context, session_id: UUID) -> list[Upload]:
    """Return the uploads of a session that the viewer may see."""
    return await context.loaders.of(loaders.of_session).load(session_id)


async def arrived(context: Context, upload: Upload) -> int:
    """Return how many bytes of an upload are here."""
    return await context.house.files.arrived(upload.object_key)


async def told(context: Context, upload_id: UUID) -> tuple[Upload, int]:
    """Return an upload of the viewer's own, and how many bytes of it are here."""
    await _may_send(context)
    upload = await context.read(uploads.of_owner, upload_id)
    return upload, await arrived(context, upload)


async def received(context: Context, upload_id: UUID, pieces: AsyncIterator[bytes], part: Part) -> tuple[Upload, int]:
    """Take in pieces of the viewer's own upload; return it, and how many bytes of it are here."""
    await _may_send(context)
    upload = await context.read(uploads.require_open, upload_id)
    await context.refresh()  # no transaction is open while a file arrives, however long that takes
    uploads_receive.require_room(upload, part)

    async def finish() -> None:
        async def act(work: Work) -> Answer:
            return await uploads.finish(work, upload_id)

        await context.house.office.perform(context.viewer, act, repeatable=True)

    return upload, await uploads_receive.receive(context.house.files, upload, pieces, finish, part)


@requires(Capability.EVIDENCE_RECORD)
async def _as_staff(_context: Context) -> None:
    """Let staff send files."""


@candidate
async def _as_candidate(_context: Context) -> None:
    """Let a candidate send files."""


async def _may_send(context: Context) -> None:
    await (_as_candidate if context.viewer.via is Via.SESSION else _as_staff)(context)


async def _read_back(context: Context, answer: Answer) -> Upload:
    upload_id = UUID(answer["upload"])
    row = await context.loaders.of(loaders.by_id).load(upload_id)
    if row is None:  # it was announced under this key before, was not used, and is removed
        raise NotFound("Upload", upload_id)
    return row
