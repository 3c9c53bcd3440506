"""What a candidate sees of the files that they send with their answers."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.evidence import Upload as UploadRow
from models.evidence import UploadState
from resolvers import evidence, uploads
from schema.access import Info, act, says, told
from schema.nodes import global_id, local_id
from schema.problems import Problem, attempt
from schema.uploads import SHA256, SIZE, UploadHeader, UploadLimitsInfo, address, headers, limits_of
from schema.users_acts import KEY
from services.uploads import Announced


@strawberry.type(description="A file of the candidate: where to send it, and how much of it is here.")
class MyUpload:
    """An upload of a candidate."""

    row: strawberry.Private[UploadRow]
    id: strawberry.ID = told("Global id, to be named in the answer once all of the file is here.")
    item_id: strawberry.ID | None = told("Global id of the item that it is for.")
    file_name: str = told("The file's name, as it was announced.")
    media_type: str = told("Its media type, as it was announced.")
    size_bytes: int = told("Its size in bytes, as it was announced.")
    sha256: str = told("Its SHA-256 in hexadecimal, as it was announced.")
    state: UploadState = told("Whether all of it is here.")
    expires_at: datetime = told("Until when it is kept, unless it is handed in by then or the session goes on.")

    @strawberry.field(description="How many bytes are here: go on behind them.")
    async def offset(self, info: Info) -> int:
        """Count what has arrived."""
        return await uploads.arrived(info.context, self.row)

    @strawberry.field(description="Where to send it, by PUT or in parts by PATCH, with the session's token.")
    def url(self, info: Info) -> str:
        """Tell the address."""
        return address(info.context, self.row)

    @strawberry.field(description="Headers to send with the first part by PATCH; `Authorization` is the caller's own.")
    def headers(self) -> list[UploadHeader]:
        """Tell the headers."""
        return headers(self.row)

    @strawberry.field(description="Where to download it again, once it was handed in; null before.")
    async def content_url(self, info: Info) -> str | None:
        """Tell the address."""
        handed_in = (await evidence.of_uploads(info.context, [self.row.id]))[0]
        return handed_in and f"{info.context.house.site}/api/v1/evidence/{handed_in.id}/content"

    @classmethod
    def of(cls, row: UploadRow) -> "MyUpload":
        """Show an upload."""
        return cls(
            row=row,
            id=global_id("Upload", row.id),
            item_id=None if row.item_id is None else global_id("PaperItem", row.item_id),
            file_name=row.file_name,
            media_type=row.media_type,
            size_bytes=row.size,
            sha256=row.sha256,
            state=UploadState(row.state),
            expires_at=row.expires_at,
        )


@strawberry.input(description="A file to announce, for an item of the candidate's own paper.")
class MyUploadCreateInput:
    """Input of `myUploadCreate`."""

    item_id: strawberry.ID = told("Global id of the item.")
    file_name: str = told("The file's name, without its folder: 1 to 255 characters.")
    media_type: str = told("Its media type, without parameters, such as `application/pdf`.")
    size_bytes: int = told(SIZE)
    sha256: str = told(SHA256)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A file that may be sent now, or not.")
class MyUploadCreatePayload:
    """Answer of `myUploadCreate`."""

    upload: MyUpload | None = told("The upload; null when the file was refused.")
    limits: UploadLimitsInfo = told("What files the installation takes; the item's content tells what it accepts.")
    problems: list[Problem] = told("Why it was refused.")


@strawberry.type
class MyUploadsMutation:
    """Announcing files, by a candidate."""

    @act(
        uploads.my_upload_create,
        "Announce a file for an item of the own paper, while the session runs. Send it to `url` next, and name it in "
        "the answer once all of it is there.",
    )
    async def my_upload_create(
        self, info: Info, input: Annotated[MyUploadCreateInput, says("The file, and for which item.")]
    ) -> MyUploadCreatePayload:
        """Announce."""

        async def announce() -> UploadRow:
            item_id = local_id("PaperItem", input.item_id, path=["itemId"])
            file = Announced(input.file_name, input.media_type, input.size_bytes, input.sha256)
            return await uploads.my_upload_create(info.context, item_id, file, input.idempotency_key)

        row, problems = await attempt(announce())
        return MyUploadCreatePayload(upload=row and MyUpload.of(row), limits=limits_of(info.context), problems=problems)
