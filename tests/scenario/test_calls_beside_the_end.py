"""Journals of engines that went on, behind the end of a run or a question, with what they had
decided beside it: they are replayed as they were.
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.core import state
from tests.runs.test_telling import acks, turning
from tests.scenario.test_calls_recorded import events_of, same

OWN = "escalation: {policy: default, unresolved_after: 10m}\nsteps:\n  - {wait: 10m, id: rest}\n"
STANDS = "severity: SEV1\nsteps:\n  - {wait: 15m, id: rest}\n"


@pytest.fixture
async def desk(tmp_path):
    async with turning(tmp_path) as made:
        yield made


def as_before(type_: str) -> Any:
    """Takes an event in as engines before 2026-11-21 did."""
    handler = state._HANDLERS[type_]

    def take(found: Any, event: Any) -> None:
        turns = found.turns
        handler(found, event)
        found.turns = turns

    return take


@pytest.mark.parametrize("text", [OWN, STANDS], ids=["called", "told how it stands"])
async def test_what_an_older_engine_decided_beside_the_end_is_replayed_as_it_was(
    desk, text, monkeypatch
):
    slept = desk.clock.sleep
    monkeypatch.setattr(desk.clock, "sleep", lambda seconds: slept(seconds + 1))
    with monkeypatch.context() as older:
        older.setitem(state._HANDLERS, "RunFinished", as_before("RunFinished"))
        result = await desk.run(text, acks(desk, told=9))
    events = await events_of(desk, result.run)
    types = [event.type for event in events]
    assert "TellStarted" in types[types.index("RunFinished") :]
    same(desk, events)
