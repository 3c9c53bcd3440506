"""The flat top level is safe only while nobody else owns one of our names (architecture.md, "Packaging")."""

import importlib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = [
    "server",
    "schema",
    "jobs",
    "resolvers",
    "dataloaders",
    "services",
    "mail",
    "paper",
    "storage",
    "realtime",
    "models",
    "migrations",
]


@pytest.mark.parametrize("floor", FLOORS)
def test_every_floor_is_imported_from_this_repository(floor):
    module = importlib.import_module(floor)
    assert Path(module.__file__).parent == ROOT / floor
    assert module.__doc__


def test_graphql_is_graphql_core_and_our_folder_holds_no_python():
    import graphql  # noqa: PLC0415 - the import is what is tested

    assert "site-packages" in graphql.__file__
    assert list((ROOT / "graphql").rglob("*.py")) == []


def test_no_other_distribution_owns_one_of_our_names():
    owners = metadata.packages_distributions()
    assert {floor: set(owners.get(floor, [])) - {"evalium"} for floor in FLOORS} == {floor: set() for floor in FLOORS}


def test_nothing_names_a_registry():
    for name in ("requirements.lock", "pyproject.toml", "Makefile", "web/package-lock.json"):
        text = (ROOT / name).read_text()
        assert "https://" not in text.replace("https://docs", "") or name == "web/package-lock.json", name
        assert '"resolved"' not in text, name
        assert "index_url".replace("_", "-") not in text, name
