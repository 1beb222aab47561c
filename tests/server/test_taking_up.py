"""What a server takes up when it begins: all of it, however long each goes on."""

from __future__ import annotations

import asyncio
import io

from engine.clock import SystemClock
from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.server.keeper import RECOVER_AT_ONCE, Keeper
from engine.server.logs import Log
from engine.wiring import Engine, Faces

ALICE = Actor("alice", "os-user")
RUNS = RECOVER_AT_ONCE + 4


async def test_runs_that_wait_for_long_keep_no_other_from_being_taken_up(tmp_path):
    (tmp_path / "books/p/environments").mkdir(parents=True)
    (tmp_path / "books/p/environments/test.yaml").write_text("connections: {}\n")
    (tmp_path / "books/p/main.yaml").write_text("title: Waits\nsteps:\n  - {wait: 12h, id: rest}\n")
    store = open_store(f"sqlite:///{tmp_path}/journal.db")
    engine = Engine(books=Books([tmp_path / "books"]), registry=Registry(), store=store)
    await left(engine)
    taken: set[str] = set()
    all_are = asyncio.Event()

    def observe(event):
        if event.type == "RunTakenUp":
            taken.add(event.run)
            if len(taken) == RUNS:
                all_are.set()

    keeper = Keeper(
        engine, Log(SystemClock(), str, io.StringIO()), drive_max=2 * RUNS, observe=observe
    )
    assert await keeper.recover() == RUNS
    async with asyncio.timeout(60):
        await all_are.wait()
    await keeper.close(5)
    await store.close()


async def left(engine):
    """Runs whose driver was cut off while they waited."""
    waiting, begun = set(), asyncio.Event()

    def observe(event):
        if event.type == "StepStarted":
            waiting.add(event.run)
            if len(waiting) == RUNS:
                begun.set()

    given = {"environment": "test", "inputs": {}, "actor": ALICE, "faces": Faces(observe=observe)}
    running = [asyncio.create_task(engine.run("p/main", **given)) for _ in range(RUNS)]
    await begun.wait()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
