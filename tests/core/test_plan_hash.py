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


def test_the_order_of_keys_does_not_matter():
    assert plan_hash(dict(reversed(PROBED.items()))) == plan_hash(PROBED)
