"""A worker on "another host" whose first action is under way until a line comes on its input.

SLEEPER.py JOURNAL BOOKS DONE: every action adds its word to the file DONE.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import engine.wiring
from engine.config import Books
from engine.core.events import Actor
from engine.errors import Fenced
from engine.journal.sqlite import SqliteStore
from engine.registry import Registry
from tests.runs import lab

engine.wiring.this_holder = lambda: "elsewhere:1:1"


async def main(journal: str, books: str, done: str) -> None:
    def note(word: str) -> None:
        with Path(done).open("a") as file:
            file.write(f"{word}\n")

    def does(word: str, waits: bool):
        async def act() -> dict[str, str]:
            note(word)
            if waits:
                print("acting", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
            return {}

        return act

    lab.Target.on = {"one": does("one", True), "two": does("two", False)}
    store = SqliteStore(Path(journal))
    registry = Registry.of([lab], [lab.LabAdapter])
    made = engine.wiring.Engine(books=Books([Path(books)]), registry=registry, store=store)
    try:
        actor = Actor("alice", "os-user")
        result = await made.run("p/main", environment="test", inputs={}, actor=actor)
        print(result.status, flush=True)
    except Fenced as error:
        print(f"Fenced: {error}", flush=True)
    await store.close()


asyncio.run(main(*sys.argv[1:]))
