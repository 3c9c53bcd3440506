"""Node programs of tests/npm against a running server; a machine without Node or its packages skips, CI does not."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

FOLDER = Path(__file__).parents[1] / "npm"
ROOT = FOLDER.parents[1]


async def installed() -> None:
    """Install the packages once; skip where there is no Node or no registry."""
    stamp = FOLDER / "node_modules" / ".package-lock.json"
    lock = FOLDER / "package-lock.json"
    if stamp.is_file() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    if shutil.which("npm") is None and not (ROOT / ".node").is_dir() and os.environ.get("CI") != "true":
        absent("no npm on PATH (scripts/node.sh fetches one)")
    status, text, said = await program("npm", "ci", "--silent", "--prefer-offline")
    if status:
        absent(f"npm ci failed: {(said or text).decode()[-300:]}")
    stamp.touch()


def absent(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


async def program(*command: str, given: Any = None) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        str(ROOT / "scripts" / "node.sh"),
        *command,
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, said = await process.communicate(None if given is None else orjson.dumps(given))
    assert process.returncode is not None
    return process.returncode, out, said


async def run(script: str, *arguments: str, given: Any = None) -> Any:
    """Run a script of tests/npm and return the JSON it prints."""
    await installed()
    status, out, said = await program("node", script, *arguments, given=given)
    assert status == 0, said.decode()
    return orjson.loads(out)
