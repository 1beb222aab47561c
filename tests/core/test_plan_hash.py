"""Plan hashes pinned for ever: an approval or a trail of years ago still means the same.

`plan_hashes.json` has plan steps with their hashes. A new form gets a new `v` and new examples;
these stay as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.core.plan_hash import VERSION, plan_hash, plan_step
from engine.language.model import Call
from tests.core.world import book, run

EXAMPLES = json.loads(Path(__file__).with_name("plan_hashes.json").read_text())
RENDERED = [one for one in EXAMPLES if "runbook" in one]
PROBED = next(one["step"] for one in EXAMPLES if one["name"] == "an unsafe action with a probe")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["name"])
def test_a_recorded_plan_step_has_the_hash_it_had(example):
    assert plan_hash(example["step"]) == example["hash"]


@pytest.mark.parametrize("example", RENDERED, ids=lambda one: one["name"])
def test_a_recorded_runbook_still_renders_to_its_hash(example):
    world = run(book(example["runbook"]))
    path = example["step"]["path"]
    started = next(
        e.body for e in world.events if e.type == "StepStarted" and e.body["path"] == path
    )
    entry = world.state.steps[path].entry
    assert isinstance(entry, Call)
    assert started["hash"] == example["hash"]
    digest = example["step"]["runbook"]
    assert plan_step(digest, path, entry, started["plan"]) == example["step"]


def test_the_examples_have_the_form_that_is_written_today():
    assert {one["step"]["v"] for one in EXAMPLES} == set(range(1, VERSION + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"runbook": "0" * 64},
        {"path": "b"},
        {"type": "t.look"},
        {"connection": {"name": "there", "fingerprint": "elsewhere"}},
        {"params": {"what": 2}},
        {"effect": "idempotent"},
        {"limits": {"timeout_s": 31.0, "max_affected": None}},
        {"probe": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_in_a_plan_step_changes_its_hash(change):
    assert {**PROBED, **change} != PROBED
    assert plan_hash({**PROBED, **change}) != plan_hash(PROBED)


POINTED = {
    "type": "t.act",
    "target": "cache",
    "fingerprint": "redis://cache-1:6379/0",
    "params": {"what": 1},
    "effect": "idempotent",
    "timeout_s": 30.0,
    "max_affected": 10,
}


@pytest.mark.parametrize(
    "change",
    [
        {"type": "t.strike"},
        {"target": "other"},
        {"fingerprint": "redis://cache-2:6379/0"},
        {"params": {"what": 2}},
        {"effect": "unsafe"},
        {"timeout_s": 31.0},
        {"max_affected": 11},
        {"max_affected": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_agreed_to_is_bound_to_where_it_points_and_to_how_much_it_may_change(change):
    entry = run(book("steps: [{id: a, action: t.act}]")).state.steps["a"].entry
    assert isinstance(entry, Call)
    agreed = plan_step("d", "a", entry, POINTED)
    assert agreed["connection"] == {"name": "cache", "fingerprint": "redis://cache-1:6379/0"}
    assert plan_hash(plan_step("d", "a", entry, {**POINTED, **change})) != plan_hash(agreed)


PROBES = [
    "{check: t.look}",
    "{check: t.look, with: {what: 1}}",
    "{check: t.look, with: {what: [1, 2]}}",
    "{check: t.look, with: {what: ['{{ run.id }}', 2]}}",
    "{check: t.look, with: {what: '{{ run.id }}'}}",
    "{check: t.look, with: {what: '{{ run.name }}'}}",
    "{check: t.look, with: {what: {a: '{{ run.name }}'}}}",
    "{check: t.look, expect: result.ok}",
    "{check: t.look, expect: not result.ok}",
    "{check: t.look, expect: {ok: {in: [1, 2]}}}",
    "{check: t.look, expect: {ok: {in: [1, 3]}}}",
]


def test_what_is_agreed_to_is_bound_to_what_settles_its_doubt_as_it_is_written():
    text = "steps: [{id: a, action: t.strike, probe: %s}]"
    made = []
    for probe in PROBES:
        entry = run(book(text % probe)).state.steps["a"].entry
        assert isinstance(entry, Call)
        made.append(plan_hash(plan_step("the same text", "a", entry, POINTED)))
    assert len(set(made)) == len(PROBES)


def test_the_order_of_keys_does_not_matter():
    assert plan_hash(dict(reversed(PROBED.items()))) == plan_hash(PROBED)
