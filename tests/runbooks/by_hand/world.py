"""How everything in a sandbox is, and in what two such worlds differ."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg
import redis.asyncio

from engine.sandbox import Sandbox
from engine.sandbox.host import Host

WHATEVER: Any = object()
"""In what is expected: it is there, and it does not matter what."""
ABSENT = "-"
"""What a world shows that has no such thing."""

SOON_S = 60.0
"""Times to live, and times, are the same where they are as near as this."""

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
OF_KUBERNETES = frozenset({"uid", "resourceVersion", "creationTimestamp", "managedFields"})

AWS = {
    "Content-Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20261121/us-east-1/ecs/aws4_request",
}
"""moto looks at the region, and at no signature."""

TABLES = """
SELECT table_name FROM information_schema.tables
 WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1
"""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position
"""
SESSIONS = """
SELECT usename, application_name, state, count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND usename <> 'postgres'
   AND application_name NOT IN ('runbook', 'psql', '')
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
"""But for those who look: us, and who types or runs what is compared."""


async def left(sandbox: Sandbox) -> dict[str, Any]:
    """What there is in every service, by the service's name: plain values, times as `<time>`.

    Not who was called: whoever follows a document by hand is there already.
    """
    found: dict[str, Any] = {}
    for spec in (spec for spec in sandbox.specs if spec.kind != "inbox"):
        url = sandbox.services.get(f"{spec.name}.url", "")
        if spec.kind == "redis":
            found[spec.name] = await _keys(url)
        elif spec.kind == "postgres":
            found[spec.name] = await _database(sandbox.services[f"{spec.name}.admin_url"])
        elif spec.kind == "aws":
            found[spec.name] = await _ecs(url)
        elif spec.kind == "cluster":
            cluster = sandbox.clusters[spec.name]
            await cluster.settled()
            found[spec.name] = dict(_objects(cluster.state()))
        elif spec.kind == "host":
            found[spec.name] = _machine(sandbox.hosts[spec.name])
        else:
            found[spec.name] = _answering(sandbox.behaviours[spec.name])
    plain: dict[str, Any] = _plain(found)
    return plain


def differences(by_hand: Any, ours: Any, at: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two worlds differ: the path, and what is there in the one and in the other."""
    if isinstance(by_hand, Mapping) and isinstance(ours, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for key in [*by_hand, *(key for key in ours if key not in by_hand)]:
            one, other = by_hand.get(key, ABSENT), ours.get(key, ABSENT)
            found |= differences(one, other, f"{at} {key}".strip())
        return found
    return {} if by_hand == ours else {at: (by_hand, ours)}


def explained(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """The differences that are not those expected, and those expected that are not there."""
    wrong = {path: pair for path, pair in found.items() if path not in expected}
    for path, pair in expected.items():
        here = found.get(path, "no difference")
        if here == "no difference" or (pair is not WHATEVER and pair != here):
            wrong[path] = {"found": here, "expected": pair}
    return wrong


async def _keys(url: str) -> dict[str, Any]:
    """Each key with its value and how long it stays, to the minute."""
    found = {}
    async with redis.asyncio.Redis.from_url(url) as client:
        for key in sorted([key async for key in client.scan_iter(count=1000)]):
            kind = (await client.type(key)).decode()
            ttl_s = await client.ttl(key)
            stays = "for ever" if ttl_s < 0 else f"{round(ttl_s / SOON_S)} min"
            if kind == "string":
                value = await client.get(key)
            elif kind == "zset":
                value = await client.zrange(key, 0, -1)
            else:
                value = await client.lrange(key, 0, -1)
            found[key.decode()] = {"value": _text(value), "stays": stays}
    return found


def _text(value: Any) -> Any:
    """What is no text was made to fill it up, and differs each time: only its size counts."""
    if isinstance(value, list):
        return [_text(one) for one in value]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes"


async def _database(url: str) -> dict[str, Any]:
    """Each table with its columns and rows, and who is connected."""
    found: dict[str, Any] = {}
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for (table,) in await (await connection.execute(TABLES)).fetchall():
            columns = await (await connection.execute(COLUMNS, (table,))).fetchall()
            selected = psycopg.sql.SQL("SELECT * FROM {} ORDER BY 1").format(
                psycopg.sql.Identifier(table)
            )
            rows = await (await connection.execute(selected)).fetchall()
            found[table] = {
                "columns": [" ".join(column) for column in columns],
                "rows": {str(row[0]): [_shown(value) for value in row] for row in rows},
            }
        sessions = await (await connection.execute(SESSIONS)).fetchall()
        found["sessions"] = {" ".join(map(str, row[:3])): row[3] for row in sessions}
    return found


def _machine(host: Host) -> dict[str, Any]:
    """Its files, and of each repository the branches and tags with what they point at."""
    files = {path: text for path, text in host.files().items() if ".git/" not in path}
    found: dict[str, Any] = {"files": files}
    for head in sorted(host.home.rglob("HEAD")):
        words = ["git", "-C", str(head.parent), "for-each-ref", "--format=%(refname) %(subject)"]
        if (head.parent / "objects").is_dir():
            said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            repository = str(head.parent.relative_to(host.home))
            found[repository] = dict(line.split(" ", 1) for line in said.splitlines())
    return found


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | dict | None) else str(value)


async def _ecs(url: str) -> dict[str, Any]:
    """Of AWS what these procedures change: the task definitions and services of ECS."""

    async def ask(call: str, **given: Any) -> Any:
        target = f"AmazonEC2ContainerServiceV20141113.{call}"
        answer = await http.post(url, json=given, headers=AWS | {"X-Amz-Target": target})
        return answer.raise_for_status().json()

    async with httpx.AsyncClient() as http:
        known = (await ask("ListTaskDefinitions"))["taskDefinitionArns"]
        definitions = [
            (await ask("DescribeTaskDefinition", taskDefinition=arn))["taskDefinition"]
            for arn in known
        ]
        services = await ask("DescribeServices", cluster="stratum-prod", services=["stratum-api"])
    return {
        "service": {one["serviceName"]: _service(one) for one in services["services"]},
        "definitions": {
            f"{one['family']}:{one['revision']}": one["containerDefinitions"][0]["image"]
            for one in definitions
        },
    }


def _service(one: Mapping[str, Any]) -> dict[str, Any]:
    def name(arn: str) -> str:
        return arn.rpartition("/")[2]

    return {
        "definition": name(one["taskDefinition"]),
        "running": one["runningCount"],
        "deployments": [
            f"{name(d['taskDefinition'])}: {d['runningCount']} running" for d in one["deployments"]
        ],
        "configuration": one.get("deploymentConfiguration"),
    }


def _objects(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The objects of a cluster but what differs from one making to the next. Of pods and replica
    sets, whose names are random, only how many there are.
    """
    for key, held in state.items():
        kind = key.partition("/")[0]
        if kind in ("pods", "replicasets.apps"):
            continue
        yield key, _without(held)
    for kind in ("pods", "replicasets.apps"):
        yield kind, len([key for key in state if key.startswith(f"{kind}/")])


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if k not in OF_KUBERNETES}
    return [_without(one) for one in value] if isinstance(value, list) else value


def _answering(behaviour: Any) -> dict[str, Any]:
    """What a service remembers, and what it was sent that is no question."""
    sent = [
        f"{one.method} {one.target} {one.body.decode()}".strip()
        for one in behaviour.requests
        if one.method not in ("GET", "HEAD")
    ]
    return {"state": getattr(behaviour, "state", {}), "sent": sent}


def _plain(value: Any) -> Any:
    """With times as `<time>`: two worlds are not made in the same second."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return TIME.sub("<time>", value)
    if isinstance(value, float) and value > 1.6e9:
        return "<time>"
    return value
