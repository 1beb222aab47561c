"""A rehearsal takes the way of a run, changes nothing, and says how far it can be trusted."""

from __future__ import annotations

from tests.core.world import Oops, book, run

PREVIEW = {"preview": {"text": "would act", "affected": 3}}


def rehearse(text, script=None, **more):
    return run(book(text), script or {}, mode="rehearsal", **more)


def verdict(world):
    end = world.state.finished["verdict"]
    return end["word"], end["at"]


def test_a_way_of_checks_that_hold_would_resolve():
    world = rehearse("steps: [{id: a, check: t.look, expect: result.ok}]")
    assert verdict(world) == ("would resolve", None)


def test_an_action_is_previewed_and_the_run_goes_on():
    text = "steps: [{id: a, action: t.act}, {id: b, check: t.look, expect: result.ok}]"
    world = rehearse(text, {"a": PREVIEW})
    assert world.statuses() == {"a": "previewed", "b": "passed"}
    assert verdict(world) == ("would resolve", None)


def test_a_check_that_fails_before_any_action_stops_it():
    text = "steps: [{id: a, check: t.look, expect: result.ok}, {id: b, action: t.act}]"
    world = rehearse(text, {"a": {"ok": False}})
    assert verdict(world) == ("would stop at", "a")


def test_a_check_that_fails_after_a_previewed_action_cannot_be_judged():
    text = """
steps:
  - {id: a, action: t.act}
  - {id: b, check: t.look, expect: result.ok}
  - {id: c, check: t.look}
"""
    world = rehearse(text, {"a": PREVIEW, "b": {"ok": False}})
    assert world.statuses() == {"a": "previewed", "b": "unverifiable", "c": "passed"}
    assert verdict(world) == ("cannot tell from", "b")


def test_more_than_max_affected_would_stop_it():
    text = "steps: [{id: a, action: t.counted, max_affected: 2}]"
    world = rehearse(text, {"a": PREVIEW})
    assert world.statuses() == {"a": "failed"}
    assert world.why("a") == "3 would be affected, more than 2"


def test_a_preview_that_could_not_be_asked_stops_it():
    world = rehearse("steps: [{id: a, action: t.act}]", {"a": Oops()})
    assert verdict(world) == ("would stop at", "a")


def test_waiting_takes_no_time_and_is_previewed():
    world = rehearse("steps: [{id: w, wait: 3h}, {id: a, check: t.look}]")
    assert world.statuses() == {"w": "previewed", "a": "passed"}


def test_nobody_is_told_and_nobody_is_asked():
    text = """
steps:
  - {id: e, escalate: lead, message: m, wait: acknowledged}
  - {id: h, action: t.do, with: {instructions: pull it}}
  - {id: q, check: t.confirm, with: {question: sure?}}
"""
    world = rehearse(text)
    assert world.performed == []
    assert world.statuses() == {"e": "previewed", "h": "previewed", "q": "unverifiable"}
    assert verdict(world) == ("cannot tell from", "q")


def test_what_would_be_watched_or_asked_again_cannot_be_told():
    text = "steps: [{id: a, check: t.look, expect: result.ok, hold: 15m}]"
    assert verdict(rehearse(text)) == ("cannot tell from", "a")
    text = "steps: [{id: a, check: t.look, expect: result.ok, within: 15m}]"
    world = rehearse(text, {"a": {"ok": False}})
    assert verdict(world) == ("cannot tell from", "a")
    assert [n for _, n in world.performed] == [1]


def test_a_way_that_depends_on_what_cannot_be_judged_is_assumed():
    text = """
steps:
  - {id: a, action: t.act}
  - {id: b, check: t.look, expect: result.ok}
  - choose: [{when: b.ok, steps: [{end: resolved}]}]
    otherwise: [{id: c, check: t.look}]
"""
    world = rehearse(text, {"a": PREVIEW, "b": {"ok": False}})
    started = next(e.body for e in world.events if e.body.get("id") == "choose-1")
    assert started["plan"]["assumed"] is True
    assert verdict(world) == ("cannot tell from", "b")


def test_a_way_that_depends_on_what_an_action_would_find_is_assumed():
    text = """
steps:
  - {id: a, action: t.act}
  - id: which
    choose: [{when: a.deleted > 0, steps: [{id: c, check: t.look}]}]
  - {id: d, check: t.look, with: {what: "{{ a.deleted }}"}}
"""
    world = rehearse(text, {"a": PREVIEW})
    assert verdict(world) == ("cannot tell from", "which")
    assert world.statuses()["d"] == "unverifiable"


def test_a_forced_way_is_followed():
    text = """
steps:
  - id: which
    choose: [{when: true, steps: [{id: a, check: t.look}]}]
    otherwise: [{id: b, check: t.look}]
"""
    world = rehearse(text, more={"forced": {"which": 2}})
    assert [p for p, _ in world.performed] == ["which/way-2/b"]


def test_a_rehearsal_asks_no_approval():
    text = "steps: [{id: a, action: t.strike, approve: {by: [lead]}}]"
    assert rehearse(text, {"a": PREVIEW}).statuses() == {"a": "previewed"}


def test_an_end_that_is_not_resolved_is_where_it_would_stop():
    world = rehearse("steps: [{id: x, check: t.look}, {end: unresolved, because: no}]")
    assert verdict(world) == ("would stop at", "end-1")
