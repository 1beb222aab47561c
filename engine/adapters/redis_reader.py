"""The side of a Redis server that checks and previews get."""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from engine.adapters.redis_info import parse_info, text
from engine.adapters.redis_records import (
    ELEMENTS_MAX,
    SAMPLE_MAX_KEYS,
    VALUE_MAX_BYTES,
    BigKeys,
    Entry,
    Length,
    Matching,
    Part,
)
from engine.errors import AdapterError
from engine.plugin import StepContext

if TYPE_CHECKING:  # the client library comes with it, and only a connection needs that
    from engine.adapters.redis_link import RedisLink, Talk

SCAN_SHARE = 0.9
"""Of the time of a step that a look through the keys may take; then it says what it has seen."""

WAIT_SHARE = 0.99
"""Of the time of a step, how long a reply is waited for: who stops waiting a moment before the
runner does can still say whether a change may have taken place.
"""

SCAN_COUNT = 1_000
"""Keys that one SCAN looks at: a millisecond of the server's time."""

USAGE_SAMPLES = 5
"""Elements of a value by which the server estimates its memory; its own default."""

USAGE_BATCH = 200
"""MEMORY USAGE commands sent at once."""

_LENGTHS = {
    "string": "STRLEN",
    "list": "LLEN",
    "set": "SCARD",
    "zset": "ZCARD",
    "hash": "HLEN",
    "stream": "XLEN",
}


class RedisReader:
    """Asks. Sends no command that the server itself does not call read-only, KEYS neither."""

    def __init__(self, link: RedisLink, context: StepContext) -> None:
        self._link = link
        self.until = time.monotonic() + context.timeout_s * WAIT_SHARE
        self._scan_until = time.monotonic() + context.timeout_s * SCAN_SHARE

    async def ask(self, *command: Part) -> Any:
        """The server's own reply to one reading command. Raises AdapterError for any other."""
        async with self._link.talk(self.until) as talk:
            return await self._ask(talk, *command)

    async def _ask(self, talk: Talk, *command: Part) -> Any:
        await self._link.check_reads(talk, command)
        return await talk.send(*command)

    async def info(self, section: str = "default") -> dict[str, Any]:
        """What the server says of itself; numbers are numbers, `dbN` a mapping."""
        said, _ = text(await self.ask("INFO", section))
        found = parse_info(said)
        if not found and section.lower() != "keyspace":  # which is empty in an empty server
            raise AdapterError(
                f"the server knows no section {section!r} of INFO",
                help="memory, clients, stats, replication, keyspace, server, ... or default",
                retryable=False,
            )
        return found

    async def get(self, key: str, *, limit: int = 100) -> Entry:
        """What a key holds, at most `limit` elements of it."""
        limit = max(1, min(limit, ELEMENTS_MAX))
        async with self._link.talk(self.until) as talk:
            kind, _ = text(await self._ask(talk, "TYPE", key))
            if kind == "none":
                return Entry(key, False, kind, None, 0, None, False, False)
            length = await self._length(talk, key, kind)
            found = await self._value(talk, key, kind, limit)
            ttl_ms = await self._ask(talk, "PTTL", key)
        shown = _Shown()
        value = shown.value(found)
        held = VALUE_MAX_BYTES if kind == "string" else limit
        cut = shown.cut or length > held
        ttl_s = ttl_ms / 1000 if ttl_ms >= 0 else None
        return Entry(key, True, kind, value, length, ttl_s, cut, shown.binary)

    async def length(self, key: str) -> Length:
        """How long the value of a key is, whatever its type."""
        async with self._link.talk(self.until) as talk:
            kind, _ = text(await self._ask(talk, "TYPE", key))
            if kind == "none":
                return Length(0, False, kind)
            return Length(await self._length(talk, key, kind), True, kind)

    async def _length(self, talk: Talk, key: str, kind: str) -> int:
        command = _LENGTHS.get(kind)
        return int(await self._ask(talk, command, key)) if command else 0

    async def _value(self, talk: Talk, key: str, kind: str, limit: int) -> Any:
        if kind == "string":
            return await self._ask(talk, "GETRANGE", key, 0, VALUE_MAX_BYTES - 1)
        if kind == "list":
            return await self._ask(talk, "LRANGE", key, 0, limit - 1)
        if kind == "zset":
            flat = await self._ask(talk, "ZRANGE", key, 0, limit - 1, "WITHSCORES")
            return [[m, float(s)] for m, s in zip(flat[::2], flat[1::2], strict=True)]
        if kind == "stream":
            newest = await self._ask(talk, "XREVRANGE", key, "+", "-", "COUNT", limit)
            return [{"id": i, "fields": _pairs(f)} for i, f in newest]
        if kind in ("hash", "set"):
            return await self._walked(talk, key, kind, limit)
        return None

    async def _walked(self, talk: Talk, key: str, kind: str, limit: int) -> Any:
        command, width = ("HSCAN", 2) if kind == "hash" else ("SSCAN", 1)
        cursor, flat = b"0", []
        while True:
            cursor, some = await self._ask(talk, command, key, cursor, "COUNT", limit)
            flat += some
            if cursor == b"0" or len(flat) >= limit * width:
                break
        flat = flat[: limit * width]
        return _pairs(flat) if kind == "hash" else flat

    async def scan(self, match: str, *, sample: int = SAMPLE_MAX_KEYS) -> Matching:
        """How many keys match a glob, with some of their names."""
        began = time.monotonic()
        count, walk = 0, self.walk(match)
        names: list[bytes] = []
        async with self._link.talk(self.until) as talk:
            async for keys in walk.batches(talk):
                count += len(keys)
                names += keys[: max(0, sample - len(names))]
        shown = tuple(sorted(text(name)[0] for name in names))
        return Matching(count, shown, walk.complete, elapsed_ms(began))

    async def existing(self, keys: Sequence[str]) -> Matching:
        """How many of these keys there are."""
        began = time.monotonic()
        count = int(await self.ask("EXISTS", *dict.fromkeys(keys)))
        return Matching(count, tuple(sorted(keys)[:SAMPLE_MAX_KEYS]), True, elapsed_ms(began))

    def walk(self, match: str, scan_max: int | None = None) -> Walk:
        """A look through the keys that match."""
        most = self._link.settings.scan_max if scan_max is None else scan_max
        return Walk(match, most, self._scan_until)

    async def selected(self, match: str | None, keys: Sequence[str]) -> Matching:
        """The keys that an action with this choice would change."""
        if (match is None) == (not keys):
            raise refused("say which keys: either `match` or `keys`")
        return await (self.existing(keys) if match is None else self.scan(match))

    async def subscribers(self, channel: str) -> int:
        """How many clients of this server listen to a channel by its name."""
        return int((await self.ask("PUBSUB", "NUMSUB", channel))[1])

    async def big_keys(self, match: str, *, top: int, scan_max: int) -> BigKeys:
        """The keys that take most memory, of the first `scan_max` that match."""
        walk = self.walk(match, scan_max)
        largest: list[tuple[int, bytes]] = []
        scanned = total = 0
        async with self._link.talk(self.until) as talk:
            await self._link.check_reads(talk, ("MEMORY", "USAGE"))
            async for keys in walk.batches(talk):
                for used, key in await _usages(talk, keys):
                    scanned, total = scanned + 1, total + used
                    heapq.heappush(largest, (used, key))
                    if len(largest) > top:
                        heapq.heappop(largest)
            named = [await self._described(talk, *of) for of in sorted(largest, reverse=True)]
        return BigKeys(named, scanned, total, walk.complete)

    async def _described(self, talk: Talk, used: int, key: bytes) -> dict[str, Any]:
        kind, _ = text(await self._ask(talk, "TYPE", key))
        ttl_ms = await self._ask(talk, "PTTL", key)
        name, _ = text(key)
        ttl_s = ttl_ms / 1000 if ttl_ms >= 0 else None
        return {"key": name, "bytes": used, "type": kind, "ttl_s": ttl_s}


async def _usages(talk: Talk, keys: Sequence[bytes]) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for at in range(0, len(keys), USAGE_BATCH):
        batch = keys[at : at + USAGE_BATCH]
        asked = [("MEMORY", "USAGE", key, "SAMPLES", USAGE_SAMPLES) for key in batch]
        for key, used in zip(batch, await talk.send_many(asked), strict=True):
            if isinstance(used, AdapterError):
                raise used
            if used is not None:  # it expired meanwhile
                found.append((int(used), key))
    return found


class Walk:
    """A look through the keys, by SCAN, until they, the time or the limit are at an end."""

    def __init__(self, match: str, scan_max: int, until: float) -> None:
        self.complete = False
        self._match = match
        self._left = scan_max
        self._until = until

    async def batches(self, talk: Talk) -> AsyncIterator[list[bytes]]:
        cursor = b"0"
        while self._left > 0 and time.monotonic() < self._until:
            cursor, keys = await talk.send(
                "SCAN", cursor, "MATCH", self._match, "COUNT", min(SCAN_COUNT, self._left)
            )
            self._left -= SCAN_COUNT
            if keys:
                yield keys
            if cursor == b"0":
                self.complete = True
                return


class _Shown:
    """Turns replies into JSON, and remembers what it could not show."""

    def __init__(self) -> None:
        self.binary = False
        self.cut = False

    def value(self, found: Any) -> Any:
        if isinstance(found, bytes):
            return self.text(found)
        if isinstance(found, list):
            return [self.value(v) for v in found]
        if isinstance(found, dict):
            return {self.text(k): self.value(v) for k, v in found.items()}
        return found

    def text(self, found: Any) -> str:
        if isinstance(found, bytes) and len(found) > VALUE_MAX_BYTES:
            self.cut, found = True, found[:VALUE_MAX_BYTES]
        shown, binary = text(found)
        self.binary |= binary
        return shown


def _pairs(flat: Sequence[bytes]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def elapsed_ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)


def check_selection(match: str | None, keys: Sequence[str], max_affected: int | None) -> None:
    """Raises AdapterError unless it is said which keys, and not all of them without a limit."""
    if (match is None) == (not keys):
        raise refused("say which keys: either `match` or `keys`")
    if match is not None and max_affected is None and matches_everything(match):
        raise refused(
            f"{match!r} matches every key",
            help="say `max_affected` if that is meant, or a pattern with a name in it",
        )


def matches_everything(match: str) -> bool:
    """Whether a glob has nothing in it that a key must have."""
    return not re.sub(r"\[[^\]]*\]|[*?]", "", match)


def refused(message: str, help: str | None = None) -> AdapterError:
    """Nothing was sent."""
    return AdapterError(message, help=help, retryable=False)
