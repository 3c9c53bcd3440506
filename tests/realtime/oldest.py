"""The oldest PostgreSQL that is supported."""

import os
from pathlib import Path

import pytest

OLD_PROGRAMS = Path("/usr/lib/postgresql/15/bin")


def old_programs() -> Path:
    """Its programs; without them the test is skipped, and fails where everything has to be there."""
    if not (OLD_PROGRAMS / "postgres").exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{OLD_PROGRAMS} is missing: the oldest supported PostgreSQL must be tested here")
        pytest.skip(f"no PostgreSQL 15 in {OLD_PROGRAMS}")
    return OLD_PROGRAMS
