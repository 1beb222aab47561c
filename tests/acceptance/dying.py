"""Forks engines of which each is killed (SIGKILL, by itself) around one action.

A line on standard input is JSON: `{"books", "store", "run", "type", "effects", "die", "approve"}`.
The action `type` does nothing but write its idempotency key as a line of the file `effects`; `die`
is `before` or `after` that, or null. With `approve`, bob agrees to the step `act` first. Without a
run `p/main` is started, else that run is taken up. The child writes `run ID` and `status S` to the
file `said`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.language.catalog import Kind
from engine.plugin import StepType
from engine.registry import Registry
from engine.wiring import Engine, Faces
from tests.acceptance.forking import Fork

ALICE, BOB = Actor("alice", "os-user"), Actor("bob", "os-user")


class Dying:
    """Stands for one action: leaves a mark, and dies when it is told to."""

    def __init__(self, step: StepType[..., Any], order: Mapping[str, Any]) -> None:
        self.signature = step.signature
        self._order = order

    async def call(self, side: Any, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._order["die"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        with open(self._order["effects"], "a") as file:  # noqa: ASYNC230, PTH123 - it may die here
            file.write("done\n")
        if self._order["die"] == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return {}


class Deadly(Registry):
    """The registry of everything, with one action replaced."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        super().__init__()
        self._order = order

    def step(self, type: str, kind: Kind | None = None) -> Any:
        found = super().step(type, kind)
        if type == self._order["type"] and kind == "action":
            return Dying(found, self._order)
        return found


async def drive(order: Mapping[str, Any], said: int) -> None:
    store = open_store(order["store"])
    engine = Engine(books=Books([order["books"]]), registry=Deadly(order), store=store)
    faces = Faces(started=lambda run: os.write(said, f"run {run}\n".encode()))
    run = order["run"]
    if run is None:
        result = await engine.run("p/main", environment="test", inputs={}, actor=ALICE, faces=faces)
    else:
        if order["approve"]:
            await engine.approve(run, "act", "it looks right", BOB)
        result = await engine.resume(run, actor=ALICE, faces=faces)
    os.write(said, f"status {result.status}\n".encode())
    await store.close()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        fork = Fork(lambda order=order, said=said: asyncio.run(drive(order, said)))
        os.close(said)
        print(fork.wait(), flush=True)


if __name__ == "__main__":
    main()
