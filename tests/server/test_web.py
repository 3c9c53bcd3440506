import base64
import gzip
import hashlib
import re
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.applications import Starlette

from server.web import find_sdl, routes

SCRIPT = b"console.log('evalium');\n"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "dist" / "graphiql.html").write_text("<!doctype html><title>GraphiQL</title>", encoding="utf-8")
    (tmp_path / "dist" / "secret.js").write_bytes(SCRIPT)
    (assets / "main-a1.js").write_bytes(SCRIPT)
    (assets / "main-a1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "main-a1.js.br").write_bytes(b"brotli bytes")
    (assets / "json.worker-b2.js").write_bytes(SCRIPT)
    (assets / "icons-c3.ttf").write_bytes(b"\0\1\0\0")
    return tmp_path / "dist"


def client(dist: Path) -> httpx.AsyncClient:
    app = Starlette(routes=routes(dist, find_sdl()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://evalium.test")


async def test_landing_page_names_every_door_and_works_without_script(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/")
    assert answer.status_code == 200
    for door in ("/graphiql", "/schema.graphql", "/graphql/stream", "/healthz", "evalium token --role"):
        assert door in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy


async def test_graphiql_page_is_fresh_each_time_under_its_own_policy(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/graphiql")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert policy.count("unsafe") == 1
    assert "script-src 'self';" in policy
    assert "blob:" not in policy


async def test_unbuilt_graphiql_names_the_command_and_appears_without_a_restart(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        missing = await http.get("/graphiql")
        (tmp_path / "graphiql.html").write_text("built", encoding="utf-8")
        built = await http.get("/graphiql")
    assert missing.status_code == 503
    assert "make web" in missing.text
    assert (built.status_code, built.text) == (200, "built")


@pytest.mark.parametrize(
    "path", ["/", "/graphiql", "/schema.graphql", "/favicon.svg", "/assets/main-a1.js", "/assets/x.js"]
)
async def test_every_answer_refuses_sniffing_referrers_and_framing(dist: Path, path: str) -> None:
    async with client(dist) as http:
        answer = await http.get(path)
        head = await http.head(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    if answer.status_code == 200:
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert head.status_code == answer.status_code
    assert head.content == b""


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("BR;q=1.0", "br"),
        ("br;q=0.0, gzip;q=0", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_an_asset_comes_in_the_best_form_the_browser_takes(
    dist: Path, accepted: str, encoding: str | None
) -> None:
    async with client(dist) as http:
        request = http.build_request("GET", "/assets/main-a1.js", headers={"Accept-Encoding": accepted})
        answer = await http.send(request, stream=True)
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        await answer.aclose()
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert (gzip.decompress(raw) if encoding == "gzip" else raw) == (b"brotli bytes" if encoding == "br" else SCRIPT)


async def test_an_asset_without_a_compressed_form_comes_as_it_is(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/assets/icons-c3.ttf")
    assert answer.headers["content-type"] == "font/ttf"
    assert "content-encoding" not in answer.headers


async def test_a_worker_may_only_import_from_this_origin(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/assets/json.worker-b2.js")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "connect-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/assets/absent-ff.js",
        "/assets/main-a1.js.br",
        "/assets/..%2Fsecret.js",
        "/assets/%2e%2e%2fsecret.js",
        "/assets/..%5Csecret.js",
        "/assets/",
        "/assets/.js",
        "/assets/main-a1.js%00.css",
        "/assets/" + "a" * 5000 + ".js",
    ],
)
async def test_what_is_no_asset_is_a_real_404(dist: Path, path: str) -> None:
    async with client(dist) as http:
        answer = await http.get(path)
    assert answer.status_code == 404
    assert "evalium" not in answer.text


async def test_the_schema_is_served_as_it_is_committed(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/schema.graphql")
    assert answer.status_code == 200
    assert answer.content == find_sdl().read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
