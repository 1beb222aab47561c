"""What the drivers of a process have together: their leases, their times, who lets them go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.core.events import Draft
from engine.errors import Fenced, JournalError
from engine.journal.contract import Lease
from engine.journal.memory import MemoryStore
from engine.runner.alarms import DEAD_MAX, SLEEP_MAX_S, Alarms
from engine.runner.minding import Minding
from tests.journal.conftest import ManualClock
from tests.runs.conftest import ALICE
from tests.runs.test_telling import CALLS, Beeper, desk  # noqa: F401 - a fixture

ME, OTHER = "elsewhere:1:2", "elsewhere:3:4"


class Renewals(MemoryStore):
    """Counts, and refuses when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.full = False

    async def renew(self, leases: Any) -> Any:
        self.asked.append([lease.run for lease in leases])
        if self.full:
            raise JournalError("the disk is full", help="make room")
        return await super().renew(leases)


async def held(minding: Minding, runs: int) -> tuple[list[Lease], dict[str, BaseException]]:
    lost: dict[str, BaseException] = {}
    leases = []
    for number in range(runs):
        run = f"r{number}"
        started = Draft("RunStarted", {"name": "p/m"}, 1)
        lease, _ = await minding.store.create(run, [started], ME)
        minding.hold(lease, lambda error, run=run: lost.update({run: error}))  # type: ignore[misc]
        leases.append(lease)
    return leases, lost


async def test_all_leases_of_a_process_are_renewed_at_once_and_each_hears_if_its_own_is_lost():
    store = Renewals()
    minding = Minding(store, ManualClock())
    leases, lost = await held(minding, 100)
    await store.take("r7", OTHER, force=True)
    await minding._renew_once()
    assert [len(asked) for asked in store.asked] == [100]
    assert {run: type(error) for run, error in lost.items()} == {"r7": Fenced}
    for lease in leases:
        minding.let_go(lease)
    assert minding._renewing is None


async def test_where_the_journal_cannot_be_written_no_driver_goes_on():
    store = Renewals()
    store.full = True
    minding = Minding(store, ManualClock())
    leases, lost = await held(minding, 3)
    await minding._renew_once()
    assert [str(error) for error in lost.values()] == ["the disk is full"] * 3
    assert len({id(error) for error in lost.values()}) == 3
    for lease in leases:
        minding.let_go(lease)


async def test_whoever_lets_others_go_is_waited_for_once_and_all_of_them_hear():
    minding, leave, heard = Minding(MemoryStore(), ManualClock()), asyncio.Event(), []
    hears = [lambda n=n: heard.append(n) for n in range(3)]
    for hear in hears:
        minding.heed(leave, hear)
    assert len(minding._heeding) == 1
    minding.heed_no_more(leave, hears[1])
    (task,) = [task for task, _ in minding._heeding.values()]
    leave.set()
    await task
    minding.heed_no_more(leave, hears[0])
    assert sorted(heard) == [0, 2]
    minding.heed(leave, hears[1])
    minding.heed_no_more(leave, hears[1])
    assert not minding._heeding


async def test_alarms_ring_in_the_order_of_their_times_whatever_order_they_were_set_in():
    clock, rang = ManualClock(), []
    alarms = Alarms(clock)
    for seconds in (30, 10, 20):
        alarms.set(seconds, lambda seconds=seconds: rang.append(seconds))
    gone = alarms.set(15, lambda: rang.append("never"))
    gone.cancel()
    gone.cancel()
    for _ in range(3):
        await clock.sleeping(1)
        assert clock.asleep() == 1
        clock.advance(10)
        await settled()
    assert rang == [10, 20, 30]
    assert alarms._task is None


async def test_nobody_sleeps_once_every_alarm_was_cancelled():
    clock = ManualClock()
    alarms = Alarms(clock)
    first, second = alarms.set(1, list), alarms.set(2, list)
    await clock.sleeping(1)
    first.cancel()
    second.cancel()
    await settled()
    assert clock.asleep() == 0


async def test_cancelled_alarms_are_not_kept_for_their_time_to_come():
    alarms = Alarms(ManualClock())
    last = alarms.set(86_400, list)
    for _ in range(10 * DEAD_MAX):
        alarms.set(43_200, list).cancel()
    assert len(alarms._heap) <= DEAD_MAX + 1
    last.cancel()


class Jumps(ManualClock):
    """A wall clock that somebody sets."""

    ahead_us = 0

    def now_us(self) -> int:
        return int(super().now_us()) + self.ahead_us


@pytest.mark.parametrize(("seconds", "rings"), [(3600, True), (-3600, False), (0.5, False)])
async def test_a_wall_clock_that_was_set_ahead_rings_for_all_within_a_minute(seconds, rings):
    clock, rang = Jumps(), asyncio.Event()
    alarm = Alarms(clock).set(86_400, rang.set)
    await clock.sleeping(1)
    clock.ahead_us = round(seconds * 1_000_000)
    clock.advance(SLEEP_MAX_S)
    await settled()
    assert rang.is_set() == rings
    alarm.cancel()


async def settled() -> None:
    """Everything that is due now has happened."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_driver_that_only_waits_ends_when_its_lease_is_found_lost(desk):  # noqa: F811
    told, runs = asyncio.Event(), []

    def observe(event):
        runs.append(event.run)
        if event.type == "Told":
            desk.clock.held += 1
            told.set()

    running = asyncio.create_task(desk.run(CALLS, observe))
    await told.wait()
    await desk.engine.store.take(runs[0], OTHER, force=True)
    before = await desk.engine.store.events(runs[0])
    await desk.engine._minded._renew_once()
    with pytest.raises(Fenced, match=f"driven by {OTHER}"):
        await running
    desk.clock.held -= 1
    assert await desk.engine.store.events(runs[0]) == before


async def test_what_waits_for_its_turn_is_not_sent_by_a_driver_that_lost_its_lease(
    desk,  # noqa: F811
    monkeypatch,
):
    """As after a process that was stopped for longer than its lease goes on."""
    monkeypatch.setattr(Beeper, "interval_s", 60.0)
    first = await desk.run(CALLS, acknowledged(desk))
    assert first.status == "resolved"
    Beeper.rang.clear()
    begun, runs = asyncio.Event(), []

    def observe(event):
        runs.append(event.run)
        if event.type == "TellStarted":
            desk.clock.held += 1  # its turn does not come before another took the run
            begun.set()

    running = asyncio.create_task(desk.run(CALLS, observe))
    await begun.wait()
    await desk.engine.store.take(runs[0], OTHER, force=True)
    desk.clock.held -= 1
    with pytest.raises(Fenced):
        await running
    assert Beeper.rang == []


def acknowledged(desk):  # noqa: F811
    """Somebody takes it as soon as somebody was told."""
    tasks = []

    def observe(event):
        if event.type == "Told" and not tasks:
            tasks.append(asyncio.create_task(desk.engine.acknowledge(event.run, ALICE, "")))

    return observe
