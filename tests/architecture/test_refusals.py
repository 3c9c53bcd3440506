"""docs/refusals.md lists every refusal there is, and nothing else."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import schema
import server
import services
from services.refusals import Denial, Refusal

ROOT = Path(__file__).parents[2]


def every(kind):
    for below in kind.__subclasses__():
        yield below
        yield from every(below)


@pytest.fixture(scope="module")
def refusals():
    for package in (services, schema, server):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    return {
        r
        for r in every(Refusal)
        if r is not Denial and r.__module__.split(".")[0] in {"services", "schema", "server", "resolvers"}
    }


def test_each_code_is_listed_with_its_hint(refusals):
    text = (ROOT / "docs" / "refusals.md").read_text()
    listed = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert listed == {refusal.code for refusal in refusals} | {"INTERNAL", "UNAVAILABLE"}


def test_each_refusal_says_what_it_is_and_what_to_do(refusals):
    for refusal in refusals:
        assert refusal.__doc__, refusal
        assert refusal.hint.endswith("."), refusal
