"""Markdown to HTML that is safe to put into a page (domain.md section 4: stored raw, rendered on request).

Two walls: the parser leaves raw HTML as text, and what it makes goes through an allow-list all the same. Images are
not shown, because a remote one tells its host who reads when; their description stands in their place.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from services.refusals import InvalidInput

LONGEST_MARKDOWN = 50_000

_TAGS = frozenset(
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul".split()  # noqa: SIM905 - a list of tags reads best as words
)
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


def _description(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    _env: MutableMapping[str, Any],
) -> str:
    return escapeHtml(tokens[index].content)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    parser.add_render_rule("image", _description)
    return parser


_PARSER = _parser()


def to_html(markdown: str) -> str:
    """Return the HTML of CommonMark with tables; refuse more than 50,000 characters.

    Links go to `http`, `https` and `mailto` addresses only, never to a relative one, and tell their target nothing
    about the page they came from.
    """
    if len(markdown) > LONGEST_MARKDOWN:
        raise InvalidInput(f"{len(markdown)} characters of Markdown are more than {LONGEST_MARKDOWN}.")
    return nh3.clean(
        _PARSER.render(markdown),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
