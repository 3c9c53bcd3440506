"""Templates to mails: Markdown with declared variables, to HTML that is safe to show and to plain text.

Two languages meet here, and a value must not speak either. Jinja runs sandboxed and knows the declared variables alone;
a value is put into Markdown with every sign escaped that Markdown gives a meaning to, except in the place of a link.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services import markdown
from services.messages_templates import Kind
from services.refusals import InvalidInput

LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 20_000
LONGEST_RENDERED: Final = 50_000
LINKS: Final = frozenset({"link", "start_link"})

_WORDS: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.Filter,
    nodes.Const,
    nodes.Not,
    nodes.And,
    nodes.Or,
)
"""The whole language of templates: no call, no attribute, no arithmetic, no loop, so nothing to exhaust or escape."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:])")
_LINK = re.compile(r"\[([^\]]*)\]\((\S+?)\)")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one kind of mail: a subject and a body in Markdown, both with variables."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's content."""

    subject: str
    text: str
    html: str


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    kept = {"upper", "lower", "trim", "default", "d"}
    environment.filters = {name: act for name, act in environment.filters.items() if name in kept}
    return environment


_ENVIRONMENT: Final = _environment()


@cache
def shipped(key: str) -> Wording:
    """Return the wording that is used where a tenant has none of its own."""
    text = (resources.files("mail") / "templates" / f"{key}.md").read_text("utf-8")
    head, _, body = text.partition("\n\n")
    return Wording(head.removeprefix("Subject: "), body)


def check(kind: Kind, wording: Wording) -> None:
    """Refuse a wording that could not be sent: by its size, its syntax, or a variable that the kind does not have."""
    for name, given, most in (("subject", wording.subject, LONGEST_SUBJECT), ("body", wording.body, LONGEST_BODY)):
        if not given.strip() or len(given) > most or "\x00" in given:
            raise InvalidInput(f"The {name} has {len(given)} characters; it needs 1 to {most}.", path=[name])
        _check_variables(kind, name, given)
    if not wording.subject.isprintable():
        raise InvalidInput("The subject has to be one line.", path=["subject"])
    render(kind, wording, sample(kind))


def _check_variables(kind: Kind, name: str, given: str) -> None:
    known = {*kind.variables, *kind.same}
    try:
        tree = _ENVIRONMENT.parse(given)
        _ENVIRONMENT.compile(tree)
    except TemplateError as error:
        raise InvalidInput(f"The {name} cannot be read: {error.message}", path=[name]) from error
    except RecursionError as error:
        raise InvalidInput(f"The {name} is nested too deeply.", path=[name]) from error
    for node in (tree, *tree.find_all(nodes.Node)):
        if not isinstance(node, _WORDS):
            raise InvalidInput(
                f"'{type(node).__name__}' in line {node.lineno} cannot be used in a template.",
                path=[name],
                hint="A template has variables, {% if %}, and the filters upper, lower, trim and default.",
            )
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    if unknown:
        listed = ", ".join(sorted(known))
        raise InvalidInput(
            f"'{unknown[0]}' is not a variable of this template.", path=[name], hint=f"It has: {listed}."
        )


def render(kind: Kind, wording: Wording, variables: Mapping[str, str]) -> Rendered:
    """Return a mail's subject, plain text and HTML; refuse a wording that fails on these values."""
    values = dict(variables) | {other: variables[name] for other, name in kind.same.items()}
    plain = {name: _one_line(value) for name, value in values.items()}
    marked = {name: _target(value) if name in LINKS else _escaped(value) for name, value in plain.items()}
    try:
        subject = _one_line(_ENVIRONMENT.from_string(wording.subject).render(plain))[:LONGEST_SUBJECT]
        body = _ENVIRONMENT.from_string(wording.body).render(marked)
    except (TemplateError, SecurityError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InvalidInput(f"The template fails: {error}"[:300], path=["body"]) from error
    if len(body) > LONGEST_RENDERED:
        raise InvalidInput(f"The mail would have {len(body)} characters, more than {LONGEST_RENDERED}.", path=["body"])
    return Rendered(subject, _text(body), _page(subject, markdown.to_html(body)))


def sample(kind: Kind) -> dict[str, str]:
    """Return values to look at a template with."""
    told = {
        "person_name": "Ada Example",
        "tenant_name": "Example Academy",
        "assessment_title": "Fire Safety 101",
        "link": "https://example.org/link#sample",
        "code": "123456",
        "expires_in": "15 minutes",
        "opens_at": "1 March 2030, 09:00 (UTC)",
        "closes_at": "8 March 2030, 18:00 (UTC)",
        "time_limit": "45 minutes",
        "invited_by": "Grace Example",
        "programme_name": "Working safely at height",
        "valid_through": "2027-11-26",
    }
    return {name: told[name] for name in kind.variables}


def _one_line(value: Any) -> str:
    """Return a value without anything that could begin a new line of a header or a paragraph."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", value)


def _target(value: str) -> str:
    """Return an address that may stand as a Markdown link's target; anything else than http(s) becomes nothing."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or re.search(r"[\s<>()\[\]\\\"'`]", value):
        return ""
    return value


def _text(body: str) -> str:
    """Return Markdown as plain text: links written out, marks and escapes taken away."""
    text = _LINK.sub(lambda found: f"{found.group(1)}: {found.group(2)}", body)
    text = re.sub(r"(?<!\\)(\*\*|__|`)", "", text)
    text = re.sub(r"\\([\\`*_{}\[\]()<>#+\-.!|~&:])", r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _page(subject: str, body: str) -> str:
    title = subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8">'
        f'<title>{title}</title></head>\n<body style="font: 16px/1.5 sans-serif; max-width: 40em">\n'
        f"{body}</body></html>\n"
    )
