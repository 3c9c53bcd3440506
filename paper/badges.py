"""What becomes of an image that somebody gives as a badge: a square PNG of ours, with nothing else in it.

The image is decoded and drawn anew, so that no metadata, no second frame and no byte of the original is kept.
"""

import io
import warnings
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

SIDE: Final = 400
"""Width and height of a badge, in pixels."""

MOST_BYTES: Final = 180_000
"""The largest file that is taken: as base64, with the rest of the request, it stays below 256 KiB."""

LEAST_SIDE: Final = 128
MOST_SIDE: Final = 2_000


class NotABadgeError(Exception):
    """The file cannot become a badge; the message says why, in words for whoever sent it."""


def drawn(file: bytes) -> bytes:
    """Return the image as a PNG of 400 by 400 pixels: fitted in whole, and transparent where it is not square.

    Raises `NotABadgeError` for what is no PNG, broken, animated, too large a file, or a side of too few or many pixels.
    """
    if len(file) > MOST_BYTES:
        raise NotABadgeError(f"The image has {len(file)} bytes; at most {MOST_BYTES} are taken.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is looked at below
            with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
                _check(image)
                image.load()
                whole = ImageOps.exif_transpose(image).convert("RGBA")
    except UnidentifiedImageError as error:
        raise NotABadgeError("The image is not a PNG.") from error
    except Image.DecompressionBombError as error:
        raise NotABadgeError(f"The image has more than {MOST_SIDE} pixels a side.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise NotABadgeError("The image is broken.") from error
    return _encoded(whole)


def _check(image: Image.Image) -> None:
    if not (min(image.size) >= LEAST_SIDE and max(image.size) <= MOST_SIDE):
        said = f"The image has {image.width} by {image.height} pixels; each side must have"
        raise NotABadgeError(f"{said} {LEAST_SIDE} to {MOST_SIDE}.")
    if getattr(image, "n_frames", 1) != 1:
        raise NotABadgeError("The image is animated.")


def _encoded(whole: Image.Image) -> bytes:
    fitted = ImageOps.contain(whole, (SIDE, SIDE), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    square.paste(fitted, ((SIDE - fitted.width) // 2, (SIDE - fitted.height) // 2))
    made = io.BytesIO()
    square.save(made, "PNG", optimize=True)
    return made.getvalue()
