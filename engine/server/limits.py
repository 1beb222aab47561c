"""How much at once, and how fast: of requests by token, and of bodies."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.clock import Clock
from engine.server import problems

BURST_SHARE = 0.2
"""Of the requests of a minute, these at once."""

PACED_MAX = 10_000
"""Tokens whose pace is remembered."""

BODY_MAX_BYTES = 1024 * 1024
"""Of any request: PagerDuty sends up to 256 KiB, a large group of alerts is under half of this."""

BODY_WITHIN_S = 10.0
"""From the headers to the end of the body; longer is a slow client, or one that means harm."""


class Pace:
    """A token bucket for each name."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self.per_minute = per_minute
        self._burst = max(1.0, per_minute * BURST_SHARE)
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Takes one request; how many seconds too early it is (0: it is not)."""
        now_s = self._clock.monotonic_s()
        level, then_s = self._levels.pop(name, (self._burst, now_s))
        level = min(self._burst, level + (now_s - then_s) * self.per_minute / 60)
        early_s = 0.0 if level >= 1 else (1 - level) * 60 / self.per_minute
        self._levels[name] = (level - 1 if level >= 1 else level, now_s)
        if len(self._levels) > PACED_MAX:
            self._levels.popitem(last=False)
        return early_s


class BodyLimit:
    """Refuses bodies that are too large, or too slow."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0
        ended = False
        until_s = asyncio.get_running_loop().time() + BODY_WITHIN_S

        async def limited() -> Message:
            nonlocal size, ended
            if ended:
                return await receive()
            async with asyncio.timeout_at(until_s):
                message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_MAX_BYTES:
                raise _Refused(413, "too-large", f"a body has up to {BODY_MAX_BYTES:,} bytes")
            ended = not message.get("more_body", False)
            return message

        try:
            _check_declared(dict(scope["headers"]).get(b"content-length", b"0"))
            await self._app(scope, limited, send)
        except _Refused as error:
            problem = problems.Problem(error.status, error.kind, "Not taken", error.words)
            await problems.answer(problem)(scope, receive, send)
        except TimeoutError:
            if ended:
                raise
            words = f"the body took more than {BODY_WITHIN_S:.0f} s"
            problem = problems.Problem(408, "too-slow", "Not taken", words)
            await problems.answer(problem)(scope, receive, send)


def _check_declared(length: bytes) -> None:
    if length.isdigit() and (len(length) > 19 or int(length) > BODY_MAX_BYTES):
        raise _Refused(413, "too-large", f"a body has up to {BODY_MAX_BYTES:,} bytes")


class _Refused(Exception):
    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(words)
        self.status, self.kind, self.words = status, kind, words
