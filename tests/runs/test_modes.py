"""Rehearsal, plan, approval, undo and pause: engine, runner and store together."""

from __future__ import annotations

import asyncio

import pytest

from engine.core.events import Actor
from engine.errors import Refused, Usage
from engine.runner.rehearse import Readings, Rehearser
from engine.wiring import Faces
from tests.runs import lab
from tests.runs.conftest import ALICE

BOB = Actor("bob", "os-user")
TWO = """
steps:
  - {id: look, check: lab.look, target: there, with: {word: l}}
  - id: a
    action: lab.act
    target: there
    with: {word: w}
    undo: [{action: lab.act, target: there, with: {word: u}}]
"""
APPROVE = """
steps:
  - {id: a, action: lab.act, target: there, with: {word: w}, approve: {by: [lead], reason_min: 5}}
"""
CONTACTS = """
people:
  bob: {os_user: bob, roles: [lead]}
  carol: {os_user: carol, roles: [viewer]}
"""


def contacts(bench):
    (bench.folder / "p" / "contacts.yaml").write_text(CONTACTS)


async def test_a_rehearsal_reads_previews_and_changes_nothing(bench):
    result = await bench.run(TWO, rehearsal=True)
    assert (result.status, result.exit_code) == ("would resolve", 0)
    assert lab.Target.effects == {}
    events = await bench.events(result.run)
    previewed = next(e for e in events if e.body.get("status") == "previewed")
    assert previewed.body["outcome"]["result"]["preview"]["text"] == "would act on w"
    assert (await bench.engine.store.runs())[0].mode == "rehearsal"


async def test_nothing_that_rehearses_can_reach_a_writing_side(bench, monkeypatch):
    monkeypatch.setattr(lab.LabAdapter, "writer", lambda *_: pytest.fail("a writing side was made"))
    assert (await bench.run(TWO, rehearsal=True)).status == "would resolve"
    assert not hasattr(Readings, "writer")
    assert not hasattr(Readings, "adapter")
    assert not hasattr(Rehearser, "_connections")


async def test_a_plan_is_carried_out_as_it_was_rehearsed(bench):
    rehearsal = await bench.run(TWO, rehearsal=True)
    result = await bench.run(TWO, plan=rehearsal.run)
    assert result.status == "resolved"
    assert lab.Target.effects == {"w": 1}


async def test_a_plan_that_reality_moved_away_from_waits_for_approval(bench):
    rehearsal = await bench.run(TWO, rehearsal=True)
    result = await bench.run(TWO.replace("word: w", "word: v"), plan=rehearsal.run)
    assert result.status == "waiting"
    assert [q.kind for q in result.questions] == ["approve"]
    assert lab.Target.effects == {}


async def test_what_is_no_rehearsal_is_no_plan(bench):
    real = await bench.run(TWO)
    with pytest.raises(Usage, match="is no rehearsal"):
        await bench.run(TWO, plan=real.run)


async def test_an_approved_action_acts_once(bench):
    contacts(bench)
    result = await bench.run(APPROVE)
    assert (result.status, result.exit_code) == ("waiting", 7)
    seen = await bench.engine.preview(result.run, "a")
    assert seen["preview"]["text"] == "would act on w"
    await bench.engine.approve(result.run, "a", "looked at it", BOB)
    again = await bench.engine.resume(result.run, actor=ALICE)
    assert again.status == "resolved"
    assert lab.Target.effects == {"w": 1}


@pytest.mark.parametrize(
    ("actor", "more", "why"),
    [
        (ALICE, {}, "whoever asked for it"),
        (Actor("carol", "os-user"), {}, "one of the roles lead"),
        (BOB, {"hash": "0" * 64}, "another plan hash"),
        (BOB, {"reason": "ok"}, "at least 5 characters"),
    ],
)
async def test_an_approval_that_does_not_count_is_refused_and_recorded(bench, actor, more, why):
    contacts(bench)
    result = await bench.run(APPROVE)
    said = {"reason": "looked at it", "actor": actor, **more}
    with pytest.raises(Refused, match=why):
        await bench.engine.approve(result.run, "a", **said)
    last = (await bench.events(result.run))[-1]
    assert last.type == "ApprovalRefused"
    assert why in last.body["why"]
    assert (await bench.engine.resume(result.run, actor=ALICE)).status == "waiting"
    assert lab.Target.effects == {}


async def test_an_approval_that_is_said_again_is_refused_and_recorded(bench):
    contacts(bench)
    result = await bench.run(APPROVE)
    await bench.engine.approve(result.run, "a", "looked at it", BOB)
    with pytest.raises(Refused, match="decided already"):
        await bench.engine.approve(result.run, "a", "looked at it", BOB)
    await bench.engine.resume(result.run, actor=ALICE)
    for path in ("a", ""):
        with pytest.raises(Refused, match="decided already"):
            await bench.engine.approve(result.run, path, "looked at it", BOB, deny=True)
        assert (await bench.events(result.run))[-1].type == "ApprovalRefused"
    assert lab.Target.effects == {"w": 1}


async def test_an_approval_that_expired_is_refused_and_recorded(bench):
    contacts(bench)
    limited = APPROVE.replace("approve: {", "approve: {within: 15m, ")
    result = await bench.run(limited)  # the clock of the bench does not wait
    assert result.status == "failed"
    with pytest.raises(Refused, match="its time is over"):
        await bench.engine.approve(result.run, "a", "looked at it", BOB)
    types = [event.type for event in await bench.events(result.run)]
    assert types[-1] == "ApprovalRefused"
    assert "ApprovalExpired" in types
    assert lab.Target.effects == {}


async def test_two_approvers_at_once_let_it_act_once(bench):
    contacts(bench)
    result = await bench.run(APPROVE)
    said = await asyncio.gather(
        bench.engine.approve(result.run, "a", "looked at it", BOB),
        bench.engine.approve(result.run, "a", "looked at it", BOB),
        return_exceptions=True,
    )
    assert any(not isinstance(one, Exception) for one in said)
    await bench.engine.resume(result.run, actor=ALICE)
    assert lab.Target.effects == {"w": 1}


async def test_a_denied_action_does_not_act(bench):
    contacts(bench)
    result = await bench.run(APPROVE)
    await bench.engine.approve(result.run, "a", "not tonight", BOB, deny=True)
    again = await bench.engine.resume(result.run, actor=ALICE)
    assert again.status == "failed"
    assert lab.Target.effects == {}


async def test_a_finished_run_is_undone(bench):
    result = await bench.run(TWO)
    undone = await bench.engine.undo(result.run, "it was the wrong one", actor=BOB)
    assert (undone.status, undone.exit_code) == ("undone", 0)
    assert lab.Target.effects == {"w": 1, "u": 1}
    with pytest.raises(Usage, match="was undone already"):
        await bench.engine.undo(result.run, "again", actor=BOB)


async def test_an_undo_that_fails_says_so(bench, on):
    on["u"] = lab.fails(maybe_done=False)
    result = await bench.run(TWO)
    undone = await bench.engine.undo(result.run, "wrong", actor=BOB)
    assert (undone.status, undone.exit_code) == ("undo failed", 3)


async def test_a_run_without_undo_has_nothing_to_undo(bench):
    result = await bench.run("steps: [{action: lab.act, target: there, with: {word: w}}]")
    with pytest.raises(Usage, match="did nothing that has an `undo`"):
        await bench.engine.undo(result.run, "wrong", actor=BOB)


async def test_a_paused_run_goes_on_when_it_is_resumed(bench, on):
    running, go_on = asyncio.Event(), asyncio.Event()

    async def hold():
        running.set()
        await go_on.wait()
        return {}

    on["l"] = hold
    ids: list[str] = []
    task = asyncio.create_task(bench.run(TWO, faces=Faces(started=ids.append)))
    await running.wait()
    await bench.engine.pause(ids[0], "let me look", BOB)
    go_on.set()
    assert (await asyncio.wait_for(task, 60)).status == "paused"
    assert lab.Target.effects == {}
    assert (await bench.engine.resume(ids[0], actor=ALICE)).status == "resolved"
    assert lab.Target.effects == {"w": 1}


async def test_exploring_rehearses_every_way(bench):
    text = """
steps:
  - id: which
    choose:
      - {name: one, when: true, steps: [{id: a, action: lab.act, target: there, with: {word: a}}]}
      - {name: two, when: false, steps: [{id: b, action: lab.act, target: there, with: {word: b}}]}
    otherwise: [{id: c, check: lab.look, target: there}]
"""
    first = await bench.run(text, rehearsal=True)
    given = {"name": "p/main", "environment": "test", "inputs": {}, "actor": ALICE}
    results = await bench.engine.explore(first, **given)
    taken = []
    for result in results:
        events = await bench.events(result.run)
        taken.append(next(e.body["plan"]["way"] for e in events if e.body.get("id") == "which"))
    assert taken == [1, 2, 3]
    assert lab.Target.effects == {}
