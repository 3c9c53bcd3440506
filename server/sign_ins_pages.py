"""The pages of signing in: one question each, no script, no file, fit for a telephone and a screen reader."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --ink: light-dark(#1d1d2b, #eeeef6); --line: light-dark(#8a8aa0, #77778f);
  --act: light-dark(#3d3a8c, #b3b0ff); --on-act: light-dark(#fff, #16162a); --ground: light-dark(#f4f4f9, #14141d);
  --card: light-dark(#fff, #1d1d2a); }
* { box-sizing: border-box; }
body { background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; margin: 0; padding: 1rem; }
main { background: var(--card); border-radius: 14px; margin: 8vh auto 2rem; max-width: 27rem; padding: 2rem 1.75rem;
  box-shadow: 0 1px 3px rgb(0 0 0 / 15%); }
.mark { display: block; height: 40px; margin: 0 0 1.25rem; width: 40px; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 0.75rem; overflow-wrap: anywhere; text-wrap: balance; }
p { margin: 0 0 1rem; }
label, legend { display: block; font-weight: 600; margin: 0 0 0.35rem; padding: 0; }
fieldset { border: 0; margin: 0 0 1.25rem; padding: 0; }
.choice { align-items: center; border: 1px solid var(--line); border-radius: 8px; display: flex; font-weight: 400;
  gap: 0.75rem; margin: 0.5rem 0; min-height: 48px; padding: 0.5rem 0.9rem; overflow-wrap: anywhere; }
.choice input { accent-color: var(--act); flex: none; height: 1.2rem; width: 1.2rem; }
input[type=email], input[type=text] { background: transparent; border: 1px solid var(--line); border-radius: 8px;
  color: inherit; font: inherit; margin: 0 0 1.25rem; min-height: 48px; padding: 0.5rem 0.9rem; width: 100%; }
.digits { font: 600 1.6rem/1.4 ui-monospace, monospace; letter-spacing: 0.3em; }
output.digits { display: block; margin: 0.5rem 0 1.25rem; font-size: 2.1rem; }
button { background: var(--act); border: 0; border-radius: 8px; color: var(--on-act); cursor: pointer; font: inherit;
  font-weight: 600; min-height: 48px; padding: 0.5rem 1.25rem; width: 100%; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
a { color: var(--act); }
.note { font-size: 0.9rem; margin: 1.25rem 0 0; }
.state { align-items: center; border-radius: 10px; display: flex; gap: 0.75rem; margin: 0 0 1.5rem;
  padding: 0.9rem 1rem; }
.state svg { flex: none; }
.good { background: light-dark(#e3f4e8, #12301d); color: light-dark(#14532d, #a7f0bd); }
.over { background: light-dark(#fbf0d5, #37290a); color: light-dark(#6b3f06, #fbdd8f); }
.bad { background: light-dark(#fbe6e4, #3c1514); color: light-dark(#8f1713, #ffbab4); }
.facts { display: grid; gap: 0.9rem; margin: 0; }
dt { color: light-dark(#5a5a72, #b0b0c4); font-size: 0.875rem; }
dd { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
"""

STYLE_SOURCE: Final = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The style of these pages as a source of a content security policy."""

_MARK: Final = '<img class="mark" src="/favicon.svg" alt="">'


def ask_page(message: str = "") -> str:
    """Ask for the address that a link is mailed to."""
    return document(
        "Sign in",
        f"""<h1>Sign in to Evalium</h1>{_told(message)}
<form method="post" action="/auth/login">
<label for="email">Your e-mail address</label>
<input type="email" id="email" name="email" autocomplete="email" required maxlength="254">
<button>Mail me a sign-in link</button></form>
<p class="note">There is no password. The link is good for 15 minutes and works once.</p>""",
    )


def mailed_page() -> str:
    """Say what happens next, whoever the address belongs to, and take the code."""
    return document(
        "Look into your mail",
        """<h1>Look into your mail</h1>
<p>If this address may sign in here, a link is on its way. Open it in this browser.</p>"""
        + _code_form("Is your mail on another device? Type the six digits that stand in it."),
    )


def code_page(message: str = "") -> str:
    """Take the code that stands for a link which was opened elsewhere."""
    return document(
        "Type your code",
        f"<h1>Type your code</h1>{_told(message)}"
        + _code_form("It stands in the mail, and on the page that the link opened."),
    )


def button_page(token: str) -> str:
    """Show the one button of a link. Opening this page changes nothing, since scanners of mail open links too."""
    return document(
        "Sign in",
        f"""<h1>Sign in to Evalium</h1>
<p>You opened a sign-in link. It works once, so it is only used when you press the button.</p>
<form method="post" action="/auth/verify"><input type="hidden" name="token" value="{escape(token)}">
<button>Sign in</button></form>
<p class="note">You did not ask for this? Close this page; nothing happens.</p>""",
    )


def elsewhere_page(digits: str) -> str:
    """Show the code to whoever opened a link in another browser than the one that asked."""
    spoken = " ".join(digits)
    return document(
        "Your code",
        f"""<h1>Go on where you began</h1>
<p>This link was asked for in another browser. Type this code <strong>there</strong>:</p>
<output class="digits" aria-label="{spoken}">{escape(digits)}</output>
<p class="note">Tell it to nobody, also not to us. Whoever asks you for it wants to sign in as you.</p>""",
    )


def choose_page(proof: tuple[str, str], choices: Sequence[tuple[str, str]]) -> str:
    """Let a person pick the org unit to sign in to; `proof` is the form field, and its value, that is sent again."""
    rows = "".join(
        f'<label class="choice"><input type="radio" name="orgUnitId" value="{escape(unit)}" required>'
        f"{escape(name)}</label>"
        for unit, name in choices
    )
    return document(
        "Where do you want to work?",
        f"""<h1>Where do you want to work?</h1>
<form method="post" action="/auth/verify"><input type="hidden" name="{escape(proof[0])}" value="{escape(proof[1])}">
<fieldset><legend>Your org units</legend>{rows}</fieldset><button>Sign in</button></form>""",
    )


def refused_page(message: str, hint: str) -> str:
    """Say why it did not work, and what to do."""
    return document(
        "That did not work",
        f"""<h1>That did not work</h1><p role="alert">{escape(message)}</p><p>{escape(hint)}</p>
<p><a href="/auth/login">Ask for a new link</a></p>""",
    )


def _told(message: str) -> str:
    return f'<p role="alert">{escape(message)}</p>' if message else ""


def _code_form(label: str) -> str:
    return f"""<form method="post" action="/auth/verify">
<label for="code">{escape(label)}</label>
<input type="text" class="digits" id="code" name="code" inputmode="numeric" autocomplete="one-time-code"
 pattern="[0-9 ]{{6,8}}" maxlength="8" required>
<button>Sign in with the code</button></form>"""


def document(title: str, body: str) -> str:
    """Write a page in this style; the title is text, the body HTML."""
    return (
        '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<title>{escape(title)} · Evalium</title><link rel="icon" type="image/svg+xml" href="/favicon.svg">'
        f"<style>{_STYLE}</style></head>\n<body><main>{_MARK}{body}</main></body></html>\n"
    )
