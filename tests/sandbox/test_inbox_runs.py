"""Runs whose people are called in a sandbox: all levels, faster than written, and to the end."""

from __future__ import annotations

import asyncio

import pytest

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.sandbox import Sandbox, connections_of
from engine.wiring import Faces
from engine.wiring.hurry import HURRY, REPEATS_MAX, WAIT_MAX_S, hurried, hurry_of
from tests.runbooks.hurried import Hurrying

ANA = Actor("ana", "os-user")
CONTACTS = """
people:
  lead: {name: The lead, channels: {sms: "+15550100001"}}
channels:
  page: {connection: pager}
  room: {connection: chat, to: "#oncall"}
  sms: {connection: telephone}
quiet: {from: "00:00", until: "23:59"}
severities:
  SEV1: {respond_within: 5m, status: {every: 15m, by: [room]}}
policies:
  default:
    - {who: [page], repeat: {every: 10m, times: 20}}
    - {who: [lead], by: [sms, room], after: 20m, unless: resolved}
    - {who: [room], after: 9h}
"""
SANDBOX = """
services:
  inbox: {kind: inbox}
connections:
  pager:
    adapter: pagerduty
    base_url: "${service:inbox.url}/to/on-call"
    routing_key: "${service:inbox.routing_key}"
  chat: {adapter: slack, base_url: "${service:inbox.url}/api", token: "${service:inbox.token}"}
  telephone:
    adapter: twilio
    base_url: "${service:inbox.url}"
    account: "${service:inbox.account}"
    token: "${service:inbox.token}"
    sender: "+15550100000"
"""
CALLS = """
title: Redis
severity: SEV1
steps:
  - {escalate: default, id: call, message: Redis is full}
  - {end: unresolved, because: it is full}
"""


@pytest.fixture
def stage(tmp_path):
    """Runs the book of a pack with this sandbox: its letters, its events, what was said."""
    folder = tmp_path / "books" / "pack"
    (folder / "environments").mkdir(parents=True)
    (folder / "contacts.yaml").write_text(CONTACTS)

    async def run(text=CALLS, sandbox=SANDBOX, observe=None):
        (folder / "main.yaml").write_text(text)
        (folder / "environments" / "sandbox.yaml").write_text(sandbox)
        books, registry = Books([tmp_path / "books"]), Registry()
        place = books.environment("pack", "sandbox", registry)
        store = open_store(f"sqlite:///{tmp_path}/journal.db")
        said = []
        wanted = connections_of(books.load("pack/main", registry))
        async with Sandbox(place, "pack/main", wanted) as there:
            engine = Hurrying(books=books, registry=registry, store=store)
            faces = Faces(console=said.append, observe=observe and (lambda e: observe(engine, e)))
            given = {"inputs": {}, "actor": ANA, "services": there.services, "faces": faces}
            result = await engine.run("pack/main", environment="sandbox", **given)
            events = list(await store.events(result.run))
            problems = [p for one in there.behaviours.values() for p in one.problems]
            letters = list(there.letters)
        await store.close()
        assert problems == []
        return letters, events, said

    return run


def due(events):
    """Seconds after the first level at which each was due, by its number."""
    first = next(e.at_us for e in events if e.type == "LevelDue")
    found = {}
    for event in events:
        if event.type == "LevelDue":
            found.setdefault(event.body["level"], []).append(round((event.at_us - first) / 1e6))
    return found


async def test_every_level_is_told_by_its_real_channel_faster_than_written_and_then_it_ends(stage):
    letters, events, _ = await stage()
    assert [(one.by, one.to) for one in letters] == [
        ("PagerDuty", "on-call"),
        ("SMS", "+15550100001"),
        ("Slack", "#oncall"),
    ]
    assert due(events) == {1: [0, 10, 20, 30], 2: [20], 3: [50]}
    assert events[-1].type == "EscalationClosed"


async def test_a_level_is_told_again_only_so_often_and_that_is_seen(stage):
    letters, _, _ = await stage()
    again = [text for _, text in letters[0].news if text.startswith("told again")]
    assert len(again) == REPEATS_MAX


async def test_where_a_door_is_down_the_next_channel_is_taken(stage):
    down = SANDBOX.replace("{kind: inbox}", "{kind: inbox, down: [twilio]}")
    letters, _, _ = await stage(sandbox=down)
    assert ("SMS", "+15550100001") not in [(one.by, one.to) for one in letters]
    assert [one.to for one in letters].count("#oncall") == 2


async def test_how_a_run_stands_is_told_every_so_often(stage):
    text = "title: R\nseverity: SEV1\nsteps: [{wait: 50s, id: rest}]\n"
    letters, _, _ = await stage(text)
    titles = [one.title for one in letters]
    assert len(titles) == 3
    assert all(title.startswith("Status: [SEV1]") for title in titles)


async def test_what_is_taken_calls_nobody_else_but_whoever_is_called_until_it_is_resolved(stage):
    tasks = []

    def observe(engine, event):
        if event.type == "Told" and not tasks:
            tasks.append(asyncio.create_task(engine.acknowledge(event.run, ANA)))

    letters, events, _ = await stage(observe=observe)
    assert [one.by for one in letters] == ["PagerDuty", "SMS"]
    assert "acknowledged" in [text for _, text in letters[0].news]
    assert "ana took it, and it is not resolved" in letters[1].text
    assert events[-1].body["why"] == "ana took it"


async def test_without_an_inbox_the_first_level_is_told_at_the_console_and_that_is_all(stage):
    letters, events, said = await stage(sandbox="connections: {}\n")
    assert letters == []
    assert said == ["ESCALATION (default): Redis is full"]
    assert due(events) == {1: [0]}


async def test_an_inbox_may_keep_the_times_as_they_are_written(stage):
    sandbox = SANDBOX.replace("{kind: inbox}", "{kind: inbox, hurry: 1}")
    _, events, _ = await stage(sandbox=sandbox)
    assert due(events)[2] == [20 * 60]
    assert due(events)[3] == [20 * 60 + 9 * 3600]


def test_no_wait_is_longer_than_whoever_sits_there_waits():
    level = {"after_us": 24 * 3600 * 1_000_000, "every_us": None, "times": 0}
    hour, minute = 3_600_000_000, 60_000_000
    policy = {"levels": [level], "reopen_us": hour, "answer_us": hour}
    telling = {"policies": {"p": policy}, "answer_us": hour, "respond_within_us": minute}
    made = hurried(telling, HURRY)
    assert made["policies"]["p"]["levels"][0]["after_us"] == WAIT_MAX_S * 1e6
    assert made["policies"]["p"]["reopen_us"] == WAIT_MAX_S * 1e6
    assert made["policies"]["p"]["answer_us"] == made["answer_us"] == WAIT_MAX_S * 1e6
    assert made["respond_within_us"] == 1_000_000
    assert made["hurry"] == HURRY


def test_nothing_is_faster_where_there_is_no_inbox():
    assert hurry_of({"cache": {"kind": "redis"}}) is None
    assert hurry_of({"told": {"kind": "inbox"}}) == HURRY
