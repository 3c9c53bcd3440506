"""Signing in and out: open to everybody, since what is shown decides; and where the viewer is signed in."""

from dataclasses import dataclass
from uuid import UUID

from dataloaders import sign_ins as loaders
from models.identity import OrgUnit, User
from models.sign_ins import SignIn, SignInEnd
from resolvers import identity
from resolvers.access import public, signed_in
from resolvers.context import Context
from services import sign_ins, sign_ins_redeem, sign_ins_refresh
from services.attempts import Limit
from services.bearers import hashed
from services.idempotency import Answer, Request
from services.paging import Page, PageRequest
from services.refusals import InvalidInput, RateLimited, Refusal, Unauthenticated
from services.sign_ins_redeem import Issued, Link, SignInCodeWrong
from services.viewer import Via, Viewer
from services.work import Work

REFRESHES = "refresh-tokens"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in as just begun or gone on with, and its tokens."""

    issued: Issued
    sign_in_id: UUID
    user: User
    org_unit: OrgUnit


@public
async def sign_in_request(context: Context, email: str, tenant: str | None, nonce: str, key: str | None) -> None:
    """Have a link mailed, if the address may sign in; the work and the answer are the same if it may not."""
    asked = sign_ins.asked(email, tenant, nonce)
    key = key if key is not None else context.idempotency_key
    given = {"address": asked.address, "tenant": asked.tenant}
    request = None if key is None else Request.of("signInRequest", key, given)

    async def act(work: Work) -> bool:
        return await sign_ins.is_repeated(work, asked, request)

    if request is not None and await context.house.office.perform(Viewer.anonymous(), act):
        return
    network = (("sign-in request from", context.address), Limit(context.house.sign_ins_per_network))
    per_address = [(("sign-in request for", asked.address), limit) for limit in sign_ins.PER_ADDRESS]
    await context.house.attempts.tried([network, *per_address])

    async def ask(work: Work) -> None:
        await sign_ins.request(work, asked, request)

    await context.house.office.perform(Viewer.anonymous(), ask, repeatable=True)


@public
async def sign_in_redeem(
    context: Context, token: str | None, code: str | None, nonce: str | None, org_unit_id: UUID | None, key: str | None
) -> SignedIn:
    """Turn a link, or the code that stands for it in the asking browser, into a sign-in; once."""
    if nonce is not None:
        sign_ins.hashed_nonce(nonce)
    if (token is None) == (code is None):
        raise InvalidInput("Give either the token of a link or a code.", path=["token"])
    link = await (_by_token(context, token) if token is not None else _by_code(context, code or "", nonce))
    house = context.house
    codes, refreshes = house.tokens.secret_for(sign_ins.CODES), house.tokens.secret_for(REFRESHES)

    async def act(work: Work) -> Answer:
        answer = await sign_ins_redeem.redeem(
            work, link, secret=codes, nonce=nonce, org_unit_id=org_unit_id, client=context.client
        )
        await sign_ins_redeem.keep(work, answer, _first(refreshes, answer, nonce))
        return answer

    given = {"token": token, "code": code, "nonce": nonce, "org_unit": org_unit_id and str(org_unit_id)}
    try:
        answer = await context.write("signInRedeem", key, given, act, viewer=link.person)
    except (sign_ins_redeem.SignInLinkUsed, sign_ins_redeem.SignInLinkExpired, sign_ins_redeem.SignInNotAllowed) as no:
        _failed(context, link, no)
        raise
    refresh_token = _first(refreshes, answer, nonce)
    issued = sign_ins_redeem.issue(house.tokens, link.tenant_id, answer, link.name, refresh_token)
    return await _shown(context, link.person, answer, issued)


@public
async def sign_in_refresh(context: Context, token: str, nonce: str | None, key: str | None) -> SignedIn:
    """Use a refresh token for the next pair of tokens; one that was used before ends the sign-in."""
    house = context.house
    secret = house.tokens.secret_for(REFRESHES)
    try:
        shown = await sign_ins_refresh.find(house.office, token, secret)
    except Unauthenticated:
        await house.attempts.failed("refresh token from", context.address)
        raise

    async def act(work: Work) -> Answer:
        return await sign_ins_refresh.refresh(work, shown, token, nonce, secret)

    answer = await context.write("signInRefresh", key, {"token": token, "nonce": nonce}, act, viewer=shown.person)
    if "ended" in answer:
        raise Unauthenticated(_OVER.get(answer["ended"], "This sign-in is over."), hint="Sign in again.")
    successor = sign_ins_refresh.successor(secret, answer, token)
    issued = sign_ins_redeem.issue(house.tokens, shown.tenant_id, answer, shown.name, successor)
    return await _shown(context, shown.person, answer, issued)


_OVER = {
    SignInEnd.REUSED.value: "This refresh token was used before, so the sign-in was ended everywhere.",
    SignInEnd.SUSPENDED.value: "This account is suspended.",
    SignInEnd.ACCESS_LOST.value: "You no longer work in the org unit of this sign-in.",
    SignInEnd.SIGNED_OUT.value: "This sign-in was ended.",
    SignInEnd.ENDED_BY_OWNER.value: "This sign-in was ended.",
}


@public
async def sign_out(context: Context, token: str | None, key: str | None) -> UUID:
    """End the sign-in of the refresh token, else that of the access token, everywhere at once."""
    person, sign_in_id = context.viewer, context.viewer.sign_in_id
    if token is not None:
        try:
            secret = context.house.tokens.secret_for(REFRESHES)
            shown = await sign_ins_refresh.find(context.house.office, token, secret)
        except Unauthenticated:
            await context.house.attempts.failed("sign-out from", context.address)
            raise
        person, sign_in_id = shown.person, shown.sign_in_id
    if sign_in_id is None:
        raise Unauthenticated("Only a sign-in can be ended: send its access token or its refresh token.")

    async def act(work: Work) -> Answer:
        await sign_ins.end(work, SignIn.id == sign_in_id, SignInEnd.SIGNED_OUT)
        return {"sign_in": str(sign_in_id)}

    await context.write("signOut", key, {"token": token, "sign_in": str(sign_in_id)}, act, viewer=person)
    return sign_in_id


@signed_in
async def my_sign_ins(context: Context, page: PageRequest) -> Page[SignIn]:
    """List where the viewer is signed in."""
    return await context.read(sign_ins.mine, page)


@signed_in
async def sign_in_end(context: Context, sign_in_id: UUID, key: str | None) -> SignIn:
    """End one of the viewer's own sign-ins."""

    async def act(work: Work) -> Answer:
        return await sign_ins.end_own(work, sign_in_id)

    await context.write("signInEnd", key, {"id": str(sign_in_id)}, act)
    row = (await context.read(sign_ins.by_id, [sign_in_id])).get(sign_in_id)
    if row is None:
        raise LookupError(f"sign-in {sign_in_id} cannot be read back")
    return row


async def org_unit_of(context: Context, org_unit_id: UUID) -> OrgUnit | None:
    """Return an org unit that a sign-in or a service token of the viewer's tenant names."""
    return await context.loaders.of(loaders.org_units).load(org_unit_id)


def _first(secret: bytes, answer: Answer, nonce: str | None) -> str:
    """Return the first refresh token of a sign-in."""
    return sign_ins_redeem.refresh_secret(secret, answer, nonce or "")


async def _by_token(context: Context, token: str) -> Link:
    try:
        return await sign_ins_redeem.by_token(context.house.office, token)
    except Unauthenticated:
        await context.house.attempts.failed("sign-in link from", context.address)
        raise


async def _by_code(context: Context, code: str, nonce: str | None) -> Link:
    """Find the link of a code; five tries in 15 minutes for each browser, whether or not its address has an account.

    An account that took too many wrong codes today is answered as if this one were wrong too.
    """
    if nonce is None:
        raise SignInCodeWrong(
            "A code is good in the browser that asked for the link, and this one did not say who it is."
        )
    house = context.house
    await house.attempts.failed("code from", hashed(nonce), limit=sign_ins_redeem.CODES_PER_BROWSER)
    secret = house.tokens.secret_for(sign_ins.CODES)
    right, possible = await sign_ins_redeem.by_code(house.office, secret, hashed(nonce), code)
    accounts = [str(link.user_id) for link in possible] or [hashed(nonce)]
    try:
        for account in accounts:
            if right is None:
                await house.attempts.failed("code for", account, limit=sign_ins_redeem.CODES_PER_ACCOUNT)
            else:
                await house.attempts.check("code for", account, limit=sign_ins_redeem.CODES_PER_ACCOUNT)
    except RateLimited:
        right = None
    if right is None:
        for link in possible:
            _failed(context, link, SignInCodeWrong("wrong code"))
        raise SignInCodeWrong("This is not the code of the newest link that this browser asked for.", path=["code"])
    return right


def _failed(context: Context, link: Link, refusal: Refusal) -> None:
    """Note a failed sign-in in the ledger of the tenant; many of one kind within a minute become one row."""
    somebody = Viewer(via=Via.ANONYMOUS, tenant_id=link.tenant_id, name=context.address or "unknown")
    after = {"code": refusal.code, "address": context.address}
    context.house.audit.note(somebody, "sign_in.failed", ("user", link.user_id), after=after, bound=str(link.user_id))


async def _shown(context: Context, person: Viewer, answer: Answer, issued: Issued) -> SignedIn:
    """Go on as whoever has signed in, and read what the answer shows of them."""
    unit_id, sign_in_id = UUID(answer["org_unit"]), UUID(answer["sign_in"])
    await context.become(
        Viewer(
            via=Via.ACCESS,
            tenant_id=person.tenant_id,
            org_unit_id=unit_id,
            user_id=person.user_id,
            name=person.name,
            sign_in_id=sign_in_id,
        )
    )
    user = await identity.person(context, UUID(answer["user"]))
    unit = await org_unit_of(context, unit_id)
    if user is None or unit is None:
        raise LookupError(f"sign-in {sign_in_id} cannot be read back")
    return SignedIn(issued, sign_in_id, user, unit)
