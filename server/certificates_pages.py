"""The page that says whether a certificate counts, in the style of those of signing in: no script, no file.

The state is said in words and by a sign, never by colour alone.
"""

from datetime import date
from html import escape
from typing import Final

from server.sign_ins_pages import document
from services.certificates_rules import CertificateState
from services.certificates_verify import Verified
from services.refusals import RateLimited

_SIGNS: Final = {
    "good": '<path d="M6 12.5l4 4L18 8"/>',
    "over": '<path d="M12 7v5.5l3.5 2"/>',
    "bad": '<path d="M8 8l8 8M16 8l-8 8"/>',
}
_STATES: Final = {
    CertificateState.ACTIVE: ("good", "This certificate is valid"),
    CertificateState.EXPIRED: ("over", "This certificate has expired"),
    CertificateState.REVOKED: ("bad", "This certificate was revoked"),
}
_THROUGH: Final = {
    CertificateState.ACTIVE: "Valid through",
    CertificateState.EXPIRED: "Was valid through",
    CertificateState.REVOKED: "Was to be valid through",
}
_NOTES: Final = {
    CertificateState.ACTIVE: "Compare this with the certificate that you were shown. What counts is what stands here.",
    CertificateState.EXPIRED: "It is not valid any more. Ask whoever showed it to you whether there is a newer one.",
    CertificateState.REVOKED: "It is not valid any more, whatever a copy of it says.",
}


def verified_page(found: Verified) -> str:
    """Show what the public may see of a certificate."""
    kind, said = _STATES[found.state]
    facts = [
        ("Programme", escape(found.programme)),
        ("Issued by", escape(found.issuer)),
        ("Issued to", "The issuer shows no names" if found.holder is None else f"<bdi>{escape(found.holder)}</bdi>"),
        ("Issued on", _day(found.issued_on)),
    ]
    if found.revoked_on is not None:
        facts.append(("Revoked on", _day(found.revoked_on)))
    facts.append((_THROUGH[found.state], "No end" if found.valid_through is None else _day(found.valid_through)))
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    body = f'{_headed(kind, said)}<dl class="facts">{rows}</dl><p class="note">{_NOTES[found.state]}</p>'
    return document(said, body)


def unknown_page() -> str:
    """Say that an address belongs to no certificate, whatever is wrong with it."""
    said = "No such certificate"
    return document(
        said,
        f"""{_headed("bad", said)}
<p>No certificate has this address. Scan the code on the certificate again, or type the whole address that stands on it:
small and capital letters count.</p>
<p class="note">Still nothing? Then this service has not issued what you were shown.</p>""",
    )


def busy_page(refusal: RateLimited) -> str:
    """Say when to look again, after too many addresses that belong to no certificate."""
    said = "Too many tries"
    return document(
        said,
        f"""{_headed("over", said)}
<p>Too many addresses were tried from here that belong to no certificate. Load this page again in
{refusal.retry_after_seconds} seconds.</p>""",
    )


def _headed(kind: str, said: str) -> str:
    return (
        f'<h1 class="state {kind}"><svg viewBox="0 0 24 24" width="32" height="32" aria-hidden="true" fill="none" '
        'stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">'
        f'<circle cx="12" cy="12" r="10.5"/>{_SIGNS[kind]}</svg><span>{said}</span></h1>'
    )


def _day(day: date) -> str:
    return f'<time datetime="{day.isoformat()}">{day.day} {day:%B} {day.year}</time>'
