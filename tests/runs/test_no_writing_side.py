"""A rehearsal cannot write, by construction: for every action of every family, no writing side is
made. A real run of the same runbook makes one, so what is counted here is what counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.plugin import Adapter, StepContext
from engine.registry import Registry
from engine.runner.rehearse import Readings, Rehearser
from engine.wiring import Engine
from tests.every_action import CONNECTIONS, SAMPLES, every_action

ACTIONS = [
    name
    for name in every_action()
    if (found := Registry().get(name, "action")) is not None and found.takes_target
]
ALICE = Actor("alice", "os-user")


class Counting(Registry):
    """The registry of everything; counts the writing sides that are asked for, and makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def adapter(self, family: str) -> type[Adapter]:
        real: Any = super().adapter(family)
        asked = self.asked

        class NoWriter(real):
            def writer(self, context: StepContext) -> Any:
                asked.append(context.path)
                raise AssertionError("a writing side was asked for")

        return NoWriter


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERY_TOKEN", "no-token-of-anybody")
    (tmp_path / "p" / "environments").mkdir(parents=True)
    return tmp_path


def write(books: Path, type_: str) -> None:
    connection = CONNECTIONS[type_.partition(".")[0]]
    (books / "p/environments/test.yaml").write_text(f"connections: {{there: {connection}}}\n")
    given = json.dumps(SAMPLES[type_])
    step = f"{{id: act, action: {type_}, target: there, idempotent: true, with: {given}}}"
    (books / "p/main.yaml").write_text(f"title: One\nsteps:\n  - {step}\n")


@pytest.mark.parametrize("type_", ACTIONS)
async def test_a_rehearsal_of_it_makes_no_writing_side(books: Path, type_: str):
    write(books, type_)
    registry = Counting()
    engine = Engine(books=Books([books]), registry=registry, store=open_store("memory:"))
    given = {"environment": "test", "inputs": {}, "actor": ALICE}
    rehearsed = await engine.run("p/main", rehearsal=True, **given)
    (ended,) = [
        event.body
        for event in await engine.store.events(rehearsed.run)
        if event.type == "StepFinished"
    ]
    assert ended["status"] in ("previewed", "errored", "unverifiable")
    assert registry.asked == []
    await engine.run("p/main", **given)
    assert registry.asked == ["act"]


def test_what_rehearses_is_given_nothing_that_hands_out_a_writing_side():
    for kind in (Readings, Rehearser):
        assert not [name for name in dir(kind) if "writ" in name.lower()]
    assert [name for name in vars(Readings) if not name.startswith("_")] == ["reader"]
