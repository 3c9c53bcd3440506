"""A certificate as PDF (PDF/UA-1: tagged, with title and language) and as PNG, from one template.

What stands on it enters as data and is never read as markup. The same sheet gives the same bytes, whenever and
wherever it is printed: no clock, no network, and no font but those of the package and of one folder.
"""

import base64
import hashlib
import io
import re
import struct
import unicodedata
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import segno
import typst

TEMPLATE: Final = Path(__file__).parent / "certificate.typ"
PIXELS_PER_INCH: Final = 144
CHUNK: Final = "openbadgecredential"
"""The keyword under which Open Badges 3.0 has a credential in a PNG."""

_INK: Final = "#22223a"
_MISSING: Final = re.compile(r'the text `"(.+)"` could not be displayed', re.DOTALL)
_AFTER_HEADER: Final = 33
"""Length of what begins every PNG: the signature of 8 bytes and the chunk IHDR of 25."""


class Form(StrEnum):
    """As what a certificate is printed."""

    PDF = "pdf"
    PNG = "png"


class UnprintableError(Exception):
    """A text has characters that no font at hand can show; `text` are the first of them."""

    def __init__(self, text: str) -> None:
        super().__init__(f"no font shows {text!r}")
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands on a certificate. `badge` is a square PNG; without `valid_through` it does not expire.

    One that `is_over` says so beside its last day.
    """

    holder: str
    programme: str
    issuer: str
    issued_on: date
    valid_through: date | None
    number: str
    address: str
    badge: bytes | None = None
    is_over: bool = False


def pdf(sheet: Sheet, fonts: Path | None = None) -> bytes:
    """Print a sheet as PDF; `fonts` is a folder with more of them. Raises `UnprintableError`."""
    return _compiled(sheet, fonts, format="pdf", pdf_standards=["ua-1"])


def png(sheet: Sheet, fonts: Path | None = None, *, credential: str | None = None) -> bytes:
    """Print a sheet as PNG, with an Open Badges credential baked in where there is one. Raises `UnprintableError`."""
    pdf(sheet, fonts)  # only this one tells what it could not show
    picture = _compiled(sheet, fonts, format="png", ppi=PIXELS_PER_INCH)
    return picture if credential is None else baked(picture, credential)


def baked(picture: bytes, credential: str) -> bytes:
    """Put a credential into a PNG, as an iTXt chunk that is not compressed."""
    body = b"iTXt" + CHUNK.encode() + b"\x00\x00\x00\x00\x00" + credential.encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:_AFTER_HEADER] + chunk + picture[_AFTER_HEADER:]


def fingerprint(sheet: Sheet, *more: str) -> str:
    """Return what changes whenever the bytes of a sheet may: a hash of the data, the template and the programs."""
    badge = None if sheet.badge is None else hashlib.sha256(sheet.badge).hexdigest()
    whole = repr((replace(sheet, badge=None), badge, more, _made_by()))
    return hashlib.sha256(whole.encode()).hexdigest()


def code(address: str) -> str:
    """Return the QR code of an address, as SVG."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(drawn, kind="svg", border=0, dark=_INK, xmldecl=False)
    return drawn.getvalue().decode()


def _compiled(sheet: Sheet, fonts: Path | None, **how: Any) -> bytes:
    issued = datetime.combine(sheet.issued_on, time(), UTC)
    try:
        return cast(
            "bytes",
            typst.compile(
                TEMPLATE,
                font_paths=_fonts(fonts),
                ignore_system_fonts=True,
                sys_inputs=_inputs(sheet),
                timestamp=issued,
                **how,
            ),
        )
    except typst.TypstError as error:
        missing = _MISSING.search(error.message)
        if missing is None:
            raise
        raise UnprintableError(missing[1]) from error


def _inputs(sheet: Sheet) -> dict[str, str]:
    """Return the data of the template, in composed form, since fonts have accented letters that way."""
    texts = {"holder": sheet.holder, "programme": sheet.programme, "issuer": sheet.issuer, "number": sheet.number}
    found = {name: unicodedata.normalize("NFC", text) for name, text in texts.items()}
    found |= {"issued": sheet.issued_on.isoformat(), "address": sheet.address, "code": code(sheet.address)}
    if sheet.valid_through is not None:
        found["valid-through"] = sheet.valid_through.isoformat()
    if sheet.is_over:
        found["over"] = "yes"
    if sheet.badge is not None:
        found["badge"] = _framed(sheet.badge)
    return found


def _framed(badge: bytes) -> str:
    """Return a PNG within an SVG: the template takes text alone."""
    data = base64.b64encode(badge).decode()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">'
        f'<image width="1" height="1" href="data:image/png;base64,{data}"/></svg>'
    )


@cache
def _fonts(folder: Path | None) -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[] if folder is None else [folder])


@cache
def _made_by() -> tuple[str, ...]:
    return TEMPLATE.read_text("utf-8"), version("typst"), version("segno"), f"{PIXELS_PER_INCH}"
