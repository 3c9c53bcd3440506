"""Templates: declared variables alone, and nothing that a value says is Markdown, HTML or a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messages_render import Wording, check, render, sample, shipped
from services.messages_templates import KINDS
from services.refusals import InvalidInput

INVITATION = KINDS["invitation"]


@pytest.mark.parametrize("key", sorted(KINDS))
def test_every_kind_has_a_shipped_wording_that_shows_each_of_its_variables(key):
    kind = KINDS[key]
    check(kind, shipped(key))
    values = sample(kind)
    mail = render(kind, shipped(key), values)
    for name, value in values.items():
        assert value in mail.text + mail.subject, name
    assert f'href="{values["link"]}"' in mail.html
    assert "{{" not in mail.text + mail.html + mail.subject


def test_what_is_empty_is_not_spoken_of():
    values = sample(INVITATION) | {"opens_at": "", "closes_at": "", "time_limit": ""}
    mail = render(INVITATION, shipped("invitation"), values)
    for words in ("opens", "before", "Once started"):
        assert words not in mail.text


def test_the_names_of_the_brief_mean_the_same():
    wording = Wording(
        "{{ candidate_name }}", "[Go]({{ start_link }}) until {{ complete_deadline }}, {{ start_deadline }}"
    )
    check(INVITATION, wording)
    values = sample(INVITATION)
    mail = render(INVITATION, wording, values)
    assert mail.subject == values["person_name"]
    assert mail.text == f"Go: {values['link']} until {values['closes_at']}, {values['closes_at']}\n"


@pytest.mark.parametrize(
    ("subject", "body", "told"),
    [
        ("{{ person }}", "x", "'person' is not a variable"),
        ("x", "{{ code }}", "'code' is not a variable"),
        ("x", "{{ person_name", "cannot be read"),
        ("x", "{% for a in person_name %}{{ a }}{% endfor %}", "cannot be used"),
        ("x", "{%- include 'a' %}", "cannot be used"),
        ("x", "{% set a = 1 %}", "cannot be used"),
        ("x", "{{ person_name.__class__ }}", "'Getattr' in line 1 cannot be used"),
        ("x", "{{ ''.__class__.__mro__ }}", "cannot be used"),
        ("x", "{{ range(9) }}", "'Call'"),
        ("x", "{% if " * 300 + "person_name", "read"),
        ("x", "{{ 'a' * 99999999999 }}", "'Mul'"),
        ("x", "{{ '%99999999d' % 1 }}", "'Mod'"),
        ("x", "{{ person_name | tojson }}", "cannot be read"),
        ("x\ny", "x", "one line"),
        ("", "x", "0 characters"),
        ("x", " ", "1 characters"),
        ("x" * 201, "x", "201"),
    ],
)
def test_a_wording_that_could_not_be_sent_is_refused_and_named(subject, body, told):
    with pytest.raises(InvalidInput) as refusal:
        check(INVITATION, Wording(subject, body))
    assert told in refusal.value.message


HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "a\r\nBcc: victim@example.org",
    "{{ 7*7 }}",
    '"><img src=x onerror=alert(1)>',
    "# Heading\n\n- list",
    "https://evil.example",
    "<https://evil.example>",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_name_stays_words(value):
    values = sample(INVITATION) | {"person_name": value, "assessment_title": value}
    mail = render(INVITATION, shipped("invitation"), values)
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    for made in ("<script", "<img", 'href="javascript', 'evil.example"', "<h1", "onerror=alert(1)>"):
        assert made not in mail.html, made
    assert "49" not in mail.html


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//evil", "https://a b", "https://x)(y", ""]
)
def test_a_link_that_is_none_leads_nowhere(link):
    mail = render(INVITATION, shipped("invitation"), sample(INVITATION) | {"link": link})
    assert "javascript:" not in mail.html
    assert "data:" not in mail.html


@given(st.text(max_size=60))
def test_any_value_comes_out_of_the_plain_text_as_it_went_in(value):
    wording = Wording("{{ person_name }}", "Hello {{ person_name }}!")
    mail = render(INVITATION, wording, sample(INVITATION) | {"person_name": value})
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    assert mail.text == f"Hello {line}!".strip() + "\n"
    assert mail.subject == line
    assert "<a" not in mail.html
