"""The places a command can run, for the contract that all of them keep."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.adapters.command import CommandAdapter, call_of
from engine.adapters.command_output import Output
from engine.adapters.command_side import Job
from engine.plugin import StepContext

PROGRAMS = ["sh", "echo", "cat", "env", "sleep", "python3", "true", "pwd"]


@dataclass
class Place:
    """Makes connections to one place, and closes them."""

    make: Callable[..., Any]
    remote: bool
    made: list[Any] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def adapter(self, **settings):
        adapter = self.make(**({"allowed": PROGRAMS} | settings))
        self.made.append(adapter)
        return adapter

    def context(self, timeout_s=20.0, **more):
        return StepContext(
            run="r", path="p", progress=self.told.append, timeout_s=timeout_s, **more
        )

    async def ask(self, argv=None, shell=None, *, settings=None, **params):
        """A check."""
        side = self.adapter(**(settings or {})).reader(self.context())
        return await side.run(call_of(argv, shell, **params))

    async def do(self, argv=None, shell=None, *, settings=None, **params):
        """An action."""
        side = self.adapter(**(settings or {})).writer(self.context())
        return await side.run(call_of(argv, shell, **params))

    async def execute(self, shell, *, limit_s, stop_s=10.0):
        """A shell's line under a time limit, below the sides."""
        job = Job(
            program="/bin/sh",
            argv=("sh", "-c", shell),
            cwd=None,
            env={},
            stdin=None,
            limit_s=limit_s,
            stop_s=stop_s,
            acts=True,
        )
        output = Output(1000, self.context())
        adapter = self.adapter()
        await adapter.ping()  # so that the limit is the command's alone
        try:
            return await adapter._machine().execute(job, output)
        finally:
            output.close()


@asynccontextmanager
async def closing(place: Place) -> AsyncIterator[Place]:
    try:
        yield place
    finally:
        for adapter in place.made:
            await adapter.close()


def local() -> Place:
    return Place(CommandAdapter, remote=False)


def alive(pid: int) -> bool:
    """Whether a process runs: not one that is dead and waits to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def appears(file: Path, count: int = 1) -> list[int]:
    """The numbers that processes write into a file, once all are there."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError):
                words = file.read_text().split()  # noqa: ASYNC240 - a few octets
                if len(words) >= count:
                    return [int(word) for word in words]
            await asyncio.sleep(0.005)
