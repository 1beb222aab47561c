"""A run that is over calls people, whatever became of the targets that its steps had."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Refused
from engine.wiring import Faces
from tests.runs import lab
from tests.runs.beeper import Beeper
from tests.runs.test_telling import ALICE, CALLS, Killed, acks, opened

CHANNELS = "beeper: {adapter: beeper}, siren: {adapter: siren}"
FAILS = """steps:
  - {action: lab.act, id: act, target: there, with: {word: set}, undo:
      [{action: lab.act, id: back, target: there, with: {word: unset}}]}
  - {check: lab.look, id: look, target: there, with: {word: w}}
on_failure:
  - {escalate: default, id: call}
"""
ELSEWHERE = {
    "points elsewhere": f"there: {{adapter: lab, host: elsewhere}}, {CHANNELS}",
    "is gone": CHANNELS,
    "lacks a secret": f"there: {{adapter: lab, host: '${{env:NOT_SET_HERE}}'}}, {CHANNELS}",
}


@pytest.fixture
async def desk(tmp_path):
    lab.Target.reset()
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()
    lab.Target.reset()


async def died_behind(desk, type_, text):
    """A run whose driver died behind the first event of this type, and whose process is gone."""
    seen = []

    def dies(event):
        seen.append(event)
        if event.type == type_:
            raise Killed

    with pytest.raises(Killed):
        await desk.run(text, dies)
    await desk.again()
    return seen[0].run


def move(desk, connections):
    desk.write("environments/test.yaml", f"connections: {{{connections}}}\n")


@pytest.mark.parametrize("how", ELSEWHERE)
async def test_people_are_called_for_a_run_that_is_over_though_its_target(desk, how):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    run = await died_behind(desk, "RunFinished", FAILS)
    move(desk, ELSEWHERE[how])
    faces = Faces(observe=acks(desk, told=1))
    await desk.engine.resume(run, actor=ALICE, faces=faces, force=True)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]


async def test_what_is_undone_while_such_a_run_calls_people_is_not_done_elsewhere(desk):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    run = await died_behind(desk, "RunFinished", FAILS)
    move(desk, ELSEWHERE["points elsewhere"])
    acts, tasks = acks(desk, told=2), []

    async def undo():
        desk.clock.held += 1
        with pytest.raises(Refused):
            await desk.engine.undo(run, "it failed", actor=ALICE)
        desk.clock.held -= 1

    def observe(event):
        acts(event)
        if event.type == "Told" and not tasks:
            tasks.append(asyncio.create_task(undo()))

    await desk.engine.resume(run, actor=ALICE, faces=Faces(observe=observe), force=True)
    await asyncio.gather(*tasks)
    assert lab.Target.effects == {"set": 1}
    events = await desk.engine.store.events(run)
    undone = next(e.body for e in events if e.type == "UndoFinished")
    assert "pointed to here at the start, now to elsewhere" in undone["why"]


async def test_one_that_has_steps_left_is_not_taken_up_against_another_target(desk):
    run = await died_behind(desk, "Told", CALLS + "  - {check: lab.look, target: there, id: l}\n")
    move(desk, ELSEWHERE["points elsewhere"])
    with pytest.raises(Refused, match="now to elsewhere"):
        await desk.engine.resume(run, actor=ALICE, force=True)
