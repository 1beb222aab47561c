"""Whole runs: engine, runner and store together, over a target that counts."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from engine.core.events import Actor
from engine.errors import Diagnosed, Refused, RunbookError, Usage
from engine.wiring import Faces
from tests.runs import lab
from tests.runs.conftest import ALICE

ACT = "steps: [{id: a, action: lab.act, target: there, with: {word: w}}]"


STRIKE = """
steps:
  - id: a
    action: lab.strike
    target: there
    with: {word: w}
    probe: {check: lab.look, target: there, with: {word: p}}
"""
"""An action whose doubt is left to a person where `p` cannot be asked."""


def types(events):
    return [event.type for event in events]


async def test_a_run_acts_once_and_its_journal_tells_it(bench):
    result = await bench.run(ACT)
    assert (result.status, result.exit_code) == ("resolved", 0)
    assert lab.Target.effects == {"w": 1}
    events = await bench.events(result.run)
    assert types(events) == ["RunStarted", "StepStarted", "StepFinished", "RunFinished"]
    assert [e.seq for e in events] == [1, 2, 3, 4]
    assert events == bench.seen
    await bench.engine.store.verify()


async def test_the_first_event_holds_the_text_the_actor_and_where_connections_point(bench):
    result = await bench.run(ACT)
    first = (await bench.events(result.run))[0]
    assert first.actor == {"name": "alice", "means": "os-user"}
    assert first.body["texts"] == {"p/main": f"title: p/main\n{ACT}"}
    assert first.body["connections"] == {"there": "here"}


async def test_connections_are_closed_when_the_run_is_over(bench):
    await bench.run(ACT)
    assert lab.Target.open == 0


async def test_the_announcement_is_on_disk_before_the_target_is_asked(bench, on):
    seen = []

    async def look():
        rows = await bench.engine.store.runs()
        seen.extend(types(await bench.events(rows[0].run)))
        return {}

    on["w"] = look
    await bench.run(ACT)
    assert seen == ["RunStarted", "StepStarted"]


async def test_an_action_whose_reply_is_lost_leaves_the_run_in_doubt(bench, on):
    on["p"] = lab.fails(maybe_done=False)
    on["w"] = lab.fails(maybe_done=True)
    result = await bench.run(STRIKE)
    assert (result.status, result.exit_code) == ("in doubt", 3)
    assert [q.kind for q in result.questions] == ["doubt"]


async def test_an_action_that_certainly_did_not_happen_is_errored(bench, on):
    on["w"] = lab.fails(maybe_done=False)
    result = await bench.run(ACT)
    assert (result.status, result.exit_code) == ("failed", 3)


async def test_an_action_over_its_time_limit_is_in_doubt(bench, on):
    on["p"] = lab.fails(maybe_done=False)
    on["w"] = lab.hangs()
    text = STRIKE.replace("target: there\n", "target: there\n    timeout: 50ms\n")
    assert (await bench.run(text)).status == "in doubt"


async def test_a_check_over_its_time_limit_could_not_be_asked(bench, on):
    on["w"] = lab.hangs()
    text = "steps: [{check: lab.look, target: there, timeout: 50ms, with: {word: w}}]"
    result = await bench.run(text)
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "no answer within 0.05 s" in (result.because or "")


async def test_a_plugins_own_exception_becomes_an_outcome_with_its_traceback(bench, on):
    async def bug():
        raise KeyError("oops")

    on["w"] = bug
    result = await bench.run("steps: [{check: lab.look, target: there, with: {word: w}}]")
    assert result.status == "failed"
    finished = (await bench.events(result.run))[2].body
    assert finished["outcome"]["error"]["message"] == "KeyError: 'oops'"
    assert "lab.py" in finished["outcome"]["error"]["detail"]["traceback"]


async def test_a_doubt_settled_as_happened_is_taken_up_and_not_done_again(bench, on):
    on["p"] = lab.fails(maybe_done=False)
    on["w"] = lab.fails(maybe_done=True)
    first = await bench.run(STRIKE)
    await bench.engine.settle(first.run, "a", True, "saw it", ALICE)
    second = await bench.engine.resume(first.run, actor=ALICE)
    assert second.status == "resolved"
    assert lab.Target.effects == {"w": 1}


async def test_a_question_leaves_the_run_waiting_until_it_is_answered(bench):
    text = "steps: [{id: q, check: lab.ask, with: {question: is it red?}}]"
    result = await bench.run(text)
    assert (result.status, result.exit_code) == ("waiting", 7)
    asked = result.questions[0]
    assert (asked.text, asked.evidence, asked.answers) == ("is it red?", {"seen": 1}, ("yes", "no"))
    await bench.engine.answer(result.run, "q", "yes", "", Actor("bob", "os-user"))
    again = await bench.engine.resume(result.run, actor=ALICE)
    assert again.status == "resolved"
    answered = next(e for e in await bench.events(result.run) if e.type == "Answered")
    assert answered.actor["name"] == "bob"


async def test_whoever_sits_there_is_asked(bench):
    async def yes(question):
        return ("yes", f"looked at {question.text}")

    text = "steps: [{id: q, check: lab.ask, with: {question: sure?}}]"
    result = await bench.run(text, faces=Faces(ask=yes))
    assert result.status == "resolved"
    events = await bench.events(result.run)
    assert next(e for e in events if e.type == "Answered").body["note"] == "looked at sure?"


async def test_an_answer_the_question_does_not_take_is_refused(bench):
    result = await bench.run("steps: [{id: q, check: lab.ask, with: {question: sure?}}]")
    with pytest.raises(Usage, match="takes yes or no, not `maybe`"):
        await bench.engine.answer(result.run, "q", "maybe", "", ALICE)


async def test_a_cancel_from_elsewhere_stops_a_run_that_is_under_way(bench, on):
    running = asyncio.Event()

    async def hang():
        running.set()
        await asyncio.Event().wait()

    on["w"] = hang
    text = "steps: [{check: lab.look, target: there, with: {word: w}, timeout: 10m}]"
    ids: list[str] = []
    task = asyncio.create_task(bench.run(text, faces=Faces(started=ids.append)))
    await running.wait()
    await bench.engine.cancel(ids[0], "wrong one", Actor("bob", "os-user"))
    result = await asyncio.wait_for(task, 60)
    assert (result.status, result.because) == ("cancelled", "wrong one")


async def test_a_second_driver_is_refused_while_the_first_lives(bench, on):
    running = asyncio.Event()

    async def hang():
        running.set()
        await asyncio.Event().wait()

    on["p"] = lab.fails(maybe_done=False)
    on["w"] = hang
    ids: list[str] = []
    faces = Faces(started=ids.append)
    task = asyncio.create_task(
        bench.run(
            STRIKE.replace("target: there\n", "target: there\n    timeout: 10m\n"), faces=faces
        )
    )
    await running.wait()
    with pytest.raises(Refused):
        await bench.engine.resume(ids[0], actor=ALICE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_run_whose_driver_was_cut_off_says_what_is_in_doubt(bench, on):
    running = asyncio.Event()

    async def hang():
        running.set()
        await asyncio.Event().wait()

    on["p"] = lab.fails(maybe_done=False)
    on["w"] = hang
    ids: list[str] = []
    faces = Faces(started=ids.append)
    task = asyncio.create_task(
        bench.run(
            STRIKE.replace("target: there\n", "target: there\n    timeout: 10m\n"), faces=faces
        )
    )
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await bench.engine.resume(ids[0], actor=ALICE, force=True)
    assert (result.status, result.exit_code) == ("in doubt", 3)
    assert lab.Target.effects == {"w": 1}


async def test_a_run_goes_on_with_the_text_it_began_with(bench):
    text = """
steps:
  - {id: q, check: lab.ask, with: {question: sure?}}
  - {id: a, action: lab.act, target: there, with: {word: old}}
"""
    result = await bench.run(text)
    bench.write(text.replace("old", "new"))
    await bench.engine.answer(result.run, "q", "yes", "", ALICE)
    await bench.engine.resume(result.run, actor=ALICE)
    assert lab.Target.effects == {"old": 1}


async def test_a_run_is_not_taken_up_against_another_target(bench):
    text = "steps: [{id: q, check: lab.ask, with: {question: s}}, {action: lab.act, target: there}]"
    result = await bench.run(text)
    bench.environment("connections: {there: {adapter: lab, host: elsewhere}}\n")
    with pytest.raises(Refused, match="pointed to here at the start, now to elsewhere"):
        await bench.engine.resume(result.run, actor=ALICE)


async def test_waits_take_the_clocks_time(bench):
    result = await bench.run("steps: [{wait: 2h}]")
    events = await bench.events(result.run)
    assert result.status == "resolved"
    assert events[-1].at_us - events[0].at_us >= 2 * 3600 * 1_000_000


async def test_polling_until_it_holds_is_recorded_attempt_by_attempt(bench, on):
    answers = iter([{"n": 1}, {"n": 2}, {"n": 3}])

    async def next_answer():
        return next(answers)

    on["w"] = next_answer
    text = """
steps:
  - {check: lab.look, target: there, with: {word: w}, expect: {n: 3}, within: 1m, every: 10s}
"""
    result = await bench.run(text)
    assert result.status == "resolved"
    found = types(await bench.events(result.run))
    assert found.count("AttemptFinished") == 2


async def test_an_environment_without_the_connection_is_told_with_the_step(bench):
    with pytest.raises(Diagnosed) as caught:
        await bench.run("steps: [{check: lab.look, target: ther}]")
    assert "no connection `ther`" in caught.value.diagnostics[0].what
    assert await bench.engine.store.runs() == []


async def test_as_is_refused_where_the_environment_does_not_allow_it(bench):
    with pytest.raises(Refused, match="may not use --as"):
        await bench.run(ACT, actor=Actor("carol", "as", "alice"))
    bench.environment("allow_as: [alice]\nconnections: {there: {adapter: lab}}\n")
    result = await bench.run(ACT, actor=Actor("carol", "as", "alice"))
    first = (await bench.events(result.run))[0]
    assert first.actor == {"name": "carol", "means": "as", "via": "alice"}


async def test_who_is_refused_without_the_role(bench):
    with pytest.raises(Refused, match="one of the roles dba"):
        await bench.run(f"who: [dba]\n{ACT}")


async def test_an_environment_that_only_guides_hands_every_action_to_a_person(bench):
    bench.environment("autonomy: guide\nconnections: {there: {adapter: lab}}\n")
    result = await bench.run(ACT)
    assert (result.status, result.exit_code) == ("waiting", 7)
    (asked,) = result.questions
    assert asked.text.startswith("By hand, for this environment only guides: lab.act on there")
    await bench.engine.answer(result.run, "", "done", "did it", ALICE)
    ended = await bench.engine.resume(result.run, actor=ALICE)
    assert ended.status == "resolved"
    assert lab.Target.effects == {}


async def test_a_missing_secret_is_told_before_anything_is_recorded(bench):
    bench.environment("connections: {there: {adapter: lab, host: '${env:NO_SUCH_THING}'}}\n")
    with pytest.raises(RunbookError, match="NO_SUCH_THING"):
        await bench.run(ACT)
    assert await bench.engine.store.runs() == []


async def test_a_secret_is_found_nowhere_in_the_journal(bench, on, monkeypatch):
    canary = "canary-5f3a-secret"
    monkeypatch.setenv("LAB_HOST", canary)

    async def leak():
        return {"header": f"Bearer {canary}", "hex": canary.encode().hex()}

    on["w"] = leak
    bench.environment("connections: {there: {adapter: lab, host: '${env:LAB_HOST}'}}\n")
    text = """
steps:
  - {id: a, check: lab.look, target: there, with: {word: w}, expect: {header: x}}
on_failure: [{escalate: p, message: "{{ failure.why }}"}]
"""
    said: list[str] = []
    result = await bench.run(text, faces=Faces(console=said.append))
    whole = repr(await bench.events(result.run)) + repr(result) + repr(said)
    assert canary not in whole
    assert canary.encode().hex() not in whole


async def test_two_hundred_runs_at_once_all_end(bench):
    bench.write(ACT)
    results = await asyncio.gather(
        *(
            bench.engine.run("p/main", environment="test", inputs={}, actor=ALICE)
            for _ in range(200)
        )
    )
    assert {r.status for r in results} == {"resolved"}
    assert lab.Target.effects == {"w": 200}
    await bench.engine.store.verify()


async def test_doctor_pings_every_connection_and_says_how_to_mend(bench):
    bench.environment("connections: {a: {adapter: lab}, b: {adapter: lab, host: gone}}\n")
    pings = await bench.engine.doctor("p", "test")
    assert [(p.connection, p.ok, p.message, p.help) for p in pings] == [
        ("a", True, "here", None),
        ("b", False, "nobody is there", "turn it on"),
    ]


async def test_a_person_is_asked_each_question_once(bench):
    asked = []

    async def yes(question):
        asked.append(question.id)
        await asyncio.sleep(0)
        return ("yes", "")

    text = """
steps:
  - {id: q, check: lab.ask, with: {question: sure?}}
  - {id: r, check: lab.ask, with: {question: really?}}
  - {id: s, check: lab.ask, with: {question: quite?}}
"""
    result = await bench.run(text, faces=Faces(ask=yes))
    assert result.status == "resolved"
    assert asked == ["q", "r", "s"]
    answered = [e for e in await bench.events(result.run) if e.type == "Answered"]
    assert len(answered) == 3


async def test_a_question_behind_one_that_was_answered_elsewhere_is_asked_once(bench):
    asked: list[str] = []
    runs: list[str] = []

    async def ask(question):
        asked.append(question.id)
        if question.id == "q":
            await bench.engine.answer(runs[0], "q", "yes", "", Actor("bob", "os-user"))
            with contextlib.suppress(asyncio.CancelledError):  # as a terminal that takes it back
                await asyncio.Event().wait()
            return None
        if question.id == "r" and asked.count("r") == 1:
            for _ in range(100):  # time for the driver to look around
                await asyncio.sleep(0)
        return ("yes", "")

    text = """
steps:
  - {id: q, check: lab.ask, with: {question: sure?}}
  - {id: r, check: lab.ask, with: {question: really?}}
  - {id: s, check: lab.ask, with: {question: quite?}}
"""
    result = await bench.run(text, faces=Faces(ask=ask, started=runs.append))
    assert result.status == "resolved"
    assert asked == ["q", "r", "s"]
