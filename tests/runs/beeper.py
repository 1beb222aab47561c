"""A channel that a test hears, and a clock that a test moves."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from engine.journal.contract import Store
from engine.journal.sqlite import SqliteStore
from engine.plugin.channel import Message

START_US = 1_800_000_000_000_000


class Beeper:
    """Rings people. `Beeper.rang`: what reached them; `on`: what happens before a message does, or
    instead; `then`: once it is there, and before that is said.
    """

    family: ClassVar[str] = "beeper"
    addressed: ClassVar[bool] = True
    again: bool = True
    text_max_chars: ClassVar[int] = 200
    interval_s: ClassVar[float] = 0.0

    rang: ClassVar[list[Message]] = []
    on: ClassVar[Callable[[Message], Awaitable[None]] | None] = None
    then: ClassVar[Callable[[Message], Awaitable[None]] | None] = None

    follows: ClassVar[bool] = False
    """Whether it takes in what became of it."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    @classmethod
    def reset(cls) -> None:
        cls.rang, cls.on, Beeper.then, Beeper.follows = [], None, None, False

    def fingerprint(self) -> str:
        return "beeper"

    async def ping(self) -> str:
        return "beep"

    async def send(self, message: Message) -> Mapping[str, Any]:
        on = type(self).on
        if on is not None:
            await on(message)
        Beeper.rang.append(message)
        if Beeper.then is not None:
            await Beeper.then(message)
        return {"id": message.key, "follows": Beeper.follows and message.kind == "page"}

    async def close(self) -> None:
        """Nothing was opened."""


class Siren(Beeper):
    """The same, but it does not know a message by its key."""

    family: ClassVar[str] = "siren"
    again: bool = False
    on: ClassVar[Callable[[Message], Awaitable[None]] | None] = None


class Hands:
    """A clock whose hands go to the next time somebody waits for, once all is still."""

    def __init__(self) -> None:
        self._now_us = START_US
        self._waits: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self.held = 0
        """While somebody does something that takes no time, the hands stand still."""
        self._in_threads = 0

    def now_us(self) -> int:
        self._now_us += 1
        return self._now_us

    def monotonic_s(self) -> float:
        return self._now_us / 1e6

    def passes(self, seconds: float) -> None:
        """While nobody is there who waits."""
        self._now_us += round(seconds * 1e6)

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        due_us = self._now_us + round(seconds * 1e6)
        heapq.heappush(self._waits, (due_us, self._count, done))
        await done

    def minds(self, store: Store) -> None:
        """What threads do for this store takes no time, however slow the disk is."""
        if isinstance(store, SqliteStore):
            store._read = self._counted(store._read)  # type: ignore[method-assign]
            writer = store._writer
            writer.perform = self._counted(writer.perform)  # type: ignore[method-assign]

    def _counted(self, work: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def counted(of: Any) -> Any:
            self._in_threads += 1
            try:
                return await work(of)
            finally:
                self._in_threads -= 1

        return counted

    def _is_still(self) -> bool:
        """Nothing runs, is about to, or waits for a thread. How long that is so already says less:
        on a busy machine somebody who is at work is not heard of for a while either.
        """
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        return not (self.held or self._in_threads or ready)

    async def turn(self, still_s: float = 0.01) -> None:
        """Goes on for ever; cancel it."""
        while True:
            await asyncio.sleep(still_s)
            while self._waits and self._waits[0][2].done():
                heapq.heappop(self._waits)
            if self._waits and self._is_still():
                due_us, _, done = heapq.heappop(self._waits)
                self._now_us = max(self._now_us, due_us)
                done.set_result(None)
