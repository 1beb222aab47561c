"""The side of a Redis server that actions get."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine.adapters.redis_reader import RedisReader, check_selection, elapsed_ms, refused
from engine.adapters.redis_records import Deleted, Expiring, OnlyIf, Part, Published, WasSet
from engine.errors import AdapterError
from engine.plugin import StepContext

if TYPE_CHECKING:  # the client library comes with it, and only a connection needs that
    from engine.adapters.redis_link import RedisLink, Talk

BATCH_MAX_KEYS = 1_000
"""In one command: a larger one would keep everybody else waiting."""

PROGRESS_EVERY_S = 2.0
"""Between two lines of progress: each is an event in the journal."""

Change = Callable[["Talk", Sequence[bytes | str]], Awaitable[int]]


class RedisWriter:
    """Changes. Every command is sent once."""

    def __init__(self, link: RedisLink, context: StepContext) -> None:
        self.reads = RedisReader(link, context)
        self._link = link
        self._context = context

    async def _send(self, *command: Part) -> Any:
        async with self._link.talk(self.reads.until) as talk:
            return await talk.send(*command)

    async def set(
        self, key: str, value: Any, *, ttl_s: float | None = None, only_if: OnlyIf | None = None
    ) -> WasSet:
        """Sets a key to a text; with `ttl_s` it will expire, without it never will."""
        command: list[Part] = ["SET", key, as_text(value)]
        if ttl_s is not None:
            command += ["PX", _milliseconds(ttl_s)]
        if only_if is not None:
            command.append("NX" if only_if == "absent" else "XX")
        return WasSet(key, await self._send(*command) is not None)

    async def publish(self, channel: str, message: Any) -> Published:
        """Sends a message to whoever listens now. Nobody else will ever get it."""
        return Published(int(await self._send("PUBLISH", channel, as_text(message))))

    async def delete(
        self, *, match: str | None = None, keys: Sequence[str] = (), batch: int = 500
    ) -> Deleted:
        """Deletes keys by UNLINK in batches: those of a glob, or named ones."""
        began = time.monotonic()

        async def unlink(talk: Talk, some: Sequence[bytes | str]) -> int:
            return int(await talk.send("UNLINK", *some))

        deleted, matched = await self._change("delete", match, keys, batch, unlink)
        return Deleted(deleted, matched, elapsed_ms(began))

    async def expire(
        self, ttl_s: float, *, match: str | None = None, keys: Sequence[str] = (), batch: int = 500
    ) -> Expiring:
        """Gives keys a time to live: those of a glob, or named ones."""
        ttl_ms = _milliseconds(ttl_s)
        began = time.monotonic()

        async def expire(talk: Talk, some: Sequence[bytes | str]) -> int:
            replies = await talk.send_many([("PEXPIRE", key, ttl_ms) for key in some])
            for reply in replies:
                if isinstance(reply, AdapterError):
                    raise reply
            return sum(replies)

        changed, matched = await self._change("expire", match, keys, batch, expire)
        return Expiring(changed, matched, elapsed_ms(began))

    async def _change(
        self,
        verb: str,
        match: str | None,
        keys: Sequence[str],
        batch: int,
        change: Change,
    ) -> tuple[int, int]:
        """How many keys were changed, and how many were found."""
        check_selection(match, keys, self._context.max_affected)
        if not 1 <= batch <= BATCH_MAX_KEYS:
            raise refused(f"batch is {batch}: it is 1 to {BATCH_MAX_KEYS}")
        await self._count_first(verb, match, keys)
        work = _Work(verb, change, self._context)
        async with self._link.talk(self.reads.until) as talk:
            if match is None:
                await work.do(talk, list(dict.fromkeys(keys)), batch)
                return work.done, work.matched
            walk = self.reads.walk(match)
            try:
                async for some in walk.batches(talk):
                    await work.do(talk, some, batch)
            except AdapterError as e:
                raise work.cut_short(e) from e
        if not walk.complete:
            why = AdapterError("not every key was looked at in the time or the number allowed")
            raise work.cut_short(why)
        return work.done, work.matched

    async def _count_first(self, verb: str, match: str | None, keys: Sequence[str]) -> None:
        at_most = self._context.max_affected
        if at_most is None:
            return
        found = await self.reads.selected(match, keys)
        if found.count > at_most:
            raise AdapterError(
                f"{found.count} keys match, more than max_affected {at_most}: none was changed",
                help=f"for example {', '.join(found.sample[:3])}",
                retryable=False,
                detail={"affected": found.count, "max_affected": at_most},
            )
        if not found.complete:
            raise AdapterError(
                f"the keys could not be counted in the time or the number allowed, so nothing "
                f"was begun: {verb} would not know when to stop",
                help="a longer `timeout` of the step, or a larger `scan_max` of the connection",
            )


class _Work:
    """What of a change by batches is done, for the result and for an error."""

    def __init__(self, verb: str, change: Change, context: StepContext) -> None:
        self.done = 0
        self.matched = 0
        self._verb = verb
        self._change = change
        self._context = context
        self._said = time.monotonic()

    async def do(self, talk: Talk, keys: Sequence[bytes | str], batch: int) -> None:
        """Changes these, never more altogether than `max_affected`."""
        self.matched += len(keys)
        at_most = self._context.max_affected
        for at in range(0, len(keys), batch):
            part = keys[at : at + batch]
            if at_most is not None and self.done + len(part) > at_most:
                why = f"more keys match than were counted, and max_affected is {at_most}"
                raise self.cut_short(AdapterError(why, retryable=False))
            try:
                self.done += await self._change(talk, part)
            except AdapterError as e:
                raise self.cut_short(e) from e
        if time.monotonic() - self._said > PROGRESS_EVERY_S:
            self._said = time.monotonic()
            self._context.progress(f"{self._verb}: {self.done} of {self.matched} keys so far")

    def cut_short(self, e: AdapterError) -> AdapterError:
        """The same error, saying what is done."""
        if "done" in e.detail:
            return e
        return AdapterError(
            f"{e.message}; {self.done} keys are done",
            help=e.help,
            maybe_done=e.maybe_done or self.done > 0,
            retryable=e.retryable,
            detail=e.detail | {"done": self.done},
        )


def as_text(value: Any) -> str:
    """What Redis keeps for a JSON value: a text as it is, a number in digits, the rest as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        raise refused("the value is null, and Redis has no such value", help="redis.delete")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _milliseconds(ttl_s: float) -> int:
    if ttl_s < 0.001:
        raise refused(f"a time to live of {ttl_s:g} s would delete the key", help="redis.delete")
    return round(ttl_s * 1000)
