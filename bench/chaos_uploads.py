"""A large file over real HTTP to a process of its own: memory, cuts, a killed process, false hashes, a flipped byte."""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

from bench import chaos_site
from bench.chaos_site import PATIENCE, Api, Site
from server.demo_client import Client

MEGABYTE: Final = 1_000_000
LOOK_EVERY: Final = 0.02
"""Seconds between two looks at the memory of the process."""

CUT: Final = 0.6
"""After which share of the file the connection is cut, or the process killed."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of the process in bytes: before, and at most meanwhile."""

    before: int
    peak: int

    @property
    def growth(self) -> int:
        """How much more was needed."""
        return self.peak - self.before


@dataclass(frozen=True, slots=True)
class Found:
    """What the trial has found; sizes in bytes, times in seconds."""

    size: int
    sending: Memory
    seconds: float
    cut_at: int
    resumed_from: int
    resumed_seconds: float
    killed_from: int
    killed_seconds: float
    refused: str
    left: int
    """Bytes that are stored after a file with a false hash."""

    verified: str
    flipped: str
    receiving: Memory
    received: bool
    """Whether the file that was downloaded is the one that was sent."""

    @property
    def is_whole(self) -> bool:
        """Whether everything was as it should be."""
        told = (self.refused, self.left, self.verified, self.flipped)
        return self.received and told == ("422 CHECKSUM_MISMATCH", 0, "VERIFIED", "FAILED")


def pieces(size: int, start: int = 0) -> Iterator[bytes]:
    """Yield a file of so many bytes from `start` on, which repeats itself nowhere."""
    block = random.Random(1).randbytes(MEGABYTE)  # noqa: S311 - a trial, and repeatable
    for number in range(start // MEGABYTE, -(-size // MEGABYTE)):
        piece = number.to_bytes(8) + block[8:]
        first = max(0, start - number * MEGABYTE)
        yield piece[first : min(MEGABYTE, size - number * MEGABYTE)]


def digest_of(size: int) -> str:
    """Return the hash of that file."""
    found = hashlib.sha256()
    for piece in pieces(size):
        found.update(piece)
    return found.hexdigest()


async def trial(megabytes: int) -> Found:
    """Send, cut, kill, lie, verify, flip and download."""
    size = megabytes * MEGABYTE
    digest = await asyncio.to_thread(digest_of, size)
    async with chaos_site.built(1, redis=False) as site, httpx2.AsyncClient(timeout=300) as http:
        sender = _Sender(site, http, digest, size)
        await sender.prepare()
        upload = await sender.announced()
        began = time.monotonic()
        async with watched(site.apis[0]) as sending:
            await sender.sent(upload)
        seconds = time.monotonic() - began
        resumed = await sender.cut_and_resumed()
        killed = await sender.killed_and_resumed()
        refused, left = await sender.lied()
        evidence = await sender.recorded(upload)
        async with watched(site.apis[0]) as receiving:
            received = await sender.downloaded(evidence) == digest
        verified, flipped = await sender.verified(evidence), await sender.flipped(evidence)
        sent, back = sending(), receiving()
        return Found(size, sent, seconds, *resumed, *killed, refused, left, verified, flipped, back, received)


class _Sender:
    """Somebody of the staff with a large file for a submission."""

    def __init__(self, site: Site, http: httpx2.AsyncClient, digest: str, size: int) -> None:
        self.site, self.http, self.digest, self.size = site, http, digest, size
        self.token = site.tokens["admin"]
        self.submission = ""

    @property
    def client(self) -> Client:
        return Client(self.site.apis[0].base, self.http, self.token)

    @property
    def files(self) -> Path:
        return self.site.folder / "files"

    async def prepare(self) -> None:
        """Have somebody hand something in."""
        given: dict[str, Any] = {"reference": "U1", "stem": "Show it.", "body": {"essay": {}}}
        made = await self.client.do("QuestionCreate", given)
        shown = await self.client.do("QuestionPublish", {"id": made["question"]["id"]})
        section = {"title": "All", "items": [{"questionVersionId": shown["version"]["id"], "points": "1"}]}
        given = {"title": "Files", "passMark": {"points": "1"}, "sections": [section]}
        created = await self.client.do("EvaluationCreate", given)
        version = (await self.client.do("EvaluationPublish", {"id": created["evaluation"]["id"]}))["version"]
        recipients = [{"email": f"{uuid4().hex}@chaos.example"}]
        issued = await self.client.do(
            "AssignmentIssue", {"evaluationVersionId": version["id"], "recipients": recipients}
        )
        token = await self.client.redeem(issued["results"][0]["invitationToken"], uuid4().hex)
        candidate = Client(self.site.apis[0].base, self.http, token)
        await candidate.do("SessionStart", {})
        await candidate.do("SessionSubmit", {})
        mine = await candidate.ask("MySession", {})
        self.submission = (await self.client.ask("Session", {"id": mine["id"]}))["submission"]["id"]

    async def announced(self, **more: Any) -> dict[str, Any]:
        """Announce the file."""
        told = {"fileName": "large.pdf", "mediaType": "application/pdf", "sizeBytes": self.size, "sha256": self.digest}
        return (await self.client.do("UploadCreate", {"submissionId": self.submission, **told, **more}))["upload"]

    def address(self, url: str) -> str:
        """Return where the process listens on what is told as an address of the site."""
        return f"{self.site.apis[0].base}/api/{url.partition('/api/')[2]}"

    def headers(self, length: int, **more: str) -> dict[str, str]:
        """Return the headers of a part."""
        return {"authorization": f"Bearer {self.token}", "content-length": str(length), **more}

    async def sent(self, upload: dict[str, Any], offset: int = 0) -> httpx2.Response:
        """Send what is not there yet."""

        async def body() -> AsyncGenerator[bytes, None]:
            for piece in pieces(self.size, offset):
                yield piece

        headers = self.headers(self.size - offset, **{"upload-offset": str(offset)})
        return await self.http.patch(self.address(upload["url"]), content=body(), headers=headers)

    async def cut_and_resumed(self) -> tuple[int, int, float]:
        """Cut the connection; return where, how much had arrived, and how long the rest took."""
        upload = await self.announced()
        cut_at = await self.begun(upload)
        offset = await self.arrived(upload)
        began = time.monotonic()
        answer = await self.sent(upload, offset)
        _require(answer, 200)
        return cut_at, offset, time.monotonic() - began

    async def killed_and_resumed(self) -> tuple[int, float]:
        """Kill the process; return how much had arrived, and how long the rest took another one."""
        upload = await self.announced()
        await self.begun(upload)
        self.site.apis[0].kill()
        self.site.apis[0].start()
        await self.site.ready()
        offset = await self.arrived(upload)
        began = time.monotonic()
        _require(await self.sent(upload, offset), 200)
        return offset, time.monotonic() - began

    async def begun(self, upload: dict[str, Any]) -> int:
        """Send a part of the file, and fall silent in the middle of it; return how much was sent."""
        parts = urlsplit(self.address(upload["url"]))
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"PATCH {parts.path} HTTP/1.1\r\nHost: trial\r\nUpload-Offset: 0\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers(self.size).items())
        writer.write(f"{head}\r\n".encode())
        sent = 0
        for piece in pieces(int(self.size * CUT)):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return sent

    async def arrived(self, upload: dict[str, Any]) -> int:
        """Return how much is there, once nothing more comes."""
        offset, before = -1, -2
        async with asyncio.timeout(PATIENCE):
            while offset != before:
                await asyncio.sleep(0.2)
                answer = await self.http.head(self.address(upload["url"]), headers=self.headers(0))
                _require(answer, 200)
                before, offset = offset, int(answer.headers["upload-offset"])
        return offset

    async def lied(self) -> tuple[str, int]:
        """Announce another hash than the file has; return what was said, and how much of it is left."""
        before = self.stored()
        answer = await self.sent(await self.announced(sha256="0" * 64))
        code = answer.json()["errors"][0]["extensions"]["code"]
        return f"{answer.status_code} {code}", self.stored() - before

    def stored(self) -> int:
        """Return how many bytes are stored."""
        return sum(one.stat().st_size for one in self.files.rglob("*") if one.is_file())

    async def recorded(self, upload: dict[str, Any]) -> str:
        """Record the file; return its id."""
        given = {"submissionId": self.submission, "uploadId": upload["id"]}
        return (await self.client.do("EvidenceRecord", given))["evidence"]["id"]

    async def downloaded(self, evidence: str) -> str:
        """Download the file; return its hash."""
        shown = await self.client.ask("EvidenceItem", {"id": evidence})
        found = hashlib.sha256()
        headers = {"authorization": f"Bearer {self.token}"}
        async with self.http.stream("GET", self.address(shown["contentUrl"]), headers=headers) as answer:
            async for piece in answer.aiter_bytes():
                found.update(piece)
        return found.hexdigest()

    async def verified(self, evidence: str) -> str:
        """Have the file verified; return what was found."""
        await self.client.do("EvidenceVerify", {"id": evidence})
        async with asyncio.timeout(PATIENCE):
            while True:
                shown = await self.client.ask("EvidenceItem", {"id": evidence})
                if shown["integrity"] != "QUEUED":
                    return str(shown["integrity"])
                await asyncio.sleep(0.1)

    async def flipped(self, evidence: str) -> str:
        """Flip one bit in the middle of every stored copy and have the file verified; return what was found."""
        await asyncio.to_thread(self._flip)
        return await self.verified(evidence)

    def _flip(self) -> None:
        for path in self.files.rglob("*"):
            if path.is_file() and path.stat().st_size == self.size:
                with path.open("r+b") as file:
                    file.seek(self.size // 2)
                    byte = file.read(1)
                    file.seek(self.size // 2)
                    file.write(bytes([byte[0] ^ 1]))


@asynccontextmanager
async def watched(api: Api) -> AsyncGenerator[Any, None]:
    """Look at the memory of a process for the length of the block; afterwards a call tells what it was."""
    before = peak = resident(api)
    stop = asyncio.Event()

    async def look() -> None:
        nonlocal peak
        while not stop.is_set():
            peak = max(peak, resident(api))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY)

    task = asyncio.create_task(look())
    try:
        yield lambda: Memory(before, peak)
    finally:
        stop.set()
        await task


def resident(api: Api) -> int:
    """Return how much memory a process holds, in bytes; only Linux tells."""
    if api.process is None:
        return 0
    pages = int(Path(f"/proc/{api.process.pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _require(answer: httpx2.Response, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"answered {answer.status_code}: {answer.text[:300]}")
