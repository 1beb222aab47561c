"""What a run says of itself depends on its text and findings, not on which branch was quicker."""

from __future__ import annotations

from engine.core.events import Draft
from engine.core.moves import _note
from engine.core.state import State
from engine.core.tree import Failure
from engine.language.load import load_runbook
from engine.registry import Registry


def failure(path: str) -> Failure:
    return Failure(path, path, path, "failed", "no")


def noted(*paths: str) -> list[str]:
    found: list[Failure] = []
    for path in paths:
        _note(found, failure(path))
    return [one.path for one in found]


def test_failures_of_branches_stand_in_the_order_of_the_runbook():
    paths = ["a", "p/branch-1/x", "p/branch-1/y", "p/branch-2/x", "p/branch-10/x", "z"]
    assert noted("a", "p/branch-10/x", "p/branch-1/x", "p/branch-2/x", "p/branch-1/y", "z") == paths
    assert noted("e/item-2/s", "e/item-1/s") == ["e/item-1/s", "e/item-2/s"]
    assert noted("z", "a") == ["z", "a"]


def test_progress_that_is_told_moves_no_clock_that_anything_is_decided_by():
    text = "title: t\nsteps: [{end: resolved}]\n"
    runbook = load_runbook("p/x", text, "p/x.yaml", Registry.of([], []), lambda _: None)
    state = State("r", runbook)
    state.apply(Draft("TimeReached", {}, 5))
    state.apply(Draft("StepProgressed", {"path": "a", "text": "half"}, 9))
    assert (state.now_us, state.last_us) == (5, 9)
