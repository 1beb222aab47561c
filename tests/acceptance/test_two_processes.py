"""One process drives a run; others watch it, speak to it, take it up. And what signals do to it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.acceptance.program import Going, Program
from tests.acceptance.service import Reply, Request, Service

RUNBOOKS = {
    "p/two.yaml": """\
        title: A question while something else goes on
        steps:
          - parallel:
              - {id: red, check: human.confirm, with: {question: Is the dashboard red?}}
              - {id: pause, wait: 10m}
        """,
    "p/slow.yaml": """\
        title: Takes its time
        steps:
          - {id: first, action: http.request, target: api, idempotent: true,
             with: {method: POST, path: /first}}
          - {id: pause, wait: 10m}
          - {id: second, action: http.request, target: api, idempotent: true,
             with: {method: POST, path: /second}}
        """,
    "p/held.yaml": """\
        title: The target takes its time
        steps:
          - {id: held, action: http.request, target: api, timeout: 10m,
             with: {method: POST, path: /held},
             probe: {check: run.value, with: {value: 1}, expect: result.value > "cannot tell"}}
          - {id: after, check: run.value, with: {value: 1}}
        """,
    "p/ask.yaml": """\
        title: Asks
        steps:
          - {id: red, check: human.confirm, with: {question: Is the dashboard red?}}
          - {id: drain, action: human.do, with: {instructions: Drain web-1}}
        """,
}


class Holding:
    """A service that answers `/held` once it is released, and everything else at once."""

    def __init__(self) -> None:
        self.service = Service(self._answer)
        self.arrived = threading.Event()
        self._release = asyncio.Event()

    async def _answer(self, request: Request) -> Reply:
        if request.target == "/held":
            self.arrived.set()
            await self._release.wait()
        return Reply()

    def release(self) -> None:
        self.service.call(self._release.set)


@pytest.fixture
def holding(program: Program) -> Iterator[Holding]:
    for name, text in RUNBOOKS.items():
        program.write(name, text)
    made = Holding()
    with made.service as service:
        program.write(
            "p/environments/test.yaml",
            f'connections: {{api: {{adapter: http, base_url: "{service.url}", timeout_s: 10m}}}}\n',
        )
        yield made


def begun(program: Program, name: str, path: str) -> Going:
    """A run that is driven by another process, and has come to a step."""
    going = program.start("run", f"p/{name}", "--env", "test")
    going.until("StepStarted", path=path)
    return going


def statuses(program: Program) -> list[str]:
    return [one["status"] for one in program("--json", "runs").objects]


def test_another_process_watches_answers_and_cancels(holding: Holding, program: Program):
    going = begun(program, "two", "parallel-1/branch-2/pause")
    watching = program.start("watch", going.run)
    watching.until("StepStarted", path="parallel-1/branch-2/pause")
    assert statuses(program) == ["waiting"]

    answered = program("answer", going.run, "yes", "--note", "all of it")
    assert (answered.code, answered.out) == (
        0,
        f"answered yes to parallel-1/branch-1/red of run {going.run}\n",
    )
    for process in (going, watching):
        process.until("StepFinished", path="parallel-1/branch-1/red", status="passed")

    assert program("cancel", going.run, "--reason", "wrong one").code == 0
    driven, watched = going.end(), watching.end()
    assert (driven.code, watched.code) == (1, 1)
    assert driven.objects[-1]["status"] == watched.objects[-1]["status"] == "cancelled"
    assert [e for e in watched.objects if e["type"] != "result"] == [
        e for e in driven.objects if e["type"] != "result"
    ]
    assert program("audit", "verify").code == 0


def test_a_run_that_is_driven_cannot_be_taken_up_by_another(holding: Holding, program: Program):
    going = begun(program, "slow", "pause")
    refused = program("resume", going.run)
    assert (refused.code, refused.out) == (6, "")
    assert going.run in refused.err
    assert str(going.pid) in refused.err
    assert statuses(program) == ["running"]

    taken = program.start("resume", "--force", going.run)
    taken.until("RunTakenUp")
    assert program("cancel", going.run, "--reason", "enough").code == 0
    assert taken.end().code == 1
    left = going.end()
    assert left.code == 4
    assert "may write nothing more" in left.err
    assert holding.service.changes == ["/first"]


def test_a_run_whose_driver_was_killed_is_taken_up_where_it_was(holding: Holding, program: Program):
    going = begun(program, "slow", "pause")
    going.signal(signal.SIGKILL)
    assert going.end().code == -signal.SIGKILL
    taken = program.start("resume", going.run)
    taken.until("RunTakenUp")
    assert program("cancel", going.run, "--reason", "seen enough").code == 0
    assert taken.end().code == 1
    assert holding.service.changes == ["/first"]


def test_a_cancel_waits_for_a_change_that_is_under_way(holding: Holding, program: Program):
    going = begun(program, "held", "held")
    assert holding.arrived.wait(60)
    assert program("cancel", going.run, "--reason", "wrong one").code == 0
    going.until("CancelRequested")
    holding.release()
    done = going.end()
    assert ("StepFinished", "held") in going.events(done)
    assert ("StepStarted", "after") not in going.events(done)
    assert done.objects[-1]["status"] == "cancelled"


def test_ctrl_c_asks_the_run_to_stop_like_a_cancel(holding: Holding, program: Program):
    going = begun(program, "slow", "pause")
    going.signal(signal.SIGINT)
    done = going.end()
    assert (done.code, done.objects[-1]["status"]) == (1, "cancelled")
    assert "asking the run to stop; once more Ctrl-C leaves at once" in done.err
    cancel = next(e for e in done.objects if e["type"] == "CancelRequested")
    assert cancel["body"] == {"reason": "Ctrl-C"}
    assert holding.service.changes == ["/first"]


def test_a_second_ctrl_c_leaves_and_says_what_may_have_happened(holding: Holding, program: Program):
    going = begun(program, "held", "held")
    assert holding.arrived.wait(60)
    going.signal(signal.SIGINT)
    going.until("CancelRequested")
    going.signal(signal.SIGINT)
    left = going.end()
    assert left.code == 3
    assert f"left; what was done is recorded, take it up with: runbook resume {going.run}" in (
        left.err
    )
    ended = program("resume", going.run)
    assert (ended.code, statuses(program)) == (3, ["cancelled"])
    assert "in doubt  held: the engine was cut short while this ran" in ended.out
    assert holding.service.changes == ["/held"]


@pytest.mark.parametrize(("happened", "requests"), [("--happened", 1), ("--did-not", 2)])
def test_a_change_that_was_cut_short_is_in_doubt_until_a_person_has_looked(
    holding: Holding, program: Program, happened: str, requests: int
):
    going = begun(program, "held", "held")
    assert holding.arrived.wait(60)
    going.signal(signal.SIGTERM)
    assert going.end().code == 3
    for _ in range(2):
        doubt = program("resume", going.run)
        assert (doubt.code, statuses(program)) == (3, ["in doubt"])
        assert f"  runbook settle {going.run} held --happened --reason '...'\n" in doubt.err
    assert program("settle", going.run, "held", happened, "--reason", "looked").code == 0
    holding.release()
    assert program("resume", going.run).code == 0
    assert holding.service.changes == ["/held"] * requests
    assert "reason: looked" in program("audit", "show", going.run).out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_leaves_at_once_with_everything_recorded(
    holding: Holding, program: Program, number: signal.Signals
):
    going = begun(program, "slow", "pause")
    going.signal(number)
    left = going.end()
    assert left.code == 3
    assert f"take it up with: runbook resume {going.run}" in left.err
    assert all(e["type"] != "RunFinished" for e in left.objects)
    trail = program("--json", "audit", "show", going.run).objects
    assert [e["seq"] for e in trail] == [e["seq"] for e in left.objects]


def test_a_run_that_waits_for_a_person_is_answered_and_taken_up_step_by_step(
    holding: Holding, program: Program
):
    waits = program("run", "p/ask", "--env", "test")
    assert waits.code == 7
    assert statuses(program) == ["waiting"]
    assert program("answer", waits.run, "yes").code == 0
    assert program("resume", waits.run).code == 7
    twice = program("answer", waits.run, "red", "yes")
    assert twice.code == 2
    assert program("answer", waits.run, "done").code == 0
    assert program("resume", waits.run).code == 0
    assert program("resume", waits.run).code == 2


def test_ctrl_c_ends_watching_and_not_the_run(holding: Holding, program: Program):
    going = begun(program, "slow", "pause")
    watching = program.start("watch", going.run)
    watching.until("StepStarted", path="pause")
    watching.signal(signal.SIGINT)
    watched = watching.end()
    assert (watched.code, watched.err) == (0, "stopped watching; the run goes on\n")
    assert statuses(program) == ["running"]
    assert program("cancel", going.run, "--reason", "over").code == 0
    assert going.end().code == 1


def test_two_runs_at_once_share_one_journal(holding: Holding, program: Program):
    goings = [begun(program, "slow", "pause") for _ in range(3)]
    assert statuses(program) == ["running"] * 3
    for going in goings:
        assert program("cancel", going.run, "--reason", "over").code == 0
    assert [going.end().code for going in goings] == [1, 1, 1]
    assert holding.service.changes == ["/first"] * 3
    assert program("audit", "verify").out.startswith("✓ whole  3 runs")
