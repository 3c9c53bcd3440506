from tests.services.conftest import office, rung, world

__all__ = ["office", "rung", "world"]
