"""What an HTTP service of a sandbox writes to the stores behind it: `also` of a route.

    - on: POST /circuit-breaker/trip
      also:
        cache:                              # a redis: commands, as lists of words
          - [SET, "circuit_breaker:state", TRIPPED]
        database:                           # a postgres: statements, their values apart
          - sql: INSERT INTO audit_log (action, details) VALUES ('TRIP', %(why)s)
            params: {why: "{{ request.json.reason }}"}
      json: {state: TRIPPED}

A store that was not started, because no step needs it, is passed over. The service answers when all
of it is written, so that whoever asks a store next finds it there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

Written = Mapping[str, Sequence[Any]]
"""By the name of a service: its commands, or its statements."""

Write = Callable[[Written], Awaitable[str | None]]
"""Writes; what went wrong comes back in words."""


def writer(services: Mapping[str, str]) -> Write:
    """Writes to the services of a sandbox that are up, by what they have told (`cache.url`)."""

    async def write(written: Written) -> str | None:
        for name, entries in written.items():
            url = services.get(f"{name}.url", "")
            if url.startswith("redis:"):
                problem = await _redis(url, entries)
            elif url.startswith("postgresql:"):
                problem = await _postgres(url, entries)
            else:
                problem = f"{name} is neither a redis nor a postgres" if url else None
            if problem:
                return problem
        return None

    return write


async def _redis(url: str, commands: Sequence[Any]) -> str | None:
    from redis import RedisError  # noqa: PLC0415
    from redis.asyncio import Redis  # noqa: PLC0415  100 ms, paid by a sandbox only

    client = Redis.from_url(url)
    try:
        for words in commands:
            await client.execute_command(*map(str, words))  # type: ignore[no-untyped-call]
    except RedisError as e:
        return f"Redis refuses {words!r}: {e}"
    finally:
        await client.aclose()
    return None


async def _postgres(url: str, statements: Sequence[Any]) -> str | None:
    from psycopg import AsyncConnection, Error, sql  # noqa: PLC0415  180 ms, a sandbox pays
    from psycopg.types.json import Jsonb  # noqa: PLC0415

    try:
        async with await AsyncConnection.connect(url) as connection:
            for one in statements:
                params = {
                    key: Jsonb(value) if isinstance(value, dict | list) else value
                    for key, value in (one.get("params") or {}).items()
                }
                await connection.execute(sql.SQL(one["sql"]), params)
    except Error as e:
        return f"PostgreSQL refuses a statement: {e}"
    return None
