"""Refusals of files that are sent, and of papers, pictures and credentials that are to be had."""

from collections.abc import Sequence

from services.refusals import Refusal


class FileTooLarge(Refusal):
    """The file has more bytes than are taken here."""

    code = "FILE_TOO_LARGE"
    hint = "Send a smaller file, or several."

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"The file has {size} bytes; at most {most} are taken.", path=["sizeBytes"])


class MediaTypeRefused(Refusal):
    """Files of this media type are not taken here."""

    code = "MEDIA_TYPE_REFUSED"
    hint = "Send the file in one of the formats that are taken."

    def __init__(self, media_type: str, taken: Sequence[str]) -> None:
        super().__init__(f"'{media_type}' is not taken; taken are {', '.join(taken)}.", path=["mediaType"])


class TooManyUploads(Refusal):
    """As many uploads as one may have are begun, and not finished."""

    code = "TOO_MANY_UPLOADS"
    hint = "Finish what was begun; what is left lying is removed by itself."


class ChecksumMismatch(Refusal):
    """What arrived has another SHA-256 than was announced; nothing of it is kept."""

    code = "CHECKSUM_MISMATCH"
    hint = "Send the whole file again, or announce it anew with the hash that it has."

    def __init__(self, found: str, announced: str) -> None:
        super().__init__(f"The file that arrived has the SHA-256 {found}; announced was {announced}.")


class FileLost(Refusal):
    """The bytes of a file that was recorded are not where they were stored."""

    code = "FILE_LOST"
    hint = "Tell whoever runs the installation: the file has to come back from a backup."

    def __init__(self) -> None:
        super().__init__("The file is recorded, and its bytes cannot be found.")


class CertificateRevoked(Refusal):
    """A certificate that was revoked is not printed any more."""

    code = "CERTIFICATE_REVOKED"
    hint = "Take the certificate that has its place, if there is one; staff see why it was revoked."

    def __init__(self, certificate_id: object) -> None:
        super().__init__(f"The certificate '{certificate_id}' was revoked, so it is not printed any more.")


class ImageRefused(Refusal):
    """The file is no image that can become a badge."""

    code = "IMAGE_REFUSED"
    hint = "Send a PNG of at most 180000 bytes, 128 to 2000 pixels a side, that is not animated."


class Unprintable(Refusal):
    """A certificate says something in characters that no font of the installation has."""

    code = "UNPRINTABLE"
    hint = "Have whoever runs the installation put a font that has them where EVALIUM_FONTS leads."

    def __init__(self, characters: str) -> None:
        super().__init__(f"No font has '{characters}', so the certificate cannot be printed.")


class CredentialKeyLost(Refusal):
    """The key that signs the tenant's credentials cannot be opened: it was sealed with another signing key."""

    code = "CREDENTIAL_KEY_LOST"
    hint = "Have a Tenant Admin rotate the tenant's credential key; what was signed before stays valid."

    def __init__(self, thumbprint: str) -> None:
        super().__init__(f"The credential key '{thumbprint}' cannot be opened, so nothing can be signed with it.")
