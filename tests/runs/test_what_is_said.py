"""What people say of a run is recorded without the secrets of the run, and of its channels; and a
rehearsal has nothing to tell anybody with.
"""

from __future__ import annotations

import pytest

from tests.runs.beeper import Beeper
from tests.runs.test_telling import BO, CALLS, turning


@pytest.fixture
async def desk(tmp_path):
    async with turning(tmp_path) as made:
        yield made


async def test_a_secret_of_a_channel_in_a_note_is_not_recorded(desk, monkeypatch):
    monkeypatch.setenv("BEEP_TOKEN", "canary-7713-beep")
    connections = "{beeper: {adapter: beeper, token: '${env:BEEP_TOKEN}'}}"
    desk.write("environments/test.yaml", f"connections: {connections}\n")
    result = await desk.run(CALLS)
    await desk.engine.acknowledge(result.run, BO, "is canary-7713-beep the token?")
    events = await desk.engine.store.events(result.run)
    assert events[-1].type == "Acknowledged"
    assert "canary" not in repr(events)


async def test_a_rehearsal_is_given_nothing_to_tell_people_with(desk, monkeypatch):
    made = []
    teller = desk.engine._teller
    monkeypatch.setattr(desk.engine, "_teller", lambda means: made.append(1) or teller(means))
    await desk.run(CALLS, rehearsal=True)
    assert (made, Beeper.rang) == ([], [])
