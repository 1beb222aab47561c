"""Runs that a server does not go on with at once: it says why, and takes them up when it can."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from engine.clock import SystemClock
from engine.core.events import Actor
from engine.errors import Refused
from engine.journal.schema import make_file
from engine.server.again import MOST_S, Again
from engine.server.keeper import ORPHANS_S, TEND_S, Keeper
from engine.server.logs import Log
from engine.wiring import Faces
from tests.runs.beeper import Beeper
from tests.server.conftest import serving_in

ANA = Actor("ana", "os-user")
ELSEWHERE = "elsewhere:1:2"
RESTS = """title: Rests
steps:
  - {wait: 1h, id: rest}
  - {check: lab.look, id: look, target: there}
"""
CALLS = """title: Calls
steps:
  - {escalate: default, id: call, message: it is full, wait: acknowledged}
"""
CONTACTS = """people:
  bea: {name: Bea, channels: {beep: "+1"}}
  cy: {name: Cy, channels: {beep: "+2"}}
channels: {beep: {connection: beeper}}
policies:
  default:
    - {who: [bea], by: [beep]}
    - {who: [cy], by: [beep], after: 10m}
"""
HERE = "connections: {there: {adapter: lab}, beeper: {adapter: beeper}}\n"
MOVED = HERE.replace("{adapter: lab}", "{adapter: lab, host: elsewhere}")


@pytest.fixture
def book(books):
    Beeper.reset()
    (books / "p/rests.yaml").write_text(RESTS)
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    place(books, HERE)
    return books


def place(books, text):
    (books / "p/environments/test.yaml").write_text(text)


@pytest.fixture
def journal(tmp_path):
    make_file(tmp_path / "journal.db")
    return tmp_path / "journal.db"


def serving(book, journal):
    return serving_in(book, journal, channels=[Beeper])


async def left_behind(book, journal, name="p/rests"):
    """A run that the server before this one let go of in the middle."""
    async with serving(book, journal) as before:
        return (await before.parts.keeper.start(name, "test", actor=ANA)).run


async def until(made, run, type_, count=1):
    """The events of a run, once there are so many of this type."""
    store = made.parts.store
    async with asyncio.timeout(30):
        while True:
            events = await store.events(run)
            if sum(event.type == type_ for event in events) >= count:
                return events
            await store.wait_for_more(run, events[-1].seq, 5)


async def until_it_is(made, holds):
    async with asyncio.timeout(20):
        while not holds():
            await made.clock.sleep(0)


def said(made, text):
    lines = [json.loads(line) for line in made.log.getvalue().splitlines()]
    return [line for line in lines if text in str(line)]


async def test_a_run_whose_target_moved_calls_people_and_is_shown_as_held(book, journal):
    run = await left_behind(book, journal)
    place(book, MOVED)
    async with serving(book, journal) as made:
        await until(made, run, "Told")
        assert [m.name for m in Beeper.rang] == ["Bea"]
        (line,) = said(made, "run cannot be gone on with: people are called for it")
        assert "now to elsewhere" in str(line)
        assert "runbook_runs_held 1.0" in (await made.http.get("/metrics")).text
        found = (await made.call("GET", f"/runs/{run}", await made.token("viewer"))).json()
        assert (found["status"], found["held"]) == ("running", line["why"])
        assert "let it point there again" in found["mend"]
        made.clock.t_us += 600_000_000
        await until(made, run, "Told", 2)
        assert [m.name for m in Beeper.rang] == ["Bea", "Cy"]


async def test_it_goes_on_without_a_restart_once_its_target_is_back(book, journal):
    run = await left_behind(book, journal)
    place(book, MOVED)
    async with serving(book, journal) as made:
        await until(made, run, "Told")
        place(book, HERE)
        made.clock.t_us += 16_000_000
        await until(made, run, "EscalationClosed")
        await until_it_is(made, lambda: not made.parts.keeper.held)
        assert said(made, "run goes on") != []
        made.clock.t_us += 3600_000_000
        assert (await made.ended(run)).body["outcome"] == "resolved"


async def test_so_it_does_where_nobody_is_left_to_be_called(book, journal):
    run = await left_behind(book, journal)
    place(book, MOVED)
    async with serving(book, journal) as made:
        for count in (1, 2):
            await until(made, run, "Told", count)
            made.clock.t_us += 3600_000_000
        await until(made, run, "EscalationExhausted")
        await until_it_is(made, lambda: not made.parts.keeper.driven)
        await until_it_is(made, lambda: made.parts.keeper.parked == 1)
        assert made.parts.keeper.held == 1
        place(book, HERE)
        made.clock.t_us += round(MOST_S["held"] * 1e6) + 1
        assert (await made.ended(run)).body["outcome"] == "resolved"
        await until_it_is(made, lambda: not made.parts.keeper.held)


async def test_a_cancel_ends_one_that_nobody_is_left_to_be_called_for(book, journal):
    run = await left_behind(book, journal)
    place(book, MOVED)
    async with serving(book, journal) as made:
        await until(made, run, "Told")
        await made.parts.engine.cancel(run, "not needed", ANA)
        assert (await made.ended(run)).body["outcome"] == "cancelled"


async def test_whoever_asks_the_server_to_go_on_with_one_hears_why_it_does_not(book, journal):
    run = await left_behind(book, journal)
    place(book, MOVED)
    async with serving(book, journal) as made:
        await until(made, run, "Told")
        with pytest.raises(Refused, match="now to elsewhere"):
            await made.parts.keeper.resume(run, ANA)


async def test_where_the_environment_is_gone_that_is_told_and_looked_for_again(book, journal):
    run = await left_behind(book, journal)
    (book / "p/environments/test.yaml").unlink()
    async with serving(book, journal) as made:
        await until(made, run, "RunTakenUp")
        await until_it_is(made, lambda: said(made, "nobody can be called either"))
        (line,) = said(made, "nobody can be called either")
        assert "has no environment" in str(line)
        assert Beeper.rang == []
        token = await made.token("viewer")
        found = (await made.call("GET", f"/runs/{run}", token)).json()
        (item,) = (await made.call("GET", "/runs", token)).json()["items"]
        for one in (found, item):
            assert "has no environment" in one["held"]
            assert (one["mend"], one["mute"]) == (
                "put environments/test.yaml of the pack p back",
                True,
            )
        await until_it_is(made, lambda: made.parts.keeper.parked)
        place(book, HERE)
        made.clock.t_us += 3600_000_000
        assert (await made.ended(run)).body["outcome"] == "resolved"


async def test_a_run_that_another_process_drives_is_taken_up_once_that_lets_go(book, journal):
    run = await left_behind(book, journal)
    async with serving(book, journal) as made:
        lease = await made.parts.store.take(run, ELSEWHERE, force=True)
        await made.parts.keeper.close(0)
    async with serving(book, journal) as made:
        lease = await made.parts.store.take(run, ELSEWHERE, force=True)
        made.parts.keeper.kick(run)
        await until_it_is(made, lambda: said(made, "left to its driver"))
        await until_it_is(made, lambda: not made.parts.keeper.driven)  # it was tried once or twice
        taken = len([e for e in await made.parts.store.events(run) if e.type == "RunTakenUp"])
        await made.parts.store.release(lease)
        made.clock.t_us += round(MOST_S["driven"] * 1e6) + 1
        await until(made, run, "RunTakenUp", taken + 1)
        assert made.parts.keeper.broken == 0


async def test_a_run_that_calls_people_and_whose_driver_died_is_found_while_a_server_runs(
    book, journal
):
    async with serving(book, journal) as made:
        engine = made.parts.engine
        begun = asyncio.Event()
        names = []

        def observe(event):
            names.append(event.run)
            if event.type == "Told":
                begun.set()

        given = {"environment": "test", "inputs": {}, "actor": ANA}
        task = asyncio.create_task(engine.run("p/calls", faces=Faces(observe=observe), **given))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        made.clock.t_us += round(ORPHANS_S * 1e6) + 1
        await until(made, names[0], "RunTakenUp")
        made.clock.t_us += 600_000_000
        await until(made, names[0], "Told", 2)
        assert [m.name for m in Beeper.rang] == ["Bea", "Cy"]


def test_a_run_is_tried_again_farther_and_farther_apart():
    now = [0.0]
    again = Again(lambda: now[0], Log(SystemClock(), str, io.StringIO()))
    waited = []
    for _ in range(8):
        again.not_taken_up("r", Refused("no"))
        begin = now[0]
        while not again.take_due(()):
            now[0] += 1
        waited.append(now[0] - begin)
    assert waited == [15, 30, 60, 120, 240, 480, 600, 600]


def test_a_run_whose_time_comes_while_something_is_done_for_it_is_tried_behind_that():
    now = [0.0]
    again = Again(lambda: now[0], Log(SystemClock(), str, io.StringIO()))
    again.not_taken_up("r", Refused("no"))
    now[0] = 3600
    assert again.take_due({"r"}) == []
    assert again.take_due({"other"}) == ["r"]
    assert again.take_due(()) == []


async def test_a_held_run_that_is_still_being_let_go_at_its_time_is_tried_behind_that(
    book, journal, monkeypatch
):
    """It was never tried again."""
    environment = book / "p/environments/test.yaml"
    run, text = await left_behind(book, journal), environment.read_text()
    environment.unlink()
    begun, over = asyncio.Event(), asyncio.Event()
    park = Keeper._park

    async def slowly(self, of):
        begun.set()
        await over.wait()
        await park(self, of)

    monkeypatch.setattr(Keeper, "_park", slowly)
    async with serving(book, journal) as made:
        await begun.wait()
        environment.write_text(text)
        made.clock.t_us += 3600_000_000
        looks = made.clock.slept_s.count(TEND_S)
        await until_it_is(made, lambda: made.clock.slept_s.count(TEND_S) >= looks + 3)
        over.set()
        await until(made, run, "RunTakenUp", 2)
        await until_it_is(made, lambda: not made.parts.keeper.held)
