"""A certificate as PDF and as PNG: for staff who see programmes, and for whoever it was issued to."""

from dataclasses import dataclass
from uuid import UUID

from models.certificates import Certificate
from paper.certificates import Form, UnprintableError, fingerprint
from resolvers import certificates, open_badges
from resolvers.access import signed_in
from resolvers.context import Context
from services import certificates_paper
from services.refusals_files import Unprintable
from services.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Printed:
    """What was printed, and what names these very bytes; without content, whoever asks has them already."""

    tag: str
    content: bytes | None


@signed_in
async def printed(context: Context, certificate_id: UUID, form: Form, known: str) -> Printed:
    """Print a certificate: the own one from wherever it is, others of the own org unit.

    The picture carries the credential. `known` are the tags of what the reader has; that is not printed again. Refuses
    one that was revoked, and one with characters that no font has.
    """
    await certificates.require_shown(context, certificate_id)
    house = context.house
    async with house.office.snapshot(Viewer.system(context.tenant_id, name="certificates.paper")) as work:
        sheet = await certificates_paper.sheet(work, house.site, certificate_id)
    credential = await open_badges.credential(context, certificate_id) if form is Form.PNG else None
    tag = fingerprint(sheet, form.value, credential or "")
    if tag in known:
        return Printed(tag, None)
    try:
        return Printed(tag, await house.press.printed(form, sheet, credential))
    except UnprintableError as error:
        raise Unprintable(error.text) from error


def address(context: Context, row: Certificate, form: Form) -> str:
    """Return where a certificate that the viewer may see is downloaded in a form."""
    name = "pdf" if form is Form.PDF else "badge.png"
    return f"{context.house.site}/api/v1/certificates/{row.id}/{name}"
