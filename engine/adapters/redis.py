"""The redis family: one Redis (or Valkey) server behind two sides.

The reading side sends no command that the server does not flag `readonly` itself (asked of it by
COMMAND INFO, once), but for a few that read no key at all; KEYS never. The writing side sends every
command once: redis-py would send again, up to ten times. A cluster is not supported.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.adapters.redis_reader import RedisReader
from engine.adapters.redis_records import (
    SCAN_MAX_KEYS,
    BigKeys,
    Deleted,
    Entry,
    Expiring,
    Length,
    Matching,
    OnlyIf,
    Published,
    WasSet,
)
from engine.adapters.redis_url import redis_target
from engine.adapters.redis_writer import RedisWriter
from engine.language.shape import Duration
from engine.plugin import StepContext
from engine.secret import reveal

if TYPE_CHECKING:
    from engine.adapters.redis_link import RedisLink

__all__ = [
    "BigKeys",
    "Deleted",
    "Entry",
    "Expiring",
    "Length",
    "Matching",
    "OnlyIf",
    "Published",
    "RedisAdapter",
    "RedisReader",
    "RedisWriter",
    "WasSet",
]

DEFAULT_TIMEOUT_S = Duration(5)


class RedisAdapter:
    """A Redis server."""

    family = "redis"

    def __init__(
        self,
        url: str,
        *,
        timeout_s: Duration = DEFAULT_TIMEOUT_S,
        scan_max: int = SCAN_MAX_KEYS,
    ) -> None:
        """A connection of the redis family.

        url: redis://user:password@host:6379/0, rediss:// with TLS, or unix:///path/to/socket?db=0
        timeout_s: for connecting, and for each reply
        scan_max: keys that one step looks at; there being more is said by `complete`
        """
        self._url = url
        self._timeout_s = float(timeout_s)
        self._scan_max = scan_max
        self._made: RedisLink | None = None

    def _link(self) -> RedisLink:
        # the client library is imported by who needs it
        if self._made is None:
            from engine.adapters.redis_link import RedisLink, RedisSettings  # noqa: PLC0415

            self._made = RedisLink(RedisSettings(self._url, self._timeout_s, self._scan_max))
        return self._made

    def fingerprint(self) -> str:
        """`host:port/db`, or the path of the socket and the db."""
        return redis_target(reveal(self._url))

    async def ping(self) -> str:
        """The server's version and role. Raises AdapterError."""
        reader = self.reader(StepContext(run="", path="", timeout_s=self._timeout_s))
        began = time.monotonic()
        server = await reader.info("server")
        replication = await reader.info("replication")
        took_ms = (time.monotonic() - began) * 1000
        role = replication.get("role", "?")
        return f"Redis {server.get('redis_version', '?')}, {role}, in {took_ms:.1f} ms"

    def reader(self, context: StepContext) -> RedisReader:
        return RedisReader(self._link(), context)

    def writer(self, context: StepContext) -> RedisWriter:
        return RedisWriter(self._link(), context)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()
