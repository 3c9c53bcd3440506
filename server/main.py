"""The command `evalium`: the command line, started without looking for garbage in what it is made of.

What modules make stays for the life of the process. Looking through it again and again finds nothing, and was a sixth
of the time of a start.
"""

import gc
import sys

YOUNG = 100_000
"""How many new objects there are before any are looked through."""


def app() -> None:
    """Run the command line."""
    gc.set_threshold(YOUNG, 50, 100)
    from server import cli  # noqa: PLC0415 - its modules are what must not be looked through

    cli.app()


if __name__ == "__main__":
    sys.exit(app())
