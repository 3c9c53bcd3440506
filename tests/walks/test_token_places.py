"""Every kind of token at every place: each is accepted at its own, and nowhere else."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services import demonstration
from services.tokens import TokenType
from tests.factories import attempts
from tests.factories import sign_ins as made
from tests.walks import story
from tests.walks.conftest import Live, document, receive, send

KINDS = ("access", "signed-in access", "session", "service", "invitation", "link", "refresh", "nothing of ours")
PLACES = {
    "staff field": {"access", "signed-in access", "service"},
    "candidate field": {"session"},
    "socket": {"access", "signed-in access", "session", "service"},
    "invitation": {"invitation"},
    "link": {"link"},
    "refresh": {"refresh"},
    "sign-out": {"refresh"},
}


@pytest.fixture
async def tokens(live: Live) -> dict[str, str]:
    await attempts.forget(live.service.house)
    version = await story.publish(live)
    _, (one, two) = await story.issue(live, version["id"], 2)
    who = await made.person(live)
    link, _ = await made.mailed(live, who)
    signed_in = (await made.signed_in(live, who))["tokens"]
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    given = {"name": "T", "capabilities": ["assignments.read"], "expiresAt": expires_at}
    return {
        "access": await live.token("proctor"),
        "signed-in access": signed_in["accessToken"],
        "session": await story.redeem(live, one),
        "service": (await live.do("ServiceTokenCreate", given, role="admin"))["token"],
        "invitation": two,
        "link": link,
        "refresh": signed_in["refreshToken"],
        "nothing of ours": uuid4().hex,
        "nonce": who.nonce,
    }


async def is_welcome(live: Live, place: str, token: str, nonce: str) -> bool:
    match place:
        case "staff field":
            body = await live.post("{ viewer { capabilities } }", token=token)
        case "candidate field":
            body = await live.post(document("MySession"), token=token)
        case "socket":
            return await opens(live, token)
        case "invitation":
            body = await live.post(document("InvitationRedeem"), {"input": {"token": token, "nonce": uuid4().hex}})
        case "link":
            body = await live.post(document("SignInRedeem"), {"input": {"token": token, "nonce": nonce}})
        case "refresh":
            body = await live.post(document("SignInRefresh"), {"input": {"refreshToken": token, "nonce": nonce}})
        case _:
            body = await live.post(document("SignOut"), {"input": {"refreshToken": token}})
    refused = [error["extensions"]["code"] for error in body.get("errors", [])]
    assert refused in ([], ["UNAUTHENTICATED"]), body
    return not refused


async def opens(live: Live, token: str) -> bool:
    from websockets.asyncio.client import connect  # noqa: PLC0415 - here alone
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - here alone

    address = live.base.replace("http://", "ws://") + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
        await send(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        try:
            return (await receive(socket))["type"] == "connection_ack"
        except ConnectionClosed as closed:
            code = closed.rcvd and closed.rcvd.code
    assert code == 4403
    return False


@pytest.mark.parametrize("place", PLACES)
async def test_each_kind_of_token_at_a_place(live: Live, tokens: dict[str, str], place: str):
    welcome = {kind for kind in KINDS if await is_welcome(live, place, tokens[kind], tokens["nonce"])}
    assert welcome == PLACES[place]


async def test_a_service_token_that_has_no_entry_counts_nothing(live: Live):
    house, now = live.service.house, datetime.now(UTC)
    persona = await demonstration.persona(house.office, "demo", "admin")
    token = house.tokens.mint(
        TokenType.SERVICE,
        persona.user_id,
        persona.tenant_id,
        org_unit_id=persona.org_unit_id,
        now=now,
        expires_at=now + timedelta(hours=1),
    )
    body = await live.post("{ viewer { capabilities } }", token=token)
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    token = house.tokens.mint(
        TokenType.ACCESS,
        persona.user_id,
        persona.tenant_id,
        org_unit_id=persona.org_unit_id,
        now=now,
        expires_at=now + timedelta(minutes=10),
        sign_in_id=uuid4(),
    )
    for text in ("{ viewer { capabilities } }", document("Assignments")):
        body = await live.post(text, token=token)
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED", "no such sign-in"
