"""What the journal's tests share: a clock they move, and every store behind one fixture."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from engine.core.events import Draft
from engine.journal.memory import MemoryStore
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore


class ManualClock:
    """Time that passes when a test says so."""

    def __init__(self):
        self._us = 1_700_000_000_000_000
        self._sleepers = []
        self._slept = asyncio.Event()

    def now_us(self):
        return self._us

    def monotonic_s(self):
        return self._us / 1_000_000

    async def sleep(self, seconds):
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._us + round(seconds * 1_000_000), sleeper))
        self._slept.set()
        await sleeper

    def advance(self, seconds):
        self._us += round(seconds * 1_000_000)
        for due_us, sleeper in self._sleepers:
            if due_us <= self._us and not sleeper.done():
                sleeper.set_result(None)

    async def sleeping(self, count=1):
        """Returns once so many tasks sleep."""
        while self.asleep() < count:
            self._slept.clear()
            await self._slept.wait()

    def asleep(self):
        return sum(not sleeper.done() for _, sleeper in self._sleepers)


@pytest.fixture
def clock():
    return ManualClock()


@asynccontextmanager
async def memory_place(tmp_path, clock):
    yield MemoryStore(clock)


@asynccontextmanager
async def sqlite_place(tmp_path, clock):
    path = tmp_path / "journal.db"
    make_file(path)
    store = SqliteStore(path, clock=clock)
    yield store
    await store.close()


STORES = {"memory": memory_place, "sqlite": sqlite_place}
"""Every store that keeps the contract. A new one is a line here, and its tests are written."""


@pytest_asyncio.fixture(params=STORES)
async def store(request, tmp_path, clock):
    async with STORES[request.param](tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def journal_file(tmp_path):
    path = tmp_path / "journal.db"
    make_file(path)
    return path


@pytest_asyncio.fixture
async def open_sqlite():
    """Opens SQLite stores, and closes them when the test is over."""
    opened = []

    def open_one(path, **options):
        opened.append(SqliteStore(path, **options))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def draft():
    """Makes drafts: `draft("StepFinished", path="a", status="passed")`."""

    def make(kind="StepProgressed", at_us=1_700_000_000_000_000, /, **body):
        return Draft(kind, body, at_us)

    return make


@pytest.fixture
def started(draft):
    """Makes the first draft of a run."""

    def make(name="stratum/redis", at_us=1_700_000_000_000_000):
        return draft("RunStarted", at_us, name=name, environment="staging", mode="real")

    return make
