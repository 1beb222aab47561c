"""Asking again, waiting for people, doubt, cancel and time limits."""

from __future__ import annotations

import itertools

import pytest

from engine.core.decide import decide
from engine.core.judge import finished
from tests.core.world import HANG, SECOND, Oops, book, once, run


def attempts(world, path):
    return [n for p, n in world.performed if p == path]


def test_within_asks_until_it_holds():
    text = "steps: [{id: a, check: t.look, expect: result.ok, within: 1m, every: 10s}]"
    world = run(book(text), {"a": [{"ok": False}, Oops(), {"ok": True}]})
    assert attempts(world, "a") == [1, 2, 3]
    assert world.outcome == "resolved"


def test_within_fails_when_its_time_is_over():
    text = "steps: [{id: a, check: t.look, expect: result.ok, within: 1m, every: 10s}]"
    world = run(book(text), {"a": {"ok": False}})
    assert len(attempts(world, "a")) == 6
    assert world.outcome == "failed"
    assert "after 6 attempts in" in world.why("a")


def test_hold_passes_only_when_it_held_all_the_time():
    text = "steps: [{id: a, check: t.look, expect: result.ok, hold: 1m, every: 20s}]"
    world = run(book(text))
    assert world.outcome == "failed" or len(attempts(world, "a")) >= 3
    first, last = world.events[1], next(e for e in world.events if e.type == "StepFinished")
    assert last.at_us - first.at_us >= 60 * SECOND


def test_hold_fails_at_the_first_no():
    text = "steps: [{id: a, check: t.look, expect: result.ok, hold: 1m, every: 20s}]"
    world = run(book(text), {"a": [{"ok": True}, {"ok": True}, {"ok": False}]})
    assert attempts(world, "a") == [1, 2, 3]
    assert world.outcome == "failed"


def test_retry_tries_an_error_again_after_a_growing_wait():
    text = """
steps:
  - {id: a, action: t.act, retry: {attempts: 4, delay: 1s, factor: 2, max: 3s, jitter: none}}
"""
    world = run(book(text), {"a": Oops()})
    starts = [e.at_us for e in world.events if e.type == "StepStarted"]
    took = SECOND // 10
    assert [b - a - took for a, b in itertools.pairwise(starts)] == [
        1 * SECOND,
        2 * SECOND,
        3 * SECOND,
    ]
    assert world.statuses() == {"a": "errored"}


def test_full_jitter_takes_its_chance_from_the_event():
    text = "steps: [{id: a, action: t.act, retry: {attempts: 2, delay: 10s, max: 1m}}]"
    world = run(book(text), {"a": [Oops(), {"ok": True}]})
    between = next(e for e in world.events if e.type == "AttemptFinished")
    assert between.body["random"] == 0.5
    assert between.body["next_us"] - between.at_us == 5 * SECOND


def waits(detail, retry="{attempts: 3, delay: 2s, factor: 2, max: 1m, jitter: none}"):
    """How long after each attempt the next one began, in seconds."""
    text = f"steps: [{{id: a, action: t.act, retry: {retry}}}]"
    world = run(book(text), {"a": Oops(detail=detail)})
    starts = [e.at_us for e in world.events if e.type == "StepStarted"]
    return [(b - a - SECOND // 10) / SECOND for a, b in itertools.pairwise(starts)]


def test_a_retry_begins_its_wait_when_a_block_is_over():
    assert waits({"blocked_for_s": 20}) == [22, 24]


def test_a_block_that_is_longer_than_a_retry_may_wait_is_not_called_into():
    assert waits({"blocked_for_s": 60}) == [62, 64]
    assert waits({"blocked_for_s": 60.1}) == []


@pytest.mark.parametrize("told", [None, 0, -5, "20", float("nan"), [20]])
def test_a_block_that_is_none_changes_no_wait(told):
    assert waits({"blocked_for_s": told}) == [2, 4]


def test_a_check_does_not_ask_again_while_it_is_blocked():
    text = "steps: [{id: a, check: t.look, expect: result.ok, within: 1m, every: 5s}]"
    found = [Oops(detail={"blocked_for_s": 40}), {"ok": True}]
    world = run(book(text), {"a": found})
    starts = [e.at_us for e in world.events if e.type == "StepStarted"]
    assert (starts[1] - starts[0]) // SECOND == 40
    blocked = run(book(text), {"a": [Oops(detail={"blocked_for_s": 61}), {"ok": True}]})
    assert (attempts(blocked, "a"), blocked.outcome) == ([1], "failed")


def test_a_step_type_may_have_a_retry_and_a_warning_of_its_own():
    text = "steps: [{id: a, check: t.limited}]"
    assert attempts(run(book(text), {"a": Oops()}), "a") == [1, 2, 3]
    world = run(book(text), {"a": {"used": 90}})
    (end,) = [e for e in world.events if e.type == "StepFinished"]
    assert end.body["warnings"] == ["used: expected less than 80, was 90"]


def test_what_a_step_says_of_its_retry_is_laid_over_that_of_its_type():
    text = "steps: [{id: a, check: t.limited, retry: 2}]"
    (step,) = book(text).steps
    assert (step.retry.attempts, step.retry.delay_s) == (2, 7.0)
    text = "steps: [{id: a, check: t.limited, retry: 1, warn: {used: {lt: 95}}}]"
    assert attempts(run(book(text), {"a": Oops()}), "a") == [1]
    world = run(book(text), {"a": {"used": 90}})
    (end,) = [e for e in world.events if e.type == "StepFinished"]
    assert end.body["warnings"] == []


def test_an_answer_no_is_not_retried():
    text = "steps: [{id: a, check: t.look, expect: result.ok, retry: 3}]"
    world = run(book(text), {"a": {"ok": False}})
    assert attempts(world, "a") == [1]


def test_what_cannot_get_better_is_not_retried():
    text = "steps: [{id: a, check: t.look, retry: 3}]"
    assert attempts(run(book(text), {"a": Oops(retryable=False)}), "a") == [1]


def test_an_action_that_may_have_happened_is_in_doubt_and_is_not_retried():
    text = """
steps: [{id: a, action: t.act, retry: 3}, {id: b, check: t.look}]
"""
    world = run(once(book(text)), {"a": Oops(maybe_done=True)})
    assert attempts(world, "a") == [1]
    assert world.statuses() == {"a": "unknown"}
    assert world.outcome is None


def test_a_doubt_settled_as_happened_lets_the_run_go_on():
    text = "steps: [{id: a, action: t.act}, {id: b, check: t.look}]"
    settled = {"a": ("DoubtSettled", {"happened": True, "reason": "seen"})}
    world = run(once(book(text)), {"a": Oops(maybe_done=True)}, people=settled)
    assert world.statuses() == {"a": "passed", "b": "passed"}
    assert world.outcome == "resolved"


def test_a_doubt_settled_as_not_happened_has_it_done():
    text = "steps: [{id: a, action: t.act}]"
    settled = {"a": ("DoubtSettled", {"happened": False, "reason": "looked"})}
    world = run(once(book(text)), {"a": [Oops(maybe_done=True), {"ok": True}]}, people=settled)
    assert attempts(world, "a") == [1, 2]
    assert world.outcome == "resolved"


PROBED = """
steps:
  - id: a
    action: t.strike
    probe: {check: t.look, id: there, expect: result.ok}
  - {id: b, check: t.look}
"""


def test_a_probe_that_holds_says_that_it_happened():
    world = run(book(PROBED), {"a": Oops(maybe_done=True)})
    assert [p for p, _ in world.performed] == ["a", "a/probe-1/there", "b"]
    assert world.statuses()["a"] == "passed"
    assert world.outcome == "resolved"
    settled = next(e for e in world.events if e.type == "DoubtSettled")
    assert settled.body == {"path": "a", "happened": True, "reason": "its probe holds"}


def test_a_probe_that_says_no_has_it_done_again():
    script = {"a": [Oops(maybe_done=True), {"ok": True}], "a/probe-1/there": {"ok": False}}
    world = run(book(PROBED), script)
    assert [p for p, _ in world.performed] == ["a", "a/probe-1/there", "a", "b"]
    assert world.outcome == "resolved"


def test_a_probe_that_could_not_be_asked_leaves_it_to_a_person():
    script = {"a": Oops(maybe_done=True), "a/probe-1/there": Oops()}
    world = run(book(PROBED), script)
    assert world.outcome is None
    assert [q.kind for q in decide(world.state).ask] == ["doubt"]
    world.put("DoubtSettled", {"path": "a", "happened": True, "reason": "seen"})
    assert world.go().outcome == "resolved"


def test_each_new_doubt_asks_the_probe_anew():
    script = {
        "a": [Oops(maybe_done=True), Oops(maybe_done=True)],
        "a/probe-1/there": {"ok": False},
        "a/probe-2/there": {"ok": True},
    }
    world = run(book(PROBED), script)
    assert attempts(world, "a") == [1, 2]
    assert world.outcome == "resolved"


def test_a_cancel_while_the_probe_is_asked_leaves_the_action_in_doubt():
    world = run(book(PROBED), {"a": Oops(maybe_done=True), "a/probe-1/there": HANG})
    world.put("CancelRequested", {"reason": "enough"})
    world.go()
    assert world.outcome == "cancelled"
    assert world.state.finished["running"] == ["a"]


def test_a_person_who_confirms_lets_the_run_go_on():
    text = "steps: [{id: a, check: t.confirm, with: {question: sure?}}, {id: b, check: t.look}]"
    world = run(book(text), people={"a": ("Answered", {"answer": "yes", "note": ""})})
    assert world.performed == [("b", 1)]
    assert world.last("a")["outcome"] == {"result": {"answer": "yes", "by": "alice", "note": ""}}


def test_a_person_who_says_no_fails_the_check():
    text = "steps: [{id: a, check: t.confirm, with: {question: sure?}}]"
    world = run(book(text), people={"a": ("Answered", {"answer": "no", "note": "disk is red"})})
    assert world.outcome == "failed"
    assert world.why("a") == "alice answered no: disk is red"


def test_a_question_nobody_answers_leaves_the_run_waiting():
    world = run(book("steps: [{id: a, action: t.do, with: {instructions: turn it off}}]"))
    assert world.outcome is None
    assert world.performed == []


def test_an_escalation_waits_for_somebody_to_acknowledge():
    text = """
steps: [{id: e, escalate: p, message: m, wait: acknowledged}, {id: b, check: t.look}]
"""
    waiting = run(book(text))
    assert waiting.outcome is None
    acknowledged = {"e": ("Answered", {"answer": "acknowledged", "note": None})}
    world = run(book(text), people=acknowledged)
    assert [p for p, _ in world.performed] == ["e", "b"]
    assert world.outcome == "resolved"


def test_cancel_waits_for_actions_skips_the_rest_and_runs_always():
    text = """
steps: [{id: a, action: t.act}, {id: b, action: t.act}]
always: [{id: tidy, check: t.look}]
"""
    world = run(book(text), {"a": HANG})
    world.put("CancelRequested", {"reason": "wrong runbook"})
    world.go()
    assert world.statuses() == {"a": "running"}
    world.script = {}
    world._land("a")
    world.go()
    assert world.statuses() == {"a": "passed", "always/tidy": "passed"}
    assert (world.outcome, world.state.finished["because"]) == ("cancelled", "wrong runbook")


def test_cancel_ends_a_wait_at_once():
    world = run(book("steps: [{id: a, check: t.confirm, with: {question: q}}]"))
    world.put("CancelRequested", {"reason": "enough"})
    world.go()
    assert world.statuses() == {"a": "skipped"}
    assert world.outcome == "cancelled"


def test_cancel_with_a_doubt_lists_what_may_have_happened():
    world = run(once(book("steps: [{id: a, action: t.act}]")), {"a": Oops(maybe_done=True)})
    world.put("CancelRequested", {"reason": "enough"})
    world.go()
    assert world.outcome == "cancelled"
    assert world.state.finished["running"] == ["a"]
    assert world.state.finished["worst"] == "unknown"


def test_a_block_over_its_time_limit_is_errored_and_its_waits_end():
    text = """
steps:
  - group: slow
    id: g
    timeout: 1m
    steps: [{id: w, wait: 1h}, {id: a, action: t.act}]
    always: [{id: tidy, check: t.look}]
"""
    world = run(book(text))
    assert world.statuses() == {
        "g": "errored",
        "g/w": "skipped",
        "g/always/tidy": "passed",
    }
    assert "took longer than 60 s" in world.why("g")
    assert world.now_us < 1_000 * SECOND + 62 * SECOND


def test_a_cancel_after_a_time_limit_leaves_no_room_for_on_failure():
    text = """
steps:
  - group: slow
    id: g
    timeout: 1m
    steps: [{id: a, action: t.act}]
    on_failure: [{id: mend, action: t.act}]
"""
    world = run(book(text), {"g/a": HANG})
    assert world.state.root is not None
    world.put("CancelRequested", {"reason": "enough"})
    world.script = {}
    world._land("g/a")
    world.go()
    assert [p for p, _ in world.performed] == ["g/a"]
    assert world.outcome == "cancelled"


def test_a_block_over_its_time_limit_can_be_handled():
    text = """
steps:
  - {group: slow, id: g, timeout: 1m, steps: [{wait: 1h}], on_failure: [{id: mend, action: t.act}]}
  - {id: b, check: t.look}
"""
    world = run(book(text))
    assert [p for p, _ in world.performed] == ["g/on_failure/mend", "b"]
    assert world.outcome == "resolved"


def test_an_escalation_that_could_not_be_sent_is_tried_again():
    text = "steps: [{id: e, escalate: p, message: m, retry: {attempts: 3, delay: 1s}}]"
    world = run(book(text), {"e": [Oops(), {"ok": True}]})
    assert attempts(world, "e") == [1, 2]
    assert world.outcome == "resolved"


def test_an_idempotent_action_in_doubt_is_done_again_with_the_same_key():
    text = "steps: [{id: a, action: t.act}, {id: b, check: t.look}]"
    world = run(book(text), {"a": [Oops(maybe_done=True), {"ok": True}]})
    assert attempts(world, "a") == [1, 2]
    plans = [e.body["plan"] for e in world.events if e.type == "StepStarted"]
    assert plans[0] == plans[1]
    assert plans[0]["key"] == "r:a"
    assert world.outcome == "resolved"


def test_an_idempotent_action_that_stays_in_doubt_ends_with_a_person():
    world = run(book("steps: [{id: a, action: t.act}]"), {"a": Oops(maybe_done=True)})
    assert attempts(world, "a") == [1, 2, 3]
    assert [q.kind for q in decide(world.state).ask] == ["doubt"]


def test_an_idempotent_action_in_doubt_is_not_done_again_once_the_run_is_cancelled():
    world = run(book("steps: [{id: a, action: t.act}]"), {"a": HANG})
    world.put("CancelRequested", {"reason": "wrong runbook"})
    cut_short = finished("a", "unknown", why=("no reply",), attempt=1)
    world.put(cut_short.type, cut_short.body)
    world.go()
    assert attempts(world, "a") == [1]
    assert world.outcome == "cancelled"
    assert world.state.finished["running"] == ["a"]


def test_an_idempotent_action_that_a_probe_can_tell_of_is_not_done_again_blindly():
    script = {"a": Oops(maybe_done=True), "a/probe-1/there": {"ok": True}}
    world = run(book(PROBED.replace("t.strike", "t.act")), script)
    assert attempts(world, "a") == [1]
    assert world.outcome == "resolved"


def test_within_hold_and_every_may_be_templates():
    text = """
inputs: {limit: {type: duration, default: 30s}}
steps:
  - {id: a, check: t.look, expect: result.ok, within: "{{ inputs.limit }}", every: "{{ 10 }}"}
"""
    world = run(book(text), {"a": {"ok": False}})
    assert len(attempts(world, "a")) == 3
    held = run(book(text.replace("within", "hold")), {"a": {"ok": True}})
    assert len(attempts(held, "a")) == 4
    first, last = held.events[1], next(e for e in held.events if e.type == "StepFinished")
    assert last.at_us - first.at_us >= 30 * SECOND


def test_a_span_that_renders_to_no_duration_errors_before_anything_is_asked():
    text = "steps: [{id: a, check: t.look, expect: result.ok, within: '{{ \"soon\" }}'}]"
    world = run(book(text))
    assert world.performed == []
    assert world.why("a").startswith("`within`: ")
