"""Real runs of our runbooks, replayed and kept as scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Books
from engine.scenario.replay import replay
from engine.scenario.write import Stand, with_scenario
from engine.wiring.scenarios import ContactsOf

NAMES = Books([Path(__file__).resolve().parents[2] / "runbooks"]).names()


@pytest.mark.parametrize("name", NAMES)
async def test_a_real_run_is_reproduced_and_makes_a_scenario_that_holds(
    show, books, registry, name
):
    async with show(name) as stage:
        result = await stage.run()
        events = await stage.engine.store.events(result.run)
    runbook = books.load(name, registry)
    found = replay(events, runbook, registry)
    assert found.same, found.parting
    decided = [(e.type, e.body, e.at_us) for e in events if e.type != "StepProgressed"]
    assert [(e.type, e.body, e.at_us) for e in found.events][1:] == decided[1:]
    file = books.scenarios(name)
    assert file is not None
    stand = Stand(registry, books, ContactsOf(books, registry))
    made = with_scenario(events, runbook, stand, file.read_text(), None)
    assert made.result.lines == (), "\n".join((*made.result.lines, made.text[-1500:]))
