"""A process that has everything imported and forks a fresh driver for each line it reads.

A line is JSON: `{"books", "store", "run"}`; without a run it starts `p/main`, else it takes that
run up. The child writes each event it was told of (so: acknowledged as durable) to the given file
as `seq type`, and at its end the status. On standard output are told: the pid of the child,
`begun` when its run is, and `ended`. Forking saves 200 times the start-up; the child is a process
like any other, and SIGKILL ends it like any other.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces
from tests.acceptance.forking import Fork

ALICE = Actor("alice", "os-user")


async def drive(order: dict[str, str | None], said: int) -> None:
    store = open_store(order["store"] or "")
    engine = Engine(books=Books([order["books"] or ""]), registry=Registry(), store=store)
    faces = Faces(
        observe=lambda event: os.write(said, f"{event.seq} {event.type}\n".encode()),
        started=lambda run: begun(run, said),
        console=lambda text: None,
    )
    run = order["run"]
    if run is None:
        result = await engine.run("p/main", environment="test", inputs={}, actor=ALICE, faces=faces)
    else:
        result = await engine.resume(run, actor=ALICE, faces=faces)
    os.write(said, f"status {result.status}\n".encode())
    await store.close()


def begun(run: str, said: int) -> None:
    os.write(said, f"run {run}\n".encode())
    os.write(sys.stdout.fileno(), b"begun\n")


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        said = os.open(order["said"], os.O_WRONLY | os.O_APPEND)
        fork = Fork(lambda order=order, said=said: asyncio.run(drive(order, said)))
        os.close(said)
        print(fork.pid, flush=True)
        fork.wait()
        print("ended", flush=True)


if __name__ == "__main__":
    main()
