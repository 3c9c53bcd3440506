"""Where this process keeps files, and which it takes, as the settings say."""

from datetime import timedelta

from server.settings import Settings
from services.uploads import UploadLimits
from storage.local import LocalStorage
from storage.objects import Storage


def storage(settings: Settings) -> Storage:
    """Return where files lie."""
    return LocalStorage(settings.files or settings.data / "files")


def limits(settings: Settings) -> UploadLimits:
    """Return what files are taken."""
    return UploadLimits(
        max_bytes=settings.upload_max_bytes,
        media_types=tuple(one.strip() for one in settings.upload_media_types.split(",")),
        unfinished=settings.uploads_unfinished,
        kept=timedelta(hours=settings.upload_hours),
    )
