"""A network fault in the middle of each kind of action: what its step is then, and what is true.

`errored` says that it certainly did not happen, `unknown` that it may have. A fault of a family is
looked at closely in `test_*_faults`; here they stand side by side, each through a whole run.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import http_target
import psycopg
import pytest
import servers

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces
from tests.adapters.meta_target import TOKEN, stand_in
from tests.adapters.ssh_servers import USER, new_keys
from tests.adapters.test_ssh_faults import Command, Door, Far, cut, vanish
from tests.every_action import every_action

FAULTS = ("refused", "reset before", "reset after", "reply lost", "black hole")
"""Nobody listens; the connection is reset as the request leaves, and it does not arrive; it
arrives, and the connection is reset; it arrives, and no reply comes; nothing gets through any more.
"""

TABLE = """
action                  refused  reset before  reset after    reply lost     black hole
http.request POST       errored  unknown       unknown, done  unknown, done  unknown
sql.execute, statement  errored  errored       errored        errored        errored
sql.execute, commit     errored  unknown       unknown, done  unknown, done  unknown
sql.transaction, commit errored  unknown       unknown, done  unknown, done  unknown
sql.maintenance         errored  unknown       unknown, done  unknown, done  unknown
sql.terminate           errored  unknown       unknown, done  unknown, done  unknown
redis.set               errored  unknown       unknown, done  unknown, done  unknown
redis.delete            errored  unknown       unknown, done  unknown, done  unknown
redis.expire            errored  unknown       unknown, done  unknown, done  unknown
redis.publish           errored  unknown       unknown, done  unknown, done  unknown
meta.set_status         errored  unknown       unknown, done  unknown, done  unknown
meta.set_budget         errored  unknown       unknown, done  unknown, done  unknown
meta.request            errored  unknown       unknown, done  unknown, done  unknown
meta.batch              errored  unknown       unknown, done  unknown, done  unknown
command.run             errored  errored       unknown, done  unknown, done  unknown
command.run over SSH    errored  errored       unknown, done  unknown, done  unknown
"""
"""`done` is what is true at the target, which the engine cannot know. A command on this machine has
no network of its own: it is not there, says itself that it could not, is killed when it has done
its work, does not come back from it, or hangs before it. Of SSH the channel is what is reset first.
"""


ELSEWHERE = frozenset({"run", "kubectl"})
"""Families that reach nobody, and the one whose network is that of its own program."""


@dataclass
class Scene:
    """An action with a fault in its middle."""

    connection: dict[str, Any]
    step: str
    """Of the action: its type and parameters."""
    happened: Callable[[], bool]
    timeout: str = "3s"
    """Of the step. Longer than an adapter waits that knows what it lost: cut short is in doubt."""


@dataclass
class Means:
    """What scenes are made of."""

    folder: Path
    postgres: servers.Postgres
    database: str
    redis: servers.Redis
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def port(self, fault: str, server_port: int, sent: bytes) -> int:
        """The server's port behind the fault, which comes when `sent` goes by."""
        if fault == "refused":
            return servers.free_port()
        proxy = await self.stack.enter_async_context(servers.fault_proxy(server_port))
        option = {
            "reset before": "cut_before", "reset after": "cut_after",
            "reply lost": "lose_from", "black hole": "hold_from",
        }[fault]  # fmt: skip
        setattr(proxy, option, sent)
        return proxy.port


async def http(means: Means, fault: str) -> Scene:
    target = await means.stack.enter_async_context(http_target.http_target())
    port = await means.port(fault, target.port, b"POST /")
    return Scene(
        {"adapter": "http", "base_url": f"http://127.0.0.1:{port}", "timeout_s": "300ms"},
        "http.request, with: {method: POST, path: /ok}",
        lambda: any(seen.method == "POST" for seen in target.seen),
    )


def sql(sent: bytes, step: str, query: str, timeout: str = "30s"):
    async def scene(means: Means, fault: str) -> Scene:
        def ask() -> Any:
            with psycopg.connect(means.postgres.url(means.database), autocommit=True) as connection:
                return connection.execute(query).fetchone()

        with psycopg.connect(means.postgres.url(means.database), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS t")
            connection.execute("CREATE TABLE t (id int); CREATE INDEX t_id ON t (id)")
            means.stack.enter_context(
                psycopg.connect(means.postgres.url(means.database), application_name="victim")
            )
        before = ask()
        port = await means.port(fault, means.postgres.port, sent)
        url = means.postgres.tcp_url(means.database, port).replace("s3cr3t-p4ss@", "@")
        connection = {"adapter": "sql", "url": url, "connect_timeout_s": "1s"}
        connection["statement_timeout_s"] = "1s"
        return Scene(connection, step, lambda: ask() != before, timeout)

    return scene


INSERT = 'sql.execute, with: {sql: "INSERT INTO t VALUES (1)"}'
REINDEX = "sql.maintenance, with: {operation: reindex, tables: [t]}"
TRANSACTION = 'sql.transaction, with: {statements: [{sql: "INSERT INTO t VALUES (1)"}]}'
TERMINATE = "sql.terminate, with: {state: idle, application: victim}"
VICTIMS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim'"
COUNT, NODE = "SELECT count(*) FROM t", "SELECT pg_relation_filenode('t_id')"


def redis(sent: bytes, step: str, asked: str):
    async def scene(means: Means, fault: str) -> Scene:
        means.redis.command("FLUSHALL")
        means.redis.command("CONFIG RESETSTAT")
        means.redis.command("SET old v")

        def told() -> Any:
            reply = means.redis.command(asked)
            return b"cmdstat_publish" in reply if asked.startswith("INFO") else reply

        before = told()
        port = await means.port(fault, means.redis.port, sent)
        connection = {"adapter": "redis", "url": means.redis.tcp_url(port), "timeout_s": "300ms"}
        return Scene(connection, step, lambda: told() != before)

    return scene


def meta(step: str):
    async def scene(means: Means, fault: str) -> Scene:
        stand = await means.stack.enter_async_context(stand_in())
        port = await means.port(fault, int(stand.url.rpartition(":")[2]), b"POST /")
        before = repr(stand.service.world.objects)
        return Scene(
            {
                "adapter": "meta",
                "version": "v18.0",
                "access_token": TOKEN,
                "account": "100",
                "base_url": f"http://127.0.0.1:{port}",
                "timeout_s": "300ms",
            },
            step,
            lambda: repr(stand.service.world.objects) != before,
        )

    return scene


async def command(means: Means, fault: str) -> Scene:
    line, done = means.folder / "program", means.folder / "done"
    body = {
        "refused": "",
        "reset before": "echo 'connection reset' >&2; exit 1",
        "reset after": f"touch {done}; kill -KILL $$",
        "reply lost": f"touch {done}; exec sleep 60",
        "black hole": "exec sleep 60",
    }[fault]
    if body:
        line.write_text(f"#!/bin/sh\n{body}\n")
        line.chmod(0o755)
    connection = {"adapter": "command", "allowed": [str(line)]}
    return Scene(connection, f"command.run, with: {{argv: [{line}]}}", done.exists)


async def ssh(means: Means, fault: str) -> Scene:
    far, done = Far(new_keys(means.folder)), means.folder / "done"

    class Working(Command):
        async def _begin(self, _process: Any) -> None:
            if fault in ("reset after", "reply lost"):
                done.touch()
            await (cut if fault == "reset after" else vanish)(self._far)

    class Entry(Door):
        async def session_requested(self) -> Any:
            await super().session_requested()
            return Working(self._far)

    far.at_channel = cut if fault == "reset before" else None
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Entry(far),
        server_host_keys=[far.keys.host],
        authorized_client_keys=str(means.folder / "authorized_keys"),
        encoding=None,
    )
    means.stack.callback(server.close)
    behind = await means.stack.enter_async_context(
        servers.fault_proxy(server.sockets[0].getsockname()[1])
    )
    far.proxy = behind
    port = servers.free_port() if fault == "refused" else behind.port
    (means.folder / "key").write_text(far.keys.user_text)
    return Scene(
        {
            "adapter": "ssh",
            "host": "127.0.0.1",
            "port": port,
            "user": USER,
            "known_hosts": far.keys.known_hosts(port),
            "key": f"${{file:{means.folder}/key}}",
            "allowed": ["sh"],
        },
        f"command.run, with: {{shell: touch {done}}}",
        done.exists,
    )


SCENES = {
    "http.request POST": http,
    "sql.execute, statement": sql(b"INSERT", INSERT, COUNT),
    "sql.execute, commit": sql(b"COMMIT\0", INSERT, COUNT),
    "sql.transaction, commit": sql(b"COMMIT\0", TRANSACTION, COUNT),
    "sql.maintenance": sql(b"REINDEX", REINDEX, NODE, "3s"),
    "sql.terminate": sql(b"pg_terminate_backend", TERMINATE, VICTIMS),
    "redis.set": redis(b"$3\r\nSET\r\n", "redis.set, with: {key: new, value: v}", "EXISTS new"),
    "redis.delete": redis(b"UNLINK", "redis.delete, with: {keys: [old]}", "EXISTS old"),
    "redis.expire": redis(b"PEXPIRE", "redis.expire, with: {keys: [old], ttl: 1h}", "TTL old"),
    "redis.publish": redis(
        b"PUBLISH", "redis.publish, with: {channel: c, message: m}", "INFO commandstats"
    ),
    "meta.set_status": meta('meta.set_status, with: {id: "200", status: PAUSED}'),
    "meta.set_budget": meta('meta.set_budget, with: {id: "200", daily_minor: 9900}'),
    "meta.request": meta(
        'meta.request, with: {method: POST, path: "200", params: {status: PAUSED}}'
    ),
    "meta.batch": meta(
        'meta.batch, with: {requests: [{method: POST, path: "200", params: {status: PAUSED}}]}'
    ),
    "command.run": command,
    "command.run over SSH": ssh,
}


def rows() -> dict[str, dict[str, str]]:
    """The table, by action and fault."""
    head, *lines = TABLE.strip().splitlines()
    starts = [head.index(name) for name in FAULTS]
    ends = [*starts[1:], None]
    return {
        line[: starts[0]].strip(): {
            name: line[start:end].strip()
            for name, start, end in zip(FAULTS, starts, ends, strict=True)
        }
        for line in lines
    }


@asynccontextmanager
async def engine_of(folder: Path, scene: Scene) -> AsyncIterator[Engine]:
    pack = folder / "books" / "p"
    (pack / "environments").mkdir(parents=True)
    environment = {"connections": {"target": scene.connection}}
    (pack / "environments" / "test.yaml").write_text(json.dumps(environment))
    probe = "{check: run.value, with: {value: 1}, expect: result.value == 1}"
    step = f"id: it, action: {scene.step}, target: target, timeout: {scene.timeout}"
    step += f", retry: 1, probe: {probe}"
    (pack / "book.yaml").write_text(f"title: t\nsteps: [{{{step}}}]\n")
    store = open_store("memory:")
    yield Engine(books=Books([folder / "books"]), registry=Registry(), store=store)
    await store.close()


async def status_of(engine: Engine) -> str:
    """How the action ended, as its attempt was recorded before anybody was asked about it."""
    result = await engine.run(
        "p/book", environment="test", inputs={}, actor=Actor("a", "os-user"), faces=Faces()
    )
    events = await engine.store.events(result.run)
    return next(
        event.body["status"] for event in events
        if event.type == "StepFinished" and event.body["path"] == "it"
    )  # fmt: skip


@pytest.fixture
def means_for(tmp_path, postgres, database, redis):
    def means(fault: str) -> Means:
        folder = tmp_path / fault.replace(" ", "-")
        folder.mkdir()
        return Means(folder, postgres, database, redis)

    return means


@pytest.mark.parametrize("action", SCENES)
async def test_a_step_is_in_doubt_exactly_where_it_may_have_happened(
    action, means_for, record_property
):
    found = {}
    for fault in FAULTS:
        means = means_for(fault)
        async with means.stack:
            scene = await SCENES[action](means, fault)
            async with engine_of(means.folder, scene) as engine:
                status = await status_of(engine)
            found[fault] = status + (", done" if scene.happened() else "")
    record_property("row of actions with a fault in their middle", {"action": action, **found})
    assert found == rows()[action]


def test_the_table_has_a_row_for_every_action():
    assert list(rows()) == list(SCENES)
    tried = {name.partition(",")[0].partition(" ")[0] for name in SCENES}
    there = {name for name in every_action() if name.partition(".")[0] not in ELSEWHERE}
    assert tried == there


def test_no_action_that_was_done_is_told_as_not_done():
    assert not [cell for row in rows().values() for cell in row.values() if cell == "errored, done"]
