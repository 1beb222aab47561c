"""Connections to a Redis server: opened late, kept while idle, no command ever sent twice.

Over redis-py's connections, not over its client: the client sends again after an error, up to ten
times by default, and turns replies into whatever it thinks fit. Here a reply is what the server
said, and an error knows whether the command had been sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import connection as library
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    RedisError,
    ResponseError,
)

from engine.adapters.redis_info import text
from engine.adapters.redis_records import Part
from engine.adapters.redis_url import redis_target
from engine.errors import AdapterError
from engine.secret import reveal

CONNECTIONS_MAX = 5
"""Open at once, of one connection of an environment."""

PING_MAX_S = 1.0
"""For an idle connection to show that it lives; otherwise another one is opened."""

HANG_UP_MAX_S = 1.0
"""For closing a connection in good order; what is not closed by then is left to the kernel."""

_HARMLESS: dict[tuple[str, ...], str] = {
    ("INFO",): "tells about the server; not flagged, as it reads no key",
    ("PING",): "answers PONG",
    ("PUBSUB", "NUMSUB"): "counts subscribers; not flagged, as it reads no key",
}
"""Commands that read although the server does not flag them `readonly`, and why they may."""

_READING_PARTS: dict[str, frozenset[str]] = {"MEMORY": frozenset({"USAGE"})}
"""Of commands with subcommands, those that read: Redis 6 flags only the whole (MEMORY PURGE too).
"""

_OURS = frozenset(
    {
        "DBSIZE", "EXISTS", "GETRANGE", "HLEN", "HSCAN", "LLEN", "LRANGE", "MEMORY", "PTTL", "SCAN",
        "SCARD", "SSCAN", "STRLEN", "TYPE", "XLEN", "XREVRANGE", "ZCARD", "ZRANGE",
    }
)  # fmt: skip
"""What our own checks send: known to read, for a server whose rules keep COMMAND from us."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The settings of a connection, with the secrets of the URL still in it."""

    url: str
    timeout_s: float
    scan_max: int


class RedisLink:
    """The way to one server."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self._idle: deque[Any] = deque()
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)
        self._reading: dict[str, bool] = {}

    async def _connect(self, limit_s: float) -> Any:
        url = reveal(self.settings.url)
        target = redis_target(url)
        conn = _made(url)
        try:
            async with asyncio.timeout(limit_s):
                await conn.connect()
        except BaseException as e:
            await _hang_up(conn)
            if isinstance(e, RedisError | OSError):  # of which TimeoutError is one
                raise _connect_error(e, target, limit_s) from e
            raise
        return conn

    @asynccontextmanager
    async def talk(self, until: float) -> AsyncIterator[Talk]:
        """One connection. Nothing is waited for beyond `until`, of the monotonic clock."""
        async with self._free:
            talk = await self._take(until)
            try:
                yield talk
            except AdapterError:
                await self._give_back(talk)
                raise
            except BaseException:
                await _hang_up(talk.conn)
                raise
            await self._give_back(talk)

    async def _take(self, until: float) -> Talk:
        while self._idle:
            conn = self._idle.pop()
            try:
                lives = await _answers(conn)
            except BaseException:  # cancelled: it is in nobody's hands but ours
                await _hang_up(conn)
                raise
            if lives:
                return Talk(conn, self.settings.timeout_s, until)
            await _hang_up(conn)  # it was cut while it lay idle
        limit_s = _left(self.settings.timeout_s, until)
        return Talk(await self._connect(limit_s), self.settings.timeout_s, until)

    async def _give_back(self, talk: Talk) -> None:
        if talk.broken:
            await _hang_up(talk.conn)
        else:
            self._idle.append(talk.conn)

    async def check_reads(self, talk: Talk, command: Sequence[Part]) -> None:
        """Raises AdapterError unless the server itself flags the command `readonly`."""
        words = [str(part).upper() for part in command[:2] if isinstance(part, str)]
        name = words[0] if words else ""
        if (name,) in _HARMLESS or tuple(words) in _HARMLESS:
            return
        if name == "KEYS":
            raise _not_asked("KEYS stops the server while it looks at every key: use redis.scan")
        if name not in self._reading:
            self._reading[name] = await _is_reading(talk, name)
        parts = _READING_PARTS.get(name)
        if not self._reading[name] or (parts and (len(words) < 2 or words[1] not in parts)):
            raise _not_asked(f"{' '.join(words) if parts else name} does not only read")

    async def close(self) -> None:
        while self._idle:
            await _hang_up(self._idle.pop())


async def _answers(conn: Any) -> bool:
    """Whether a connection that lay idle is still there; only an answer tells."""
    try:
        await Talk(conn, PING_MAX_S, math.inf).send_many([("PING",)])
    except AdapterError:
        return False
    return True


async def _is_reading(talk: Talk, name: str) -> bool:
    if name in _READING_PARTS:
        return name in _OURS
    try:
        reply = await talk.send("COMMAND", "INFO", name)
    except AdapterError as e:
        if e.detail.get("redis") == "NOPERM":
            return name in _OURS
        raise
    flags = reply[0][2] if reply and reply[0] else ()  # nothing of a command it does not know
    return any(text(flag)[0].lower() == "readonly" for flag in flags)


def _not_asked(message: str) -> AdapterError:
    return AdapterError(message, help="a check only reads; a change is an action", retryable=False)


class Talk:
    """One connection: commands and their replies."""

    def __init__(self, conn: Any, timeout_s: float, until: float) -> None:
        self.conn = conn
        self.broken = False
        self._timeout_s = timeout_s
        self._until = until

    async def send(self, *command: Part) -> Any:
        """The reply to a command. Raises AdapterError: `maybe_done` once it was sent."""
        reply = (await self.send_many([command]))[0]
        if isinstance(reply, AdapterError):
            raise reply
        return reply

    async def send_many(self, commands: Sequence[Sequence[Part]]) -> list[Any]:
        """The replies to several commands sent at once; one that the server refused is an
        AdapterError.
        """
        try:
            packed = self.conn.pack_commands(commands)
        except (UnicodeError, RedisError) as e:
            raise AdapterError(f"the command cannot be sent: {e}", retryable=False) from e
        limit_s = _left(self._timeout_s, self._until)
        try:
            async with asyncio.timeout(limit_s):
                await self.conn.send_packed_command(packed, check_health=False)
                return [await self._reply(command) for command in commands]
        except TimeoutError:
            raise self._lost(f"no reply within {limit_s:.3g} s", commands) from None
        except (RedisError, OSError) as e:
            raise self._lost(str(e), commands) from e
        except BaseException:
            self.broken = True  # a reply may still come, and would be taken for another's
            raise

    async def _reply(self, command: Sequence[Part]) -> Any:
        try:
            return await self.conn.read_response(disconnect_on_error=False)
        except _REFUSED as e:
            return _refusal(e, command)

    def _lost(self, why: str, commands: Sequence[Sequence[Part]]) -> AdapterError:
        self.broken = True
        return AdapterError(
            f"the connection was lost after {_name(commands[0])} was sent: {why.rstrip('.')}",
            maybe_done=True,
            detail={"command": _name(commands[0])},
        )


def _left(limit_s: float, until: float) -> float:
    return max(0.0, min(limit_s, until - time.monotonic()))


def _name(command: Sequence[Part]) -> str:
    return text(command[0])[0]


_WORDS: dict[str, tuple[str, bool]] = {
    "NOPERM": ("the user of this connection may not do that", False),
    "NOAUTH": ("the server wants a password", False),
    "WRONGPASS": ("the server refused the login", False),
    "WRONGTYPE": ("the key holds another type of value", False),
    "OOM": ("the server is out of memory and takes no writes", True),
    "READONLY": ("this server is a replica, and takes no writes", False),
    "MISCONF": ("the server cannot save to its disk, and takes no writes", True),
    "LOADING": ("the server is still loading its data", True),
    "BUSY": ("the server is busy with a script", True),
    "MASTERDOWN": ("this replica has lost its primary", True),
    "MOVED": ("the key lives on another server: this is a cluster, which is not supported", False),
    "CROSSSLOT": ("the keys live on several servers: this is a cluster, not supported", False),
    "CLUSTERDOWN": ("the cluster is down", True),
}


_REFUSED = (ResponseError, AuthenticationError, AuthorizationError, BusyLoadingError)
"""The server answered, and the answer is no. (Some of these are connection errors to redis-py.)"""


def _refusal(e: RedisError, command: Sequence[Part]) -> AdapterError:
    """The server said no, so nothing happened."""
    said = str(e)
    # redis-py cuts the code off some errors and makes a class of it instead
    code = (
        said.partition(" ")[0]
        if said.partition(" ")[0].isupper()
        else _CODES.get(type(e).__name__, "")
    )
    words, retryable = _WORDS.get(code, ("", False))
    name = _name(command)
    message = f"{name}: {words} ({said})" if words else f"{name}: {said}"
    return AdapterError(
        message, retryable=retryable, detail={"command": name, "redis": code or "ERR"}
    )


_CODES = {
    "NoPermissionError": "NOPERM",
    "AuthenticationError": "WRONGPASS",
    "AuthenticationWrongNumberOfArgsError": "NOAUTH",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "MovedError": "MOVED",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "ClusterCrossSlotError": "CROSSSLOT",
}


def _made(url: str) -> Any:
    """A connection that is not open yet."""
    try:
        given: dict[str, Any] = dict(library.parse_url(url))
        given.pop("max_connections", None)
        kind = given.pop("connection_class", library.Connection)
        return kind(**(given | _ONCE))
    except (ValueError, TypeError):
        # not `from e`: it may quote a part of the URL, which may be a password
        raise AdapterError(
            "the url of the connection cannot be read",
            help="redis://user:password@host:6379/0, rediss:// with TLS, unix:///path?db=0",
            retryable=False,
        ) from None


_ONCE: dict[str, Any] = {
    "retry": Retry(NoBackoff(), 0),
    "retry_on_error": [],
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "socket_timeout": None,  # times are kept here, where it is known what was sent
    "socket_connect_timeout": None,
    "protocol": 2,
}
"""What a connection must not be talked out of by its URL."""


async def _hang_up(conn: Any) -> None:
    """Closes a connection. It may be broken already, and whatever comes of that is no news."""
    with contextlib.suppress(RedisError, OSError):
        async with asyncio.timeout(HANG_UP_MAX_S):
            await conn.disconnect()


def _connect_error(e: Exception, target: str, limit_s: float) -> AdapterError:
    """No session came about: no command was sent."""
    causes: list[BaseException] = [e]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    why, cure, retryable = str(e).rstrip("."), None, True
    if any(isinstance(of, TimeoutError) for of in causes):
        why = f"no answer within {limit_s:.3g} s"
    elif any(isinstance(of, AuthenticationError) for of in causes):
        why = f"the server refused the login ({why})"
        cure, retryable = "check the user and the password in the connection's url", False
    elif any(isinstance(of, ResponseError) for of in causes):
        retryable = False
    elif any(isinstance(of, ConnectionRefusedError | FileNotFoundError) for of in causes):
        why = "nothing listens there"
    elif any(isinstance(of, socket.gaierror) for of in causes):
        why = "the host name is not known"
    return AdapterError(f"cannot connect to {target}: {why}", help=cure, retryable=retryable)
