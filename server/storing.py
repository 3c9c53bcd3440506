"""Where this process keeps files, and which it takes, as the settings say."""

from datetime import timedelta
from pathlib import Path

from server.settings import Settings
from services.uploads import UploadLimits
from storage.local import LocalStorage
from storage.objects import Storage
from storage.s3 import Bucket, S3Storage


def storage(settings: Settings) -> Storage:
    """Return where files lie: in a bucket, if one is configured, else in a directory."""
    local = LocalStorage(folder(settings))
    if settings.s3_bucket is None:
        return local
    secret = settings.s3_secret_key
    bucket = Bucket(
        settings.s3_bucket,
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_access_key,
        None if secret is None else secret.get_secret_value(),
    )
    return S3Storage(bucket, local)


def folder(settings: Settings) -> Path:
    """Return the directory of files, or of what has not arrived whole."""
    return settings.files or settings.data / "files"


def limits(settings: Settings) -> UploadLimits:
    """Return what files are taken."""
    return UploadLimits(
        max_bytes=settings.upload_max_bytes,
        media_types=tuple(one.strip() for one in settings.upload_media_types.split(",")),
        unfinished=settings.uploads_unfinished,
        kept=timedelta(hours=settings.upload_hours),
    )
