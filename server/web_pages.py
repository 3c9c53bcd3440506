"""The pages that the server writes itself. They need no script and no file, so they work in every installation."""

import base64
import hashlib
from typing import Final

FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3d3a8c"/>'
    '<path d="M9 17l5 5L24 10" fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 3rem 1.25rem; }
h1 { font-size: 1.9rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 0.5rem; }
.lead { font-size: 1.1rem; margin: 0.25rem 0 2rem; }
a { color: light-dark(#3d3a8c, #b3b0ff); }
.go { border: 1px solid; border-radius: 6px; display: inline-block; font-weight: 600; padding: 0.55rem 1.1rem; }
.go:hover, .go:focus-visible { text-decoration-thickness: 2px; }
dl { display: grid; gap: 0.35rem 1.25rem; grid-template-columns: max-content 1fr; margin: 0; }
dt, pre, code { font-family: ui-monospace, monospace; font-size: 0.9em; }
dd { margin: 0; }
pre { border: 1px solid light-dark(#d5d5e0, #44445a); border-radius: 6px; overflow-x: auto; padding: 0.75rem 1rem; }
.mail { background: #fff; border: 1px solid; border-radius: 6px; height: 24rem; width: 100%; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.5rem; } }
"""

LANDING_STYLE_SOURCE: Final = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The style of the pages as a source of a content security policy."""

_LANDING: Final = """
<h1>Evalium</h1>
<p class="lead">Assessments over GraphQL: issued, sat, watched live, scored and accounted for.</p>
<p><a class="go" href="/graphiql">Open GraphiQL</a></p>
<h2>Addresses</h2>
<dl>
<dt>POST /graphql</dt><dd>queries and mutations</dd>
<dt>WS /graphql</dt><dd>subscriptions, protocol <code>graphql-transport-ws</code></dd>
<dt>/graphql/stream</dt><dd>subscriptions as server-sent events</dd>
<dt><a href="/schema.graphql" download>/schema.graphql</a></dt><dd>the schema, every part of it described</dd>
<dt><a href="/dev/outbox">/dev/outbox</a></dt><dd>the mails of a demonstration that has no mail server</dd>
<dt><a href="/healthz">/healthz</a></dt><dd>whether the service can answer queries</dd>
</dl>
<h2>Your first query</h2>
<p>Mint an access token of the demonstration tenant on the machine that runs the server:</p>
<pre>.venv/bin/evalium token --role proctor</pre>
<p>Paste it into GraphiQL's Identity panel, or send it yourself:</p>
<pre>curl -s $ADDRESS/graphql -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" -d '{"query": "{ __typename }"}'</pre>
<h2>In the repository</h2>
<dl>
<dt>README.md</dt><dd>from a fresh machine to a running examination day</dd>
<dt>docs/ARCHITECTURE.md</dt><dd>how it is built, and why so</dd>
<dt>graphql/operations/</dt><dd>operations to copy; GraphiQL lists them under Documents</dd>
</dl>
"""

_NOT_BUILT: Final = """
<h1>GraphiQL is not built yet</h1>
<p class="lead">The API at <code>/graphql</code> is complete without it; only this page is missing.</p>
<p>Run this in the checkout, then load this page again. The server need not be restarted.</p>
<pre>make web</pre>
<p>It needs a registry of npm packages, and Node 20.19 or newer; where Node is missing it is fetched from the package
index that pip uses. Until then, <a href="/schema.graphql">/schema.graphql</a> describes every operation.</p>
<p><a href="/">Back to the start</a></p>
"""


def landing_page() -> str:
    """Write the page at `/`: what this is, where its doors are, how to send a first query."""
    return _document("Evalium", _LANDING)


def not_built_page() -> str:
    """Write what `/graphiql` answers, with 503, while web/dist is missing."""
    return _document("GraphiQL is not built · Evalium", _NOT_BUILT)


def page(title: str, body: str) -> str:
    """Write a page in the same style; both arguments are HTML already."""
    return _document(f"{title} · Evalium", body)


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" type="image/svg+xml" href="/favicon.svg">'
        f"<style>{_STYLE}</style></head>\n<body><main>{body}</main></body></html>\n"
    )
