"""Certificates: what completing a programme is worth, and who may check it."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from models.certificates import Certificate as CertificateRow
from models.certificates import HolderShown, RevokeCause
from paper.certificates import Form
from resolvers import certificates, certificates_paper, identity, open_badges, programmes
from resolvers import programmes_enrolments as enrolments
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.programmes import Programme, ProgrammeVersion
from services.certificates_actions import Available, CertificateAction
from services.certificates_read import Filter
from services.certificates_rules import CertificateState
from services.paging import PageRequest

if TYPE_CHECKING:
    from schema.programmes_enrolments import ProgrammeEnrolment

closed_set(
    CertificateState,
    "CertificateState",
    "What a certificate is now: exactly one of these.",
    {
        CertificateState.ACTIVE: "It counts.",
        CertificateState.EXPIRED: "Its last day is over.",
        CertificateState.REVOKED: "It does not count any more, whatever its last day is.",
    },
)
closed_set(
    RevokeCause,
    "CertificateRevokeCause",
    "Why a certificate does not count any more.",
    {
        RevokeCause.DECISION: "Somebody decided so.",
        RevokeCause.REISSUED: "Another one has taken its place.",
        RevokeCause.CORRECTED: "A score that it rests on was corrected, and does not meet its requirement.",
    },
)
closed_set(
    HolderShown,
    "CertificateHolderShown",
    "How much of a holder's name the public is shown.",
    {
        HolderShown.FULL: "The whole name.",
        HolderShown.INITIALS: "The first letter of each word of it.",
        HolderShown.HIDDEN: "Nothing of it.",
    },
)
closed_set(
    CertificateAction,
    "CertificateAction",
    "What can be done with a certificate.",
    {
        CertificateAction.REVOKE: "Let it count no more: `certificateRevoke`.",
        CertificateAction.REISSUE: "Issue another in its place: `certificateReissue`.",
    },
)


@strawberry.type(description="Whether something can be done with a certificate now.")
class CertificateAvailableAction:
    """An action."""

    action: CertificateAction = told("Which.")
    enabled: bool = told("Whether it can be done now.")
    reason: str | None = told("Why it cannot; null when it can.")

    @classmethod
    def of(cls, one: Available) -> "CertificateAvailableAction":
        """Show an action."""
        return cls(action=one.action, enabled=one.enabled, reason=one.reason)


@strawberry.type(description="What was issued to one person for completing a programme. It is never changed.")
class Certificate(Node):
    """A certificate."""

    row: strawberry.Private[CertificateRow]
    holder_name: str = told("The holder's name when it was issued.")
    issued_at: datetime = told("When it was issued.")
    valid_through: date | None = told("Its last day, in the tenant's time zone; null when it counts for ever.")
    expires_at: datetime | None = told("When that day is over; null when it counts for ever.")
    renewal_opens_at: datetime | None = told("From when on it is renewed; null when it counts for ever.")
    renewal_ends_at: datetime | None = told("Until when a renewal continues it; null when it counts for ever.")
    revoked_at: datetime | None = told("When it was revoked; null when it was not.")
    revoke_cause: RevokeCause | None = told("Why it was revoked, in a word; null when it was not.")
    revoke_reason: str | None = told("Why it was revoked, as said; null when it was not.")

    @strawberry.field(description="What it is now.")
    async def state(self, info: Info) -> CertificateState:
        """Show the state."""
        return await certificates.state(info.context, self.row)

    @strawberry.field(description="Where anybody may check it: whoever has the address sees what the tenant shows.")
    def verification_url(self, info: Info) -> str:
        """Show the address."""
        return certificates.address(info.context, self.row)

    @strawberry.field(description="Where it is downloaded as PDF, with the same token; a revoked one is refused.")
    def pdf_url(self, info: Info) -> str:
        """Show where the paper is."""
        return certificates_paper.address(info.context, self.row, Form.PDF)

    @strawberry.field(description="Where it is downloaded as PNG, with the same token; a revoked one is refused.")
    def png_url(self, info: Info) -> str:
        """Show where the picture is."""
        return certificates_paper.address(info.context, self.row, Form.PNG)

    @strawberry.field(
        description="Where its Open Badges credential is downloaded, with the same token: a file anybody can check."
    )
    def credential_url(self, info: Info) -> str:
        """Show where the credential is."""
        return open_badges.address(info.context, self.row)

    @strawberry.field(description="What the caller can do with it now, and else why not.")
    async def available_actions(self, info: Info) -> list[CertificateAvailableAction]:
        """Tell what can be done."""
        return [CertificateAvailableAction.of(one) for one in await certificates.actions(info.context, self.row)]

    @strawberry.field(description="Whose it is.")
    async def user(self, info: Info) -> User | None:
        """Show the holder."""
        person = await identity.person(info.context, self.row.user_id)
        return person and User.of(person)

    @strawberry.field(description="Who revoked it; null when nobody did, or Evalium itself.")
    async def revoked_by(self, info: Info) -> User | None:
        """Show who revoked it."""
        who = self.row.revoked_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @ask(programmes.programme, "The programme.")
    async def programme(self, info: Info) -> Programme | None:
        """Show the programme."""
        row = await programmes.programme(info.context, self.row.programme_id)
        return row and Programme.of(row)

    @ask(programmes.programme_version, "The version that was completed.")
    async def programme_version(self, info: Info) -> ProgrammeVersion | None:
        """Show the version."""
        row = await programmes.programme_version(info.context, self.row.version_id)
        return row and ProgrammeVersion.of(row)

    @ask(enrolments.enrolment, "The enrolment that it was issued for.")
    async def enrolment(
        self, info: Info
    ) -> Annotated["ProgrammeEnrolment", strawberry.lazy("schema.programmes_enrolments")] | None:
        """Show the enrolment."""
        from schema.programmes_enrolments import ProgrammeEnrolment  # noqa: PLC0415 - types refer to one another

        row = await enrolments.enrolment(info.context, self.row.enrolment_id)
        return row and ProgrammeEnrolment.of(row)

    @ask(certificates.certificate, "The one of the same enrolment whose place it has taken; null when there was none.")
    async def replaces(self, info: Info) -> "Certificate | None":
        """Show the one before."""
        row = await certificates.certificate(info.context, self.row.replaces_id)
        return row and Certificate.of(row)

    @ask(certificates.certificate, "The one that it continues, of an earlier enrolment; null when it is no renewal.")
    async def renews(self, info: Info) -> "Certificate | None":
        """Show the one that it renews."""
        row = await certificates.certificate(info.context, self.row.renews_id)
        return row and Certificate.of(row)

    @classmethod
    def of(cls, row: CertificateRow) -> "Certificate":
        """Show a certificate."""
        return cls(
            row=row,
            id=global_id("Certificate", row.id),
            uuid=row.id,
            holder_name=row.holder_name,
            issued_at=row.issued_at,
            valid_through=row.valid_through,
            expires_at=row.expires_at,
            renewal_opens_at=row.renewal_opens_at,
            renewal_ends_at=row.renewal_ends_at,
            revoked_at=row.revoked_at,
            revoke_cause=None if row.revoke_cause is None else RevokeCause(row.revoke_cause),
            revoke_reason=row.revoke_reason,
        )


@strawberry.type(description="What the tenant shows of its certificates.")
class CertificateSettings:
    """The tenant's settings."""

    holder_shown: HolderShown = told("How much of a holder's name the public is shown.")


@strawberry.input(description="Which certificates are wanted; what is left out does not narrow.")
class CertificateFilter:
    """Filter of `certificates`."""

    programme_id: strawberry.ID | None = told("Only of this programme, whichever version.", default=None)
    user_id: strawberry.ID | None = told("Only of this person.", default=None)
    enrolment_id: strawberry.ID | None = told("Only of this enrolment: one after the other.", default=None)
    state: list[CertificateState] | None = told("Only what is one of these now.", default=None)
    valid_at: datetime | None = told(
        "Only what counted at this instant: issued by then, and neither over nor revoked.", default=None
    )

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""

        def of(kind: str, given: strawberry.ID | None, name: str) -> UUID | None:
            return None if given is None else local_id(kind, given, path=["filter", name])

        return Filter(
            of("Programme", self.programme_id, "programmeId"),
            of("User", self.user_id, "userId"),
            of("ProgrammeEnrolment", self.enrolment_id, "enrolmentId"),
            self.state,
            self.valid_at,
        )


@strawberry.type
class CertificatesQuery:
    """Queries about certificates."""

    @ask(certificates.certificate, "One certificate; null when there is none to be seen.")
    async def certificate(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the certificate.")]
    ) -> Certificate | None:
        """Show a certificate."""
        row = await certificates.certificate(info.context, looked_for("Certificate", id))
        return row and Certificate.of(row)

    @ask(certificates.settings, "What the tenant shows of its certificates.")
    async def certificate_settings(self, info: Info) -> CertificateSettings:
        """Show the settings."""
        return CertificateSettings(holder_shown=await certificates.settings(info.context))

    @ask(certificates.certificates_page, "The certificates of the org unit, the newest first.")
    async def certificates(
        self,
        info: Info,
        filter: Annotated[CertificateFilter | None, says("Which are wanted.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Certificate]:
        """List certificates."""
        wanted = (filter or CertificateFilter()).plain()
        page = await certificates.certificates_page(info.context, wanted, PageRequest(first, after, last, before))
        return connect(page, Certificate.of)
