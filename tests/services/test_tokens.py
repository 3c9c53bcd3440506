"""RFC 8725, case by case: every mangled, confused, expired or over-long-lived token is refused."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.refusals import Unauthenticated
from services.tokens import AUDIENCE, ISSUER, LONGEST_LIFE, Tokens, TokenType

KEY = Ed25519PrivateKey.generate()
TOKENS = Tokens(KEY)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SUBJECT, TENANT, UNIT = uuid4(), uuid4(), uuid4()


def good(token_type=TokenType.ACCESS, **changes) -> str:
    facts = {"org_unit_id": UNIT, "now": NOW, "expires_at": NOW + timedelta(hours=1), **changes}
    return TOKENS.mint(token_type, SUBJECT, TENANT, **facts)


def forged(header=None, drop=(), key=KEY, algorithm="EdDSA", **changes) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(SUBJECT),
        "jti": str(uuid4()),
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
        "tenant": str(TENANT),
        "org_unit": str(UNIT),
        **changes,
    }
    for name in drop:
        claims.pop(name, None)
    return jwt.encode(
        claims, key, algorithm=algorithm, headers={"kid": TOKENS.key_id, "typ": "access", **(header or {})}
    )


def spliced(part: int, text: str) -> str:
    parts = good().split(".")
    parts[part] = text
    return ".".join(parts)


def b64(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


SEPARATE_HMAC_KEY = b"k" * 32

BAD = {
    "empty": "",
    "words": "not a token",
    "two parts": ".".join(good().split(".")[:2]),
    "four parts": good() + ".x",
    "no signature": good().rsplit(".", 1)[0] + ".",
    "another signature": spliced(2, good(token_id=uuid4()).split(".")[2]),
    "changed payload": spliced(1, b64({"sub": str(SUBJECT)})),
    "payload is a list": spliced(1, b64([1])),
    "header is a list": spliced(0, b64([])),
    "alg none": spliced(0, b64({"alg": "none", "typ": "access", "kid": TOKENS.key_id})),
    "alg HS256 header on our signature": spliced(0, b64({"alg": "HS256", "typ": "access", "kid": TOKENS.key_id})),
    "HS256 with a key of its own": forged(key=SEPARATE_HMAC_KEY, algorithm="HS256"),
    "foreign key": forged(key=Ed25519PrivateKey.generate()),
    "unknown kid": forged(header={"kid": "other"}),
    "kid is a path": forged(header={"kid": "../../etc/passwd"}),
    "typ JWT": forged(header={"typ": "JWT"}),
    "typ in other case": forged(header={"typ": "ACCESS"}),
    "critical header": forged(header={"crit": ["exp"]}),
    "other issuer": forged(iss="elsewhere"),
    "issuer list": spliced(1, b64({"iss": [ISSUER]})),
    "other audience": forged(aud="elsewhere"),
    "audience list": forged(aud=[AUDIENCE, "elsewhere"]),
    "no sub": forged(drop=["sub"]),
    "no exp": forged(drop=["exp"]),
    "no iat": forged(drop=["iat"]),
    "no jti": forged(drop=["jti"]),
    "no aud": forged(drop=["aud"]),
    "no iss": forged(drop=["iss"]),
    "no tenant": forged(drop=["tenant"]),
    "sub empty": forged(sub=""),
    "sub no uuid": forged(sub="admin"),
    "tenant no uuid": forged(tenant="*"),
    "jti no uuid": forged(jti="1"),
    "roles no uuids": forged(roles=["admin"]),
    "roles a string": forged(roles="x"),
    "exp as string": forged(exp=str(int(NOW.timestamp()) + 3600)),
    "exp true": forged(exp=True),
    "exp a float": forged(exp=NOW.timestamp() + 0.5),
    "exp null": forged(exp=None),
    "exp huge": forged(exp=10**30),
    "expired": forged(exp=int(NOW.timestamp()) - 1),
    "expires this very second": forged(exp=int(NOW.timestamp())),
    "issued tomorrow": forged(iat=int(NOW.timestamp()) + 86400, exp=int(NOW.timestamp()) + 90000),
    "a life of 100 years": forged(exp=int(NOW.timestamp()) + 100 * 365 * 86400),
    "scope_all on an access token": forged(scope_all=True),
    "scope_all as a word": forged(header={"typ": "service"}, scope_all="yes"),
    "scope_all null": forged(header={"typ": "service"}, scope_all=None),
    "a sign-in's token that lives an hour": forged(sid=str(uuid4())),
    "sid no uuid": forged(sid="*", exp=int(NOW.timestamp()) + 600),
    "sid a list": forged(sid=[str(uuid4())], exp=int(NOW.timestamp()) + 600),
    "sid on a service token": forged(header={"typ": "service"}, sid=str(uuid4()), exp=int(NOW.timestamp()) + 600),
    "jwk in the header": forged(header={"kid": "x", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "jku in the header": forged(header={"kid": "x", "jku": "https://keys.example"}),
    "no typ": forged(header={"typ": None}),
    "typ a list": spliced(0, b64({"alg": "EdDSA", "typ": ["access"], "kid": TOKENS.key_id})),
    "iat as string": forged(iat=str(int(NOW.timestamp()))),
    "iat null": forged(iat=None),
    "exp before iat and negative": forged(exp=-1),
    "sub a number": forged(sub=7),
    "tenant a list": forged(tenant=[str(TENANT)]),
    "org_unit no uuid": forged(org_unit="main"),
    "payload is not JSON": spliced(1, base64.urlsafe_b64encode(b"{").decode().rstrip("=")),
    "payload not base64": spliced(1, "%%%"),
    "signature of zeros": spliced(2, "A" * 86),
    "signature cut": good()[:-2],
    "over-long": good() + "A" * 5000,
    "trailing newline": good() + "\n",
    "non-ascii": good() + "é",
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    with pytest.raises(Unauthenticated) as refusal:
        TOKENS.verify(BAD[name], TokenType.ACCESS, TokenType.SERVICE, now=NOW)
    assert BAD[name] == "" or BAD[name] not in refusal.value.message


def test_the_table_is_long_enough():
    assert len(BAD) >= 60


def test_a_token_of_a_sign_in_lives_a_quarter_of_an_hour_at_most():
    sign_in = uuid4()
    token = good(sign_in_id=sign_in, expires_at=NOW + timedelta(minutes=15))
    assert TOKENS.verify(token, TokenType.ACCESS, now=NOW).sign_in_id == sign_in
    with pytest.raises(ValueError, match="may not live"):
        good(sign_in_id=sign_in, expires_at=NOW + timedelta(minutes=16))


@pytest.mark.parametrize("minted", TokenType)
@pytest.mark.parametrize("place", TokenType)
def test_each_type_is_accepted_at_its_own_place_only(minted, place):
    token = good(minted)
    if minted is place:
        assert TOKENS.verify(token, place, now=NOW).type is place
    else:
        with pytest.raises(Unauthenticated, match="not accepted here"):
            TOKENS.verify(token, place, now=NOW)


def test_a_token_says_what_was_minted():
    role, jti = uuid4(), uuid4()
    claims = TOKENS.verify(good(role_ids=(role,), token_id=jti, name="Demo"), TokenType.ACCESS, now=NOW)
    assert (claims.subject, claims.tenant_id, claims.org_unit_id) == (SUBJECT, TENANT, UNIT)
    assert (claims.role_ids, claims.token_id, claims.extra) == ((role,), jti, {"name": "Demo"})
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + timedelta(hours=1))


def test_minting_is_deterministic_so_that_an_invitation_need_not_be_stored():
    jti = uuid4()
    assert good(token_id=jti) == good(token_id=jti)


@pytest.mark.parametrize("token_type", TokenType)
def test_no_token_is_minted_that_lives_too_long(token_type):
    with pytest.raises(ValueError, match="may not live"):
        good(token_type, expires_at=NOW + LONGEST_LIFE[token_type] + timedelta(seconds=1))


def test_capabilities_are_never_in_a_token():
    payload = json.loads(base64.urlsafe_b64decode(good().split(".")[1] + "=="))
    assert set(payload) == {"iss", "aud", "sub", "jti", "iat", "exp", "tenant", "org_unit"}


def test_secrets_for_different_purposes_differ_and_stay():
    assert TOKENS.secret_for("cursors") == Tokens(KEY).secret_for("cursors") != TOKENS.secret_for("other")
