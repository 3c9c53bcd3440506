from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobs.handling import Tools
from mail.post import Letter, Receipt
from realtime.hub import Hub
from services.tokens import Tokens
from storage.local import LocalStorage
from tests.services.conftest import office, rung, world

TOKENS = Tokens(Ed25519PrivateKey.generate())

__all__ = ["office", "rung", "world"]


@dataclass
class Pigeonhole:
    """A post that keeps what it is given, and fails as it is told."""

    letters: list[Letter] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def deliver(self, letter: Letter) -> Receipt:
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append(letter)
        return Receipt(f"<{letter.id}@test>", "250 ok")

    async def close(self) -> None:
        self.letters.clear()


@pytest.fixture
def post() -> Pigeonhole:
    return Pigeonhole()


@pytest.fixture
def tools(office, post, tmp_path) -> Tools:
    return Tools(office, post, TOKENS, "http://site.example", LocalStorage(tmp_path))


@pytest.fixture(scope="module")
async def hub(database):
    hub = Hub.over(database.app_dsn)
    await hub.start()
    yield hub
    await hub.stop()
