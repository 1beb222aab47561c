"""A list of runs over a server says what stands behind their status, as the machine's own does."""

from __future__ import annotations

import asyncio
import subprocess
import time

import httpx
import pytest

from engine.cli.marks import marks_of, stands_still
from engine.cli.remote import Api, RemoteStore
from engine.core.events import Actor
from engine.journal.calls import Calls, Mark
from engine.journal.marks import Marks
from engine.server.keeper import ORPHANS_S
from engine.wiring import Faces
from tests.runs.beeper import Beeper
from tests.server.conftest import serving_in
from tests.server.process import RUNBOOK, server

ANA = Actor("ana", "os-user")
CALLS = """title: Calls
steps:
  - {escalate: default, id: call, title: The disk is full, message: it is full, wait: acknowledged}
"""
ASKS = """title: Asks
steps:
  - {id: sure, check: human.confirm, title: Sure, with: {question: Is it so?}}
"""
BOTH = """title: Calls and asks
steps:
  - parallel:
      - {escalate: default, id: call, title: The disk is full, wait: acknowledged}
      - {id: sure, check: lab.ask, title: Sure, with: {question: Is it so?}}
"""
STOPS = """title: Stops
escalation: {policy: default, unresolved_after: 5m}
steps:
  - {end: unresolved}
"""
CONTACTS = """people:
  bea: {name: Bea, roles: [boss], channels: {beep: "+1"}}
  cy: {name: Cy, channels: {beep: "+2"}}
channels: {beep: {connection: beeper}}
policies:
  default:
    - {who: [bea], by: [beep]}
    - {who: [cy], by: [beep], after: 10m}
roles: {boss: who may}
"""
HERE = "connections: {there: {adapter: lab}, beeper: {adapter: beeper}}\n"
NONE = {"calls": [], "asks": [], "untaken": [], "held": None, "undriven": False}


@pytest.fixture
def book(books):
    Beeper.reset()
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/stops.yaml").write_text(STOPS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    (books / "p/environments/test.yaml").write_text(HERE)
    return books


@pytest.fixture
async def made(book, tmp_path):
    async with serving_in(book, tmp_path / "journal.db", channels=[Beeper]) as serving:
        yield serving


async def until(made, run, type_, count=1):
    store, seq = made.parts.store, 0
    async with asyncio.timeout(30):
        while True:
            events = await store.events(run)
            if sum(event.type == type_ for event in events) >= count:
                return
            seq = events[-1].seq if events else seq
            await store.wait_for_more(run, seq, 5)


async def listed(made, more=""):
    answer = await made.call("GET", f"/runs{more}", await made.token("viewer"))
    return answer.json()["items"]


def marked(item):
    return {key: item[key] for key in NONE}


async def test_what_a_run_calls_people_for_is_in_the_list_until_somebody_takes_it(made):
    run = (await made.parts.keeper.start("p/calls", "test", actor=ANA)).run
    await until(made, run, "Told")
    (item,) = await listed(made)
    assert marked(item) == {**NONE, "calls": ["The disk is full"]}
    one = (await made.call("GET", f"/runs/{run}", await made.token("viewer"))).json()
    assert marked(one) == marked(item)
    await made.parts.engine.acknowledge(run, ANA)
    (item,) = await listed(made)
    assert marked(item) == NONE


async def test_what_a_run_asks_besides_is_in_the_list_beside_what_it_calls_for(made):
    made.write(BOTH, "p/both")
    run = (await made.parts.keeper.start("p/both", "test", actor=ANA)).run
    await until(made, run, "Told")
    await until(made, run, "StepStarted", 3)
    (item,) = await listed(made)
    assert marked(item) == {**NONE, "calls": ["The disk is full"], "asks": ["Sure"]}
    assert Mark.of_json(item).words == ["calls", "asks"]
    await made.parts.engine.acknowledge(run, ANA)
    (item,) = await listed(made)
    assert marked(item) == NONE  # it waits for an answer only: so says its status
    assert item["status"] == "waiting"


async def test_what_nobody_took_is_in_the_list_though_the_run_is_over(made):
    run = (await made.parts.keeper.start("p/stops", "test", actor=ANA)).run
    await made.ended(run)
    await until(made, run, "Told")
    (item,) = await listed(made)
    assert (item["status"], item["calls"]) == ("unresolved", ["it ended unresolved"])
    for count in (1, 2):
        await until(made, run, "Told", count)
        made.clock.t_us += 3_600_000_000
    await until(made, run, "EscalationExhausted")
    (item,) = await listed(made)
    assert marked(item) == {**NONE, "untaken": ["it ended unresolved"]}


async def test_a_run_whose_driver_died_is_undriven_until_the_server_takes_it_up(made):
    engine, told, names = made.parts.engine, asyncio.Event(), []

    def observe(event):
        names.append(event.run)
        if event.type == "Told":
            told.set()

    given = {"environment": "test", "inputs": {}, "actor": ANA}
    task = asyncio.create_task(engine.run("p/calls", faces=Faces(observe=observe), **given))
    await told.wait()
    assert [item["undriven"] for item in await listed(made)] == [False]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store = made.parts.store
    await store.release(await store.take(names[0], "elsewhere:1:2", force=True))
    assert [item["undriven"] for item in await listed(made)] == [True]
    over = await remote(made)
    assert await stands_still(over, names[0], Calls())
    assert list(await marks_of(over, await over.runs())) == names[:1]
    made.clock.t_us += round(ORPHANS_S * 1e6) + 1
    await until(made, names[0], "RunTakenUp")
    assert [item["undriven"] for item in await listed(made)] == [False]
    assert not await stands_still(over, names[0], Calls())
    await over.close()


async def remote(made):
    """What the command line reads over this server."""
    api = Api("http://runbook")
    headers = {"Authorization": f"Bearer {await made.token('viewer')}"}
    given = {"transport": httpx.ASGITransport(made.app), "headers": headers}
    api._client = httpx.AsyncClient(base_url="http://runbook/api/v1", **given)
    return RemoteStore(api)


async def test_a_run_that_waits_for_people_only_is_not_undriven(made):
    made.write(ASKS.replace("human.confirm", "lab.ask").replace("Is it so?", "q"), "p/asks")
    run = (await made.parts.keeper.start("p/asks", "test", actor=ANA)).run
    async with asyncio.timeout(60):
        while made.parts.keeper.driven or not made.parts.keeper.parked:
            await made.parts.store.wait_for_more(run, 99, 0.01)
    assert [item["undriven"] for item in await listed(made)] == [False]


async def test_of_a_pack_that_is_not_theirs_nobody_reads_what_it_calls_for(made):
    run = (await made.parts.keeper.start("p/calls", "test", actor=ANA)).run
    await until(made, run, "Told")
    answer = await made.call("GET", "/runs", await made.token("viewer:q"))
    assert answer.json() == {"items": [], "next": None}


async def test_only_what_is_new_of_a_run_is_read_for_the_next_list(made):
    run = (await made.parts.keeper.start("p/calls", "test", actor=ANA)).run
    await until(made, run, "Told")
    store, seen = made.parts.store, []

    class Reads:
        read = store.read

        async def events(self, name, after=0, limit=None):
            seen.append(after)
            return await store.events(name, after, limit)

    marks = Marks(Reads())
    for _ in range(2):
        rows = await store.runs()
        assert (await marks.of(rows, made.clock.now_us()))[run].calls == ("The disk is full",)
    assert seen[0] == 0
    await made.parts.engine.acknowledge(run, ANA)
    assert (await marks.of(await store.runs(), made.clock.now_us())).get(run) is None
    assert 0 not in seen[1:]


async def test_a_list_of_runs_that_are_over_reads_none_of_them(made):
    for _ in range(3):
        begun = await made.parts.keeper.start("p/main", "test", actor=ANA)
        await made.ended(begun.run)
    await made.parts.marks.of(await made.parts.store.runs(), made.clock.now_us())
    assert not made.parts.marks._folded


async def test_the_document_of_the_api_says_what_is_in_the_list(made):
    document = (await made.http.get("/api/v1/openapi.json")).json()
    answer = document["paths"]["/api/v1/runs"]["get"]["responses"]["200"]
    assert "RunsPage" in str(answer["content"]["application/json"]["schema"])
    listed_ = document["components"]["schemas"]["ListedRun"]["properties"]
    run = (await made.parts.keeper.start("p/main", "test", actor=ANA)).run
    await made.ended(run)
    assert [sorted(item) for item in await listed(made)] == [sorted(listed_)]


def test_of_a_server_that_says_nothing_of_this_a_run_has_no_mark():
    assert Mark.of_json({"run": "r", "status": "running"}) == Mark()


def test_the_list_over_a_server_looks_as_it_does_on_its_machine(tmp_path):
    (tmp_path / "books/p/environments").mkdir(parents=True)
    (tmp_path / "books/p/environments/test.yaml").write_text("connections: {}\n")
    (tmp_path / "books/p/calls.yaml").write_text(CALLS)
    (tmp_path / "books/p/asks.yaml").write_text(ASKS)
    (tmp_path / "books/p/contacts.yaml").write_text(
        "people: {bea: {name: Bea}}\nquestions: {by: [console]}\n"
        "policies: {default: [{who: [bea], by: [console]}, {who: [bea], by: [console], after: 9m}]}"
    )
    with server(tmp_path) as serving:
        token = serving.token("lead", "--role", "admin")
        here = serving.environ | {"COLUMNS": "200"}
        there = {key: value for key, value in here.items() if key != "RUNBOOK_STORE"}
        there |= {"RUNBOOK_SERVER": serving.url, "RUNBOOK_TOKEN": token}
        for name in ("calls", "asks"):
            until_told(serving, name, {"Authorization": f"Bearer {token}"})
        assert "waiting, asks" in runs(tmp_path, here)
        assert runs(tmp_path, there, "--json") == runs(tmp_path, here, "--json")
        over = runs(tmp_path, there)
        assert "waiting, asks" in over
        assert "to take what a run calls for: runbook ack 2" in over
        assert "undriven" not in over


def until_told(serving, name, headers):
    """Begins a run, and waits for the last that happens of it by itself: somebody is told."""
    body = {"runbook": f"p/{name}", "environment": "test"}
    with httpx.Client(base_url=f"{serving.url}/api/v1", headers=headers, timeout=60) as http:
        run = http.post("/runs", json=body).raise_for_status().json()["run"]
        until_s = time.monotonic() + 60
        while "Told" not in (seen := http.get(f"/runs/{run}/events?wait_s=1").text):
            assert time.monotonic() < until_s, seen


def runs(folder, environ, *words):
    done = subprocess.run(
        [*RUNBOOK, *words, "runs"], cwd=folder, env=environ, text=True, capture_output=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
