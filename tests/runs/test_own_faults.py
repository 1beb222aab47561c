"""A fault of the engine itself, beside a run, is told: nothing waits for ever for what it broke."""

from __future__ import annotations

import asyncio

import pytest

from tests.runs.test_telling import CALLS, opened


@pytest.fixture
async def desk(tmp_path):
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    yield made
    await made.engine.store.close()


async def test_a_fault_in_what_tells_people_ends_the_driving_and_is_told(desk, monkeypatch):
    class Fault(Exception):
        """Ours."""

    async def tell(_effect, _wanted):
        raise Fault

    monkeypatch.setattr(desk.engine, "_teller", lambda _means: lambda _run, _event: tell)
    with pytest.raises(Fault):
        async with asyncio.timeout(60):
            await desk.run(CALLS)
