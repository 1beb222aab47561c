"""Runbooks nobody wrote: random trees of entries with random findings keep the laws too."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from engine.core.state import State
from tests.core.test_laws import FROM_OUTSIDE, expected
from tests.core.world import Oops, World, book, once

DEPTH = 3
SEEDS = [*range(300), 1012]
"""1012: a block over its time limit, then cancelled, ran its `on_failure`."""


class Maker:
    """Makes a runbook and what its steps find, from one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.made = 0

    def steps(self, depth: int, most: int = 3) -> list[dict[str, Any]]:
        made = [self.entry(depth) for _ in range(self.chance.randint(1, most))]
        last = next((n for n, entry in enumerate(made) if "end" in entry), len(made))
        return made[: last + 1]  # what stands behind an `end` is refused by the loader

    def entry(self, depth: int) -> dict[str, Any]:
        kinds = ["check", "action", "action", "wait", "human", "escalate", "end"]
        if depth > 0:
            kinds += ["choose", "parallel", "each", "group", "group"]
        entry = getattr(self, self.chance.choice(kinds))(depth)
        self.made += 1
        entry["id"] = f"s{self.made}"
        if self.chance.random() < 0.15:
            entry["when"] = self.chance.choice(["1 > 2", "1 < 2"])
        if "end" not in entry and self.chance.random() < 0.25:
            entry["on_failure"] = "continue"
        elif "end" not in entry and depth > 0 and self.chance.random() < 0.2:
            entry["on_failure"] = self.steps(depth - 1, 2)
        return entry

    def check(self, _depth: int) -> dict[str, Any]:
        more: dict[str, Any] = self.chance.choice(
            [
                {},
                {"within": "20s", "every": "7s"},
                {"hold": "15s", "every": "5s"},
                {"retry": 2},
            ]
        )
        return {"check": "t.look", "expect": "result.ok", **more}

    def action(self, _depth: int) -> dict[str, Any]:
        more = self.chance.choice([{}, {}, {"retry": {"attempts": 3, "delay": "2s"}}])
        return {"action": "t.act", **more}

    def wait(self, _depth: int) -> dict[str, Any]:
        return {"wait": self.chance.choice(["1s", "10s", "1h"])}

    def human(self, _depth: int) -> dict[str, Any]:
        if self.chance.random() < 0.5:
            return {"check": "t.confirm", "with": {"question": "q"}}
        return {"action": "t.do", "with": {"instructions": "i"}, "idempotent": True}

    def escalate(self, _depth: int) -> dict[str, Any]:
        wait = {"wait": "acknowledged"} if self.chance.random() < 0.5 else {}
        return {"escalate": "default", "message": "m", **wait}

    def end(self, _depth: int) -> dict[str, Any]:
        if self.chance.random() < 0.7:
            return self.action(0)
        return {"end": self.chance.choice(["resolved", "unresolved", "aborted"])}

    def choose(self, depth: int) -> dict[str, Any]:
        ways = [
            {"when": self.chance.choice(["1 > 2", "1 < 2"]), "steps": self.steps(depth - 1)}
            for _ in range(self.chance.randint(1, 2))
        ]
        otherwise = {"otherwise": self.steps(depth - 1)} if self.chance.random() < 0.5 else {}
        return {"choose": ways, **otherwise}

    def parallel(self, depth: int) -> dict[str, Any]:
        branches = [self.entry(depth - 1) for _ in range(self.chance.randint(2, 3))]
        limit = {"limit": self.chance.randint(1, 3)} if self.chance.random() < 0.5 else {}
        return {"parallel": branches, **limit}

    def each(self, depth: int) -> dict[str, Any]:
        items = json.dumps(list(range(self.chance.randint(0, 3))))
        limit = self.chance.randint(1, 3)
        return {"each": items, "as": "one", "steps": self.steps(depth - 1), "limit": limit}

    def group(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"group": "g", "steps": self.steps(depth - 1)}
        if self.chance.random() < 0.4:
            made["always"] = self.steps(0, 2)
        if self.chance.random() < 0.3:
            made["timeout"] = self.chance.choice(["3s", "30s"])
        return made


class AnyWorld(World):
    """What a step finds follows from the seed, its path and its attempt; people answer at once."""

    seed = 0

    def _scripted(self, path: str) -> Any:
        started = [e for e in self.events if e.type == "StepStarted" and e.body["path"] == path]
        chance = random.Random(f"{self.seed} {path} {started[-1].body['attempt']}")
        return chance.choices(
            [{"ok": True}, {"ok": False}, Oops(), Oops(maybe_done=True), Oops(retryable=False)],
            [10, 2, 2, 1, 1],
        )[0]

    def _people(self, questions: Any) -> bool:
        for question in questions:
            chance = random.Random(f"{self.seed} {question.path} person")
            if question.kind == "doubt":
                happened = chance.random() < 0.5 or self.settled(question.path) > 3
                body = {"path": question.path, "happened": happened, "reason": "r"}
                self.put("DoubtSettled", body)
            else:
                answer = chance.choice(question.answers)
                self.put("Answered", {"path": question.path, "answer": answer, "note": ""})
            return True
        return False

    def settled(self, path: str) -> int:
        return sum(1 for e in self.events if e.type == "DoubtSettled" and e.body["path"] == path)


def world_of(seed: int) -> AnyWorld:
    maker = Maker(seed)
    text: dict[str, Any] = {"steps": maker.steps(DEPTH)}
    if maker.chance.random() < 0.5:
        text["on_failure"] = maker.steps(1, 2)
    if maker.chance.random() < 0.5:
        text["always"] = maker.steps(1, 2)
    runbook = book("\n".join(f"{key}: {json.dumps(value)}" for key, value in text.items()))
    made = AnyWorld(once(runbook) if seed % 2 else runbook)
    made.seed = seed
    return made


def acted(world: World) -> list[tuple[str, int]]:
    return [(p, n) for p, n in world.performed if world.state.steps[p].is_action]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_run_ends_and_every_event_is_decided_and_no_attempt_is_made_twice(seed: int):
    world = world_of(seed).begin().go()
    assert world.outcome is not None
    assert len(acted(world)) == len(set(acted(world)))
    state = State("r", world.runbook)
    for event in world.events:
        if event.type not in FROM_OUTSIDE:
            assert (event.type, event.body) in expected(state, event)
        state.apply(event)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_run_that_was_cut_short_ends_and_repeats_no_attempt(seed: int):
    whole = world_of(seed).begin().go()
    chance = random.Random(seed)
    for length in sorted(chance.sample(range(1, len(whole.events)), min(8, len(whole.events) - 1))):
        prefix = whole.events[:length]
        world = world_of(seed).take_up(prefix).go()
        assert world.outcome is not None
        before = {
            (e.body["path"], e.body["attempt"])
            for e in prefix
            if e.type == "StepStarted" and world.state.steps[e.body["path"]].is_action
        }
        assert before.isdisjoint(acted(world))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_run_that_is_cancelled_ends_and_begins_nothing_but_always(seed: int):
    whole = world_of(seed).begin().go()
    length = random.Random(seed).randint(1, len(whole.events) - 1)
    world = world_of(seed)
    for event in whole.events[:length]:
        world.state.apply(event)
        world.events.append(event)
    world.now_us = world.state.now_us
    world.put("CancelRequested", {"reason": "stop"})
    for path in [s.path for s in world.state.steps.values() if s.in_flight]:
        world._land(path)
    world.go()
    assert world.outcome is not None
    begun = [p for p, n in world.performed]
    assert [p for p in begun if "always/" not in p] == []
