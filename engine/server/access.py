"""Tells who a request is from, and slows down who guesses.

A wrong credential is answered late, and the later the more of them came from the same address. At
most `SLOWED_MAX` wait so at once; beyond, they are answered at once and counted all the same.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from engine.clock import MICROSECONDS, Clock
from engine.errors import JournalError
from engine.journal.tokens import Tokens, digest_of
from engine.server.identity import SIGNED_ON, Principal

SLOW_FIRST_S = 0.1
SLOW_MAX_S = 5.0
"""The longest a wrong credential waits for its answer. Over 10 s and clients give up by themselves,
and hold no connection of ours meanwhile."""

SLOWED_MAX = 200
"""Requests that wait for such an answer: memory and connections stay bounded."""

ADDRESSES_MAX = 10_000
"""Addresses whose wrong tries are remembered, the latest ones."""

FORGOTTEN_S = 900.0
"""After so long without a wrong try, an address begins anew."""

USED_EVERY_S = 60.0
"""How exactly the last use of a token is remembered: a write for each request would cost more."""

TOKEN_MAX_CHARS = 500
"""Of what is looked up at all."""


@dataclass(slots=True)
class _Tries:
    count: int
    last_us: int


class Doorkeeper:
    """Who may come in. Used from one event loop."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._slowed = 0
        self._used: dict[str, int] = {}
        self.refused = 0
        """Wrong or missing credentials since the start."""

    async def who(self, authorization: str | None, address: str) -> Principal | None:
        """Whose credentials these are; None, and late, when they are nobody's."""
        principal = await self._of_header(authorization or "")
        if principal is None:
            await self.slow_down(address)
        return principal

    async def slow_down(self, address: str) -> None:
        """Makes whoever is at this address wait, for a credential that did not hold."""
        self.refused += 1
        now_us = self._clock.now_us()
        tries = self._tries.pop(address, None)
        if tries is None or now_us - tries.last_us > FORGOTTEN_S * MICROSECONDS:
            tries = _Tries(0, now_us)
        tries.count, tries.last_us = tries.count + 1, now_us
        self._tries[address] = tries
        if len(self._tries) > ADDRESSES_MAX:
            self._tries.popitem(last=False)
        if self._slowed >= SLOWED_MAX:
            return
        self._slowed += 1
        try:
            await self._clock.sleep(min(SLOW_FIRST_S * 2 ** min(tries.count - 1, 10), SLOW_MAX_S))
        finally:
            self._slowed -= 1

    async def _of_header(self, authorization: str) -> Principal | None:
        scheme, _, text = authorization.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not 0 < len(text) <= TOKEN_MAX_CHARS:
            return None
        token = await self._tokens.of_digest(digest_of(text))
        now_us = self._clock.now_us()
        if token is None or not token.valid_at(now_us):
            return None
        if now_us - self._used.get(token.id, 0) > USED_EVERY_S * MICROSECONDS:
            if len(self._used) >= ADDRESSES_MAX:
                self._used.clear()  # sessions come and go: then a write for each, once
            self._used[token.id] = now_us
            with suppress(JournalError):  # who only wants to look is let in all the same
                await self._tokens.used(token.id, now_us)
        means = "sign-on" if token.made_by.startswith(SIGNED_ON) else "token"
        return Principal(token.person, means, token.id, token.grants, token.scopes)
