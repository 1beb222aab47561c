"""Makes tokens, changes one for another, takes them back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from engine.clock import MICROSECONDS, Clock
from engine.core.events import Actor
from engine.errors import Usage
from engine.journal.tokens import Token, Tokens, digest_of
from engine.server.identity import Grants

PREFIX = "rbk"
"""Of every token, so that a scanner of repositories finds one that was committed."""

SECRET_BYTES = 32
LIFE_MAX_S = 366 * 86_400
"""A token that lives longer than a year outlives the knowledge of what it is for."""

GRACE_MAX_S = 7 * 86_400
"""How long an old token may stay valid beside its successor."""


class Mint:
    """The tokens, and the time."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    async def make(
        self,
        person: str,
        grants: Grants,
        scopes: tuple[str, ...],
        life_s: float,
        maker: Actor,
    ) -> tuple[Token, str]:
        """A new token, and its text, which nobody can be told again. Raises Usage."""
        if not person.strip():
            raise Usage("a token is somebody's: say whose")
        if not grants:
            raise Usage("a token needs at least one role", help="for example operator:stratum")
        if not 0 < life_s <= LIFE_MAX_S:
            raise Usage("a token lives up to 366 days", help="for example 90d")
        now_us = self._clock.now_us()
        name = secrets.token_hex(4)
        text = f"{PREFIX}_{name}_{secrets.token_urlsafe(SECRET_BYTES)}"
        expires_us = now_us + round(life_s * MICROSECONDS)
        token = Token(name, person.strip(), grants, scopes, now_us, maker.name, expires_us)
        await self._tokens.put(token, digest_of(text))
        return token, text

    async def rotate(
        self, name: str, grace_s: float, life_s: float, maker: Actor
    ) -> tuple[Token, str]:
        """A successor with the same roles and scopes; the old one is valid for `grace_s` more.

        Raises Usage where it is not valid any more.
        """
        old = await self._tokens.get(name)
        now_us = self._clock.now_us()
        if not old.valid_at(now_us):
            raise Usage(f"token {name} is not valid any more", help="make a new one")
        if not 0 <= grace_s <= GRACE_MAX_S:
            raise Usage("the grace period is up to 7 days")
        made = await self.make(old.person, _plain(old.grants), old.scopes, life_s, maker)
        why = f"rotated into {made[0].id} by {maker.name}"
        await self._tokens.end(name, why, now_us + round(grace_s * MICROSECONDS))
        return made

    async def revoke(self, name: str, why: str, actor: Actor) -> Token:
        """Takes it back at once. Raises Usage."""
        return await self._tokens.end(name, f"{why} ({actor.name})", self._clock.now_us())


def _plain(grants: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return dict(grants)
