"""Bearer token to viewer: verifies and attaches, decides nothing (domain.md section 3)."""

import hashlib
from collections import OrderedDict
from datetime import UTC, datetime
from uuid import UUID

from services.demonstration import Persona
from services.refusals import Unauthenticated
from services.tokens import LONGEST_LIFE, Claims, Tokens, TokenType
from services.viewer import Via, Viewer

LONGEST_NAME = 200
KEPT = 10_000
"""How many verified tokens are remembered."""


class Viewers:
    """Who bears which token, of those that were verified lately: a signature is checked once, not at every request.

    The token's life is looked at every time. What may end before it (a session, a grant, a person) is no matter of the
    token: it is read with the rights.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known: OrderedDict[bytes, Viewer] = OrderedDict()

    def of(self, token: str | None) -> Viewer:
        """Return whoever bears the token; nobody when there is none; refuse one that does not verify."""
        if token is None:
            return Viewer.anonymous()
        key = hashlib.sha256(token.encode()).digest()
        viewer = self._known.get(key)
        if viewer is None or viewer.expires_at is None or viewer.expires_at <= datetime.now(UTC):
            self._known.pop(key, None)
            viewer = self._known[key] = viewer_of(self._tokens, token)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return viewer


def viewer_of(tokens: Tokens, token: str | None) -> Viewer:
    """Return whoever bears the token; nobody when there is none; refuse one that does not verify."""
    if token is None:
        return Viewer.anonymous()
    claims = tokens.verify(token, TokenType.ACCESS, TokenType.SESSION, TokenType.SERVICE)
    name = str(claims.extra.get("name", ""))[:LONGEST_NAME]
    match claims.type:
        case TokenType.ACCESS:
            return _staff(claims, name)
        case TokenType.SERVICE:
            return Viewer(
                via=Via.SERVICE,
                tenant_id=claims.tenant_id,
                org_unit_id=claims.org_unit_id,
                user_id=claims.subject if claims.scope_all else None,
                service_token_id=None if claims.scope_all else claims.subject,
                scope_all=claims.scope_all,
                name=name,
                token_id=str(claims.token_id),
                expires_at=claims.expires_at,
            )
        case _:
            return Viewer(
                via=Via.SESSION,
                tenant_id=claims.tenant_id,
                org_unit_id=_org_unit(claims),
                session_id=claims.subject,
                name=name or "candidate",
                token_id=str(claims.token_id),
                expires_at=claims.expires_at,
            )


def access_token(tokens: Tokens, persona: Persona, now: datetime) -> str:
    """Mint an access token for a demonstration person; it lives as long as an access token may."""
    return tokens.mint(
        TokenType.ACCESS,
        persona.user_id,
        persona.tenant_id,
        org_unit_id=persona.org_unit_id,
        now=now,
        expires_at=now + LONGEST_LIFE[TokenType.ACCESS],
        role_ids=persona.role_ids,
        name=persona.name,
    )


def _staff(claims: Claims, name: str) -> Viewer:
    return Viewer(
        via=Via.ACCESS,
        tenant_id=claims.tenant_id,
        org_unit_id=_org_unit(claims),
        user_id=claims.subject,
        name=name,
        token_id=str(claims.token_id),
        expires_at=claims.expires_at,
        sign_in_id=claims.sign_in_id,
    )


def _org_unit(claims: Claims) -> UUID:
    if claims.org_unit_id is None:
        raise Unauthenticated("The token names no org unit.")
    return claims.org_unit_id
