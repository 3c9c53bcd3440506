"""Signing in by a mailed link, going on, signing out, and where one is signed in."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import identity as identity_models
from models import sign_ins as models
from resolvers import sign_ins
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.identity import OrgUnit, User
from schema.nodes import Node, global_id, local_id
from schema.problems import Problem, attempt
from services.paging import PageRequest
from services.sign_ins import LINK_LIFE

KEY = "Idempotency key of up to 255 printable characters; the header Idempotency-Key does the same."
NONCE = (
    "Secret of this browser or program: 22 to 128 letters, digits, '-' and '_', made at random once and sent with each "
    "step. A link signs in only the browser that asked for it."
)


@strawberry.type(description="One browser or program in which a person is signed in.")
class SignIn(Node):
    """A sign-in."""

    client: str = told("What the browser or program called itself; may be empty.")
    created_at: datetime = told("When the person signed in.")
    seen_at: datetime = told("When its tokens were last renewed.")
    expires_at: datetime = told("When it ends by itself.")
    is_current: bool = told("Whether it is the one that sent this request.")
    ended_at: datetime | None = told("When it was ended; null while it counts.")
    unit_id: strawberry.Private[object]

    @strawberry.field(description="The org unit that it is for.")
    async def org_unit(self, info: Info) -> OrgUnit | None:
        """Show the org unit."""
        row = await sign_ins.org_unit_of(info.context, self.unit_id)  # pyright: ignore[reportArgumentType] - a UUID
        return row and shown_unit(row)


def shown_unit(row: identity_models.OrgUnit) -> OrgUnit:
    """Show an org unit."""
    return OrgUnit.of(row)


def shown(info: Info, row: models.SignIn) -> SignIn:
    """Show a sign-in to its person."""
    return SignIn(
        id=global_id("SignIn", row.id),
        uuid=row.id,
        client=row.client,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        is_current=row.id == info.context.viewer.sign_in_id,
        ended_at=row.ended_at,
        unit_id=row.org_unit_id,
    )


@strawberry.type(description="The tokens of a sign-in.")
class SignInTokens:
    """Both tokens."""

    access_token: str = told("Goes with each request as `Authorization: Bearer …`; good for ten minutes.")
    access_expires_at: datetime = told("When the access token ends.")
    refresh_token: str = told("Used once, for the next pair of tokens. Keep it where no script of others can read it.")
    refresh_expires_at: datetime = told("When the sign-in ends for good.")


@strawberry.input(description="Ask for a sign-in link.")
class SignInRequestInput:
    """What is asked."""

    email: str = told("Address that the link is mailed to, if it may sign in.")
    tenant: str | None = told("Short name of the organisation; without it, each that knows the address.", default=None)
    nonce: str = told(NONCE)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="The request was taken; whether a mail follows is told to nobody but the address's owner.")
class SignInRequestPayload:
    """The same answer for every address."""

    accepted: bool = told("Whether the request was taken.")
    link_expires_in_seconds: int = told("How long a link is good for after it was mailed.")
    problems: list[Problem] = told("Why it was refused; empty when it was taken.")


@strawberry.input(description="Sign in with a link, or with the code that stands for it in the browser that asked.")
class SignInRedeemInput:
    """A token or a code."""

    token: str | None = told("The token in the link; give this or `code`.", default=None)
    code: str | None = told("The six digits in the mail; give this or `token`.", default=None)
    nonce: str | None = told(NONCE, default=None)
    org_unit_id: strawberry.ID | None = told(
        "In which org unit to sign in; needed when there are several.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Renew the tokens of a sign-in.")
class SignInRefreshInput:
    """A refresh token."""

    refresh_token: str = told("The newest refresh token.")
    nonce: str | None = told(
        "The browser's nonce. With it, an answer that was lost is given again for 30 seconds.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A sign-in, or why there is none.")
class SignInPayload:
    """What signing in and renewing answer."""

    tokens: SignInTokens | None = told("The tokens; null when refused.")
    sign_in_id: strawberry.ID | None = told("The sign-in, as `mySignIns` lists it; null when refused.")
    user: User | None = told("Who is signed in; null when refused.")
    org_unit: OrgUnit | None = told("In which org unit; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


@strawberry.input(description="Sign out: end a sign-in everywhere.")
class SignOutInput:
    """Whose sign-in ends."""

    refresh_token: str | None = told(
        "A refresh token of the sign-in; without it, that of the access token.", default=None
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What was ended.")
class SignOutPayload:
    """What signing out answers."""

    sign_in_id: strawberry.ID | None = told("The sign-in that is over; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


@strawberry.input(description="End one of one's own sign-ins.")
class SignInEndInput:
    """Which one."""

    id: strawberry.ID = told("The sign-in.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="What was ended.")
class SignInEndPayload:
    """What ending answers."""

    sign_in: SignIn | None = told("The sign-in that is over; null when refused.")
    problems: list[Problem] = told("Why it was refused; empty when it took effect.")


def _signed_in(done: sign_ins.SignedIn | None, problems: list[Problem]) -> SignInPayload:
    if done is None:
        return SignInPayload(tokens=None, sign_in_id=None, user=None, org_unit=None, problems=problems)
    issued = done.issued
    return SignInPayload(
        tokens=SignInTokens(
            access_token=issued.access_token,
            access_expires_at=issued.access_expires_at,
            refresh_token=issued.refresh_token,
            refresh_expires_at=issued.refresh_expires_at,
        ),
        sign_in_id=global_id("SignIn", done.sign_in_id),
        user=User.of(done.user),
        org_unit=shown_unit(done.org_unit),
        problems=problems,
    )


@strawberry.type
class SignInsQuery:
    """Where one is signed in."""

    @ask(sign_ins.my_sign_ins, "Where the viewer is signed in now, the newest first.")
    async def my_sign_ins(
        self,
        info: Info,
        first: Annotated[int | None, says("Rows wanted from the front, at most 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Cursor after which the page begins.")] = None,
        last: Annotated[int | None, says("Rows wanted from the back, at most 100.")] = None,
        before: Annotated[str | None, says("Cursor before which the page ends.")] = None,
    ) -> Connection[SignIn]:
        """List them."""
        page = await sign_ins.my_sign_ins(info.context, PageRequest(first, after, last, before))
        return connect(page, lambda row: shown(info, row))


@strawberry.type
class SignInsMutation:
    """Signing in and out."""

    @act(sign_ins.sign_in_request, "Have a sign-in link mailed. The answer is the same for every address.")
    async def sign_in_request(
        self, info: Info, input: Annotated[SignInRequestInput, says("Whom to mail, and who asks.")]
    ) -> SignInRequestPayload:
        """Ask for a link."""
        _, problems = await attempt(
            sign_ins.sign_in_request(info.context, input.email, input.tenant, input.nonce, input.idempotency_key)
        )
        return SignInRequestPayload(
            accepted=not problems, link_expires_in_seconds=int(LINK_LIFE.total_seconds()), problems=problems
        )

    @act(sign_ins.sign_in_redeem, "Sign in with a mailed link, once, in the browser that asked for it.")
    async def sign_in_redeem(
        self, info: Info, input: Annotated[SignInRedeemInput, says("The link or its code.")]
    ) -> SignInPayload:
        """Redeem a link."""

        async def redeem() -> sign_ins.SignedIn:
            unit = None if input.org_unit_id is None else local_id("OrgUnit", input.org_unit_id, path=["orgUnitId"])
            return await sign_ins.sign_in_redeem(
                info.context, input.token, input.code, input.nonce, unit, input.idempotency_key
            )

        return _signed_in(*await attempt(redeem()))

    @act(sign_ins.sign_in_refresh, "Renew both tokens. A refresh token that comes again ends the sign-in everywhere.")
    async def sign_in_refresh(
        self, info: Info, input: Annotated[SignInRefreshInput, says("The newest refresh token.")]
    ) -> SignInPayload:
        """Renew."""
        return _signed_in(
            *await attempt(
                sign_ins.sign_in_refresh(info.context, input.refresh_token, input.nonce, input.idempotency_key)
            )
        )

    @act(sign_ins.sign_out, "End a sign-in at once, in every process, with its open streams.")
    async def sign_out(self, info: Info, input: Annotated[SignOutInput, says("Which sign-in.")]) -> SignOutPayload:
        """Sign out."""
        ended, problems = await attempt(sign_ins.sign_out(info.context, input.refresh_token, input.idempotency_key))
        return SignOutPayload(sign_in_id=ended and global_id("SignIn", ended), problems=problems)

    @act(sign_ins.sign_in_end, "End one of one's own sign-ins, such as on a lost device.")
    async def sign_in_end(
        self, info: Info, input: Annotated[SignInEndInput, says("Which sign-in.")]
    ) -> SignInEndPayload:
        """End one."""

        async def end() -> models.SignIn:
            return await sign_ins.sign_in_end(info.context, local_id("SignIn", input.id), input.idempotency_key)

        row, problems = await attempt(end())
        return SignInEndPayload(sign_in=row and shown(info, row), problems=problems)
