"""Undo: backwards, only what happened or may have, seeing what the run found. And pause."""

from __future__ import annotations

from engine.core.decide import decide
from tests.core.world import HANG, Oops, book, once, run

UNDO = """
steps:
  - {id: a, action: t.act, undo: [{id: ua, action: t.act, with: {what: "{{ a.was }}"}}]}
  - {id: b, action: t.act, undo: [{id: ub, action: t.act}]}
  - {id: c, check: t.look, expect: result.ok}
"""


def paths(world):
    return [p for p, _ in world.performed]


def undo(world):
    world.put("UndoRequested", {"reason": "it was the wrong one"})
    return world.go()


def test_undo_of_a_finished_run_goes_backwards_and_sees_what_was_found():
    world = run(book(UNDO), {"a": {"was": 7}})
    undo(world)
    assert paths(world) == ["a", "b", "c", "b/undo/ub", "a/undo/ua"]
    assert world.state.steps["a/undo/ua"].plan["params"] == {"what": 7}
    assert world.state.undo_finished["undone"] == ["b", "a"]
    assert world.state.undo_finished["failed"] is None


def test_what_did_not_happen_is_not_undone():
    world = undo(run(book(UNDO), {"a": {"was": 1}, "b": Oops()}))
    assert paths(world) == ["a", "b", "a/undo/ua"]


def test_what_may_have_happened_is_undone_too():
    world = run(once(book(UNDO)), {"a": {"was": 1}, "b": Oops(maybe_done=True)})
    world.put("CancelRequested", {"reason": "enough"})
    world.go()
    undo(world)
    assert paths(world) == ["a", "b", "b/undo/ub", "a/undo/ua"]


def test_an_undo_that_fails_stops_and_says_where():
    world = undo(run(book(UNDO), {"a": {"was": 7}, "b/undo/ub": Oops("locked")}))
    assert paths(world)[-1] == "b/undo/ub"
    assert world.state.undo_finished["undone"] == []
    assert world.state.undo_finished["failed"] == "b/undo/ub"


def test_nothing_is_undone_twice():
    world = undo(run(book(UNDO), {"a": {"was": 7}}))
    world.put("UndoRequested", {"reason": "again"})
    world.go()
    assert paths(world).count("a/undo/ua") == 1


def test_on_failure_undo_of_a_group_undoes_what_is_inside_and_fails():
    text = """
steps:
  - {id: before, action: t.act, undo: [{id: never, action: t.act}]}
  - group: careful
    id: g
    on_failure: undo
    steps:
      - {id: a, action: t.act, undo: [{id: ua, action: t.act}]}
      - {id: b, action: t.act}
      - {id: c, check: t.look, expect: result.ok}
"""
    world = run(book(text), {"g/c": {"ok": False}})
    assert paths(world) == ["before", "g/a", "g/b", "g/c", "g/a/undo/ua"]
    assert world.outcome == "failed"
    assert world.state.finished["because"].startswith("c: ")


def test_on_failure_undo_of_a_step_undoes_what_was_done_before_it():
    text = UNDO.replace("expect: result.ok}", "expect: result.ok, on_failure: undo}")
    world = run(book(text), {"a": {"was": 1}, "c": {"ok": False}})
    assert paths(world) == ["a", "b", "c", "b/undo/ub", "a/undo/ua"]
    assert world.outcome == "failed"


def test_a_groups_own_undo_stands_for_those_inside():
    text = """
steps:
  - group: careful
    id: g
    undo: [{id: all, action: t.act}]
    steps: [{id: a, action: t.act, undo: [{id: ua, action: t.act}]}]
"""
    world = undo(run(book(text)))
    assert paths(world) == ["g/a", "g/undo/all"]


def test_a_paused_run_begins_nothing_until_it_is_continued():
    world = run(book("steps: [{id: a, action: t.act}, {id: b, action: t.act}]"), {"a": HANG})
    world.put("PauseRequested", {"reason": "look at this first"})
    world.script = {}
    world._land("a")
    world.go()
    assert paths(world) == ["a"]
    assert decide(world.state).record == []
    world.put("ContinueRequested", {"reason": ""})
    assert world.go().outcome == "resolved"
    assert paths(world) == ["a", "b"]


def test_a_paused_run_can_be_cancelled():
    world = run(book("steps: [{id: a, action: t.act}, {id: b, action: t.act}]"), {"a": HANG})
    world.put("PauseRequested", {"reason": "look"})
    world.put("CancelRequested", {"reason": "enough"})
    world.script = {}
    world._land("a")
    assert world.go().outcome == "cancelled"
