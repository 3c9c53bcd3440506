import base64
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from server.settings import Settings, parse_signing_key, signing_key, unknown_variables
from server.setup_errors import SigningKeyError

DOC = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EVALIUM_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)


def pem_of(key: object) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_the_page_lists_every_setting_as_the_code_describes_it() -> None:
    rows = re.findall(r"^\| `((?:EVALIUM_|DATABASE|REDIS)\w+)` \| (.*?) \| (.*) \|$", DOC.read_text(), re.MULTILINE)
    expected = [
        (str(field.validation_alias), "none" if field.default is None else f"`{field.default}`", field.description)
        for field in Settings.model_fields.values()
    ]
    assert rows == expected


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALIUM_PORT", "8123")
    monkeypatch.setenv("EVALIUM_DATA", "some/where")
    monkeypatch.setenv("DATABASE_URL", "  ")
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.port == 8123
    assert settings.data == tmp_path / "some" / "where"
    assert settings.database_url is None


def test_a_bad_value_is_refused_and_secrets_stay_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hush@h/d")
    monkeypatch.setenv("EVALIUM_SIGNING_KEY", "hush")
    assert "hush" not in repr(Settings()) + str(Settings())
    monkeypatch.setenv("EVALIUM_PORT", "70000")
    with pytest.raises(ValidationError, match="EVALIUM_PORT") as refusal:
        Settings()
    assert "hush" not in str(refusal.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALIUM_PROT", "1")
    assert unknown_variables() == ["EVALIUM_PROT"]


def test_twenty_starts_at_once_agree_on_one_private_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALIUM_DATA", str(tmp_path / "data"))
    settings = Settings()
    with ThreadPoolExecutor(20) as pool:
        keys = {key.private_bytes_raw() for key in pool.map(lambda _: signing_key(settings), range(20))}
    path = tmp_path / "data" / "keys" / "signing.pem"
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.pem"]
    path.chmod(0o640)
    with pytest.raises(SigningKeyError, match="Others on this machine can read"):
        signing_key(settings)


@pytest.mark.parametrize(
    "form",
    [
        pem_of,
        lambda key: pem_of(key).replace("\n", "\\n"),
        lambda key: base64.b64encode(key.private_bytes_raw()).decode(),
        lambda key: base64.urlsafe_b64encode(key.private_bytes_raw()).decode().rstrip("="),
    ],
)
def test_a_key_is_read_in_each_form(form: object, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    monkeypatch.setenv("EVALIUM_SIGNING_KEY", form(key))
    assert signing_key(Settings()).private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize(
    "text", ["", "short", "A" * 44, "-----BEGIN nonsense", pem_of(generate_private_key(65537, 2048))]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SigningKeyError):
        parse_signing_key(text)
