"""Every kind of entry: what is reached, in which order, and how it ends."""

from __future__ import annotations

import pytest

from tests.core.world import HANG, SECOND, Oops, book, run


def types(world):
    return [event.type for event in world.events]


def test_a_run_of_one_step_is_four_events():
    world = run(book("steps: [{id: a, check: t.look}]"), {"a": {"x": 1}})
    assert types(world) == ["RunStarted", "StepStarted", "StepFinished", "RunFinished"]
    assert world.outcome == "resolved"


def test_what_a_step_found_is_a_name_for_the_steps_after_it():
    world = run(
        book("""
steps:
  - {id: a, check: t.look}
  - {id: b, check: t.look, with: {what: "{{ a.x }}"}}
"""),
        {"a": {"x": 7}},
    )
    started = [e.body for e in world.events if e.type == "StepStarted"]
    assert started[1]["plan"]["params"] == {"what": 7}


def test_a_step_whose_when_does_not_hold_is_skipped_and_the_run_goes_on():
    world = run(book("steps: [{id: a, check: t.look, when: 1 > 2}, {id: b, check: t.look}]"))
    assert world.statuses() == {"a": "skipped", "b": "passed"}
    assert world.why("a") == "`when: 1 > 2` does not hold"


def test_a_when_that_is_neither_true_nor_false_is_an_error_of_the_step():
    world = run(book("steps: [{id: a, check: t.look, when: '1 + 1'}]"))
    assert world.statuses() == {"a": "errored"}
    assert "neither true nor false" in world.why("a")
    assert world.performed == []


def test_a_check_without_expect_observes():
    assert run(book("steps: [{id: a, check: t.look}]"), {"a": {"bad": True}}).outcome == "resolved"


def test_a_failed_expectation_fails_the_run_and_nothing_after_it_is_reached():
    world = run(
        book("steps: [{id: a, check: t.look, expect: {n: 1}}, {id: b, action: t.act}]"),
        {"a": {"n": 2}},
    )
    assert world.statuses() == {"a": "failed"}
    assert world.outcome == "failed"
    assert "n: expected 1, was 2" in world.why("a")


def test_could_not_ask_is_errored_not_failed():
    world = run(book("steps: [{id: a, check: t.look, expect: {n: 1}}]"), {"a": Oops()})
    assert world.statuses() == {"a": "errored"}
    assert world.state.finished["worst"] == "errored"


def test_a_warning_passes_and_is_told():
    world = run(book("steps: [{id: a, check: t.look, warn: {n: {lt: 5}}}]"), {"a": {"n": 9}})
    assert world.statuses() == {"a": "passed"}
    assert world.last("a")["warnings"] != []


def test_extract_adds_fields_that_expect_and_later_steps_see():
    world = run(
        book("""
steps:
  - {id: a, check: t.look, extract: {half: result.n / 2}, expect: result.half == 4}
  - {id: b, check: t.look, with: {what: "{{ a.half }}"}}
"""),
        {"a": {"n": 8}},
    )
    assert world.outcome == "resolved"
    assert world.state.steps["b"].plan["params"] == {"what": 4.0}


def test_choose_takes_the_first_way_that_holds():
    world = run(
        book("""
steps:
  - id: which
    choose:
      - {when: false, steps: [{id: a, check: t.look}]}
      - {name: second, when: true, steps: [{id: b, check: t.look}]}
    otherwise: [{id: c, check: t.look}]
"""),
    )
    assert world.statuses() == {"which": "passed", "which/way-2/b": "passed"}
    assert world.last("which")["outcome"] == {"result": {"way": "second"}}


def test_choose_takes_otherwise_when_no_way_holds():
    world = run(
        book("""
steps:
  - choose: [{when: false, steps: [{id: a, check: t.look}]}]
    otherwise: [{id: c, check: t.look}]
""")
    )
    assert [p.rpartition("/")[2] for p, _ in world.performed] == ["c"]


def test_choose_without_a_way_that_holds_passes():
    world = run(book("steps: [{choose: [{when: false, steps: [{id: a, check: t.look}]}]}]"))
    assert world.outcome == "resolved"


def test_parallel_branches_are_under_way_at_once_and_joined():
    text = """
steps:
  - parallel: [{id: a, check: t.look}, {id: b, check: t.look}, {id: c, check: t.look}]
  - {id: d, check: t.look}
"""
    world = run(book(text))
    kinds = [(e.type, e.body["path"].rpartition("/")[2]) for e in world.events if "path" in e.body]
    started = [n for t, n in kinds if t == "StepStarted"][1:]
    assert started == ["a", "b", "c", "d"]
    assert kinds.index(("StepStarted", "c")) < kinds.index(("StepFinished", "a"))
    assert kinds.index(("StepFinished", "c")) < kinds.index(("StepStarted", "d"))


def test_parallel_limit_bounds_what_is_under_way():
    text = """
steps:
  - parallel: [{id: a, check: t.look}, {id: b, check: t.look}, {id: c, check: t.look}]
    limit: 2
"""
    world = run(book(text), {"parallel-1/branch-1/a": HANG})
    assert world.statuses() == {
        "parallel-1": "running",
        "parallel-1/branch-1/a": "running",
        "parallel-1/branch-2/b": "passed",
        "parallel-1/branch-3/c": "passed",
    }


def test_a_failed_branch_lets_the_others_finish_and_fails_the_join():
    world = run(
        book(
            "steps: [{parallel: [{id: a, check: t.look, expect: {n: 1}}, {id: b, check: t.look}]}]"
        ),
        {"parallel-1/branch-1/a": {"n": 0}},
    )
    assert world.statuses()["parallel-1/branch-2/b"] == "passed"
    assert world.statuses()["parallel-1"] == "failed"
    assert world.outcome == "failed"


EACH = """
steps:
  - id: all
    each: "[10, 20, 30]"
    as: host
    steps:
      - {id: ping, check: t.look, with: {what: "{{ host }}"}, expect: result.ok}
      - {id: after, action: t.act, with: {what: "{{ [item, ping.n] }}"}}
"""


def test_each_runs_its_steps_for_every_item_one_after_the_other():
    script = {f"all/item-{n}/ping": {"ok": True, "n": n} for n in (1, 2, 3)}
    world = run(book(EACH), script)
    plans = [e.body["plan"] for e in world.events if e.type == "StepStarted"][1:]
    whats = [plan["params"]["what"] for plan in plans]
    assert whats == [10, [10, 1], 20, [20, 2], 30, [30, 3]]
    assert world.last("all")["outcome"] == {"result": {"count": 3, "passed": 3, "failed": 0}}


def test_each_stops_at_the_first_item_that_fails():
    world = run(
        book(EACH), {"all/item-2/ping": {"ok": False}, "all/item-1/ping": {"ok": True, "n": 1}}
    )
    assert "all/item-3/ping" not in world.statuses()
    assert world.last("all")["outcome"] == {"result": {"count": 3, "passed": 1, "failed": 1}}
    assert world.outcome == "failed"


def test_each_over_nothing_passes():
    world = run(book("steps: [{each: '[]', as: x, steps: [{id: a, check: t.look}]}]"))
    assert world.outcome == "resolved"


def test_each_over_what_is_no_list_is_an_error():
    world = run(book("steps: [{each: '5', as: x, steps: [{id: a, check: t.look}]}]"))
    assert world.statuses() == {"each-1": "errored"}


def test_a_group_runs_always_after_a_failure_and_fails():
    text = """
steps:
  - group: careful
    id: g
    steps: [{id: a, action: t.act}, {id: b, action: t.act}]
    always: [{id: tidy, action: t.act}]
"""
    world = run(book(text), {"g/a": Oops()})
    assert [p for p, _ in world.performed] == ["g/a", "g/always/tidy"]
    assert world.statuses()["g"] == "errored"


def test_a_group_whose_on_failure_passes_is_handled_and_the_run_goes_on():
    text = """
steps:
  - group: careful
    id: g
    steps: [{id: a, action: t.act}]
    on_failure: [{id: mend, action: t.act, with: {what: "{{ failure.step }}"}}]
    always: [{id: tidy, action: t.act}]
  - {id: b, check: t.look}
"""
    world = run(book(text), {"g/a": Oops()})
    assert [p for p, _ in world.performed] == ["g/a", "g/on_failure/mend", "g/always/tidy", "b"]
    assert world.state.steps["g/on_failure/mend"].plan["params"] == {"what": "a"}
    assert world.outcome == "resolved"


def test_who_is_called_by_the_on_failure_of_a_step_reads_what_failed():
    text = """
steps:
  - id: a
    check: t.look
    expect: {what: 1}
    on_failure: [{escalate: default, id: call, message: "{{ failure.title }} {{ failure.why }}"}]
"""
    world = run(book(text), {"a": {"what": 2}})
    assert world.state.steps["a/on_failure/call"].plan["message"] == "a what: expected 1, was 2"


def test_a_step_whose_on_failure_passes_is_handled():
    text = """
steps:
  - {id: a, check: t.look, expect: result.ok, on_failure: [{id: mend, action: t.act}]}
  - {id: b, check: t.look}
"""
    world = run(book(text), {"a": {"ok": False}})
    assert [p for p, _ in world.performed] == ["a", "a/on_failure/mend", "b"]
    assert world.outcome == "resolved"


def test_a_step_whose_on_failure_fails_too_fails_the_run_for_the_first_reason():
    text = """
steps: [{id: a, check: t.look, expect: result.ok, on_failure: [{id: mend, action: t.act}]}]
"""
    world = run(book(text), {"a": {"ok": False}, "a/on_failure/mend": Oops()})
    assert world.outcome == "failed"
    assert world.state.finished["because"].startswith("a:")


def test_continue_goes_on_and_the_run_ends_unresolved():
    text = """
steps:
  - {id: a, check: t.look, expect: result.ok, on_failure: continue}
  - {id: b, check: t.look}
"""
    world = run(book(text), {"a": {"ok": False}})
    assert world.statuses() == {"a": "failed", "b": "passed"}
    assert world.outcome == "unresolved"


def test_the_runbooks_on_failure_runs_and_the_run_still_fails():
    text = """
steps: [{id: a, action: t.act}]
on_failure: [{escalate: default, message: "it is {{ failure.why }}"}]
always: [{id: tidy, check: t.look}]
"""
    world = run(book(text), {"a": Oops("down")})
    assert [p for p, _ in world.performed] == ["a", "on_failure/escalate-1", "always/tidy"]
    assert world.state.steps["on_failure/escalate-1"].plan["message"] == "it is down"
    assert world.outcome == "failed"


def test_a_message_goes_out_though_a_part_of_it_cannot_be_filled_in():
    text = """
steps: [{id: a, action: t.act}, {id: b, check: t.look}]
on_failure: [{escalate: default, message: "still {{ b.size }}"}]
"""
    world = run(book(text), {"a": Oops()})
    message = world.state.steps["on_failure/escalate-1"].plan["message"]
    assert message.startswith("still ")
    assert "not reached" in message


def test_end_ends_the_run_from_inside_and_always_still_runs():
    text = """
steps:
  - choose: [{when: true, steps: [{end: resolved, because: "{{ 1 + 1 }} is fine"}]}]
  - {id: b, action: t.act}
always: [{id: tidy, check: t.look}]
"""
    world = run(book(text))
    assert [p for p, _ in world.performed] == ["always/tidy"]
    assert (world.outcome, world.state.finished["because"]) == ("resolved", "2 is fine")


def test_end_in_one_branch_waits_for_actions_and_starts_nothing_new():
    text = """
steps:
  - parallel:
      - group: one
        steps: [{id: a, action: t.act}, {id: c, action: t.act}]
      - group: two
        steps: [{id: b, check: t.look}, {end: aborted, because: no}]
"""
    world = run(book(text))
    assert [p.rpartition("/")[2] for p, _ in world.performed] == ["a", "b", "c"]
    assert world.outcome == "aborted"


def test_end_in_a_called_runbook_ends_that_one_only():
    world = run(
        book(
            "steps: [{id: sub, runbook: t/sub}, {id: b, check: t.look}]",
            sub="steps: [{end: resolved}, {id: x, check: t.look}]",
        ),
    )
    assert world.statuses()["sub"] == "passed"
    assert [p for p, _ in world.performed] == ["b"]


def test_a_called_runbook_gets_inputs_and_hands_out_outputs():
    text = """
steps:
  - {id: sub, runbook: t/sub, inputs: {n: "{{ 20 + 1 }}"}}
  - {id: b, check: t.look, with: {what: "{{ sub.twice }}"}}
"""
    sub = """
inputs: {n: {type: integer}}
steps: [{id: x, check: t.look}]
outputs: {twice: "{{ 2 * inputs.n }}"}
"""
    world = run(book(text, sub=sub))
    assert world.state.steps["b"].plan["params"] == {"what": 42}


def test_a_called_runbook_that_fails_fails_its_step():
    world = run(
        book(
            "steps: [{id: sub, runbook: t/sub}]",
            sub="steps: [{id: x, check: t.look, expect: result.ok}]",
        ),
        {"sub/x": {"ok": False}},
    )
    assert world.statuses()["sub"] == "failed"
    assert world.why("sub").startswith("failed: x:")


def test_the_on_failure_of_a_called_runbooks_step_makes_up_for_its_failure():
    text = """
steps:
  - {id: sub, runbook: t/sub, on_failure: [{id: own, check: t.look}]}
  - {id: b, check: t.look}
"""
    sub = """
steps: [{id: x, check: t.look, expect: result.ok}]
on_failure: [{id: own, check: t.look}]
"""
    world = run(book(text, sub=sub), {"sub/x": {"ok": False}})
    assert world.statuses()["sub"] == "failed"
    assert [p for p, _ in world.performed] == [
        "sub/x",
        "sub/on_failure/own",
        "sub/on-failure/own",
        "b",
    ]
    assert world.outcome == "resolved"


def test_a_wait_passes_when_its_time_has_come():
    world = run(book("steps: [{id: w, wait: 15m}, {id: a, check: t.look}]"))
    started = next(e for e in world.events if e.type == "StepStarted")
    finished = next(e for e in world.events if e.type == "StepFinished")
    assert finished.at_us - started.at_us == 15 * 60 * SECOND
    assert world.outcome == "resolved"


def test_outputs_are_rendered_at_the_end():
    world = run(
        book("steps: [{id: a, check: t.look}]\noutputs: {size: '{{ a.n }}'}"), {"a": {"n": 3}}
    )
    assert world.state.finished["outputs"] == {"size": 3}


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, check: t.look, with: {what: '{{ 1e308 * 10 }}'}}",
        "{id: a, check: t.look, with: {what: ['{{ 1e308 * 10 }}']}}",
        "{id: a, check: t.look, with: {what: '{{ [1e308 * 10 - 1e308 * 10] }}'}}",
        "{id: a, check: t.look, with: {what: \"{{ 'NaN' | float }}\"}}",
        "{id: a, check: t.look, with: {what: \"{{ {'a': 'NaN' | float} }}\"}}",
        "{id: a, each: '[1e308 * 10]', as: one, steps: [{check: t.look, id: b}]}",
    ],
)
def test_a_number_that_no_journal_can_keep_ends_its_step_and_not_the_engine(step: str):
    world = run(book(f"steps: [{step}]"))
    assert world.outcome == "failed"
    assert world.why("a") == "a number is too large to be kept, or is none (NaN)"
