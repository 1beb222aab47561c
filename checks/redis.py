"""Questions to a Redis server, by commands only that the server itself calls read-only."""

from __future__ import annotations

from typing import Any

from engine.adapters.redis import BigKeys, Entry, Length, Matching, RedisReader
from engine.plugin import check

TOP_MAX = 100
"""Keys that `redis.big_keys` names at most."""


@check("redis.info")
async def info(redis: RedisReader, section: str = "default") -> dict[str, Any]:
    """What the server says of itself: INFO, its numbers as numbers, `db0` and the like as mappings.

    section: memory, clients, stats, replication, keyspace, server, ...; default for the usual ones
    """
    return await redis.info(section)


@check("redis.get")
async def get(redis: RedisReader, key: str, *, limit: int = 100) -> Entry:
    """What a key holds, whatever its type, and when it expires.

    key: its name
    limit: elements of a list, hash, set, sorted set or stream that are shown at most
    """
    return await redis.get(key, limit=limit)


@check("redis.length")
async def length(redis: RedisReader, key: str) -> Length:
    """How long the value of a key is: elements, or the bytes of a string; 0 where there is no such
    key.

    key: its name
    """
    return await redis.length(key)


@check("redis.scan")
async def scan(redis: RedisReader, match: str, *, sample: int = 20) -> Matching:
    """How many keys match a glob, by SCAN, with some of their names.

    match: a glob: `*` any text, `?` a character, `[ab]` one of them
    sample: how many names are shown
    """
    return await redis.scan(match, sample=sample)


@check("redis.big_keys")
async def big_keys(
    redis: RedisReader, match: str = "*", *, top: int = 10, scan_max: int = 100_000
) -> BigKeys:
    """The keys that take most memory, by the server's own estimate (MEMORY USAGE).

    match: which keys, as a glob
    top: how many are named
    scan_max: how many are looked at; with more than these, `complete` is false
    """
    return await redis.big_keys(match, top=max(1, min(top, TOP_MAX)), scan_max=scan_max)
