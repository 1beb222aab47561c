"""`autonomy: guide`: checks run, and every action is handed to a person."""

from __future__ import annotations

from engine.core.decide import decide
from tests.core.world import book, run

GUIDE = {"autonomy": "guide"}
TEXT = """
steps:
  - {id: a, check: t.look}
  - {id: b, action: t.act, title: Turn it off, with: {what: "{{ a.ok }}"}}
  - {id: c, check: t.look}
"""


def answered(answer, note=""):
    return ("Answered", {"answer": answer, "note": note})


def test_an_action_is_handed_to_a_person_with_its_rendered_parameters():
    world = run(book(TEXT), more=GUIDE)
    assert [path for path, _ in world.performed] == ["a"]
    (asked,) = decide(world.state).ask
    assert (asked.kind, asked.type, asked.title) == ("do", "t.act", "Turn it off")
    assert asked.text.splitlines() == [
        "By hand, for this environment only guides: t.act",
        "  what: true",
    ]


def test_it_goes_on_once_the_person_says_that_it_is_done():
    world = run(book(TEXT), more=GUIDE, people={"b": answered("done")})
    assert [path for path, _ in world.performed] == ["a", "c"]
    assert world.last("b")["outcome"]["result"] == {"answer": "done", "by": "alice", "note": ""}
    assert world.outcome == "resolved"


def test_what_was_not_done_has_failed():
    world = run(book(TEXT), more=GUIDE, people={"b": answered("not-done", "no key")})
    assert world.outcome == "failed"
    assert world.why("b") == "alice answered not-done: no key"


def test_the_approval_comes_before_the_handing_out():
    text = "steps: [{id: b, action: t.act, approve: {by: [lead]}}]"
    world = run(book(text), more=GUIDE)
    (asked,) = decide(world.state).ask
    assert asked.kind == "approve"


def test_a_person_is_given_the_undo_too():
    text = """
steps:
  - {id: a, action: t.act, undo: [{id: back, action: t.act}]}
  - {id: b, check: t.look, expect: false, on_failure: stop}
"""
    world = run(book(text), more=GUIDE, people={"a": answered("done")})
    world.put("UndoRequested", {"reason": "wrong"})
    world.go()
    (asked,) = decide(world.state).ask
    assert (asked.path, asked.kind) == ("a/undo/back", "do")


def test_a_rehearsal_previews_as_ever():
    world = run(book(TEXT), more=GUIDE, mode="rehearsal")
    assert world.statuses()["b"] == "previewed"
