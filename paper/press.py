"""Prints in threads of its own, a few sheets at once, so that printing takes no more than a part of the machine."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from paper import certificates
from paper.certificates import Form, Sheet

P = ParamSpec("P")
R = TypeVar("R")


class Press:
    """One for each process. `at_once` sheets are printed at the same time, half as many as there are cores."""

    def __init__(self, fonts: Path | None = None, at_once: int | None = None) -> None:
        self._fonts = fonts
        self._threads = ThreadPoolExecutor(at_once or max(1, (os.cpu_count() or 1) // 2), "press")

    async def printed(self, form: Form, sheet: Sheet, credential: str | None = None) -> bytes:
        """Print a sheet as what is wanted; a credential goes into the picture alone. Raises `UnprintableError`."""
        return await (self.pdf(sheet) if form is Form.PDF else self.png(sheet, credential))

    async def pdf(self, sheet: Sheet) -> bytes:
        """Print a sheet as PDF. Raises `UnprintableError`."""
        return await self.run(certificates.pdf, sheet, self._fonts)

    async def png(self, sheet: Sheet, credential: str | None = None) -> bytes:
        """Print a sheet as PNG, with a credential baked in where there is one. Raises `UnprintableError`."""
        return await self.run(certificates.png, sheet, self._fonts, credential=credential)

    async def run(self, act: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what takes a core for a while, when it is its turn; whoever goes away while waiting leaves the line."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(act, *args, **kwargs))
