"""Guards of real runs: admitted, refused, joined, in line; cancelled and taken up there."""

from __future__ import annotations

import asyncio

import pytest

from engine.core.events import Actor
from engine.errors import Refused, Usage
from tests.runs import lab
from tests.runs.conftest import ALICE, bench, on  # noqa: F401 - fixtures

ACT = "steps: [{id: go, action: lab.act, target: there, with: {word: w}}]"
FAIL = "steps: [{id: go, check: lab.look, target: there, expect: {word: other}}]"


async def test_a_refused_run_has_its_reason_and_exit_code_6(bench):  # noqa: F811
    await bench.run(f"guards: {{cooldown: 10m}}\n{ACT}")
    result = await bench.run(f"guards: {{cooldown: 10m}}\n{ACT}")
    assert (result.status, result.exit_code) == ("refused", 6)
    assert result.because.startswith("it cools down until ")
    assert lab.Target.effects["w"] == 1
    (event,) = await bench.events(result.run)
    assert (event.type, event.body["guard"]) == ("RunRefused", "cooldown")
    with pytest.raises(Usage, match="is over: refused"):
        await bench.engine.resume(result.run, actor=ALICE)
    with pytest.raises(Usage, match="is over: refused"):
        await bench.engine.cancel(result.run, "no", ALICE)
    bench.engine.clock.t_us += 600_000_000
    assert (await bench.run(f"guards: {{cooldown: 10m}}\n{ACT}")).status == "resolved"


async def test_the_breaker_opens_and_an_approved_run_closes_it(bench):  # noqa: F811
    guards = "guards: {breaker: 2}\n"
    for _ in range(2):
        assert (await bench.run(guards + FAIL)).status == "failed"
    assert (await bench.run(guards + ACT)).status == "refused"
    tried = await bench.run(guards + ACT, through="the disk was replaced")
    assert tried.status == "resolved"
    assert (await bench.events(tried.run))[0].body["through"] == "the disk was replaced"
    assert (await bench.run(guards + ACT)).status == "resolved"


async def test_a_frozen_engine_looks_and_does_not_act(bench):  # noqa: F811
    await bench.engine.freeze("release", ALICE)
    refused = await bench.run(ACT)
    assert refused.status == "refused"
    assert "by alice: release" in refused.because
    assert (await bench.run(FAIL)).status == "failed"
    await bench.engine.thaw("out", ALICE)
    assert (await bench.run(ACT)).status == "resolved"
    with pytest.raises(Usage, match="nothing is frozen"):
        await bench.engine.thaw("out", ALICE)


async def test_a_freeze_window_of_the_environment_refuses_actions(bench):  # noqa: F811
    window = "{cron: '* * * * *', length: 1h, why: always}"
    bench.environment(f"freeze: [{window}]\nconnections: {{there: {{adapter: lab}}}}\n")
    result = await bench.run(ACT)
    assert (result.status, result.because.rpartition(": ")[2]) == ("refused", "always")
    assert (await bench.run(FAIL)).status == "failed"
    (closed,) = bench.engine.closed_now()
    assert (closed.pack, closed.environment, closed.window.why) == ("p", "test", "always")


def gate(word, on):  # noqa: F811
    """Lets an action of this word be under way until the test opens the gate."""
    inside, open_ = asyncio.Event(), asyncio.Event()

    async def wait():
        inside.set()
        await open_.wait()
        return {}

    on[word] = wait
    return inside, open_


async def in_line(bench):  # noqa: F811
    """The runs in line, as soon as there is one."""
    while True:
        queued = await bench.engine.store.runs(status="queued")
        if queued:
            return queued
        await asyncio.sleep(0)


def locked(lock):
    inputs = "inputs: {host: {type: string, default: a}}"
    return f"{inputs}\nguards: {{lock: {lock}}}\n{ACT}"


async def test_a_second_run_for_a_lock_waits_in_line_and_then_goes(bench, on):  # noqa: F811
    inside, open_ = gate("w", on)
    text = locked('"host/{{ inputs.host }}"')
    first = asyncio.create_task(bench.run(text))
    await inside.wait()
    inside.clear()
    second = asyncio.create_task(bench.run(text))
    queued = await in_line(bench)
    other = asyncio.create_task(bench.run(text, inputs={"host": "b"}))
    await inside.wait()
    assert lab.Target.effects["w"] == 2
    open_.set()
    results = await asyncio.gather(first, second, other)
    assert [one.status for one in results] == ["resolved"] * 3
    types = [event.type for event in await bench.events(queued[0].run)]
    assert types[:2] == ["RunQueued", "RunStarted"]
    assert (await bench.engine.standing()).held == ()


async def test_a_run_in_line_can_be_cancelled(bench, on):  # noqa: F811
    inside, open_ = gate("w", on)
    text = locked("cache")
    first = asyncio.create_task(bench.run(text))
    await inside.wait()
    second = asyncio.create_task(bench.run(text))
    queued = await in_line(bench)
    await bench.engine.cancel(queued[0].run, "not needed", Actor("bo", "os-user"))
    result = await second
    assert (result.status, result.because) == ("cancelled", "not needed")
    open_.set()
    assert (await first).status == "resolved"
    assert lab.Target.effects["w"] == 1


async def test_a_second_run_joins_or_is_refused_as_the_lock_says(bench, on):  # noqa: F811
    inside, open_ = gate("w", on)
    join = locked("{key: cache, when_taken: join}")
    first = asyncio.create_task(bench.run(join))
    await inside.wait()
    joined = await bench.run(join)
    (running,) = await bench.engine.store.runs(status="running")
    assert (joined.status, joined.run, joined.exit_code) == ("joined", running.run, 6)
    refused = await bench.run(locked("{key: cache, when_taken: reject}"))
    assert refused.status == "refused"
    open_.set()
    assert (await first).status == "resolved"
    assert "RunJoined" in [event.type for event in await bench.events(joined.run)]


async def test_a_rehearsal_asks_no_guard(bench):  # noqa: F811
    await bench.engine.freeze("release", ALICE)
    result = await bench.run(f"guards: {{cooldown: 10m}}\n{ACT}", rehearsal=True)
    assert result.exit_code == 0


async def test_a_lock_without_a_name_is_told_and_nothing_is_recorded(bench):  # noqa: F811
    text = locked('"{{ inputs.host }}"')
    with pytest.raises(Usage, match="renders to nothing"):
        await bench.run(text, inputs={"host": ""})
    assert await bench.engine.store.runs() == []


UNDO = """
guards: {lock: disk}
steps:
  - id: go
    action: lab.act
    target: there
    with: {word: w}
    undo: [{id: back, action: lab.act, target: there, with: {word: back}}]
"""


async def test_nothing_is_undone_while_everything_is_frozen(bench):  # noqa: F811
    run = (await bench.run(UNDO)).run
    await bench.engine.freeze("release", ALICE)
    with pytest.raises(Refused, match=r"everything is frozen since .* by alice: release"):
        await bench.engine.undo(run, "wrong", actor=ALICE)
    last = (await bench.events(run))[-1]
    assert (last.type, last.body["guard"], last.body["reason"]) == (
        "UndoRefused", "freeze", "wrong",
    )  # fmt: skip
    assert "back" not in lab.Target.effects
    await bench.engine.thaw("out", ALICE)
    assert (await bench.engine.undo(run, "wrong", actor=ALICE)).status == "undone"


async def test_an_undo_holds_the_lock_of_its_run(bench, on):  # noqa: F811
    run = (await bench.run(UNDO)).run
    other = f"guards: {{lock: {{key: disk, when_taken: reject}}}}\n{ACT}"
    seen = []

    async def meanwhile():
        seen.append(await bench.run(other))
        return {}

    on["back"] = meanwhile
    assert (await bench.engine.undo(run, "wrong", actor=ALICE)).status == "undone"
    assert seen[0].status == "refused"
    assert f"the lock disk is held by run {run}" in seen[0].because
    assert (await bench.run(other)).status == "resolved"


async def test_an_undo_is_refused_while_another_run_holds_the_lock(bench, on):  # noqa: F811
    run = (await bench.run(UNDO)).run
    refused = []

    async def meanwhile():
        try:
            await bench.engine.undo(run, "wrong", actor=ALICE)
        except Refused as e:
            refused.append(e.message)
        return {}

    on["w"] = meanwhile
    other = (await bench.run(UNDO)).run
    assert len(refused) == 1
    assert f"the lock disk is held by run {other}" in refused[0]
    assert "back" not in lab.Target.effects
