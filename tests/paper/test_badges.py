import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from paper import badges
from paper.badges import NotABadgeError


def file(size: tuple[int, int], form: str = "PNG", mode: str = "RGB", **how) -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, "red" if mode.startswith("RGB") else 0).save(made, form, **how)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("size", [(400, 400), (1200, 600), (150, 300), (128, 128), (2000, 128)])
def test_an_image_becomes_a_square_png(size):
    image = opened(badges.drawn(file(size)))
    assert (image.format, image.size, image.mode) == ("PNG", (400, 400), "RGBA")
    assert image.getpixel((200, 200))[3] == 255
    is_square = size[0] == size[1]
    assert image.getpixel((0, 0))[3] == (255 if is_square else 0), "the rest is transparent"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode):
    assert opened(badges.drawn(file((130, 130), mode=mode))).mode == "RGBA"


def test_nothing_but_the_picture_is_kept_and_twins_give_the_same_bytes():
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "secret place")
    with_text = file((130, 130), pnginfo=said)
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif[0x0112] = 6
    with_exif = file((130, 260), exif=exif)
    assert b"secret place" in with_exif
    for data in (with_text, with_text + b"secret place", with_exif):
        made = badges.drawn(data)
        assert b"secret" not in made
        assert opened(made).info == {}
    assert badges.drawn(with_text) == badges.drawn(file((130, 130)))
    assert opened(badges.drawn(with_exif)).getpixel((5, 5))[3] == 0, "turned as the camera was held"


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that announces many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue")]
    made = io.BytesIO()
    frames[0].save(made, form, save_all=True, append_images=frames[1:])
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (file((200, 200), "JPEG"), "not a PNG"),
        (file((200, 200), "WEBP"), "not a PNG"),
        (file((200, 200), "GIF"), "not a PNG"),
        (file((200, 200), "TIFF"), "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),
        (file((190, 190))[:-40], "broken"),
        (file((190, 190))[:60], "broken"),
        (animated("PNG"), "animated"),
        (file((127, 400)), "127 by 400 pixels; each side must have 128 to 2000"),
        (file((2001, 400)), "2001 by 400 pixels"),
        (bomb(50_000, 50_000), "pixels"),
        (bomb(4_100, 4_100), "pixels"),
        (bomb(2**31 - 1, 2**31 - 1), "pixels"),
        (bytes(180_001), "180001 bytes"),
    ],
)
def test_what_is_no_such_image_is_refused_with_the_reason(data, why):
    with pytest.raises(NotABadgeError, match=why):
        badges.drawn(data)


def test_every_truncation_and_flip_gives_a_badge_or_a_refusal():
    whole = file((140, 140)) + file((140, 140), mode="P")
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0xFF
        for data in (whole[:place], bytes(flipped)):
            try:
                assert opened(badges.drawn(data)).size == (400, 400)
            except NotABadgeError:
                continue
