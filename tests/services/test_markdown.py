import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import markdown
from services.refusals import InvalidInput

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src='https://example.org'></iframe>",
    "<a href='javascript:alert(1)' onclick='alert(1)'>x</a>",
    "<style>*{background:url(https://example.org)}</style>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A&#x61&#x76&#x61script:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](//example.org)",
    "[x](/graphiql)",
    "[x](https://example.org 'a\" onmouseover=\"alert(1)')",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](https://example.org/pixel.png)",
    "![x](javascript:alert(1))",
    '!["><script>alert(1)</script>](x)',
    "[![x](https://example.org/a.png)](https://example.org)",
    "`<script>alert(1)</script>`",
    '```"onload=alert(1)\n<script>alert(1)</script>\n```',
    "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "<!-- --><script>alert(1)</script>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<form action=https://example.org><button>x</button></form>",
    "<base href=https://example.org/>",
    "<meta http-equiv=refresh content=0>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]

ALLOWED = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"),
    *("s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}


class Inspector(HTMLParser):
    """Reads HTML as a browser would and fails on anything that is not harmless."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        for name, value in attrs:
            assert (tag, name) in {("a", "href"), ("a", "title"), ("a", "rel"), ("ol", "start")}
            if name == "href":
                assert re.match(r"(https?://|mailto:)", value or "", re.IGNORECASE)
                assert dict(attrs)["rel"] == "noopener noreferrer nofollow"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def harmless(source: str) -> str:
    shown = markdown.to_html(source)
    inspector = Inspector()
    inspector.feed(shown)
    inspector.close()
    return shown


@pytest.mark.parametrize("source", ATTACKS)
def test_attacks_become_text(source: str) -> None:
    harmless(source)


@given(st.lists(st.sampled_from([*ATTACKS, "\n", "\n\n", "> ", "- ", "**", "`", "[", "](", ")", "<", "|"]), max_size=6))
def test_attacks_stay_text_in_any_company(parts: list[str]) -> None:
    harmless("".join(parts))


@given(st.text(max_size=200))
def test_any_text_is_harmless(source: str) -> None:
    harmless(source)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("**bold** _soft_ `code`", "<p><strong>bold</strong> <em>soft</em> <code>code</code></p>\n"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ("![A <dipole>](x.png)", "<p>A &lt;dipole&gt;</p>\n"),
        ("", ""),
        (
            "[x](https://example.org/?a=1&b=2)",
            '<p><a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow">x</a></p>\n',
        ),
    ],
)
def test_ordinary_markdown_is_shown(source: str, shown: str) -> None:
    assert harmless(source) == shown


def test_tables_are_shown() -> None:
    assert "<td>1</td>" in harmless("|a|b|\n|-|:-:|\n|1|2|")


def test_there_is_a_limit() -> None:
    assert markdown.to_html("x" * 50_000)
    with pytest.raises(InvalidInput, match="50001"):
        markdown.to_html("x" * 50_001)
