"""CSV that people send (RFC 4180), with a header that names its columns in any order; `email` is always one of them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from services.refusals import InvalidInput

PATH = ("csv",)


@dataclass(frozen=True, slots=True)
class Line:
    """A row below the header: the number of the line it ends on, and its cells without outer blanks by column."""

    number: int
    cells: Mapping[str, str]


def read(text: str, columns: Sequence[str], most: int) -> list[Line]:
    """Read the rows; refuse a header that names others than `columns`, no row, or more than `most`."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[Line] = []
    try:
        header = [cell.strip().casefold() for cell in next(reader, cast("list[str]", []))]
        _check(header, columns)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(lines) == most:
                raise InvalidInput(f"The file has more than {most} rows.", path=PATH, hint="Send it in several files.")
            if len(cells) > len(header):
                raise InvalidInput(
                    f"Line {reader.line_num} has {len(cells)} cells, and the header {len(header)}.",
                    path=PATH,
                    hint="Put cells that hold a comma into double quotes.",
                )
            lines.append(Line(reader.line_num, dict(zip(header, map(str.strip, cells), strict=False))))
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} is no CSV: {error}.", path=PATH) from error
    if not lines:
        raise InvalidInput("The file has no row below its header.", path=PATH)
    return lines


def _check(header: Sequence[str], columns: Sequence[str]) -> None:
    unknown = [name for name in header if name not in columns]
    if unknown or "email" not in header or len(set(header)) != len(header):
        raise InvalidInput(
            f"The first line is '{','.join(header)[:200]}'.",
            path=PATH,
            hint=f"Name the columns once each: email, and any of {', '.join(columns[1:])}.",
        )
