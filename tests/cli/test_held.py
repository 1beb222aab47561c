"""What the command line shows of a run that cannot be gone on with as things are."""

from __future__ import annotations

import asyncio

import pytest

from engine.cli.called import call_lines
from engine.cli.plain import PlainView
from engine.cli.text import Style
from engine.config import Books
from engine.core.events import ENGINE, Event
from engine.journal.calls import Calls
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces

ASKS = """title: Looks when somebody says so
steps:
  - {id: sure, check: human.confirm, with: {question: Shall I?}}
  - {id: look, check: command.run, target: machine, with: {argv: [test, -e, here]}}
"""
PLACE = "connections: {machine: {adapter: command, allowed: [test]}}\n"
GONE = "connections: {}\n"


def take_up(shop):
    """As a server does; its result, and what was said at the console."""
    said = []

    async def work():
        store = open_store(f"sqlite:///{shop}/state/runbook/journal.db")
        engine = Engine(books=Books([shop / "runbooks"]), registry=Registry(), store=store)
        (row,) = await store.runs()
        faces = Faces(console=said.append, hold=True)
        result = await engine.resume(row.run, actor=ENGINE, faces=faces, unpause=False)
        await store.close()
        return result

    return asyncio.run(work()), said


@pytest.fixture
def left(runbook, shop):
    """The environment of a run that waits for an answer."""
    place = shop / "runbooks/shop/environments/staging.yaml"
    place.write_text(PLACE)
    (shop / "runbooks/shop/asks.yaml").write_text(ASKS)
    assert runbook("run", "shop/asks", "--env", "staging").code == 7
    return place


@pytest.fixture
def held(left, shop):
    """A run that a server took up after its connection was gone."""
    place = left
    place.write_text(GONE)
    result, said = take_up(shop)
    assert result.status == "held"
    (line,) = said
    assert "this run cannot be gone on with here" in line
    assert "environment staging has no connection `machine`" in line
    return place


WHY = "environment staging has no connection `machine`"
MEND = "put it back as it was when the run began, in environments/staging.yaml of the pack shop"


@pytest.mark.usefixtures("held")
def test_the_list_marks_it_and_says_where_to_read_why(runbook):
    done = runbook("runs")
    assert "waiting, held" in done.out
    assert "held: it cannot be gone on with as things are; why: runbook watch 20" in done.err
    (row,) = runbook("--json", "runs").objects
    assert row["held"] == WHY
    assert row["mend"].startswith(MEND)


@pytest.mark.usefixtures("held")
def test_the_trail_and_the_report_say_why(runbook):
    assert f"it cannot be gone on with: {WHY}" in " ".join(
        runbook("audit", "show", "last").out.split()
    )
    report = " ".join(runbook("report", "last").out.replace("\\", "").split())
    assert f"It could not be gone on with: {WHY} (to put it right: {MEND})" in report
    assert f"to put it right: {MEND}" in " ".join(runbook("audit", "show", "last").out.split())


@pytest.mark.usefixtures("held")
def test_whoever_takes_it_up_at_a_terminal_is_told_why(runbook):
    done = runbook("resume", "last")
    assert (done.code, "has no connection `machine`" in done.err) == (2, True)


@pytest.mark.usefixtures("held")
def test_whoever_answers_reads_what_holds_it_and_what_puts_that_right(runbook):
    (row,) = runbook("--json", "runs").objects
    assert runbook("answer", "last", "yes").err.splitlines() == [
        f"it is held, and cannot be gone on with: {WHY}",
        f"to put it right: {MEND}",
        "then it goes on, by itself where a server drives it, or with runbook resume " + row["run"],
        f"or end it: runbook cancel {row['run']} --reason '...'",
    ]


@pytest.mark.usefixtures("held")
def test_so_does_whoever_takes_it(runbook):
    done = runbook("ack", "last")
    assert f"to put it right: {MEND}" in done.err
    assert "nobody drives goes on with" not in done.err


def test_whoever_answers_one_that_goes_on_again_is_told_how_it_does(runbook, shop):
    (shop / "runbooks/shop/environments/staging.yaml").write_text(PLACE)
    (shop / "runbooks/shop/asks.yaml").write_text(ASKS)
    assert runbook("run", "shop/asks", "--env", "staging").code == 7
    done = runbook("answer", "last", "yes")
    assert "a run that nobody drives goes on with: runbook resume 20" in done.err


def test_what_it_asks_is_answered_all_the_same_and_it_goes_on_once_that_is_put_right(
    runbook, held, shop
):
    assert runbook("answer", "last", "yes").code == 0
    held.write_text(PLACE)
    (shop / "here").write_text("")
    done = runbook("resume", "last")
    assert done.code == 0
    assert "It could be gone on with again" in runbook("report", "last").out
    assert "held" not in runbook("runs").out


@pytest.mark.usefixtures("held")
def test_it_is_ended_by_a_cancel(runbook):
    assert runbook("cancel", "last", "--reason", "not needed").code == 0
    done = runbook("resume", "last")
    assert (done.code, "cancelled" in done.out) == (1, True)
    assert "and rests" not in done.out
    assert "gone on with again" not in runbook("report", "last").out


def test_where_nobody_can_be_called_either_that_is_said_with_what_puts_it_right(
    runbook, left, shop
):
    before = left.read_text()
    left.unlink()
    result, said = take_up(shop)
    assert (result.status, said) == ("held", [])
    mend = "put environments/staging.yaml of the pack shop back"
    shown = runbook("runs")
    assert "waiting, held, mute" in shown.out
    assert (
        "mute: nor can anybody be called for it, before that is put right; what does" in shown.err
    )
    (row,) = runbook("--json", "runs").objects
    assert (row["mend"], row["mute"]) == (mend, True)
    report = " ".join(runbook("report", "last").out.replace("\\", "").split())
    assert f"(to put it right: {mend}); nor could anybody be called" in report
    assert f"to put it right: {mend}" in runbook("answer", "last", "yes").err
    left.write_text(before)
    (shop / "here").write_text("")
    assert runbook("resume", "last").code == 0


def test_so_it_is_in_the_view_of_the_run_and_in_its_lines():
    held = {"why": "the environment is gone", "mend": "put it back", "mute": True}
    began = {"name": "p/x", "environment": "e", "mode": "real", "inputs": {}, "texts": {}}
    taken = Event("r", 2, 2, "RunTakenUp", 1, ENGINE.to_json(), {"driver": "h:1", "held": held}, "")
    calls = Calls()
    calls.apply(taken)
    assert [line.strip() for line in call_lines(calls, "r", (0, 80), Style())][-2:] == [
        "to put it right: put it back",
        "nor can anybody be called before that",
    ]
    view = PlainView(Style())
    list(view.lines(Event("r", 1, 1, "RunStarted", 1, ENGINE.to_json(), began, "")))
    assert [line.rpartition("  ")[2] for line in view.lines(taken)][1:] == [
        "it cannot be gone on with, and rests: the environment is gone",
        "to put it right: put it back",
        "nor can anybody be called before that",
    ]
