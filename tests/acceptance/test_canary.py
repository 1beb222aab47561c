"""A secret is nowhere: not in the journal, not on the terminal, not in an argument list."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import servers

from tests.acceptance.canary import Canary, command_lines, leaks
from tests.acceptance.program import Done, Program
from tests.acceptance.service import Reply, Request, Service

CANARIES = {
    canary.name: canary
    for canary in (
        Canary("database", "Kp3xZq8Lw2Vn"),
        Canary("cache", "Hm7tRb4Yc9Jd"),
        Canary("api", "Wf6gTs1Nx5Qe"),
        Canary("login", "Du9vMk2Pz7Ba"),
    )
}
DATABASE, CACHE, API, LOGIN = CANARIES.values()

GOOD = """\
title: Everything answers, with the secrets in the answers
inputs:
  value: {type: string}
steps:
  - {id: echo, check: http.request, target: api, with: {path: /echo}, expect: {status: 200}}
  - {id: basic, check: http.request, target: basic, with: {path: /echo}}
  - {id: key, check: redis.get, target: cache, with: {key: token}}
  - {id: forms, check: redis.get, target: cache, with: {key: forms}}
  - {id: table, check: sql.query, target: database, with: {sql: select * from secrets}}
  - id: noted
    action: run.note
    with: {text: "{{ echo.json.headers.authorization }} {{ key.value }} {{ inputs.value }}"}
  - id: red
    check: human.confirm
    with: {question: "Is {{ key.value }} red?", evidence: "{{ echo.json }}"}
outputs:
  token: "{{ key.value }}"
"""

BAD = """\
title: Everything goes wrong, with the secrets in the errors
inputs:
  value: {type: string}
steps:
  - {id: key, check: redis.get, target: cache, with: {key: token}}
  - id: bound
    check: sql.query
    target: database
    with: {sql: "select :v::int as v", params: {v: "{{ inputs.value }}"}}
    on_failure: continue
  - id: pass_on
    action: redis.set
    target: cache
    with: {key: "copy of {{ key.value }}", value: "{{ key.value }}"}
    on_failure: continue
  - id: sent
    action: http.request
    target: api
    idempotent: true
    with: {method: POST, path: /sent, json: {token: "{{ key.value }}"}}
    on_failure: continue
  - id: other
    check: http.request
    target: api
    with: {path: /echo}
    expect: {json.headers.authorization: nobody, json.authorization: {matches: "^x"}}
    on_failure: continue
  - {id: broken, check: http.request, target: api, with: {path: /broken}, expect: {status: 200},
     on_failure: continue}
  - {id: refused, action: http.request, target: api, with: {method: POST, path: /refused},
     idempotent: true, on_failure: continue}
  - {id: away, check: http.request, target: api, with: {path: /away}, expect: {status: 200},
     on_failure: continue}
  - {id: sent_away, action: http.request, target: api, with: {method: POST, path: /away},
     idempotent: true, on_failure: continue}
  - {id: cast, check: sql.query, target: database, on_failure: continue,
     with: {sql: "select value::int from secrets"}}
  - {id: row, action: sql.execute, target: database, on_failure: continue, idempotent: true,
     with: {sql: "insert into secrets select name, value from secrets"}}
  - {id: syntax, check: sql.query, target: database, on_failure: continue,
     with: {sql: "selec 1"}}
  - {id: no_database, check: sql.query, target: no_database, with: {sql: select 1},
     on_failure: continue}
  - {id: no_cache, check: redis.info, target: no_cache, on_failure: continue}
  - {id: no_api, check: http.request, target: no_api, on_failure: continue}
  - {id: not_ours, check: sql.query, target: not_ours, with: {sql: select 1}, on_failure: continue}
  - {id: not_our_cache, check: redis.info, target: not_our_cache, on_failure: continue}
  - {id: last, check: redis.get, target: cache, with: {key: token}, expect: {value: nothing}}
on_failure:
  - escalate: default
    message: "{{ last.value }} {{ other.json }} {{ failure }}"
"""

HELD = """\
title: Is cancelled while the target holds it
steps:
  - {id: held, action: http.request, target: api, idempotent: true, timeout: 10m,
     with: {method: POST, path: /held}}
"""

LOST = """\
title: The reply is lost, or says that something went wrong
steps:
  - parallel:
      - {id: lost, action: http.request, target: api, idempotent: true,
         with: {method: POST, path: /lost}}
      - {id: broke, action: http.request, target: api, idempotent: true,
         with: {method: POST, path: /broken}}
"""

ENVIRONMENT = """\
connections:
  database: {{adapter: sql, url: "${{env:DATABASE_URL}}"}}
  cache: {{adapter: redis, url: "${{file:{folder}/cache-url}}"}}
  api:
    adapter: http
    base_url: "{api}"
    timeout_s: 10m
    headers: {{Authorization: "Bearer ${{env:API_TOKEN}}"}}
  basic: {{adapter: http, base_url: "{api}", username: ada, password: "${{env:LOGIN}}"}}
  no_database: {{adapter: sql, url: "${{env:NO_DATABASE_URL}}"}}
  no_cache: {{adapter: redis, url: "${{env:NO_CACHE_URL}}"}}
  no_api: {{adapter: http, base_url: "${{env:NO_API_URL}}"}}
  not_ours: {{adapter: sql, url: "${{env:NOT_OURS_URL}}"}}
  not_our_cache: {{adapter: redis, url: "${{env:NOT_OUR_CACHE_URL}}"}}
"""

BUG = """
import sys
from base64 import b64encode
import os
import engine.wiring

async def explode(self, *_):
    token = os.environ["API_TOKEN"]
    forms = (token, repr(token), b64encode(token.encode()), os.environ["DATABASE_URL"])
    raise RuntimeError(f"it came to {forms}")

engine.wiring.Engine._result = explode
from engine.cli.main import main
sys.exit(main())
"""


class Leaky:
    """A service that repeats what it was sent, in its answers, headers and redirects."""

    def __init__(self) -> None:
        self.service = Service(self._answer)
        self._over = asyncio.Event()

    async def _answer(self, request: Request) -> Reply:
        if request.target == "/held":
            await self._over.wait()
        if request.target == "/lost":
            return Reply(0)
        told = {"authorization": API.forms(), "headers": request.headers, "body": request.body}
        token = request.headers.get("authorization", "")
        headers = (("X-Echo", token), ("Set-Cookie", f"session={API.core}; Path=/"))
        if request.target == "/broken":
            return Reply(500, json.dumps(told), headers)
        if request.target == "/refused":
            return Reply(422, json.dumps(told), headers)
        if request.target == "/away":
            away = f"https://elsewhere.example/{API.in_url}?token={API.in_url}"
            return Reply(302, "", (*headers, ("Location", away)))
        return Reply(200, json.dumps(told), headers)


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a PostgreSQL that wants the password of its role."""
    with servers.postgres_server() as server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            literal = psycopg.sql.Literal(DATABASE.value)
            admin.execute(psycopg.sql.SQL("CREATE ROLE runner LOGIN PASSWORD {}").format(literal))
            admin.execute("CREATE TABLE secrets (name text PRIMARY KEY, value text)")
            admin.execute("GRANT ALL ON secrets TO runner")
            for name, form in DATABASE.forms().items():
                admin.execute("INSERT INTO secrets VALUES (%s, %s)", (name, form))
            rules = server.socket_dir / "data" / "pg_hba.conf"
            rules.write_text(
                "local all postgres trust\nhost all runner 127.0.0.1/32 scram-sha-256\n"
            )
            admin.execute("SELECT pg_reload_conf()")
        yield f"postgresql://runner:{DATABASE.in_url}@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def cache() -> Iterator[str]:
    """The address of a Redis that wants a password."""
    with servers.redis_server() as server:
        for command in (
            ("SET", "token", CACHE.value),
            *(("HSET", "forms", name, form) for name, form in CACHE.forms().items()),
            ("CONFIG", "SET", "requirepass", CACHE.value),
        ):
            assert server.command(" ".join(_quoted(word) for word in command))[:1] != b"-"
        yield f"redis://:{CACHE.in_url}@127.0.0.1:{server.port}/0"


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture
def world(program: Program, database: str, cache: str) -> Iterator[Program]:
    for name, text in (("good", GOOD), ("bad", BAD), ("held", HELD), ("lost", LOST)):
        program.write(f"p/{name}.yaml", text)
    (program.folder / "cache-url").write_text(cache + "\n")
    program.environ |= {
        "DATABASE_URL": database,
        "API_TOKEN": API.ascii,
        "LOGIN": LOGIN.value,
        "NO_DATABASE_URL": f"postgresql://runner:{DATABASE.in_url}@127.0.0.1:9/x",
        "NO_CACHE_URL": f"redis://:{CACHE.in_url}@127.0.0.1:9/0",
        "NO_API_URL": f"http://ada:{LOGIN.in_url}@127.0.0.1:9/",
        "NOT_OURS_URL": database.replace("runner:", "runner:not-"),
        "NOT_OUR_CACHE_URL": cache.replace("redis://:", "redis://:not-"),
    }
    with Leaky().service as service:
        program.write(
            "p/environments/test.yaml",
            ENVIRONMENT.format(folder=program.folder, api=service.url),
        )
        yield program


class Seen:
    """All that came out of the program, by how it was called."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.octets: dict[str, bytes] = {}

    def __call__(self, code: int, *words: str) -> Done:
        done = self._program(*words)
        self.add(" ".join(words), done)
        assert done.code == code, done.all
        return done

    def add(self, name: str, done: Done) -> None:
        self.octets[f"{name} (stdout)"] = done.out.encode()
        self.octets[f"{name} (stderr)"] = done.err.encode()

    def stored(self, when: str) -> None:
        for name, octets in self._program.stored().items():
            self.octets[f"{name} {when}"] = octets


def test_a_secret_is_found_nowhere(world: Program):
    seen = Seen(world)
    run = good(seen)
    bad(seen)
    cancelled(seen, world)
    in_doubt(seen)
    for words in (
        ("runs",), ("--json", "runs"), ("watch", run), ("--json", "watch", run),
        ("audit", "show", run), ("--json", "audit", "show", run), ("audit", "verify"),
        ("audit", "export", run), ("audit", "export", run, "--format", "csv"),
    ):  # fmt: skip
        seen(0, *words)
    seen(3, "doctor", "p", "--env", "test")
    seen(3, "--json", "doctor", "p", "--env", "test")
    a_bug(seen, world)
    seen.stored("at the end")
    assert len([name for name in seen.octets if name.startswith("journal.db")]) > 3
    assert leaks(CANARIES, seen.octets) == []


def good(seen: Seen) -> str:
    """A run in which all went well; the secrets came back from every target."""
    value = f"value={CACHE.value} {DATABASE.forms()['base64 behind 1']}"
    run = seen(7, "run", "p/good", "--env", "test", "-i", value).run
    seen(0, "answer", run, "yes", "--note", f"I saw {API.ascii} and {CACHE.value}")
    seen(0, "--json", "resume", run)
    trail = seen(0, "--json", "audit", "show", run).out
    for name in ("DATABASE_URL", "cache-url", "API_TOKEN", "LOGIN"):
        assert f"secret {name}" in trail or f"{name}›" in trail  # noqa: RUF001
    return run


def bad(seen: Seen) -> None:
    value = ("-i", f"value={DATABASE.value}")
    failed = seen(3, "run", "p/bad", "--env", "test", *value)
    for said in ("refuses connections", "nothing listens there", "invalid input syntax", "302",
                 "refused the login", "duplicate key", "500", "ESCALATION",
                 "`params` holds a secret (DATABASE_URL)", "`json` holds a secret"):  # fmt: skip
        assert said in failed.all, said
    seen(3, "--json", "run", "p/bad", "--env", "test", *value)
    seen(3, "watch", "last")
    seen(0, "audit", "export", "last")


def cancelled(seen: Seen, world: Program) -> None:
    going = world.start("run", "p/held", "--env", "test")
    going.until("StepStarted", path="held")
    seen.octets |= command_lines(going.pid)
    seen.stored("while it was written")
    seen(0, "cancel", going.run, "--reason", f"{API.ascii} is held")
    going.until("CancelRequested")
    going.process.terminate()
    seen.add("cancelled", going.end())
    seen(3, "resume", going.run)


def in_doubt(seen: Seen) -> None:
    run = seen(3, "run", "p/lost", "--env", "test").run
    for step in ("lost", "broke"):
        seen(0, "settle", run, step, "--happened", "--reason", f"{API.ascii} is there")
    seen(0, "resume", run)
    seen(0, "audit", "show", run)


def a_bug(seen: Seen, world: Program) -> None:
    usual = world.program
    world.program = [sys.executable, "-c", BUG]
    for words in (("--debug",), ("--debug", "--json"), ()):
        done = seen(5, *words, "run", "p/lost", "--env", "test")
        assert "this is a bug in runbook: RuntimeError: " in done.err
        assert ("Traceback" in done.err) == ("--debug" in words)
    world.program = usual


def test_what_is_looked_for_would_be_found(tmp_path: Path):
    """The search itself: every form of every canary, also when only a part of it is left."""
    for canary in CANARIES.values():
        for name, form in canary.forms().items():
            for text in (form, json.dumps({"a": [form]}), f"..{form[4:]}", form[: len(form) - 5]):
                assert leaks({"x": canary}, {name: text.encode()}) != [], (name, text)
    assert leaks(CANARIES, {"nothing": Path(__file__).name.encode()}) == []
