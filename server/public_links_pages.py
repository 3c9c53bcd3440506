"""The page behind a public link, in the style of those of signing in: no script, one form."""

from html import escape

from server.sign_ins_pages import document


def form_page(token: str) -> str:
    """Ask for a name, an address and the access code. Opening this page uses nothing up."""
    return document(
        "Start the assessment",
        f"""<h1>Start the assessment</h1>
<p>Say who you are, and press the button in the browser, and on the device, in which you want to work.</p>
<form method="post" action="/start"><input type="hidden" name="token" value="{escape(token)}">
<label for="displayName">Your name</label>
<input type="text" id="displayName" name="displayName" autocomplete="name" required maxlength="200">
<label for="email">Your e-mail address</label>
<input type="email" id="email" name="email" autocomplete="email" required maxlength="254">
<label for="accessCode">Access code, if you were given one</label>
<input type="text" id="accessCode" name="accessCode" autocomplete="off" maxlength="64">
<button>Go to the assessment</button></form>
<p class="note">Not now? Close this page; nothing is used up.</p>""",
    )
