"""The command `evalium`: the command line, with its modules read while no garbage is collected.

What they make stays for the life of the process, so looking through it again and again finds nothing, and was a sixth
of the time of a start.
"""

import gc
import sys


def app() -> None:
    """Run the command line."""
    gc.disable()
    from server import cli  # noqa: PLC0415 - it is this import that must not be interrupted

    gc.enable()
    cli.app()


if __name__ == "__main__":
    sys.exit(app())
