from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import Books
from engine.core.events import Actor, Event
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces, RunResult
from tests.runs import lab

ALICE = Actor("alice", "os-user")


class Virtual:
    """A clock whose sleeps are over at once, with their time gone by."""

    def __init__(self) -> None:
        self.t_us = 1_800_000_000_000_000

    def now_us(self) -> int:
        self.t_us += 1
        return self.t_us

    def monotonic_s(self) -> float:
        return self.t_us / 1e6

    async def sleep(self, seconds: float) -> None:
        self.t_us += round(seconds * 1e6)


class Bench:
    """An engine over a folder of runbooks that a test writes."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        self.seen: list[Event] = []

    def write(self, text: str, name: str = "p/main") -> str:
        path = self.folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"title: {name}\n{text}")
        return name

    def environment(self, text: str, name: str = "test") -> None:
        path = self.folder / "p" / "environments" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run(self, text: str, **more: Any) -> RunResult:
        name = self.write(text)
        given: dict[str, Any] = {"environment": "test", "inputs": {}, "actor": ALICE} | more
        faces = given.pop("faces", None) or Faces(observe=self.seen.append)
        return await self.engine.run(name, faces=faces, **given)

    async def events(self, run: str) -> list[Event]:
        return await self.engine.store.events(run)


@pytest.fixture(params=["memory:", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    lab.Target.reset()
    url = request.param if request.param == "memory:" else f"sqlite:///{tmp_path}/journal.db"
    store = open_store(url)
    folder = tmp_path / "books"
    (folder / "p").mkdir(parents=True)
    registry = Registry.of([lab], [lab.LabAdapter])
    engine = Engine(books=Books([folder]), registry=registry, store=store, clock=Virtual())
    made = Bench(folder, engine)
    made.environment("connections: {there: {adapter: lab}}\n")
    try:
        yield made
    finally:
        await store.close()


@pytest.fixture
def on() -> dict[str, Callable[[], Any]]:
    return lab.Target.on
