"""What an HTTP service writes to the stores behind it is there when it has answered."""

from __future__ import annotations

import httpx
import psycopg
import pytest
import redis

from engine.sandbox import Sandbox

pytestmark = pytest.mark.asyncio

DESK = """
services:
  cache: {kind: redis, commands: [[SET, breaker, OPEN]]}
  database:
    kind: postgres
    sql: ["CREATE TABLE audit_log (action text, details jsonb)"]
  console:
    kind: http
    state: {breaker: OPEN}
    routes:
      - on: POST /trip
        set: {breaker: TRIPPED}
        also:
          cache: [[SET, breaker, TRIPPED], [ZADD, history, 7, "{{ request.json.reason }}"]]
          database:
            - sql: INSERT INTO audit_log VALUES ('TRIP', %(details)s)
              params: {details: {reason: "{{ request.json.reason }}"}}
        json: "{{ state }}"
      - on: POST /wrong
        also: {database: [{sql: INSERT INTO nowhere VALUES (1)}]}
        json: {}
      - on: POST /wrong-command
        also: {cache: [[NONSENSE]]}
        json: {}
connections:
  cache: {adapter: redis, url: "${service:cache.url}"}
  database: {adapter: sql, url: "${service:database.url}"}
  console: {adapter: http, base_url: "${service:console.url}"}
"""
REASON = "the market's gone mad; don't trade"


async def test_both_stores_hold_what_was_asked_of_the_service(environment):
    read = environment(DESK)
    async with Sandbox(read, "pack/other", list(read.connections)) as sandbox:
        async with httpx.AsyncClient(
            base_url=sandbox.services["console.url"], timeout=60
        ) as client:
            said = await client.post("/trip", json={"reason": REASON})
        cache = redis.Redis.from_url(sandbox.services["cache.url"], decode_responses=True)
        held = (cache.get("breaker"), cache.zrange("history", 0, -1))
        cache.close()
        async with await psycopg.AsyncConnection.connect(sandbox.services["database.url"]) as c:
            rows = await (await c.execute("SELECT action, details FROM audit_log")).fetchall()
    assert said.json() == {"breaker": "TRIPPED"}
    assert held == ("TRIPPED", [REASON])
    assert rows == [("TRIP", {"reason": REASON})]


async def test_a_store_that_was_not_started_is_passed_over(environment):
    async with (
        Sandbox(environment(DESK), "pack/other", ["console"]) as sandbox,
        httpx.AsyncClient(base_url=sandbox.services["console.url"], timeout=60) as client,
    ):
        said = await client.post("/trip", json={"reason": REASON})
        problems = list(sandbox.behaviours["console"].problems)
    assert (said.status_code, problems) == (200, [])


@pytest.mark.parametrize(
    ("path", "told"),
    [("/wrong", 'relation "nowhere" does not exist'), ("/wrong-command", "unknown command")],
)
async def test_a_store_that_refuses_is_a_problem_of_the_description(environment, path, told):
    read = environment(DESK)
    async with (
        Sandbox(read, "pack/other", list(read.connections)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.services["console.url"], timeout=60) as client,
    ):
        said = await client.post(path)
        problems = list(sandbox.behaviours["console"].problems)
    assert said.status_code == 500
    assert told in said.text
    assert [told in problem for problem in problems] == [True]
