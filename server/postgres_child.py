"""The few steps between our process and `postgres`: change user, tie the life to ours, exec. Run as a script.

It stands alone (standard library, `python -I -S`) because it runs before any privilege is dropped and must start
fast, and because doing this in a fork of a process with threads could deadlock.

    postgres_child.py tied PARENT_PID UID GID FOLDER PROGRAM [ARGUMENT...]     (Linux)
    postgres_child.py loose PARENT_PID UID GID FOLDER PROGRAM [ARGUMENT...]
    postgres_child.py watch PID        (stops PID when standard input closes without a goodbye)

UID -1 keeps the user. FOLDER is entered before the user changes, so that the program can be told to use
/proc/self/cwd where its user could not walk the path.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
WRONG_PARENT = 70


def run(parent: int | None, uid: int, gid: int, folder: str, command: list[str]) -> None:
    """Become `command`; with `parent`, interrupted (fast shutdown) by the kernel when the thread that began us ends."""
    os.chdir(folder)
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if parent is not None:  # after the change of user, which clears the tie
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:
            sys.exit(WRONG_PARENT)
    os.execv(command[0], command)  # noqa: S606 - the program and its arguments come from our supervisor


def watch(pid: int) -> None:
    """Interrupt `pid` when our standard input closes; a byte before that means that it was stopped in order."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    if not os.read(0, 1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(int(sys.argv[2]))
    else:
        run(
            int(sys.argv[2]) if sys.argv[1] == "tied" else None,
            int(sys.argv[3]),
            int(sys.argv[4]),
            sys.argv[5],
            sys.argv[6:],
        )
