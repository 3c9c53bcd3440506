"""Which address the door of the probe takes the browser to have asked for."""

import pytest
from starlette.requests import Request

from server.lockdown import seen

SITES = ["https://exam.evalium.test/evalium", "https://sit.evalium.test/begin"]
DOOR = "/api/v1/sessions/probe/abc"


def asked(host: str, path: str = DOOR, query: str = "") -> str:
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode())],
    }
    return seen(Request(scope), SITES)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("exam.evalium.test", f"https://exam.evalium.test/evalium{DOOR}"),
        ("SIT.evalium.test", f"https://sit.evalium.test{DOOR}"),
        ("10.0.0.7:8000", f"https://exam.evalium.test/evalium{DOOR}"),
        ("elsewhere.example.org", f"https://exam.evalium.test/evalium{DOOR}"),
        ("", f"https://exam.evalium.test/evalium{DOOR}"),
    ],
)
def test_behind_a_proxy_the_address_is_that_of_a_configured_site(host: str, address: str) -> None:
    assert asked(host) == address


def test_path_and_query_stay_as_they_were_sent() -> None:
    sent = asked("exam.evalium.test", "/api/v1/sessions/probe/a%2Fb", "lang=en&x=%C3%A9")
    assert sent == "https://exam.evalium.test/evalium/api/v1/sessions/probe/a%2Fb?lang=en&x=%C3%A9"
