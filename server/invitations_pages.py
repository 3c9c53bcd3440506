"""The pages behind the link of an invitation, in the style of those of signing in: no script, one thing to do."""

from html import escape

from server.sign_ins_pages import document

_CLIENTS = """
<p class="note">For clients: redeem the token that stands in the address of this page with a POST to
<code>/api/v1/assignments/redeem</code>.</p>"""


def button_page(token: str) -> str:
    """Show the one button of an invitation. Opening this page uses nothing up."""
    return document(
        "Your invitation",
        f"""<h1>You are invited to an assessment</h1>
<p>Your invitation works once, so it is only used when you press the button. Press it in the browser, and on the device,
in which you want to work.</p>
<form method="post" action="/invitation"><input type="hidden" name="token" value="{escape(token)}">
<button>Go to the assessment</button></form>
<p class="note">Not now? Close this page; nothing is used up. The link is yours alone; please do not pass it on.</p>""",
    )


def nowhere_page() -> str:
    """Say that nothing is set up here in which an assessment could be sat, and that nothing was used."""
    return document(
        "Your invitation",
        f"""<h1>Your invitation is unused</h1>
<p>This service does not know yet where you sit your assessment. Your invitation is still good.</p>
<p>Please tell whoever invited you that this page shows no button; they will have it set up, or tell you which
examination client to use. A client asks for the address of this page.</p>{_CLIENTS}
<p class="note">For whoever runs the service: set <code>EVALIUM_FRONT_END_URL</code>.</p>""",
    )


def mangled_page() -> str:
    """Say that an address holds no invitation."""
    return document(
        "This is not a whole link",
        """<h1>This is not a whole link</h1>
<p>The address of this page holds no invitation. Open the link in your newest invitation again, or copy all of it.</p>
<p>If that fails too, ask whoever invited you for another one.</p>""",
    )


def refused_page(message: str, hint: str) -> str:
    """Say why the assessment does not begin, and what to do."""
    return document(
        "That did not work",
        f'<h1>That did not work</h1><p role="alert">{escape(message)}</p><p>{escape(hint)}</p>',
    )
