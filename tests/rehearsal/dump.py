"""All that the targets of a sandbox hold, to compare; and who asked them to write."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg
import redis

from engine.sandbox import Sandbox

_TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
 WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
_SHAPE = """
SELECT string_agg(concat_ws(' ', table_schema, table_name, column_name, data_type), ',' ORDER BY
       table_schema, table_name, ordinal_position)
  FROM information_schema.columns
 WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
"""
_INDEXES = "SELECT string_agg(indexdef, ',' ORDER BY indexdef) FROM pg_indexes"


async def dump(sandbox: Sandbox) -> dict[str, bytes]:
    """What each service holds, as bytes, by what it is."""
    found: dict[str, bytes] = {}
    # A worker takes from its broker all the time, whoever looks.
    brokers = {spec.settings["broker"] for spec in sandbox.specs if spec.kind == "celery"}
    for spec in sandbox.specs:
        url = sandbox.services.get(f"{spec.name}.url", "")
        if spec.kind == "redis" and spec.name not in brokers:
            held = await asyncio.to_thread(_redis, url)
        elif spec.kind == "postgres":
            held = await asyncio.to_thread(_postgres, url)
        elif spec.kind == "cluster":
            held = {"objects": _cluster(sandbox, spec.name)}
        else:
            continue
        found |= {f"{spec.name}: {key}": octets for key, octets in held.items()}
    return found


def _redis(url: str) -> dict[str, bytes]:
    with redis.Redis.from_url(url) as client:
        keys: list[Any] = list(client.scan_iter(count=1000))
        dumps = [client.dump(key) or b"" for key in keys]
    return {key.decode("utf-8", "replace"): held for key, held in zip(keys, dumps, strict=True)}


def _postgres(url: str) -> dict[str, bytes]:
    with psycopg.connect(url) as connection:
        found: dict[str, bytes] = {}
        for what, sql in (("columns", _SHAPE), ("indexes", _INDEXES)):
            row = connection.execute(sql).fetchone()
            found[what] = str(row).encode()
        for (table,) in connection.execute(_TABLES).fetchall():
            every_row = f"COPY (SELECT * FROM {table} t ORDER BY t) TO STDOUT"
            with connection.cursor().copy(every_row) as rows:
                found[table] = b"".join(bytes(part) for part in rows)
    return found


def _cluster(sandbox: Sandbox, name: str) -> bytes:
    return json.dumps(sandbox.clusters[name].state(), sort_keys=True).encode()


def asked_to_write(sandbox: Sandbox) -> list[str]:
    """Requests to HTTP services that were not a question, nor a dry run that they declare."""
    found = []
    for name, service in sandbox.behaviours.items():
        for request in service.requests:
            trial = b"validate_only" in request.body or "dryrun" in (
                request.target + request.body.decode("utf-8", "replace")
            ).lower().replace("_", "")
            asks = b"method=get" in request.body.lower()  # Graph's way to GET without a long URL
            if request.method not in ("GET", "HEAD", "OPTIONS") and not trial and not asks:
                found.append(f"{name}: {request.method} {request.target}")
    return found
