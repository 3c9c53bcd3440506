"""Pictures that somebody might choose as a badge."""

import base64
import io

from PIL import Image


def png(colour: str = "red", size: tuple[int, int] = (400, 400)) -> bytes:
    made = io.BytesIO()
    Image.new("RGBA", size, colour).save(made, "PNG")
    return made.getvalue()


def sent(colour: str = "red", size: tuple[int, int] = (400, 400)) -> str:
    """One in base64, as the API takes it."""
    return base64.b64encode(png(colour, size)).decode()
