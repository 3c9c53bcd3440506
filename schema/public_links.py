"""Public links: whoever has one and names themselves may start."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.public_links import PublicLink as LinkRow
from resolvers import public_links
from schema.access import Info, act, says, told
from schema.my_session import MySession
from schema.nodes import global_id, local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY
from services.public_links import CODE_LENGTH, MOST_STARTS, Wanted
from services.public_links_redeem import Visitor

if TYPE_CHECKING:
    from schema.assignments import Assignment

CODE = f"{CODE_LENGTH[0]} to {CODE_LENGTH[-1]} characters; capitals do not count."


@strawberry.type(description="A link that is handed out freely: whoever has it and names themselves may start.")
class PublicLink:
    """A public link."""

    row: strawberry.Private[LinkRow]
    id: strawberry.ID = told("Global id, for `publicLinkClose`.")
    has_access_code: bool = told("True when an access code is asked for.")
    cap: int | None = told("How many sessions may come of it; null for any number.")
    used: int = told("How many sessions have come of it.")
    created_at: datetime = told("When it was made.")
    closed_at: datetime | None = told("When it was closed; null while it is open.")

    @strawberry.field(description="The address to hand out; it holds the link's token.")
    def address(self, info: Info) -> str:
        """Show the address."""
        return public_links.address(info.context, self.row)

    @strawberry.field(description="The assignment that it starts.")
    async def assignment(self, info: Info) -> Annotated["Assignment", strawberry.lazy("schema.assignments")] | None:
        """Show the assignment."""
        from schema.assignments import Assignment  # noqa: PLC0415 - the types refer to each other

        row = await public_links.assignment(info.context, self.row)
        return row and Assignment.of(row)

    @classmethod
    def of(cls, row: LinkRow) -> "PublicLink":
        """Show a public link."""
        return cls(
            row=row,
            id=global_id("PublicLink", row.id),
            has_access_code=row.code_hash is not None,
            cap=row.cap,
            used=row.used,
            created_at=row.created_at,
            closed_at=row.closed_at,
        )


@strawberry.input(description="How a public link lets people in.")
class PublicLinkInput:
    """A public link."""

    access_code: str | None = told(f"An access code to ask for: {CODE} None when left out.", default=None)
    cap: int | None = told(
        f"How many sessions may come of it, 1 to {MOST_STARTS}; any number when left out.", default=None
    )

    def plain(self) -> Wanted:
        """Return what is wanted as the service reads it."""
        return Wanted(self.access_code, self.cap)


@strawberry.input(description="A public link to make.")
class PublicLinkCreateInput(PublicLinkInput):
    """A public link of an assignment."""

    assignment_id: strawberry.ID = told("Global id of an active assignment.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A public link to close, and why.")
class PublicLinkCloseInput:
    """Which link."""

    id: strawberry.ID = told("Global id of the public link.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A public link, and who starts by it.")
class PublicLinkRedeemInput:
    """Link and visitor."""

    token: str = told("The token in the link's address.")
    display_name: str = told("The visitor's name, 1 to 200 characters.")
    email: str = told("The visitor's e-mail address; nobody proves it, and the ledger says so.")
    access_code: str | None = told("The access code, where the link asks for one.", default=None)
    nonce: str = told("16 to 128 random characters that this browser keeps: it alone may try again, for two minutes.")
    idempotency_key: str | None = told(KEY, default=None)

    def visitor(self) -> Visitor:
        """Return who starts as the service reads it."""
        return Visitor(self.display_name, self.email, self.access_code, self.nonce)


@strawberry.type(description="A public link as it is now.")
class PublicLinkPayload:
    """Answer of the acts on public links."""

    public_link: PublicLink | None = told("The link; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="A session that was started by a public link.")
class PublicLinkRedeemPayload:
    """Answer of `publicLinkRedeem`."""

    session_token: str | None = told("Bearer token of the session: for everything the candidate does from here on.")
    expires_at: datetime | None = told("When the token ends: seven days after it began.")
    session: MySession | None = told("The session, as its candidate sees it.")
    problems: list[Problem] = told("Why there is no session, and what to do.")


@strawberry.type
class PublicLinksMutation:
    """Acts on public links."""

    @act(public_links.public_link_create, "Make a public link to an active assignment.")
    async def public_link_create(
        self, info: Info, input: Annotated[PublicLinkCreateInput, says("To what, and how.")]
    ) -> PublicLinkPayload:
        """Make."""

        async def create() -> LinkRow | None:
            assignment_id = local_id("Assignment", input.assignment_id, path=["assignmentId"])
            return await public_links.public_link_create(
                info.context, assignment_id, input.plain(), input.idempotency_key
            )

        row, problems = await attempt(create())
        return PublicLinkPayload(public_link=row and PublicLink.of(row), problems=problems)

    @act(public_links.public_link_close, "Close a public link: nobody starts by it any more; sessions go on.")
    async def public_link_close(
        self, info: Info, input: Annotated[PublicLinkCloseInput, says("Which, and why.")]
    ) -> PublicLinkPayload:
        """Close."""

        async def close() -> LinkRow | None:
            link_id = local_id("PublicLink", input.id)
            return await public_links.public_link_close(info.context, link_id, input.reason, input.idempotency_key)

        row, problems = await attempt(close())
        return PublicLinkPayload(public_link=row and PublicLink.of(row), problems=problems)

    @act(
        public_links.public_link_redeem,
        "Turn a public link into a session of whoever has it. A token that is none of ours is UNAUTHENTICATED.",
    )
    async def public_link_redeem(
        self, info: Info, input: Annotated[PublicLinkRedeemInput, says("Link and visitor.")]
    ) -> PublicLinkRedeemPayload:
        """Start."""
        redeemed, problems = await attempt(
            public_links.public_link_redeem(info.context, input.token, input.visitor(), input.idempotency_key)
        )
        return PublicLinkRedeemPayload(
            session_token=redeemed and redeemed.token,
            expires_at=redeemed and redeemed.expires_at,
            session=redeemed and MySession.of(redeemed.session),
            problems=problems,
        )
