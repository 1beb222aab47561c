"""What is wrong in the description of a sandbox is told with its place; nothing is started."""

from __future__ import annotations

import pytest

from engine.errors import Diagnosed
from engine.sandbox import KINDS, Sandbox
from engine.sandbox.inbox import DOORS

CASES = {
    "a kind that is none": (
        "services: {s: {kind: reddis}}",
        "services.s.kind: 'reddis' is no kind of service",
        "did you mean 'redis'?",
    ),
    "a service without a kind": (
        "services: {s: {}}",
        "services.s.kind: None is no kind of service",
        f"the kinds are {', '.join(KINDS[:-1])} and {KINDS[-1]}",
    ),
    "a setting that is none": (
        "services: {s: {kind: redis, configg: {}}}",
        "services.s: unknown key 'configg'",
        "did you mean 'config'?",
    ),
    "a fill without a pattern": (
        "services: {s: {kind: redis, fill: [{count: 3}]}}",
        "services.s.fill[1]: an entry of fill has no pattern",
        None,
    ),
    "a type of key that is none": (
        "services: {s: {kind: redis, fill: [{pattern: a, type: heap}]}}",
        "services.s.fill[1].type: 'heap' is no type of key",
        "the types are string, list, set, hash, zset",
    ),
    "too many keys": (
        "services: {s: {kind: redis, fill: [{pattern: a, count: 1000000}]}}",
        "services.s.fill[1].count: takes a whole number from 0 to 200000, not 1000000",
        None,
    ),
    "a size that is none": (
        "services: {s: {kind: redis, fill: [{pattern: a, size: '-5'}]}}",
        "services.s.fill[1].size: a size is never negative: '-5'",
        None,
    ),
    "a time to live that is too long": (
        "services: {s: {kind: redis, fill: [{pattern: a, ttl: 60w}]}}",
        "services.s.fill[1].ttl: 60w is longer than a year, the longest duration there is",
        None,
    ),
    "commands that are no lists of words": (
        "services: {s: {kind: redis, commands: [SET a b]}}",
        "services.s.commands: takes lists of words, like [SET, key, value]",
        None,
    ),
    "an inbox that is too fast": (
        "services: {s: {kind: inbox, hurry: 1000000}}",
        "services.s.hurry: takes a number from 1 to 3600, not 1000000",
        "people are called so many times as fast",
    ),
    "an inbox whose time stands still": (
        "services: {s: {kind: inbox, hurry: true}}",
        "services.s.hurry: takes a number from 1 to 3600, not True",
        "people are called so many times as fast",
    ),
    "an inbox with a door that is none": (
        "services: {s: {kind: inbox, down: [telegraph]}}",
        "services.s.down: takes a list of doors, not ['telegraph']",
        f"the doors are {', '.join(DOORS)}",
    ),
    "a database whose name needs quotes": (
        "services: {s: {kind: postgres, database: a-b}}",
        "services.s.database: takes a name of a-z, 0-9 and _, not 'a-b'",
        None,
    ),
    "a file that is not there": (
        "services: {s: {kind: postgres, files: [nowhere.sql]}}",
        "services.s.files: cannot read nowhere.sql: No such file or directory",
        None,
    ),
    "sql that is no list": (
        "services: {s: {kind: postgres, sql: SELECT 1}}",
        "services.s.sql: takes a list of statements",
        None,
    ),
    "a state of a session that is none": (
        "services: {s: {kind: postgres, sessions: [{state: bored}]}}",
        "services.s.sessions[1].state: 'bored' is no state",
        "the states are idle, active, idle in transaction",
    ),
    "a session that would have to be awaited": (
        "services: {s: {kind: postgres, sessions: [{for: 10m}]}}",
        "services.s.sessions[1].for: is longer than 10s",
        None,
    ),
    "a route without a method": (
        "services: {s: {kind: http, routes: [{on: /health}]}}",
        "services.s.routes[1].on: '/health' is no method and path",
        "it is written like: GET /api/jobs/{id}",
    ),
    "a way to fail that is none": (
        "services: {s: {kind: http, routes: [{on: GET /, fail: loudly}]}}",
        "services.s.routes[1].fail: 'loudly' is no way to fail",
        "it is reset or hang",
    ),
    "a key of a route that is none": (
        "services: {s: {kind: http, routes: [{on: GET /, jsn: {}}]}}",
        "services.s.routes[1]: unknown key 'jsn'",
        "did you mean 'json'?",
    ),
    "a fault that ends in another word": (
        "services: {s: {kind: http}}\nfaults: {book: {summary: a, ends: fine}}",
        "faults.book.ends: takes resolved, unresolved, failed or aborted, not 'fine'",
        "so a run may end",
    ),
    "a fault with an answer that is no text": (
        "services: {s: {kind: http}}\nfaults: {book: {summary: a, answers: {ready: true}}}",
        "faults.book.answers.ready: takes a text, not True",
        'write it in quotes: "yes"',
    ),
    "a fault without a summary": (
        "services: {s: {kind: http}}\nfaults: {book: {services: {}}}",
        "faults.book: a fault has no summary",
        "say in a few lines what is broken",
    ),
    "a fault of a service that is not there": (
        "services: {s: {kind: http}}\nfaults: {book: {summary: a, services: {t: {}}}}",
        "faults.book.services: unknown key 't'",
        "known here are s",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_description_that_is_wrong_is_told(environment, name, tmp_path):
    text, what, help_ = CASES[name]
    adapter = "{adapter: http, base_url: '${service:s.url}'}"
    read = environment(f"{text}\nconnections: {{c: {adapter}}}\n")
    with pytest.raises(Diagnosed) as caught:
        async with Sandbox(read, "pack/book", ["c"]):
            pytest.fail("it started")
    (diagnostic,) = caught.value.diagnostics
    folder = f"{tmp_path}/books/pack/environments/"
    assert (diagnostic.what.replace(folder, ""), diagnostic.help) == (what, help_)
    assert diagnostic.code == "RB830"
    assert diagnostic.place.line == (2 if "\n" in text else 1)
