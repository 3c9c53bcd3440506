"""Open Badges without a database: what credentials say, and that a library that did not sign them accepts no other."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import KeySet, RSAKey

from services import credential_keys, open_badges
from services.open_badges import Achievement, Award, Criterion, Issuer, Secrets

ISSUER = Issuer("https://evalium.example", UUID(int=7), "Ärztekammer")
SECRETS = Secrets(bytes(32))
KEY = credential_keys.make(2048)
THUMB = credential_keys.thumbprint(KEY.public)
PRIVATE = load_der_private_key(KEY.private, None)
CRITERIA = (Criterion("Theory", Decimal("80.00"), True), Criterion("Talk", None, False))


def award(**more) -> Award:
    usual = {
        "certificate_id": uuid4(),
        "issued_at": datetime(2026, 3, 1, 12, 0, 5, 999_999, tzinfo=UTC),
        "expires_at": datetime(2027, 3, 1, 23, 0, tzinfo=UTC),
        "email": "ada@example.org",
        "shown_name": None,
        "achievement": Achievement(uuid4(), "First aid", "", CRITERIA, uuid4()),
    }
    return Award(**usual | more)


def signed(of: Award) -> str:
    return open_badges.signed(ISSUER, of, SECRETS, PRIVATE, THUMB)


def known() -> KeySet:
    return KeySet.import_key_set(open_badges.key_set(ISSUER, {THUMB: KEY.public}))


def verified(token: str) -> tuple[dict, dict]:
    """Header and payload, by a library that has signed nothing here."""
    found = jws.deserialize_compact(token, known(), algorithms=["RS256"])
    return found.headers(), orjson.loads(found.payload)


def test_a_credential_says_what_the_certificate_says():
    of = award()
    header, payload = verified(signed(of))
    assert header == {"alg": "RS256", "typ": "JWT", "kid": f"{ISSUER.url}/keys/{THUMB}"}, "no other headers are allowed"
    assert payload["@context"][:2] == [
        "https://www.w3.org/ns/credentials/v2",
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    ]
    assert payload["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert payload["id"] == payload["jti"] == f"urn:uuid:{of.certificate_id}"
    assert payload["iss"] == payload["issuer"]["id"] == f"https://evalium.example/api/v1/issuers/{UUID(int=7)}"
    assert payload["issuer"] == {"id": ISSUER.url, "type": ["Profile"], "name": "Ärztekammer"}
    assert payload["sub"] == payload["credentialSubject"]["id"]
    assert (payload["validFrom"], payload["validUntil"]) == ("2026-03-01T12:00:05Z", "2027-03-01T23:00:00Z")
    assert datetime.fromtimestamp(payload["nbf"], UTC) == datetime.fromisoformat(payload["validFrom"])
    assert datetime.fromtimestamp(payload["exp"], UTC) == datetime.fromisoformat(payload["validUntil"])
    assert payload["credentialStatus"] == {"id": ISSUER.revocations, "type": "1EdTechRevocationList"}
    what = payload["credentialSubject"]["achievement"]
    assert what == {
        "id": ISSUER.achievement(of.achievement.version_id),
        "type": ["Achievement"],
        "name": "First aid",
        "description": "First aid",
        "criteria": {"narrative": "Passed:\n\n- Theory, at least 80 %\n- Talk (voluntary)"},
        "image": {"id": ISSUER.image(of.achievement.badge_id), "type": "Image", "caption": "First aid"},
    }


def test_one_that_never_expires_has_no_end():
    _, payload = verified(signed(award(expires_at=None)))
    assert "exp" not in payload
    assert "validUntil" not in payload


def test_one_that_is_over_verifies_and_says_so():
    token = signed(award(expires_at=datetime(2026, 4, 1, tzinfo=UTC)))
    said = jwt.decode(token, known(), algorithms=["RS256"]).claims
    jwt.JWTClaimsRegistry(now=said["exp"] - 1, exp={"essential": True}).validate(said)
    with pytest.raises(ExpiredTokenError):
        jwt.JWTClaimsRegistry(now=said["exp"] + 1).validate(said)


def test_the_holder_is_recognised_by_the_address_and_by_nothing_else():
    of = award(email="lovelace@example.org")
    _, payload = verified(signed(of))
    (found,) = payload["credentialSubject"]["identifier"]
    expected = hashlib.sha256(f"lovelace@example.org{found['salt']}".encode()).hexdigest()
    assert (found["identityType"], found["hashed"]) == ("emailAddress", True)
    assert found["identityHash"] == f"sha256${expected}"
    assert "lovelace" not in signed(of)
    assert "lovelace" not in str(payload)
    _, full = verified(signed(award(shown_name="Ada Lovelace")))
    assert full["credentialSubject"]["identifier"][1] == {
        "type": "IdentityObject",
        "hashed": False,
        "identityHash": "Ada Lovelace",
        "identityType": "name",
    }


def test_the_same_certificate_gives_the_same_credential_and_two_do_not_tell_that_they_are_of_one_person():
    one, other = award(), award()
    assert signed(one) == signed(one)
    mine, theirs = [verified(signed(each))[1]["credentialSubject"] for each in (one, other)]
    assert mine["id"] != theirs["id"]
    assert mine["identifier"][0]["salt"] != theirs["identifier"][0]["salt"]
    assert mine["identifier"][0]["identityHash"] != theirs["identifier"][0]["identityHash"]
    assert SECRETS.salt(one.certificate_id) != Secrets(b"1" * 32).salt(one.certificate_id)


def test_every_flipped_byte_is_refused():
    token = signed(award())
    refused = 0
    for place in range(0, len(token), 7):
        for bit in (1, 4):
            changed = bytearray(token, "ascii")
            changed[place] ^= bit
            try:
                _, payload = verified(changed.decode("ascii"))
            except (JoseError, ValueError):
                refused += 1
            else:
                assert payload == verified(token)[1], place  # spare bits of the last character carry nothing
    assert refused > 300


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_another_algorithm_is_refused(algorithm: str):
    _, payload, signature = signed(award()).split(".")
    header = {"alg": algorithm, "typ": "JWT", "kid": ISSUER.key(THUMB)}
    encoded = credential_keys._base64url(orjson.dumps(header))
    with pytest.raises(JoseError):
        verified(f"{encoded}.{payload}.{signature}")


@given(st.integers(min_value=1, max_value=2**4096))
def test_numbers_are_written_as_jwks_have_them(number: int):
    text = credential_keys.encoded(number)
    assert "=" not in text
    back = open_badges.jwt.utils.base64url_decode(text)
    assert int.from_bytes(back) == number
    assert back[0] != 0


def test_the_thumbprint_is_that_of_the_rfc_and_of_another_library():
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    example = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert credential_keys.thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert RSAKey.import_key(KEY.public).thumbprint() == THUMB


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - given a zone below
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_claims_and_dates_are_of_the_same_second(naive: datetime, minutes: int):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    written = open_badges.instant(moment)
    assert written.endswith("Z")
    assert datetime.fromisoformat(written).timestamp() == open_badges.seconds(moment)
    assert timedelta(0) <= moment - datetime.fromisoformat(written) < timedelta(seconds=1)


@given(st.text(min_size=1, max_size=30))
def test_names_in_the_narrative_are_no_markup(name: str):
    told = open_badges.narrative([Criterion(name, Decimal("62.50"), True)])
    assert told.endswith(", at least 62.5 %")
    line = told.removeprefix("Passed:\n\n- ")
    for place, letter in enumerate(line):
        if letter in "*_[<#`":
            assert line[place - 1] == "\\"


def test_public_documents_hold_public_members_only():
    with_more = {THUMB: KEY.public | {"d": "secret", "p": "secret"}}
    (shown,) = open_badges.key_set(ISSUER, with_more)["keys"]
    assert set(shown) == {"kty", "n", "e", "alg", "use", "kid"}
    assert "private" not in repr(KEY)
    assert str(bytes(32)) not in repr(SECRETS)


def test_the_list_of_revoked_credentials_tells_ids_alone():
    ids = [uuid4(), uuid4()]
    found = open_badges.revocation_list(ISSUER, ids)
    assert (found["id"], found["issuer"]) == (ISSUER.revocations, ISSUER.url)
    expected = [{"id": f"urn:uuid:{one}", "revoked": True} for one in ids]
    assert found["revokedCredential"] == found["revokedCredentials"] == expected
