"""Changes to a Redis server. Every command is sent once."""

from __future__ import annotations

from typing import Any

from engine.adapters.redis import (
    Deleted,
    Expiring,
    OnlyIf,
    Published,
    RedisReader,
    RedisWriter,
    WasSet,
)
from engine.plugin import IDEMPOTENT, UNSAFE, Duration, Preview, action


@action("redis.set", effect=IDEMPOTENT)
async def set_(
    redis: RedisWriter,
    key: str,
    value: Any,
    *,
    ttl: Duration | None = None,
    only_if: OnlyIf | None = None,
) -> WasSet:
    """Sets a key to a text, whatever it held before.

    key: its name
    value: a text; a number in digits; anything else as JSON
    ttl: after which it expires; without it, never
    only_if: absent, present: set it only then; otherwise `set` is false
    """
    return await redis.set(key, value, ttl_s=ttl, only_if=only_if)


@set_.preview
async def would_set(
    redis: RedisReader,
    key: str,
    value: Any,
    *,
    ttl: Duration | None = None,
    only_if: OnlyIf | None = None,
) -> Preview:
    del value, ttl
    now = await redis.length(key)
    if only_if is not None and now.exists != (only_if == "present"):
        return Preview(f"{key} is {'there' if now.exists else 'not there'}: it would stay so")
    if not now.exists:
        return Preview(f"{key} would be made")
    return Preview(f"{key}, a {now.type} of length {now.length}, would be replaced")


@action("redis.delete", effect=IDEMPOTENT, counts=True)
async def delete(
    redis: RedisWriter,
    match: str | None = None,
    *,
    keys: list[str] | None = None,
    batch: int = 500,
) -> Deleted:
    """Deletes the keys that match a glob, by SCAN and UNLINK in batches, or named ones.

    With `max_affected` they are counted first, and none is deleted when there are more; a pattern
    that matches every key needs it.

    match: which keys, as a glob
    keys: their names, instead
    batch: how many one command takes
    """
    return await redis.delete(match=match, keys=keys or (), batch=batch)


@delete.preview
async def would_delete(
    redis: RedisReader,
    match: str | None = None,
    *,
    keys: list[str] | None = None,
    batch: int = 500,
) -> Preview:
    del batch
    return await _would(redis, match, keys, "would be deleted")


@action("redis.expire", effect=IDEMPOTENT, counts=True)
async def expire(
    redis: RedisWriter,
    ttl: Duration,
    match: str | None = None,
    *,
    keys: list[str] | None = None,
    batch: int = 500,
) -> Expiring:
    """Gives keys a time to live, from now: those that match a glob, or named ones.

    ttl: after which they are gone
    match: which keys, as a glob
    keys: their names, instead
    batch: how many are sent at once
    """
    return await redis.expire(ttl, match=match, keys=keys or (), batch=batch)


@expire.preview
async def would_expire(
    redis: RedisReader,
    ttl: Duration,
    match: str | None = None,
    *,
    keys: list[str] | None = None,
    batch: int = 500,
) -> Preview:
    del batch
    return await _would(redis, match, keys, f"would expire in {ttl:g} s")


@action("redis.publish", effect=UNSAFE)
async def publish(redis: RedisWriter, channel: str, message: Any) -> Published:
    """Sends a message to whoever listens to a channel now.

    channel: its name
    message: a text; anything else as JSON
    """
    return await redis.publish(channel, message)


@publish.preview
async def would_publish(redis: RedisReader, channel: str, message: Any) -> Preview:
    del message
    listening = await redis.subscribers(channel)
    return Preview(f"{listening} clients listen to {channel}, besides those with a pattern")


async def _would(
    redis: RedisReader, match: str | None, keys: list[str] | None, words: str
) -> Preview:
    found = await redis.selected(match, keys or ())
    more = "" if found.complete else " or more: not every key was looked at"
    return Preview(f"{found.count} keys {words}{more}", affected=found.count, sample=found.sample)
