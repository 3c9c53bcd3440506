"""Uploads: a file is announced by a mutation, sent to the address that it answers, and then named where it belongs."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.evidence import Upload as UploadRow
from models.evidence import UploadState
from resolvers import uploads
from resolvers.context import Context
from schema.access import Info, act, says, told
from schema.enums import closed_set
from schema.nodes import global_id, local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY
from services.uploads import Announced

closed_set(
    UploadState,
    "UploadState",
    "Whether all of a file has arrived.",
    {
        UploadState.OPEN: "Bytes are wanted.",
        UploadState.FINISHED: "All of it is here, with the hash that was announced.",
    },
)

SIZE = "Its size in bytes: 1 to what is taken, at most 2147483647. No other size arrives."
SHA256 = (
    "SHA-256 of the whole file, 64 hexadecimal digits. A file with another one is refused, and nothing of it is kept."
)


@strawberry.type(description="A header to send with a file.")
class UploadHeader:
    """A header."""

    name: str = told("Its name.")
    value: str = told("Its value.")


@strawberry.type(description="A file that is awaited, or has arrived: where to send it, and how much of it is here.")
class Upload:
    """An upload of staff."""

    row: strawberry.Private[UploadRow]
    id: strawberry.ID = told("Global id, to be named when the file is recorded.")
    file_name: str = told("The file's name, as it was announced; for showing only.")
    media_type: str = told("Its media type, as it was announced.")
    size_bytes: int = told("Its size in bytes, as it was announced.")
    sha256: str = told("Its SHA-256 in hexadecimal, as it was announced.")
    state: UploadState = told("Whether all of it is here.")
    expires_at: datetime = told("Until when it is kept, unless it is recorded by then.")

    @strawberry.field(description="How many bytes are here: go on behind them.")
    async def offset(self, info: Info) -> int:
        """Count what has arrived."""
        return await uploads.arrived(info.context, self.row)

    @strawberry.field(description="Where to send it, by PUT or in parts by PATCH, with the token that announced it.")
    def url(self, info: Info) -> str:
        """Tell the address."""
        return address(info.context, self.row)

    @strawberry.field(description="Headers to send with the first part by PATCH; `Authorization` is the caller's own.")
    def headers(self) -> list[UploadHeader]:
        """Tell the headers."""
        return headers(self.row)

    @classmethod
    def of(cls, row: UploadRow) -> "Upload":
        """Show an upload."""
        return cls(
            row=row,
            id=global_id("Upload", row.id),
            file_name=row.file_name,
            media_type=row.media_type,
            size_bytes=row.size,
            sha256=row.sha256,
            state=UploadState(row.state),
            expires_at=row.expires_at,
        )


def address(context: Context, row: UploadRow) -> str:
    """Return where to send a file."""
    return f"{context.house.site}/api/v1/uploads/{row.id}"


def headers(row: UploadRow) -> list[UploadHeader]:
    """Return what to send with a file."""
    given = {"Content-Type": "application/octet-stream", "Upload-Offset": "0", "Upload-Length": str(row.size)}
    return [UploadHeader(name=name, value=value) for name, value in given.items()]


@strawberry.type(description="What files the installation takes.")
class UploadLimitsInfo:
    """Limits."""

    max_bytes: int = told("Bytes that a file may have.")
    media_types: list[str] = told("Media types that are taken, `image/*` for all of a kind, `*/*` for every one.")
    unfinished: int = told("How many uploads one may have begun and not finished.")


@strawberry.input(description="A file to announce, for a submission or for one of its items.")
class UploadCreateInput:
    """Input of `uploadCreate`."""

    submission_id: strawberry.ID | None = told(
        "Global id of the submission, when it belongs to it as a whole.", default=None
    )
    item_id: strawberry.ID | None = told(
        "Global id of the submission's item, when it belongs to that; exactly one of both is sent.", default=None
    )
    file_name: str = told("The file's name, without its folder: 1 to 255 characters.")
    media_type: str = told("Its media type, without parameters, such as `application/pdf`.")
    size_bytes: int = told(SIZE)
    sha256: str = told(SHA256)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A file that may be sent now, or not.")
class UploadCreatePayload:
    """Answer of `uploadCreate`."""

    upload: Upload | None = told("The upload; null when the file was refused.")
    limits: UploadLimitsInfo = told("What files are taken here.")
    problems: list[Problem] = told("Why it was refused.")


@strawberry.type
class UploadsMutation:
    """Announcing files, by staff."""

    @act(
        uploads.upload_create,
        "Announce a file for a submission. Send it to `url` next, and record it with `evidenceRecord` once all of it "
        "is there.",
    )
    async def upload_create(
        self, info: Info, input: Annotated[UploadCreateInput, says("The file, and where it belongs.")]
    ) -> UploadCreatePayload:
        """Announce."""

        async def announce() -> UploadRow:
            submission, item = input.submission_id, input.item_id
            return await uploads.upload_create(
                info.context,
                None if submission is None else local_id("Submission", submission, path=["submissionId"]),
                None if item is None else local_id("SubmissionItem", item, path=["itemId"]),
                Announced(input.file_name, input.media_type, input.size_bytes, input.sha256),
                input.idempotency_key,
            )

        row, problems = await attempt(announce())
        return UploadCreatePayload(upload=row and Upload.of(row), limits=limits_of(info.context), problems=problems)


def limits_of(context: Context) -> UploadLimitsInfo:
    """Show what files the installation takes."""
    taken = uploads.limits(context)
    return UploadLimitsInfo(max_bytes=taken.max_bytes, media_types=list(taken.media_types), unfinished=taken.unfinished)
