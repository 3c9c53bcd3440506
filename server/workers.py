"""`evalium serve --workers N`: one parent, N processes that serve one listening socket.

The parent owns what exists once: the embedded PostgreSQL, migrations, the demonstration tenants and the socket. It
answers no request. A worker that dies is started again; the others serve meanwhile, and connections that wait in the
socket's queue are not lost. A worker ends in order when it is told to, and also when its standard input closes, which
happens however the parent ends: kill -9 of the parent leaves nothing behind.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import structlog

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 10.0
LIVED_WELL: Final = 30.0
"""Seconds after which a worker that dies is started again without a longer pause."""

STOP_SECONDS: Final = 20.0
"""Seconds that a worker has for saying goodbye to its streams and finishing its requests."""

log = structlog.get_logger(__name__)


async def supervise(
    count: int,
    listener: socket.socket,
    *,
    started: Callable[[], Awaitable[None]],
    environment: Mapping[str, str],
    ended: Callable[[int, float], None],
) -> None:
    """Run `count` workers on `listener` until SIGINT or SIGTERM, or until `started` raises; then end them in order.

    `started` runs beside the workers, which wait for what it does; `ended` hears of the process id of each that
    ended, and how many seconds it lived.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    keepers = [asyncio.create_task(_kept(number, listener, stop, environment, ended)) for number in range(1, count + 1)]
    making_ready = asyncio.ensure_future(started())
    stopped = asyncio.create_task(_set(stop))
    busy: set[asyncio.Future[None]] = {making_ready, *keepers}
    try:
        while not stop.is_set():
            done, _ = await asyncio.wait({stopped, *busy}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & busy:
                task.result()
            busy -= done
    finally:
        stop.set()
        making_ready.cancel()
        await asyncio.wait([*keepers, stopped, making_ready])


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _kept(
    number: int,
    listener: socket.socket,
    stop: asyncio.Event,
    environment: Mapping[str, str],
    ended: Callable[[int, float], None],
) -> None:
    """Keep one worker running until `stop`."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        process = await _spawned(number, listener, environment)
        dead = asyncio.create_task(process.wait())
        halt = asyncio.create_task(stop.wait())
        await asyncio.wait({dead, halt}, return_when=asyncio.FIRST_COMPLETED)
        halt.cancel()
        if not dead.done():
            await _end(process)
        status = await dead
        lived = time.monotonic() - began
        ended(process.pid, lived)
        if stop.is_set():
            return
        pause = FIRST_PAUSE if lived > LIVED_WELL else min(pause * 2, LONGEST_PAUSE)
        log.error("worker.died", worker=number, pid=process.pid, status=status, again_in_seconds=pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


async def _spawned(number: int, listener: socket.socket, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.main",
        "serve-worker",
        str(listener.fileno()),
        stdin=asyncio.subprocess.PIPE,  # which nobody writes to: its end tells the worker that we are gone
        pass_fds=(listener.fileno(),),
        start_new_session=True,  # Ctrl-C in the terminal is for us; we end the workers
        env={**environment},
    )
    log.info("worker.started", worker=number, pid=process.pid)
    return process


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("worker.killed", pid=process.pid, after_seconds=STOP_SECONDS)
        with suppress(ProcessLookupError):
            process.kill()


def end_with_parent() -> None:
    """In a worker: watch standard input, end in order when it closes, and without order if that takes too long."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
