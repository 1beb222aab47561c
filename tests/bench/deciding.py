"""What the core costs for each event of a run, beside writing that event as JSON and hashing it."""

from __future__ import annotations

import time
from hashlib import sha256
from statistics import median
from typing import NamedTuple

from engine.core.decide import decide
from engine.core.effects import Perform
from engine.core.events import Draft
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.journal.chain import canonical
from engine.language.model import Runbook
from tests.bench.table import Row
from tests.core.world import ALICE, book

FLAT_STEPS = 200
LONG_STEPS = 2000
NESTED_GROUPS = 20
BRANCHES = 100
GROWTH = 1.15
"""What an event of a run ten times as long may cost more; noise, mostly."""

FOUND = {"status": 200, "json": {"status": "healthy", "lag": 0.1}, "elapsed_ms": 1.2}


def flat(steps: int) -> Runbook:
    one = (
        "  - {{id: s{n}, check: t.look, with: {{what: {what}}}, expect: {{json.status: healthy}}}}"
    )
    values = ["0", *(f"'{{{{ s{n}.json.lag }}}}'" for n in range(steps - 1))]
    lines = [one.format(n=n, what=what) for n, what in enumerate(values)]
    return book("steps:\n" + "\n".join(lines))


def nested(groups: int) -> Runbook:
    one = """
  - id: g{n}
    group: careful
    steps:
      - id: c{n}
        choose:
          - when: 1 > 2
            steps: [{{check: t.look}}]
          - name: taken
            when: run.mode == 'real'
            steps:
              - id: e{n}
                each: "['x', 'y', 'z']"
                as: letter
                steps:
                  - check: t.look
                    with: {{what: "{{{{ letter }}}}"}}
                    expect: result.status == 200
                  - {{action: t.act}}
    always: [{{action: t.act}}]
"""
    return book("steps:" + "".join(one.format(n=n) for n in range(groups)))


def each(items: int) -> Runbook:
    return book(
        f"steps:\n  - each: range({items}) | list\n    as: n\n    steps:\n"
        "      - {check: t.look, with: {what: '{{ n }}'}, expect: {json.status: healthy}}\n"
    )


def parallel(branches: int) -> Runbook:
    one = "      - {check: t.look, expect: {json.status: healthy}}\n"
    return book("steps:\n  - id: p\n    parallel:\n" + one * branches)


class Played(NamedTuple):
    """One run without a world: its events, and what the core took for all of them."""

    events: list[Draft]
    spent_s: float


def play(runbook: Runbook) -> Played:
    """Every outcome comes by itself, so that the core decides as often as it does in life."""
    state = State("r", runbook)
    started = {"name": runbook.name, "digest": runbook.digest, "texts": {}, "inputs": {}}
    more = {"event": None, "environment": "t", "mode": "real", "engine": "0", "connections": {}}
    events: list[Draft] = []
    flying: list[str] = []
    now_us = 1_800_000_000_000_000
    begun_s = time.perf_counter()
    _take(state, Draft("RunStarted", {**started, **more}, now_us, ALICE), events)
    while state.finished is None:
        _decide(state, events, flying, now_us)
        if flying:
            now_us += 1000
            record = conclude(state, flying.pop(0), Outcome(FOUND, None, 1.2, 0.5), now_us)
            _take(state, Draft(record.type, record.body, now_us), events)
    return Played(events, time.perf_counter() - begun_s)


def _decide(state: State, events: list[Draft], flying: list[str], now_us: int) -> None:
    while records := decide(state).record:
        turns = state.turns
        for record in records:
            _take(state, Draft(record.type, record.body, now_us), events)
            if isinstance(record, Perform):
                flying.append(record.body["path"])
            if state.turns != turns:
                break


def _take(state: State, draft: Draft, events: list[Draft]) -> None:
    state.apply(draft)
    events.append(draft)


def hashed(events: list[Draft]) -> float:
    """The floor: the seconds that it takes to write each event as JSON and to hash it."""
    begun_s = time.perf_counter()
    for event in events:
        sha256(canonical(event.body).encode()).hexdigest()
    return time.perf_counter() - begun_s


def per_event(runbook: Runbook, rounds: int) -> tuple[float, float, int]:
    """Medians in microseconds, ours and the floor's, and how many events the run has."""
    played = play(runbook)
    ours_us, floor_us = [], []
    count = len(played.events)
    for _ in range(rounds):
        ours_us.append(play(runbook).spent_s / count * 1e6)
        floor_us.append(hashed(played.events) / count * 1e6)
    return median(ours_us), median(floor_us), count


async def deciding(rounds: int, scale: float = 1.0) -> list[Row]:
    def sized(count: int) -> int:
        return max(2, round(count * scale))

    shapes = {
        f"{sized(FLAT_STEPS)} steps": flat(sized(FLAT_STEPS)),
        f"{sized(NESTED_GROUPS)} groups with choose and each": nested(sized(NESTED_GROUPS)),
        f"each of {sized(FLAT_STEPS)} items": each(sized(FLAT_STEPS)),
        f"parallel, {sized(BRANCHES)} branches": parallel(sized(BRANCHES)),
    }
    rows = []
    for name, runbook in shapes.items():
        ours, floor, count = per_event(runbook, rounds)
        rows.append(Row(f"decide, {name}: per event of {count}", ours, floor, "us", rounds))
    return rows + growth(sized(FLAT_STEPS), sized(LONG_STEPS), rounds)


def growth(short: int, long: int, rounds: int) -> list[Row]:
    """An event of a long run beside one of a short run."""
    rows = []
    for name, make, most in (("steps", flat, long), ("items", each, min(long, 1000))):
        few, many = make(short), make(most)
        few_us, many_us = [], []
        for _ in range(rounds):
            few_us.append(_of_one(few))
            many_us.append(_of_one(many))
        said = f"decide, {most} {name} beside {short}: per event"
        rows.append(Row(said, median(many_us), median(few_us), "us", rounds, GROWTH))
    return rows


def _of_one(runbook: Runbook) -> float:
    played = play(runbook)
    return played.spent_s / len(played.events) * 1e6
